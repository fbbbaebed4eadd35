#include "scan/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/log.h"
#include "scan/lane.h"
#include "scan/report.h"
#include "scan/sandbox.h"

#define SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW)
#define LARGE_NICE 5               /* the small lane goes first */
#define HEAP_KEPT_BYTES (16 << 20) /* at most, at the end of the heap */
#define HEAP_MMAP_BYTES (4 << 20)

static volatile sig_atomic_t is_going;

static void on_term(int signal_number)
{
	(void)signal_number;
	is_going = 1;
}

static void call_refuse(struct worker *w, struct call *c, const char *why)
{
	atomic_fetch_add(&w->counters->refused, 1);
	call_error(c, "io.sekisho.Scan.Refused", why);
	call_close(c);
}

/* NULL when it is a message that can be read. */
static const char *message_flaw(const struct call *c, size_t *ret_bytes)
{
	struct stat st;

	if (c->message < 0)
		return "no message descriptor came with the call";
	if (fstat(c->message, &st) < 0 || st.st_size < 0)
		return "the message has no size";
	int seals = fcntl(c->message, F_GET_SEALS);
	/* A message too large for memory: a file without a name, of which only maild can write. */
	bool on_disk = seals < 0 && errno == EINVAL && S_ISREG(st.st_mode) && st.st_nlink == 0;
	if (!on_disk && (seals < 0 || (seals & SEALS) != SEALS))
		return "the message is not a sealed memfd";
	*ret_bytes = (size_t)st.st_size;
	return NULL;
}

static void lane_pass(struct worker *w, struct call *c)
{
	if (lane_send(w->lane_fd, c) == 0) {
		atomic_fetch_add(&w->counters->passed_on, 1);
		return;
	}
	atomic_fetch_add(&w->counters->busy, 1);
	call_error(c, "io.sekisho.Scan.Busy", "too many large messages wait");
	call_close(c);
}

static void report_count(struct worker *w, const struct report *r)
{
	atomic_fetch_add(&w->counters->by_result[r->verdict.result], 1);
	atomic_fetch_add(&w->counters->bytes, r->bytes);
	atomic_fetch_add(&w->counters->parts, r->parts);
	atomic_fetch_add(&w->counters->cached, r->cached);
}

static bool is_late(const struct worker *w, const struct report *r)
{
	return w->lane == LANE_SMALL && r->verdict.result == SCAN_LIMIT &&
	       strcmp(r->verdict.limit, "time") == 0;
}

/* False when the message must go to the other lane. */
static bool call_scan(struct worker *w, struct call *c, size_t bytes)
{
	static struct report report;
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *reply = NULL;
	void *text = NULL;

	if (bytes) {
		text = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, c->message, 0);
		if (text == MAP_FAILED) {
			call_refuse(w, c, "no memory for the message");
			return true;
		}
	}
	unsigned limit_ms = w->scanner.limits.time_ms + w->settings->engine.time_ms;
	alarm(limit_ms / 1000 + WORKER_GRACE_S);
	message_scan(&w->scanner, span_of(text, bytes), &report);
	alarm(0);
	if (bytes)
		munmap(text, bytes);
	if (is_late(w, &report))
		return false;
	report_count(w, &report);
	if (report_build(&report, w->database, &reply) >= 0)
		call_reply(c, reply);
	call_close(c);
	return true;
}

static void call_serve(struct worker *w, struct call *c)
{
	size_t bytes = 0;

	snprintf(w->mark->text, sizeof(w->mark->text), "%s", c->mark);
	*w->mark->part = '\0';
	const char *flaw = c->is_scan ? message_flaw(c, &bytes) : NULL;
	if (!c->is_scan) {
		call_error(c, "org.varlink.service.MethodNotFound", "only io.sekisho.Scan.Scan");
		call_close(c);
	} else if (flaw) {
		call_refuse(w, c, flaw);
	} else if (w->lane == LANE_SMALL && bytes > w->settings->small_bytes) {
		lane_pass(w, c);
	} else if (!call_scan(w, c, bytes)) {
		lane_pass(w, c);
	}
	*w->mark->text = '\0';
}

