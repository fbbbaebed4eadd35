#include "scan/reload.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/log.h"
#include "scan/call.h"

#define SPARE_BYTES (256ull << 20) /* for workers and the rest of the box */
#define TURN_AWAY_MS 20            /* for the call to come in behind the connection */
#define DRAIN_MS ((POOL_DRAIN_S + 5) * 1000)

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static uint64_t available_bytes(void)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/meminfo", "re");
	char line[128];
	unsigned long kb;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %lu kB", &kb) == 1)
			return (uint64_t)kb << 10;
	return 0;
}

enum reload_mode reload_choose(enum reload_mode setting, uint64_t engine_bytes)
{
	if (setting != RELOAD_AUTO)
		return setting;
	/* A new database is about as large as the old one, and loading needs a little more. */
	return available_bytes() > engine_bytes + engine_bytes / 4 + SPARE_BYTES ? RELOAD_HANDOVER
										 : RELOAD_SERIAL;
}

/* One connection that nobody can serve now. What it sent is read, so that closing does not look
 * like a reset to it. */
static void call_turn_away(int listen_fd, struct reload_outcome *out)
{
	static char scrap[CALL_BYTES_MAX];
	struct call c = {.connection = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC), .message = -1};

	if (c.connection < 0)
		return;
	struct pollfd p = {.fd = c.connection, .events = POLLIN};
	poll(&p, 1, TURN_AWAY_MS);
	call_error(&c, "io.sekisho.Scan.Reloading", "the signatures are being loaded");
	shutdown(c.connection, SHUT_WR);
	while (recv(c.connection, scrap, sizeof(scrap), MSG_DONTWAIT) > 0)
		;
	call_close(&c);
	out->deferred++;
}

/* Until the keeper has reported. turn_away: nobody else accepts. */
static void keeper_await(struct keeper *k, bool turn_away, struct reload_outcome *out)
{
	struct pollfd p[2] = {{.fd = k->report_fd, .events = POLLIN},
		{.fd = k->plan.listen_fd, .events = POLLIN}};
	uint64_t deadline = now_ms() + RELOAD_S * 1000;

	for (;;) {
		poll(p, turn_away ? 2 : 1, 1000);
		sd_notify(0, "WATCHDOG=1");
		if (p[0].revents) {
			keeper_read(k);
			return;
		}
		if (turn_away && p[1].revents)
			call_turn_away(k->plan.listen_fd, out);
		if (now_ms() >= deadline)
			kill(k->pid, SIGKILL); /* its end is the report */
	}
}

/* Until the process has ended; its drain is bounded by itself. */
static void keeper_bury(struct keeper *k, bool turn_away, struct reload_outcome *out)
{
	uint64_t deadline = now_ms() + DRAIN_MS;

	while (k->pid > 0 && waitpid(k->pid, NULL, WNOHANG) == 0) {
		struct pollfd p = {.fd = k->plan.listen_fd, .events = POLLIN};
		if (poll(&p, turn_away ? 1 : 0, 20) > 0)
			call_turn_away(k->plan.listen_fd, out);
		sd_notify(0, "WATCHDOG=1");
		if (now_ms() >= deadline)
			kill(k->pid, SIGKILL);
	}
	k->pid = 0;
}

/* One that has reported its failure. */
static void keeper_end(struct keeper *k, bool turn_away, struct reload_outcome *out)
{
	close(k->report_fd);
	k->report_fd = -1;
	keeper_bury(k, turn_away, out);
}

static int failed(const struct keeper *k, char **ret_why)
{
	*ret_why = strdup(k->report.why);
	return -EBADMSG;
}

static int run_handover(struct keeper *k, const struct keeper_plan *plan,
	struct reload_outcome *out, char **ret_why)
{
	struct keeper next;
	int r = keeper_start(&next, plan);

	if (r < 0)
		return r;
	keeper_await(&next, false, out);
	if (!next.report.good) {
		keeper_end(&next, false, out);
		return failed(&next, ret_why);
	}
	keeper_stop(k); /* it drains by itself and is reaped by the loop */
	*k = next;
	return 0;
}

static int run_serial(struct keeper *k, const struct keeper_plan *plan, struct reload_outcome *out,
	char **ret_why)
{
	struct keeper_plan before = k->plan;

	keeper_stop(k);
	uint64_t gap_start = now_ms();
	keeper_bury(k, true, out);
	int r = keeper_start(k, plan);
	if (r == 0) {
		keeper_await(k, true, out);
		if (!k->report.good) {
			r = failed(k, ret_why);
			keeper_end(k, true, out);
		}
	}
	if (r < 0 && keeper_start(k, &before) == 0) {
		keeper_await(k, true, out);
		if (!k->report.good)
			keeper_end(k, true, out);
	}
	out->gap_ms = now_ms() - gap_start;
	return r;
}

int reload_run(struct keeper *k, const struct keeper_plan *plan, enum reload_mode mode,
	struct reload_outcome *ret, char **ret_why)
{
	uint64_t start = now_ms();

	*ret = (struct reload_outcome){.mode = mode};
	int r = mode == RELOAD_SERIAL ? run_serial(k, plan, ret, ret_why)
				      : run_handover(k, plan, ret, ret_why);
	ret->good = r == 0;
	ret->took_ms = now_ms() - start;
	return r;
}
