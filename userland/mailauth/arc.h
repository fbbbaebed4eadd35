/*
 * arc: validates the Authenticated Received Chain of a message (RFC 8617, section 5.2).
 *
 * Story: every host that forwards a mail and seals it adds a set of three fields: what it saw
 * (ARC-Authentication-Results), the message as it left (ARC-Message-Signature), and a seal over all
 * sets. arc_scan() sorts the sets and checks their structure; arc_ask() asks for the keys; with
 * them and the body's hash arc_judge() validates the newest message signature and every seal.
 *
 * A chain that is valid proves who handled the mail, not that they were honest. So what it says
 * counts only as far as the sealers are in the administrator's list: arc_find_voucher().
 *
 * Limits: ARC_SETS_MAX sets (section 4.2.1), with more the chain fails. What DNS does not answer is
 * temperror. Sealing is not done here.
 */
#pragma once

#include "mailauth/dkim.h"

#define ARC_SETS_MAX 50

enum arc_result { ARC_NONE, ARC_PASS, ARC_FAIL, ARC_TEMPERROR };

struct arc_set {
	const struct field *results, *message, *seal;
};

struct arc_judgement {
	enum arc_result result;
	const char *reason; /* NULL or why it is no pass */
	unsigned count;     /* sets, when the structure is sound */
	struct arc_set sets[ARC_SETS_MAX];
	struct signature message;  /* the newest one's */
	char sealer[DOMAIN_BYTES]; /* the newest one's; empty when unreadable */
	int body;
};

const char *arc_result_name(enum arc_result r);
void arc_scan(const struct message *m, struct body *b, struct arc_judgement *ret);
void arc_ask(struct dns_table *dns, const struct arc_judgement *j);
void arc_judge(const struct dkim_evidence *e, struct arc_judgement *j);

/* Which sealer saw DMARC pass for this Author Domain, when it and all that sealed later are among
 * the trusted domains. False: none. Does not look at j->result. */
bool arc_find_voucher(const struct arc_judgement *j, const char *author, char *const *trusted,
	char ret[DOMAIN_BYTES]);
