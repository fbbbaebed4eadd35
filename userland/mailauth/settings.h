/*
 * settings: what mailauthd is configured with: leaves of the container "mail".
 *
 * Limits: SETTINGS_SEALERS_MAX trusted sealers; a configuration with more is refused.
 */
#pragma once

#include <stdbool.h>
#include <systemd/sd-json.h>

#define SETTINGS_SEALERS_MAX 256

struct settings {
	char **trusted_sealers; /* domains in lower case, NULL at the end; never NULL itself */
	bool dnssec;
};

/* config: the container, NULL: all defaults. Leaves that are missing have their default. 0, or
 * -errno with *ret_why (heap) saying what a person must change. */
int settings_read(sd_json_variant *config, struct settings *ret, char **ret_why);
void settings_free(struct settings *s);
