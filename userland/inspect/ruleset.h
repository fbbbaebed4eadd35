/*
 * ruleset: the compiled form of rules, between the reader (rule_*.c, keyword/) and the engine
 * (detect_*.c).
 *
 * A line becomes a struct rule: a header, checks of the unit (flags, sizes, ICMP types), and groups
 * of steps, one group for each buffer it looks at. A step is a content, pcre, isdataat or bsize;
 * within its group order matters, because a relative step starts where the one before it ended.
 * When all files are read, ruleset_finish() sorts the rules into the order of detect.h, so that a
 * rule's index is its rank, compiles the prefilters and lists the rules that have no pattern to be
 * found by.
 *
 * All memory of a generation is one arena, freed with it; what a refused rule took is given back at
 * once.
 *
 * Limits: RULESET_BYTES of arena (further rules are refused), RULE_FILE_BYTES a file (-EFBIG),
 * RANGE_ITEMS an address or port list with its variables written out, RANGE_DEPTH lists or
 * variables in each other.
 */
#pragma once

#include <stdatomic.h>
#include <stdio.h>

#include <hs/hs.h>

#include "inspect/rule.h"

struct pcre2_real_code_8;

#define RULESET_BYTES (1024UL << 20)
#define RULE_FILE_BYTES (256UL << 20)
#define RULE_CHECKS 16
#define RANGE_ITEMS 8192
#define RANGE_DEPTH 8
#define RANGE_CACHE 1024  /* lists that rules share; further ones are kept for each rule */
#define RULE_VARIABLES 8  /* of byte_extract and byte_math */
#define RULE_OPS 16       /* flowbits, xbits, hostbits, flowints */
#define RULE_TRANSFORMS 4 /* of one buffer, applied in order */
#define FAST_BYTES_MIN 4  /* shorter: the prefilter would cost more than it saves */
#define FAST_BYTES_MAX 64 /* more of a pattern does not make the prefilter better */

/* Directions of a unit, as bits. */
#define DIR_TO_CLIENT 1U
#define DIR_TO_SERVER 2U

struct buffer_info {
	const char *name;
	enum rule_proto app; /* whose flows have it; PROTO_IP: all */
	unsigned directions;
};

extern const struct buffer_info buffer_info[BUFFER_COUNT];

struct proto_info {
	const char *name;
	uint8_t transport; /* IPPROTO_*; 0: several */
	bool is_app;
};

extern const struct proto_info proto_info[PROTO_COUNT];

/* min..max, or all but these. */
struct number_range {
	uint32_t min, max;
	bool negated;
};

bool number_range_parse(struct span text, uint32_t limit, struct number_range *ret);

static inline bool number_range_has(const struct number_range *r, uint64_t v)
{
	return (v >= r->min && v <= r->max) != r->negated;
}

/* A list of addresses or ports: holds when no negated item does, and some other item does or there
 * is none. */
struct range_item {
	bool negated;
	uint8_t n; /* bytes that count: 2 port, 4 IPv4, 16 IPv6; 0: a list */
	union {
		struct {
			uint8_t lo[16], hi[16];
		};
		const struct range_set *list;
	};
};

struct range_set {
	unsigned n;
	bool any;          /* holds always */
	bool has_positive; /* some item is not negated */
	const struct range_item *items;
};

bool range_set_has(const struct range_set *s, const uint8_t *bytes, uint8_t n);

static inline bool range_set_has_port(const struct range_set *s, uint16_t port)
{
	return range_set_has(s, (const uint8_t[]){(uint8_t)(port >> 8), (uint8_t)port}, 2);
}

static inline bool range_set_has_addr(const struct range_set *s, const struct detect_addr *a)
{
	return range_set_has(s, a->bytes, a->family == 6 ? 16 : 4);
}

/* A condition on the unit itself. The keyword that made it brings the function. */
struct check {
	bool (*holds)(const struct check *c, const struct detect_input *in);
	struct number_range range;
	uint8_t want, ignore, how; /* TCP flags, fragment bits, IP options */
	uint8_t field;             /* number.c, app.c */
	bool is_app;               /* holds by the application alone */
	bool fixed;                /* by protocol, TCP flags and size alone */
	uint16_t id;               /* event, application */
};

