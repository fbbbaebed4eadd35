#include "cli/program.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/interrupt.h"
#include "lib/cleanup.h"

static void find(const char *name, char *out, size_t cap)
{
	ssize_t n = readlink("/proc/self/exe", out, cap - 1);

	out[n > 0 ? n : 0] = 0;
	char *slash = strrchr(out, '/');
	size_t left = slash ? cap - (size_t)(slash + 1 - out) : 0;
	if (slash && snprintf(slash + 1, left, "%s", name) < (int)left && access(out, X_OK) == 0)
		return;
	snprintf(out, cap, "/usr/bin/%s", name);
}

static char *read_some(int fd)
{
	char *text = calloc(1, PROGRAM_BYTES_MAX + 1);
	size_t n = 0;
	ssize_t got;

	while (text && n < PROGRAM_BYTES_MAX && !interrupted() &&
		((got = read(fd, text + n, PROGRAM_BYTES_MAX - n)) > 0 ||
			(got < 0 && errno == EINTR)))
		n += got > 0 ? (size_t)got : 0;
	return text;
}

int program_read(const char *const *argv, int stdin_fd, char **ret)
{
	char path[4096];
	int fds[2], status = 0;

	find(argv[0], path, sizeof(path));
	if (pipe(fds) < 0)
		return -errno;
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		dup2(stdin_fd, STDIN_FILENO);
		dup2(fds[1], STDOUT_FILENO);
		close(fds[0]);
		close(fds[1]);
		signal(SIGPIPE, SIG_DFL);
		execv(path, (char *const *)argv);
		_exit(127);
	}
	close(fds[1]);
	*ret = pid > 0 ? read_some(fds[0]) : NULL;
	close(fds[0]);
	if (pid > 0 && interrupted())
		kill(pid, SIGTERM);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (*ret && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	fprintf(stderr, "error: %s %s\n", argv[0],
		WIFEXITED(status) && WEXITSTATUS(status) == 127 ? "is not on this image"
								: "failed");
	free(*ret);
	*ret = NULL;
	return -EIO;
}
