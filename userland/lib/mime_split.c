#include "lib/mime_split.h"

#include <stdlib.h>

#include "lib/mime_decode.h"
#include "lib/mime_header.h"

static bool lines_add(struct split *s, struct split_line line)
{
	if (s->count == s->cap) {
		size_t cap = s->cap ? 2 * s->cap : 32;
		struct split_line *bigger = realloc(s->lines, cap * sizeof(*bigger));
		if (!bigger)
			return false;
		s->lines = bigger;
		s->cap = cap;
	}
	s->lines[s->count++] = line;
	return true;
}

/* Without blanks and "--" at the end: the closing delimiter has the same text. */
static struct span text_of(struct span line, bool *ret_closes)
{
	struct span t = span_skip(line, 2);

	while (t.n && t.p[t.n - 1] <= ' ')
		t.n--;
	*ret_closes = t.n > 2 && t.p[t.n - 1] == '-' && t.p[t.n - 2] == '-';
	if (*ret_closes)
		t.n -= 2;
	while (t.n && t.p[t.n - 1] <= ' ')
		t.n--;
	return t;
}

static bool is_declared(struct span block, struct span text)
{
	struct span bare = span_trim(text);

	return bare.n > 0 && span_find(block, bare) >= 0;
}

/* The first line with something on it. */
static bool field_follows(struct span rest)
{
	struct span line;

	for (unsigned i = 0; i < 3 && mime_next_line(&rest, true, &line); i++)
		if (span_trim(line).n)
			return header_is_field(line);
	return false;
}

static bool is_line_start(struct span s, size_t i)
{
	return i == 0 || s.p[i - 1] == '\n' || s.p[i - 1] == '\r';
}

/* A way for each text, up to the limit of its kind. */
static void way_add(struct split *s, const struct split_line *line, bool doubt)
{
	unsigned *kind = line->declared ? &s->declared : &s->undeclared;
	unsigned max = line->declared ? SPLIT_DECLARED_MAX : SPLIT_UNDECLARED_MAX;

	if (line->text.n == 0 || (!line->declared && !doubt))
		return;
	for (unsigned i = 0; i < s->declared + s->undeclared; i++)
		if (span_eq(s->ways[i], line->text))
			return;
	if (*kind == max) {
		s->too_many = true;
		return;
	}
	s->ways[s->declared + s->undeclared] = line->text;
	(*kind)++;
}

bool split_find(struct span entity, struct span block, bool doubt, struct split *ret)
{
	struct span line;

	*ret = (struct split){0};
	for (size_t i = 0; i + 1 < entity.n; i++) {
		const uint8_t *p = memchr(entity.p + i, '-', entity.n - i);
		if (!p)
			break;
		i = (size_t)(p - entity.p);
		if (i + 1 >= entity.n || entity.p[i + 1] != '-' || !is_line_start(entity, i))
			continue;
		struct span rest = span_skip(entity, i);
		mime_next_line(&rest, true, &line);
		struct split_line found = {.start = i, .next = (size_t)(rest.p - entity.p)};
		found.text = text_of(line, &found.closes);
		found.declared = is_declared(block, found.text);
		if (!found.declared && !field_follows(rest))
			continue;
		if (ret->count == SPLIT_LINES_MAX) {
			ret->overflow = true;
			break;
		}
		if (!lines_add(ret, found))
			return false;
		way_add(ret, &found, doubt);
		i = found.next > i + 1 ? found.next - 1 : i;
	}
	return true;
}

void split_free(struct split *s)
{
	free(s->lines);
	*s = (struct split){0};
}

bool split_cuts(const struct split_line *line, struct span text, bool exact)
{
	if (text.p == NULL)
		return true;
	if (exact)
		return span_eq(line->text, text);
	return line->text.n >= text.n && memcmp(line->text.p, text.p, text.n) == 0;
}
