/*
 * spf: check_host() of RFC 7208 for one mail: may this client use this domain as sender?
 *
 * Story: the record of the domain is picked from its TXT answers, read strictly (spf_record.h) and
 * walked term by term; a term's target is expanded (spf_macro.h) and matched (spf_match.h); include
 * and redirect walk on. When an answer is not in the table yet, the walk stops with SPF_MORE and
 * begins again from the start when it is.
 *
 * Limits (section 4.6.4): SPF_LOOKUPS_MAX terms that ask DNS and SPF_VOIDS_MAX answers without
 * records, counted over the whole evaluation: permerror. Explanations of SPF_EXPLANATION_BYTES,
 * longer ones are left out.
 */
#pragma once

#include "mailauth/domain.h"
#include "mailauth/spf_match.h"

#define SPF_LOOKUPS_MAX 10
#define SPF_EXPLANATION_BYTES 512

enum spf_result {
	SPF_NONE,
	SPF_NEUTRAL,
	SPF_PASS,
	SPF_FAIL,
	SPF_SOFTFAIL,
	SPF_TEMPERROR,
	SPF_PERMERROR,
	SPF_MORE, /* ask again when the table's questions are answered */
};

struct envelope {
	const char *ip;
	const char *helo;
	const char *mail_from; /* without angle brackets; empty for the null sender */
	const char *receiver;  /* our name, %{r} of explanations */
	int64_t now;           /* seconds, Unix */
};

struct spf_judgement {
	enum spf_result result;
	bool is_helo;                            /* null sender: the HELO name stood in */
	char domain[DOMAIN_BYTES];               /* of the sender; empty when it has none */
	char explanation[SPF_EXPLANATION_BYTES]; /* the domain's own, on fail; else empty */
};

const char *spf_result_name(enum spf_result r);
void spf_check(struct dns_table *dns, const struct envelope *e, struct spf_judgement *ret);
