#include "lib/mime_header.h"

#include <stdlib.h>

#include "lib/mime_decode.h"

#define MESSAGE_LOOK_BYTES 32768 /* the first field of a mail that readers know comes before */

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

static bool is_alnum(uint8_t c)
{
	c = lower(c);
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_space(uint8_t c)
{
	return c <= ' ';
}

bool header_is_field(struct span line)
{
	size_t i = 0, letters = 0;

	while (i < line.n && is_space(line.p[i]))
		i++;
	for (; i < line.n &&
		(is_alnum(line.p[i]) || (line.p[i] && strchr("-_.\\/!#$%&'*+^|~", line.p[i])));
		i++)
		letters += is_alnum(line.p[i]);
	while (i < line.n && (is_space(line.p[i]) || line.p[i] == '('))
		i++;
	return letters >= 1 && i < line.n && line.p[i] == ':';
}

static bool is_blank_line(struct span line)
{
	for (size_t i = 0; i < line.n; i++)
		if (!is_space(line.p[i]))
			return false;
	return true;
}

/* What some programs put before the first field. */
static bool is_mbox(struct span line)
{
	return span_casestarts(line, SPAN_LIT("From ")) ||
	       span_casestarts(line, SPAN_LIT(">From "));
}

static void body_add(struct mime_header *h, struct span text, bool certain)
{
	for (unsigned i = 0; i < h->body_count; i++)
		if (h->bodies[i].text.p == text.p)
			return;
	if (h->body_count == HEADER_BODIES_MAX)
		return;
	h->bodies[h->body_count].text = text;
	h->bodies[h->body_count++].certain = certain;
}

/* The lines up to the first that every reader takes for the end. */
static void block_find(struct mime_header *h, struct span entity, size_t limit)
{
	struct span rest = entity, line;
	bool odd = false, blank = false, lone_cr = false;
	unsigned lines = 0;

	/* Of each kind of end only the first counts: a reader that takes it goes no further. */
	while (mime_next_line(&rest, true, &line)) {
		const uint8_t *before = line.p;
		lines++;
		if (lines == 1)
			h->any = header_is_field(line) || is_mbox(line);
		if (line.n == 0) {
			/* Between two LF, or LF and CRLF, it is empty for all readers. */
			bool strict =
				(before == entity.p || before[-1] == '\n') && rest.p[-1] == '\n';
			if (strict || !lone_cr)
				body_add(h, rest, strict);
			if (strict)
				break;
			lone_cr = true;
		} else if (is_blank_line(line)) {
			if (!blank)
				body_add(h, rest, false);
			blank = true;
		} else if (!odd && !is_space(line.p[0]) && !header_is_field(line)) {
			odd = true;
			if (lines > 1 || !is_mbox(line)) {
				/* Without any header it is the body from the first line on. */
				body_add(h, span_of(line.p, entity.n - (size_t)(line.p - entity.p)),
					lines == 1);
				body_add(h, rest, false);
			}
		}
		if ((size_t)(rest.p - entity.p) > limit) {
			h->endless = true;
			break;
		}
	}
	h->block = span_take(span_of(entity.p, (size_t)(rest.p - entity.p)), limit);
}

/* Letters and digits only, lower case; comments left out or in. */
static size_t squash(struct span block, bool comments, char *out)
{
	size_t n = 0;
	unsigned depth = 0;

	for (size_t i = 0; i < block.n; i++) {
		uint8_t c = block.p[i];
		if (!comments && c == '(')
			depth++;
		else if (!comments && c == ')' && depth > 0)
			depth--;
		else if (depth == 0 && is_alnum(c))
			out[n++] = (char)lower(c);
	}
	/* A comment that never ends hides nothing. */
	return depth ? 0 : n;
}

static const struct {
	struct span word;
	unsigned flag;
} words[] = {
	{SPAN_LIT("base64"), HEADER_BASE64},
	{SPAN_LIT("quotedprintable"), HEADER_QP},
	{SPAN_LIT("uuencod"), HEADER_UU},
	{SPAN_LIT("xuu"), HEADER_UU},
	{SPAN_LIT("encodinguue"), HEADER_UU},
	{SPAN_LIT("yenc"), HEADER_YENC},
	{SPAN_LIT("binhex"), HEADER_BINHEX},
	{SPAN_LIT("multipart"), HEADER_MULTIPART},
	{SPAN_LIT("boundary"), HEADER_MULTIPART},
	{SPAN_LIT("messagepartial"), HEADER_PARTIAL},
	{SPAN_LIT("messagerfc822"), HEADER_MESSAGE},
	{SPAN_LIT("messageglobal"), HEADER_MESSAGE},
	{SPAN_LIT("messagenews"), HEADER_MESSAGE},
};

static void words_find(struct mime_header *h, char *scratch)
{
	for (int comments = 0; comments < 2; comments++) {
		struct span text = span_of(scratch, squash(h->block, comments, scratch));
		for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
			if (span_find(text, words[i].word) >= 0)
				h->words |= words[i].flag;
	}
}

static void type_find(struct mime_header *h)
{
	struct span rest = h->block, line;

	while (mime_next_line(&rest, true, &line)) {
		if (!span_casestarts(line, SPAN_LIT("content-type")))
			continue;
		ptrdiff_t colon = span_chr(line, ':');
		if (colon < 0)
			continue;
		struct span value = span_trim(span_skip(line, (size_t)colon + 1));
		if (value.n == 0) /* folded behind the colon */
			value = span_trim(rest);
		size_t n = 0;
		while (n < value.n && n + 1 < sizeof(h->type) &&
			(is_alnum(value.p[n]) || (value.p[n] && strchr("/-+._", value.p[n])))) {
			h->type[n] = (char)lower(value.p[n]);
			n++;
		}
		h->type[n] = '\0';
		if (n)
			return;
	}
}

/* ---- names: name=, filename=, their pieces and encodings ---- */

static int hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

struct name {
	char text[MIME_NAME_BYTES];
	size_t n;
};

static void name_put(struct name *name, uint8_t c)
{
	if (name->n + 1 < sizeof(name->text))
		name->text[name->n++] = (char)(c < ' ' || c == 0x7f ? '?' : c);
}

/* RFC 2231, section 4: charset'language'text, percent-encoded. */
static void name_put_percent(struct name *name, struct span v)
{
	ptrdiff_t quote = span_chr(v, '\'');
	if (quote >= 0) {
		ptrdiff_t second = span_chr(span_skip(v, (size_t)quote + 1), '\'');
		if (second >= 0)
			v = span_skip(v, (size_t)(quote + second) + 2);
	}
	for (size_t i = 0; i < v.n; i++) {
		int high = i + 2 < v.n && v.p[i] == '%' ? hex_value(v.p[i + 1]) : -1;
		int low = high >= 0 ? hex_value(v.p[i + 2]) : -1;
		if (low >= 0) {
			name_put(name, (uint8_t)(high << 4 | low));
			i += 2;
		} else {
			name_put(name, v.p[i]);
		}
	}
}

/* One encoded word of RFC 2047 at the start of v; bytes taken, 0 when there is none. */
static size_t name_put_word(struct name *name, struct span v)
{
	if (v.n < 8 || v.p[0] != '=' || v.p[1] != '?')
		return 0;
	ptrdiff_t charset = span_chr(span_skip(v, 2), '?');
	if (charset < 0)
		return 0;
	size_t at = 2 + (size_t)charset + 1;
	if (at + 2 > v.n || v.p[at + 1] != '?')
		return 0;
	struct span text = span_skip(v, at + 2);
	ptrdiff_t end = span_find(text, SPAN_LIT("?="));
	if (end < 0)
		return 0;
	text = span_take(text, (size_t)end);
	struct mime_buffer b = {.max = MIME_NAME_BYTES * 2};
	if (lower(v.p[at]) == 'b')
		base64_decode(text, 0, &b);
	else
		qp_decode(text, QP_KEEP, &b);
	for (size_t i = 0; i < b.n; i++)
		name_put(name, b.p[i] == '_' && lower(v.p[at]) == 'q' ? ' ' : b.p[i]);
	mime_buffer_free(&b);
	return at + 2 + (size_t)end + 2;
}

static void name_put_plain(struct name *name, struct span v)
{
	for (size_t i = 0; i < v.n;) {
		size_t word = name_put_word(name, span_skip(v, i));
		if (word) {
			i += word;
			/* Blanks between two words are not shown (RFC 2047, section 6.2). */
			size_t next = i;
			while (next < v.n && is_space(v.p[next]))
				next++;
			if (next + 1 < v.n && v.p[next] == '=' && v.p[next + 1] == '?')
				i = next;
			continue;
		}
		if (v.p[i] != '\r' && v.p[i] != '\n')
			name_put(name, v.p[i]);
		i++;
	}
}

/* The value after '=': quoted, or up to a separator. Moves *c behind it. */
static struct span value_take(struct cursor *c)
{
	while (cursor_left(c) && is_space(*c->p))
		c->p++;
	struct span rest = cursor_rest(c);
	if (rest.n && rest.p[0] == '"') {
		rest = span_skip(rest, 1);
		ptrdiff_t end = span_chr(rest, '"');
		/* A quote that is never closed ends with the line. */
		if (end < 0)
			end = span_chr(rest, '\n');
		struct span v = end < 0 ? rest : span_take(rest, (size_t)end);
		cursor_skip(c, v.n + 1);
		return v;
	}
	size_t n = 0;
	while (n < rest.n && rest.p[n] != ';' && rest.p[n] != '\n' && rest.p[n] != '\r')
		n++;
	cursor_skip(c, n);
	return span_trim(span_take(rest, n));
}

static void name_keep(struct mime_header *h, const struct name *name)
{
	if (name->n == 0 || h->name_count == MIME_NAMES_MAX)
		return;
	for (unsigned i = 0; i < h->name_count; i++)
		if (strlen(h->names[i]) == name->n && memcmp(h->names[i], name->text, name->n) == 0)
			return;
	memcpy(h->names[h->name_count], name->text, name->n);
	h->names[h->name_count++][name->n] = '\0';
}

/* Where "name" ends, whether it is "name" or "filename". */
static ptrdiff_t name_find(struct span s)
{
	for (size_t i = 0; i + 4 <= s.n; i++) {
		const uint8_t *p = memchr(s.p + i, 'e', s.n - i);
		const uint8_t *q = memchr(s.p + i, 'E', s.n - i);
		if (!p || (q && q < p))
			p = q;
		if (!p)
			return -1;
		i = (size_t)(p - s.p);
		if (i >= 3 && span_caseeq(span_of(p - 3, 4), SPAN_LIT("name")))
			return (ptrdiff_t)i + 1;
	}
	return -1;
}

/* After "name": an optional *N, an optional *, blanks, '='. */
static bool name_equals(struct cursor *c, bool *ret_piece, bool *ret_percent)
{
	*ret_piece = *ret_percent = false;
	if (cursor_left(c) && *c->p == '*') {
		c->p++;
		while (cursor_left(c) && *c->p >= '0' && *c->p <= '9') {
			*ret_piece = true;
			c->p++;
		}
		*ret_percent = !*ret_piece;
		if (cursor_left(c) && *c->p == '*') {
			*ret_percent = true;
			c->p++;
		}
	}
	while (cursor_left(c) && is_space(*c->p))
		c->p++;
	return cursor_u8(c) == '=';
}

static void names_find(struct mime_header *h)
{
	struct cursor c = cursor_of(h->block);
	struct name pieces = {0};
	ptrdiff_t at;

	while ((at = name_find(cursor_rest(&c))) >= 0) {
		bool piece, percent;
		cursor_skip(&c, (size_t)at);
		struct cursor try = c;
		if (!name_equals(&try, &piece, &percent))
			continue;
		struct span v = value_take(&try);
		struct name whole = {0};
		struct name *name = piece ? &pieces : &whole;
		if (percent)
			name_put_percent(name, v);
		else
			name_put_plain(name, v);
		name_keep(h, &whole);
		if (!cursor_ok(&try))
			break;
		c = try;
	}
	name_keep(h, &pieces);
}

/* One parameter boundary=value or boundary="value" and nothing about it that one reader decodes,
 * skips or joins and another does not. */
static bool is_boundary_plain(struct span block)
{
	static const struct span word = SPAN_LIT("boundary");
	struct span value = {NULL, 0};
	unsigned quotes = 0;

	for (size_t i = 0; i + word.n <= block.n; i++) {
		if (!span_casestarts(span_skip(block, i), word))
			continue;
		if (value.p)
			return false;
		value = span_skip(block, i + word.n);
	}
	if (value.n == 0 || value.p[0] != '=')
		return false;
	ptrdiff_t end = span_chr(value, '\n');
	value = span_trim(span_take(value, end < 0 ? value.n : (size_t)end));
	for (size_t i = 0; i < value.n; i++) {
		quotes += value.p[i] == '"';
		if (value.p[i] < ' ' || value.p[i] > '~' || strchr("%*\\(", value.p[i]))
			return false;
	}
	if (span_find(value, SPAN_LIT("=?")) >= 0 || (quotes != 0 && quotes != 2))
		return false;
	/* Quotes are around the whole value, and unquoted there is no blank in it. */
	return quotes ? value.n > 2 && value.p[1] == '"' : span_chr(value, ' ') < 0;
}

void header_survey(struct span entity, size_t limit_bytes, char *scratch, struct mime_header *ret)
{
	*ret = (struct mime_header){0};
	block_find(ret, entity, limit_bytes);
	ret->has_nul = ret->block.n && memchr(ret->block.p, 0, ret->block.n);
	words_find(ret, scratch);
	ret->doubt = (ret->words & HEADER_MULTIPART) && !is_boundary_plain(ret->block);
	type_find(ret);
	names_find(ret);
}

bool header_is_message(struct span text)
{
	static const struct span starts[] = {
		SPAN_LIT("received:"),
		SPAN_LIT("return-path:"),
		SPAN_LIT("from:"),
		SPAN_LIT("to:"),
		SPAN_LIT("date:"),
		SPAN_LIT("subject:"),
		SPAN_LIT("message-id:"),
		SPAN_LIT("mime-version:"),
		SPAN_LIT("content-type"),
		SPAN_LIT("content-transfer"),
		SPAN_LIT("content-disposition"),
		SPAN_LIT("delivered-to:"),
		SPAN_LIT("x-mailer:"),
	};
	struct span rest = span_take(text, MESSAGE_LOOK_BYTES), line;
	unsigned fields = 0;

	for (unsigned lines = 0; fields == 0 && mime_next_line(&rest, true, &line); lines++) {
		if (is_blank_line(line)) {
			if (lines > 2)
				break;
			continue;
		}
		if (lines == 0 && is_mbox(line))
			continue;
		if (!is_space(line.p[0]) && !header_is_field(line))
			break;
		for (size_t i = 0; i < sizeof(starts) / sizeof(*starts); i++)
			if (span_casestarts(span_trim(line), starts[i]))
				fields++;
	}
	return fields > 0;
}
