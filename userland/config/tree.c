#include "config/tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"

static void lyd_free_p(struct lyd_node **tree)
{
	lyd_free_all(*tree);
}

struct lyd_node *tree_dup(const struct lyd_node *tree)
{
	struct lyd_node *copy = NULL;

	if (tree)
		lyd_dup_siblings(tree, NULL, LYD_DUP_RECURSIVE, &copy);
	return copy;
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

static int make_path(struct lyd_node **tree, const struct schema *s, const struct target *t)
{
	struct lyd_node *parent = NULL;

	for (unsigned i = 0; i < t->n; i++) {
		struct lyd_node *node =
			find_step(parent ? lyd_child(parent) : *tree, &t->steps[i], t->value);
		if (!node) {
			if (make_step(parent, s, &t->steps[i], t->value, &node))
				return -EINVAL;
			if (!parent && lyd_insert_sibling(*tree, node, tree))
				return -EINVAL;
		} else if (node->schema->nodetype == LYS_LEAF) {
			LY_ERR r = lyd_change_term(node, t->value);
			if (r && r != LY_EEXIST && r != LY_ENOT)
				return -EINVAL;
		}
		parent = node;
	}
	return 0;
}

int tree_set(
	struct lyd_node **tree, const struct schema *s, const struct target *t, struct fault *f)
{
	const struct lysc_node *last = t->n ? t->steps[t->n - 1].node : NULL;
	_cleanup_(lyd_free_p) struct lyd_node *copy = NULL;
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
	copy = tree_dup(*tree);
	if (make_path(&copy, s, t) < 0) {
		const struct ly_err_item *e = ly_err_last(s->ctx);
		return fault_set(f, -EINVAL, path, t->value, NULL, "%s",
			e && e->msg ? e->msg : "the setting was not accepted");
	}
	lyd_free_all(*tree);
	*tree = take_ptr(copy);
	return 0;
}

static void free_node(struct lyd_node **tree, struct lyd_node *node)
{
	if (node == *tree)
		*tree = (*tree)->next;
	lyd_free_tree(node);
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

/* {"sekisho:mail": {...}} becomes {"mail": {...}}. */
static int parse_bare(const char *text, sd_json_variant **ret)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *v = NULL, *out = NULL;

	if (sd_json_parse(text, 0, &v, NULL, NULL) < 0)
		return -EBADMSG;
	int r = sd_json_build(&out, SD_JSON_BUILD_EMPTY_OBJECT);
	for (size_t i = 0; r >= 0 && i + 1 < sd_json_variant_elements(v); i += 2) {
		const char *key = sd_json_variant_string(sd_json_variant_by_index(v, i));
		const char *colon = strchr(key, ':');
		r = sd_json_variant_set_field(
			&out, colon ? colon + 1 : key, sd_json_variant_by_index(v, i + 1));
	}
	if (r < 0)
		return r;
	*ret = take_ptr(out);
	return 0;
}

static int print_json(const struct lyd_node *tree, uint32_t options, sd_json_variant **ret)
{
	_cleanup_free_ char *text = NULL;

	if (!tree)
		return sd_json_build(ret, SD_JSON_BUILD_EMPTY_OBJECT);
	if (lyd_print_mem(
		    &text, tree, LYD_JSON, LYD_PRINT_WITHSIBLINGS | LYD_PRINT_SHRINK | options))
		return -ENOMEM;
	return parse_bare(text, ret);
}

int tree_json(const struct lyd_node *tree, sd_json_variant **ret)
{
	return print_json(tree, 0, ret);
}

static void drop_secrets(struct lyd_node *node)
{
	struct lyd_node *child, *next;

	LY_LIST_FOR_SAFE(node, next, child)
	{
		if (schema_is_secret(child->schema))
			lyd_free_tree(child);
		else
			drop_secrets(lyd_child(child));
	}
}

/* /sekisho:inspection/queues to inspection queues: what an administrator types. */
static char *words_of_path(const char *path)
{
	char *words = path ? strdup(path) : NULL;
	char *out = words;

	for (const char *in = words; in && *in; in++) {
		if (*in == '/' && out == words)
			continue;
		if (strncmp(in, "sekisho:", 8) == 0) {
			in += 7;
			continue;
		}
		*out++ = *in == '/' ? ' ' : *in;
	}
	if (out)
		*out = 0;
	return words;
}

static int fault_of_context(const struct schema *s, int error, struct fault *f)
{
	const struct ly_err_item *e = ly_err_last(s->ctx);
	_cleanup_free_ char *path =
		e ? words_of_path(e->data_path ? e->data_path : e->schema_path) : NULL;

	if (e && e->line && !e->data_path)
		return fault_set(f, error, path, NULL, NULL, "line %llu: %s",
			(unsigned long long)e->line, e->msg ? e->msg : "not readable");
	return fault_set(f, error, path, NULL, NULL, "%s", e && e->msg ? e->msg : "not valid");
}

int tree_config(const struct schema *s, const struct lyd_node *tree, bool public,
	sd_json_variant **ret, struct fault *f)
{
	_cleanup_(lyd_free_p) struct lyd_node *copy = tree_dup(tree);

	ly_err_clean(s->ctx, NULL);
	if (lyd_validate_module(&copy, s->module, LYD_VALIDATE_NO_STATE, NULL))
		return fault_of_context(s, -EINVAL, f);
	if (public)
		drop_secrets(copy);
	return print_json(copy, LYD_PRINT_WD_ALL | LYD_PRINT_KEEPEMPTYCONT, ret);
}

static void put_word(FILE *out, const char *word)
{
	if (*word && !strpbrk(word, " \t\"\\?#")) {
		fputs(word, out);
		return;
	}
	fputc('"', out);
	for (; *word; word++) {
		if (*word == '"' || *word == '\\')
			fputc('\\', out);
		fputc(*word, out);
	}
	fputc('"', out);
}

static void put_path(FILE *out, const struct lyd_node *node)
{
	if (node->parent) {
		put_path(out, &node->parent->node);
		fputc(' ', out);
	}
	fputs(node->schema->name, out);
	if (node->schema->nodetype == LYS_LIST) {
		fputc(' ', out);
		put_word(out, lyd_get_value(lyd_child(node)));
	}
}

static void put_line(FILE *out, const char *verb, const struct lyd_node *node, bool mask)
{
	bool list_value = node->schema->nodetype == LYS_LEAFLIST;

	fprintf(out, "%s ", verb);
	put_path(out, node);
	if (list_value || (node->schema->nodetype == LYS_LEAF && *verb == 's')) {
		fputc(' ', out);
		put_word(out,
			mask && schema_is_secret(node->schema) ? "<secret>" : lyd_get_value(node));
	}
	fputc('\n', out);
}

static void put_set(FILE *out, const struct lyd_node *node, bool mask)
{
	const struct lyd_node *child;
	bool is_list = node->schema->nodetype == LYS_LIST;

	if (schema_type(node->schema) || (is_list && !lyd_child_no_keys(node)))
		put_line(out, "set", node, mask);
	else
		LY_LIST_FOR(lyd_child_no_keys(node), child)
	put_set(out, child, mask);
}

static void diff_siblings(
	FILE *out, const struct lyd_node *from, const struct lyd_node *to, bool mask)
{
	const struct lyd_node *node;
	struct lyd_node *other;

	LY_LIST_FOR(from, node)
	{
		if (!to || lyd_find_sibling_first(to, node, &other))
			put_line(out, "delete", node, mask);
	}
	LY_LIST_FOR(to, node)
	{
		if (!from || lyd_find_sibling_first(from, node, &other))
			put_set(out, node, mask);
		else if (!schema_type(node->schema))
			diff_siblings(out, lyd_child_no_keys(other), lyd_child_no_keys(node), mask);
		else if (strcmp(lyd_get_value(other), lyd_get_value(node)) != 0)
			put_line(out, "set", node, mask);
	}
}

char *tree_diff(const struct lyd_node *from, const struct lyd_node *to, bool mask)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	diff_siblings(out, from, to, mask);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

int tree_read(const struct schema *s, const char *file, struct lyd_node **ret, struct fault *f)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_fclose_ FILE *in = fopen(file, "re");

	if (!in)
		return fault_set(f, -errno, NULL, NULL, NULL, "%m");
	text = malloc(TREE_FILE_BYTES_MAX + 1);
	if (!text)
		return -ENOMEM;
	size_t n = fread(text, 1, TREE_FILE_BYTES_MAX + 1, in);
	if (n > TREE_FILE_BYTES_MAX || memchr(text, 0, n) || ferror(in))
		return fault_set(f, -EBADMSG, NULL, NULL, NULL, "it is not a configuration");
	text[n] = 0;
	ly_err_clean(s->ctx, NULL);
	if (n == 0 || lyd_parse_data_mem(s->ctx, text, LYD_JSON,
			      LYD_PARSE_ONLY | LYD_PARSE_STRICT | LYD_PARSE_NO_STATE, 0, ret))
		return fault_of_context(s, -EBADMSG, f);
	return 0;
}

char *tree_text(const struct lyd_node *tree)
{
	char *text = NULL;

	if (!tree)
		return strdup("{}\n");
	return lyd_print_mem(&text, tree, LYD_JSON, LYD_PRINT_WITHSIBLINGS) ? NULL : text;
}
