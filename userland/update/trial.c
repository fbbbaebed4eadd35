#include "update/trial.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "lib/cleanup.h"
#include "lib/memory.h"

#define TAIL_BYTES 1024 /* of the output: what is reported and parsed */

static struct span last_line(struct span output)
{
	output = span_trim(output);
	for (size_t i = output.n; i > 0; i--)
		if (output.p[i - 1] == '\n')
			return span_skip(output, i);
	return output;
}

/* "rules: 12 loaded, 3 refused", "signatures: 12" */
bool trial_count(const struct signature_type *type, struct span output, uint64_t *ret)
{
	struct span line = last_line(output), word = span_str(type->unit);

	if (!span_eq(span_take(line, word.n), word))
		return false;
	line = span_skip(line, word.n);
	if (!span_eq(span_take(line, 2), SPAN_LIT(": ")))
		return false;
	line = span_skip(line, 2);
	ptrdiff_t blank = span_chr(line, ' ');
	return span_u64(blank < 0 ? line : span_take(line, (size_t)blank), UINT64_MAX, ret);
}

static int engine_path(const char *engine, char *out, size_t cap)
{
	char self[PATH_MAX];
	const char *folder = getenv("SEKISHO_BIN");

	if (!folder || !*folder) {
		ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
		if (n < 0)
			return -errno;
		self[n] = '\0';
		folder = dirname(self);
	}
	return snprintf(out, cap, "%s/%s", folder, engine) < (int)cap ? 0 : -ENAMETOOLONG;
}

static void child(char *const argv[], int out_fd, uint64_t room)
{
	const struct rlimit cpu = {TRIAL_TIME_S, TRIAL_TIME_S},
			    size = {DELIVERY_BYTES, DELIVERY_BYTES}, data = {room, room};
	int null = open("/dev/null", O_RDONLY);
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(null, STDIN_FILENO);
	dup2(out_fd, STDOUT_FILENO);
	dup2(out_fd, STDERR_FILENO);
	setrlimit(RLIMIT_CPU, &cpu);
	setrlimit(RLIMIT_FSIZE, &size);
	setrlimit(RLIMIT_DATA, &data);
	memory_volunteer(true);
	close_range(3, ~0u, 0);
	alarm(TRIAL_TIME_S); /* survives exec */
	execv(argv[0], argv);
	dprintf(STDOUT_FILENO, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

static int say(char **ret_why, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int say(char **ret_why, int error, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	if (vasprintf(ret_why, format, ap) < 0)
		*ret_why = NULL;
	va_end(ap);
	return error;
}

/* scand's words for a folder that loads and holds nothing. */
static bool is_empty(struct span line)
{
	static const struct span words = SPAN_LIT(": no signatures");

	return line.n > words.n && span_eq(span_skip(line, line.n - words.n), words);
}

static int judge(const struct signature_type *type, int status, int out_fd, uint64_t *ret_count,
	char **ret_why)
{
	char tail[TAIL_BYTES];
	off_t size = lseek(out_fd, 0, SEEK_END);
	ssize_t n = pread(out_fd, tail, sizeof(tail), size > TAIL_BYTES ? size - TAIL_BYTES : 0);
	struct span output = span_of(tail, n > 0 ? (size_t)n : 0), line = last_line(output);

	if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGALRM ||
					   WTERMSIG(status) == SIGXCPU))
		return say(ret_why, -EBADMSG, "%s was ended on it: too little memory, or time",
			type->engine);
	if (WIFSIGNALED(status))
		return say(ret_why, -EBADMSG, "%s died of signal %d on it", type->engine,
			WTERMSIG(status));
	bool loads = trial_count(type, output, ret_count) && WEXITSTATUS(status) != 127;
	if ((loads && *ret_count == 0) || is_empty(line))
		return say(ret_why, -ENODATA, "%s loads nothing of it: %.*s", type->engine,
			(int)line.n, (const char *)line.p);
	return loads ? 0
		     : say(ret_why, -EBADMSG, "%s refuses it: %.*s", type->engine, (int)line.n,
			       (const char *)line.p);
}

int trial_run(const struct signature_type *type, const char *dir, const char *out,
	struct trial_result *ret, char **ret_why)
{
	char program[PATH_MAX], files[PATH_MAX];
	_cleanup_close_ int out_fd =
		open(out, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_APPEND, 0600);
	struct rusage usage = {0};
	uint64_t available = memory_available(),
		 room = available > TRIAL_SPARE_BYTES ? available - TRIAL_SPARE_BYTES : 0;
	int status;

	if (room < TRIAL_ROOM_MIN && type->tried_again) {
		ret->cut_short = true;
		return 0;
	}
	if (room < TRIAL_ROOM_MIN)
		return say(
			ret_why, -ENOMEM, "too little memory for %s to look into it", type->engine);
	int r = out_fd < 0 ? -errno : engine_path(type->engine, program, sizeof(program));
	if (r < 0)
		return r;
	snprintf(files, sizeof(files), "%s%s", dir, type->trial_files);
	char *argv[] = {program, (char *)"-T", (char *)type->trial_option, files, NULL};
	if (!type->trial_option) {
		argv[2] = files;
		argv[3] = NULL;
	}
	pid_t pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		child(argv, out_fd, room);
	while (wait4(pid, &status, 0, &usage) < 0)
		if (errno != EINTR)
			return -errno;
	ret->peak_kb = (uint64_t)usage.ru_maxrss;
	r = judge(type, status, out_fd, &ret->count, ret_why);
	if (r == -EBADMSG && type->tried_again && ret->peak_kb * 1024 > room / 4 * 3) {
		free(take_ptr(*ret_why));
		ret->cut_short = true;
		return 0;
	}
	return r;
}
