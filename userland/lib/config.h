/*
 * config: how a daemon gets its settings.
 *
 * configd renders the part of the running configuration that a daemon subscribes to as one JSON
 * object, path_run("config/<name>.json"), with every default filled in, and calls the daemon's
 * Reload. Keys are the leaf names of the YANG schema. A daemon declares a sd_json_dispatch_field
 * table whose rows are those leaves, so a new setting is one leaf in the schema and one row.
 */
#pragma once

#include <systemd/sd-json.h>

#define CONFIG_BYTES_MAX (4u << 20)

/* name: "inspection", "mail", "update", "system". -ENOENT when not rendered yet, -EBADMSG when not
 * JSON. */
int config_load(const char *name, sd_json_variant **ret);
