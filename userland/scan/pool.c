#include "scan/pool.h"

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "lib/cleanup.h"
#include "lib/log.h"

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	remove(path);
	return 0;
}

static uint64_t event_now(sd_event *event)
{
	uint64_t now = 0;

	sd_event_now(event, CLOCK_MONOTONIC, &now);
	return now;
}

static void pool_fill(struct pool *p);

static int on_retry(sd_event_source *s, uint64_t at, void *userdata)
{
	(void)s;
	(void)at;
	pool_fill(userdata);
	return 0;
}

/* The pause before the next fork: none after a worker that served its time. */
static void backoff_set(struct pool *p, bool good)
{
	if (good)
		p->backoff_ms = 0;
	else if (p->backoff_ms == 0)
		p->backoff_ms = POOL_BACKOFF_MIN_MS;
	else
		p->backoff_ms = 2 * p->backoff_ms < POOL_BACKOFF_MAX_MS ? 2 * p->backoff_ms
									: POOL_BACKOFF_MAX_MS;
}

static void retry_later(struct pool *p)
{
	p->retry = sd_event_source_disable_unref(p->retry);
	sd_event_add_time_relative(p->event, &p->retry, CLOCK_MONOTONIC,
		(uint64_t)p->backoff_ms * 1000, 0, on_retry, p);
}

static int on_child(sd_event_source *s, const siginfo_t *si, void *userdata)
{
	struct pool_child *c = userdata;
	struct pool *p = c->pool;
	bool current = c->generation == p->generation;
	bool ended_well = si->si_code == CLD_EXITED && si->si_status == 0;
	bool told = si->si_code == CLD_KILLED && si->si_status == SIGTERM;

	(void)s;
	if (!ended_well && !told) {
		p->crashes++;
		log_warning("worker %d %s %d: a message it had gets no verdict", (int)c->pid,
			si->si_code == CLD_EXITED ? "exited with" : "died of signal",
			si->si_status);
	}
	/* FTW_PHYS: what a message left there may be a link. */
	nftw(c->tmp, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	sd_event_source_unref(c->source);
	uint64_t lived_us = event_now(p->event) - c->born_us;
	*c = (struct pool_child){0};
	if (current) {
		backoff_set(p, ended_well || lived_us > POOL_STEADY_S * 1000000ull);
		retry_later(p);
	}
	return 0;
}

static struct pool_child *free_child(struct pool *p)
{
	for (size_t i = 0; i < sizeof(p->children) / sizeof(*p->children); i++)
		if (p->children[i].pid == 0)
			return &p->children[i];
	return NULL;
}

static int child_fork(struct pool *p)
{
	struct pool_child *c = free_child(p);

	if (!c)
		return -EAGAIN; /* old ones still drain */
	snprintf(c->tmp, sizeof(c->tmp), "%s/worker-XXXXXX", p->tmp);
	if (!mkdtemp(c->tmp))
		return -errno;
	pid_t pid = fork();
	if (pid < 0) {
		int r = -errno;
		rmdir(c->tmp);
		return r;
	}
	if (pid == 0) {
		p->worker.tmp = c->tmp;
		_exit(worker_run(&p->worker));
	}
	c->pool = p;
	c->pid = pid;
	c->generation = p->generation;
	c->born_us = event_now(p->event);
	return sd_event_add_child(p->event, &c->source, pid, WEXITED, on_child, c);
}

static void pool_fill(struct pool *p)
{
	while (pool_workers(p) < p->wanted) {
		int r = child_fork(p);
		if (r < 0) {
			log_error("no further worker: %s", strerror(-r));
			backoff_set(p, false);
			retry_later(p);
			return;
		}
	}
}

static unsigned workers_wanted(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (cpus < 2)
		return 2; /* one message that takes its time must not hold up all others */
	return cpus > POOL_WORKERS_MAX ? POOL_WORKERS_MAX : (unsigned)cpus;
}

int pool_start(struct pool *p, sd_event *event, int listen_fd, const char *tmp,
	struct engine *engine, char *database)
{
	void *shared = mmap(NULL, sizeof(struct scan_counters), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (shared == MAP_FAILED)
		return -errno;
	p->event = event;
	p->tmp = tmp;
	p->wanted = workers_wanted();
	p->database = database;
	p->worker = (struct worker){
		.engine = engine, .database = database, .listen_fd = listen_fd, .counters = shared};
	pool_fill(p);
	return pool_workers(p) > 0 ? 0 : -EAGAIN;
}

void pool_change(struct pool *p, struct engine *engine, char *database)
{
	unsigned old = p->generation++;

	engine_free(p->worker.engine);
	free(p->database);
	p->database = database;
	p->worker.engine = engine;
	p->worker.database = database;
	p->backoff_ms = 0;
	pool_fill(p);
	for (size_t i = 0; i < sizeof(p->children) / sizeof(*p->children); i++)
		if (p->children[i].pid > 0 && p->children[i].generation == old)
			kill(p->children[i].pid, SIGTERM);
}

unsigned pool_workers(const struct pool *p)
{
	unsigned n = 0;

	for (size_t i = 0; i < sizeof(p->children) / sizeof(*p->children); i++)
		n += p->children[i].pid > 0 && p->children[i].generation == p->generation;
	return n;
}

void pool_stop(struct pool *p)
{
	p->wanted = 0;
	for (size_t i = 0; i < sizeof(p->children) / sizeof(*p->children); i++)
		if (p->children[i].pid > 0)
			kill(p->children[i].pid, SIGTERM);
}

void pool_fini(struct pool *p)
{
	p->retry = sd_event_source_disable_unref(p->retry);
	for (size_t i = 0; i < sizeof(p->children) / sizeof(*p->children); i++)
		sd_event_source_disable_unref(p->children[i].source);
	engine_free(p->worker.engine);
	free(p->database);
	munmap(p->worker.counters, sizeof(*p->worker.counters));
}
