#include "mailauth/tags.h"

bool tags_next(struct span *rest, struct span *ret_name, struct span *ret_value, bool *ret_bad)
{
	*ret_bad = false;
	while (rest->n) {
		ptrdiff_t semicolon = span_chr(*rest, ';');
		size_t n = semicolon < 0 ? rest->n : (size_t)semicolon;
		struct span pair = span_trim(span_take(*rest, n));
		*rest = span_skip(*rest, semicolon < 0 ? n : n + 1);
		if (pair.n == 0)
			continue;
		ptrdiff_t equals = span_chr(pair, '=');
		*ret_bad = equals <= 0;
		if (*ret_bad)
			return false;
		*ret_name = span_trim(span_take(pair, (size_t)equals));
		*ret_value = span_trim(span_skip(pair, (size_t)equals + 1));
		return true;
	}
	return false;
}

/* ALPHA *(ALPHA / DIGIT / "_") */
static bool is_name(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		bool is_alpha = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
		if (!is_alpha && (i == 0 || (!(c >= '0' && c <= '9') && c != '_')))
			return false;
	}
	return s.n > 0;
}

/* Printable, with folding white space; bytes over 127 for U-labels (RFC 8616). */
static bool is_value(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((s.p[i] < ' ' && !memchr("\t\r\n", s.p[i], 3)) || s.p[i] == 0x7f)
			return false;
	return true;
}

static bool add(struct tags *t, struct span pair)
{
	ptrdiff_t equals = span_chr(pair, '=');

	if (equals <= 0 || t->count == TAGS_MAX)
		return false;
	struct span name = span_trim(span_take(pair, (size_t)equals));
	struct span room = span_skip(pair, (size_t)equals + 1);
	if (!is_name(name) || !is_value(room))
		return false;
	for (unsigned i = 0; i < t->count; i++)
		if (span_eq(t->list[i].name, name))
			return false;
	t->list[t->count].name = name;
	t->list[t->count].value = span_trim(room);
	t->list[t->count++].room = room;
	return true;
}

bool tags_read(struct tags *t, struct span text)
{
	t->count = 0;
	while (text.n) {
		ptrdiff_t semicolon = span_chr(text, ';');
		size_t n = semicolon < 0 ? text.n : (size_t)semicolon;
		struct span pair = span_take(text, n);
		text = span_skip(text, semicolon < 0 ? n : n + 1);
		if (semicolon < 0 && span_trim(pair).n == 0) /* after the last semicolon */
			break;
		if (!add(t, pair))
			return false;
	}
	return t->count > 0;
}

bool tags_get(const struct tags *t, const char *name, struct span *ret)
{
	struct span wanted = span_str(name);

	for (unsigned i = 0; i < t->count; i++) {
		if (!span_eq(t->list[i].name, wanted))
			continue;
		if (ret)
			*ret = t->list[i].value;
		return true;
	}
	return false;
}

bool tags_compact(struct span value, char *ret, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < value.n; i++) {
		if (memchr(" \t\r\n", value.p[i], 4))
			continue;
		if (n + 1 >= size)
			return false;
		ret[n++] = (char)value.p[i];
	}
	ret[n] = 0;
	return true;
}

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool tags_unquote(struct span value, char *ret, size_t size, size_t *ret_n)
{
	size_t n = 0, length;

	if (!tags_compact(value, ret, size))
		return false;
	length = strlen(ret);
	for (size_t i = 0; i < length; i++) {
		if (ret[i] != '=') {
			ret[n++] = ret[i];
			continue;
		}
		if (i + 2 >= length || hex(ret[i + 1]) < 0 || hex(ret[i + 2]) < 0)
			return false;
		ret[n++] = (char)(hex(ret[i + 1]) << 4 | hex(ret[i + 2]));
		i += 2;
	}
	*ret_n = n;
	ret[n] = 0;
	return true;
}
