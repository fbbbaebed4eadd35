/*
 * keyword: one option of the rule language, and what a rule is while its line is read.
 *
 * A file of keyword/ exports a family: an array keyword_<family>[] that ends with an empty row, and
 * is listed in keywords.def. For each option of a line the reader finds the row by name and calls
 * its parse() with the text behind the colon. parse() changes the struct rule_build: it appends a
 * step to the current buffer, changes the content before it, appends a check, or sets a field of
 * the rule. When the line ends, rule_finish() looks at what concerns several options and copies the
 * result into the arena.
 *
 * Refuses: through rule_fail(), which keeps the first reason with its column; the rule is then not
 * loaded.
 */
#pragma once

#include <errno.h>

#include "inspect/ruleset.h"

enum keyword_arg { ARG_NONE, ARG_OPTIONAL, ARG_NEEDED };

struct rule_build;

struct keyword {
	const char *name;
	enum keyword_arg arg;
	unsigned value; /* the family's own: which buffer, which field */
	int (*parse)(struct rule_build *b, const struct keyword *k, struct span arg);
};

struct rule_build {
	struct ruleset *rs;
	const struct rule_vars *vars;
	struct span line;
	struct rule rule;
	enum buffer buffer; /* the sticky buffer */
	bool dotprefix;
	struct step *content; /* that modifiers change, or NULL */
	struct step steps[RULE_PATTERNS];
	unsigned n_steps;
	struct check checks[RULE_CHECKS];
	unsigned n_checks;
	bool has_priority;
	struct span option; /* being read: where failures outside the line point to */
	unsigned column;
	char reason[200];
};

const struct keyword *keyword_lookup(struct span name);

/* Keeps the reason and where in the line it arose. Always -EINVAL. */
int rule_fail(struct rule_build *b, struct span where, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
#define SPAN_ARGS(s) (int)((s).n > 64 ? 64 : (s).n), (const char *)(s).p

/* A new step in the current buffer, or NULL after rule_fail(). */
struct step *rule_step(struct rule_build *b, struct span pos, step_find_fn *find);
struct check *rule_check(struct rule_build *b);

/* "text", or !"text" where negated is not NULL: the text between the quotes, escapes left in. */
int rule_quoted(struct rule_build *b, struct span arg, bool *negated, struct span *ret);
/* Cuts the text up to sep off *rest, trimmed; false at the end. */
bool span_token(struct span *rest, uint8_t sep, struct span *ret);

/* The reader's parts. */
int rule_parse(struct rule_build *b);
int rule_header(struct rule_build *b, struct span header);
int rule_ranges(struct rule_build *b, struct span text, bool ports, const struct range_set **ret);
int rule_finish(struct rule_build *b, struct rule **ret);
void rule_abandon(struct rule_build *b);

step_find_fn bsize_find; /* urilen is a bsize */
