#include "update/source.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/cleanup.h"
#include "update/file.h"

void source_free(struct source *s)
{
	if (!s)
		return;
	free(s->name);
	free(s->url);
	free(s);
}

void source_list_free(struct source_list *l)
{
	for (unsigned i = 0; i < l->n; i++)
		source_free(l->item[i]);
	l->n = 0;
}

struct source *source_find(const struct source_list *l, const char *name)
{
	for (unsigned i = 0; i < l->n; i++)
		if (strcmp(l->item[i]->name, name) == 0)
			return l->item[i];
	return NULL;
}

struct settings {
	const char *name;
	const char *type;
	const char *url;
	uint32_t interval;
	bool enabled;
};

static const sd_json_dispatch_field settings_fields[] = {
	{"name", SD_JSON_VARIANT_STRING, sd_json_dispatch_const_string,
		offsetof(struct settings, name), SD_JSON_MANDATORY},
	{"type", SD_JSON_VARIANT_STRING, sd_json_dispatch_const_string,
		offsetof(struct settings, type), SD_JSON_MANDATORY},
	{"url", SD_JSON_VARIANT_STRING, sd_json_dispatch_const_string,
		offsetof(struct settings, url), SD_JSON_MANDATORY},
	{"interval", _SD_JSON_VARIANT_TYPE_INVALID, sd_json_dispatch_uint32,
		offsetof(struct settings, interval), 0},
	{"enabled", SD_JSON_VARIANT_BOOLEAN, sd_json_dispatch_stdbool,
		offsetof(struct settings, enabled), 0},
	{0},
};

static int invalid(char **ret_why, const char *what, const char *why)
{
	if (asprintf(ret_why, "update source %s: %s", what, why) < 0)
		*ret_why = NULL;
	return -EINVAL;
}

static int source_parse(sd_json_variant *v, struct source_list *l, char **ret_why)
{
	struct settings set = {.interval = 60, .enabled = true};

	if (sd_json_dispatch(v, settings_fields, SD_JSON_ALLOW_EXTENSIONS, &set) < 0)
		return invalid(ret_why, set.name ? set.name : "without a name",
			"name, type and url are needed");
	if (!source_name_ok(set.name))
		return invalid(ret_why, set.name,
			"not a name of letters, digits, dot, underscore and hyphen");
	if (source_find(l, set.name))
		return invalid(ret_why, set.name, "is there twice");
	const struct signature_type *type = type_find(set.type);
	if (!type)
		return invalid(ret_why, set.name, "type is rules or clamav");
	if (strncmp(set.url, "http://", 7) != 0 && strncmp(set.url, "https://", 8) != 0)
		return invalid(ret_why, set.name, "url begins with http:// or https://");
	if (set.interval < 1 || set.interval > 10080)
		return invalid(ret_why, set.name, "interval is 1 to 10080 minutes");
	if (l->n == SOURCES_MAX)
		return invalid(ret_why, set.name, "is one too many: 64 at most");
	struct source *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	l->item[l->n++] = s;
	s->name = strdup(set.name);
	s->url = strdup(set.url);
	s->type = type;
	s->interval_min = set.interval;
	s->enabled = set.enabled;
	return s->name && s->url ? 0 : -ENOMEM;
}

int source_list_parse(sd_json_variant *config, struct source_list *ret, char **ret_why)
{
	sd_json_variant *list = sd_json_variant_by_key(config, "source");
	size_t n = list && sd_json_variant_is_array(list) ? sd_json_variant_elements(list) : 0;
	int r = 0;

	*ret = (struct source_list){0};
	for (size_t i = 0; i < n && r == 0; i++)
		r = source_parse(sd_json_variant_by_index(list, i), ret, ret_why);
	if (r < 0)
		source_list_free(ret);
	return r;
}

void source_list_inherit(struct source_list *l, const struct source_list *old)
{
	for (unsigned i = 0; i < l->n; i++) {
		struct source *s = l->item[i], *o = source_find(old, s->name);
		struct source set = *s;
		if (!o || o->type != s->type)
			continue;
		*s = *o;
		s->name = set.name;
		s->url = set.url;
		s->interval_min = set.interval_min;
		s->enabled = set.enabled;
		s->busy = false;
		s->attempt = NULL;
		if (strcmp(s->url, o->url) != 0)
			s->etag[0] = s->modified[0] = '\0';
	}
}

uint64_t source_delay_s(const struct source *s, uint64_t now, uint32_t random)
{
	uint64_t interval = (uint64_t)s->interval_min * 60, wait = interval;

	if (s->failures > 0) {
		unsigned doubled = s->failures > 16 ? 16 : (unsigned)s->failures - 1;
		uint64_t retry = (uint64_t)SOURCE_RETRY_S << doubled;
		wait = retry < interval ? retry : interval;
	}
	/* Nine to eleven tenths. */
	wait = wait * 9 / 10 + random % (wait / 5 + 1);
	/* A clock that was set back must not hold up a try for longer than that. */
	uint64_t gone = s->last_try && s->last_try <= now ? now - s->last_try : 0;
	uint64_t left = s->last_try && wait > gone ? wait - gone : 0;
	return left > SOURCE_FIRST_S ? left : SOURCE_FIRST_S;
}

