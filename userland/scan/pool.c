#include "scan/pool.h"

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/log.h"
#include "scan/lane.h"

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	remove(path);
	return 0;
}

static void pool_fill(struct pool *p);

static int on_retry(sd_event_source *s, uint64_t at, void *userdata)
{
	(void)s;
	(void)at;
	pool_fill(userdata);
	return 0;
}

static void retry_later(struct pool *p)
{
	p->backoff_ms = p->backoff_ms == 0 ? POOL_BACKOFF_MIN_MS : 2 * p->backoff_ms;
	if (p->backoff_ms > POOL_BACKOFF_MAX_MS)
		p->backoff_ms = POOL_BACKOFF_MAX_MS;
	p->retry = sd_event_source_disable_unref(p->retry);
	sd_event_add_time_relative(p->event, &p->retry, CLOCK_MONOTONIC,
		(uint64_t)p->backoff_ms * 1000, 0, on_retry, p);
}

/* From memory that the dead worker could write. */
static const char *mark_text(const char *text, size_t cap, char *out)
{
	size_t n = 0;

	for (; n + 1 < cap && text[n]; n++)
		out[n] = text[n] >= ' ' && text[n] < 0x7f ? text[n] : '?';
	out[n] = '\0';
	return out;
}

static void death_tell(struct pool *p, const struct pool_child *c, const siginfo_t *si)
{
	char mail[CALL_MARK_BYTES], part[MESSAGE_PART_BYTES];

	atomic_fetch_add(&p->worker.counters->crashes, 1);
	mark_text(c->mark->text, sizeof(mail), mail);
	mark_text(c->mark->part, sizeof(part), part);
	log_warning("worker %d %s %d%s%s%s%s: no verdict, the mail is deferred", (int)c->pid,
		si->si_code == CLD_EXITED ? "exited with" : "died of signal", si->si_status,
		*mail ? " over " : " between two mails", mail, *mail && *part ? ", part " : "",
		*mail ? part : "");
}

static void lane_signal(struct pool *p, enum lane lane, int signal_number)
{
	for (size_t i = 0; i < POOL_WORKERS_MAX; i++)
		if (p->children[i].pid > 0 && p->children[i].lane == lane)
			kill(p->children[i].pid, signal_number);
}

static void stop_advance(struct pool *p)
{
	if (pool_workers(p, LANE_SMALL) > 0)
		return;
	close_p(&p->accepting_fd);
	p->accepting_fd = -1;
	if (pool_workers(p, LANE_LARGE) > 0)
		lane_signal(p, LANE_LARGE, SIGTERM);
	else
		sd_event_exit(p->event, 0);
}

static void workers_count(struct pool *p)
{
	if (!p->stopping)
		atomic_store(&p->worker.counters->workers,
			pool_workers(p, LANE_SMALL) + pool_workers(p, LANE_LARGE));
}

