/*
 * settings: the container "scan" of the schema, as scand uses it.
 *
 * settings_parse() takes the object that configd renders or asks about; a leaf that is missing has
 * its default. Refuses: a value out of the schema's range, with the leaf's name.
 */
#pragma once

#include <systemd/sd-json.h>

#include "scan/engine.h"
#include "scan/message.h"

enum reload_mode { RELOAD_AUTO, RELOAD_HANDOVER, RELOAD_SERIAL };

struct settings {
	enum reload_mode reload;
	unsigned workers; /* 0: one a processor */
	uint32_t small_bytes;
	struct engine_limits engine;
	struct message_limits message;
};

void settings_defaults(struct settings *s);
/* -EINVAL with *ret_why (heap); *s is then as it was. */
int settings_parse(sd_json_variant *config, struct settings *s, char **ret_why);
const char *reload_mode_name(enum reload_mode mode);
