/*
 * phrase: the display name in front of an address, as a reader sees it (RFC 5322, section 3.4;
 * encoded words: RFC 2047).
 *
 * Encoded words in UTF-8, US-ASCII and ISO-8859-1 are decoded, others stay as they are. The result
 * is UTF-8 without control characters: what is not printable becomes "?".
 *
 * Limits: PHRASE_BYTES, longer names are cut.
 */
#pragma once

#include "lib/span.h"

#define PHRASE_BYTES 256

/* value: of a From field. Empty when there is no display name. */
void phrase_read(struct span value, char ret[PHRASE_BYTES]);
/* Bytes as printable UTF-8. */
void phrase_print(struct span s, char *ret, size_t size);
