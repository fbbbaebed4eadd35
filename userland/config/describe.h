/*
 * describe: what may stand after these words. The grammar of the command line: `?` prints it, TAB
 * completes from it, and nothing else knows the settings.
 */
#pragma once

#include <systemd/sd-json.h>

#include "config/tree.h"

/* An array of {word, help, kind, default?, units?, current?, secret?}; kind "word" can be typed as
 * it is, "placeholder" stands for something the administrator makes up. tree (may be NULL) supplies
 * the names of existing entries.
 */
int describe(const struct schema *s, const struct lyd_node *tree, char *const *words,
	sd_json_variant **ret, struct fault *f);
