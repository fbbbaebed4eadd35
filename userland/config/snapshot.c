#include "config/snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"

struct container {
	unsigned refs;
	const char *name; /* of the schema */
	char *text;       /* with defaults and secrets */
	sd_json_variant *config;
	sd_json_variant *public;
};

static void container_unref(struct container *c)
{
	if (!c || --c->refs > 0)
		return;
	free(c->text);
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

/* Takes the text. */
static struct container *container_new(struct lyd_node *node, char *text)
{
	struct container *c = calloc(1, sizeof(*c));
	_cleanup_free_ char *public = NULL;

	if (!c) {
		free(text);
		return NULL;
	}
	*c = (struct container){.refs = 1, .name = node->schema->name, .text = text};
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

static int add_container(struct lyd_node *node, const struct snapshot *old, struct snapshot *ret)
{
	struct container *c = find(old, node->schema->name);
	char *text = tree_container_text(node);

	if (!text)
		return -ENOMEM;
	if (ret->n == SNAPSHOT_CONTAINERS) {
		free(text);
		return -E2BIG;
	}
	if (c && strcmp(c->text, text) == 0) {
		free(text);
		c->refs++;
	} else if (!(c = container_new(node, text))) {
		return -ENOMEM;
	}
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
