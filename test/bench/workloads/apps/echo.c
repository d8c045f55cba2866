/* A TCP echo server, one connection at a time. usage: echo PORT [CONNECTIONS] */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char buffer[4096];
	int one = 1, s = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(argc > 1 ? atoi(argv[1]) : 0),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(s, (struct sockaddr *)&a, sizeof a) || listen(s, 16)) {
		perror("echo");
		return 1;
	}
	puts("listening");
	fflush(stdout);
	for (int left = argc > 2 ? atoi(argv[2]) : -1; left != 0; left--) {
		int c = accept(s, NULL, NULL);
		ssize_t n;
		while (c >= 0 && (n = read(c, buffer, sizeof buffer)) > 0)
			if (write(c, buffer, n) != n)
				break;
		if (c >= 0)
			close(c);
	}
}
