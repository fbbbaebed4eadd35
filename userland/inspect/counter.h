/*
 * counter: what inspectd counts, by name.
 *
 * Each engine owns one array and is its only writer; the main thread sums the arrays of all engines
 * for the stats event and for Status. A new counter is one row of COUNTERS: group and name are its
 * keys in the stats event.
 *
 * Invariant, checked by the scenarios: queue received = accepted + dropped + bypassed.
 */
#pragma once

#include <stdint.h>

#include "inspect/event.h"

#define COUNTERS(X) \
	X(QUEUE_RECEIVED, "queue", "received") \
	X(QUEUE_ACCEPTED, "queue", "accepted") \
	X(QUEUE_DROPPED, "queue", "dropped") \
	X(QUEUE_BYPASSED, "queue", "bypassed") /* accepted with MARK_BYPASS */ \
	X(REJECTED, "queue", "rejected")       /* told to the sender: reset or ICMP error */ \
	X(QUEUE_OVERRUN, "queue", "overrun")   /* the socket lost packets: ENOBUFS */ \
	X(QUEUE_ERRORS, "queue", "errors")     /* verdicts the kernel would not take */ \
	X(DECODER_PKTS, "decoder", "pkts") \
	X(DECODER_BYTES, "decoder", "bytes") \
	X(DECODER_INVALID, "decoder", "invalid") /* malformed: passed, not inspected */ \
	X(DECODER_UNKNOWN, "decoder", "unknown") /* not IP: passed */ \
	X(DECODER_TRUNCATED, "decoder", "truncated") \
	X(DECODER_FRAGMENTS, "decoder", "fragments") /* held for defrag */ \
	X(DECODER_IPV4, "decoder", "ipv4") \
	X(DECODER_IPV6, "decoder", "ipv6") \
	X(DECODER_TCP, "decoder", "tcp") \
	X(DECODER_UDP, "decoder", "udp") \
	X(DECODER_ICMP, "decoder", "icmp") \
	X(ANOMALY, "decoder", "anomalies") /* odd packets: decode and stream events */ \
	X(DEFRAG_WHOLE, "defrag", "reassembled") \
	X(DEFRAG_GIVEN_UP, "defrag", "given_up") /* limits, time-out, overlap in IPv6 */ \
	X(FLOW_TOTAL, "flow", "total") \
	X(FLOW_ENDED, "flow", "ended") \
	X(FLOW_FORCED, "flow", "forced") /* table full: the idlest flow was ended early */ \
	X(FLOW_DROPPED, "flow", "dropped") \
	X(FLOW_BYPASSED, "flow", "bypassed") \
	X(MIDSTREAM_IGNORE, "exception_policy", \
		"ignore") /* TCP seen from midway, by what was done */ \
	X(MIDSTREAM_PASS, "exception_policy", "pass_flow") \
	X(MIDSTREAM_DROP, "exception_policy", "drop_flow") \
	X(MIDSTREAM_BYPASS, "exception_policy", "bypass") \
	X(MIDSTREAM_REJECT, "exception_policy", "reject") \
	X(IPS_ACCEPTED, "ips", "accepted") \
	X(IPS_BLOCKED, "ips", "blocked") \
	X(DROP_RULES, "drop_reason", "rules") /* dropped packets by reason */ \
	X(DROP_FLOW, "drop_reason", "flow_drop") \
	X(DROP_MIDSTREAM, "drop_reason", "stream_midstream") \
	X(DROP_STREAM, "drop_reason", "stream_error") \
	X(DROP_OTHER, "drop_reason", "other") \
	X(TCP_OVERLAP, "tcp", "overlap") \
	X(TCP_OUT_OF_ORDER, "tcp", "out_of_order") \
	X(TCP_GAPS, "tcp", "reassembly_gap") /* bytes never seen: the reader of that flow stops */ \
	X(TCP_MEMCAP, "tcp", "memcap")       /* segment not kept: becomes a gap */ \
	X(APP_FAILED, "app_layer", "failed") /* a reader gave up on malformed data */ \
	X(APP_MEMCAP, "app_layer", "memcap") /* flows that got no reader: READERS_MAX */ \
	X(DETECT_ALERTS, "detect", "alert") \
	X(DETECT_DROPS, "detect", "drop") \
	X(DETECT_ALERTS_LOST, "detect", "alert_queue_overflow") /* too many of one packet */ \
	X(DETECT_WOULD_DROP, "detect", "would_drop")            /* in a dry run */

enum counter {
#define X(id, group, name) COUNTER_##id,
	COUNTERS(X)
#undef X
		COUNTER_COUNT
};

struct counters {
	uint64_t value[COUNTER_COUNT];
	uint64_t event[EVENT_ID_COUNT]; /* times raised */
};

extern const struct counter_name {
	const char *group, *name;
} counter_names[COUNTER_COUNT];

/* One writer: a relaxed load and store cost no bus lock. */
static inline void counter_add(struct counters *c, enum counter which, uint64_t n)
{
	__atomic_store_n(&c->value[which], c->value[which] + n, __ATOMIC_RELAXED);
}

static inline void counter_event(struct counters *c, unsigned id)
{
	__atomic_store_n(&c->event[id], c->event[id] + 1, __ATOMIC_RELAXED);
}

static inline void counter_inc(struct counters *c, enum counter which)
{
	counter_add(c, which, 1);
}

/* Adds what another thread has counted to a sum of the caller's own. */
void counters_sum(struct counters *sum, const struct counters *c);

static inline uint64_t counters_flows(const struct counters *c)
{
	return c->value[COUNTER_FLOW_TOTAL] - c->value[COUNTER_FLOW_ENDED];
}
