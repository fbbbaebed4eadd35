#include "config/tree.h"

#include <errno.h>
#include <string.h>

struct lyd_node *tree_dup(const struct lyd_node *tree)
{
	struct lyd_node *copy = NULL;

	if (tree)
		lyd_dup_siblings(tree, NULL, LYD_DUP_RECURSIVE, &copy);
	return copy;
}

struct lyd_node *tree_find_same(const struct lyd_node *siblings, const struct lyd_node *node)
{
	struct lyd_node *found = NULL;

	if (!siblings)
		return NULL;
	/* lyd_find_sibling_first() takes a leaf with another value for another leaf. */
	if (node->schema->nodetype & (LYS_LEAF | LYS_CONTAINER))
		lyd_find_sibling_val(siblings, node->schema, NULL, 0, &found);
	else
		lyd_find_sibling_first(siblings, node, &found);
	return found;
}

static struct lyd_node *find_step(
	const struct lyd_node *siblings, const struct step *step, const char *value)
{
	struct lyd_node *found = NULL;
	const char *key = step->node->nodetype == LYS_LEAFLIST ? value : step->key;

	if (!siblings || (!key && (step->node->nodetype & (LYS_LIST | LYS_LEAFLIST))))
		return NULL;
	if (step->node->nodetype == LYS_LEAFLIST)
		lyd_find_sibling_val(siblings, step->node, key, strlen(key), &found);
	else if (step->node->nodetype == LYS_LIST) {
		const struct lyd_node *n;
		LY_LIST_FOR(siblings, n)
		if (n->schema == step->node && strcmp(lyd_get_value(lyd_child(n)), key) == 0)
			return (struct lyd_node *)n;
	} else
		lyd_find_sibling_val(siblings, step->node, NULL, 0, &found);
	return found;
}

struct lyd_node *tree_find(const struct lyd_node *tree, const struct target *t)
{
	const struct lyd_node *siblings = tree;
	struct lyd_node *node = NULL;

	for (unsigned i = 0; i < t->n; i++) {
		node = find_step(siblings, &t->steps[i], t->value);
		if (!node)
			return NULL;
		siblings = lyd_child(node);
	}
	return node;
}

static LY_ERR make_step(struct lyd_node *parent, const struct schema *s, const struct step *step,
	const char *value, struct lyd_node **ret)
{
	const char *name = step->node->name;

	if (step->node->nodetype == LYS_CONTAINER)
		return lyd_new_inner(parent, s->module, name, 0, ret);
	if (step->node->nodetype == LYS_LIST) {
		const char *keys[] = {step->key};
		return lyd_new_list3(parent, s->module, name, keys, NULL, 0, ret);
	}
	return lyd_new_term(parent, s->module, name, value, 0, ret);
}

/* *ret_new is the topmost node that was made, for the caller to take away again. */
static int make_path(struct lyd_node **tree, const struct schema *s, const struct target *t,
	struct lyd_node **ret_new)
{
	struct lyd_node *parent = NULL;

	for (unsigned i = 0; i < t->n; i++) {
		struct lyd_node *node =
			find_step(parent ? lyd_child(parent) : *tree, &t->steps[i], t->value);
		if (!node) {
			if (make_step(parent, s, &t->steps[i], t->value, &node))
				return -EINVAL;
			if (!parent && lyd_insert_sibling(*tree, node, tree)) {
				lyd_free_tree(node);
				return -EINVAL;
			}
			if (!*ret_new)
				*ret_new = node;
		} else if (node->schema->nodetype == LYS_LEAF) {
			LY_ERR r = lyd_change_term(node, t->value);
			if (r && r != LY_EEXIST && r != LY_ENOT)
				return -EINVAL;
		}
		parent = node;
	}
	return 0;
}

static void free_node(struct lyd_node **tree, struct lyd_node *node)
{
	if (node == *tree)
		*tree = (*tree)->next;
	lyd_free_tree(node);
}

int tree_set(
	struct lyd_node **tree, const struct schema *s, const struct target *t, struct fault *f)
{
	const struct lysc_node *last = t->n ? t->steps[t->n - 1].node : NULL;
	struct lyd_node *new = NULL;
	char path[SCHEMA_PATH_BYTES], accepted[SCHEMA_PATH_BYTES];

	target_print(t, path, sizeof(path));
	if (last && schema_type(last) && !t->value) {
		schema_accepted(last, accepted, sizeof(accepted));
		return fault_set(f, -EINVAL, path, NULL, accepted, "a value is missing");
	}
	if (t->keyless)
		return fault_set(f, -EINVAL, path, NULL, NULL, "the name of an entry is missing");
	if (!last || last->nodetype == LYS_CONTAINER)
		return fault_set(f, -EINVAL, path, NULL, NULL, "name a setting below this one");
	if (make_path(tree, s, t, &new) >= 0)
		return 0;
	if (new)
		free_node(tree, new);
	const struct ly_err_item *e = ly_err_last(s->ctx);
	return fault_set(f, -EINVAL, path, t->value, NULL, "%s",
		e && e->msg ? e->msg : "the setting was not accepted");
}

