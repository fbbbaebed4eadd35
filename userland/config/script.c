#include "config/script.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"

struct line {
	char text[SCRIPT_LINE_BYTES]; /* the words, each with its NUL */
	char *words[SCRIPT_WORDS + 1];
	unsigned n;
};

/* One word, unquoted, behind *out; NULL when its quotes do not close. */
static const char *take_word(const char *in, char **out)
{
	bool quoted = *in == '"';

	in += quoted;
	while (*in && (quoted ? *in != '"' : !strchr(" \t", *in))) {
		if (quoted && *in == '\\' && in[1])
			in++;
		*(*out)++ = *in++;
	}
	*(*out)++ = 0;
	return quoted ? (*in == '"' ? in + 1 : NULL) : in;
}

static const char *split(const char *in, struct line *ret)
{
	char *out = ret->text;

	ret->n = 0;
	for (in += strspn(in, " \t"); *in; in += strspn(in, " \t")) {
		if (ret->n == SCRIPT_WORDS)
			return "it has too many words";
		ret->words[ret->n++] = out;
		in = take_word(in, &out);
		if (!in)
			return "a quote is not closed";
	}
	ret->words[ret->n] = NULL;
	return NULL;
}

static int do_set(struct lyd_node **tree, const struct schema *s, struct line *l, struct fault *f)
{
	struct target t;

	if (l->n > 1 && strcmp(l->words[l->n - 1], SCRIPT_SECRET) == 0)
		return 0;
	int r = schema_resolve(s, l->words + 1, &t, f);
	if (r < 0)
		return r;
	r = tree_set(tree, s, &t, f);
	target_fini(&t);
	return r;
}

static int do_delete(
	struct lyd_node **tree, const struct schema *s, struct line *l, struct fault *f)
{
	struct target t;
	int r = schema_resolve(s, l->words + 1, &t, f);

	if (r < 0)
		return r;
	r = tree_delete(tree, &t, f);
	target_fini(&t);
	return r;
}

/* insert PATH before|after NAME, or insert PATH: to the front. */
static int do_insert(
	struct lyd_node **tree, const struct schema *s, struct line *l, struct fault *f)
{
	const char *where = l->n > 3 ? l->words[l->n - 2] : "";
	bool before = strcmp(where, "before") == 0, after = strcmp(where, "after") == 0;
	const char *name = before || after ? l->words[l->n - 1] : NULL;
	struct target t;

	if (name)
		l->words[l->n - 2] = NULL;
	int r = schema_resolve(s, l->words + 1, &t, f);
	if (r < 0)
		return r;
	r = tree_insert(tree, &t, before ? name : NULL, after ? name : NULL, f);
	target_fini(&t);
	return r;
}

static const struct verb {
	const char *name;
	int (*run)(struct lyd_node **tree, const struct schema *s, struct line *l, struct fault *f);
} verbs[] = {{"set", do_set}, {"delete", do_delete}, {"insert", do_insert}};

static int run_line(struct lyd_node **tree, const struct schema *s, struct line *l, struct fault *f)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
		if (strcmp(l->words[0], verbs[i].name) == 0)
			return verbs[i].run(tree, s, l, f);
	return fault_set(f, -EINVAL, NULL, l->words[0], "set | delete | insert",
		"a line begins with what is to be done");
}

static int number_fault(struct fault *f, int error, unsigned line)
{
	_cleanup_free_ char *why = f->why ? strdup(f->why) : NULL;

	return fault_set(f, error, f->path, f->value, f->accepted, "line %u: %s", line,
		why ? why : "refused");
}

static int run_text(
	struct lyd_node **tree, const struct schema *s, const char *text, struct fault *f)
{
	struct line *l = malloc(sizeof(*l));
	_cleanup_free_ char *one = malloc(SCRIPT_LINE_BYTES);
	unsigned number = 1;
	int r = l && one ? 0 : -ENOMEM;

	for (; r >= 0 && *text; number++) {
		size_t n = strcspn(text, "\n");
		size_t len = n && text[n - 1] == '\r' ? n - 1 : n;
		const char *why = len >= SCRIPT_LINE_BYTES ? "it is too long" : NULL;
		if (!why) {
			memcpy(one, text, len);
			one[len] = 0;
			why = *one == '#' || *one == '!' ? (l->n = 0, NULL) : split(one, l);
		}
		if (why)
			r = fault_set(f, -EINVAL, NULL, NULL, NULL, "%s", why);
		else if (l->n)
			r = run_line(tree, s, l, f);
		if (r < 0)
			number_fault(f, r, number);
		text += n + (text[n] == '\n');
	}
	free(l);
	return r;
}

int script_apply(struct lyd_node **tree, const struct schema *s, const char *text, struct fault *f)
{
	struct lyd_node *copy = tree_dup(*tree);
	int r = run_text(&copy, s, text, f);

	if (r < 0) {
		lyd_free_all(copy);
		return r;
	}
	lyd_free_all(*tree);
	*tree = copy;
	return 0;
}
