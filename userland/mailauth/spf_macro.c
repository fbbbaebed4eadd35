#include "mailauth/spf_macro.h"

#include <stdio.h>

#define PARTS_MAX 128
#define DELIMITERS ".-+,/_="

/* One "%{...}". */
struct macro {
	char letter;     /* lower case */
	bool is_escaped; /* written in upper case: URL encoding */
	bool is_reversed;
	unsigned keep; /* rightmost parts; 0 is all */
	char delimiters[8];
};

struct output {
	char *p;
	size_t n;
	bool is_full;
};

static void put(struct output *o, char c)
{
	if (o->n + 1 < SPF_EXPANSION_BYTES)
		o->p[o->n++] = c;
	else
		o->is_full = true;
}

static char to_lower(uint8_t c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

static void read_delimiters(struct cursor *c, struct macro *m)
{
	size_t n = 0;

	while (cursor_left(c) && *c->p != '}') {
		uint8_t d = cursor_u8(c);
		if (!memchr(DELIMITERS, d, strlen(DELIMITERS)))
			c->fail = true;
		else if (!memchr(m->delimiters, d, n))
			m->delimiters[n++] = (char)d;
	}
	m->delimiters[n] = 0;
	if (n == 0)
		strcpy(m->delimiters, ".");
}

/* What follows "%{", up to and with "}". */
static bool read_macro(struct cursor *c, struct macro *m)
{
	bool has_digits = false;
	uint8_t letter = cursor_u8(c);

	*m = (struct macro){
		.letter = to_lower(letter), .is_escaped = letter != (uint8_t)to_lower(letter)};
	while (cursor_left(c) && *c->p >= '0' && *c->p <= '9') {
		m->keep = m->keep * 10 + (unsigned)(cursor_u8(c) - '0');
		if (m->keep > PARTS_MAX)
			m->keep = PARTS_MAX; /* more parts than any value has */
		has_digits = true;
	}
	if (has_digits && m->keep == 0)
		return false;
	if (cursor_left(c) && (*c->p | 0x20) == 'r') {
		m->is_reversed = true;
		cursor_skip(c, 1);
	}
	read_delimiters(c, m);
	return cursor_u8(c) == '}' && cursor_ok(c);
}

static bool is_letter(char letter, bool is_explanation)
{
	return letter && strchr(is_explanation ? "slodipvhcrt" : "slodipvh", letter);
}

bool spf_macro_is_valid(struct span s, bool is_explanation, size_t *ret_literal)
{
	struct cursor c = cursor_of(s);
	struct macro m;

	*ret_literal = 0;
	while (cursor_left(&c)) {
		uint8_t ch = cursor_u8(&c);
		++*ret_literal;
		if (ch < (is_explanation ? 0x20 : 0x21) || ch > 0x7e)
			return false;
		if (ch != '%')
			continue;
		*ret_literal = 0;
		ch = cursor_u8(&c);
		if (ch == '{' && (!read_macro(&c, &m) || !is_letter(m.letter, is_explanation)))
			return false;
		if (ch != '{' && (ch == 0 || !memchr("%_-", ch, 3)))
			return false;
	}
	return true;
}

bool spf_macro_uses_p(struct span s)
{
	return span_find(s, SPAN_LIT("%{p")) >= 0 || span_find(s, SPAN_LIT("%{P")) >= 0;
}

static const char *value_of(const struct spf_macro_values *v, char letter)
{
	const struct {
		char letter;
		const char *value;
	} rows[] = {
		{'s', v->sender},
		{'l', v->local},
		{'o', v->domain},
		{'d', v->current},
		{'i', v->ip},
		{'p', v->validated},
		{'v', v->reverse},
		{'h', v->helo},
		{'c', v->ip_text},
		{'r', v->receiver},
		{'t', v->timestamp},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (rows[i].letter == letter)
			return rows[i].value;
	return "";
}

/* RFC 3986: all but unreserved characters. */
static void put_escaped(struct output *o, char ch)
{
	char hex[4];
	bool is_alnum = (ch >= '0' && ch <= '9') ||
			(to_lower((uint8_t)ch) >= 'a' && to_lower((uint8_t)ch) <= 'z');

	if (is_alnum || (ch && strchr("-._~", ch))) {
		put(o, ch);
		return;
	}
	snprintf(hex, sizeof(hex), "%%%02X", (unsigned)(uint8_t)ch);
	for (const char *p = hex; *p; p++)
		put(o, *p);
}

static unsigned split(const char *value, const char *delimiters, struct span parts[PARTS_MAX])
{
	unsigned n = 0;

	for (;;) {
		size_t length = strcspn(value, delimiters);
		if (n == PARTS_MAX) { /* keep the right end, which is what macros look at */
			memmove(parts, parts + 1, (PARTS_MAX - 1) * sizeof(*parts));
			n--;
		}
		parts[n++] = span_of(value, length);
		if (!value[length])
			return n;
		value += length + 1;
	}
}

static void put_macro(struct output *o, const struct macro *m, const char *value)
{
	struct span parts[PARTS_MAX];
	unsigned n = split(value, m->delimiters, parts);
	unsigned keep = m->keep && m->keep < n ? m->keep : n;

	for (unsigned i = 0; i < keep; i++) {
		/* reversal comes before the choice of the rightmost parts */
		struct span part = m->is_reversed ? parts[keep - 1 - i] : parts[n - keep + i];
		if (i)
			put(o, '.');
		for (size_t k = 0; k < part.n; k++) {
			if (m->is_escaped)
				put_escaped(o, (char)part.p[k]);
			else
				put(o, (char)part.p[k]);
		}
	}
}

bool spf_macro_expand(
	struct span s, const struct spf_macro_values *v, char ret[SPF_EXPANSION_BYTES])
{
	struct cursor c = cursor_of(s);
	struct output o = {.p = ret};
	struct macro m;

	while (cursor_left(&c)) {
		uint8_t ch = cursor_u8(&c);
		if (ch != '%') {
			put(&o, (char)ch);
			continue;
		}
		ch = cursor_u8(&c);
		if (ch == '{' && read_macro(&c, &m))
			put_macro(&o, &m, value_of(v, m.letter));
		else if (ch == '_')
			put(&o, ' ');
		else if (ch == '-')
			put(&o, '%'), put(&o, '2'), put(&o, '0');
		else
			put(&o, (char)ch);
	}
	ret[o.n] = 0;
	return !o.is_full;
}
