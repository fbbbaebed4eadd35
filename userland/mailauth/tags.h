/*
 * tags: reads a list of "name=value;" pairs, as in DKIM signatures, key records and DMARC records
 * (RFC 6376, section 3.2).
 *
 * There are two readers. tags_read() is strict and takes the list whole: a pair without "=", a name
 * that is none, a name twice, an empty pair between two semicolons or a control byte make it no
 * list. tags_next() is for DMARC, where what is wrong is skipped (RFC 9989, section 4.8).
 *
 * Limits: TAGS_MAX pairs for tags_read(), more is no list.
 *
 * Values keep their inner folding; names and values come without blanks at the ends.
 */
#pragma once

#include "lib/span.h"

#define TAGS_MAX 48

struct tags {
	struct {
		struct span name, value;
		struct span room; /* the value with the blanks around it: what b= leaves out */
	} list[TAGS_MAX];
	unsigned count;
};

/* False: not a tag-list. An empty text is none either. */
bool tags_read(struct tags *t, struct span text);
/* The value of that tag; false when there is none. ret may be NULL. */
bool tags_get(const struct tags *t, const char *name, struct span *ret);
/* The text without any blank or fold inside, as base64 and lists are written. False when it does
 * not fit. ret is terminated. */
bool tags_compact(struct span value, char *ret, size_t size);
/* The same, with "=40" and its like decoded (RFC 6376, section 2.11). */
bool tags_unquote(struct span value, char *ret, size_t size, size_t *ret_n);

/* The next pair of *rest; false at the end, or when a pair is malformed (*ret_bad). */
bool tags_next(struct span *rest, struct span *ret_name, struct span *ret_value, bool *ret_bad);
