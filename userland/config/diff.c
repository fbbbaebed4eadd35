/* diff: how one configuration becomes another, as lines that can be typed in again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/tree.h"
#include "lib/cleanup.h"

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

/* The key of a list entry or the value of a leaf-list entry. */
static const char *entry_name(const struct lyd_node *node)
{
	return lyd_get_value(node->schema->nodetype == LYS_LIST ? lyd_child(node) : node);
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

/* Entries of the list schema among siblings; with, when given, has to have them too. */
static size_t take_entries(const struct lyd_node *siblings, const struct lysc_node *schema,
	const struct lyd_node *with, bool present, const struct lyd_node **out)
{
	const struct lyd_node *node;
	size_t n = 0;

	LY_LIST_FOR(siblings, node)
	{
		if (node->schema != schema)
			continue;
		if (with && (tree_find_same(with, node) != NULL) != present)
			continue;
		if (out)
			out[n] = node;
		n++;
	}
	return n;
}

static bool is_same_entry(const struct lyd_node *a, const struct lyd_node *b)
{
	return strcmp(entry_name(a), entry_name(b)) == 0;
}

/* Lines that bring the entries of have into the order of want; both hold the same names. */
static void put_moves(
	FILE *out, const struct lyd_node **have, const struct lyd_node **want, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t at = i;
		while (at < n && !is_same_entry(have[at], want[i]))
			at++;
		if (at == i || at == n)
			continue;
		fputs("insert ", out);
		put_path(out, want[i]);
		if (want[i]->schema->nodetype == LYS_LEAFLIST) {
			fputc(' ', out);
			put_word(out, entry_name(want[i]));
		}
		fputs(" before ", out);
		put_word(out, entry_name(have[i]));
		fputc('\n', out);
		memmove(have + i + 1, have + i, (at - i) * sizeof(*have));
		have[i] = want[i];
	}
}

/* What the set and delete lines cannot say: the order of a list that an administrator orders. */
static void diff_order(FILE *out, const struct lyd_node *from, const struct lyd_node *to,
	const struct lysc_node *schema)
{
	size_t n = take_entries(to, schema, NULL, true, NULL);
	_cleanup_free_ const struct lyd_node **want = calloc(n, sizeof(struct lyd_node *));
	_cleanup_free_ const struct lyd_node **have = calloc(n, sizeof(struct lyd_node *));

	if (!want || !have)
		return;
	take_entries(to, schema, NULL, true, want);
	size_t kept = take_entries(from, schema, to, true, have);
	if (from)
		take_entries(to, schema, from, false, have + kept);
	else
		memcpy(have, want, n * sizeof(struct lyd_node *));
	put_moves(out, have, want, n);
}

/* The same setting or entry; libyang keeps each value's text once, so its address is enough. */
static bool is_same_node(const struct lyd_node *a, const struct lyd_node *b)
{
	if (!a || a->schema != b->schema)
		return false;
	return !(a->schema->nodetype & (LYS_LIST | LYS_LEAFLIST)) || entry_name(a) == entry_name(b);
}

/* tree_find_same(), faster where both sides go in step: *hint is the node that is expected. */
static const struct lyd_node *find_in_step(
	const struct lyd_node *siblings, const struct lyd_node *node, const struct lyd_node **hint)
{
	const struct lyd_node *found =
		is_same_node(*hint, node) ? *hint : tree_find_same(siblings, node);

	if (found)
		*hint = found->next;
	return found;
}

static void diff_siblings(
	FILE *out, const struct lyd_node *from, const struct lyd_node *to, bool mask)
{
	const struct lyd_node *node, *other, *hint = to;

	LY_LIST_FOR(from, node)
	{
		if (!find_in_step(to, node, &hint))
			put_line(out, "delete", node, mask);
	}
	hint = from;
	LY_LIST_FOR(to, node)
	{
		other = find_in_step(from, node, &hint);
		if (!other)
			put_set(out, node, mask);
		else if (!schema_type(node->schema))
			diff_siblings(out, lyd_child_no_keys(other), lyd_child_no_keys(node), mask);
		else if (strcmp(lyd_get_value(other), lyd_get_value(node)) != 0)
			put_line(out, "set", node, mask);
	}
	LY_LIST_FOR(to, node)
	{
		if (from && lysc_is_userordered(node->schema) &&
			(!node->next || node->next->schema != node->schema))
			diff_order(out, from, to, node->schema);
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
