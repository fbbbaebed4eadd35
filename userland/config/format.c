/* format: configurations as text and back, and what libyang says about them in an administrator's
 * words. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/tree.h"
#include "lib/cleanup.h"

static const LYD_FORMAT formats[] = {[TREE_JSON] = LYD_JSON, [TREE_XML] = LYD_XML};

static void lyd_free_p(struct lyd_node **tree)
{
	lyd_free_all(*tree);
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

/* The other way round, for a text that a person wrote. */
static int parse_named(const char *text, char **ret)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *v = NULL, *out = NULL;
	char name[128];

	if (sd_json_parse(text, 0, &v, NULL, NULL) < 0 || !sd_json_variant_is_object(v))
		return -EBADMSG;
	int r = sd_json_build(&out, SD_JSON_BUILD_EMPTY_OBJECT);
	for (size_t i = 0; r >= 0 && i + 1 < sd_json_variant_elements(v); i += 2) {
		const char *key = sd_json_variant_string(sd_json_variant_by_index(v, i));
		snprintf(name, sizeof(name), "%s%.100s", strchr(key, ':') ? "" : "sekisho:", key);
		r = sd_json_variant_set_field(&out, name, sd_json_variant_by_index(v, i + 1));
	}
	return r < 0 ? r : sd_json_variant_format(out, 0, ret);
}

int tree_json(const struct lyd_node *tree, sd_json_variant **ret)
{
	_cleanup_free_ char *text = NULL;

	if (!tree)
		return sd_json_build(ret, SD_JSON_BUILD_EMPTY_OBJECT);
	if (lyd_print_mem(&text, tree, LYD_JSON, LYD_PRINT_WITHSIBLINGS | LYD_PRINT_SHRINK))
		return -ENOMEM;
	return parse_bare(text, ret);
}

bool tree_drop_secrets(struct lyd_node *siblings)
{
	struct lyd_node *node, *next;
	bool any = false;

	LY_LIST_FOR_SAFE(siblings, next, node)
	{
		if (schema_is_secret(node->schema)) {
			lyd_free_tree(node);
			any = true;
		} else {
			any |= tree_drop_secrets(lyd_child(node));
		}
	}
	return any;
}

/* /sekisho:interfaces/port[name='eth0']/side to interfaces port eth0 side: what an administrator
 * types. */
static char *words_of_path(const char *path)
{
	char *words = path ? strdup(path) : NULL, *out = words;
	const char *in = words;

	while (in && *in) {
		if (strncmp(in, "sekisho:", 8) == 0) {
			in += 8;
		} else if (*in == '[') {
			*out++ = ' ';
			in += strcspn(in, "'\"]");
			in += *in == '\'' || *in == '"';
		} else if (*in == ']' || *in == '\'' || *in == '"') {
			in++;
		} else if (*in == '/') {
			if (out != words)
				*out++ = ' ';
			in++;
		} else {
			*out++ = *in++;
		}
	}
	if (out)
		*out = 0;
	return words;
}

static int fault_of_context(
	const struct schema *s, int error, struct lyd_node *tree, struct fault *f)
{
	const struct ly_err_item *e = ly_err_last(s->ctx);
	char accepted[SCHEMA_PATH_BYTES] = "";
	struct lyd_node *node = NULL;
	const char *where = e ? (e->data_path ? e->data_path : e->schema_path) : NULL;
	_cleanup_free_ char *path = words_of_path(where);
	_cleanup_free_ char *why = e && e->msg ? strdup(e->msg) : NULL;

	if (e && e->line && !e->data_path)
		return fault_set(f, error, path, NULL, NULL, "line %llu: %s",
			(unsigned long long)e->line, why ? why : "not readable");
	if (tree && e && e->data_path &&
		lyd_find_path(tree, e->data_path, 0, &node) == LY_SUCCESS &&
		schema_type(node->schema))
		schema_help(node->schema, accepted, sizeof(accepted));
	return fault_set(f, error, path, *accepted ? lyd_get_value(node) : NULL,
		*accepted ? accepted : NULL, "%s", why ? why : "not valid");
}

int tree_complete(
	const struct schema *s, const struct lyd_node *tree, struct lyd_node **ret, struct fault *f)
{
	_cleanup_(lyd_free_p) struct lyd_node *copy = tree_dup(tree);

	ly_err_clean(s->ctx, NULL);
	if (lyd_validate_module(&copy, s->module, LYD_VALIDATE_NO_STATE, NULL))
		return fault_of_context(s, -EINVAL, copy, f);
	*ret = take_ptr(copy);
	return 0;
}

char *tree_container_text(const struct lyd_node *container)
{
	char *text = NULL;

	if (lyd_print_mem(&text, container, LYD_JSON,
		    LYD_PRINT_SHRINK | LYD_PRINT_WD_ALL | LYD_PRINT_KEEPEMPTYCONT))
		return NULL;
	return text;
}

int tree_container_json(const char *text, sd_json_variant **ret)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *whole = NULL;

	if (sd_json_parse(text, 0, &whole, NULL, NULL) < 0)
		return -EBADMSG;
	/* {"sekisho:mail": {...}} */
	*ret = sd_json_variant_ref(sd_json_variant_by_index(whole, 1));
	return *ret ? 0 : -EBADMSG;
}

int tree_parse(const struct schema *s, const char *text, enum tree_format format,
	struct lyd_node **ret, struct fault *f)
{
	_cleanup_free_ char *named = NULL;
	struct lyd_node *tree = NULL;

	*ret = NULL;
	if (format == TREE_JSON && parse_named(text, &named) >= 0)
		text = named; /* what does not parse goes to libyang, which says where it is wrong
			       */
	ly_err_clean(s->ctx, NULL);
	if (!*text || lyd_parse_data_mem(s->ctx, text, formats[format],
			      LYD_PARSE_ONLY | LYD_PARSE_STRICT | LYD_PARSE_NO_STATE, 0, &tree)) {
		lyd_free_all(tree);
		return fault_of_context(s, -EBADMSG, NULL, f);
	}
	*ret = tree;
	return 0;
}

char *tree_text(const struct lyd_node *tree, enum tree_format format)
{
	char *text = NULL;

	if (!tree)
		return strdup(format == TREE_JSON ? "{}\n" : "");
	return lyd_print_mem(&text, tree, formats[format], LYD_PRINT_WITHSIBLINGS) ? NULL : text;
}
