#include "config/schema.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static LY_ERR refuse_node(struct lysc_node *node, void *data, ly_bool *stop)
{
	const struct lysc_node *child;
	unsigned keys = 0;

	(void)data;
	(void)stop;
	if (lysc_has_when(node))
		return LY_EINVAL;
	if (node->nodetype != LYS_LIST)
		return LY_SUCCESS;
	LY_LIST_FOR(lysc_node_child(node), child)
	keys += lysc_is_key(child) ? 1 : 0;
	return keys == 1 ? LY_SUCCESS : LY_EINVAL;
}

int schema_load(const char *file, struct schema *s)
{
	struct lys_module *module = NULL;
	char folder[4096]; /* the submodules lie beside it */

	*s = (struct schema){0};
	ly_log_options(LY_LOSTORE_LAST); /* errors are read from the context, never printed */
	snprintf(folder, sizeof(folder), "%s", file);
	if (ly_ctx_new(
		    dirname(folder), LY_CTX_NO_YANGLIBRARY | LY_CTX_DISABLE_SEARCHDIR_CWD, &s->ctx))
		return -ENOMEM;
	if (lys_parse_path(s->ctx, file, LYS_IN_YANG, &module) ||
		lysc_module_dfs_full(module, refuse_node, NULL)) {
		schema_fini(s);
		return -EBADMSG;
	}
	s->module = module;
	return 0;
}

void schema_fini(struct schema *s)
{
	ly_ctx_destroy(s->ctx);
	*s = (struct schema){0};
}

bool schema_is_secret(const struct lysc_node *node)
{
	LY_ARRAY_COUNT_TYPE i;

	LY_ARRAY_FOR(node->exts, i)
	if (strcmp(node->exts[i].def->name, "secret") == 0)
		return true;
	return false;
}

const struct lysc_node *schema_next(
	const struct schema *s, const struct lysc_node *parent, const struct lysc_node *last)
{
	do
		last = lys_getnext(last, parent, s->module->compiled, 0);
	while (last && (!(last->flags & LYS_CONFIG_W) || lysc_is_key(last)));
	return last;
}

const struct lysc_type *schema_type(const struct lysc_node *node)
{
	if (node->nodetype == LYS_LEAF)
		return ((const struct lysc_node_leaf *)node)->type;
	if (node->nodetype == LYS_LEAFLIST)
		return ((const struct lysc_node_leaflist *)node)->type;
	return NULL;
}

static void append(char *out, size_t cap, const char *separator, const char *text)
{
	size_t used = strlen(out);

	snprintf(out + used, cap - used, "%s%s", used ? separator : "", text);
}

static void append_range(
	char *out, size_t cap, const struct lysc_range *range, const char *standard, bool is_signed)
{
	char part[64];
	LY_ARRAY_COUNT_TYPE i;

	if (!range) {
		append(out, cap, " ", standard);
		return;
	}
	LY_ARRAY_FOR(range->parts, i)
	{
		if (is_signed)
			snprintf(part, sizeof(part), "%lld..%lld",
				(long long)range->parts[i].min_64,
				(long long)range->parts[i].max_64);
		else
			snprintf(part, sizeof(part), "%llu..%llu",
				(unsigned long long)range->parts[i].min_u64,
				(unsigned long long)range->parts[i].max_u64);
		append(out, cap, i ? " | " : " ", part);
	}
}

static bool is_number(const struct lysc_type *type)
{
	return (type->basetype >= LY_TYPE_UINT8 && type->basetype <= LY_TYPE_UINT64) ||
	       (type->basetype >= LY_TYPE_INT8 && type->basetype <= LY_TYPE_INT64) ||
	       type->basetype == LY_TYPE_DEC64;
}

