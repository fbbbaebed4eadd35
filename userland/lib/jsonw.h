/*
 * jsonw: writes one JSON text into a buffer of fixed size, without allocating.
 *
 * For what the packet path and the mail path emit; the control side uses sd-json. Text from the
 * wire goes through jsonw_span(), which escapes and replaces what is not UTF-8 by U+FFFD (RFC 8259,
 * section 8.1). When the buffer is full the writer sets `full` and ignores the rest: the caller
 * drops that event and counts it.
 *
 * Limits: the caller's buffer; nesting 16 levels.
 */
#pragma once

#include "lib/span.h"

#define JSONW_DEPTH 16

struct jsonw {
	char *buf;
	size_t cap;
	size_t len;
	bool full;
	unsigned depth;
	bool first[JSONW_DEPTH]; /* no member written yet at this level */
};

void jsonw_init(struct jsonw *w, char *buf, size_t cap);
/* key is NULL inside an array and at the top. */
void jsonw_object(struct jsonw *w, const char *key);
void jsonw_array(struct jsonw *w, const char *key);
void jsonw_end(struct jsonw *w); /* closes the innermost object or array */
void jsonw_str(struct jsonw *w, const char *key, const char *value);
void jsonw_span(struct jsonw *w, const char *key, struct span value);
void jsonw_u64(struct jsonw *w, const char *key, uint64_t value);
void jsonw_i64(struct jsonw *w, const char *key, int64_t value);
void jsonw_bool(struct jsonw *w, const char *key, bool value);
/* printf into a string value of at most 255 bytes. */
void jsonw_fmt(struct jsonw *w, const char *key, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Terminates the text and returns it, or an empty span when it did not fit. */
struct span jsonw_done(struct jsonw *w);
