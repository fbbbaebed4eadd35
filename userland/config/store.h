/*
 * store: the startup configuration on the data partition.
 *
 * config/startup.json is what the box starts with, config/startup.json.1 what it was before the
 * last commit. A write goes to a file beside it, is synced, and takes the name by rename, so a
 * power cut leaves the old one or the new one whole, never a mixture.
 *
 * Reading tries startup, then the previous one, then the factory configuration of the image. A file
 * that does not parse or validate is kept as startup.json.damaged for the administrator.
 */
#pragma once

#include "config/tree.h"

struct snapshot {
	struct lyd_node *tree;
	sd_json_variant *config; /* with defaults, for the appliers */
	sd_json_variant *public; /* the same without secrets, for the daemons */
};

enum store_origin { STORE_STARTUP, STORE_PREVIOUS, STORE_FACTORY, STORE_NONE };
extern const char *const store_origin_names[];

/* Validates tree (a copy is kept); -EINVAL with *f filled in. */
int snapshot_new(const struct schema *s, const struct lyd_node *tree, struct snapshot **ret,
	struct fault *f);
void snapshot_free(struct snapshot *snapshot);

/* The first configuration that is whole; logs what was passed over. Fails only when even the
 * factory configuration is unusable. */
int store_load(const struct schema *s, struct snapshot **ret, enum store_origin *ret_origin);
int store_write(const struct snapshot *snapshot);
/* Takes the last store_write() back. */
int store_undo(void);
