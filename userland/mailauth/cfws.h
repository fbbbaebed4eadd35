/*
 * cfws: comments, folds and quoted strings of structured header fields (RFC 5322, section 3.2).
 *
 * Limits: comments nested CFWS_COMMENTS_MAX deep; deeper ones are malformed: readers differ there.
 */
#pragma once

#include "lib/span.h"

#define CFWS_COMMENTS_MAX 16

/* Moves past blanks, folds and comments. False: a comment does not end. */
bool cfws_skip(struct cursor *c);
/* Reads a quoted string at the cursor, without quotes, backslashes and folds. False: it does not
 * end, holds a NUL, or does not fit. */
bool cfws_read_quoted(struct cursor *c, char *ret, size_t size);
/*
 * The field on one line: each comment is a blank, folds are gone, and in quoted strings, which keep
 * their quotes, no byte is left that could pass for structure. out takes value.n + 1 bytes.
 * False: a comment or quoted string does not end, a comment ends that never began, or there is a
 * NUL.
 */
bool cfws_flatten(struct span value, char *out);
