/*
 * settings: everything that the administrator says about updates, from the rendered container
 * `update`.
 *
 * All three roles read the file themselves: what fetch could be talked into by a server must not
 * decide how a download is checked or which sources exist. Passwords are in a second file that
 * fetch alone can read, config/update.secret.json: the same container with its secret leaves.
 */
#pragma once

#include "update/source.h"
#include "update/window.h"

struct settings {
	struct source_list sources;
	struct windows windows;
	unsigned bandwidth_kbit; /* 0: unlimited */
	unsigned warn_age_h;
	char *user_agent;
	char *proxy_url, *proxy_user, *proxy_password; /* NULL: none */
};

void settings_free(struct settings *s);
/* secrets may be NULL. -EINVAL with *ret_why (heap); nothing is left to be freed then. */
int settings_parse(
	sd_json_variant *config, sd_json_variant *secrets, struct settings *ret, char **ret_why);
/* From the rendered files; none of them at all means no sources. -ENOENT is no error here, but
 * *ret_found tells (NULL is allowed). */
int settings_load(struct settings *ret, bool *ret_found, char **ret_why);
