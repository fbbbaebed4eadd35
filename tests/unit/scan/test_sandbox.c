/* A forbidden act from inside: each in a process of its own, which reports how it ended. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scan/sandbox.h"

static char folder[] = "/tmp/test-sandbox-XXXXXX";

static int act_nothing(void)
{
	return 0;
}

static int act_own_file(void)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/file", folder);
	int fd = open(path, O_RDWR | O_CREAT, 0600);
	if (fd < 0 || write(fd, "x", 1) != 1 || close(fd) < 0)
		return errno;
	return unlink(path) < 0 ? errno : 0;
}

static int act_other_file(void)
{
	return open("/etc/passwd", O_RDONLY) < 0 ? errno : 0;
}

static int act_outside(void)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/../escape", folder);
	return open(path, O_RDWR | O_CREAT, 0600) < 0 ? errno : 0;
}

static int act_other_descriptor(void)
{
	return fcntl(4, F_GETFD) < 0 ? errno : 0;
}

static int act_kept_descriptor(void)
{
	return fcntl(5, F_GETFD) < 0 ? errno : 0;
}

static int act_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0) < 0 ? errno : 0;
}

static int act_exec(void)
{
	char *argv[] = {(char[]){"true"}, NULL};

	execv("/bin/true", argv);
	return errno;
}

static int act_kill(void)
{
	return kill(getppid(), 0) < 0 ? errno : 0;
}

static int act_memory(void)
{
	void *p = mmap(NULL, 2 * SANDBOX_MEMORY_BYTES, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? errno : 0;
}

static void test_acts(void **state)
{
	static const struct {
		const char *name;
		int (*act)(void);
		int want; /* errno; 0: it works; negative: the signal that ends the process */
		bool landlock;
	} rows[] = {
		{"nothing", act_nothing, 0, false},
		{"a file of its own", act_own_file, 0, false},
		{"another file", act_other_file, EACCES, true},
		{"a file outside by dots", act_outside, EACCES, true},
		{"another descriptor", act_other_descriptor, EBADF, false},
		{"a descriptor that stays", act_kept_descriptor, 0, false},
		{"a socket", act_socket, -SIGSYS, false},
		{"a program", act_exec, -SIGSYS, false},
		{"a signal to the parent", act_kill, -SIGSYS, false},
		{"too much memory", act_memory, ENOMEM, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int status;
		if (rows[i].landlock && !sandbox_has_landlock())
			continue;
		pid_t pid = fork();
		if (pid == 0) {
			dup2(0, 3);
			dup2(0, 4);
			dup2(0, 5);
			_exit(sandbox_enter((const int[]){5, 3}, 2, folder) < 0 ? 255
										: rows[i].act());
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		int got = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
		if (got != rows[i].want)
			fail_msg("%s: %d, not %d", rows[i].name, got, rows[i].want);
	}
}

static int setup(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_acts)};
	return cmocka_run_group_tests(tests, setup, teardown);
}
