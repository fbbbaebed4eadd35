/*
 * out: the events of inspectd, as EVE JSON.
 *
 * Each thread has a struct out of its own (out_fork), formats its events there and appends them to
 * its own buffer; a writer thread, or out_flush() where there is none, carries the buffers to the
 * one log file. So no thread waits for another or for the disk on the packet path. A buffer that is
 * full loses the event, counted (out_lost).
 *
 * Fields are Suricata's; ours are `app` {ndpi_app, ndpi_carrier, confidence} in flow and drop
 * events and `why` in drop events. A packet event is told as the packet went, a flow or protocol
 * event from client to server.
 *
 * Limits: OUT_BUFFER_BYTES a thread between two visits of the writer, every OUT_VISIT_MS or sooner.
 */
#pragma once

#include "inspect/flow.h"
#include "inspect/generation.h"
#include "inspect/reader.h"

#define OUT_BUFFER_BYTES (4u << 20)
#define OUT_VISIT_MS 200
#define OUT_PAYLOAD_BYTES 4096 /* of payload and of packet in an alert */

struct out;

/* Where an event happened. */
struct scene {
	const struct packet *packet; /* NULL: at the end of a flow */
	const struct flow *flow;     /* NULL: none */
	enum flow_side side;
	struct app *app;
	struct span payload; /* what a rule looked at, when it is no application buffer */
	bool stream;         /* payload is of the stream */
	const char *verdict; /* "alert", "pass" or "drop": what becomes of the packet */
};

int out_open(const char *dir, struct out **ret);
/* A further one, for another thread, of the same log. Free it before the first. */
int out_fork(struct out *o, struct out **ret);
void out_free(struct out *o);
/* For captures: alerts hold payload and packet, each dropped packet is told, and the file is named.
 * capture outlives the log. Before there are other threads. */
void out_set_evidence(struct out *o, const char *capture);
bool out_has_evidence(const struct out *o);
/* A thread carries the buffers from now on. */
int out_start_writer(struct out *o);
/* All buffers of the log, to the file. */
void out_flush(struct out *o);
uint64_t out_lost(struct out *o);

/* unit: whose buffers matched, or NULL for a packet or stream. */
void out_alert(struct out *o, const struct scene *s, const struct detect_match *m, bool blocked,
	const struct unit *unit);
/* match: the rule that dropped, or NULL. reason: Suricata's short word. */
void out_drop(struct out *o, const struct scene *s, const struct detect_match *m,
	const char *reason, const char *why);
void out_flow(struct out *o, const struct scene *s, enum flow_end end, const struct timeval *now);
/* A packet of a flow that a rule has tagged. */
void out_packet(struct out *o, const struct scene *s);
/* The event of a transaction, by unit->event. */
void out_unit(struct out *o, const struct scene *s, const struct unit *unit);
/* unit->file is complete or cut short. */
void out_file(struct out *o, const struct scene *s, const struct unit *unit);
/* unit: whose oddity it is; NULL: of the packet or the stream. */
void out_anomaly(struct out *o, const struct scene *s, enum event_id id, const struct unit *unit);

struct stats {
	uint64_t uptime_s;
	struct counters counters;
	unsigned rules_loaded, rules_refused;
	uint64_t kernel_queue_dropped, kernel_user_dropped;
};

void out_stats(struct out *o, const struct stats *st, const struct timeval *at);