/* Where a step held; resume is for its own use when it is asked for the next place. */
struct place {
	size_t end;
	size_t resume;
	bool again;
};

struct step;
struct detect_scratch;

/* Finds the next place in buf where the step holds, prev being the end of the match before it. */
typedef bool step_find_fn(const struct step *st, struct detect_scratch *s, struct span buf,
	size_t prev, struct place *place);

struct step {
	step_find_fn *find;
	enum buffer buffer;
	const struct transforms *transforms; /* NULL: the buffer as it is */
	uint8_t way; /* DIR_*, when the rule says so of the buffer; 0: as the buffer is */
	bool negated;
	bool uses_variable;
	bool relative;   /* to the end of the match before */
	bool bounded;    /* relative, and not satisfied by a place arbitrarily far behind */
	bool moves;      /* later steps may be relative to its end */
	bool retry;      /* a later step is: another place may help */
	bool final;      /* where it fails, no later place of the steps before can help */
	struct span pos; /* in the line, for messages */
	/* content */
	struct span bytes; /* lower case when nocase */
	bool nocase, startswith, endswith, fast, has_distance, has_within;
	int32_t distance, within;
	uint32_t offset, depth;           /* depth 0: to the end */
	uint16_t fast_offset, fast_bytes; /* part for the prefilter; bytes 0: all */
	uint8_t offset_var, depth_var, distance_var, within_var; /* 1 + index of a variable */
	/* byte_test, byte_jump, byte_extract, byte_math, base64_decode, dataset */
	const void *op;
	/* pcre */
	struct pcre2_real_code_8 *code;
	const struct capture_name *captures; /* groups that are kept */
	uint8_t n_captures;
	/* isdataat (min), bsize */
	struct number_range range;
};

/* A buffer is looked at as these make it, one after the other (transform.c). Each list exists once
 * in a ruleset. */
struct transform {
	void (*apply)(const struct transform *t, struct span in, struct detect_scratch *s,
		struct span *out);
	struct span arg;
	bool keeps_bytes; /* nocase aside, a content of the outcome is in the buffer itself */
};

struct transforms {
	struct transforms *next;
	unsigned n;
	struct transform list[RULE_TRANSFORMS];
};

struct step_group {
	enum buffer buffer;
	const struct transforms *transforms;
	unsigned n;
	const struct step *steps;
};

/* What a rule asks of, and does to, what is remembered of flow or host. Those that ask come first.
 */
enum op_kind { OP_FLOWBIT, OP_XBIT_SRC, OP_XBIT_DST, OP_XBIT_PAIR, OP_FLOWINT };
enum op_verb {
	OP_ISSET,
	OP_ISNOTSET,
	OP_LT,
	OP_LE,
	OP_EQ,
	OP_NE,
	OP_GE,
	OP_GT,
	OP_ASKS, /* those above ask */
	OP_SET = OP_ASKS,
	OP_UNSET,
	OP_TOGGLE,
	OP_ADD,
	OP_SUBTRACT
};

struct rule_op {
	enum op_kind kind;
	enum op_verb verb;
	uint8_t n; /* names of which one is enough: isset,a|b */
	uint32_t name[4];
	const struct capture_name *traffic; /* of a flowbit that events show */
	uint32_t value, value_name;         /* of a flowint: a number, or that of another one */
	uint32_t expire_s;
};

enum threshold_type {
	THRESHOLD_NONE,
	THRESHOLD_LIMIT,
	THRESHOLD_THRESHOLD,
	THRESHOLD_BOTH,
	THRESHOLD_BACKOFF,
	THRESHOLD_FILTER, /* detection_filter */
	THRESHOLD_RATE
};
enum threshold_track { TRACK_SRC, TRACK_DST, TRACK_BOTH, TRACK_RULE, TRACK_FLOW };
enum threshold_unique { UNIQUE_NONE, UNIQUE_SRC_PORT, UNIQUE_DST_PORT };

