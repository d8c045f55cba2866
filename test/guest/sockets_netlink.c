/* build: */
/* network: none host */
/* What programs ask of the network's names: getifaddrs, getaddrinfo, ioctls. */
#include "check.h"
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

TEST(interfaces)
{
	struct ifaddrs *list;
	bool v4 = false, link = false;
	CHECK_OK(getifaddrs(&list));
	for (struct ifaddrs *i = list; i; i = i->ifa_next) {
		if (strcmp(i->ifa_name, "lo") || !i->ifa_addr)
			continue;
		CHECK(i->ifa_flags & IFF_LOOPBACK);
		CHECK(i->ifa_flags & IFF_UP);
		if (i->ifa_addr->sa_family == AF_PACKET)
			link = true;
		if (i->ifa_addr->sa_family == AF_INET) {
			CHECK_EQ(((struct sockaddr_in *)i->ifa_addr)->sin_addr.s_addr, htonl(INADDR_LOOPBACK));
			CHECK_EQ(((struct sockaddr_in *)i->ifa_netmask)->sin_addr.s_addr, htonl(0xff000000));
			v4 = true;
		}
	}
	freeifaddrs(list);
	CHECK(v4 && link);
	CHECK_EQ(if_nametoindex("lo"), 1);
	char name[IF_NAMESIZE];
	CHECK_STR(if_indextoname(1, name), "lo");
	CHECK_EQ(if_nametoindex("none0"), 0);
}

TEST(interface_ioctls)
{
	struct ifreq r = {0};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	CHECK(fd >= 0);
	strcpy(r.ifr_name, "lo");
	CHECK_OK(ioctl(fd, SIOCGIFFLAGS, &r));
	CHECK(r.ifr_flags & IFF_LOOPBACK);
	CHECK_OK(ioctl(fd, SIOCGIFINDEX, &r));
	CHECK_EQ(r.ifr_ifindex, 1);
	CHECK_OK(ioctl(fd, SIOCGIFADDR, &r));
	CHECK_EQ(((struct sockaddr_in *)&r.ifr_addr)->sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	CHECK_OK(ioctl(fd, SIOCGIFMTU, &r));
	CHECK_EQ(r.ifr_mtu, 65536);
	strcpy(r.ifr_name, "none0");
	CHECK_ERRNO(ioctl(fd, SIOCGIFFLAGS, &r), ENODEV);
	close(fd);
}

TEST(names)
{
	struct addrinfo hint = {.ai_socktype = SOCK_STREAM}, *list;
	bool v4 = false;
	CHECK_EQ(getaddrinfo("localhost", "80", &hint, &list), 0);
	for (struct addrinfo *a = list; a; a = a->ai_next)
		if (a->ai_family == AF_INET) {
			struct sockaddr_in *in = (void *)a->ai_addr;
			CHECK_EQ(in->sin_addr.s_addr, htonl(INADDR_LOOPBACK));
			CHECK_EQ(in->sin_port, htons(80));
			v4 = true;
		}
	freeaddrinfo(list);
	CHECK(v4);
	hint = (struct addrinfo){.ai_flags = AI_NUMERICHOST | AI_PASSIVE, .ai_family = AF_INET6};
	CHECK_EQ(getaddrinfo("::1", NULL, &hint, &list), 0);
	freeaddrinfo(list);
	CHECK_EQ(getaddrinfo("no.such.host.invalid", NULL, &(struct addrinfo){.ai_flags = AI_NUMERICHOST}, &list), EAI_NONAME);
	char host[65];
	CHECK_OK(gethostname(host, sizeof host));
	CHECK(host[0]);
}

TEST(route_socket)
{
	struct {
		struct nlmsghdr h;
		struct rtgenmsg g;
	} q = {{sizeof q, RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, 42, 0}, {AF_UNSPEC}};
	struct sockaddr_nl a = {.nl_family = AF_NETLINK};
	socklen_t n = sizeof a;
	static char b[65536];
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	CHECK(fd >= 0);
	CHECK_OK(bind(fd, (void *)&a, sizeof a));
	CHECK_OK(getsockname(fd, (void *)&a, &n));
	CHECK(a.nl_family == AF_NETLINK && a.nl_pid != 0);
	CHECK_EQ(send(fd, &q, sizeof q, 0), sizeof q);
	bool lo = false, end = false;
	while (!end) {
		ssize_t r = recv(fd, b, sizeof b, 0);
		CHECK(r > 0);
		for (struct nlmsghdr *h = (void *)b; NLMSG_OK(h, (size_t)r); h = NLMSG_NEXT(h, r)) {
			CHECK_EQ(h->nlmsg_seq, 42);
			end |= h->nlmsg_type == NLMSG_DONE;
			if (h->nlmsg_type == RTM_NEWLINK) {
				struct ifinfomsg *i = NLMSG_DATA(h);
				lo |= i->ifi_index == 1 && (i->ifi_flags & IFF_LOOPBACK);
			}
		}
	}
	CHECK(lo);
	close(fd);
}
