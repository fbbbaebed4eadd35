/*
 * out: the events of inspectd, as EVE JSON.
 *
 * One log for all threads: each event is written whole under the lock, which is held for formatting
 * only; the disk is reached when the buffer of lib/eve.h fills, and by out_flush() of the main
 * loop. Fields are Suricata's; ours are `app` {ndpi_app, ndpi_carrier, confidence} in flow and drop
 * events and `why` in drop events. A packet event is told as the packet went, a flow or protocol
 * event from client to server.
 */
#pragma once

#include "inspect/flow.h"
#include "inspect/generation.h"
#include "inspect/reader.h"

struct out;

/* Where an event happened. */
struct scene {
	const struct packet *packet; /* NULL: at the end of a flow */
	const struct flow *flow;     /* NULL: none */
	enum flow_side side;
	struct app *app;
};

int out_open(const char *dir, struct out **ret);
void out_free(struct out *o);
void out_flush(struct out *o);
uint64_t out_lost(struct out *o);

/* unit: whose buffers matched, or NULL for a packet or stream. */
void out_alert(struct out *o, const struct scene *s, const struct detect_match *m, bool blocked,
	const struct unit *unit);
/* match: the rule that dropped, or NULL. reason: Suricata's short word. */
void out_drop(struct out *o, const struct scene *s, const struct detect_match *m,
	const char *reason, const char *why);
void out_flow(struct out *o, const struct scene *s, enum flow_end end, const struct timeval *now);
/* By unit->event: http, tls or dns. */
void out_unit(struct out *o, const struct scene *s, const struct unit *unit);

struct stats {
	uint64_t uptime_s;
	struct counters counters;
	unsigned rules_loaded, rules_refused;
	uint64_t kernel_queue_dropped, kernel_user_dropped;
};

void out_stats(struct out *o, const struct stats *st, const struct timeval *at);
