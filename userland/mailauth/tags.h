/*
 * tags: reads a list of "name=value;" pairs, as in DKIM signatures and DMARC records (RFC 6376,
 * section 3.2).
 *
 * Refuses, by tags_next() giving false with *ret_bad: a pair without "=", an empty name.
 * Values keep their inner folding; names and values come without blanks at the ends.
 */
#pragma once

#include "lib/span.h"

/* The next pair of *rest; false at the end. */
bool tags_next(struct span *rest, struct span *ret_name, struct span *ret_value, bool *ret_bad);
/* The value of the first tag of that name; false when there is none. */
bool tags_find(struct span list, const char *name, struct span *ret_value);
