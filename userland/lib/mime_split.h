/*
 * mime_split: where a body may be cut into parts.
 *
 * A line that starts with "--" may be a delimiter. Which ones are depends on how a reader takes the
 * boundary parameter apart, and there are countless ways; so the parameter is not parsed. A line
 * counts when its text occurs in the header block (it is declared), or when what follows looks like
 * a header. The body is then cut in several ways: at all of them, and at those of one text only,
 * for the lines of another text may stand in the middle of a part. Texts that are not declared get
 * a way of their own only when the header leaves room for doubt what the boundary is.
 *
 * Limits: SPLIT_LINES_MAX lines, then `overflow`, which the caller treats as a limit;
 * SPLIT_DECLARED_MAX and SPLIT_UNDECLARED_MAX texts with a way of their own, then `too_many`: the
 * right one may be among those left out, so the message is ambiguous.
 */
#pragma once

#include "lib/span.h"

#define SPLIT_LINES_MAX 20000
#define SPLIT_DECLARED_MAX 16
#define SPLIT_UNDECLARED_MAX 32

struct split_line {
	size_t start, next; /* of the line and of the one after it, in the entity */
	struct span text;   /* behind "--", without blanks and "--" at its end */
	bool declared;
	bool closes; /* "--" is at its end: what follows is shown by few */
};

struct split {
	struct split_line *lines;
	size_t count, cap;
	struct span ways[SPLIT_DECLARED_MAX + SPLIT_UNDECLARED_MAX];
	unsigned declared, undeclared; /* of them: their sum is the number of ways */
	bool overflow, too_many;
};

/* False when out of memory. block is the header's; doubt: texts that are not declared may be meant.
 */
bool split_find(struct span entity, struct span block, bool doubt, struct split *ret);
void split_free(struct split *s);
/* Whether a line cuts. An empty text: every line does. exact: only the very text, else any that
 * starts with it. */
bool split_cuts(const struct split_line *line, struct span text, bool exact);
