/* Methods of io.sekisho.Config that show: configurations, differences, history, status. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config/applier.h"
#include "config/call.h"
#include "config/describe.h"
#include "config/lists.h"
#include "lib/cleanup.h"

static void lyd_free_p(struct lyd_node **tree)
{
	lyd_free_all(*tree);
}

/* The configuration that source and rollback name, for the caller to free; answered when 0. */
static int take_source(struct call *c, struct lyd_node **ret)
{
	const char *source = c->source ? c->source : "running";
	uint32_t number = c->rollback == CALL_ROLLBACK_NONE ? 0 : c->rollback;

	*ret = NULL;
	if (strcmp(source, "candidate") == 0) {
		const struct session *own = session_find(&c->s->sessions, c->link);
		*ret = tree_dup(own && own->dirty ? own->candidate : c->s->now.running->tree);
		return 1;
	}
	if (strcmp(source, "startup") == 0) {
		*ret = tree_dup((c->s->now.base ? c->s->now.base : c->s->now.running)->tree);
		return 1;
	}
	if (strcmp(source, "running") != 0 && strcmp(source, "rollback") != 0) {
		call_invalid(c, "source", source, "running | candidate | startup | rollback");
		return 0;
	}
	if (service_rollback_tree(c->s, number, ret, &c->f) < 0) {
		call_refuse(c, INTERFACE "Invalid");
		return 0;
	}
	return 1;
}

static struct lyd_node *top_of(struct lyd_node *node)
{
	while (node && lyd_parent(node))
		node = lyd_parent(node);
	return node;
}

/* The node itself with its parents. */
static struct lyd_node *copy_one(const struct lyd_node *node)
{
	struct lyd_node *copy = NULL;

	lyd_dup_single(node, NULL, LYD_DUP_RECURSIVE | LYD_DUP_WITH_PARENTS, &copy);
	return top_of(copy);
}

/* All entries of a list, with their common parents. */
static struct lyd_node *copy_all(const struct lyd_node *parent, const struct lysc_node *list)
{
	struct lyd_node *copy = NULL, *child;
	const struct lyd_node *node;

	if (lyd_dup_single(parent, NULL, LYD_DUP_WITH_PARENTS, &copy))
		return NULL;
	LY_LIST_FOR(lyd_child(parent), node)
	{
		if (node->schema == list)
			lyd_dup_single(
				node, (struct lyd_node_inner *)copy, LYD_DUP_RECURSIVE, &child);
	}
	return top_of(copy);
}

/* What of tree lies at the words, with its parents; the caller frees it. */
static int cut(struct call *c, const struct lyd_node *tree, struct lyd_node **ret)
{
	struct target t;
	const struct lyd_node *node;
	int r = schema_resolve(&c->s->schema, call_words(c), &t, &c->f);

	if (r < 0)
		return r;
	*ret = NULL;
	const struct lysc_node *last = t.n ? t.steps[t.n - 1].node : NULL;
	bool all = t.keyless || (last && last->nodetype == LYS_LEAFLIST && !t.value);
	if (!last) {
		*ret = tree_dup(tree);
	} else if (all) {
		t.n--;
		node = tree_find(tree, &t);
		*ret = node ? copy_all(node, last) : NULL;
		t.n++;
	} else {
		node = tree_find(tree, &t);
		*ret = node ? copy_one(node) : NULL;
	}
	target_fini(&t);
	return 0;
}

/* The text in the wished format; secrets are masked in lines and left out elsewhere. */
static int print_as(struct call *c, struct lyd_node *tree, bool secrets, char **ret)
{
	const char *format = c->format ? c->format : "set";

	if (strcmp(format, "set") == 0) {
		*ret = tree_diff(NULL, tree, !secrets);
	} else if (strcmp(format, "json") == 0 || strcmp(format, "xml") == 0) {
		if (!secrets)
			tree_drop_secrets(tree);
		*ret = tree_text(tree, *format == 'x' ? TREE_XML : TREE_JSON);
	} else {
		call_invalid(c, "format", format, "set | json | xml");
		return 0;
	}
	return *ret ? 1 : -ENOMEM;
}

