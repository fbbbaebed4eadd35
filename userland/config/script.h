/*
 * script: lines as tree_diff() writes them and an administrator pastes them, done to a tree.
 *
 *	set system dns-server 192.0.2.1
 *	insert system dns-server 192.0.2.1 before 192.0.2.9
 *	delete mail idle-timeout
 *
 * Words are parted by blanks; a word in double quotes may hold blanks, and \" and \\. Empty lines
 *and those that begin with # or ! are skipped, and so is `set ... <secret>`: a value that was not
 *shown.
 *
 * All or nothing: a line that is refused leaves the tree as it was, and its number is in the fault.
 *Limits: SCRIPT_LINE_BYTES a line, SCRIPT_WORDS words.
 */
#pragma once

#include "config/tree.h"

#define SCRIPT_LINE_BYTES 16384
#define SCRIPT_WORDS 32

#define SCRIPT_SECRET "<secret>" /* stands for a secret value in what is shown */

int script_apply(struct lyd_node **tree, const struct schema *s, const char *text, struct fault *f);
