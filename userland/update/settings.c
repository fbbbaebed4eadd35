#include "update/settings.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/config.h"

void settings_free(struct settings *s)
{
	source_list_free(&s->sources);
	free(s->user_agent);
	free(s->proxy_url);
	free(s->proxy_user);
	free(s->proxy_password);
	*s = (struct settings){0};
}

struct set {
	uint32_t bandwidth, warn_age;
	const char *user_agent;
	sd_json_variant *proxy, *window;
};

#define NUMBER _SD_JSON_VARIANT_TYPE_INVALID, sd_json_dispatch_uint32
#define OBJECT _SD_JSON_VARIANT_TYPE_INVALID, sd_json_dispatch_variant_noref

static const sd_json_dispatch_field fields[] = {
	{"bandwidth", NUMBER, offsetof(struct set, bandwidth), 0},
	{"warn-age", NUMBER, offsetof(struct set, warn_age), 0},
	{"user-agent", SD_JSON_VARIANT_STRING, sd_json_dispatch_const_string,
		offsetof(struct set, user_agent), 0},
	{"proxy", OBJECT, offsetof(struct set, proxy), 0},
	{"window", OBJECT, offsetof(struct set, window), 0},
	{0},
};

static int invalid(char **ret_why, const char *why)
{
	*ret_why = strdup(why);
	return -EINVAL;
}

static const char *text_of(sd_json_variant *v, const char *key)
{
	sd_json_variant *t = sd_json_variant_by_key(v, key);

	return t && sd_json_variant_is_string(t) ? sd_json_variant_string(t) : "";
}

static int text_take(char **out, sd_json_variant *v, const char *key)
{
	const char *text = text_of(v, key);

	*out = *text ? strdup(text) : NULL;
	return *text && !*out ? -ENOMEM : 0;
}

static int window_parse(sd_json_variant *v, struct windows *w)
{
	sd_json_variant *days = sd_json_variant_by_key(v, "day");
	size_t n = days && sd_json_variant_is_array(days) ? sd_json_variant_elements(days) : 0;

	if (w->n == WINDOWS_MAX)
		return -E2BIG;
	struct window *one = &w->item[w->n++];
	*one = (struct window){.days = n ? 0 : 127};
	for (size_t i = 0; i < n; i++) {
		sd_json_variant *d = sd_json_variant_by_index(days, i);
		int day = sd_json_variant_is_string(d) ? window_day_parse(sd_json_variant_string(d))
						       : -1;
		if (day < 0)
			return -EINVAL;
		one->days |= 1u << day;
	}
	return window_time_parse(text_of(v, "from"), &one->from_min) &&
			       window_time_parse(text_of(v, "to"), &one->to_min)
		       ? 0
		       : -EINVAL;
}

static int windows_parse(sd_json_variant *list, struct windows *w)
{
	size_t n = list && sd_json_variant_is_array(list) ? sd_json_variant_elements(list) : 0;
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = window_parse(sd_json_variant_by_index(list, i), w);
	return r;
}

static int settings_take(const struct set *set, sd_json_variant *secrets, struct settings *ret)
{
	sd_json_variant *secret_proxy = sd_json_variant_by_key(secrets, "proxy");

	ret->bandwidth_kbit = set->bandwidth;
	ret->warn_age_h = set->warn_age;
	ret->user_agent = strdup(set->user_agent);
	if (!ret->user_agent || text_take(&ret->proxy_url, set->proxy, "url") < 0 ||
		text_take(&ret->proxy_user, set->proxy, "user") < 0 ||
		text_take(&ret->proxy_password, secret_proxy, "password") < 0)
		return -ENOMEM;
	return 0;
}

int settings_parse(
	sd_json_variant *config, sd_json_variant *secrets, struct settings *ret, char **ret_why)
{
	struct set set = {.warn_age = 72, .user_agent = "sekisho"};

	*ret = (struct settings){0};
	if (config && sd_json_dispatch(config, fields, SD_JSON_ALLOW_EXTENSIONS, &set) < 0)
		return invalid(ret_why, "update: a setting is not of its kind");
	int r = settings_take(&set, secrets, ret);
	if (r == 0 && windows_parse(set.window, &ret->windows) < 0)
		r = invalid(ret_why, "update window: day, from (HH:MM) and to (HH:MM) are needed");
	if (r == 0)
		r = source_list_parse(config, secrets, &ret->sources, ret_why);
	if (r < 0)
		settings_free(ret);
	return r;
}

int settings_load(struct settings *ret, bool *ret_found, char **ret_why)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *config = NULL, *secrets = NULL;
	int r = config_load("update", &config);

	if (ret_found)
		*ret_found = r >= 0;
	if (r < 0 && r != -ENOENT)
		return r;
	/* Not there, or, for verify and install, not to be read: no passwords. */
	config_load("update.secret", &secrets);
	return settings_parse(config, secrets, ret, ret_why);
}
