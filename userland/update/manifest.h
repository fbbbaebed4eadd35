/*
 * manifest: what a version folder holds, by source; manifest.json inside it.
 *
 *	{"et": {"version": "3f...", "serial": 0, "count": 4711, "files": ["a.rules", ...]}, ...}
 *
 * install writes it, verify compares with it. It holds no time, so that its hash names the folder:
 *the same files are the same version.
 */
#pragma once

#include <stdint.h>
#include <systemd/sd-json.h>

#define MANIFEST_BYTES (1u << 20)

/* Of dir/current; an empty object when nothing is installed. */
int manifest_load(const char *dir, sd_json_variant **ret);
/* "" and 0 when the source has nothing there. */
const char *manifest_version(sd_json_variant *m, const char *source);
uint64_t manifest_number(sd_json_variant *m, const char *source, const char *key);
uint64_t manifest_count(sd_json_variant *m, const char *source);
