/*
 * dmarc: policy discovery, alignment and disposition (RFC 9989) for one Author Domain.
 *
 * Story: dmarc_ask() asks for everything that may be needed: the author's tree walk at once, then
 * those of the identifiers that can be aligned at all.
 * When the table has the answers, dmarc_judge() finds the policy, aligns what SPF and DKIM have
 * authenticated, and says what the Domain Owner wants done.
 *
 * Limits: eight queries a tree walk (section 4.10).
 *
 * DNS errors: when they could have changed the outcome it is temperror, never "none" or "fail"
 * (section 5.3.6).
 */
#pragma once

#include "mailauth/dkim.h"
#include "mailauth/spf.h"

enum dmarc_result { DMARC_NONE, DMARC_PASS, DMARC_FAIL, DMARC_TEMPERROR, DMARC_PERMERROR };
enum dmarc_policy {
	DMARC_POLICY_ABSENT,
	DMARC_POLICY_NONE,
	DMARC_POLICY_QUARANTINE,
	DMARC_POLICY_REJECT
};
enum disposition {
	DISPOSITION_NONE,
	DISPOSITION_QUARANTINE,
	DISPOSITION_REJECT,
	DISPOSITION_TEMPERROR
};

struct dmarc_judgement {
	enum dmarc_result result;
	enum dmarc_policy policy; /* what applies to the Author Domain, before t=y */
	enum disposition disposition;
	char domain[DOMAIN_BYTES];  /* Author Domain; empty when there is none */
	bool is_test;               /* t=y: the disposition is one step milder than the policy */
	char voucher[DOMAIN_BYTES]; /* trusted ARC sealer for whom the disposition became none */
	const char *reason;         /* NULL or why there is no result */
};

/* What SPF and DKIM found. */
struct dmarc_evidence {
	const struct spf_judgement *spf;
	const struct dkim_judgement *dkim;
	unsigned dkim_count;
};

const char *dmarc_result_name(enum dmarc_result r);
const char *dmarc_policy_name(enum dmarc_policy p);
const char *disposition_name(enum disposition d);

/* The result of dkim need not be known yet. */
void dmarc_ask(struct dns_table *dns, const char *author, const struct dmarc_evidence *e);
void dmarc_judge(struct dns_table *dns, const char *author, const struct dmarc_evidence *e,
	struct dmarc_judgement *ret);
