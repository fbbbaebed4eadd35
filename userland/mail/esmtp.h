/*
 * esmtp: the extensions of a server and the parameters of MAIL and RCPT, by table. Pure.
 *
 * From an EHLO reply the keywords that are not in the table are left out: an extension nobody here
 * knows could change what the bytes after it mean. The same for parameters: what is not in the
 * table, or has no value of the form RFC 5321 gives it, is refused before the server sees it.
 *
 * Refuses: STARTTLS and CHUNKING when the caller hides them; BINARYMIME (lines would be no lines),
 * XCLIENT and XFORWARD (claims about the client), REQUIRETLS (a promise nobody here can keep),
 * BURL.
 */
#pragma once

#include "lib/span.h"

enum esmtp_offer {
	ESMTP_AUTH = 1 << 0,
	ESMTP_CHUNKING = 1 << 1,
	ESMTP_PIPELINING = 1 << 2,
	ESMTP_STARTTLS = 1 << 3,
};

#define ESMTP_NAME_BYTES 255

/* What a whole EHLO reply offers. */
unsigned esmtp_offers(struct span reply);
/* The name the server greets with: the first word of its EHLO reply or banner; empty when there is
 * none. */
struct span esmtp_greeting(struct span reply);
/* Copies an EHLO reply without what is not in the table, nor what is in hide. out has reply.n
 * bytes. */
size_t esmtp_filter(struct span reply, unsigned hide, uint8_t *out);

/* NULL when they may pass, else the reply that refuses them. */
const char *esmtp_mail_parameters(struct span parameters, uint64_t max_message_bytes);
const char *esmtp_rcpt_parameters(struct span parameters);
