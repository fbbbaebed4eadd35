/* event: tells the log what became of one message. */
#pragma once

#include <openssl/ssl.h>

#include "lib/eve.h"
#include "mail/envelope.h"
#include "mail/policy.h"

struct mail_event {
	const struct envelope *envelope;
	const struct findings *findings; /* NULL: refused or lost before it was checked */
	uint64_t size_bytes;
	struct span text;                /* of the message, for its subject; empty: unknown */
	const struct decision *decision; /* NULL: action and why alone */
	enum action action;
	const char *why;
	struct span reply; /* the last line the client was told, the server's or ours */
	uint64_t ms;       /* from DATA to the reply */
	const SSL *client_tls, *server_tls; /* NULL: in the clear */
};

void event_mail(struct eve *eve, const struct mail_event *m);
