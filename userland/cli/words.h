/*
 * words: a command line in words, the way the administrator typed it.
 *
 * Words are parted by blanks; quotes ("...") keep blanks together, and a backslash takes the next
 * byte as it is, inside quotes and out. What Get and Compare print can be typed back in.
 *
 * Limits: WORDS_MAX words; a longer line is refused.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define WORDS_MAX 64

struct words {
	char *word[WORDS_MAX + 1]; /* NULL-terminated */
	unsigned n;
	bool quoted; /* the line ends inside quotes */
	bool blank;  /* the line ends after a blank: the next word has not begun */
};

/* Splits the first len bytes of line. -E2BIG, -ENOMEM. */
int words_split(const char *line, size_t len, struct words *ret);
void words_fini(struct words *w);
