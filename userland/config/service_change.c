/* Methods of io.sekisho.Config that change the candidate. */
#include <errno.h>
#include <string.h>

#include "config/call.h"
#include "config/script.h"
#include "lib/cleanup.h"

typedef int (*change_t)(struct call *c, const struct target *t);

static int do_set(struct call *c, const struct target *t)
{
	return tree_set(&c->session->candidate, &c->s->schema, t, &c->f);
}

static int do_delete(struct call *c, const struct target *t)
{
	return tree_delete(&c->session->candidate, t, &c->f);
}

static int do_insert(struct call *c, const struct target *t)
{
	return tree_insert(&c->session->candidate, t, c->before, c->after, &c->f);
}

static int change(sd_varlink *link, sd_json_variant *parameters, void *userdata, change_t what)
{
	_cleanup_call_ struct call c;
	struct target t;
	int r;

	if (!call_begin(&c, link, parameters, userdata, true, &r))
		return r;
	if (schema_resolve(&c.s->schema, call_words(&c), &t, &c.f) < 0)
		return call_refuse(&c, INTERFACE "Invalid");
	bool was_dirty = c.session->dirty;
	session_touch(c.session);
	r = what(&c, &t);
	target_fini(&t);
	if (r < 0 && !was_dirty)
		session_reset(c.session, c.s->now.running->tree, c.s->generation);
	return r < 0 ? call_refuse(&c, INTERFACE "Invalid") : sd_varlink_reply(link, NULL);
}

int service_set(sd_varlink *link, sd_json_variant *parameters, sd_varlink_method_flags_t flags,
	void *userdata)
{
	(void)flags;
	return change(link, parameters, userdata, do_set);
}

int service_delete(sd_varlink *link, sd_json_variant *parameters, sd_varlink_method_flags_t flags,
	void *userdata)
{
	(void)flags;
	return change(link, parameters, userdata, do_delete);
}

int service_insert(sd_varlink *link, sd_json_variant *parameters, sd_varlink_method_flags_t flags,
	void *userdata)
{
	(void)flags;
	return change(link, parameters, userdata, do_insert);
}

/* The candidate becomes next, which it owns from now on; the reply is what that changes. */
static int take_tree(struct call *c, struct lyd_node *next, const char *reply)
{
	_cleanup_free_ char *diff = tree_diff(c->session->candidate, next, true);

	session_touch(c->session);
	lyd_free_all(c->session->candidate);
	c->session->candidate = next;
	return diff ? sd_varlink_replybo(c->link, SD_JSON_BUILD_PAIR_STRING(reply, diff)) : -ENOMEM;
}

static int load_merge(struct call *c, struct lyd_node *text, struct lyd_node **next)
{
	*next = tree_dup(c->session->candidate);
	if (text && lyd_merge_siblings(next, text, 0))
		return fault_set(&c->f, -EINVAL, NULL, NULL, NULL, "it cannot be merged");
	return 0;
}

static int load_replace(struct call *c, struct lyd_node *text, struct lyd_node **next)
{
	*next = tree_dup(text);
	tree_keep_secrets(next, c->session->candidate);
	return 0;
}

static int load_script(struct call *c, bool replace, struct lyd_node **next)
{
	int r;

	*next = replace ? NULL : tree_dup(c->session->candidate);
	r = script_apply(next, &c->s->schema, c->text, &c->f);
	if (r >= 0 && replace)
		tree_keep_secrets(next, c->session->candidate);
	return r;
}

static int load_tree(struct call *c, enum tree_format format, bool replace, struct lyd_node **next)
{
	struct lyd_node *text = NULL;
	int r = tree_parse(&c->s->schema, c->text, format, &text, &c->f);

	if (r >= 0)
		r = replace ? load_replace(c, text, next) : load_merge(c, text, next);
	lyd_free_all(text);
	return r;
}

int service_load(sd_varlink *link, sd_json_variant *parameters, sd_varlink_method_flags_t flags,
	void *userdata)
{
	_cleanup_call_ struct call c;
	struct lyd_node *next = NULL;
	int r;

	(void)flags;
	if (!call_begin(&c, link, parameters, userdata, true, &r))
		return r;
	const char *mode = c.mode ? c.mode : "";
	bool replace = strcmp(mode, "replace") == 0, lines = strcmp(mode, "set") == 0;
	if (!replace && !lines && strcmp(mode, "merge") != 0)
		return call_invalid(&c, "mode", mode, "merge | replace | set");
	if (!c.text || strlen(c.text) > RECORD_BYTES_MAX)
		return call_refuse_why(
			&c, INTERFACE "Invalid", "there is no text, or too much of it");
	const char *format = c.format ? c.format : lines ? "set" : "json";
	if (strcmp(format, "set") == 0)
		r = load_script(&c, replace, &next);
	else if (!lines && (strcmp(format, "json") == 0 || strcmp(format, "xml") == 0))
		r = load_tree(&c, *format == 'x' ? TREE_XML : TREE_JSON, replace, &next);
	else
		return call_invalid(&c, "format", format, lines ? "set" : "json | xml | set");
	if (r < 0) {
		lyd_free_all(next);
		return call_refuse(&c, INTERFACE "Invalid");
	}
	return take_tree(&c, next, "changes");
}

int service_rollback(sd_varlink *link, sd_json_variant *parameters, sd_varlink_method_flags_t flags,
	void *userdata)
{
	_cleanup_call_ struct call c;
	struct lyd_node *next = NULL;
	int r;

	(void)flags;
	if (!call_begin(&c, link, parameters, userdata, true, &r))
		return r;
	if (service_rollback_tree(c.s, c.number, &next, &c.f) < 0)
		return call_refuse(&c, INTERFACE "Invalid");
	r = take_tree(&c, next, "diff");
	if (c.number == 0)
		session_reset(c.session, c.s->now.running->tree, c.s->generation);
	return r;
}

int service_update(sd_varlink *link, sd_json_variant *parameters, sd_varlink_method_flags_t flags,
	void *userdata)
{
	_cleanup_call_ struct call c;
	int r;

	(void)flags;
	if (!call_begin(&c, link, parameters, userdata, true, &r))
		return r;
	const struct lyd_node *running = c.s->now.running->tree;
	if (session_rebase(c.session, &c.s->schema, running, c.s->generation, &c.f) < 0)
		return call_refuse(&c, INTERFACE "Invalid");
	_cleanup_free_ char *diff = tree_diff(running, c.session->candidate, true);
	return diff ? sd_varlink_replybo(link, SD_JSON_BUILD_PAIR_STRING("diff", diff)) : -ENOMEM;
}

int service_discard(sd_varlink *link, sd_json_variant *parameters, sd_varlink_method_flags_t flags,
	void *userdata)
{
	_cleanup_call_ struct call c;
	int r;

	(void)flags;
	if (!call_begin(&c, link, parameters, userdata, true, &r))
		return r;
	session_reset(c.session, c.s->now.running->tree, c.s->generation);
	return sd_varlink_reply(link, NULL);
}
