/*
 * message: a mail message as a row of header fields and a body, without copying a byte.
 *
 * Story: maild has spooled the message in canonical form (CRLF, dots unstuffed). message_read()
 * walks the header once and notes where each field lies; judges look fields up by name. A bare LF
 * ends a line as well: what another reader might take for a field must not hide from us.
 *
 * Limits: HEADER_FIELDS_MAX fields, HEADER_BYTES_MAX bytes of header; beyond them, or out of
 * memory, `is_over` is set, no judge sees the rest, and the message is refused (evaluate.h).
 *
 * Owns: the row. A line that is neither a field nor a continuation becomes a field with an empty
 * name.
 */
#pragma once

#include "lib/span.h"

#define HEADER_FIELDS_MAX 1024
#define HEADER_BYTES_MAX (1u << 20)

struct field {
	struct span name;  /* without blanks before the colon; empty when the line has no colon */
	struct span value; /* after the colon, folding included, without the final line end */
	struct span whole; /* with the final line end */
};

struct message {
	struct span bytes;
	struct span body;
	unsigned count;
	unsigned room; /* fields there is memory for */
	bool is_over;
	struct field *fields;
};

/* m is zero, or was read before: its row is used again. */
void message_read(struct message *m, struct span bytes);
void message_free(struct message *m);
/* The field of this name at or after index *at, which is moved past it. NULL when there is none. */
const struct field *message_find(const struct message *m, const char *name, unsigned *at);
