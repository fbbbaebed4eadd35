/*
 * settings: container `mail` of the schema, as maild uses it.
 *
 * One row of the dispatch table per leaf. What the schema renders and maild does not use (enabled
 * and on-failure are the ruleset's) is ignored; what is missing keeps its default.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-json.h>

#define SETTINGS_AUTHSERV_ID_BYTES 253

struct settings {
	char authserv_id[SETTINGS_AUTHSERV_ID_BYTES + 1];
	uint16_t max_sessions;
	uint32_t max_message_bytes;
	uint16_t idle_timeout_s;
	bool virus_reject;
	bool dmarc_reject;
	bool unchecked_defer;
};

void settings_defaults(struct settings *s);
/* 0, or -EINVAL with *ret_why (heap). s is changed only on success. */
int settings_parse(sd_json_variant *config, struct settings *s, char **ret_why);
