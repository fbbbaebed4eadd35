/*
 * tree: one configuration as libyang's data tree, without defaults.
 *
 * A candidate is a tree that Set, Delete and Insert change (tree.c); tree_diff() is the text of
 * Compare and of the audit event: set, delete and insert lines that can be typed in again (diff.c).
 * tree_complete() fills in the defaults and judges it; tree_text() and tree_parse() write it and
 * read it (format.c). A text from outside is never trusted: what does not fit the schema is refused
 * whole.
 *
 * A tree pointer is the first of the top-level siblings, or NULL for an empty configuration.
 */
#pragma once

#include <systemd/sd-json.h>

#include "config/schema.h"

enum tree_format { TREE_JSON, TREE_XML }; /* RFC 7951; RFC 7950 section 4.2 */

/* On a failure the tree is as before. */
int tree_set(
	struct lyd_node **tree, const struct schema *s, const struct target *t, struct fault *f);
int tree_delete(struct lyd_node **tree, const struct target *t, struct fault *f);
/* Moves an entry of an ordered list before or after another one; without both to the front. */
int tree_insert(struct lyd_node **tree, const struct target *t, const char *before,
	const char *after, struct fault *f);
struct lyd_node *tree_dup(const struct lyd_node *tree);
/* Node of the target, or NULL. */
struct lyd_node *tree_find(const struct lyd_node *tree, const struct target *t);
/* The node among siblings that is the same setting or entry as node, whatever its value. */
struct lyd_node *tree_find_same(const struct lyd_node *siblings, const struct lyd_node *node);
/* Gives tree the secrets that old has at the same places, where it has none. */
void tree_keep_secrets(struct lyd_node **tree, const struct lyd_node *old);
/* True when there were any. Never of a tree whose first sibling is a secret: containers are first.
 */
bool tree_drop_secrets(struct lyd_node *siblings);

/* A valid copy with every default; -EINVAL with *f filled in. */
int tree_complete(const struct schema *s, const struct lyd_node *tree, struct lyd_node **ret,
	struct fault *f);
/* One top-level container of it, defaults and all, as text, and that text's members. */
char *tree_container_text(const struct lyd_node *container);
int tree_container_json(const char *text, sd_json_variant **ret);
/* As it is, without defaults, without validation. */
int tree_json(const struct lyd_node *tree, sd_json_variant **ret);

/* Lines on the heap, "" when nothing differs. mask writes <secret> for secret values. */
char *tree_diff(const struct lyd_node *from, const struct lyd_node *to, bool mask);

/* Top-level names may lack the module's name. -EBADMSG with *f saying where it is wrong. */
int tree_parse(const struct schema *s, const char *text, enum tree_format format,
	struct lyd_node **ret, struct fault *f);
char *tree_text(const struct lyd_node *tree, enum tree_format format);
