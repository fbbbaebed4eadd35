/*
 * from: the one Author Domain of a message, or a refusal (RFC 9989, section 5.3.1).
 *
 * DMARC stands on this: what the reader's mail program will show as the author must be what we
 * judge. So there must be one From field, and it must be readable in one way only.
 *
 * Refuses, with the reason: no or several From fields; quotes, comments or angle brackets that do
 * not close; more than one address with different domains; groups; domain literals; an address
 * without a domain. Text before an address in angle brackets is a display name whatever it holds.
 *
 * Limits: comments nested FROM_COMMENTS_MAX deep; a field of FROM_BYTES_MAX bytes.
 */
#pragma once

#include "mailauth/domain.h"
#include "mailauth/message.h"

#define FROM_BYTES_MAX 65536
#define FROM_COMMENTS_MAX 16

/* NULL and the domain in ret, or why there is none. */
const char *from_domain(const struct message *m, char ret[DOMAIN_BYTES]);
