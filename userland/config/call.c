#include "config/call.h"

#include <errno.h>
#include <pwd.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"

#define ROW(name, type, dispatch, field) {name, type, dispatch, offsetof(struct call, field), 0}
#define TEXT(name, field) ROW(name, SD_JSON_VARIANT_STRING, sd_json_dispatch_const_string, field)
#define NUMBER(name, field) ROW(name, SD_JSON_VARIANT_UNSIGNED, sd_json_dispatch_uint32, field)
#define FLAG(name, field) ROW(name, SD_JSON_VARIANT_BOOLEAN, sd_json_dispatch_tristate, field)

static const sd_json_dispatch_field fields[] = {
	ROW("path", SD_JSON_VARIANT_ARRAY, sd_json_dispatch_strv, path),
	TEXT("value", value),
	TEXT("source", source),
	TEXT("comment", comment),
	TEXT("before", before),
	TEXT("after", after),
	TEXT("text", text),
	TEXT("mode", mode),
	TEXT("format", format),
	TEXT("from", from),
	NUMBER("rollback", rollback),
	NUMBER("number", number),
	NUMBER("confirm_minutes", confirm_minutes),
	FLAG("defaults", defaults),
	FLAG("secrets", secrets),
	{},
};

void service_name(uid_t uid, char *out, size_t cap)
{
	const struct passwd *account = getpwuid(uid);

	if (account)
		snprintf(out, cap, "%s", account->pw_name);
	else
		snprintf(out, cap, "uid %u", uid);
}

bool call_begin(struct call *c, sd_varlink *link, sd_json_variant *parameters, void *userdata,
	bool wants_session, int *ret)
{
	uid_t uid = (uid_t)-1;

	*c = (struct call){.s = userdata, .link = link, .rollback = CALL_ROLLBACK_NONE};
	*ret = sd_varlink_dispatch(link, parameters, fields, c);
	if (*ret != 0)
		return false;
	sd_varlink_get_peer_uid(link, &uid);
	service_name(uid, c->user, sizeof(c->user));
	c->role = role_of_peer(sd_varlink_get_fd(link));
	if (!wants_session)
		return true;
	c->session = session_get(&c->s->sessions, link, c->s->now.running->tree, c->s->generation);
	if (!c->session)
		*ret = call_refuse_why(c, INTERFACE "TooManySessions",
			"too many administrators are configuring at once");
	return c->session;
}

void call_end(struct call *c)
{
	for (char **p = c->path; p && *p; p++)
		free(*p);
	free(c->path);
	fault_fini(&c->f);
}

char *const *call_words(struct call *c)
{
	static char *none[] = {NULL};
	size_t n = 0;

	while (c->path && c->path[n])
		n++;
	if (c->value) {
		char **longer = realloc(c->path, (n + 2) * sizeof(*longer));
		if (!longer)
			return none;
		c->path = longer;
		longer[n] = strdup(c->value);
		longer[n + 1] = NULL;
		c->value = NULL;
	}
	return c->path ? c->path : none;
}

int call_refuse(struct call *c, const char *error)
{
	const struct fault *f = &c->f;

	return sd_varlink_errorbo(c->link, error,
		SD_JSON_BUILD_PAIR_CONDITION(
			f->path && *f->path, "path", SD_JSON_BUILD_STRING(f->path)),
		SD_JSON_BUILD_PAIR_CONDITION(!!f->value, "value", SD_JSON_BUILD_STRING(f->value)),
		SD_JSON_BUILD_PAIR_STRING("why", f->why ? f->why : "out of memory"),
		SD_JSON_BUILD_PAIR_CONDITION(f->accepted && *f->accepted, "accepted",
			SD_JSON_BUILD_STRING(f->accepted)));
}

int call_refuse_why(struct call *c, const char *error, const char *why)
{
	return sd_varlink_errorbo(c->link, error, SD_JSON_BUILD_PAIR_STRING("why", why));
}

int call_invalid(struct call *c, const char *parameter, const char *value, const char *accepted)
{
	fault_set(&c->f, -EINVAL, parameter, value, accepted, "this value is not accepted");
	return call_refuse(c, INTERFACE "Invalid");
}