int service_get(sd_varlink *link, sd_json_variant *parameters, sd_varlink_method_flags_t flags,
	void *userdata)
{
	_cleanup_call_ struct call c;
	_cleanup_(lyd_free_p) struct lyd_node *tree = NULL, *part = NULL;
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *config = NULL;
	_cleanup_free_ char *text = NULL;
	int r;

	(void)flags;
	if (!call_begin(&c, link, parameters, userdata, false, &r))
		return r;
	if (!take_source(&c, &tree))
		return 0;
	if (c.defaults > 0)
		lyd_new_implicit_all(&tree, c.s->schema.ctx, LYD_IMPLICIT_NO_STATE, NULL);
	if (cut(&c, tree, &part) < 0)
		return call_refuse(&c, INTERFACE "Invalid");
	bool secrets = c.secrets > 0 && c.role == ROLE_ADMIN;
	r = print_as(&c, part, secrets, &text);
	if (r <= 0)
		return r;
	if (!secrets)
		tree_drop_secrets(part);
	r = tree_json(part, &config);
	if (r < 0)
		return r;
	return sd_varlink_replybo(link, SD_JSON_BUILD_PAIR_VARIANT("config", config),
		SD_JSON_BUILD_PAIR_STRING("text", text));
}

int service_export(sd_varlink *link, sd_json_variant *parameters, sd_varlink_method_flags_t flags,
	void *userdata)
{
	_cleanup_call_ struct call c;
	_cleanup_(lyd_free_p) struct lyd_node *tree = NULL;
	_cleanup_free_ char *text = NULL;
	int r;

	(void)flags;
	if (!call_begin(&c, link, parameters, userdata, false, &r))
		return r;
	if (!take_source(&c, &tree))
		return 0;
	if (!c.format)
		c.format = "json";
	tree_drop_secrets(tree);
	r = print_as(&c, tree, false, &text);
	return r <= 0 ? r : sd_varlink_replybo(link, SD_JSON_BUILD_PAIR_STRING("text", text));
}

int service_describe(sd_varlink *link, sd_json_variant *parameters, sd_varlink_method_flags_t flags,
	void *userdata)
{
	_cleanup_call_ struct call c;
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *words = NULL;
	int r;

	(void)flags;
	if (!call_begin(&c, link, parameters, userdata, true, &r))
		return r;
	if (describe(&c.s->schema, c.session->candidate, call_words(&c), &words, &c.f) < 0)
		return call_refuse(&c, INTERFACE "Invalid");
	return sd_varlink_replybo(link, SD_JSON_BUILD_PAIR_VARIANT("words", words));
}

int service_compare(sd_varlink *link, sd_json_variant *parameters, sd_varlink_method_flags_t flags,
	void *userdata)
{
	_cleanup_call_ struct call c;
	_cleanup_(lyd_free_p) struct lyd_node *with = NULL;
	int r;

	(void)flags;
	if (!call_begin(&c, link, parameters, userdata, true, &r))
		return r;
	uint32_t number = c.rollback == CALL_ROLLBACK_NONE ? 0 : c.rollback;
	if (service_rollback_tree(c.s, number, &with, &c.f) < 0)
		return call_refuse(&c, INTERFACE "Invalid");
	_cleanup_free_ char *diff = tree_diff(with, c.session->candidate, true);
	return diff ? sd_varlink_replybo(link, SD_JSON_BUILD_PAIR_STRING("diff", diff)) : -ENOMEM;
}

static int append_commit(sd_json_variant **list, unsigned number, const struct record *r)
{
	char when[32] = "";
	time_t t = (time_t)r->time_s;
	struct tm tm;

	if (r->time_s && gmtime_r(&t, &tm))
		strftime(when, sizeof(when), "%FT%TZ", &tm);
	return sd_json_variant_append_arraybo(list, SD_JSON_BUILD_PAIR_UNSIGNED("number", number),
		SD_JSON_BUILD_PAIR_UNSIGNED("serial", r->serial),
		SD_JSON_BUILD_PAIR_STRING("time", when), SD_JSON_BUILD_PAIR_STRING("user", r->user),
		SD_JSON_BUILD_PAIR_STRING("comment", r->comment));
}

int service_list(sd_varlink *link, sd_json_variant *parameters, sd_varlink_method_flags_t flags,
	void *userdata)
{
	_cleanup_call_ struct call c;
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *commits = NULL;
	struct record *list = NULL;
	unsigned n = 0;
	int r;

	(void)flags;
	if (!call_begin(&c, link, parameters, userdata, false, &r))
		return r;
	r = service_history(c.s, &list, &n);
	for (unsigned i = 0; r >= 0 && i < n; i++)
		r = append_commit(&commits, i, &list[i]);
	free(list);
	if (r < 0)
		return r;
	return sd_varlink_replybo(link, SD_JSON_BUILD_PAIR_VARIANT("commits", commits));
}

