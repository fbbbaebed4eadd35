/*
 * detect: which rules match this unit of a flow. A pure function: no I/O, no clock, no globals.
 *
 * The packet side fills a struct detect_input: one packet, or one finished application transaction,
 * with the buffers it has (an absent buffer has p == NULL). The payload beside a transaction's
 * buffers is for rules that look at both; rules for payload alone see it in packets and stream
 * data. detect_run() scans each buffer once with the ruleset's prefilter for that buffer, then
 * evaluates fully the rules whose longest pattern was seen, and those without a pattern that fit
 * protocol, ports and direction. The flow side keeps a struct detect_flow beside its flow (zeroed
 * at flow start) for what outlives one unit: sids already reported, flowbits, flowints. What
 * outlives a flow (thresholds, xbits, hostbits) is in a struct detect_memory (detect_memory.h).
 *
 * A ruleset is an immutable generation (rule.h); a scratch belongs to one thread and one ruleset.
 *
 * Limits: DETECT_MATCHES a unit; further matches are counted in the scratch, the first keep their
 * order: pass before drop before reject before alert (the order of Suricata's action-order), then
 * priority, then sid.
 */
#pragma once

#include <netinet/in.h>
#include <sys/time.h>

#include "inspect/event.h"
#include "lib/span.h"

struct capture;
struct ruleset;
struct rule;
struct packet;

#define DETECT_MATCHES 32

enum rule_action { RULE_PASS, RULE_DROP, RULE_REJECT, RULE_ALERT };

/* A buffer that content and pcre of a rule can look at: the sticky buffers of the rule language.
 * At most 63: sets of them are bits of a uint64_t. */
enum buffer {
	BUFFER_PAYLOAD, /* packet payload, or reassembled stream data of this direction */
	BUFFER_HTTP_METHOD,
	BUFFER_HTTP_URI, /* normalised */
	BUFFER_HTTP_URI_RAW,
	BUFFER_HTTP_HOST, /* in lower case, without port */
	BUFFER_HTTP_HOST_RAW,
	BUFFER_HTTP_USER_AGENT,
	BUFFER_HTTP_HEADER, /* all header lines but the cookie */
	BUFFER_HTTP_HEADER_RAW,
	BUFFER_HTTP_HEADER_NAMES,
	BUFFER_HTTP_START, /* first line and header lines */
	BUFFER_HTTP_COOKIE,
	BUFFER_HTTP_REFERER,
	BUFFER_HTTP_ACCEPT,
	BUFFER_HTTP_ACCEPT_ENC,
	BUFFER_HTTP_ACCEPT_LANG,
	BUFFER_HTTP_CONNECTION,
	BUFFER_HTTP_CONTENT_TYPE,
	BUFFER_HTTP_CONTENT_LEN,
	BUFFER_HTTP_PROTOCOL,
	BUFFER_HTTP_REQUEST_LINE,
	BUFFER_HTTP_REQUEST_HEADER, /* several: "Name: value" each */
	BUFFER_HTTP_REQUEST_BODY,
	BUFFER_HTTP_RESPONSE_LINE,
	BUFFER_HTTP_STAT_CODE,
	BUFFER_HTTP_STAT_MSG,
	BUFFER_HTTP_LOCATION,
	BUFFER_HTTP_SERVER,
	BUFFER_HTTP_RESPONSE_HEADER, /* several */
	BUFFER_FILE_DATA,            /* several: content of what is transferred, decoded */
	BUFFER_FILE_NAME,            /* several */
	BUFFER_TLS_SNI,
	BUFFER_TLS_CERTS, /* several: each certificate of the chain, DER */
	BUFFER_TLS_SUBJECT,
	BUFFER_TLS_ISSUER,
	BUFFER_TLS_SERIAL,
	BUFFER_TLS_FINGERPRINT,
	BUFFER_TLS_ALPN, /* several */
	BUFFER_TLS_VERSION,
	BUFFER_JA3_HASH,
	BUFFER_JA3_STRING,
	BUFFER_JA3S_HASH,
	BUFFER_JA3S_STRING,
	BUFFER_JA4_HASH,
	BUFFER_DNS_QUERY, /* several: names of the questions */
	BUFFER_SSH_PROTO,
	BUFFER_SSH_SOFTWARE,
	BUFFER_SMTP_HELO,
	BUFFER_SMTP_MAIL_FROM,
	BUFFER_SMTP_RCPT_TO, /* several */
	BUFFER_FTP_COMMAND,
	BUFFER_FTP_COMMAND_DATA,
	BUFFER_SMB_NAMED_PIPE,
	BUFFER_SMB_SHARE,
	BUFFER_SMB_NTLMSSP_USER,
	BUFFER_SMB_NTLMSSP_DOMAIN,
	BUFFER_KRB5_CNAME,
	BUFFER_KRB5_SNAME,
	BUFFER_SNMP_COMMUNITY,
	BUFFER_IP_HEADER,        /* ipv4.hdr, ipv6.hdr */
	BUFFER_TRANSPORT_HEADER, /* tcp.hdr, udp.hdr, icmpv4.hdr, icmpv6.hdr */
	BUFFER_BASE64,           /* what base64_decode of the same rule left */
	BUFFER_COUNT,
	/* the same bytes: looked through once */
	BUFFER_HTTP_RESPONSE_BODY = BUFFER_FILE_DATA
};

