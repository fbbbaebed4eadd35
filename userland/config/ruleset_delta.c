#include "config/ruleset_delta.h"

#include <stdlib.h>
#include <string.h>

#include "config/applier.h"
#include "config/ruleset.h"
#include "lib/cleanup.h"
#include "lib/span.h"

#define MARK "#--"
#define SET " set "
#define BASE " base"

struct part {
	struct span name; /* behind the mark: "", " base" or " set FAMILY TABLE SET" */
	struct span text; /* without its first line */
};

struct parts {
	struct part *all;
	size_t n;
};

static bool has_prefix(struct span s, const char *prefix)
{
	return s.n >= strlen(prefix) && memcmp(s.p, prefix, strlen(prefix)) == 0;
}

static const char *next_mark(const char *text)
{
	const char *found = strstr(text, "\n" MARK);

	return found ? found + 1 : text + strlen(text);
}

/* What stands before the first mark is a base: the devices (applier_nftables.c). */
static int parts_split(const char *text, struct parts *ret)
{
	size_t n = 1;

	for (const char *at = text; *at; at = next_mark(at))
		n++;
	*ret = (struct parts){.all = calloc(n, sizeof(*ret->all))};
	if (!ret->all)
		return -1;
	while (*text) {
		const char *end = next_mark(text);
		struct part *p = &ret->all[ret->n++];
		p->name = span_str(BASE);
		if (strncmp(text, MARK, strlen(MARK)) == 0) {
			size_t line = strcspn(text, "\n");
			p->name = span_of(text + strlen(MARK), line - strlen(MARK));
			text += line + 1;
		}
		p->text = span_of(text, (size_t)(end - text));
		text = end;
	}
	return 0;
}

static void parts_fini(struct parts *p)
{
	free(p->all);
}

/* The next part behind *at that has no name of its own. */
static const struct part *next_unnamed(const struct parts *p, size_t *at)
{
	while (*at < p->n && has_prefix(p->all[*at].name, SET))
		++*at;
	return *at < p->n ? &p->all[(*at)++] : NULL;
}

/* Do the parts without a name pair up, on the same bases? */
static bool is_comparable(const struct parts *from, const struct parts *to)
{
	size_t i = 0, k = 0;

	for (;;) {
		const struct part *a = next_unnamed(from, &i), *b = next_unnamed(to, &k);
		if (!a || !b)
			return !a && !b;
		if (!span_eq(a->name, b->name) ||
			(has_prefix(a->name, BASE) && !span_eq(a->text, b->text)))
			return false;
	}
}

/* Sets keep their order: the one that is looked for is mostly the next. */
static const struct part *find_set(const struct parts *in, struct span name, size_t *hint)
{
	for (size_t i = 0; i < in->n; i++) {
		size_t at = (*hint + i) % in->n;
		if (span_eq(in->all[at].name, name)) {
			*hint = at + 1;
			return &in->all[at];
		}
	}
	return NULL;
}

static void put_changes(FILE *out, const struct parts *from, const struct parts *to)
{
	size_t hint = 0, unnamed = 0;

	for (size_t i = 0; i < to->n; i++) {
		const struct part *p = &to->all[i];
		const struct part *old = has_prefix(p->name, SET) ? find_set(from, p->name, &hint)
								  : next_unnamed(from, &unnamed);
		if (!old || !span_eq(old->text, p->text))
			fwrite(p->text.p, 1, p->text.n, out);
	}
}

static void put_removals(FILE *out, const struct parts *from, const struct parts *to)
{
	size_t hint = 0;

	for (size_t i = 0; i < from->n; i++) {
		struct span name = from->all[i].name;
		if (has_prefix(name, SET) && !find_set(to, name, &hint))
			fprintf(out, "destroy%.*s\n", (int)name.n, (const char *)name.p);
	}
}

char *ruleset_delta(const char *from, const char *to)
{
	_cleanup_(parts_fini) struct parts a = {0}, b = {0};
	struct text t;

	if (!from)
		return strdup(to);
	if (parts_split(from, &a) < 0 || parts_split(to, &b) < 0 || text_open(&t) < 0)
		return NULL;
	if (is_comparable(&a, &b)) {
		put_changes(t.out, &a, &b);
		put_removals(t.out, &a, &b);
	} else {
		fputs(to, t.out);
	}
	return text_close(&t);
}
