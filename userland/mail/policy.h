/*
 * policy: findings and settings in, decision out. Pure.
 *
 * First match wins: a virus, a DMARC reject, a message nobody could check, else accept. `why` says
 * in plain words what decided and goes into the event; the reply is what the client is told.
 */
#pragma once

#include "mail/findings.h"
#include "mail/settings.h"

enum action { ACTION_ACCEPT, ACTION_REJECT, ACTION_DEFER };

struct decision {
	enum action action;
	char why[256];
	char reply[320]; /* with CRLF; empty for accept */
};

void policy_decide(const struct findings *f, const struct settings *s, struct decision *ret);

/* "accept", "reject", "defer" */
const char *action_name(enum action action);
