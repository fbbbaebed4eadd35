#include "config/service.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "config/applier.h"
#include "config/commit.h"
#include "config/describe.h"
#include "config/etc.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#define INTERFACE "io.sekisho.Config."

struct request {
	char **path;
	const char *value;
	const char *source;
	const char *comment;
};

static void request_fini(struct request *q)
{
	for (char **p = q->path; p && *p; p++)
		free(*p);
	free(q->path);
}

static char *no_words[] = {NULL};

/* 0 with *q filled in; anything else has been answered. */
static int request_read(sd_varlink *link, sd_json_variant *parameters, struct request *q)
{
	static const sd_json_dispatch_field fields[] = {
		{"path", SD_JSON_VARIANT_ARRAY, sd_json_dispatch_strv,
			offsetof(struct request, path), 0},
		{"value", SD_JSON_VARIANT_STRING, sd_json_dispatch_const_string,
			offsetof(struct request, value), 0},
		{"source", SD_JSON_VARIANT_STRING, sd_json_dispatch_const_string,
			offsetof(struct request, source), 0},
		{"comment", SD_JSON_VARIANT_STRING, sd_json_dispatch_const_string,
			offsetof(struct request, comment), 0},
		{},
	};

	return sd_varlink_dispatch(link, parameters, fields, q);
}

static int reply_fault(sd_varlink *link, const char *error, const struct fault *f)
{
	return sd_varlink_errorbo(link, error,
		SD_JSON_BUILD_PAIR_CONDITION(
			f->path && *f->path, "path", SD_JSON_BUILD_STRING(f->path)),
		SD_JSON_BUILD_PAIR_CONDITION(!!f->value, "value", SD_JSON_BUILD_STRING(f->value)),
		SD_JSON_BUILD_PAIR_STRING("why", f->why ? f->why : "out of memory"),
		SD_JSON_BUILD_PAIR_CONDITION(f->accepted && *f->accepted, "accepted",
			SD_JSON_BUILD_STRING(f->accepted)));
}

static int reply_why(sd_varlink *link, const char *error, const char *why)
{
	return sd_varlink_errorbo(link, error, SD_JSON_BUILD_PAIR_STRING("why", why));
}

static void session_reset(struct service *s, struct session *session)
{
	lyd_free_all(session->candidate);
	session->candidate = tree_dup(s->running->tree);
	session->base = s->generation;
	session->dirty = false;
}

/* NULL: answered with TooManySessions. */
static struct session *session_get(struct service *s, sd_varlink *link)
{
	struct session *free_one = NULL;

	for (size_t i = 0; i < SERVICE_SESSIONS; i++) {
		struct session *one = &s->sessions[i];
		if (one->link == link) {
			if (!one->dirty && one->base != s->generation)
				session_reset(s, one);
			return one;
		}
		if (!one->link && !free_one)
			free_one = one;
	}
	if (!free_one) {
		reply_why(link, INTERFACE "TooManySessions",
			"too many administrators are configuring at once");
		return NULL;
	}
	free_one->link = link;
	session_reset(s, free_one);
	return free_one;
}

static void session_free(struct session *session)
{
	lyd_free_all(session->candidate);
	*session = (struct session){0};
}

static void on_disconnect(sd_varlink_server *server, sd_varlink *link, void *userdata)
{
	struct service *s = userdata;

	(void)server;
	for (size_t i = 0; i < SERVICE_SESSIONS; i++)
		if (s->sessions[i].link == link)
			session_free(&s->sessions[i]);
}

/* Appends the value, if any, to the words of the path. */
static int words_with_value(struct request *q)
{
	size_t n = 0;

	while (q->path && q->path[n])
		n++;
	if (!q->value)
		return 0;
	char **longer = realloc(q->path, (n + 2) * sizeof(*longer));
	if (!longer)
		return -ENOMEM;
	q->path = longer;
	longer[n] = strdup(q->value);
	longer[n + 1] = NULL;
	return longer[n] ? 0 : -ENOMEM;
}

static int change(sd_varlink *link, sd_json_variant *parameters, struct service *s, bool set)
{
	_cleanup_(request_fini) struct request q = {0};
	_cleanup_(fault_fini) struct fault f = {0};
	struct target t;
	int r = request_read(link, parameters, &q);

	if (r != 0)
		return r;
	struct session *session = session_get(s, link);
	if (!session)
		return 0;
	r = words_with_value(&q);
	if (r < 0)
		return r;
	if (schema_resolve(&s->schema, q.path ? q.path : no_words, &t, &f) < 0)
		return reply_fault(link, INTERFACE "Invalid", &f);
	r = set ? tree_set(&session->candidate, &s->schema, &t, &f)
		: tree_delete(&session->candidate, &t, &f);
	target_fini(&t);
	if (r < 0)
		return reply_fault(link, INTERFACE "Invalid", &f);
	session->dirty = true;
	return sd_varlink_reply(link, NULL);
}

