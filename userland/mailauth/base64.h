/*
 * base64: reads base64 as signatures and keys carry it (RFC 4648, section 4).
 *
 * Refuses: any byte outside the alphabet, padding elsewhere than at the end, a length that is not a
 * multiple of four. Folding white space is the caller's to remove (tags_compact()).
 */
#pragma once

#include "lib/span.h"

/* The number of bytes, or -1: malformed, or more than size. */
ptrdiff_t base64_decode(struct span text, uint8_t *ret, size_t size);
