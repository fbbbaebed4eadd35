/*
 * authres: the Authentication-Results field (RFC 8601): writes ours, finds those that pretend to
 * be.
 *
 * A receiver trusts a field that carries our authserv-id. So every field of that name that came in
 * with the message is to be left out, however it is spelled: letter case, comments, folding,
 * quotes. A field whose authserv-id cannot be read goes as well: another reader might read ours in
 * it.
 *
 * Limits: AUTHRES_BYTES; results that do not fit are left out, last first.
 */
#pragma once

#include "mailauth/dkim.h"
#include "mailauth/dmarc.h"
#include "mailauth/message.h"
#include "mailauth/spf.h"

#define AUTHRES_BYTES 8192

struct range {
	size_t offset;
	size_t length;
};

/* Letters, digits, dots, hyphens, at most 253 bytes: needs no quotes anywhere. */
bool authres_is_id(const char *id);
/* Complete folded lines, each ending in CRLF. */
void authres_write(const char *id, const struct spf_judgement *spf,
	const struct dkim_judgement *dkim, unsigned dkim_count, const struct dmarc_judgement *dmarc,
	char ret[AUTHRES_BYTES]);
/* The whole fields to leave out, in order; at most HEADER_FIELDS_MAX. */
unsigned authres_find_forged(
	const struct message *m, const char *id, struct range ret[HEADER_FIELDS_MAX]);