struct rule_threshold {
	enum threshold_type type;
	enum threshold_track track;
	enum threshold_unique unique;
	uint32_t count, seconds, multiplier, timeout_s;
	uint8_t new_action; /* enum rule_action, of THRESHOLD_RATE */
};

/* From a threshold file: no event for these hosts. */
struct rule_suppress {
	const struct rule_suppress *next;
	const struct range_set *addrs; /* NULL: nobody's */
	enum threshold_track track;    /* TRACK_BOTH: either side */
};

enum rule_units { UNITS_ALL, UNITS_PACKET, UNITS_STREAM };
enum rule_established { ESTABLISHED_ANY, ESTABLISHED_YES, ESTABLISHED_NO };

/* A transactional rule (=>) is kept as two: its request half, which tells nothing, marks the
 * transaction, and its response half asks for the mark. */
enum rule_half { HALF_NONE, HALF_REQUEST, HALF_RESPONSE };

#define ENTRY_NONE BUFFER_COUNT

/*
 * Rules in groups by where they are looked for: one for each buffer (that of the payload is for
 * stream data), two for the payload of packets, and those of rules that look at no buffer, by what
 * the unit must be. Only a group that the unit has is looked through.
 */
enum rule_group {
	GROUP_PACKET_TCP = BUFFER_COUNT, /* payload of single segments */
	GROUP_DATAGRAM,                  /* payload of all but TCP */
	GROUP_SCANNED,                   /* those before have prefilters */
	GROUP_EVENT = GROUP_SCANNED,     /* something odd was seen */
	GROUP_APP,                       /* the application is known, nothing else matters */
	GROUP_ADDRESS,                   /* addresses alone: looked at once a flow and direction */
	GROUP_SYN,
	GROUP_TCP,
	GROUP_UDP,
	GROUP_OTHER, /* any protocol, or ICMP */
	GROUP_COUNT
};

/* Buffers that units of packets and streams have. */
#define PACKET_BUFFERS \
	(BUFFER_BIT(BUFFER_PAYLOAD) | BUFFER_BIT(BUFFER_IP_HEADER) | \
		BUFFER_BIT(BUFFER_TRANSPORT_HEADER) | BUFFER_BIT(BUFFER_BASE64))

struct rule {
	enum rule_action action;
	uint32_t gid, sid, rev;
	uint8_t priority;
	const char *msg;
	const char *class_desc;
	const char *file; /* where it was read */
	unsigned line;

	enum rule_proto proto;
	enum rule_proto
		app;    /* application it is bound to, by protocol or by buffer; PROTO_IP: none */
	uint8_t family; /* 4, 6, or 0: both */
	bool both_ways; /* <> */
	enum rule_half half;
	const struct range_set *src, *src_ports, *dst, *dst_ports;
	unsigned directions; /* DIR_* */
	enum rule_units units;
	enum rule_established established;
	bool first_packet; /* only the packet that opens a flow can match (SYN) */

	bool noalert;
	bool bypass;       /* the flow is not looked at any more after a match */
	bool also_packet;  /* payload within the first bytes: of each segment, too, not only of the
			      stream */
	bool address_only; /* nothing matters but who talks to whom */
	bool once;         /* nothing matters but the application: told once a direction */
	bool on_event;     /* looks for events, which come with packets and with units */
	bool reject_src, reject_dst; /* who is told that the packet was rejected */
	uint8_t tag_packets;         /* of the flow are logged after a match; 0: none */
	const struct rule_threshold *threshold, *filter, *rate;
	const struct rule_suppress *suppress;
	uint8_t rank;             /* of its action: which rules of a unit come first */
	enum rule_action written; /* the action in the file, before policy */

	uint8_t n_asks, n_ops;
	const struct rule_op *ops;

	unsigned n_checks, n_groups;
	const struct check *checks;
	const struct step_group *groups;
	uint64_t buffers;     /* bits of its groups */
	uint64_t payload_end; /* stream bytes beyond cannot match; 0: no such bound */