static int call_accept(int listen_fd, struct call *ret)
{
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		/* Another worker was faster, or the client is gone already. */
		return errno == EINTR || errno == ECONNABORTED ? -EAGAIN : -errno;
	int r = call_read(fd, ret);
	if (r < 0) {
		call_close(ret);
		return -EAGAIN;
	}
	return 0;
}

/* Waits for a call; SIGTERM, blocked everywhere else, is seen here. -ECANCELED: the work is done.
 */
static int call_next(const struct worker *w, struct call *ret)
{
	struct pollfd p = {.fd = w->input_fd, .events = POLLIN};
	sigset_t none;

	sigemptyset(&none);
	for (;;) {
		if (is_going && w->lane == LANE_SMALL)
			return -ECANCELED;
		int r = w->lane == LANE_SMALL ? call_accept(w->input_fd, ret)
					      : lane_receive(w->input_fd, ret);
		if (r != -EAGAIN)
			return r;
		if (is_going)
			return -ECANCELED; /* the lane is empty */
		if (ppoll(&p, 1, NULL, &none) < 0 && errno != EINTR)
			return -errno;
	}
}

static bool is_worn(void)
{
	struct rusage u;

	return getrusage(RUSAGE_SELF, &u) == 0 &&
	       u.ru_utime.tv_sec + u.ru_stime.tv_sec >= WORKER_RETIRE_CPU_S;
}

static void signals_set(void)
{
	struct sigaction term = {.sa_handler = on_term};
	sigset_t blocked;

	for (int s = 1; s < SIGRTMIN; s++)
		signal(s, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGTERM, &term, NULL);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_SETMASK, &blocked, NULL);
}

static void on_part(void *ctx, const char *part)
{
	struct worker_mark *m = ctx;

	snprintf(m->part, sizeof(m->part), "%s", part);
}

/* libclamav takes and frees some hundred kilobytes for each file it looks at. By default glibc
 * gives them back to the kernel each time, and the page faults cost as much as the search. */
static void heap_keep(void)
{
	mallopt(M_TRIM_THRESHOLD, HEAP_KEPT_BYTES);
	mallopt(M_TOP_PAD, HEAP_MMAP_BYTES);
	mallopt(M_MMAP_THRESHOLD, HEAP_MMAP_BYTES);
}

static int worker_prepare(struct worker *w)
{
	const int keep[] = {w->input_fd, w->lane_fd};
	struct engine_limits limits = w->settings->engine;

	w->scanner = (struct scanner){.engine = w->engine,
		.cache = cache_new(),
		.limits = w->settings->message,
		.on_part = on_part,
		.ctx = w->mark};
	heap_keep();
	if (w->lane == LANE_SMALL) {
		/* What takes longer is not clean and not refused: the other lane has the time. */
		w->scanner.limits.time_ms = LANE_SMALL_MS;
		limits.time_ms = LANE_SMALL_MS;
	} else if (setpriority(PRIO_PROCESS, 0, LARGE_NICE) < 0) {
		return -errno;
	}
	engine_set_time(w->engine, limits.time_ms);
	int r = engine_set_tmp(w->engine, w->tmp);
	return r < 0 ? r : sandbox_enter(keep, w->lane_fd >= 0 ? 2 : 1, w->tmp);
}

int worker_run(struct worker *w)
{
	struct call c;

	signals_set();
	/* Without its keeper a worker would never be replaced by one with fresh signatures. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	int r = worker_prepare(w);
	if (r < 0) {
		log_error("worker: %s", strerror(-r));
		return EXIT_FAILURE;
	}
	atomic_store(&w->mark->ready, 1);
	while (!is_worn()) {
		r = call_next(w, &c);
		if (r < 0)
			return r == -ECANCELED ? EXIT_SUCCESS : EXIT_FAILURE;
		call_serve(w, &c);
	}
	return EXIT_SUCCESS;
}