/* A container that holds nothing any more says nothing: it goes too. */
static void prune(struct lyd_node **tree, struct lyd_node *node)
{
	while (node && node->schema->nodetype == LYS_CONTAINER && !lyd_child(node)) {
		struct lyd_node *parent = lyd_parent(node);
		free_node(tree, node);
		node = parent;
	}
}

/* A list or leaf-list without the key: all its entries. */
static bool delete_all(struct lyd_node **tree, const struct target *t)
{
	struct target up = *t;
	struct lyd_node *parent = NULL, *node, *next;
	bool any = false;

	up.n--;
	if (up.n && !(parent = tree_find(*tree, &up)))
		return false;
	LY_LIST_FOR_SAFE(parent ? lyd_child(parent) : *tree, next, node)
	{
		if (node->schema != t->steps[t->n - 1].node)
			continue;
		free_node(tree, node);
		any = true;
	}
	prune(tree, parent);
	return any;
}

int tree_delete(struct lyd_node **tree, const struct target *t, struct fault *f)
{
	const struct lysc_node *last = t->n ? t->steps[t->n - 1].node : NULL;
	char path[SCHEMA_PATH_BYTES];

	target_print(t, path, sizeof(path));
	if (!last)
		return fault_set(f, -EINVAL, NULL, NULL, NULL, "name the setting to delete");
	if (t->keyless || (last->nodetype == LYS_LEAFLIST && !t->value)) {
		if (!delete_all(tree, t))
			return fault_set(f, -EINVAL, path, NULL, NULL, "it is not set");
		return 0;
	}
	struct lyd_node *node = tree_find(*tree, t);
	if (!node || (last->nodetype == LYS_LEAF && t->value &&
			     strcmp(lyd_get_value(node), t->value) != 0))
		return fault_set(f, -EINVAL, path, t->value, NULL, "it is not set");
	struct lyd_node *parent = lyd_parent(node);
	free_node(tree, node);
	prune(tree, parent);
	return 0;
}

/* Another entry of the same list, by its name. */
static struct lyd_node *find_entry(
	const struct lyd_node *siblings, const struct target *t, const char *name)
{
	struct step other = t->steps[t->n - 1];

	other.key = (char *)name;
	return find_step(siblings, &other, name);
}

static struct lyd_node *first_entry(struct lyd_node *siblings, const struct lysc_node *schema)
{
	while (siblings && siblings->schema != schema)
		siblings = siblings->next;
	return siblings;
}

int tree_insert(struct lyd_node **tree, const struct target *t, const char *before,
	const char *after, struct fault *f)
{
	const struct lysc_node *last = t->n ? t->steps[t->n - 1].node : NULL;
	const char *name = before ? before : after;
	char path[SCHEMA_PATH_BYTES];

	target_print(t, path, sizeof(path));
	if (!last || !lysc_is_userordered(last))
		return fault_set(f, -EINVAL, path, NULL, NULL, "its order has no meaning");
	struct lyd_node *node = tree_find(*tree, t);
	if (!node)
		return fault_set(f, -EINVAL, path, t->value, NULL, "it is not set");
	struct lyd_node *siblings = lyd_first_sibling(node);
	struct lyd_node *other = name ? find_entry(siblings, t, name) : first_entry(siblings, last);
	if (!other)
		return fault_set(f, -EINVAL, path, name, NULL, "there is no such entry");
	if (other != node &&
		(before || !name ? lyd_insert_before(other, node) : lyd_insert_after(other, node)))
		return fault_set(f, -EINVAL, path, name, NULL, "it cannot stand there");
	*tree = lyd_first_sibling(*tree);
	return 0;
}

static bool has_secret(const struct lyd_node *siblings)
{
	const struct lyd_node *node;

	LY_LIST_FOR(siblings, node)
	{
		if (schema_is_secret(node->schema) || has_secret(lyd_child(node)))
			return true;
	}
	return false;
}

/* A container may be missing because secrets were all it held; a list entry that is missing was
 * deleted. */
static void keep_secret(struct lyd_node **tree, struct lyd_node *parent, const struct lyd_node *old)
{
	struct lyd_node *same = tree_find_same(parent ? lyd_child(parent) : *tree, old);
	const struct lyd_node *child;

	if (!same) {
		if (old->schema->nodetype == LYS_LIST ||
			!(schema_is_secret(old->schema) || has_secret(lyd_child(old))))
			return;
		if (lyd_dup_single(old, (struct lyd_node_inner *)parent, 0, &same))
			return;
		if (!parent)
			lyd_insert_sibling(*tree, same, tree);
	}
	LY_LIST_FOR(lyd_child_no_keys(old), child)
	{
		keep_secret(tree, same, child);
	}
	prune(tree, same);
}

void tree_keep_secrets(struct lyd_node **tree, const struct lyd_node *old)
{
	LY_LIST_FOR(old, old)
	{
		keep_secret(tree, NULL, old);
	}
}
