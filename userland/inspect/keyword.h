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
	enum buffer buffer;            /* the sticky buffer */
	struct transforms transforms;  /* of what follows */
	uint8_t way;                   /* DIR_* that the sticky buffer was given, or 0 */
	bool transactional;            /* => */
	const struct transforms *kept; /* the same, in the ruleset; NULL: not yet, or none */
	struct step *content;          /* that modifiers change, or NULL */
	struct step steps[RULE_PATTERNS];
	unsigned n_steps;
	struct check checks[RULE_CHECKS];
	unsigned n_checks;
	struct rule_op ops[RULE_OPS];
	unsigned n_ops;
	struct span variable[RULE_VARIABLES];
	unsigned n_variables;
	struct span classtype, metadata; /* for the policy */
	bool has_priority;
	bool stateless;     /* flow:stateless: each packet, whatever its flow */
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

struct rule_op *rule_op(struct rule_build *b);
/* 1 + index of the variable; 0: none has this name. */
uint8_t rule_variable(const struct rule_build *b, struct span name);
/* Makes one; negative after rule_fail(). */
int rule_variable_new(struct rule_build *b, struct span name, uint8_t *ret);
/* A copy in the arena, or NULL after rule_fail(). */
void *rule_keep(struct rule_build *b, const void *bytes, size_t n);
/* The buffer is bound to an application, and to a direction. */
int rule_bind(struct rule_build *b, struct span where, const char *name, enum rule_proto app,
	unsigned directions);
/* A 32-bit name of a bit or flowint, the same in every generation; never 0. */
uint32_t name_hash(struct span name);

/* "text", or !"text" where negated is not NULL: the text between the quotes, escapes left in. */
int rule_quoted(struct rule_build *b, struct span arg, bool *negated, struct span *ret);
/* Cuts the text up to sep off *rest, trimmed; false at the end. */
bool span_token(struct span *rest, uint8_t sep, struct span *ret);

/* The list that the build holds, as the ruleset keeps it; NULL after rule_fail(). */
const struct transforms *transforms_keep(struct rule_build *b);

/* The reader's parts. */
int rule_parse(struct rule_build *b);
int rule_header(struct rule_build *b, struct span header);
int rule_ranges(struct rule_build *b, struct span text, bool ports, const struct range_set **ret);
int rule_finish(struct rule_build *b, struct rule **ret);
/* The halves of a transactional rule; one when all its buffers go one way. */
int rule_finish_halves(struct rule_build *b, struct rule *ret[static 2], unsigned *ret_n);
void rule_abandon(struct rule_build *b);

step_find_fn bsize_find; /* urilen is a bsize */
/* The packet has the header that a buffer such as tcp.hdr names. */
void header_check(struct check *c, const char *buffer_name);