#define BUFFER_BIT(b) (UINT64_C(1) << (b))

/* A further value of a buffer that has several; the first is in detect_input.buffer. */
struct buffer_more {
	enum buffer buffer;
	struct span value;
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
	PROTO_FTP_DATA,
	PROTO_HTTP2,
	PROTO_DCERPC,
	PROTO_KRB5,
	PROTO_SNMP,
	PROTO_TFTP,
	PROTO_NTP,
	PROTO_DHCP,
	PROTO_SIP,
	PROTO_RDP,
	PROTO_RFB,
	PROTO_MQTT,
	PROTO_IMAP,
	PROTO_POP3,
	PROTO_NFS,
	PROTO_IKE,
	PROTO_QUIC,
	PROTO_TELNET,
	PROTO_COUNT
};

/* Rules for HTTP are for each version of it. */
static inline bool app_is(enum rule_proto flow, enum rule_proto wanted)
{
	return flow == wanted || (wanted == PROTO_HTTP && flow == PROTO_HTTP2);
}

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
	bool transaction;            /* a unit of an application: its buffers, its events */
	bool stream_follows;    /* a packet whose payload comes again as stream data: rules for both
				   look there */
	bool stream;            /* BUFFER_PAYLOAD is reassembled stream data, else one packet */
	uint64_t stream_offset; /* of BUFFER_PAYLOAD's first byte in the stream: offset and depth
				   count from its start */
	size_t stream_old;      /* bytes at the beginning of it that were there before */
	uint8_t tcp_flags;
	uint8_t icmp_type, icmp_code;
	uint8_t ttl;
	struct timeval now;       /* time of the packet */
	uint64_t stream_bytes[2]; /* sent so far, SYN counted: by the client, by the server */
	/* sids told before: in the same transaction, of the same packet, of the stream; NULL: none
	 */
	struct unit_seen *seen, *seen_packet, *seen_stream;
	const struct packet *packet;     /* header fields (decode.h); NULL: none */
	const struct event_list *events; /* of the packet or of the unit; NULL: none */
	const struct buffer_more *more;  /* further values of buffers that have several */
	unsigned more_n;
	struct span buffer[BUFFER_COUNT];
};

#define DETECT_FLOW_BITS \
	24                 /* flowbits set at once in a flow; further ones are not set, counted \
			    */
#define DETECT_FLOW_INTS 6 /* flowints of a flow, likewise */
#define UNIT_SIDS 16

/* Sids that matched in this transaction: a unit that repeats its buffers does not repeat them. */
struct unit_seen {
	uint32_t sid[UNIT_SIDS];
	uint8_t n;
};

/* Names are kept as hashes, which are the same in every generation: flows keep their state when
 * rules are reloaded. */
struct detect_flow {
	uint8_t addresses_seen;          /* directions whose addresses have been looked up */
	uint32_t bits[DETECT_FLOW_BITS]; /* 0: free */
	struct {
		uint32_t name, value;
	} ints[DETECT_FLOW_INTS];
	struct {
		uint32_t sid, count, next;
		uint64_t since_us;
	} thresholds[DETECT_FLOW_INTS]; /* of rules that track the flow */
};

struct detect_match {
	const struct rule *rule;
	enum rule_action action;
	uint32_t gid, sid, rev;
	uint8_t priority;
	const char *msg;             /* live as long as the ruleset */
	const char *class_desc;      /* text of the classtype, or "" */
	enum buffer buffer;          /* of the pattern that let the rule in */
	bool reject_src, reject_dst; /* who is told of a rejected packet */
	bool bypass;                 /* the flow is not looked at any more */
	uint8_t tag_packets;         /* of the flow that are to be logged from now on */
	bool whole_flow; /* a drop or pass is for the flow, else for this packet alone */
	bool by_rate;    /* a rate filter gave it the action */
	bool would_drop; /* it drops, but for the dry run */
	const struct capture *captures; /* until the next unit */
	uint8_t n_captures;
	bool silent; /* no event: noalert, or more than its threshold; the action counts */
};

struct detect_scratch;

/* Since the scratch was made. */
struct detect_stats {
	uint64_t lost;       /* matches beyond DETECT_MATCHES of a unit */
	uint64_t limits;     /* evaluations that a limit ended: they count as no match */
	uint64_t suppressed; /* alerts that a threshold or suppression held back */
	uint64_t flow_full;  /* flowbits and flowints that found no room in their flow */
};

int detect_scratch_new(const struct ruleset *rs, struct detect_scratch **ret);
void detect_scratch_free(struct detect_scratch *s);
struct detect_stats detect_scratch_stats(const struct detect_scratch *s);
/* Where thresholds, xbits and hostbits are kept; without, thresholds let everything through and no
 * such bit is ever set. */
struct detect_memory;
void detect_scratch_bind(struct detect_scratch *s, struct detect_memory *memory);

/* Number of matches written, at most DETECT_MATCHES. flow may be NULL for a packet without one. */
unsigned detect_run(const struct ruleset *rs, struct detect_scratch *s,
	const struct detect_input *in, struct detect_flow *flow,
	struct detect_match matches[static DETECT_MATCHES]);

/* Which buffers at least one rule looks at, as BUFFER_BITs: no others need be extracted.
 */
uint64_t detect_buffers(const struct ruleset *rs);
