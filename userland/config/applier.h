/*
 * applier: makes one subsystem do what the configuration says.
 *
 * A commit touches an applier when a top-level container it names differs between the old and
 * the new configuration. All affected appliers prepare (nothing may change yet), then all apply
 * in the order of appliers.def, then all probe. When one fails, those that applied are called again
 * with the two configurations exchanged, last first.
 *
 * Configurations are JSON objects of the schema with every default, so an applier's rendering is a
 * pure function from JSON to text. old is NULL at start: everything is to be written, and no daemon
 * is to be waited for, since each reads its file when it starts.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <systemd/sd-json.h>

#include "config/snapshot.h"

struct applier {
	const char *name;
	const char *const *containers; /* top-level, NULL-terminated */
	/* 0, or -errno with *ret_why on the heap. prepare and probe may be NULL. */
	int (*prepare)(const struct snapshot *old, const struct snapshot *new, char **ret_why);
	int (*apply)(const struct snapshot *old, const struct snapshot *new, char **ret_why);
	/* After all have applied: is what this one touched still alive? */
	int (*probe)(const struct snapshot *old, const struct snapshot *new, char **ret_why);
};

#define APPLIER(name) extern const struct applier applier_##name;
#include "config/appliers.def"
#undef APPLIER

/* Member of a configuration by a dotted path, "interfaces.management.dhcp"; NULL when not set. */
sd_json_variant *config_at(sd_json_variant *config, const char *path);
const char *config_str(sd_json_variant *config, const char *path);
bool config_bool(sd_json_variant *config, const char *path);

#define config_foreach(e, config, path) \
	for (size_t i_ = 0; ((e) = sd_json_variant_by_index(config_at(config, path), i_)); i_++)

/* A text under construction on the heap. */
struct text {
	FILE *out;
	char *text;
	size_t size;
};
int text_open(struct text *t);
/* Closes and returns the text for the caller to free, NULL when memory ran out. */
char *text_close(struct text *t);
