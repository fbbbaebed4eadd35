#include "update/state.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/cleanup.h"
#include "update/file.h"

uint64_t state_age_s(const struct source *s, uint64_t now)
{
	uint64_t since = s->last_success ? s->last_success : s->first_seen;

	return since && since <= now ? now - since : 0;
}

/* A text that is not empty, a number that is not zero. */
#define PAIR_TEXT(key, text) \
	SD_JSON_BUILD_PAIR_CONDITION((text)[0] != 0, key, SD_JSON_BUILD_STRING(text))
#define PAIR_NUMBER(key, number) \
	SD_JSON_BUILD_PAIR_CONDITION((number) != 0, key, SD_JSON_BUILD_UNSIGNED(number))

int state_report(const struct source *s, uint64_t now, uint64_t warn_age_s, sd_json_variant **ret)
{
	return sd_json_buildo(ret, SD_JSON_BUILD_PAIR_STRING("name", s->name),
		SD_JSON_BUILD_PAIR_STRING("type", s->type->name),
		SD_JSON_BUILD_PAIR_STRING("url", s->url), PAIR_TEXT("edits", s->edits),
		SD_JSON_BUILD_PAIR_BOOLEAN("enabled", s->enabled),
		SD_JSON_BUILD_PAIR_UNSIGNED("interval", s->interval_min),
		SD_JSON_BUILD_PAIR_BOOLEAN("busy", s->busy), PAIR_TEXT("result", s->result),
		PAIR_TEXT("why", s->why), PAIR_TEXT("version", s->version),
		SD_JSON_BUILD_PAIR_UNSIGNED("count", s->count), PAIR_NUMBER("serial", s->serial),
		PAIR_NUMBER("released", s->released),
		SD_JSON_BUILD_PAIR_UNSIGNED("failures", s->failures),
		SD_JSON_BUILD_PAIR_UNSIGNED("last_try", s->last_try),
		SD_JSON_BUILD_PAIR_UNSIGNED("last_success", s->last_success),
		PAIR_NUMBER("first_seen", s->first_seen), PAIR_NUMBER("retry_at", s->retry_at),
		SD_JSON_BUILD_PAIR_CONDITION(
			s->unconfirmed, "unconfirmed", SD_JSON_BUILD_BOOLEAN(true)),
		SD_JSON_BUILD_PAIR_CONDITION(s->last_success && s->last_success <= now, "age_s",
			SD_JSON_BUILD_UNSIGNED(state_age_s(s, now))),
		SD_JSON_BUILD_PAIR_BOOLEAN("stale", s->enabled && state_age_s(s, now) > warn_age_s),
		PAIR_TEXT("etag", s->etag), PAIR_TEXT("modified", s->modified));
}

int state_save(const struct source_list *l, const char *path)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *all = NULL;
	_cleanup_free_ char *text = NULL;
	int r = sd_json_build(&all, SD_JSON_BUILD_EMPTY_OBJECT);

	for (unsigned i = 0; i < l->n && r >= 0; i++) {
		_cleanup_(sd_json_variant_unrefp) sd_json_variant *one = NULL;
		r = state_report(l->item[i], 0, UINT64_MAX, &one);
		if (r >= 0)
			r = sd_json_variant_set_field(&all, l->item[i]->name, one);
	}
	if (r >= 0)
		r = sd_json_variant_format(all, SD_JSON_FORMAT_PRETTY, &text);
	return r < 0 ? r : file_replace(path, text);
}

static const struct {
	const char *key;
	size_t at, cap;
	bool of_url; /* says something of this address only */
} texts[] = {
	{"etag", offsetof(struct source, etag), sizeof(((struct source *)0)->etag), true},
	{"modified", offsetof(struct source, modified), sizeof(((struct source *)0)->modified),
		true},
	{"version", offsetof(struct source, version), sizeof(((struct source *)0)->version), false},
	{"result", offsetof(struct source, result), sizeof(((struct source *)0)->result), false},
	{"why", offsetof(struct source, why), sizeof(((struct source *)0)->why), false},
};

static const struct {
	const char *key;
	size_t at;
	bool of_url;
} numbers[] = {
	{"count", offsetof(struct source, count), false},
	{"serial", offsetof(struct source, serial), true},
	{"released", offsetof(struct source, released), false},
	{"failures", offsetof(struct source, failures), false},
	{"first_seen", offsetof(struct source, first_seen), false},
	{"last_try", offsetof(struct source, last_try), false},
	{"last_success", offsetof(struct source, last_success), false},
	{"retry_at", offsetof(struct source, retry_at), true},
};

static const char *text_of(sd_json_variant *v, const char *key)
{
	sd_json_variant *t = sd_json_variant_by_key(v, key);

	return t && sd_json_variant_is_string(t) ? sd_json_variant_string(t) : "";
}

static void source_restore(struct source *s, sd_json_variant *v)
{
	bool same = strcmp(text_of(v, "url"), s->url) == 0 &&
		    strcmp(text_of(v, "edits"), s->edits) == 0;
	char *base = (char *)s;

	if (strcmp(text_of(v, "type"), s->type->name) != 0)
		return;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (same || !texts[i].of_url)
			snprintf(base + texts[i].at, texts[i].cap, "%s", text_of(v, texts[i].key));
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		sd_json_variant *n = sd_json_variant_by_key(v, numbers[i].key);
		if ((same || !numbers[i].of_url) && n && sd_json_variant_is_unsigned(n)) {
			uint64_t value = sd_json_variant_unsigned(n);
			memcpy(base + numbers[i].at, &value, sizeof(value));
		}
	}
	sd_json_variant *u = sd_json_variant_by_key(v, "unconfirmed");
	s->unconfirmed = u && sd_json_variant_boolean(u);
}

void state_restore(struct source_list *l, const char *path)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *all = NULL;
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	struct stat st;

	if (!f || fstat(fileno(f), &st) < 0 || st.st_size > STATE_BYTES ||
		sd_json_parse_file(f, path, 0, &all, NULL, NULL) < 0 ||
		!sd_json_variant_is_object(all))
		return;
	for (unsigned i = 0; i < l->n; i++)
		source_restore(l->item[i], sd_json_variant_by_key(all, l->item[i]->name));
}
