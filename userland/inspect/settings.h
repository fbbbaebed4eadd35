/*
 * settings: what the administrator decided for inspection, read from the rendered configuration.
 *
 * The keys are the leaves of container inspection in the schema; a new setting is one row of the
 * dispatch table in settings.c. A struct settings is immutable once read: a reload makes a new one.
 *
 * Refuses: an application that nDPI does not know, named in the reason; a network that is not an
 * address prefix. What inspectd does not act on itself (enabled, on-failure) it accepts: the
 * ruleset of nftables does.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-json.h>

#include "inspect/app.h"

#define QUEUES_MAX 16

enum app_action { APP_ACTION_NONE, APP_ACTION_ACCEPT, APP_ACTION_DROP };

struct settings {
	unsigned queues;
	bool bypass;
	char *home_net;              /* value of HOME_NET in the rule language; NULL: its default */
	uint8_t app_action[APP_MAX]; /* enum app_action by application id */
	bool has_app_rows;
};

/* Without a configuration: one queue, bypass, no application rows. */
void settings_init(struct settings *s);
void settings_fini(struct settings *s);
/* 0, or -errno with *ret_why (heap) saying what must be changed. names is asked for applications
 * only. */
int settings_read(struct settings *s, sd_json_variant *config, struct app *names, char **ret_why);
