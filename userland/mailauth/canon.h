/*
 * canon: the canonical forms of header fields (RFC 6376, sections 3.4.1 and 3.4.2).
 *
 * The form goes straight into a digest. The body's forms are in body.h.
 */
#pragma once

#include "mailauth/digest.h"
#include "mailauth/message.h"

enum canon { CANON_SIMPLE, CANON_RELAXED };

/* cut: bytes of the field's value that do not count, for b=; empty when all do. has_end: with CRLF;
 * a signature's own field has none. */
void canon_field(
	struct digest *d, const struct field *f, enum canon form, struct span cut, bool has_end);
