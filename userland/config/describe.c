#include "config/describe.h"

#include <stdio.h>
#include <string.h>

static int add(sd_json_variant **list, const char *word, const char *help, const char *kind)
{
	return sd_json_variant_append_arraybo(list, SD_JSON_BUILD_PAIR_STRING("word", word),
		SD_JSON_BUILD_PAIR_STRING("help", help ? help : ""),
		SD_JSON_BUILD_PAIR_STRING("kind", kind));
}

/* Words a value of this type may be, or a placeholder that says what is taken. */
static int add_values(sd_json_variant **list, const struct lysc_node *node)
{
	const struct lysc_type *type = schema_type(node);
	const struct lysc_type_enum *e = (const struct lysc_type_enum *)type;
	char accepted[SCHEMA_PATH_BYTES], word[80];
	LY_ARRAY_COUNT_TYPE i;
	int r = 0;

	if (type->basetype == LY_TYPE_ENUM) {
		LY_ARRAY_FOR(e->enums, i)
		if (r >= 0)
			r = add(list, e->enums[i].name, e->enums[i].dsc, "word");
		return r;
	}
	if (type->basetype == LY_TYPE_BOOL) {
		r = add(list, "true", node->dsc, "word");
		return r < 0 ? r : add(list, "false", NULL, "word");
	}
	schema_accepted(node, accepted, sizeof(accepted));
	snprintf(word, sizeof(word), "<%.60s>", type->name ? type->name : accepted);
	return add(list, word, node->dsc, "placeholder");
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
		return add_values(list, key);
	up.n--;
	if (up.n)
		siblings = lyd_child(tree_find(tree, &up));
	LY_LIST_FOR(siblings, n)
	if (r >= 0 && n->schema == node)
		r = add(list, lyd_get_value(lyd_child(n)), "Configured.", "word");
	return r < 0 ? r : add_values(list, key);
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
		r = add_values(&list, last);
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
