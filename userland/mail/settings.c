#include "mail/settings.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

void settings_defaults(struct settings *s)
{
	*s = (struct settings){
		.authserv_id = "sekisho.invalid",
		.max_sessions = 1000,
		.max_message_bytes = 50u << 20,
		.idle_timeout_s = 300,
		.virus_reject = true,
		.dmarc_reject = true,
		.unchecked_defer = true,
	};
}

static int dispatch_domain(
	const char *name, sd_json_variant *v, sd_json_dispatch_flags_t flags, void *out)
{
	const char *text = sd_json_variant_string(v);
	size_t n = text ? strlen(text) : 0;

	(void)name;
	(void)flags;
	/* It is written into a header: letters, digits, dot and hyphen, nothing else. */
	if (n == 0 || n > SETTINGS_AUTHSERV_ID_BYTES ||
		strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") !=
			n)
		return -EINVAL;
	memcpy(out, text, n + 1);
	return 0;
}

static int dispatch_choice(sd_json_variant *v, const char *yes, bool *out)
{
	const char *text = sd_json_variant_string(v);

	if (!text || (strcmp(text, yes) != 0 && strcmp(text, "accept") != 0))
		return -EINVAL;
	*out = strcmp(text, yes) == 0;
	return 0;
}

static int dispatch_reject(
	const char *name, sd_json_variant *v, sd_json_dispatch_flags_t flags, void *out)
{
	(void)name;
	(void)flags;
	return dispatch_choice(v, "reject", out);
}

static int dispatch_defer(
	const char *name, sd_json_variant *v, sd_json_dispatch_flags_t flags, void *out)
{
	(void)name;
	(void)flags;
	return dispatch_choice(v, "defer", out);
}

#define ROW(leaf, field, type, function) {leaf, type, function, offsetof(struct settings, field), 0}

static const sd_json_dispatch_field rows[] = {
	ROW("authserv-id", authserv_id, SD_JSON_VARIANT_STRING, dispatch_domain),
	ROW("dmarc-reject", dmarc_reject, SD_JSON_VARIANT_STRING, dispatch_reject),
	ROW("idle-timeout", idle_timeout_s, SD_JSON_VARIANT_UNSIGNED, sd_json_dispatch_uint16),
	ROW("max-message-bytes", max_message_bytes, SD_JSON_VARIANT_UNSIGNED,
		sd_json_dispatch_uint32),
	ROW("max-sessions", max_sessions, SD_JSON_VARIANT_UNSIGNED, sd_json_dispatch_uint16),
	ROW("unchecked", unchecked_defer, SD_JSON_VARIANT_STRING, dispatch_defer),
	ROW("virus", virus_reject, SD_JSON_VARIANT_STRING, dispatch_reject),
	{NULL, 0, NULL, 0, 0},
};

int settings_parse(sd_json_variant *config, struct settings *s, char **ret_why)
{
	struct settings out;
	const char *bad = NULL;

	settings_defaults(&out);
	if (sd_json_dispatch_full(config, rows, NULL, SD_JSON_ALLOW_EXTENSIONS, &out, &bad) < 0) {
		if (asprintf(ret_why, "mail: %s has no usable value", bad ? bad : "the object") < 0)
			*ret_why = NULL;
		return -EINVAL;
	}
	if (out.max_sessions == 0 || out.idle_timeout_s == 0) {
		if (asprintf(ret_why, "mail: max-sessions and idle-timeout are at least 1") < 0)
			*ret_why = NULL;
		return -EINVAL;
	}
	*s = out;
	return 0;
}
