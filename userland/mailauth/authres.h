/*
 * authres: writes our Authentication-Results field (RFC 8601). results.h reads those of others.
 *
 * Limits: AUTHRES_BYTES; results that do not fit are left out, last first.
 */
#pragma once

#include "mailauth/arc.h"
#include "mailauth/dkim.h"
#include "mailauth/dmarc.h"
#include "mailauth/spf.h"

#define AUTHRES_BYTES 8192

struct authres {
	const struct spf_judgement *spf;
	const struct dkim_judgement *dkim;
	unsigned dkim_count;
	const struct arc_judgement *arc;
	const struct dmarc_judgement *dmarc;
};

/* Letters, digits, dots, hyphens, at most 253 bytes: needs no quotes anywhere. */
bool authres_is_id(const char *id);
/* Complete folded lines, each ending in CRLF. */
void authres_write(const char *id, const struct authres *a, char ret[AUTHRES_BYTES]);
