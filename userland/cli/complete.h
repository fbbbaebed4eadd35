/*
 * complete: what may stand at the cursor: words of commands, arguments, settings, filters.
 *
 * In configuration mode a line that begins with `do` is one of operational mode.
 */
#pragma once

#include "cli/command.h"

/* Mode of the line and index of its first word: 1 behind `do`. */
unsigned complete_mode(const struct cli *c, char *const *words, unsigned n, unsigned *ret_first);
/* The first len bytes of line. *w for the caller to free: words of the part that the cursor is in;
 * the last is the prefix when w->blank is false. */
void complete_line(
	struct cli *c, const char *line, size_t len, struct words *w, struct candidates *ret);
/* Beginning of the word at the cursor, "" when it has not begun. */
const char *complete_prefix(const struct words *w);
