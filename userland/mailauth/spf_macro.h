/*
 * spf_macro: macro-strings of SPF (RFC 7208, section 7): their syntax, and their expansion.
 *
 * The values come in a row of spf_macro_values, so that expanding neither looks anything up nor
 * knows the time. `p`, which needs DNS, is asked for by spf_macro_uses_p() beforehand.
 *
 * Limits: a result of SPF_EXPANSION_BYTES; beyond it the expansion fails, which for a domain-spec
 * means a name that does not exist.
 */
#pragma once

#include "lib/span.h"

#define SPF_EXPANSION_BYTES 4096

struct spf_macro_values {
	const char *sender;    /* s */
	const char *local;     /* l */
	const char *domain;    /* o: the sender's */
	const char *current;   /* d */
	const char *ip;        /* i: dotted, nibbles for IPv6 */
	const char *validated; /* p */
	const char *reverse;   /* v: in-addr or ip6 */
	const char *helo;      /* h */
	const char *ip_text;   /* c, in explanations only */
	const char *receiver;  /* r, in explanations only */
	const char *timestamp; /* t, in explanations only */
};

/* Syntax. An explanation may also use the letters c, r, t, and blanks. ret_literal: how many bytes
 * follow the last macro. */
bool spf_macro_is_valid(struct span s, bool is_explanation, size_t *ret_literal);
bool spf_macro_uses_p(struct span s);
/* s is valid. False when the result does not fit. */
bool spf_macro_expand(
	struct span s, const struct spf_macro_values *v, char ret[SPF_EXPANSION_BYTES]);
