/*
 * heartbeat: keeps traffic coming to the queues, as long as every worker makes progress.
 *
 * A thread of its own renews the elements of ALIVE_INSPECT_SET (lib/mark.h) every HEARTBEAT_MS, but
 * only when each worker has beaten since the last time. A worker that hangs, or a process that
 * dies, is out of the path after ALIVE_INSPECT_MS; what the ruleset does then is its own matter
 * (on-failure). The same progress feeds systemd's watchdog: loading rules keeps the main loop busy
 * for seconds and is no hang. A set that is not there yet is tried again at the next beat.
 */
#pragma once

#include "inspect/worker.h"

#define HEARTBEAT_MS 80

struct heartbeat;

int heartbeat_new(struct heartbeat **ret);
/* Nothing is renewed before the first worker is watched. A worker outlives the heartbeat, or is
 * forgotten by it first. */
void heartbeat_watch(struct heartbeat *h, const struct worker *w);
/* The worker that was watched last is about to end. */
void heartbeat_forget(struct heartbeat *h);
void heartbeat_free(struct heartbeat *h);
/* How often the set may have run empty between two renewals, since the process began: packets then
 * passed unseen. */
unsigned heartbeat_lapses(void);
/* Whether all watched workers made progress within the last ALIVE_INSPECT_MS. */
bool heartbeat_is_alive(const struct heartbeat *h);
/* Whether the last renewal succeeded. */
bool heartbeat_is_armed(const struct heartbeat *h);
