#include "scan/keeper.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/log.h"
#include "lib/memory.h"
#include "lib/path.h"
#include "scan/local.h"

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* "VmRSS:", "VmHWM:" (proc_pid_status(5)). */
static uint64_t status_bytes(const char *key)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/status", "re");
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, key, strlen(key)) == 0)
			return strtoull(line + strlen(key), NULL, 10) << 10;
	return 0;
}

/* The folder has the version in its name; without one it is what came with the image. */
static void database_name(const char *folder, char *out, size_t cap)
{
	const char *slash = strrchr(folder, '/');

	snprintf(out, cap, "%.*s", (int)cap - 1, !*folder ? "image" : slash ? slash + 1 : folder);
}

static int engine_make(const struct keeper_plan *plan, struct keeper_report *report,
	struct engine **ret, char **ret_why)
{
	struct local local = {0};
	const char *paths[2 + LOCAL_FILES_MAX];
	unsigned n = 0;

	if (access(path_share("clamav"), R_OK) == 0)
		paths[n++] = path_share("clamav");
	if (*plan->database)
		paths[n++] = plan->database;
	unsigned needed = n;
	local_find(path_data("sig/local"), plan->tmp, &local);
	report->local_files = local.count;
	report->local_refused = local.refused;
	for (unsigned i = 0; i < local.count; i++)
		paths[n++] = local.paths[i];
	int r = engine_load(paths, n, needed, plan->tmp, &plan->settings.engine, ret, ret_why);
	local_free(&local);
	if (r < 0)
		return r;
	if (engine_finds_sample(*ret))
		return 0;
	engine_free(*ret);
	*ret_why = strdup("the database does not find the EICAR test file");
	return -EBADMSG;
}

static void report_send(int fd, const struct keeper_report *report)
{
	if (send(fd, report, sizeof(*report), MSG_NOSIGNAL) < 0)
		log_error("report: %s", strerror(errno));
}

static int on_term(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata)
{
	(void)s;
	(void)si;
	pool_stop(userdata);
	return 0;
}

static int keeper_serve(const struct keeper_plan *plan, struct engine *engine,
	struct keeper_report *report, int report_fd)
{
	_cleanup_(sd_event_unrefp) sd_event *event = NULL;
	static struct pool pool;
	const struct worker worker = {.engine = engine,
		.database = report->database,
		.settings = &plan->settings,
		.counters = plan->counters};

	int r = sd_event_new(&event);
	if (r >= 0)
		r = sd_event_add_signal(
			event, NULL, SIGTERM | SD_EVENT_SIGNAL_PROCMASK, on_term, &pool);
	if (r >= 0)
		r = pool_start(&pool, event, plan->listen_fd, plan->tmp, &worker);
	if (r < 0) {
		report->good = false;
		snprintf(report->why, sizeof(report->why), "workers: %s", strerror(-r));
		report_send(report_fd, report);
		return r;
	}
	report->workers = pool_workers(&pool, LANE_SMALL) + pool_workers(&pool, LANE_LARGE);
	report_send(report_fd, report);
	pool.accepting_fd = report_fd;
	r = sd_event_loop(event);
	pool_fini(&pool);
	return r;
}

static void descriptors_close(int a, int b)
{
	int low = a < b ? a : b, high = a < b ? b : a;

	if (low > 3)
		close_range(3, (unsigned)low - 1, 0);
	if (high > low + 1)
		close_range((unsigned)low + 1, (unsigned)high - 1, 0);
	close_range((unsigned)high + 1, ~0u, 0);
}

static int keeper_run(const struct keeper_plan *plan, int report_fd)
{
	_cleanup_free_ char *why = NULL;
	struct keeper_report report = {0};
	struct engine *engine = NULL;
	uint64_t start = now_ms();
	sigset_t child;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	descriptors_close(report_fd, plan->listen_fd);
	/* SIGTERM ends it at once while it loads: nothing is in its hands yet. */
	for (int s = 1; s < SIGRTMIN; s++)
		signal(s, SIG_DFL);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_SETMASK, &child, NULL);
	memory_volunteer(true); /* until it serves: what serves now is worth more */
	int r = engine_init();
	if (r == 0)
		r = engine_make(plan, &report, &engine, &why);
	database_name(plan->database, report.database, sizeof(report.database));
	report.load_ms = now_ms() - start;
	if (r < 0) {
		snprintf(report.why, sizeof(report.why), "%s", why ? why : strerror(-r));
		report_send(report_fd, &report);
		return EXIT_FAILURE;
	}
	report.good = true;
	report.signatures = engine_signatures(engine);
	report.bytes = status_bytes("VmRSS:");
	report.peak_bytes = status_bytes("VmHWM:");
	memory_volunteer(false);
	return keeper_serve(plan, engine, &report, report_fd) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int keeper_start(struct keeper *k, const struct keeper_plan *plan)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	*k = (struct keeper){.report_fd = fds[0], .plan = *plan};
	pid_t pid = fork();
	if (pid < 0) {
		int r = -errno;
		close(fds[0]);
		close(fds[1]);
		return r;
	}
	if (pid == 0)
		_exit(keeper_run(&k->plan, fds[1]));
	close(fds[1]);
	k->pid = pid;
	return 0;
}

void keeper_read(struct keeper *k)
{
	if (recv(k->report_fd, &k->report, sizeof(k->report), 0) != sizeof(k->report)) {
		k->report = (struct keeper_report){0};
		snprintf(k->report.why, sizeof(k->report.why),
			"it ended while it loaded the database");
	}
	k->report.why[sizeof(k->report.why) - 1] = '\0';
	k->report.database[sizeof(k->report.database) - 1] = '\0';
}

void keeper_stop(struct keeper *k)
{
	struct pollfd p = {.fd = k->report_fd, .events = POLLIN};
	uint64_t deadline = now_ms() + KEEPER_STOP_MS;

	if (k->pid > 0)
		kill(k->pid, SIGTERM);
	for (uint64_t now = now_ms(); k->report_fd >= 0 && now < deadline; now = now_ms())
		if (poll(&p, 1, (int)(deadline - now)) > 0)
			break;
	if (k->report_fd >= 0)
		close(k->report_fd);
	k->report_fd = -1;
}

void keeper_wait(struct keeper *k)
{
	while (k->pid > 0 && waitpid(k->pid, NULL, 0) < 0 && errno == EINTR)
		;
	k->pid = 0;
}
