#include "scan/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "lib/cleanup.h"

/* glibc 2.41 has no wrappers for Landlock. */
static int landlock_abi(void)
{
	return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

bool sandbox_has_landlock(void)
{
	return landlock_abi() > 0;
}

/* Rights to handle, by ABI: a right the kernel does not know makes it refuse the whole ruleset. */
static uint64_t handled_rights(int abi)
{
	uint64_t rights = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;

	if (abi >= 2)
		rights |= LANDLOCK_ACCESS_FS_REFER;
	if (abi >= 3)
		rights |= LANDLOCK_ACCESS_FS_TRUNCATE;
	if (abi >= 5)
		rights |= LANDLOCK_ACCESS_FS_IOCTL_DEV;
	return rights;
}

static int restrict_files(const char *tmp)
{
	int abi = landlock_abi();
	if (abi <= 0)
		return 0;
	struct landlock_ruleset_attr attr = {.handled_access_fs = handled_rights(abi)};
	_cleanup_close_ int ruleset =
		(int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (ruleset < 0)
		return -errno;
	_cleanup_close_ int dir = open(tmp, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dir < 0)
		return -errno;
	struct landlock_path_beneath_attr beneath = {
		.parent_fd = dir,
		.allowed_access =
			attr.handled_access_fs &
			(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |
				LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
				LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
				LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REFER |
				LANDLOCK_ACCESS_FS_TRUNCATE),
	};
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) < 0)
		return -errno;
	return syscall(SYS_landlock_restrict_self, ruleset, 0) < 0 ? -errno : 0;
}

// clang-format off: lists of words
/* What libclamav, the allocator and a Varlink connection that is already open use. A name missing
 * on an architecture is skipped by the library's pseudo numbers. */
static const char *const allowed[] = {
	/* memory */
	"brk", "madvise", "mmap", "mprotect", "mremap", "munmap", "msync",
	/* files: Landlock says which */
	"access", "faccessat", "faccessat2", "chdir", "close", "dup", "fallocate", "fchmod",
	"fcntl", "fstat", "fstatfs", "fsync", "ftruncate", "getcwd", "getdents64", "lseek",
	"lstat", "mkdir", "mkdirat", "newfstatat", "open", "openat", "pread64", "pwrite64",
	"read", "readlink", "readlinkat", "readv", "rename", "renameat", "renameat2", "rmdir",
	"stat", "statx", "umask", "unlink", "unlinkat", "write", "writev", "copy_file_range",
	"sendfile",
	/* the listening socket and what comes from it */
	"accept4", "getpeername", "getsockname", "getsockopt", "poll", "ppoll", "recvmsg",
	"recvfrom", "sendmsg", "sendto", "setsockopt", "shutdown",
	/* time, identity, threads, the end */
	"alarm", "setitimer", "clock_getres", "clock_gettime", "clock_nanosleep", "nanosleep",
	"gettimeofday", "time", "times", "getpid", "gettid", "getuid", "geteuid", "getgid",
	"getegid", "getrandom", "getrusage", "sysinfo", "uname", "futex", "rseq",
	"sched_yield", "sched_getaffinity", "set_robust_list", "rt_sigaction",
	"rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall", "exit",
	"exit_group", "tgkill",
};

/* An attempt at one of these is not an odd parser but an intruder: the worker dies. */
static const char *const deadly[] = {
	"execve", "execveat", "socket", "socketpair", "connect", "bind", "listen", "ptrace",
	"process_vm_writev", "process_vm_readv", "kill", "mount", "setns", "unshare", "bpf",
	"io_uring_setup", "keyctl", "init_module", "finit_module", "fork", "vfork",
};
// clang-format on

static int add_rules(scmp_filter_ctx filter, uint32_t action, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int number = seccomp_syscall_resolve_name(names[i]);
		if (number == __NR_SCMP_ERROR)
			continue;
		int r = seccomp_rule_add(filter, action, number, 0);
		if (r < 0 && r != -EDOM)
			return r;
	}
	return 0;
}

static int restrict_calls(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r = filter ? 0 : -ENOMEM;

	if (r == 0)
		r = add_rules(filter, SCMP_ACT_ALLOW, allowed, sizeof(allowed) / sizeof(*allowed));
	if (r == 0)
		r = add_rules(
			filter, SCMP_ACT_KILL_PROCESS, deadly, sizeof(deadly) / sizeof(*deadly));
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r;
}

/* Address space in use, from the first field of statm (proc(5)); 0 when unknown. */
static uint64_t address_space_bytes(void)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/statm", "re");
	unsigned long pages;

	if (!f || fscanf(f, "%lu", &pages) != 1)
		return 0;
	return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int set_limits(void)
{
	uint64_t now = address_space_bytes();
	const struct {
		__rlimit_resource_t resource;
		rlim_t value;
	} rows[] = {
		{RLIMIT_AS, now ? now + SANDBOX_MEMORY_BYTES : RLIM_INFINITY},
		{RLIMIT_CPU, SANDBOX_CPU_S},
		{RLIMIT_FSIZE, SANDBOX_FILE_BYTES},
		{RLIMIT_CORE, 0},
		{RLIMIT_NOFILE, 256},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct rlimit limit = {rows[i].value, rows[i].value};
		if (setrlimit(rows[i].resource, &limit) < 0)
			return -errno;
	}
	return 0;
}

static int range_close(int first, int last)
{
	return first > last || close_range((unsigned)first, (unsigned)last, 0) == 0 ? 0 : -errno;
}

/* The gaps between those that stay, lowest first. */
static int close_others(const int *keep, unsigned count)
{
	int from = 3;

	for (;;) {
		int next = INT_MAX;
		for (unsigned i = 0; i < count; i++)
			if (keep[i] >= from && keep[i] < next)
				next = keep[i];
		int r = range_close(from, next == INT_MAX ? INT_MAX : next - 1);
		if (r < 0 || next == INT_MAX)
			return r;
		from = next + 1;
	}
}

int sandbox_enter(const int *keep_fds, unsigned count, const char *tmp)
{
	int r = close_others(keep_fds, count);

	if (r == 0)
		r = set_limits();
	if (r < 0)
		return r;
	if (prctl(PR_SET_DUMPABLE, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	r = restrict_files(tmp);
	return r < 0 ? r : restrict_calls();
}