void source_file_name(const struct source *s, char *out, size_t cap)
{
	size_t end = strcspn(s->url, "?#"), start = end;

	while (start > 0 && s->url[start - 1] != '/')
		start--;
	snprintf(out, cap, "%.*s", (int)(end - start), s->url + start);
}

/* A text that is not empty. */
#define PAIR_TEXT(key, text) \
	SD_JSON_BUILD_PAIR_CONDITION((text)[0] != 0, key, SD_JSON_BUILD_STRING(text))

int source_report(const struct source *s, uint64_t now, sd_json_variant **ret)
{
	return sd_json_buildo(ret, SD_JSON_BUILD_PAIR_STRING("name", s->name),
		SD_JSON_BUILD_PAIR_STRING("type", s->type->name),
		SD_JSON_BUILD_PAIR_STRING("url", s->url),
		SD_JSON_BUILD_PAIR_BOOLEAN("enabled", s->enabled),
		SD_JSON_BUILD_PAIR_UNSIGNED("interval", s->interval_min),
		SD_JSON_BUILD_PAIR_BOOLEAN("busy", s->busy), PAIR_TEXT("result", s->result),
		PAIR_TEXT("why", s->why), PAIR_TEXT("version", s->version),
		SD_JSON_BUILD_PAIR_UNSIGNED("count", s->count),
		SD_JSON_BUILD_PAIR_UNSIGNED("failures", s->failures),
		SD_JSON_BUILD_PAIR_UNSIGNED("last_try", s->last_try),
		SD_JSON_BUILD_PAIR_UNSIGNED("last_success", s->last_success),
		SD_JSON_BUILD_PAIR_CONDITION(s->last_success && s->last_success <= now, "age_s",
			SD_JSON_BUILD_UNSIGNED(now - s->last_success)),
		PAIR_TEXT("etag", s->etag), PAIR_TEXT("modified", s->modified));
}

int source_list_save(const struct source_list *l, const char *path)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *all = NULL;
	_cleanup_free_ char *text = NULL;
	int r = sd_json_build(&all, SD_JSON_BUILD_EMPTY_OBJECT);

	for (unsigned i = 0; i < l->n && r >= 0; i++) {
		_cleanup_(sd_json_variant_unrefp) sd_json_variant *one = NULL;
		r = source_report(l->item[i], (uint64_t)time(NULL), &one);
		if (r >= 0)
			r = sd_json_variant_set_field(&all, l->item[i]->name, one);
	}
	if (r >= 0)
		r = sd_json_variant_format(all, SD_JSON_FORMAT_PRETTY, &text);
	return r < 0 ? r : file_replace(path, text);
}

static void text_restore(sd_json_variant *v, const char *key, char *out, size_t cap)
{
	sd_json_variant *t = sd_json_variant_by_key(v, key);

	if (t && sd_json_variant_is_string(t))
		snprintf(out, cap, "%s", sd_json_variant_string(t));
}

static uint64_t number_restore(sd_json_variant *v, const char *key)
{
	sd_json_variant *n = sd_json_variant_by_key(v, key);

	return n && sd_json_variant_is_unsigned(n) ? sd_json_variant_unsigned(n) : 0;
}

static void source_restore(struct source *s, sd_json_variant *v)
{
	char url[2049] = "", type[16] = "";

	text_restore(v, "type", type, sizeof(type));
	if (strcmp(type, s->type->name) != 0)
		return;
	text_restore(v, "url", url, sizeof(url));
	if (strcmp(url, s->url) == 0) {
		text_restore(v, "etag", s->etag, sizeof(s->etag));
		text_restore(v, "modified", s->modified, sizeof(s->modified));
	}
	text_restore(v, "result", s->result, sizeof(s->result));
	text_restore(v, "why", s->why, sizeof(s->why));
	text_restore(v, "version", s->version, sizeof(s->version));
	s->count = number_restore(v, "count");
	s->failures = number_restore(v, "failures");
	s->last_try = number_restore(v, "last_try");
	s->last_success = number_restore(v, "last_success");
}

void source_list_restore(struct source_list *l, const char *path)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *all = NULL;
	_cleanup_fclose_ FILE *f = fopen(path, "re");

	if (!f || sd_json_parse_file(f, path, 0, &all, NULL, NULL) < 0)
		return;
	for (unsigned i = 0; i < l->n; i++)
		source_restore(l->item[i], sd_json_variant_by_key(all, l->item[i]->name));
}
