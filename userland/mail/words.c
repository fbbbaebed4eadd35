#include "mail/words.h"

#include <errno.h>
#include <iconv.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/mime_decode.h"

#define CHARSET_BYTES 32
#define WORD_BYTES 4096 /* one run of text or encoded word */

struct out {
	char *p;
	size_t n, cap;
};

/* Bytes of the character that begins p, 0 when it is none (RFC 3629). */
static size_t utf8_length(const uint8_t *p, size_t n, uint32_t *ret)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t length = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	uint32_t c = length == 1 ? p[0] : p[0] & (0xffu >> (length + 1));

	if (length == 0 || length > n)
		return 0;
	for (size_t i = 1; i < length; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < least[length] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	*ret = c;
	return length;
}

static bool is_utf8(struct span s)
{
	uint32_t c;

	for (size_t n; s.n; s = span_skip(s, n))
		if ((n = utf8_length(s.p, s.n, &c)) == 0)
			return false;
	return true;
}

/* C0 and C1 controls, marks and overrides of direction, line separators, byte order mark. */
static bool is_unfit(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || (c >= 0x200b && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
	       (c >= 0xe0000 && c <= 0xe0fff);
}

static void put(struct out *o, struct span s)
{
	if (o->n + s.n < o->cap) {
		if (s.n)
			memcpy(o->p + o->n, s.p, s.n);
		o->n += s.n;
	} else {
		o->cap = o->n + 1; /* full: nothing smaller goes behind what was cut */
	}
}

static void put_utf8(struct out *o, struct span s)
{
	uint32_t c;

	while (s.n) {
		size_t n = utf8_length(s.p, s.n, &c);

		if (n && (c == '\t' || c == '\r' || c == '\n'))
			put(o, span_str(c == '\n' ? "" : " "));
		else if (n && !is_unfit(c))
			put(o, span_take(s, n));
		else
			put(o, SPAN_LIT("?"));
		s = span_skip(s, n ? n : 1);
	}
}

/* What the charset cannot mean becomes '?'. False when the charset is unknown. */
static bool put_charset(struct out *o, const char *charset, struct span s)
{
	iconv_t to = iconv_open("UTF-8", charset);
	char text[2 * WORD_BYTES], *at = text, *in = (char *)s.p;
	size_t left = sizeof(text), n = s.n;

	if (to == (iconv_t)-1)
		return false;
	while (n && left && iconv(to, &in, &n, &at, &left) == (size_t)-1 && errno != E2BIG &&
		left) {
		*at++ = '?';
		left--;
		in++;
		n--;
	}
	iconv_close(to);
	put_utf8(o, span_of(text, sizeof(text) - left));
	return true;
}

static void put_raw(struct out *o, struct span s)
{
	s = span_take(s, WORD_BYTES);
	if (span_find(s, SPAN_LIT("\x1b$")) >= 0 && put_charset(o, "ISO-2022-JP", s))
		return;
	if (is_utf8(s) || !put_charset(o, "SHIFT_JIS", s))
		put_utf8(o, s);
}

/* "Q" of RFC 2047: an underscore is a blank. */
static void q_decode(struct span in, struct mime_buffer *out)
{
	uint8_t text[WORD_BYTES] = {0};

	in = span_take(in, sizeof(text));
	for (size_t i = 0; i < in.n; i++)
		text[i] = in.p[i] == '_' ? ' ' : in.p[i];
	qp_decode(span_of(text, in.n), QP_KEEP, out);
}

static struct span until(struct span *rest, uint8_t c)
{
	ptrdiff_t at = span_chr(*rest, c);
	struct span s = span_take(*rest, at < 0 ? 0 : (size_t)at);

	*rest = span_skip(*rest, at < 0 ? rest->n : (size_t)at + 1);
	return s;
}

struct word {
	char charset[CHARSET_BYTES];
	uint8_t encoding;
	struct span text;
	size_t bytes; /* all of it */
};

/* =?charset*language?encoding?text?= at the front of s. */
static bool word_parse(struct span s, struct word *w)
{
	struct span rest = span_skip(s, 2);
	struct span charset = until(&rest, '?'), encoding = until(&rest, '?');
	ptrdiff_t end = span_find(rest, SPAN_LIT("?="));
	ptrdiff_t star = span_chr(charset, '*');

	if (star >= 0)
		charset = span_take(charset, (size_t)star);
	if (charset.n == 0 || charset.n >= sizeof(w->charset) || encoding.n != 1 || end < 0 ||
		end > WORD_BYTES)
		return false;
	for (size_t i = 0; i < charset.n; i++)
		if (charset.p[i] <= ' ' || charset.p[i] > '~' || charset.p[i] == '/')
			return false;
	memcpy(w->charset, charset.p, charset.n);
	w->charset[charset.n] = '\0';
	w->encoding = encoding.p[0] | 0x20;
	w->text = span_take(rest, (size_t)end);
	w->bytes = (size_t)(w->text.p - s.p) + w->text.n + 2;
	return w->encoding == 'b' || w->encoding == 'q';
}

static bool word_put(struct out *o, const struct word *w)
{
	struct mime_buffer b = {.max = WORD_BYTES};

	if (w->encoding == 'b')
		base64_decode(w->text, 0, &b);
	else
		q_decode(w->text, &b);
	bool known = put_charset(o, w->charset, span_of(b.p, b.n));
	mime_buffer_free(&b);
	return known;
}

void words_read(struct span text, char *out, size_t cap)
{
	struct out o = {out, 0, cap};
	bool after_word = false;
	struct word w;

	while (text.n && o.n + 1 < o.cap) {
		ptrdiff_t at = span_find(text, SPAN_LIT("=?"));
		struct span before = span_take(text, at < 0 ? text.n : (size_t)at);

		if (at >= 0 && word_parse(span_skip(text, (size_t)at), &w)) {
			/* Blanks between two encoded words are none (RFC 2047, section 6.2). */
			if (!after_word || span_trim(before).n)
				put_raw(&o, before);
			after_word = word_put(&o, &w);
			if (!after_word)
				put_raw(&o, span_take(span_skip(text, (size_t)at), w.bytes));
			text = span_skip(text, (size_t)at + w.bytes);
		} else {
			size_t n = at < 0 ? text.n : (size_t)at + 2;
			put_raw(&o, span_take(text, n));
			text = span_skip(text, n);
			after_word = false;
		}
	}
	out[o.n] = '\0';
}

struct span words_field(struct span message, struct span name)
{
	while (message.n && message.p[0] != '\r' && message.p[0] != '\n') {
		size_t n = 0;

		do {
			ptrdiff_t lf = span_chr(span_skip(message, n), '\n');
			n = lf < 0 ? message.n : n + (size_t)lf + 1;
		} while (n < message.n && (message.p[n] == ' ' || message.p[n] == '\t'));
		struct span line = span_take(message, n), rest = span_skip(line, name.n);
		if (span_casestarts(line, name) && span_trim(rest).n && span_trim(rest).p[0] == ':')
			return span_trim(span_skip(span_trim(rest), 1));
		message = span_skip(message, n);
	}
	return (struct span){0};
}
