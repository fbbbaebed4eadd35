/*
 * evaluate: the judgement of one mail as a pure function (ADR 0004).
 *
 *	(message, envelope with the time, DNS answers, our name) -> evaluation, or "more DNS
 *answers, please"
 *
 * Story: SPF walks its record; the DKIM signatures and the From field say which keys and policies
 *will be needed; everything unknown becomes a question in the table. Only when nothing is open is
 *the body read, once. The caller answers the questions and calls again with the same arguments.
 *
 * Limits: EVALUATE_ROUNDS_MAX rounds, kept by the caller, who then closes the table: what is
 * still unknown is a DNS failure and ends as temperror. Questions: see dns.h.
 *
 * Refuses (disposition reject): a message without exactly one readable Author Domain, or with
 * a header over the limits of message.h. DMARC could not protect its reader.
 */
#pragma once

#include <systemd/sd-json.h>

#include "mailauth/authres.h"

#define EVALUATE_ROUNDS_MAX 48

struct evaluation {
	struct spf_judgement spf;
	struct dkim_judgement dkim[DKIM_SIGNATURES_MAX];
	unsigned dkim_count;
	struct dmarc_judgement dmarc;
	char authentication_results[AUTHRES_BYTES];
	struct range remove[HEADER_FIELDS_MAX]; /* forged fields of the message */
	unsigned remove_count;
};

/* False: the table has open questions. authserv_id is one that authres_is_id(). */
bool evaluate(struct dns_table *dns, const struct message *m, const struct envelope *e,
	const char *authserv_id, struct evaluation *ret);
/* As mailauthd answers it and mailcheck prints it. */
int evaluation_to_json(const struct evaluation *e, sd_json_variant **ret);