static int on_set(sd_varlink *link, sd_json_variant *parameters, sd_varlink_method_flags_t flags,
	void *userdata)
{
	(void)flags;
	return change(link, parameters, userdata, true);
}

static int on_delete(sd_varlink *link, sd_json_variant *parameters, sd_varlink_method_flags_t flags,
	void *userdata)
{
	(void)flags;
	return change(link, parameters, userdata, false);
}

/* What of tree lies at the words, with its parents; the caller frees it. */
static int cut(const struct service *s, const struct lyd_node *tree, char *const *words,
	struct lyd_node **ret, struct fault *f)
{
	struct target t;
	struct lyd_node *node, *copy = NULL;
	int r = schema_resolve(&s->schema, words, &t, f);

	if (r < 0)
		return r;
	if (t.keyless)
		t.n--; /* all entries: what their parent holds */
	*ret = NULL;
	if (t.n == 0)
		*ret = tree_dup(tree);
	else if ((node = tree_find(tree, &t)) &&
		 lyd_dup_single(node, NULL, LYD_DUP_RECURSIVE | LYD_DUP_WITH_PARENTS, &copy) ==
			 LY_SUCCESS) {
		while (lyd_parent(copy))
			copy = lyd_parent(copy);
		*ret = copy;
	}
	target_fini(&t);
	return 0;
}

static int on_get(sd_varlink *link, sd_json_variant *parameters, sd_varlink_method_flags_t flags,
	void *userdata)
{
	struct service *s = userdata;
	_cleanup_(request_fini) struct request q = {0};
	_cleanup_(fault_fini) struct fault f = {0};
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *config = NULL;
	const struct lyd_node *tree = s->running->tree;
	struct lyd_node *part = NULL;
	int r = request_read(link, parameters, &q);

	(void)flags;
	if (r != 0)
		return r;
	if (q.source && strcmp(q.source, "candidate") == 0) {
		struct session *session = session_get(s, link);
		if (!session)
			return 0;
		tree = session->candidate;
	} else if (q.source && strcmp(q.source, "running") != 0) {
		return sd_varlink_error_invalid_parameter_name(link, "source");
	}
	if (cut(s, tree, q.path ? q.path : no_words, &part, &f) < 0)
		return reply_fault(link, INTERFACE "Invalid", &f);
	_cleanup_free_ char *text = tree_diff(NULL, part, false);
	r = text ? tree_json(part, &config) : -ENOMEM;
	lyd_free_all(part);
	if (r < 0)
		return r;
	return sd_varlink_replybo(link, SD_JSON_BUILD_PAIR_VARIANT("config", config),
		SD_JSON_BUILD_PAIR_STRING("text", text));
}

static int on_describe(sd_varlink *link, sd_json_variant *parameters,
	sd_varlink_method_flags_t flags, void *userdata)
{
	struct service *s = userdata;
	_cleanup_(request_fini) struct request q = {0};
	_cleanup_(fault_fini) struct fault f = {0};
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *words = NULL;
	int r = request_read(link, parameters, &q);

	(void)flags;
	if (r != 0)
		return r;
	struct session *session = session_get(s, link);
	if (!session)
		return 0;
	if (describe(&s->schema, session->candidate, q.path ? q.path : no_words, &words, &f) < 0)
		return reply_fault(link, INTERFACE "Invalid", &f);
	return sd_varlink_replybo(link, SD_JSON_BUILD_PAIR_VARIANT("words", words));
}

static int on_compare(sd_varlink *link, sd_json_variant *parameters,
	sd_varlink_method_flags_t flags, void *userdata)
{
	struct service *s = userdata;
	struct session *session = session_get(s, link);

	(void)parameters;
	(void)flags;
	if (!session)
		return 0;
	_cleanup_free_ char *diff = tree_diff(s->running->tree, session->candidate, true);
	return diff ? sd_varlink_replybo(link, SD_JSON_BUILD_PAIR_STRING("diff", diff)) : -ENOMEM;
}

static int on_check(sd_varlink *link, sd_json_variant *parameters, sd_varlink_method_flags_t flags,
	void *userdata)
{
	struct service *s = userdata;
	_cleanup_(fault_fini) struct fault f = {0};
	struct snapshot *next = NULL;
	struct session *session = session_get(s, link);

	(void)parameters;
	(void)flags;
	if (!session)
		return 0;
	if (snapshot_new(&s->schema, session->candidate, &next, &f) < 0)
		return reply_fault(link, INTERFACE "Invalid", &f);
	int r = commit_check(s->running, next, &f);
	snapshot_free(next);
	return r < 0 ? reply_fault(link, INTERFACE "Failed", &f) : sd_varlink_reply(link, NULL);
}

static void name_peer(sd_varlink *link, char *out, size_t cap)
{
	uid_t uid = (uid_t)-1;

	sd_varlink_get_peer_uid(link, &uid);
	const struct passwd *account = getpwuid(uid);
	if (account)
		snprintf(out, cap, "%s", account->pw_name);
	else
		snprintf(out, cap, "uid %u", uid);
}

