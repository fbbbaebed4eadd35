/*
 * from: the one author of a message, or a refusal (RFC 9989, section 5.3.1).
 *
 * DMARC stands on this: what the reader's mail program will show as the author must be what we
 * judge. So there must be one From field, and it must be readable in one way only.
 *
 * Refuses, with the reason: no or several From fields; quotes, comments or angle brackets that do
 * not close; more than one address with different domains; groups; domain literals; an address
 * without a domain; encoded words where the address should be; control bytes. Text before an
 * address in angle brackets is a display name whatever it holds.
 *
 * Limits: a field of FROM_BYTES_MAX bytes, and those of cfws.h; address and display name are cut.
 */
#pragma once

#include "mailauth/domain.h"
#include "mailauth/message.h"
#include "mailauth/phrase.h"

#define FROM_BYTES_MAX 65536

struct from {
	char domain[DOMAIN_BYTES];       /* A-labels, lower case */
	char address[2 * DOMAIN_BYTES];  /* the first one, as UTF-8 */
	char display_name[PHRASE_BYTES]; /* as phrase.h reads it */
};

/* NULL, or why there is none. */
const char *from_read(const struct message *m, struct from *ret);