static int append_sessions(const struct service *s, sd_json_variant **list)
{
	int r = sd_json_variant_new_array(list, NULL, 0);

	for (size_t i = 0; i < SESSIONS_MAX && r >= 0; i++) {
		const struct session *one = &s->sessions.all[i];
		char user[RECORD_USER_BYTES];
		uid_t uid = (uid_t)-1;
		if (!one->link)
			continue;
		sd_varlink_get_peer_uid(one->link, &uid);
		service_name(uid, user, sizeof(user));
		r = sd_json_variant_append_arraybo(list, SD_JSON_BUILD_PAIR_STRING("user", user),
			SD_JSON_BUILD_PAIR_BOOLEAN("dirty", one->dirty));
	}
	return r;
}

/* What an administrator has to know before anything else. */
static int append_alarms(const struct service *s, sd_json_variant **list)
{
	int r = sd_json_variant_new_array(list, NULL, 0);

	if (r >= 0 && s->now.damaged)
		r = sd_json_variant_append_arrayb(
			list, SD_JSON_BUILD_STRING(
				      "the newest stored configuration was damaged; an older one "
				      "is running"));
	if (r >= 0 && s->now.unconfirmed)
		r = sd_json_variant_append_arrayb(list,
			SD_JSON_BUILD_STRING("the last commit was not confirmed in time and was "
					     "taken back"));
	return r;
}

int service_status(sd_varlink *link, sd_json_variant *parameters, sd_varlink_method_flags_t flags,
	void *userdata)
{
	_cleanup_call_ struct call c;
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *alarms = NULL, *sessions = NULL;
	int r;

	(void)flags;
	if (!call_begin(&c, link, parameters, userdata, false, &r))
		return r;
	const struct service *s = c.s;
	const struct session *own = session_find(&c.s->sessions, link);
	const struct record *pending = service_pending(s);
	r = append_alarms(s, &alarms);
	if (r >= 0)
		r = append_sessions(s, &sessions);
	if (r < 0)
		return r;
	return sd_varlink_replybo(link,
		SD_JSON_BUILD_PAIR_STRING(
			"hostname", config_str(s->now.running->config, "system.hostname")),
		SD_JSON_BUILD_PAIR_BOOLEAN("password_set", service_has_password(s)),
		SD_JSON_BUILD_PAIR_STRING("source", store_origin_names[s->now.origin]),
		SD_JSON_BUILD_PAIR_UNSIGNED("generation", s->generation),
		SD_JSON_BUILD_PAIR_UNSIGNED("serial", s->now.record.serial),
		SD_JSON_BUILD_PAIR_BOOLEAN("dirty", own && own->dirty),
		SD_JSON_BUILD_PAIR_BOOLEAN(
			"conflict", own && own->dirty && own->base != s->generation),
		SD_JSON_BUILD_PAIR_STRING("role", role_names[c.role]),
		SD_JSON_BUILD_PAIR_CONDITION(!!pending, "confirm",
			SD_JSON_BUILD_OBJECT(
				SD_JSON_BUILD_PAIR_STRING("user", pending ? pending->user : ""),
				SD_JSON_BUILD_PAIR_UNSIGNED(
					"seconds", pending ? record_seconds_left(pending) : 0))),
		SD_JSON_BUILD_PAIR_VARIANT("alarms", alarms),
		SD_JSON_BUILD_PAIR_VARIANT("sessions", sessions));
}

/* Of one list (by `value`) with its hits, or all of them without. */
int service_lists(sd_varlink *link, sd_json_variant *parameters, sd_varlink_method_flags_t flags,
	void *userdata)
{
	_cleanup_call_ struct call c;
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *lists = NULL;
	int r;

	(void)flags;
	if (!call_begin(&c, link, parameters, userdata, false, &r))
		return r;
	r = lists_report(c.value, &lists);
	return r < 0 ? sd_varlink_error_errno(link, r)
		     : sd_varlink_replybo(link, SD_JSON_BUILD_PAIR_VARIANT("lists", lists));
}
