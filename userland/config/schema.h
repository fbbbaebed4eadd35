/*
 * schema: the words of a setting, resolved against sekisho.yang.
 *
 * A path arrives as the words an administrator typed: inspection application BitTorrent action
 * drop. Each word is a node's name, the key of a list entry or, last, a value. Names, and
 * values that are an enumeration or a boolean, may be shortened to a unique prefix. The same walk
 * answers "what may stand here?" for `?` and TAB, so the command line has no grammar of its own.
 *
 * Limits: SCHEMA_DEPTH nodes in a path, SCHEMA_WORDS words, SCHEMA_WORD_BYTES bytes a word.
 * Refuses: unknown and ambiguous words, values that the type does not take, key leaves as targets.
 * A schema whose lists have more than one key, or that has a `when`, is refused at load.
 */
#pragma once

#include <libyang/libyang.h>
#include <stdbool.h>

#include "config/fault.h"

#define SCHEMA_DEPTH 8
#define SCHEMA_WORDS 16
#define SCHEMA_WORD_BYTES 8192
#define SCHEMA_PATH_BYTES 1024 /* of a path in messages; a longer one is cut */

struct schema {
	struct ly_ctx *ctx;
	const struct lys_module *module;
};

struct step {
	const struct lysc_node *node;
	char *key; /* canonical; of a list entry only */
};

struct target {
	struct step steps[SCHEMA_DEPTH];
	unsigned n;   /* 0: the whole configuration */
	char *value;  /* canonical; of a leaf or leaf-list, NULL when the words ended before it */
	bool keyless; /* the words ended at a list, before its key */
};

int schema_load(const char *file, struct schema *s);
void schema_fini(struct schema *s);

/* -EINVAL with *f filled in when the words lead nowhere. */
int schema_resolve(const struct schema *s, char *const *words, struct target *ret, struct fault *f);
void target_fini(struct target *t);
/* The words of the target up to its last step, for messages. */
void target_print(const struct target *t, char *out, size_t cap);

bool schema_is_secret(const struct lysc_node *node);
/* Next child that is data, in the order of the schema; NULL after the last. parent NULL: top level.
 */
const struct lysc_node *schema_next(
	const struct schema *s, const struct lysc_node *parent, const struct lysc_node *last);
const struct lysc_type *schema_type(const struct lysc_node *node);
/* What the node's type takes, in words: "open | closed", "1..16", "text of 1..63 characters". */
void schema_accepted(const struct lysc_node *node, char *out, size_t cap);
/* The same and what the setting is for. */
void schema_help(const struct lysc_node *node, char *out, size_t cap);
