/*
 * probe: stands in for a daemon inside its unit's walls and tries what it must not be able to do.
 *
 * tests/image/sandbox/run replaces ExecStart of each unit by this program and nothing else, so it
 *runs as the daemon's user, under its filters and in its view of the files. Each row is tried in a
 *child of its own; a row passes when the act succeeds exactly for the daemons in `may`. One line a
 *row:
 *
 *	ok|FAIL DAEMON ACT: done | refused (error)
 *
 * Static, so that it needs no library from the image. Refuses: nothing; it harms only a test guest.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Every act returns 0 when it succeeded, -1 with errno otherwise. */
static int file_create(const char *dir)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/probe.%d", dir, (int)getpid());
	int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	close(fd);
	return unlink(path);
}

static int file_read(const char *path)
{
	return open(path, O_RDONLY | O_CLOEXEC) < 0 ? -1 : 0;
}

static int file_write(const char *path)
{
	return open(path, O_WRONLY | O_CLOEXEC) < 0 ? -1 : 0;
}

static int socket_connect_as(const char *path, int type)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	return fd < 0 ? -1 : connect(fd, (struct sockaddr *)&a, sizeof(a));
}

static int socket_connect(const char *path)
{
	return socket_connect_as(path, SOCK_STREAM);
}

static int socket_connect_records(const char *path)
{
	return socket_connect_as(path, SOCK_SEQPACKET);
}

static int socket_inet(const char *unused)
{
	(void)unused;
	return socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0) < 0 ? -1 : 0;
}

static int socket_inet6(const char *unused)
{
	(void)unused;
	return socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0) < 0 ? -1 : 0;
}

static int socket_packet(const char *unused)
{
	(void)unused;
	return socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0) < 0 ? -1 : 0;
}

static int socket_netlink(const char *unused)
{
	(void)unused;
	return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER) < 0 ? -1 : 0;
}

/* Changes an interface: CAP_NET_ADMIN in the network namespace that the process lives in. */
static int net_admin(const char *unused)
{
	struct ifreq r = {.ifr_name = "lo", .ifr_qlen = 1000};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)unused;
	return fd < 0 ? -1 : ioctl(fd, SIOCSIFTXQLEN, &r);
}

static int user_change(const char *unused)
{
	(void)unused;
	return setuid(12345);
}

static int file_give_away(const char *unused)
{
	(void)unused;
	int fd = open("/tmp/probe", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	return fd < 0 ? -1 : fchown(fd, 12345, 12345);
}

static int file_set_user_id(const char *unused)
{
	(void)unused;
	int fd = open("/tmp/probe-suid", O_CREAT | O_RDWR | O_CLOEXEC, 0700);
	return fd < 0 ? -1 : fchmod(fd, 04755);
}

static int file_system_mount(const char *unused)
{
	(void)unused;
	return mount("probe", "/tmp", "tmpfs", 0, NULL);
}

static int namespace_make(const char *unused)
{
	(void)unused;
	return unshare(CLONE_NEWUSER | CLONE_NEWNS);
}

static int process_trace(const char *unused)
{
	(void)unused;
	return ptrace(PTRACE_ATTACH, 1, NULL, NULL) < 0 ? -1 : 0;
}

static int process_execute(const char *path)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		close(STDOUT_FILENO);
		execl(path, path, (char *)NULL);
		_exit(errno == EACCES || errno == EPERM ? 99 : 98);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return -1;
	if (WIFEXITED(status) && WEXITSTATUS(status) >= 98) {
		errno = WEXITSTATUS(status) == 99 ? EACCES : ENOENT;
		return -1;
	}
	return 0;
}

static int system_restart(const char *unused)
{
	(void)unused;
	/* CAD on and off: harmless, and as privileged as a restart */
	return (int)syscall(SYS_reboot, 0xfee1dead, 672274793, 0, NULL);
}

static int module_load(const char *unused)
{
	(void)unused;
	return (int)syscall(SYS_init_module, "", 0, "");
}

static int bpf_load(const char *unused)
{
	union bpf_attr a = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};

	(void)unused;
	return syscall(SYS_bpf, BPF_MAP_CREATE, &a, sizeof(a)) < 0 ? -1 : 0;
}

static int key_add(const char *unused)
{
	(void)unused;
	return syscall(SYS_add_key, "user", "probe", "x", 1, -3) < 0 ? -1 : 0;
}

static int clock_change(const char *unused)
{
	struct timespec now;

	(void)unused;
	clock_gettime(CLOCK_REALTIME, &now);
	return clock_settime(CLOCK_REALTIME, &now);
}

static int host_name_change(const char *unused)
{
	(void)unused;
	return sethostname("probe", 5);
}

