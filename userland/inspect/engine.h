/*
 * engine: one packet in, one verdict out.
 *
 * The path: find the flow (flow.c); ask nDPI (app.c) and the application policy; put TCP payload in
 * order (stream.c); let the protocol reader cut it into units (reader.c, http.c, tls.c, dns.c);
 * match each unit, the packet and the stream against the rules (detect.h); decide (verdict.c). An
 * engine belongs to one thread and shares nothing on this path but the log. engine_refresh()
 * between batches takes up a newer generation.
 *
 * A verdict is accept or drop, with a mark for the connection: MARK_DROP when the flow is
 * condemned, MARK_BYPASS when nothing more in it can match. What cannot be decoded is accepted and
 * counted.
 */
#pragma once

#include "inspect/decode.h"
#include "inspect/generation.h"
#include "inspect/out.h"

struct verdict {
	bool drop;
	uint32_t mark;
	struct span instead; /* goes on in place of the packet; lives until the next packet */
};

struct engine;

int engine_new(struct publication *publication, struct out *out, struct engine **ret);
void engine_free(struct engine *e);
/* Ends all flows, with their events; engine_free() does so too. */
void engine_end(struct engine *e);
/* Takes up the newest generation; the old one stays when the new one's scratch cannot be had. */
int engine_refresh(struct engine *e);
struct verdict engine_packet(struct engine *e, enum decode_result decoded, const struct packet *p);
/* Lets time pass when no packet brings it. */
/* lapses: how often packets may have passed unseen, so far (heartbeat.h). */
void engine_lapses(struct engine *e, unsigned lapses);
void engine_tick(struct engine *e, const struct timeval *now);

/* Copies of flows (flow.h), on the engine's own thread. */
struct flow_view;
unsigned engine_flows(const struct engine *e, uint64_t id, struct flow_view *views, unsigned max);

/* For other threads too. */
const struct counters *engine_counters(const struct engine *e);
/* The queue counts here as well. */
struct counters *engine_counters_mutable(struct engine *e);
