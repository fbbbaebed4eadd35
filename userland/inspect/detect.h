/*
 * detect: which rules match this unit of a flow. A pure function: no I/O, no clock, no globals.
 *
 * The packet side fills a struct detect_input: one packet, or one finished application transaction,
 * with the buffers it has (an absent buffer has p == NULL). The payload beside a transaction's
 * buffers is for rules that look at both; rules for payload alone see it in packets and stream
 * data. detect_run() scans each buffer once with the ruleset's prefilter for that buffer, then
 * evaluates fully the rules whose longest pattern was seen, and those without a pattern that fit
 * protocol, ports and direction. The flow side keeps a struct detect_flow beside its flow (zeroed
 * at flow start) for what outlives one unit: sids already reported, flowbits later.
 *
 * A ruleset is an immutable generation (rule.h); a scratch belongs to one thread and one ruleset.
 *
 * Limits: DETECT_MATCHES a unit; further matches are counted in the scratch, the first keep their
 * order: pass before drop before reject before alert (the order of Suricata's action-order), then
 * priority, then sid.
 */
#pragma once

#include <netinet/in.h>

#include "lib/span.h"

struct ruleset;
struct rule;

#define DETECT_MATCHES 32

enum rule_action { RULE_PASS, RULE_DROP, RULE_REJECT, RULE_ALERT };

/* A buffer that content and pcre of a rule can look at: the sticky buffers of the rule language. */
enum buffer {
	BUFFER_PAYLOAD, /* packet payload, or reassembled stream data of this direction */
	BUFFER_HTTP_METHOD,
	BUFFER_HTTP_URI, /* normalised */
	BUFFER_HTTP_URI_RAW,
	BUFFER_HTTP_HOST,
	BUFFER_HTTP_USER_AGENT,
	BUFFER_HTTP_HEADER, /* all header lines */
	BUFFER_HTTP_COOKIE,
	BUFFER_HTTP_REQUEST_BODY,
	BUFFER_HTTP_STAT_CODE,
	BUFFER_HTTP_RESPONSE_BODY,
	BUFFER_TLS_SNI,
	BUFFER_DNS_QUERY, /* names of the questions, one unit each */
	BUFFER_COUNT
};

/* What "alert http ..." names: protocols of the network, transport and application layer. */
enum rule_proto {
	PROTO_IP,
	PROTO_TCP,
	PROTO_UDP,
	PROTO_ICMP,
	PROTO_HTTP,
	PROTO_TLS,
	PROTO_DNS,
	PROTO_SMTP,
	PROTO_FTP,
	PROTO_SSH,
	PROTO_SMB,
	PROTO_COUNT
};

struct detect_addr {
	uint8_t family;    /* 4 or 6 */
	uint8_t bytes[16]; /* network order; IPv4 in the first four */
};

struct detect_input {
	struct detect_addr src, dst; /* of this unit's direction */
	uint16_t src_port, dst_port; /* host order; 0 without ports */
	uint8_t ip_proto;            /* IPPROTO_* */
	enum rule_proto app;         /* application protocol of the flow, PROTO_IP while unknown */
	bool to_server;              /* from the side that opened the flow */
	bool established;            /* handshake seen, or both sides have spoken */
	bool stream;            /* BUFFER_PAYLOAD is reassembled stream data, else one packet */
	uint64_t stream_offset; /* of BUFFER_PAYLOAD's first byte in the stream: offset and depth
				   count from its start */
	uint8_t tcp_flags;
	uint8_t icmp_type, icmp_code;
	uint8_t ttl;
	struct span buffer[BUFFER_COUNT];
};

#define DETECT_FLOW_SIDS 16

struct detect_flow {
	uint32_t reported[DETECT_FLOW_SIDS]; /* sids that alerted in this flow: not again for stream
						units */
	uint8_t reported_n;
};

struct detect_match {
	const struct rule *rule;
	enum rule_action action;
	uint32_t gid, sid, rev;
	uint8_t priority;
	const char *msg;        /* live as long as the ruleset */
	const char *class_desc; /* text of the classtype, or "" */
	enum buffer buffer;     /* of the pattern that let the rule in */
};

struct detect_scratch;

/* Since the scratch was made. */
struct detect_stats {
	uint64_t lost;   /* matches beyond DETECT_MATCHES of a unit */
	uint64_t limits; /* evaluations that a limit ended: they count as no match */
};

int detect_scratch_new(const struct ruleset *rs, struct detect_scratch **ret);
void detect_scratch_free(struct detect_scratch *s);
struct detect_stats detect_scratch_stats(const struct detect_scratch *s);

/* Number of matches written, at most DETECT_MATCHES. flow may be NULL for a packet without one. */
unsigned detect_run(const struct ruleset *rs, struct detect_scratch *s,
	const struct detect_input *in, struct detect_flow *flow,
	struct detect_match matches[static DETECT_MATCHES]);

/* True while some rule of the ruleset could still match later units of a flow of this application
 * beyond depth bytes of either direction: then the flow must not be bypassed. */
bool detect_needs_more(
	const struct ruleset *rs, enum rule_proto app, uint16_t dst_port, uint64_t depth_bytes);

/* Which buffers at least one rule looks at, as bits 1 << enum buffer: no others need be extracted.
 */
uint32_t detect_buffers(const struct ruleset *rs);