static int memory_write_execute(const char *unused)
{
	void *p = mmap(
		NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)unused;
	return p == MAP_FAILED ? -1 : 0;
}

struct act {
	const char *name;
	int (*try)(const char *arg);
	const char *arg;
	const char *may; /* units for which it is part of the job */
};

#define CONTROL(daemon, may) \
	{"call " daemon, socket_connect, "/run/sekisho/" daemon ".varlink", may}
#define LOG(daemon) {"write log of " daemon, file_create, "/data/log/" daemon, daemon}

static const struct act acts[] = {
	{"write /run", file_create, "/run", ""},
	{"write /run/sekisho/etc", file_create, "/run/sekisho/etc", "configd"},
	{"write /run/systemd/system", file_create, "/run/systemd/system", ""},
	{"write /data/config", file_create, "/data/config", "configd"},
	{"write /data/sig/rules", file_create, "/data/sig/rules", "update-install"},
	{"write /data/sig/clamav", file_create, "/data/sig/clamav", "update-install"},
	{"write /data/update", file_create, "/data/update", "updated"},
	{"write /data/verify", file_create, "/data/verify", "update-verify"},
	{"write /data/mail", file_create, "/data/mail", "maild"},
	{"write /data/cache/inspect", file_create, "/data/cache/inspect", "inspectd"},
	LOG("boxd"),
	LOG("configd"),
	LOG("inspectd"),
	LOG("maild"),
	LOG("updated"),
	{"read host keys", file_read, "/data/ssh/ssh_host_ed25519_key", ""},
	{"read the store", file_read, "/data/config", "configd"},
	{"read the disk", file_read, "/dev/vda", ""},
	{"read kernel memory", file_read, "/proc/kcore", ""},
	{"read the kernel log", file_read, "/dev/kmsg", ""},
	{"see PID 1's environment", file_read, "/proc/1/environ", ""},
	{"write a sysctl", file_write, "/proc/sys/net/ipv4/ip_forward", ""},
	{"write a cgroup", file_write, "/sys/fs/cgroup/cgroup.procs", ""},
	{"make an IPv4 socket", socket_inet, NULL, "maildial mailauthd updated"},
	{"make an IPv6 socket", socket_inet6, NULL, "maildial mailauthd updated"},
	{"make a packet socket", socket_packet, NULL, "boxd"},
	{"make a netlink socket", socket_netlink, NULL, "boxd configd inspectd maildial updated"},
	{"change an interface", net_admin, NULL, "boxd configd inspectd maildial"},
	CONTROL("boxd", "configd"),
	CONTROL("configd", "configd"),
	CONTROL("inspectd", "configd update-install"),
	CONTROL("maild", "configd"),
	CONTROL("maildial", "configd"),
	CONTROL("mailauthd", "configd"),
	CONTROL("scand", "configd update-install"),
	CONTROL("updated", "configd"),
	CONTROL("mailauth", "maild"),
	CONTROL("scan", "maild"),
	{"call dial", socket_connect_records, "/run/sekisho/dial", "maild"},
	CONTROL("verify", "updated"),
	CONTROL("install", "update-verify"),
	{"run a program", process_execute, "/usr/bin/hostname", "configd"},
	{"map memory to write and execute", memory_write_execute, NULL, "inspectd update-verify"},
	{"change user", user_change, NULL, ""},
	{"give a file away", file_give_away, NULL, ""},
	{"make a set-user-id file", file_set_user_id, NULL, ""},
	{"mount", file_system_mount, NULL, ""},
	{"make a namespace", namespace_make, NULL, ""},
	{"trace a process", process_trace, NULL, ""},
	{"restart the system", system_restart, NULL, ""},
	{"load a module", module_load, NULL, ""},
	{"load BPF", bpf_load, NULL, ""},
	{"add a key", key_add, NULL, ""},
	{"set the clock", clock_change, NULL, "boxd"},
	{"set the host name", host_name_change, NULL, ""},
};

static bool is_listed(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = list; (p = strstr(p, word)); p += n)
		if ((p == list || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\0'))
			return true;
	return false;
}

/* 0, the errno of the refusal, or -signal when a filter killed the child. */
static int act_try(const struct act *a)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(a->try(a->arg) == 0 ? 0 : errno & 0xff);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return errno;
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	for (size_t i = 0; i < sizeof(acts) / sizeof(*acts); i++) {
		int r = act_try(&acts[i]);
		bool may = is_listed(acts[i].may, argv[1]);
		const char *why = r < 0 ? strsignal(-r) : strerror(r);

		printf("%s %s %s: %s%s%s\n", may == (r == 0) ? "ok" : "FAIL", argv[1], acts[i].name,
			r == 0 ? "done" : "refused (", r == 0 ? "" : why, r == 0 ? "" : ")");
	}
	return 0;
}
