#include "mailauth/message.h"

#include <stdlib.h>

/* The line with its line end; empty at the end of s. */
static struct span line_of(struct span s)
{
	ptrdiff_t lf = span_chr(s, '\n');

	return lf < 0 ? s : span_take(s, (size_t)lf + 1);
}

static bool is_blank_line(struct span line)
{
	return span_eq(line, SPAN_LIT("\r\n")) || span_eq(line, SPAN_LIT("\n"));
}

static struct span without_line_end(struct span s)
{
	if (s.n && s.p[s.n - 1] == '\n')
		s.n--;
	if (s.n && s.p[s.n - 1] == '\r')
		s.n--;
	return s;
}

static struct span without_trailing_blanks(struct span s)
{
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

/* The first line and the lines that continue it: those that begin with a blank (RFC 5322, 2.2.3).
 */
static struct span field_extent(struct span rest)
{
	size_t n = line_of(rest).n;

	while (n < rest.n && (rest.p[n] == ' ' || rest.p[n] == '\t'))
		n += line_of(span_skip(rest, n)).n;
	return span_take(rest, n);
}

static void field_read(struct field *f, struct span whole)
{
	struct span text = without_line_end(whole);
	ptrdiff_t colon = span_chr(line_of(text), ':');

	f->whole = whole;
	f->name = colon < 0 ? span_take(text, 0)
			    : without_trailing_blanks(span_take(text, (size_t)colon));
	f->value = colon < 0 ? text : span_skip(text, (size_t)colon + 1);
}

static bool grow(struct message *m)
{
	unsigned room = m->room ? 2 * m->room : 32;
	struct field *fields = realloc(m->fields, room * sizeof(*fields));

	if (!fields)
		return false;
	m->fields = fields;
	m->room = room;
	return true;
}

void message_read(struct message *m, struct span bytes)
{
	struct span rest = bytes;

	m->bytes = bytes;
	m->count = 0;
	m->is_over = false;
	while (rest.n && !is_blank_line(line_of(rest))) {
		if (m->count == HEADER_FIELDS_MAX || bytes.n - rest.n > HEADER_BYTES_MAX ||
			(m->count == m->room && !grow(m))) {
			m->is_over = true;
			break;
		}
		struct span whole = field_extent(rest);
		field_read(&m->fields[m->count++], whole);
		rest = span_skip(rest, whole.n);
	}
	m->body = span_skip(rest, is_blank_line(line_of(rest)) ? line_of(rest).n : 0);
}

void message_free(struct message *m)
{
	free(m->fields);
	*m = (struct message){0};
}

const struct field *message_find(const struct message *m, const char *name, unsigned *at)
{
	while (*at < m->count) {
		const struct field *f = &m->fields[(*at)++];
		if (span_caseeq(f->name, span_str(name)))
			return f;
	}
	return NULL;
}