	struct span fast; /* piece for the prefilter; n == 0: none */
	bool fast_nocase;
	enum buffer entry; /* buffer of the piece, or of the first group; ENTRY_NONE: it looks at
			      none */
};

/* One buffer's patterns: database, and for pattern i the rules rules[first[i]] .. rules[first[i +
 * 1] - 1]. */
struct prefilter {
	hs_database_t *db;
	uint32_t n;
	uint32_t *first;
	uint32_t *rules;
};

struct rule_list {
	uint32_t n;
	uint32_t *rules;
};

/* The address space cut where a list of some rule begins or ends: rules of segment i, which begins
 * at start[i], are rules[first[i]] .. rules[first[i + 1] - 1]. */
struct addr_index {
	uint32_t n;
	uint32_t *start, *first, *rules;
};

struct ruleset {
	atomic_uint refs;
	struct arena_chunk *chunks;
	size_t arena_bytes;
	struct range_cache *ranges; /* lists by their text: most rules share a few */
	unsigned n_ranges;
	struct transforms *transforms;
	uint64_t *sids; /* open-addressed set of gid << 32 | sid */
	size_t sids_size;
	struct rule **rules;
	uint32_t n_rules, rules_size;
	uint64_t buffers;
	struct prefilter prefilter[GROUP_SCANNED];
	struct rule_list always[GROUP_COUNT];      /* without a pattern */
	struct rule_list always_ipv6[GROUP_COUNT]; /* looked at for IPv6 only */
	/* Those of a group that have a list of addresses are found by it instead. */
	struct addr_index by_src[GROUP_COUNT], by_dst[GROUP_COUNT];
	/* For detect_more.h: that may match beyond the start of a flow; of them those for single
	 * packets of TCP, and those that an empty segment may match. */
	struct rule_list later, packets, empties;
};

/* Arena: zeroed memory that lives as long as the ruleset; NULL when out of memory or over
 * RULESET_BYTES. */
struct arena_mark {
	struct arena_chunk *chunk;
	size_t used;
	struct range_cache *ranges; /* kept lists lie in the arena too */
	unsigned n_ranges;
	struct transforms *transforms;
};
void *ruleset_alloc(struct ruleset *rs, size_t bytes);
struct arena_mark ruleset_mark(const struct ruleset *rs);
void ruleset_release(struct ruleset *rs, struct arena_mark mark);

/* ruleset_load() in steps, for callers that have the text. */
struct ruleset *ruleset_new(void);
int ruleset_add(struct ruleset *rs, const char *file, struct span text,
	const struct rule_vars *vars, rule_refused_fn *refused, void *ctx,
	struct rule_load_stats *stats);
/* Before ruleset_finish(). Lines that are not understood are refused like rules. */
int ruleset_thresholds(struct ruleset *rs, const char *file, struct span text,
	const struct rule_vars *vars, rule_refused_fn *refused, void *ctx);
int ruleset_finish(struct ruleset *rs, const char *cache_dir);

bool rule_in_group(const struct rule *r, unsigned group);
bool rule_is_later(const struct rule *r);
bool rule_is_for_packets(const struct rule *r);
bool rule_is_for_empty(const struct rule *r);
/* Moves rules of the group's list that have a list of IPv4 addresses on that side to its index. */
int addr_index_build(struct ruleset *rs, unsigned group, bool dst);
/* Rules whose list has the address. */
struct rule_list addr_index_find(const struct addr_index *x, const struct detect_addr *a);

int prefilter_build(struct ruleset *rs, unsigned group, const char *cache_dir);
void prefilter_fini(struct prefilter *p);

struct rule_class {
	const char *name;
	const char *text;
	uint8_t priority;
};
const struct rule_class *rule_class_lookup(struct span name);

/* Value of a variable without its $, or NULL. */
const char *rule_var_lookup(const struct rule_vars *vars, struct span name);

static inline uint8_t ascii_lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}
