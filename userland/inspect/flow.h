/*
 * flow: who talks to whom, and what is known about it.
 *
 * flow_lookup() finds the flow of a packet or begins one. The client is the side that opened the
 * flow: the sender of the SYN, else of the first packet seen (a SYN+ACK seen first means the other
 * side; without either, the server is who answers in HTTP or has a port below 1024). A flow is in
 * one of three classes by age, each a list ordered by last packet, so expiry only ever looks at
 * list heads. At its end the owner's callback gets the flow while all it holds is still there, then
 * it is wiped.
 *
 * The table is allocated once. Limits: FLOW_MAX flows a thread; at the limit the idlest flow of the
 * least valuable class (closed, then new, then established) is ended early and counted
 * (`flow.forced`): its later packets begin a new flow, picked up midway. What the kernel already
 * knows (marks) stays in force.
 *
 * The hash is keyed (SipHash, a random key a table), so nobody can aim at one bucket.
 */
#pragma once

#include "inspect/app.h"
#include "inspect/counter.h"
#include "inspect/decode.h"
#include "inspect/reader.h"
#include "inspect/stream.h"
#include "inspect/tcp.h"

#define FLOW_MAX 65536
#define FLOW_NEW_S 30
#define FLOW_ESTABLISHED_S 300
#define FLOW_CLOSED_S 10

enum flow_class { FLOW_NEW, FLOW_ESTABLISHED, FLOW_CLOSED, FLOW_CLASSES };
enum flow_end { FLOW_END_TIMEOUT, FLOW_END_FORCED, FLOW_END_SHUTDOWN, FLOW_END_REUSED };
/* FATE_PASS: no rules look at it, but it is followed and logged. */
enum flow_fate { FATE_INSPECT, FATE_PASS, FATE_DROP, FATE_BYPASS };

enum flow_side { SIDE_CLIENT, SIDE_SERVER }; /* who sent it: index of per-direction arrays */

/* Who decided what becomes of a flow, and with which of its packets. */
enum decided_by {
	DECIDED_NOT,
	DECIDED_RULE,
	DECIDED_APPLICATION,
	DECIDED_DOMAIN, /* a name in a list */
	DECIDED_STREAM, /* TCP that does not fit */
	DECIDED_PASS_RULE,
	DECIDED_BYPASS /* nothing in it can match any more */
};

struct flow_decision {
	uint8_t by; /* enum decided_by */
	uint32_t sid;
	uint64_t packet; /* of the flow, from 1 */
	struct timeval at;
};

struct flow_key {
	struct detect_addr addr[2]; /* by side */
	uint16_t port[2];
	uint16_t vlan[DECODE_TAGS];
	uint8_t ip_proto;
};

struct deferred;
struct flow_var;

struct flow {
	struct flow *bucket_next;
	struct flow *older, *newer; /* in the list of its class, or of the free */
	struct flow_key key;
	enum flow_class class;
	enum flow_fate fate;
	struct flow_decision decision;
	uint64_t id;
	struct timeval first, last;
	uint64_t pkts[2], bytes[2];
	uint8_t tcp_flags[2]; /* all seen, by side */
	bool established;     /* TCP: handshake seen; else both sides have sent packets */
	bool untracked;       /* TCP that was not seen from its start: packets only */
	uint8_t exception;    /* enum exception that was applied, plus 1; 0: none */
	bool spoken[2];       /* has sent payload */
	bool alerted;
	uint8_t tagged;        /* packets still to be logged, by a rule's tag */
	bool reported_drop[2]; /* by side */
	bool encrypted;        /* TLS past its handshake */
	bool asked_more[2];    /* whether rules still want to see this direction */
	bool shows_empty;      /* rules of generation bare_serial want to see empty segments */
	unsigned bare_serial;
	enum rule_proto app_proto;
	bool ended[2];                /* its FIN has been delivered */
	bool rejected;                /* with FATE_DROP: both ends are reset (reject.h) */
	bool reset_sent;              /* its receiver has been reset */
	bool refused;                 /* with FATE_DROP: who sends on is told by ICMP */
	enum flow_side rejected_side; /* who sent what offends */
	uint8_t anomalies;            /* oddities that were told */
	bool sniffed[2];              /* no protocol at the beginning of this direction */
	struct tcp tcp;
	unsigned lapses; /* of the heartbeat, when its last packet came */
	struct stream stream[2];
	uint32_t tx_cnt; /* transactions that its reader has told of */
	struct app_flow app;
	struct reader *reader;
	struct flow_var *vars; /* captures of rules (capture.h) */
	bool reader_done;      /* it is fed no more */
	struct deferred
		*deferred; /* alerts that wait for a packet, in a capture (engine_defer.c) */
	struct detect_flow detect;
	struct unit_seen told; /* sids that stream data matched: the window shows them again */
};

struct flow_table;
typedef void flow_end_fn(void *ctx, struct flow *f, enum flow_end why);

int flow_table_new(
	struct counters *counters, flow_end_fn *on_end, void *ctx, struct flow_table **ret);
void flow_table_free(struct flow_table *t);
void flow_end_all(struct flow_table *t);
/* Never NULL. ret_side is who sent the packet. Counts the packet and follows the state of TCP. */
struct flow *flow_lookup(struct flow_table *t, const struct packet *p, enum flow_side *ret_side);
/* What a person may ask of a flow. */
struct flow_view {
	struct flow_key key;
	enum flow_class class;
	enum flow_fate fate;
	struct flow_decision decision;
	uint64_t id, pkts[2], bytes[2];
	struct timeval first, last;
	enum rule_proto app_proto;
	struct app_flow app; /* without nDPI's part */
	bool alerted;
};

/* Copies of the newest flows, or of the one with this id (0: any); their number. */
unsigned flow_copy(const struct flow_table *t, uint64_t id, struct flow_view *views, unsigned max);
/* The state of its TCP has moved: it may be of another class now. */
void flow_settle(struct flow_table *t, struct flow *f);
/* Ends flows that were silent for too long, at most `max`. */
void flow_expire(struct flow_table *t, const struct timeval *now, unsigned max);
const char *flow_class_name(enum flow_class c);
/* enum exception of settings.h. */
const char *exception_name(unsigned e);
const char *flow_end_name(enum flow_end e);