static void append_type(const struct lysc_type *type, char *out, size_t cap)
{
	const struct lysc_type_enum *e = (const struct lysc_type_enum *)type;
	const struct lysc_type_union *u = (const struct lysc_type_union *)type;
	LY_ARRAY_COUNT_TYPE i;

	if (type->basetype == LY_TYPE_UNION && !type->name) {
		LY_ARRAY_FOR(u->types, i)
		append_type(u->types[i], out, cap);
	} else if (type->basetype == LY_TYPE_ENUM) {
		LY_ARRAY_FOR(e->enums, i)
		append(out, cap, " | ", e->enums[i].name);
	} else if (type->basetype == LY_TYPE_BOOL) {
		append(out, cap, " | ", "true | false");
	} else if (type->name) {
		append(out, cap, " | ", type->name); /* ip-address, domain-name */
	} else if (type->basetype == LY_TYPE_STRING) {
		const struct lysc_type_str *s = (const struct lysc_type_str *)type;
		append(out, cap, " | ", "text");
		if (s->length) {
			append(out, cap, " ", "of");
			append_range(out, cap, s->length, "", false);
			append(out, cap, " ", "characters");
		}
	} else if (type->basetype == LY_TYPE_LEAFREF) {
		append(out, cap, " | ", "the name of an entry that is configured");
	} else if (!is_number(type)) {
		append(out, cap, " | ", "a value");
	} else {
		bool is_signed = type->basetype >= LY_TYPE_DEC64;
		append_range(out, cap, ((const struct lysc_type_num *)type)->range, "a number",
			is_signed);
	}
}

void schema_accepted(const struct lysc_node *node, char *out, size_t cap)
{
	const struct lysc_type *type = schema_type(node);

	out[0] = 0;
	if (type)
		append_type(type, out, cap);
}

void schema_help(const struct lysc_node *node, char *out, size_t cap)
{
	schema_accepted(node, out, cap);
	append(out, cap, ": ", node->dsc ? node->dsc : "");
}

void target_print(const struct target *t, char *out, size_t cap)
{
	out[0] = 0;
	for (unsigned i = 0; i < t->n; i++) {
		append(out, cap, " ", t->steps[i].node->name);
		if (t->steps[i].key)
			append(out, cap, " ", t->steps[i].key);
	}
}

void target_fini(struct target *t)
{
	for (unsigned i = 0; i < t->n; i++)
		free(t->steps[i].key);
	free(t->value);
	*t = (struct target){0};
}

/* How word relates to name: 2 the same, 1 a prefix of it, 0 neither. */
static int match(const char *name, const char *word)
{
	if (strcmp(name, word) == 0)
		return 2;
	return *word && strncmp(name, word, strlen(word)) == 0;
}

static const struct lysc_node *find_child(
	const struct schema *s, const struct target *t, const char *word, struct fault *f)
{
	const struct lysc_node *parent = t->n ? t->steps[t->n - 1].node : NULL;
	const struct lysc_node *child = NULL, *found = NULL;
	char path[SCHEMA_PATH_BYTES], names[SCHEMA_PATH_BYTES] = "";
	unsigned hits = 0;

	target_print(t, path, sizeof(path));
	while ((child = schema_next(s, parent, child))) {
		int m = match(child->name, word);
		if (m == 2)
			return child;
		hits += (unsigned)m;
		if (m)
			found = child;
		append(names, sizeof(names), " | ", child->name);
	}
	if (hits == 1)
		return found;
	fault_set(f, -EINVAL, path, word, names,
		hits ? "the word is ambiguous here" : "no such setting");
	return NULL;
}

/* The one enumeration or boolean value that word shortens, or word itself. */
static const char *expand_value(const struct lysc_type *type, const char *word)
{
	static const char *const booleans[] = {"true", "false"};
	const struct lysc_type_enum *e = (const struct lysc_type_enum *)type;
	const char *found = NULL;
	LY_ARRAY_COUNT_TYPE n = 0;

	if (type->basetype == LY_TYPE_ENUM)
		n = LY_ARRAY_COUNT(e->enums);
	else if (type->basetype == LY_TYPE_BOOL)
		n = 2;
	for (LY_ARRAY_COUNT_TYPE i = 0; i < n; i++) {
		const char *name = type->basetype == LY_TYPE_BOOL ? booleans[i] : e->enums[i].name;
		int m = match(name, word);
		if (m == 2 || (m && found))
			return word;
		if (m)
			found = name;
	}
	return found ? found : word;
}

