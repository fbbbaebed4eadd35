/*
 * pool: the workers of one engine.
 *
 * pool_start() forks the wanted number for each lane; every worker that ends is reaped and
 * replaced, and when it died over a message, the log says whose and over which part. What a worker
 * left in its temporary folder is removed with it. pool_stop() lets the small lane end first, then
 * the large one, which takes what the small one passed on; then the loop is told to exit.
 *
 * Limits: a worker that dies before it accepts is replaced after a pause that doubles
 * from POOL_BACKOFF_MIN_MS to POOL_BACKOFF_MAX_MS; one that dies over a message at once, for it is
 * the message that was bad. Workers that do not end within POOL_DRAIN_S after pool_stop() are
 * killed.
 */
#pragma once

#include <systemd/sd-event.h>

#include "scan/worker.h"

#define POOL_SMALL_MAX 32
#define POOL_WORKERS_MAX (POOL_SMALL_MAX + POOL_SMALL_MAX / 2)
#define POOL_BACKOFF_MIN_MS 100
#define POOL_BACKOFF_MAX_MS 5000
#define POOL_DRAIN_S 60

struct pool_child {
	struct pool *pool;
	sd_event_source *source;
	struct worker_mark *mark; /* shared with the worker */
	pid_t pid;
	enum lane lane;
	char tmp[256];
};

struct pool {
	sd_event *event;
	struct worker worker; /* the template of each; engine and counters are the caller's */
	const char *tmp;      /* folder of the workers' folders */
	int listen_fd;
	int lane_fds[2];
	unsigned wanted[LANES];
	unsigned backoff_ms;
	bool stopping;
	int accepting_fd; /* closed when no worker accepts any more; -1: nobody asks */
	sd_event_source *retry, *deadline;
	struct worker_mark *marks;                    /* one a child */
	struct pool_child children[POOL_WORKERS_MAX]; /* pid 0: free */
};

/* worker: engine, database, settings and counters are filled in and outlive the pool. -errno when
 * no worker could be forked. */
int pool_start(struct pool *p, sd_event *event, int listen_fd, const char *tmp,
	const struct worker *worker);
unsigned pool_workers(const struct pool *p, enum lane lane);
void pool_stop(struct pool *p);
/* After the loop. */
void pool_fini(struct pool *p);
