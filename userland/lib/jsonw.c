#include "lib/jsonw.h"

#include <stdarg.h>
#include <stdio.h>

/* The last JSONW_DEPTH bytes of the buffer hold the closing byte of each open level. */

static void put(struct jsonw *w, const char *s, size_t n)
{
	if (w->full || w->cap - w->len <= n + JSONW_DEPTH) {
		w->full = true;
		return;
	}
	memcpy(w->buf + w->len, s, n);
	w->len += n;
}

static char *closer(struct jsonw *w, unsigned level)
{
	return w->buf + w->cap - JSONW_DEPTH + level;
}

void jsonw_init(struct jsonw *w, char *buf, size_t cap)
{
	*w = (struct jsonw){.buf = buf, .cap = cap, .full = cap <= 2 * JSONW_DEPTH};
}

static void put_escaped(struct jsonw *w, const uint8_t *p, size_t n);

static void lead(struct jsonw *w, const char *key)
{
	if (w->depth) {
		if (!w->first[w->depth - 1])
			put(w, ",", 1);
		w->first[w->depth - 1] = false;
	}
	if (key) {
		put(w, "\"", 1);
		put_escaped(w, (const uint8_t *)key, strlen(key));
		put(w, "\":", 2);
	}
}

static void nest(struct jsonw *w, const char *key, char open, char close)
{
	lead(w, key);
	put(w, &open, 1);
	if (w->full || w->depth == JSONW_DEPTH) {
		w->full = true;
		return;
	}
	w->first[w->depth] = true;
	*closer(w, w->depth++) = close;
}

void jsonw_object(struct jsonw *w, const char *key)
{
	nest(w, key, '{', '}');
}

void jsonw_array(struct jsonw *w, const char *key)
{
	nest(w, key, '[', ']');
}

void jsonw_end(struct jsonw *w)
{
	if (w->full || w->depth == 0)
		return;
	char c = *closer(w, --w->depth);
	put(w, &c, 1);
}

/* Length of the UTF-8 sequence at p, or 0 when it is not one (Unicode 15, table 3-7). */
static size_t utf8_len(const uint8_t *p, size_t n)
{
	static const struct {
		uint8_t lo, hi, len, lo2, hi2;
	} rows[] = {
		{0xC2, 0xDF, 2, 0x80, 0xBF},
		{0xE0, 0xE0, 3, 0xA0, 0xBF},
		{0xE1, 0xEC, 3, 0x80, 0xBF},
		{0xED, 0xED, 3, 0x80, 0x9F},
		{0xEE, 0xEF, 3, 0x80, 0xBF},
		{0xF0, 0xF0, 4, 0x90, 0xBF},
		{0xF1, 0xF3, 4, 0x80, 0xBF},
		{0xF4, 0xF4, 4, 0x80, 0x8F},
	};

	for (size_t r = 0; r < sizeof(rows) / sizeof(*rows); r++) {
		if (p[0] < rows[r].lo || p[0] > rows[r].hi)
			continue;
		if (n < rows[r].len || p[1] < rows[r].lo2 || p[1] > rows[r].hi2)
			return 0;
		for (size_t i = 2; i < rows[r].len; i++)
			if ((p[i] & 0xC0) != 0x80)
				return 0;
		return rows[r].len;
	}
	return 0;
}

static void put_escaped(struct jsonw *w, const uint8_t *p, size_t n)
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < n && !w->full;) {
		uint8_t c = p[i];
		if (c >= 0x80) {
			size_t len = utf8_len(p + i, n - i);
			if (len)
				put(w, (const char *)p + i, len);
			else
				put(w, "\xEF\xBF\xBD", 3);
			i += len ? len : 1;
			continue;
		}
		size_t run = i;
		while (run < n && p[run] >= 0x20 && p[run] < 0x7F && p[run] != '"' &&
			p[run] != '\\')
			run++;
		if (run > i) {
			put(w, (const char *)p + i, run - i);
			i = run;
			continue;
		}
		if (c == '"' || c == '\\')
			put(w, (char[]){'\\', (char)c}, 2);
		else if (c == '\n')
			put(w, "\\n", 2);
		else if (c == '\r')
			put(w, "\\r", 2);
		else if (c == '\t')
			put(w, "\\t", 2);
		else
			put(w, (char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6);
		i++;
	}
}

void jsonw_span(struct jsonw *w, const char *key, struct span value)
{
	lead(w, key);
	put(w, "\"", 1);
	put_escaped(w, value.p, value.n);
	put(w, "\"", 1);
}

void jsonw_str(struct jsonw *w, const char *key, const char *value)
{
	jsonw_span(w, key, span_str(value));
}

/* Not printf: an event has a score of numbers, and there is one for each connection. */
static void put_number(struct jsonw *w, const char *key, bool negative, uint64_t value)
{
	char digits[21]; /* 2^64 has 20, and the sign */
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + value % 10);
	while (value /= 10);
	if (negative)
		digits[--at] = '-';
	lead(w, key);
	put(w, digits + at, sizeof(digits) - at);
}

void jsonw_u64(struct jsonw *w, const char *key, uint64_t value)
{
	put_number(w, key, false, value);
}

void jsonw_i64(struct jsonw *w, const char *key, int64_t value)
{
	put_number(w, key, value < 0, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void jsonw_bool(struct jsonw *w, const char *key, bool value)
{
	lead(w, key);
	put(w, value ? "true" : "false", value ? 4 : 5);
}

void jsonw_fmt(struct jsonw *w, const char *key, const char *format, ...)
{
	char tmp[256];
	va_list ap;

	va_start(ap, format);
	vsnprintf(tmp, sizeof(tmp), format, ap);
	va_end(ap);
	jsonw_str(w, key, tmp);
}

struct span jsonw_done(struct jsonw *w)
{
	while (w->depth && !w->full)
		jsonw_end(w);
	if (w->full)
		return (struct span){(const uint8_t *)"", 0};
	w->buf[w->len] = 0;
	return span_of(w->buf, w->len);
}
