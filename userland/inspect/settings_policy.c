/* The rows of application-policy, as the schema has them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/settings.h"

static int refuse(const struct app_policy *p, const char *what, const char *value, char **ret_why)
{
	if (asprintf(ret_why, "application-policy %s: %s \"%s\" is not understood", p->name, what,
		    value) < 0)
		*ret_why = NULL;
	return -EINVAL;
}

static const char *text_of(sd_json_variant *v)
{
	return v && sd_json_variant_is_string(v) ? sd_json_variant_string(v) : "";
}

static bool take_application(struct app_policy *p, struct app *names, const char *text)
{
	uint16_t id = app_by_name(names, text);

	if (id)
		p->apps[id / 64] |= UINT64_C(1) << (id % 64);
	return id != 0;
}

static bool take_category(struct app_policy *p, struct app *names, const char *text)
{
	return app_by_category(names, text, p->apps);
}

static bool take_source(struct app_policy *p, struct app *names, const char *text)
{
	(void)names;
	return p->sources < APP_SOURCES && app_source_parse(text, &p->source[p->sources++]);
}

static bool take_day(struct app_policy *p, struct app *names, const char *text)
{
	unsigned day;

	(void)names;
	if (!app_day_parse(text, &day))
		return false;
	p->days = (uint8_t)(p->days | 1u << day);
	return true;
}

static const struct {
	const char *key;
	bool (*take)(struct app_policy *p, struct app *names, const char *text);
} lists[] = {{"application", take_application}, {"category", take_category},
	{"source", take_source}, {"day", take_day}};

static int read_row(struct app_policy *p, sd_json_variant *row, struct app *names, char **ret_why)
{
	const char *name = text_of(sd_json_variant_by_key(row, "name"));
	const char *action = text_of(sd_json_variant_by_key(row, "action"));
	const char *from = text_of(sd_json_variant_by_key(row, "from"));
	const char *to = text_of(sd_json_variant_by_key(row, "to"));

	*p = (struct app_policy){.to = DAY_MINUTES, .drop = strcmp(action, "drop") == 0};
	snprintf(p->name, sizeof(p->name), "%s", name);
	if (!p->drop && strcmp(action, "accept") != 0)
		return refuse(p, "action", action, ret_why);
	if (*from && !app_time_parse(from, &p->from))
		return refuse(p, "from", from, ret_why);
	if (*to && !app_time_parse(to, &p->to))
		return refuse(p, "to", to, ret_why);
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		sd_json_variant *list = sd_json_variant_by_key(row, lists[i].key);
		size_t n =
			list && sd_json_variant_is_array(list) ? sd_json_variant_elements(list) : 0;
		for (size_t j = 0; j < n; j++) {
			const char *text = text_of(sd_json_variant_by_index(list, j));
			if (!lists[i].take(p, names, text))
				return refuse(p, lists[i].key, text, ret_why);
		}
	}
	p->any_app = !sd_json_variant_by_key(row, "application") &&
		     !sd_json_variant_by_key(row, "category");
	return 0;
}

int settings_read_policies(
	struct settings *s, sd_json_variant *rows, struct app *names, char **ret_why)
{
	size_t n = sd_json_variant_elements(rows);

	if (n > APP_POLICIES) {
		if (asprintf(ret_why, "application-policy: more than %u", APP_POLICIES) < 0)
			*ret_why = NULL;
		return -EINVAL;
	}
	free(s->app_policies);
	s->app_policies_n = 0;
	s->app_policies = calloc(n ? n : 1, sizeof(*s->app_policies));
	if (!s->app_policies)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		int r = read_row(
			&s->app_policies[i], sd_json_variant_by_index(rows, i), names, ret_why);
		if (r < 0)
			return r;
		s->app_policies_n++;
	}
	return 0;
}
