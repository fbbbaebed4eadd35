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
	uint8_t want, ignore, how; /* TCP flags */
	uint8_t field;             /* number.c */
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
	bool dotprefix; /* the buffer is looked at with a "." before it */
	bool negated;
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
	/* pcre */
	struct pcre2_real_code_8 *code;
	/* isdataat (min), bsize */
	struct number_range range;
};

struct step_group {
	enum buffer buffer;
	bool dotprefix;
	unsigned n;
	const struct step *steps;
};

enum rule_units { UNITS_ALL, UNITS_PACKET, UNITS_STREAM };
enum rule_established { ESTABLISHED_ANY, ESTABLISHED_YES, ESTABLISHED_NO };

#define ENTRY_NONE BUFFER_COUNT

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
	bool both_ways; /* <> */
	const struct range_set *src, *src_ports, *dst, *dst_ports;
	unsigned directions; /* DIR_* */
	enum rule_units units;
	enum rule_established established;
	bool first_packet; /* only the packet that opens a flow can match (SYN) */

	unsigned n_checks, n_groups;
	const struct check *checks;
	const struct step_group *groups;
	uint32_t buffers;     /* bits of its groups */
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

struct ruleset {
	atomic_uint refs;
	struct arena_chunk *chunks;
	size_t arena_bytes;
	struct range_cache *ranges; /* lists by their text: most rules share a few */
	unsigned n_ranges;
	uint64_t *sids; /* open-addressed set of gid << 32 | sid */
	size_t sids_size;
	struct rule **rules;
	uint32_t n_rules, rules_size;
	uint32_t buffers;
	struct prefilter prefilter[BUFFER_COUNT];
	struct rule_list always[BUFFER_COUNT + 1]; /* without a pattern, by entry */
	struct rule_list later;                    /* that may match beyond the start of a flow */
};

/* Arena: zeroed memory that lives as long as the ruleset; NULL when out of memory or over
 * RULESET_BYTES. */
struct arena_mark {
	struct arena_chunk *chunk;
	size_t used;
	struct range_cache *ranges; /* kept lists lie in the arena too */
	unsigned n_ranges;
};
void *ruleset_alloc(struct ruleset *rs, size_t bytes);
struct arena_mark ruleset_mark(const struct ruleset *rs);
void ruleset_release(struct ruleset *rs, struct arena_mark mark);

/* ruleset_load() in steps, for callers that have the text. */
struct ruleset *ruleset_new(void);
int ruleset_add(struct ruleset *rs, const char *file, struct span text,
	const struct rule_vars *vars, rule_refused_fn *refused, void *ctx,
	struct rule_load_stats *stats);
int ruleset_finish(struct ruleset *rs, const char *cache_dir);

int prefilter_build(struct ruleset *rs, enum buffer buffer, const char *cache_dir);
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
