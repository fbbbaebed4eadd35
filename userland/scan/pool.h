/*
 * pool: the workers of one engine, and the change from one engine to the next.
 *
 * pool_start() forks the wanted number; every worker that ends is reaped and replaced. After
 * pool_change() new workers with the new engine accept from the shared socket while the old ones
 * finish what they have and go. What a worker left in its temporary folder is removed with it.
 *
 * Limits: a worker that ends badly is replaced after a pause that doubles from POOL_BACKOFF_MIN_MS
 * to POOL_BACKOFF_MAX_MS, until one has lived for POOL_STEADY_S. Meanwhile the others serve.
 */
#pragma once

#include <systemd/sd-event.h>

#include "scan/worker.h"

#define POOL_WORKERS_MAX 64
#define POOL_BACKOFF_MIN_MS 100
#define POOL_BACKOFF_MAX_MS 5000
#define POOL_STEADY_S 10

struct pool_child {
	struct pool *pool;
	sd_event_source *source;
	pid_t pid;
	uint64_t born_us;
	unsigned generation;
	char tmp[256];
};

struct pool {
	sd_event *event;
	struct worker worker; /* the template of each; owns the engine and the counters */
	char *database;
	const char *tmp; /* folder of the workers' folders */
	unsigned wanted;
	unsigned generation;
	unsigned backoff_ms;
	uint64_t crashes;
	sd_event_source *retry;
	struct pool_child
		children[2 * POOL_WORKERS_MAX]; /* pid 0: free. Twice: old ones may still drain */
};

/* Takes engine and database (heap). -errno when no worker could be forked. */
int pool_start(struct pool *p, sd_event *event, int listen_fd, const char *tmp,
	struct engine *engine, char *database);
/* New workers get this engine, present ones are told to go. Takes both. */
void pool_change(struct pool *p, struct engine *engine, char *database);
/* Workers of the present engine. */
unsigned pool_workers(const struct pool *p);
/* Tells all to go; they end by themselves. */
void pool_stop(struct pool *p);
/* After the loop: engine, database, sources. Workers that still scan have copies of their own. */
void pool_fini(struct pool *p);