static void audit(struct service *s, sd_varlink *link, const char *comment, char *diff)
{
	char user[64];
	struct jsonw w;
	struct span text = span_take(span_str(diff), SERVICE_DIFF_BYTES);

	name_peer(link, user, sizeof(user));
	log_info("%s committed a configuration", user);
	if (!s->eve)
		return;
	eve_begin(s->eve, &w, "config", NULL);
	jsonw_object(&w, "config");
	jsonw_str(&w, "user", user);
	if (comment)
		jsonw_span(&w, "comment", span_take(span_str(comment), 1024));
	jsonw_span(&w, "diff", text);
	jsonw_end(&w);
	eve_end(s->eve, &w);
	eve_flush(s->eve);
}

static int commit(struct service *s, struct session *session, sd_varlink *link, const char *comment)
{
	_cleanup_(fault_fini) struct fault f = {0};
	_cleanup_free_ char *diff = tree_diff(s->running->tree, session->candidate, true);
	struct snapshot *next = NULL;

	if (!diff)
		return -ENOMEM;
	if (snapshot_new(&s->schema, session->candidate, &next, &f) < 0)
		return reply_fault(link, INTERFACE "Invalid", &f);
	int r = commit_run(s->running, next, &f);
	if (r < 0) {
		snapshot_free(next);
		log_warning("a commit failed: %s", f.why ? f.why : strerror(-r));
		return reply_fault(link, INTERFACE "Failed", &f);
	}
	if (r > 0) {
		snapshot_free(s->running);
		s->running = take_ptr(next);
		s->generation++;
		s->origin = STORE_STARTUP;
		audit(s, link, comment, diff);
	}
	snapshot_free(next);
	session_reset(s, session);
	return sd_varlink_replybo(link, SD_JSON_BUILD_PAIR_BOOLEAN("changed", r > 0),
		SD_JSON_BUILD_PAIR_STRING("diff", diff));
}

static int on_commit(sd_varlink *link, sd_json_variant *parameters, sd_varlink_method_flags_t flags,
	void *userdata)
{
	struct service *s = userdata;
	_cleanup_(request_fini) struct request q = {0};
	int r = request_read(link, parameters, &q);

	(void)flags;
	if (r != 0)
		return r;
	struct session *session = session_get(s, link);
	if (!session)
		return 0;
	if (session->base != s->generation)
		return reply_why(link, INTERFACE "Conflict",
			"somebody else has committed meanwhile; 'discard' and make the change "
			"again");
	return commit(s, session, link, q.comment);
}

static int on_discard(sd_varlink *link, sd_json_variant *parameters,
	sd_varlink_method_flags_t flags, void *userdata)
{
	struct service *s = userdata;
	struct session *session = session_get(s, link);

	(void)parameters;
	(void)flags;
	if (!session)
		return 0;
	session_reset(s, session);
	return sd_varlink_reply(link, NULL);
}

bool service_has_password(const struct service *s)
{
	sd_json_variant *user;

	config_foreach(user, s->running->config,
		"system.user") if (config_str(user, "password-hash")) return true;
	return false;
}

static int on_status(sd_varlink *link, sd_json_variant *parameters, sd_varlink_method_flags_t flags,
	void *userdata)
{
	struct service *s = userdata;
	bool dirty = false;

	(void)parameters;
	(void)flags;
	for (size_t i = 0; i < SERVICE_SESSIONS; i++)
		dirty |= s->sessions[i].link == link && s->sessions[i].dirty;
	return sd_varlink_replybo(link,
		SD_JSON_BUILD_PAIR_STRING(
			"hostname", config_str(s->running->config, "system.hostname")),
		SD_JSON_BUILD_PAIR_BOOLEAN("password_set", service_has_password(s)),
		SD_JSON_BUILD_PAIR_STRING("source", store_origin_names[s->origin]),
		SD_JSON_BUILD_PAIR_UNSIGNED("generation", s->generation),
		SD_JSON_BUILD_PAIR_BOOLEAN("dirty", dirty));
}

int service_bind(struct service *s, sd_varlink_server *server)
{
	(void)s; /* the server's userdata, so each call's */
	int r = sd_varlink_server_bind_disconnect(server, on_disconnect);

	if (r < 0)
		return r;
	return sd_varlink_server_bind_method_many(server, INTERFACE "Set", on_set,
		INTERFACE "Delete", on_delete, INTERFACE "Get", on_get, INTERFACE "Describe",
		on_describe, INTERFACE "Compare", on_compare, INTERFACE "Check", on_check,
		INTERFACE "Commit", on_commit, INTERFACE "Discard", on_discard, INTERFACE "Status",
		on_status);
}

void service_fini(struct service *s)
{
	for (size_t i = 0; i < SERVICE_SESSIONS; i++)
		session_free(&s->sessions[i]);
	snapshot_free(s->running);
	eve_free(s->eve);
	schema_fini(&s->schema);
}
