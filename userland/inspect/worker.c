#include "inspect/worker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "inspect/heartbeat.h"
#include "inspect/queue.h"
#include "lib/log.h"

#define TICK_BATCHES \
	64 /* a busy worker looks at the clock for time-outs once in so many batches \
	    */

/* What another thread wants to know. It is the asker's; the worker has it from taking it out of
 * `question` until it sets done. */
struct question {
	uint64_t id;
	struct flow_view *views;
	unsigned max, n;
	atomic_bool done;
};

struct worker {
	pthread_t thread;
	struct queue *queue;
	struct engine *engine;
	atomic_bool stop;
	atomic_uint_fast64_t beats;
	struct question *_Atomic question;
};

static void answer(struct worker *w)
{
	struct question *q = atomic_load(&w->question) ? atomic_exchange(&w->question, NULL) : NULL;

	if (!q)
		return;
	q->n = engine_flows(w->engine, q->id, q->views, q->max);
	q->done = true;
}

unsigned worker_flows(struct worker *w, uint64_t id, struct flow_view *views, unsigned max)
{
	const struct timespec nap = {.tv_nsec = 1000000};
	struct question q = {.id = id, .views = views, .max = max};
	struct question *mine = &q;

	atomic_store(&w->question, &q);
	for (unsigned ms = 0; ms < WORKER_ASK_MS && !q.done; ms++)
		nanosleep(&nap, NULL);
	if (!q.done && atomic_compare_exchange_strong(&w->question, &mine, NULL))
		return 0;
	while (!q.done) /* it was taken: the copying takes no time to speak of */
		nanosleep(&nap, NULL);
	return q.n;
}

static void judge(struct worker *w, const struct queue_packet *q, const struct timeval *at)
{
	struct packet p = {.at = *at};
	enum decode_result r = decode_ip(q->bytes, &p);

	p.unsummed = q->unsummed;
	if (q->vlan && r != DECODE_UNKNOWN)
		p.vlan[p.vlan_n++] = q->vlan;
	queue_verdict(w->queue, q, engine_packet(w->engine, r, &p));
}

/* Number of packets served, or -errno. */
static int serve(struct worker *w, int timeout_ms)
{
	struct queue_packet packets[QUEUE_BATCH];
	struct timeval now;
	int n = queue_read(w->queue, timeout_ms, packets);

	gettimeofday(&now, NULL);
	int r = engine_refresh(w->engine);
	if (r < 0)
		log_error("new rules not taken up: %s", strerror(-r));
	engine_lapses(w->engine, heartbeat_lapses());
	for (int i = 0; i < n; i++)
		judge(w, &packets[i], &now);
	queue_answer(w->queue);
	answer(w);
	if (n <= 0 || w->beats % TICK_BATCHES == 0)
		engine_tick(w->engine, &now);
	w->beats++;
	return n;
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	int n;

	while (!w->stop) {
		n = serve(w, WORKER_POLL_MS);
		if (n < 0) {
			log_error("queue: %s", strerror(-n));
			return NULL; /* no more beats: the heartbeat takes us out of the path */
		}
	}
	for (int i = 0; i < WORKER_DRAIN_READS && serve(w, 0) > 0; i++)
		;
	return NULL;
}

static int thread_start(struct worker *w)
{
	sigset_t all, old;

	sigfillset(&all); /* signals are for the main thread */
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int r = pthread_create(&w->thread, NULL, worker_main, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -r;
}

static void worker_free(struct worker *w)
{
	queue_free(w->queue);
	engine_free(w->engine);
	free(w);
}

int worker_start(
	uint16_t queue, struct publication *publication, struct out *out, struct worker **ret)
{
	struct worker *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	int r = engine_new(publication, out, &w->engine);
	if (r >= 0)
		r = out_start_writer(out);
	if (r >= 0)
		r = queue_open(queue, engine_counters_mutable(w->engine), &w->queue);
	if (r >= 0)
		r = thread_start(w);
	if (r < 0) {
		worker_free(w);
		return r;
	}
	*ret = w;
	return 0;
}

void worker_stop(struct worker *w, struct counters *sum)
{
	if (!w)
		return;
	w->stop = true;
	pthread_join(w->thread, NULL);
	queue_free(w->queue);
	w->queue = NULL;
	engine_end(w->engine);
	if (sum)
		counters_sum(sum, engine_counters(w->engine));
	worker_free(w);
}

uint64_t worker_beats(const struct worker *w)
{
	return w->beats;
}

const struct counters *worker_counters(const struct worker *w)
{
	return engine_counters(w->engine);
}
