/*
 * snapshot: one valid configuration, unchangeable, in the forms that the appliers use.
 *
 * Only a commit makes one, so what is costly is done once: validation, defaults, JSON. A top-level
 * container that says the same as in the configuration before is shared with it: what a commit
 * changes is known by looking at pointers, and a change in a large configuration costs what it
 * changes.
 */
#pragma once

#include "config/tree.h"

#define SNAPSHOT_CONTAINERS 32 /* top-level containers of the schema; more are refused */

struct container; /* counted references */

struct snapshot {
	struct lyd_node *tree;   /* without defaults: what is stored and compared */
	sd_json_variant *config; /* with every default; members are the top-level containers */
	sd_json_variant *public; /* the same without secrets */
	struct container *containers[SNAPSHOT_CONTAINERS];
	unsigned n;
};

/* Validates tree (a copy is kept); -EINVAL with *f filled in. old: the one before, or NULL. */
int snapshot_new(const struct schema *s, const struct lyd_node *tree, const struct snapshot *old,
	struct snapshot **ret, struct fault *f);
void snapshot_free(struct snapshot *snapshot);
/* Does the container say something else? True when only one of the two has it. */
bool snapshot_differs(const struct snapshot *a, const struct snapshot *b, const char *container);