static int on_child(sd_event_source *s, const siginfo_t *si, void *userdata)
{
	struct pool_child *c = userdata;
	struct pool *p = c->pool;
	bool ended_well = si->si_code == CLD_EXITED && si->si_status == 0;
	bool ready = atomic_load(&c->mark->ready) != 0;

	(void)s;
	if (!ended_well)
		death_tell(p, c, si);
	/* FTW_PHYS: what a message left there may be a link. */
	nftw(c->tmp, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	sd_event_source_unref(c->source);
	*c = (struct pool_child){0};
	workers_count(p);
	if (p->stopping) {
		stop_advance(p);
	} else if (ended_well || ready) {
		p->backoff_ms = 0;
		pool_fill(p);
	} else {
		retry_later(p);
	}
	return 0;
}

static struct pool_child *free_child(struct pool *p)
{
	for (size_t i = 0; i < POOL_WORKERS_MAX; i++)
		if (p->children[i].pid == 0)
			return &p->children[i];
	return NULL;
}

static void child_run(struct pool *p, struct pool_child *c, enum lane lane)
{
	struct worker *w = &p->worker;

	w->lane = lane;
	w->tmp = c->tmp;
	w->mark = c->mark;
	w->input_fd = lane == LANE_SMALL ? p->listen_fd : p->lane_fds[0];
	w->lane_fd = lane == LANE_SMALL ? p->lane_fds[1] : -1;
	_exit(worker_run(w));
}

static int child_fork(struct pool *p, enum lane lane)
{
	struct pool_child *c = free_child(p);

	if (!c)
		return -EAGAIN;
	snprintf(c->tmp, sizeof(c->tmp), "%s/worker-XXXXXX", p->tmp);
	if (!mkdtemp(c->tmp))
		return -errno;
	c->mark = &p->marks[c - p->children];
	*c->mark = (struct worker_mark){0};
	pid_t pid = fork();
	if (pid < 0) {
		int r = -errno;
		rmdir(c->tmp);
		return r;
	}
	if (pid == 0)
		child_run(p, c, lane);
	c->pool = p;
	c->pid = pid;
	c->lane = lane;
	return sd_event_add_child(p->event, &c->source, pid, WEXITED, on_child, c);
}

static void pool_fill(struct pool *p)
{
	if (p->stopping)
		return;
	for (enum lane lane = 0; lane < LANES; lane++) {
		while (pool_workers(p, lane) < p->wanted[lane]) {
			int r = child_fork(p, lane);
			if (r < 0) {
				log_error("no further worker: %s", strerror(-r));
				retry_later(p);
				return;
			}
		}
	}
	workers_count(p);
}

static unsigned workers_wanted(unsigned setting)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (setting)
		return setting < POOL_SMALL_MAX ? setting : POOL_SMALL_MAX;
	if (cpus < 2)
		return 2; /* one message that takes its time must not hold up all others */
	return cpus > POOL_SMALL_MAX ? POOL_SMALL_MAX : (unsigned)cpus;
}

int pool_start(struct pool *p, sd_event *event, int listen_fd, const char *tmp,
	const struct worker *worker)
{
	void *shared = mmap(NULL, POOL_WORKERS_MAX * sizeof(struct worker_mark),
		PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (shared == MAP_FAILED)
		return -errno;
	*p = (struct pool){.event = event,
		.worker = *worker,
		.tmp = tmp,
		.listen_fd = listen_fd,
		.accepting_fd = -1,
		.marks = shared};
	int r = lane_open(p->lane_fds);
	if (r < 0) {
		munmap(shared, POOL_WORKERS_MAX * sizeof(struct worker_mark));
		return r;
	}
	p->wanted[LANE_SMALL] = workers_wanted(worker->settings->workers);
	p->wanted[LANE_LARGE] = (p->wanted[LANE_SMALL] + 1) / 2;
	pool_fill(p);
	return pool_workers(p, LANE_SMALL) > 0 ? 0 : -EAGAIN;
}

unsigned pool_workers(const struct pool *p, enum lane lane)
{
	unsigned n = 0;

	for (size_t i = 0; i < POOL_WORKERS_MAX; i++)
		n += p->children[i].pid > 0 && p->children[i].lane == lane;
	return n;
}

static int on_deadline(sd_event_source *s, uint64_t at, void *userdata)
{
	struct pool *p = userdata;

	(void)s;
	(void)at;
	lane_signal(p, LANE_SMALL, SIGKILL);
	lane_signal(p, LANE_LARGE, SIGKILL);
	return 0;
}

void pool_stop(struct pool *p)
{
	if (p->stopping)
		return;
	p->stopping = true;
	sd_event_add_time_relative(p->event, &p->deadline, CLOCK_MONOTONIC,
		POOL_DRAIN_S * 1000000ull, 0, on_deadline, p);
	lane_signal(p, LANE_SMALL, SIGTERM);
	stop_advance(p);
}

void pool_fini(struct pool *p)
{
	sd_event_source_disable_unref(p->retry);
	sd_event_source_disable_unref(p->deadline);
	for (size_t i = 0; i < POOL_WORKERS_MAX; i++)
		sd_event_source_disable_unref(p->children[i].source);
	close_p(&p->accepting_fd);
	close_p(&p->lane_fds[0]);
	close_p(&p->lane_fds[1]);
	munmap(p->marks, POOL_WORKERS_MAX * sizeof(struct worker_mark));
}
