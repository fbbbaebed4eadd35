/*
 * policy: findings and settings in, decision out. Pure.
 *
 * The rules of the settings come first, in their order; the first that holds decides. Then what the
 * sender's own domain asks for (DMARC), else accept. What no rule sets aside: a message that could
 * not be checked is neither accepted, tagged nor kept; a virus, an unreadable From and a message
 * that readers read differently are not accepted or tagged, but may be kept in quarantine.
 * `why` says in plain words what decided and goes into the event; the reply is what the client is
 * told. In a dry run the decision is noted in `would` and the message passes.
 */
#pragma once

#include "mail/policy_rule.h"
#include "mail/settings.h"

struct decision {
	enum action action;
	char why[256];
	char reply[320];                /* with CRLF; empty for accept and tag */
	const struct policy_rule *rule; /* valid until the settings are read again; or NULL */
	char rule_name[POLICY_NAME_BYTES + 1];
	struct { /* why[0]: nothing would have happened */
		enum action action;
		char why[256];
		char rule_name[POLICY_NAME_BYTES + 1];
	} would;
	uint64_t quarantine_id; /* 0: not there */
};

void policy_decide(struct policy_subject *subject, const struct settings *s, struct decision *ret);
