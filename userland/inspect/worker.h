/*
 * worker: a thread that serves one queue with an engine of its own.
 *
 * read a batch, take up the newest generation, judge each packet, answer. An idle worker wakes
 * every WORKER_POLL_MS, so worker_beats() goes up as long as it is not stuck: the heartbeat looks
 * at nothing else. worker_stop() lets it serve what is waiting in its queue before it ends: the
 * kernel would drop it.
 */
#pragma once

#include "inspect/engine.h"

#define WORKER_POLL_MS 50
#define WORKER_DRAIN_READS 256 /* at most so many batches are served after a stop */

struct worker;

/* The rules must be published before: the kernel queues packets from here on. */
int worker_start(
	uint16_t queue, struct publication *publication, struct out *out, struct worker **ret);
/* sum: what it has counted is added to it; may be NULL. */
void worker_stop(struct worker *w, struct counters *sum);
/* Copies of its flows, as engine_flows() has them: the thread makes them between two batches. Waits
 * for at most WORKER_ASK_MS; a thread that does not come to it in that time has no flows to show.
 */
#define WORKER_ASK_MS 300
struct flow_view;
unsigned worker_flows(struct worker *w, uint64_t id, struct flow_view *views, unsigned max);
uint64_t worker_beats(const struct worker *w);
const struct counters *worker_counters(const struct worker *w);
