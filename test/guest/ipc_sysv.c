/* build: */
/* System V shared memory, semaphores and message queues. */
#include "check.h"
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

#define KEY 0x5e17
union semun {
	int val;
	struct semid_ds *buf;
	unsigned short *array;
};

TEST(shared_memory)
{
	struct shmid_ds ds;
	int id = shmget(IPC_PRIVATE, 10000, IPC_CREAT | 0600);
	CHECK(id >= 0);
	char *p = shmat(id, NULL, 0);
	CHECK(p != (void *)-1);
	CHECK_EQ(p[9999], 0);
	strcpy(p, "parent");
	JOIN(FORK({
		CHECK_STR(p, "parent");
		char *q = shmat(id, NULL, 0);
		CHECK_STR(q, "parent");
		strcpy(q, "child");
	}));
	CHECK_STR(p, "child");
	CHECK_OK(shmctl(id, IPC_STAT, &ds));
	CHECK_EQ(ds.shm_segsz, 10000);
	CHECK_EQ(ds.shm_nattch, 1);
	CHECK_EQ(ds.shm_cpid, getpid());
	CHECK_EQ(ds.shm_perm.mode & 0777, 0600);
	CHECK_EQ(ds.shm_perm.uid, geteuid());
	char *ro = shmat(id, NULL, SHM_RDONLY);
	CHECK_STR(ro, "child");
	JOIN(FORK(CHECK_KILLED(FORK({
		struct rlimit none = {0, 0};
		setrlimit(RLIMIT_CORE, &none);
		ro[0] = 1;
	}), SIGSEGV)));
	CHECK_OK(shmctl(id, IPC_RMID, NULL));
	CHECK_STR(p, "child"); /* lives until the last detach */
	CHECK_OK(shmctl(id, IPC_STAT, &ds));
	CHECK(ds.shm_perm.mode & SHM_DEST);
	CHECK_OK(shmdt(ro));
	CHECK_OK(shmdt(p));
	CHECK_ERRNO(shmctl(id, IPC_STAT, &ds), EINVAL);
	CHECK_ERRNO(shmdt(p), EINVAL);
	CHECK(shmat(id, NULL, 0) == (void *)-1 && errno == EINVAL);
}

TEST(shared_memory_keys)
{
	int id = shmget(KEY, 4096, IPC_CREAT | IPC_EXCL | 0600);
	CHECK(id >= 0);
	CHECK_EQ(shmget(KEY, 0, 0), id);
	CHECK_EQ(shmget(KEY, 4096, IPC_CREAT | 0600), id);
	CHECK_ERRNO(shmget(KEY, 4096, IPC_CREAT | IPC_EXCL | 0600), EEXIST);
	CHECK_ERRNO(shmget(KEY, 8192, 0600), EINVAL);
	CHECK_ERRNO(shmget(KEY + 1, 4096, 0600), ENOENT);
	CHECK_ERRNO(shmget(IPC_PRIVATE, 0, 0600), EINVAL);
	if (geteuid() == 0)
		JOIN(FORK({
			become(2345);
			CHECK_ERRNO(shmget(KEY, 0, 0600), EACCES);
			CHECK(shmat(id, NULL, 0) == (void *)-1 && errno == EACCES);
			CHECK_ERRNO(shmctl(id, IPC_RMID, NULL), EPERM);
		}));
	CHECK_OK(shmctl(id, IPC_RMID, NULL));
	CHECK_ERRNO(shmget(KEY, 0, 0), ENOENT);
}

