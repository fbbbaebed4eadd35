/*
 * detect_scratch: all that an evaluation changes, made once for a thread, so that detect_run()
 * allocates nothing.
 *
 * Limits: DETECT_TRIES places tried for a rule and a unit, PCRE_MATCH_LIMIT and PCRE_DEPTH_LIMIT an
 * expression, PCRE_STACK_BYTES of JIT stack. At each the rule does not match this unit, and
 * stats.limits counts. Of a buffer longer than DOTTED_BYTES a dotprefix rule sees the last
 * DOTTED_BYTES.
 */
#pragma once

#ifndef PCRE2_CODE_UNIT_WIDTH
#define PCRE2_CODE_UNIT_WIDTH 8
#endif
#include <pcre2.h>

#include "inspect/ruleset.h"

#define DETECT_TRIES 3000
#define PCRE_MATCH_LIMIT 20000
#define PCRE_DEPTH_LIMIT 1000
#define PCRE_STACK_BYTES (512UL << 10)
#define DOTTED_BYTES 4096

struct detect_scratch {
	hs_scratch_t *hs;
	pcre2_match_data *match_data;
	pcre2_match_context *match_context;
	pcre2_jit_stack *jit_stack;
	uint64_t *candidates; /* a bit a rule; all 0 between runs */
	size_t words;
	unsigned tries; /* left for this rule */
	uint64_t base;  /* bytes of the stream before the buffer that is looked at */
	struct detect_stats stats;
	enum buffer dotted_buffer; /* whose copy is in dotted[], BUFFER_COUNT: none */
	size_t dotted_bytes;
	uint8_t dotted[1 + DOTTED_BYTES];
};

/* Whether all groups of the rule hold in the buffers of the unit. */
bool rule_match(const struct rule *r, struct detect_scratch *s, const struct detect_input *in);

/* Marks the rules whose piece is in the buffer. */
void prefilter_scan(const struct prefilter *p, struct detect_scratch *s, struct span buf);
