/*
 * detect_scratch: all that an evaluation changes, made once for a thread, so that detect_run()
 * allocates nothing.
 *
 * Limits: DETECT_TRIES places tried for a rule and a unit, PCRE_MATCH_LIMIT and PCRE_DEPTH_LIMIT an
 * expression, PCRE_STACK_BYTES of JIT stack. At each the rule does not match this unit, and
 * stats.limits counts. Of a buffer longer than TRANSFORM_BYTES a transform sees the first
 * (dotprefix: the last) TRANSFORM_BYTES; base64_decode leaves at most BASE64_BYTES.
 */
#pragma once

#ifndef PCRE2_CODE_UNIT_WIDTH
#define PCRE2_CODE_UNIT_WIDTH 8
#endif
#include <pcre2.h>

#include "inspect/capture.h"
#include "inspect/detect_memory.h"
#include "inspect/ruleset.h"

#define DETECT_TRIES 3000
#define PCRE_MATCH_LIMIT 20000
#define PCRE_DEPTH_LIMIT 1000
#define PCRE_STACK_BYTES (512UL << 10)
#define TRANSFORM_BYTES 16384
#define BASE64_BYTES 8192

struct detect_scratch {
	hs_scratch_t *hs;
	pcre2_match_data *match_data;
	pcre2_match_context *match_context;
	pcre2_jit_stack *jit_stack;
	uint64_t *candidates; /* a bit a rule; all 0 between runs */
	uint64_t *filled;     /* a bit a word of candidates; likewise */
	size_t words;
	unsigned tries; /* left for this rule */
	uint64_t base;  /* bytes of the stream before the buffer that is looked at */
	struct detect_stats stats;
	struct span payload;     /* what this rule sees as BUFFER_PAYLOAD */
	uint64_t payload_offset; /* of it in the stream */
	uint64_t variable[RULE_VARIABLES];
	struct span base64;                /* what base64_decode left, or p == NULL */
	struct capture captures[CAPTURES]; /* of the unit; of this rule from first_capture on */
	unsigned n_captures, first_capture;
	struct detect_memory *memory;
	const struct transforms *made_by; /* what view is the outcome of; NULL: nothing */
	struct span made_of, view;
	unsigned work_turn;
	uint8_t work[2][TRANSFORM_BYTES];
	uint8_t decoded[BASE64_BYTES];
};

/* The buffer as the transforms make it; kept until the next one is asked for. */
struct span transform_view(struct detect_scratch *s, const struct transforms *t, struct span buf);

/* Whether all that the rule asks of flow and hosts holds, and doing what it does to them. */
bool ops_hold(const struct rule *r, struct detect_scratch *s, const struct detect_input *in,
	const struct detect_flow *flow);
void ops_apply(const struct rule *r, struct detect_scratch *s, const struct detect_input *in,
	struct detect_flow *flow);

enum threshold_answer { THRESHOLD_ALERT, THRESHOLD_SILENT, THRESHOLD_NO_MATCH };

/* What thresholds and suppressions say of a rule that has matched. *ret_action may be changed. */
enum threshold_answer threshold_ask(const struct rule *r, struct detect_scratch *s,
	const struct detect_input *in, struct detect_flow *flow, enum rule_action *ret_action);

static inline void candidate_add(struct detect_scratch *s, uint32_t rule)
{
	s->candidates[rule / 64] |= 1ULL << rule % 64;
	s->filled[rule / 4096] |= 1ULL << rule / 64 % 64;
}

/* Whether all groups of the rule hold in the buffers of the unit. */
bool rule_match(const struct rule *r, struct detect_scratch *s, const struct detect_input *in);

/* Keeps a value for the rule that is being looked at; at another time, in the place of the first.
 */
void capture_keep(struct detect_scratch *s, const struct capture_name *name, struct span value);

/* Marks the rules whose piece is in the buffer. */
void prefilter_scan(const struct prefilter *p, struct detect_scratch *s, struct span buf);
