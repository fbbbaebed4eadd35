#include "scan/reload.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/memory.h"
#include "scan/call.h"

#define TURN_AWAY_MS 20 /* for the call to come in behind the connection */
#define DRAIN_MS ((POOL_DRAIN_S + 5) * 1000)
#define LOOK_US 20000 /* between two looks whether a process has ended */

struct reload {
	sd_event *event;
	struct keeper *keeper; /* the owner's */
	struct keeper next;    /* hand-over: the one that loads */
	struct keeper_plan plan, before;
	struct reload_outcome outcome;
	reload_done_fn *done;
	void *ctx;
	sd_event_source *report, *calls, *tick;
	uint64_t start, gap_start, deadline;
	int error; /* of the new plan; the old one is being loaded again */
	char *why;
	/* What the tick waits for: the end of the keeper, and then this; NULL: its report. */
	int (*then)(struct reload *r);
};

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

enum reload_mode reload_choose(enum reload_mode setting, uint64_t peak_bytes)
{
	if (setting != RELOAD_AUTO)
		return setting;
	/* A new database is about as large as the old one. */
	return memory_available() > peak_bytes + peak_bytes / 8 + RELOAD_SPARE_BYTES
		       ? RELOAD_HANDOVER
		       : RELOAD_SERIAL;
}

void reload_cancel(struct reload *r)
{
	if (!r)
		return;
	sd_event_source_disable_unref(r->report);
	sd_event_source_disable_unref(r->calls);
	sd_event_source_disable_unref(r->tick);
	free(r->why);
	free(r);
}

static int finish(struct reload *r)
{
	struct reload_outcome o = r->outcome;
	_cleanup_free_ char *why = take_ptr(r->why);
	reload_done_fn *done = r->done;
	void *ctx = r->ctx;
	int error = r->error;

	o.good = error == 0;
	o.took_ms = now_ms() - r->start;
	if (r->gap_start)
		o.gap_ms = now_ms() - r->gap_start;
	reload_cancel(r);
	done(ctx, &o, error, why);
	return 0;
}

/* One connection that nobody can serve now. What it sent is read, so that closing does not look
 * like a reset to it. */
static int on_call(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
	static char scrap[CALL_BYTES_MAX];
	struct reload *r = userdata;
	struct call c = {.connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC), .message = -1};

	(void)s;
	(void)revents;
	if (c.connection < 0)
		return 0;
	struct pollfd p = {.fd = c.connection, .events = POLLIN};
	poll(&p, 1, TURN_AWAY_MS);
	call_error(&c, "io.sekisho.Scan.Reloading", "the signatures are being loaded");
	shutdown(c.connection, SHUT_WR);
	while (recv(c.connection, scrap, sizeof(scrap), MSG_DONTWAIT) > 0)
		;
	call_close(&c);
	r->outcome.deferred++;
	return 0;
}

/* The keeper whose report or end is waited for. */
static struct keeper *awaited(struct reload *r)
{
	return r->outcome.mode == RELOAD_HANDOVER ? &r->next : r->keeper;
}

/* Reaped here, or, since the owner reaps as well, there. */
static bool has_ended(const struct keeper *k)
{
	return k->pid <= 0 || waitpid(k->pid, NULL, WNOHANG) != 0;
}

static int on_tick(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct reload *r = userdata;
	struct keeper *k = awaited(r);

	(void)usec;
	if (r->then && has_ended(k)) {
		int (*then)(struct reload *) = r->then;
		r->then = NULL;
		k->pid = 0;
		return then(r);
	}
	if (now_ms() >= r->deadline && k->pid > 0)
		kill(k->pid, SIGKILL); /* its end is the report */
	sd_event_source_set_time_relative(s, LOOK_US);
	return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

static void await_end(struct reload *r, int (*then)(struct reload *))
{
	r->deadline = now_ms() + DRAIN_MS;
	r->then = then;
	sd_event_source_set_time_relative(r->tick, 0);
	sd_event_source_set_enabled(r->tick, SD_EVENT_ONESHOT);
}

static void remember(struct reload *r, int error, const char *why)
{
	if (r->error)
		return;
	r->error = error;
	r->why = strdup(why);
}

static void report_close(struct reload *r, struct keeper *k)
{
	r->report = sd_event_source_disable_unref(r->report);
	if (k->report_fd >= 0)
		close(k->report_fd);
	k->report_fd = -1;
}

static int load(struct reload *r, const struct keeper_plan *plan);

static int load_before(struct reload *r)
{
	int e = load(r, &r->before);

	if (e >= 0)
		return 0;
	r->keeper->pid = 0; /* neither the new nor the old one can be had */
	return finish(r);
}

static int load_plan(struct reload *r)
{
	int e = load(r, &r->plan);

	if (e >= 0)
		return 0;
	remember(r, e, strerror(-e));
	return load_before(r);
}

static int on_report(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
	struct reload *r = userdata;
	struct keeper *k = awaited(r);

	(void)s;
	(void)fd;
	(void)revents;
	r->report = sd_event_source_disable_unref(r->report);
	keeper_read(k);
	if (k->report.good) {
		sd_event_source_set_enabled(r->tick, SD_EVENT_OFF);
		if (k == &r->next) {
			keeper_stop(r->keeper); /* it drains by itself; the owner reaps it */
			*r->keeper = r->next;
		}
		return finish(r);
	}
	bool again = r->error != 0;
	remember(r, -EBADMSG, k->report.why);
	report_close(r, k);
	await_end(r, k == &r->next || again ? finish : load_before);
	return 0;
}

static int load(struct reload *r, const struct keeper_plan *plan)
{
	const struct keeper_plan copy = *plan; /* keeper_start() writes to where it may lie */
	int e = keeper_start(awaited(r), &copy);

	if (e >= 0)
		e = sd_event_add_io(
			r->event, &r->report, awaited(r)->report_fd, EPOLLIN, on_report, r);
	if (e < 0)
		return e;
	r->deadline = now_ms() + RELOAD_S * 1000;
	sd_event_source_set_time_relative(r->tick, LOOK_US);
	return sd_event_source_set_enabled(r->tick, SD_EVENT_ONESHOT);
}

static int begin_serial(struct reload *r)
{
	int e = sd_event_add_io(r->event, &r->calls, r->plan.listen_fd, EPOLLIN, on_call, r);

	if (e < 0)
		return e;
	keeper_stop(r->keeper);
	r->gap_start = now_ms();
	await_end(r, load_plan);
	return 0;
}

int reload_start(sd_event *event, struct keeper *k, const struct keeper_plan *plan,
	enum reload_mode mode, reload_done_fn *done, void *ctx, struct reload **ret)
{
	struct reload *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	*r = (struct reload){.event = event,
		.keeper = k,
		.next.report_fd = -1,
		.plan = *plan,
		.before = k->plan,
		.outcome.mode = mode,
		.done = done,
		.ctx = ctx,
		.start = now_ms()};
	int e = sd_event_add_time_relative(
		event, &r->tick, CLOCK_MONOTONIC, LOOK_US, 0, on_tick, r);
	if (e >= 0)
		e = mode == RELOAD_SERIAL ? begin_serial(r) : load(r, &r->plan);
	if (e < 0) {
		reload_cancel(r);
		return e;
	}
	*ret = r;
	return 0;
}