TEST(semaphores)
{
	union semun u;
	unsigned short vals[3] = {1, 2, 3}, got[3];
	struct semid_ds ds;
	int id = semget(IPC_PRIVATE, 3, 0600);
	CHECK(id >= 0);
	u.array = vals;
	CHECK_OK(semctl(id, 0, SETALL, u));
	u.array = got;
	CHECK_OK(semctl(id, 0, GETALL, u));
	CHECK(!memcmp(vals, got, sizeof vals));
	struct sembuf two[] = {{0, -1, IPC_NOWAIT}, {1, -3, IPC_NOWAIT}};
	CHECK_ERRNO(semop(id, two, 2), EAGAIN); /* all or nothing */
	CHECK_EQ(semctl(id, 0, GETVAL), 1);
	two[1].sem_op = -2;
	CHECK_OK(semop(id, two, 2));
	CHECK_EQ(semctl(id, 0, GETVAL), 0);
	CHECK_EQ(semctl(id, 0, GETPID), getpid());
	struct sembuf zero = {0, 0, 0};
	CHECK_OK(semop(id, &zero, 1));
	pid_t pid = FORK(struct sembuf b = {0, -2, 0}; CHECK_OK(semop(id, &b, 1)); _exit(4));
	settle();
	CHECK_EQ(semctl(id, 0, GETNCNT), 1);
	struct sembuf up = {0, 1, 0};
	CHECK_OK(semop(id, &up, 1));
	CHECK_OK(semop(id, &up, 1));
	CHECK_EXIT(pid, 4);
	/* SEM_UNDO gives back at exit. */
	u.val = 5;
	CHECK_OK(semctl(id, 2, SETVAL, u));
	JOIN(FORK({
		struct sembuf b = {2, -3, SEM_UNDO};
		CHECK_OK(semop(id, &b, 1));
		CHECK_EQ(semctl(id, 2, GETVAL), 2);
	}));
	CHECK_EQ(semctl(id, 2, GETVAL), 5);
	CHECK_KILLED(FORK(struct sembuf b = {2, -1, SEM_UNDO}; semop(id, &b, 1); raise(SIGKILL)), SIGKILL);
	CHECK_EQ(semctl(id, 2, GETVAL), 5);
	struct timespec ts = {0, 20000000};
	struct sembuf down = {0, -1, 0};
	CHECK_ERRNO(semtimedop(id, &down, 1, &ts), EAGAIN);
	struct sembuf bad = {9, 1, 0};
	CHECK_ERRNO(semop(id, &bad, 1), EFBIG);
	CHECK_ERRNO(semop(id, &bad, 0), EINVAL);
	u.val = 40000;
	CHECK_ERRNO(semctl(id, 0, SETVAL, u), ERANGE);
	u.buf = &ds;
	CHECK_OK(semctl(id, 0, IPC_STAT, u));
	CHECK_EQ(ds.sem_nsems, 3);
	pid = FORK(CHECK_ERRNO(semop(id, &down, 1), EIDRM));
	settle();
	CHECK_OK(semctl(id, 0, IPC_RMID));
	JOIN(pid);
	CHECK_ERRNO(semop(id, &up, 1), EINVAL);
	CHECK_ERRNO(semget(IPC_PRIVATE, -1, 0600), EINVAL);
}

TEST(messages)
{
	struct {
		long type;
		char text[64];
	} m = {0, ""};
	struct msqid_ds ds;
	int q = msgget(IPC_PRIVATE, 0600);
	CHECK(q >= 0);
#define SEND(t, s) (m.type = t, strcpy(m.text, s), msgsnd(q, &m, strlen(s) + 1, IPC_NOWAIT))
	CHECK_OK(SEND(3, "three"));
	CHECK_OK(SEND(1, "one"));
	CHECK_OK(SEND(2, "two"));
	CHECK_OK(SEND(1, "uno"));
	CHECK_OK(msgctl(q, IPC_STAT, &ds));
	CHECK(ds.msg_qnum == 4 && ds.msg_lspid == getpid());
	CHECK_EQ(msgrcv(q, &m, 64, 1, 0), 4);
	CHECK_STR(m.text, "one");
	CHECK_EQ(msgrcv(q, &m, 64, -2, 0), 4); /* the lowest type up to 2 */
	CHECK_STR(m.text, "uno");
	CHECK_EQ(msgrcv(q, &m, 64, 3, MSG_EXCEPT), 4);
	CHECK_STR(m.text, "two");
	CHECK_ERRNO(msgrcv(q, &m, 2, 0, 0), E2BIG);
	CHECK_EQ(msgrcv(q, &m, 2, 0, MSG_NOERROR), 2);
	CHECK_EQ(m.type, 3);
	CHECK_ERRNO(msgrcv(q, &m, 64, 0, IPC_NOWAIT), ENOMSG);
	CHECK_ERRNO(SEND(0, "x"), EINVAL);
	CHECK_ERRNO(msgsnd(q, &m, -1, 0), EINVAL);
	/* A full queue blocks, a receiver frees it. */
	static struct {
		long type;
		char text[8000];
	} big = {1, ""};
	int n = 0;
	while (msgsnd(q, &big, 8000, IPC_NOWAIT) == 0)
		n++;
	CHECK_EQ(errno, EAGAIN);
	CHECK(n >= 1 && n < 10);
	pid_t pid = FORK(CHECK_OK(msgsnd(q, &big, 8000, 0)));
	settle();
	CHECK_EQ(msgrcv(q, &big, 8000, 0, 0), 8000);
	JOIN(pid);
	while (msgrcv(q, &big, 8000, 0, IPC_NOWAIT) > 0)
		;
	pid = FORK(CHECK_ERRNO(msgrcv(q, &m, 64, 0, 0), EIDRM));
	settle();
	CHECK_OK(msgctl(q, IPC_RMID, NULL));
	JOIN(pid);
	CHECK_ERRNO(SEND(1, "x"), EINVAL);
	key_t k = ftok(".", 'x');
	CHECK(k != -1);
	q = msgget(k, IPC_CREAT | IPC_EXCL | 0600);
	CHECK(q >= 0);
	CHECK_ERRNO(msgget(k, IPC_CREAT | IPC_EXCL | 0600), EEXIST);
	CHECK_OK(msgctl(q, IPC_RMID, NULL));
}
