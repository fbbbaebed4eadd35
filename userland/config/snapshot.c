#include "config/snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"

struct container {
	unsigned refs;
	const char *name;        /* of the schema */
	sd_json_variant *config; /* with defaults and secrets */
	sd_json_variant *public;
};

static void container_unref(struct container *c)
{
	if (!c || --c->refs > 0)
		return;
	sd_json_variant_unref(c->config);
	sd_json_variant_unref(c->public);
	free(c);
}

void snapshot_free(struct snapshot *snapshot)
{
	if (!snapshot)
		return;
	lyd_free_all(snapshot->tree);
	sd_json_variant_unref(snapshot->config);
	sd_json_variant_unref(snapshot->public);
	for (unsigned i = 0; i < snapshot->n; i++)
		container_unref(snapshot->containers[i]);
	free(snapshot);
}

static struct container *find(const struct snapshot *snapshot, const char *name)
{
	for (unsigned i = 0; snapshot && i < snapshot->n; i++)
		if (strcmp(snapshot->containers[i]->name, name) == 0)
			return snapshot->containers[i];
	return NULL;
}

bool snapshot_differs(const struct snapshot *a, const struct snapshot *b, const char *container)
{
	return find(a, container) != find(b, container);
}

static struct container *container_new(struct lyd_node *node)
{
	struct container *c = calloc(1, sizeof(*c));
	_cleanup_free_ char *text = tree_container_text(node), *public = NULL;

	if (!c || !text) {
		free(c);
		return NULL;
	}
	*c = (struct container){.refs = 1, .name = node->schema->name};
	int r = tree_container_json(text, &c->config);
	if (r >= 0 && tree_drop_secrets(lyd_child(node))) {
		public = tree_container_text(node);
		r = public ? tree_container_json(public, &c->public) : -ENOMEM;
	} else if (r >= 0) {
		c->public = sd_json_variant_ref(c->config);
	}
	if (r >= 0)
		return c;
	container_unref(c);
	return NULL;
}

static const struct lyd_node *find_top(const struct lyd_node *tree, const struct lysc_node *schema)
{
	const struct lyd_node *node;

	LY_LIST_FOR(tree, node)
	{
		if (node->schema == schema)
			return node;
	}
	return NULL;
}

/* Was the same set in it? There is no `when` (schema.h), so then its defaults are the same as well.
 */
static bool is_set_alike(
	const struct lysc_node *schema, const struct snapshot *a, const struct snapshot *b)
{
	const struct lyd_node *x = find_top(a->tree, schema), *y = find_top(b->tree, schema);

	if (!x || !y)
		return !x && !y;
	return lyd_compare_single(x, y, LYD_COMPARE_FULL_RECURSION) == LY_SUCCESS;
}

/* The one of old again, with a reference, when it says the same; else a new one. */
static struct container *container_get(
	struct lyd_node *node, const struct snapshot *old, const struct snapshot *new)
{
	struct container *c = find(old, node->schema->name), *made;

	if (c && is_set_alike(node->schema, old, new)) {
		c->refs++;
		return c;
	}
	made = container_new(node);
	/* something is set to what it is anyway, or stands in another place */
	if (!c || !made || !sd_json_variant_equal(c->config, made->config))
		return made;
	container_unref(made);
	c->refs++;
	return c;
}

static int add_container(struct lyd_node *node, const struct snapshot *old, struct snapshot *ret)
{
	if (ret->n == SNAPSHOT_CONTAINERS)
		return -E2BIG;
	struct container *c = container_get(node, old, ret);
	if (!c)
		return -ENOMEM;
	ret->containers[ret->n++] = c;
	int r = sd_json_variant_set_field(&ret->config, c->name, c->config);
	return r < 0 ? r : sd_json_variant_set_field(&ret->public, c->name, c->public);
}

int snapshot_new(const struct schema *s, const struct lyd_node *tree, const struct snapshot *old,
	struct snapshot **ret, struct fault *f)
{
	struct snapshot *new = calloc(1, sizeof(*new));
	struct lyd_node *complete = NULL, *node;

	if (!new)
		return -ENOMEM;
	new->tree = tree_dup(tree);
	int r = tree_complete(s, tree, &complete, f);
	LY_LIST_FOR(complete, node)
	{
		if (r >= 0)
			r = add_container(node, old, new);
	}
	lyd_free_all(complete);
	if (r < 0) {
		snapshot_free(new);
		return r;
	}
	*ret = new;
	return 0;
}
