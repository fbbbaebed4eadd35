/*
 * spf_record: reads an SPF record strictly (RFC 7208, sections 4.6, 5, 6, 7.1 and 12).
 *
 * Story: spf.c picks the record of a domain; spf_record_is_valid() reads it to the end once,
 * because a syntax error anywhere is permerror before anything is evaluated; then
 * spf_term_next() hands out term after term.
 *
 * Refuses: what the grammar does not have. An unknown modifier is a term of its own kind.
 */
#pragma once

#include "lib/span.h"

enum spf_term_kind {
	SPF_ALL,
	SPF_INCLUDE,
	SPF_A,
	SPF_MX,
	SPF_PTR,
	SPF_IP4,
	SPF_IP6,
	SPF_EXISTS,
	SPF_REDIRECT,
	SPF_EXP,
	SPF_UNKNOWN_MODIFIER,
};

struct spf_term {
	enum spf_term_kind kind;
	char qualifier;          /* one of + - ~ ? ; 0 for a modifier */
	struct span domain_spec; /* macros not expanded; empty when not given */
	uint8_t network[16];     /* ip4 (4 bytes), ip6 */
	uint8_t cidr4, cidr6;
};

/* Is this TXT record an SPF record (section 4.5)? */
bool spf_record_is_spf(struct span txt);
/* Syntax of the whole record; redirect and exp at most once. */
bool spf_record_is_valid(struct span txt);
/* rest starts as the record; false at the end or at a syntax error (*ret_bad). */
bool spf_term_next(struct span *rest, struct spf_term *t, bool *ret_bad);
