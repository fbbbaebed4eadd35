/*
 * engine_part: an engine inside, for the files that share it. Private to engine*.c.
 *
 * engine.c takes packets and decides; engine_tcp.c follows connections and puts their data in
 * order; engine_app.c feeds readers and runs the rules over what comes of it. One packet goes from
 * the first to the last, all on the engine's own thread.
 */
#pragma once

#include "inspect/defrag.h"
#include "inspect/verdict.h"

struct engine {
	struct publication *publication;
	struct generation *gen;
	struct detect_scratch *scratch;
	struct flow_table *flows;
	struct defrag *defrag;
	struct timeval now;
	struct judgement j;
	unsigned lapses; /* of the heartbeat, so far */
	bool was_established;
	struct span payload;     /* what units of this packet see as payload */
	uint64_t payload_offset; /* of its first byte in the stream */
	enum flow_side payload_side;
	bool turned;              /* for the side that the packet does not come from */
	bool stream_follows;      /* the payload of this packet comes again in order */
	struct event_list events; /* of this packet: what its decoder and its stream found odd */
	unsigned readers;
	unsigned flow_vars;
	uint8_t anomalies; /* told in this second, of packets without a flow */
	time_t anomalies_s;
	struct counters counters;
	struct stream_pool pool;
	struct reader_env env;
};

/* What only inspection needed. */
void engine_release(struct engine *e, struct flow *f);
/* old: bytes at the beginning of a stream's window that rules have seen before. */
void engine_run_payload(
	struct engine *e, struct span payload, bool stream, uint64_t offset, size_t old);
/* The packet as if it went the other way: what it releases may be of its receiver. */
struct packet packet_turned(const struct packet *p);
bool flow_is_inspected(const struct flow *f);
void engine_feed(struct engine *e, enum flow_side side, struct span data);
void engine_feed_end(struct engine *e, enum flow_side side, bool orderly);
/* Bytes are missing: a reader that cannot go on behind them is done. */
void engine_feed_hole(struct engine *e, enum flow_side side, uint32_t bytes);
void engine_reader_begin(struct engine *e, struct flow *f, enum rule_proto proto);
/* True when the protocol became known with this piece. */
bool engine_sniff(
	struct engine *e, struct flow *f, const struct stream_data *d, enum flow_side side);
/* Puts the alerts off until this side sends something; false: they are not of that kind. */
bool engine_defer(
	struct engine *e, const struct detect_match *m, unsigned n, const struct unit *unit);
bool engine_has_deferred(const struct flow *f);
/* Tells those of a transaction, or (NULL) of a side. */
void engine_deferred_tell(struct engine *e, enum flow_side side, const void *tx);
void engine_on_unit(void *ctx, const struct unit *u);
void engine_tcp(struct engine *e);
/* In line: both sides have said all. What is only needed for more is given back at once, while it
 * is warm, not when the flow is forgotten. */
bool engine_tcp_is_over(const struct engine *e);
void engine_flow_end(void *ctx, struct flow *f, enum flow_end why);
