#include "config/describe.h"

#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"

static int add(sd_json_variant **list, const char *word, const char *help, const char *kind)
{
	return sd_json_variant_append_arraybo(list, SD_JSON_BUILD_PAIR_STRING("word", word),
		SD_JSON_BUILD_PAIR_STRING("help", help ? help : ""),
		SD_JSON_BUILD_PAIR_STRING("kind", kind));
}

/* The word that stands for a value that the administrator makes up, with all there is to know of
 * it. */
static int add_placeholder(
	sd_json_variant **list, const struct lysc_node *node, const char *current)
{
	const struct lysc_node_leaf *leaf = (const struct lysc_node_leaf *)node;
	const struct lysc_type *type = schema_type(node);
	bool is_leaf = node->nodetype == LYS_LEAF;
	const char *standard = is_leaf && leaf->dflt
				       ? lyd_value_get_canonical(node->module->ctx, leaf->dflt)
				       : NULL;
	const char *units = is_leaf ? leaf->units : NULL;
	char accepted[SCHEMA_PATH_BYTES], word[80];

	schema_accepted(node, accepted, sizeof(accepted));
	snprintf(word, sizeof(word), "<%.60s>", type->name ? type->name : accepted);
	return sd_json_variant_append_arraybo(list, SD_JSON_BUILD_PAIR_STRING("word", word),
		SD_JSON_BUILD_PAIR_STRING("help", node->dsc ? node->dsc : ""),
		SD_JSON_BUILD_PAIR_STRING("kind", "placeholder"),
		SD_JSON_BUILD_PAIR_CONDITION(!!standard, "default", SD_JSON_BUILD_STRING(standard)),
		SD_JSON_BUILD_PAIR_CONDITION(!!units, "units", SD_JSON_BUILD_STRING(units)),
		SD_JSON_BUILD_PAIR_CONDITION(!!current, "current", SD_JSON_BUILD_STRING(current)),
		SD_JSON_BUILD_PAIR_CONDITION(
			schema_is_secret(node), "secret", SD_JSON_BUILD_BOOLEAN(true)));
}

/* The values of one node of the schema, wherever they are in the tree. */
static int add_instances(
	sd_json_variant **list, const struct lyd_node *siblings, const struct lysc_node *schema)
{
	const struct lyd_node *node;
	int r = 0;

	LY_LIST_FOR(siblings, node)
	{
		if (r >= 0 && node->schema == schema)
			r = add(list, lyd_get_value(node), "Configured.", "word");
		else if (r >= 0)
			r = add_instances(list, lyd_child(node), schema);
	}
	return r;
}

/* The entries that a reference may name, as they are now. */
static int add_referred(
	sd_json_variant **list, const struct lysc_node *node, const struct lyd_node *tree)
{
	struct ly_set *targets = NULL;
	int r = 0;

	if (lysc_node_lref_targets(node, &targets) != LY_SUCCESS)
		return 0;
	for (uint32_t i = 0; i < targets->count && r >= 0; i++)
		r = add_instances(list, tree, targets->snodes[i]);
	ly_set_free(targets, NULL);
	return r;
}

static int add_links(sd_json_variant **list)
{
	struct if_nameindex *links = if_nameindex();
	int r = 0;

	for (struct if_nameindex *l = links; l && l->if_index && r >= 0; l++)
		if (strcmp(l->if_name, "lo") != 0)
			r = add(list, l->if_name, "Is there.", "word");
	if (links)
		if_freenameindex(links);
	return r;
}

/* Words a value of this type may be, or a placeholder that says what is taken. */
static int add_values(sd_json_variant **list, const struct lysc_node *node,
	const struct lyd_node *tree, const char *current)
{
	const struct lysc_type *type = schema_type(node);
	const struct lysc_type_enum *e = (const struct lysc_type_enum *)type;
	LY_ARRAY_COUNT_TYPE i;
	int r = 0;

	if (type->basetype == LY_TYPE_ENUM) {
		LY_ARRAY_FOR(e->enums, i)
		{
			if (r >= 0)
				r = add(list, e->enums[i].name, e->enums[i].dsc, "word");
		}
		return r;
	}
	if (type->basetype == LY_TYPE_BOOL) {
		r = add(list, "true", node->dsc, "word");
		return r < 0 ? r : add(list, "false", NULL, "word");
	}
	if (type->basetype == LY_TYPE_LEAFREF)
		r = add_referred(list, node, tree);
	else if (type->name && strcmp(type->name, "link-name") == 0)
		r = add_links(list);
	return r < 0 ? r : add_placeholder(list, node, current);
}

/* Entries that the list already has, then what a key may be. */
static int add_entries(sd_json_variant **list, const struct lyd_node *tree, const struct target *t)
{
	const struct lysc_node *node = t->steps[t->n - 1].node;
	const struct lysc_node *key = lysc_node_child(node);
	const struct lyd_node *siblings = tree, *n;
	struct target up = *t;
	int r = 0;

	if (schema_type(key)->basetype == LY_TYPE_ENUM)
		return add_values(list, key, tree, NULL);
	up.n--;
	if (up.n)
		siblings = lyd_child(tree_find(tree, &up));
	LY_LIST_FOR(siblings, n)
	{
		if (r >= 0 && n->schema == node)
			r = add(list, lyd_get_value(lyd_child(n)), "Configured.", "word");
	}
	return r < 0 ? r : add_values(list, key, tree, NULL);
}

static int add_children(
	sd_json_variant **list, const struct schema *s, const struct lysc_node *parent)
{
	const struct lysc_node *child = NULL;
	int r = 0;

	while (r >= 0 && (child = schema_next(s, parent, child)))
		r = add(list, child->name, child->dsc, "word");
	return r;
}

static const char *current_value(const struct lyd_node *tree, const struct target *t)
{
	const struct lyd_node *node = tree_find(tree, t);

	return node && node->schema->nodetype == LYS_LEAF && !schema_is_secret(node->schema)
		       ? lyd_get_value(node)
		       : NULL;
}

int describe(const struct schema *s, const struct lyd_node *tree, char *const *words,
	sd_json_variant **ret, struct fault *f)
{
	sd_json_variant *list = NULL;
	struct target t;
	int r = schema_resolve(s, words, &t, f);

	if (r < 0)
		return r;
	const struct lysc_node *last = t.n ? t.steps[t.n - 1].node : NULL;
	if (t.keyless)
		r = add_entries(&list, tree, &t);
	else if (!last || !schema_type(last))
		r = add_children(&list, s, last);
	else if (!t.value)
		r = add_values(&list, last, tree, current_value(tree, &t));
	if (r >= 0 && !list)
		r = sd_json_variant_new_array(&list, NULL, 0);
	target_fini(&t);
	if (r < 0) {
		sd_json_variant_unref(list);
		return r;
	}
	*ret = list;
	return 0;
}