/* What the schema's author says about a text that does not fit, in place of a regular expression.
 */
static const char *own_words(const struct schema *s, const struct lysc_node *node)
{
	const struct lysc_type_str *type = (const struct lysc_type_str *)schema_type(node);
	const struct ly_err_item *e = ly_err_last(s->ctx);
	LY_ARRAY_COUNT_TYPE i;

	if (type->basetype != LY_TYPE_STRING || !e || !e->msg)
		return "this value is not accepted";
	LY_ARRAY_FOR(type->patterns, i)
	{
		const char *message = type->patterns[i]->emsg;
		if (message && strcmp(message, e->msg) == 0)
			return message;
	}
	return "this value is not accepted";
}

/* Checks word against the node's type; *ret is the canonical form on the heap. */
static int take_value(const struct schema *s, const struct target *t, const struct lysc_node *node,
	const char *word, char **ret, struct fault *f)
{
	const char *canonical = NULL;
	char path[SCHEMA_PATH_BYTES], accepted[SCHEMA_PATH_BYTES];
	const char *value = expand_value(schema_type(node), word);

	ly_err_clean(s->ctx, NULL);
	LY_ERR r = lyd_value_validate(s->ctx, node, value, strlen(value), NULL, NULL, &canonical);
	if (r != LY_SUCCESS && r != LY_EINCOMPLETE) {
		target_print(t, path, sizeof(path));
		schema_help(node, accepted, sizeof(accepted));
		return fault_set(f, -EINVAL, path, word, accepted, "%s", own_words(s, node));
	}
	*ret = strdup(canonical ? canonical : value);
	if (canonical)
		lydict_remove(s->ctx, canonical);
	return *ret ? 0 : -ENOMEM;
}

static const struct lysc_node *key_of(const struct lysc_node *list)
{
	return lysc_node_child(list); /* libyang puts keys first */
}

static int walk(const struct schema *s, char *const *words, struct target *t, struct fault *f)
{
	char path[SCHEMA_PATH_BYTES];
	unsigned count = 0;

	for (; words[count]; count++)
		if (count == SCHEMA_WORDS || strlen(words[count]) > SCHEMA_WORD_BYTES)
			return fault_set(f, -EINVAL, NULL, NULL, NULL, "the path is too long");
	for (unsigned i = 0; i < count; i++) {
		const struct lysc_node *last = t->n ? t->steps[t->n - 1].node : NULL;
		if (last && schema_type(last)) {
			if (t->value) {
				target_print(t, path, sizeof(path));
				return fault_set(f, -EINVAL, path, words[i], NULL,
					"one value is enough; put a value with blanks in quotes");
			}
			int r = take_value(s, t, last, words[i], &t->value, f);
			if (r < 0)
				return r;
			continue;
		}
		const struct lysc_node *node = find_child(s, t, words[i], f);
		if (!node)
			return -EINVAL;
		if (t->n == SCHEMA_DEPTH)
			return fault_set(f, -EINVAL, NULL, NULL, NULL, "the path is too deep");
		struct step *step = &t->steps[t->n++];
		*step = (struct step){.node = node};
		if (node->nodetype != LYS_LIST)
			continue;
		t->keyless = i + 1 == count;
		if (t->keyless)
			break;
		int r = take_value(s, t, key_of(node), words[++i], &step->key, f);
		if (r < 0)
			return r;
	}
	return 0;
}

int schema_resolve(const struct schema *s, char *const *words, struct target *ret, struct fault *f)
{
	*ret = (struct target){0};
	int r = walk(s, words, ret, f);
	if (r < 0)
		target_fini(ret);
	return r;
}
