/*
 * tree: one configuration as libyang's data tree, without defaults.
 *
 * A candidate is a tree that Set and Delete change; startup is a tree in a file. tree_config()
 * fills in the defaults and gives the JSON object from which the appliers render. tree_diff() is
 * the text of Compare and of the audit event: set and delete lines that can be typed in again.
 *
 * A tree pointer is the first of the top-level siblings, or NULL for an empty configuration.
 */
#pragma once

#include <systemd/sd-json.h>

#include "config/schema.h"

#define TREE_FILE_BYTES_MAX (4u << 20) /* a larger configuration file is refused as damaged */

/* On a failure the tree is as before. */
int tree_set(
	struct lyd_node **tree, const struct schema *s, const struct target *t, struct fault *f);
int tree_delete(struct lyd_node **tree, const struct target *t, struct fault *f);
struct lyd_node *tree_dup(const struct lyd_node *tree);
/* Node of the target, or NULL. */
struct lyd_node *tree_find(const struct lyd_node *tree, const struct target *t);

/* Validates a copy and prints it with every default; keys of the object are the top-level
 * containers. With public, secret leaves are left out. -EINVAL with *f filled in. */
int tree_config(const struct schema *s, const struct lyd_node *tree, bool public,
	sd_json_variant **ret, struct fault *f);
/* As it is, without defaults, without validation. */
int tree_json(const struct lyd_node *tree, sd_json_variant **ret);

/* Lines on the heap, "" when nothing differs. mask writes <secret> for secret values. */
char *tree_diff(const struct lyd_node *from, const struct lyd_node *to, bool mask);

/* RFC 7951 JSON. -ENOENT, or -EBADMSG with *f saying where it is damaged. */
int tree_read(const struct schema *s, const char *file, struct lyd_node **ret, struct fault *f);
char *tree_text(const struct lyd_node *tree);
