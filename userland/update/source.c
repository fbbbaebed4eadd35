#include "update/source.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "update/file.h"
#include "update/rule_edit.h"

void source_free(struct source *s)
{
	if (!s)
		return;
	free(s->name);
	free(s->url);
	free(s->user);
	free(s->password);
	free(s->public_key);
	free(s->ca_certificate);
	free(s->version_name);
	sd_json_variant_unref(s->config);
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

struct set {
	const char *name;
	const char *type;
	const char *url;
	const char *user;
	const char *public_key;
	const char *ca_certificate;
	const char *version_name;
	const char *checksum;
	uint32_t interval;
	uint32_t column;
	bool enabled;
};

#define TEXT SD_JSON_VARIANT_STRING, sd_json_dispatch_const_string
#define NUMBER _SD_JSON_VARIANT_TYPE_INVALID, sd_json_dispatch_uint32

static const sd_json_dispatch_field fields[] = {
	{"name", TEXT, offsetof(struct set, name), SD_JSON_MANDATORY},
	{"type", TEXT, offsetof(struct set, type), SD_JSON_MANDATORY},
	{"url", TEXT, offsetof(struct set, url), SD_JSON_MANDATORY},
	{"user", TEXT, offsetof(struct set, user), 0},
	{"public-key", TEXT, offsetof(struct set, public_key), 0},
	{"ca-certificate", TEXT, offsetof(struct set, ca_certificate), 0},
	{"version-name", TEXT, offsetof(struct set, version_name), 0},
	{"checksum", TEXT, offsetof(struct set, checksum), 0},
	{"interval", NUMBER, offsetof(struct set, interval), 0},
	{"column", NUMBER, offsetof(struct set, column), 0},
	{"enabled", SD_JSON_VARIANT_BOOLEAN, sd_json_dispatch_stdbool,
		offsetof(struct set, enabled), 0},
	{0},
};

static int invalid(char **ret_why, const char *what, const char *why)
{
	if (asprintf(ret_why, "update source %s: %s", what, why) < 0)
		*ret_why = NULL;
	return -EINVAL;
}

/* NULL, or what is wrong. */
static const char *url_check(const char *url)
{
	const char *host = strstr(url, "://");

	if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
		return "url begins with http:// or https://";
	host += 3;
	if (memchr(host, '@', strcspn(host, "/?#")))
		return "name and password are leaves of their own, not part of the url";
	return NULL;
}

static const char *set_check(const struct set *set, const struct source_list *l)
{
	if (!source_name_ok(set->name))
		return "not a name of letters, digits, dot, underscore and hyphen";
	if (source_find(l, set->name))
		return "is there twice";
	if (!type_find(set->type))
		return "type is rules, clamav, addresses or domains";
	if (checksum_kind_find(set->checksum) < 0)
		return "checksum is none, md5 or sha256";
	if (set->interval < 1 || set->interval > 10080)
		return "interval is 1 to 10080 minutes";
	if (set->column < 1 || set->column > 32)
		return "column is 1 to 32";
	if (l->n == SOURCES_MAX)
		return "is one too many: 64 at most";
	return url_check(set->url);
}

static sd_json_variant *entry_of(sd_json_variant *config, const char *name)
{
	sd_json_variant *list = sd_json_variant_by_key(config, "source");
	size_t n = list && sd_json_variant_is_array(list) ? sd_json_variant_elements(list) : 0;

	for (size_t i = 0; i < n; i++) {
		sd_json_variant *e = sd_json_variant_by_index(list, i),
				*key = sd_json_variant_by_key(e, "name");
		if (key && sd_json_variant_is_string(key) &&
			strcmp(sd_json_variant_string(key), name) == 0)
			return e;
	}
	return NULL;
}

static int text_take(char **out, const char *text)
{
	*out = text && *text ? strdup(text) : NULL;
	return text && *text && !*out ? -ENOMEM : 0;
}

static int password_take(struct source *s, sd_json_variant *secrets)
{
	sd_json_variant *p = sd_json_variant_by_key(entry_of(secrets, s->name), "password");

	return p && sd_json_variant_is_string(p)
		       ? text_take(&s->password, sd_json_variant_string(p))
		       : 0;
}

/* Another list of edits, or another column, makes another version of the same download. */
static int edits_hash(struct source *s)
{
	static const char *const keys[] = {"disable", "enable", "modify"};
	_cleanup_free_ char *text = NULL;
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *all = NULL;
	int r = 0;

	for (size_t i = 0; i < 3 && r >= 0; i++) {
		sd_json_variant *v = sd_json_variant_by_key(s->config, keys[i]);
		if (v && sd_json_variant_elements(v) > 0)
			r = sd_json_variant_set_field(&all, keys[i], v);
	}
	if (r >= 0 && s->column != 1)
		r = sd_json_variant_set_field_unsigned(&all, "column", s->column);
	if (r < 0 || !all)
		return r;
	r = sd_json_variant_format(all, 0, &text);
	return r < 0 ? r : text_hash(text, s->edits);
}

static int source_parse(
	sd_json_variant *v, sd_json_variant *secrets, struct source_list *l, char **ret_why)
{
	struct set set = {.interval = 60, .column = 1, .enabled = true, .checksum = "none"};

	if (sd_json_dispatch(v, fields, SD_JSON_ALLOW_EXTENSIONS, &set) < 0)
		return invalid(ret_why, set.name ? set.name : "without a name",
			"name, type and url are needed");
	const char *why = set_check(&set, l);
	if (why)
		return invalid(ret_why, set.name, why);
	_cleanup_free_ char *edit_why = NULL;
	if (rule_edit_check(v, &edit_why) < 0)
		return invalid(
			ret_why, set.name, edit_why ? edit_why : "a rule edit cannot be read");
	struct source *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	l->item[l->n++] = s;
	s->type = type_find(set.type);
	s->checksum = (enum checksum_kind)checksum_kind_find(set.checksum);
	s->interval_min = set.interval;
	s->column = set.column;
	s->enabled = set.enabled;
	s->config = sd_json_variant_ref(v);
	if (text_take(&s->name, set.name) < 0 || text_take(&s->url, set.url) < 0 ||
		text_take(&s->user, set.user) < 0 ||
		text_take(&s->public_key, set.public_key) < 0 ||
		text_take(&s->ca_certificate, set.ca_certificate) < 0 ||
		text_take(&s->version_name, set.version_name) < 0 ||
		password_take(s, secrets) < 0 || edits_hash(s) < 0)
		return -ENOMEM;
	return 0;
}

int source_list_parse(
	sd_json_variant *config, sd_json_variant *secrets, struct source_list *ret, char **ret_why)
{
	sd_json_variant *list = sd_json_variant_by_key(config, "source");
	size_t n = list && sd_json_variant_is_array(list) ? sd_json_variant_elements(list) : 0;
	int r = 0;

	*ret = (struct source_list){0};
	for (size_t i = 0; i < n && r == 0; i++)
		r = source_parse(sd_json_variant_by_index(list, i), secrets, ret, ret_why);
	if (r < 0)
		source_list_free(ret);
	return r;
}

static void history_take(struct source *s, const struct source *o)
{
	memcpy(s->etag, o->etag, sizeof(s->etag));
	memcpy(s->modified, o->modified, sizeof(s->modified));
	memcpy(s->version, o->version, sizeof(s->version));
	memcpy(s->result, o->result, sizeof(s->result));
	memcpy(s->why, o->why, sizeof(s->why));
	s->count = o->count;
	s->serial = o->serial;
	s->released = o->released;
	s->failures = o->failures;
	s->first_seen = o->first_seen;
	s->last_try = o->last_try;
	s->last_success = o->last_success;
	s->retry_at = o->retry_at;
	s->unconfirmed = o->unconfirmed;
	s->warned_at = o->warned_at;
	s->due = o->due || strcmp(s->url, o->url) != 0 || strcmp(s->edits, o->edits) != 0;
	if (s->due)
		s->etag[0] = s->modified[0] = '\0';
	if (strcmp(s->url, o->url) != 0)
		s->serial = s->retry_at = 0;
}

void source_list_inherit(struct source_list *l, const struct source_list *old)
{
	for (unsigned i = 0; i < l->n; i++) {
		const struct source *o = source_find(old, l->item[i]->name);
		if (o && o->type == l->item[i]->type)
			history_take(l->item[i], o);
	}
}

void source_file_name(const struct source *s, char *out, size_t cap)
{
	size_t end = strcspn(s->url, "?#"), start = end;

	while (start > 0 && s->url[start - 1] != '/')
		start--;
	snprintf(out, cap, "%.*s", (int)(end - start), s->url + start);
}

char *source_url(const struct source *s, const char *suffix)
{
	static const char mark[] = "{password}";
	size_t path = strcspn(s->url, "?#");
	const char *at = s->password ? strstr(s->url, mark) : NULL;
	size_t before = at ? (size_t)(at - s->url) : path,
	       after = at ? before + sizeof(mark) - 1 : path;
	char *url = NULL;

	if (at && after > path) /* behind the "?": the suffix comes first */
		return asprintf(&url, "%.*s%s%.*s%s%s", (int)path, s->url, suffix,
			       (int)(before - path), s->url + path, s->password, s->url + after) < 0
			       ? NULL
			       : url;
	return asprintf(&url, "%.*s%s%.*s%s%s", (int)before, s->url, at ? s->password : "",
		       (int)(path - after), s->url + after, suffix, s->url + path) < 0
		       ? NULL
		       : url;
}
