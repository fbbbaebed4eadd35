#include "mailauth/phrase.h"

#include "mailauth/base64.h"
#include "mailauth/cfws.h"

#define WORD_BYTES 1024

/* Length of the UTF-8 character at s, 0 when it is none or a control character (RFC 3629). */
static size_t utf8_length(struct span s)
{
	static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
	uint8_t c = s.p[0];
	size_t more = c < 0x80 ? 0 : c >= 0xf0 && c < 0xf5 ? 3 : c >= 0xe0 ? 2 : 1;
	uint32_t point = more ? c & (0x3fu >> more) : c;

	if ((c >= 0x80 && c < 0xc2) || c >= 0xf5 || more >= s.n)
		return 0;
	for (size_t i = 1; i <= more; i++) {
		if ((s.p[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (s.p[i] & 0x3fu);
	}
	if (point < least[more] || (point >= 0xd800 && point < 0xe000) || point > 0x10ffff)
		return 0;
	return point < ' ' || (point >= 0x7f && point < 0xa0) ? 0 : more + 1;
}

void phrase_print(struct span s, char *ret, size_t size)
{
	size_t n = 0;

	while (s.n) {
		size_t k = utf8_length(s);
		if (n + (k ? k : 1) >= size)
			break;
		if (k)
			memcpy(ret + n, s.p, k);
		else
			ret[n] = '?';
		n += k ? k : 1;
		s = span_skip(s, k ? k : 1);
	}
	ret[n] = 0;
}

static int hex(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static ptrdiff_t decode_q(struct span s, uint8_t *ret, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		if (n == size)
			return -1;
		if (c == '=' && i + 2 < s.n && hex(s.p[i + 1]) >= 0 && hex(s.p[i + 2]) >= 0) {
			c = (uint8_t)(hex(s.p[i + 1]) << 4 | hex(s.p[i + 2]));
			i += 2;
		} else if (c == '_') {
			c = ' ';
		}
		ret[n++] = c;
	}
	return (ptrdiff_t)n;
}

static ptrdiff_t widen_latin1(const uint8_t *p, size_t n, uint8_t *ret, size_t size)
{
	size_t out = 0;

	for (size_t i = 0; i < n; i++) {
		if (out + 2 > size)
			return -1;
		if (p[i] < 0x80) {
			ret[out++] = p[i];
			continue;
		}
		ret[out++] = (uint8_t)(0xc0 | p[i] >> 6);
		ret[out++] = (uint8_t)(0x80 | (p[i] & 0x3f));
	}
	return (ptrdiff_t)out;
}

/* "=?charset?q?text?=" at s: its length and its text; 0 when it is none we can decode. */
static size_t decode_word(struct span s, uint8_t *ret, size_t size, size_t *ret_n)
{
	uint8_t raw[WORD_BYTES];
	struct span rest = span_skip(s, 2), charset, encoding, text;
	ptrdiff_t mark = span_chr(rest, '?'), n;

	if (!span_casestarts(s, SPAN_LIT("=?")) || mark < 0)
		return 0;
	charset = span_take(rest, (size_t)mark);
	rest = span_skip(rest, (size_t)mark + 1);
	if (rest.n < 2 || rest.p[1] != '?')
		return 0;
	encoding = span_take(rest, 1);
	rest = span_skip(rest, 2);
	mark = span_find(rest, SPAN_LIT("?="));
	if (mark < 0)
		return 0;
	text = span_take(rest, (size_t)mark);
	if (span_caseeq(encoding, SPAN_LIT("q")))
		n = decode_q(text, raw, sizeof(raw));
	else
		n = span_caseeq(encoding, SPAN_LIT("b")) ? base64_decode(text, raw, sizeof(raw))
							 : -1;
	if (n >= 0 && span_caseeq(charset, SPAN_LIT("iso-8859-1")))
		n = widen_latin1(raw, (size_t)n, ret, size);
	else if (n >= 0 && (size_t)n <= size &&
		 (span_caseeq(charset, SPAN_LIT("utf-8")) ||
			 span_caseeq(charset, SPAN_LIT("us-ascii"))))
		memcpy(ret, raw, (size_t)n);
	else
		n = -1;
	*ret_n = (size_t)n;
	return n < 0 ? 0 : (size_t)(rest.p - s.p) + (size_t)mark + 2;
}

/* Decodes what can be; blanks between two encoded words are not there (RFC 2047, section 6.2). */
static size_t decode_words(struct span s, uint8_t *ret, size_t size)
{
	size_t n = 0, blanks = 0;
	bool after_word = false;

	while (s.n && n < size) {
		size_t got = 0, length = decode_word(s, ret + n, size - n, &got);
		if (length) {
			if (after_word && blanks) {
				n -= blanks;
				memmove(ret + n, ret + n + blanks, got);
			}
			n += got;
			s = span_skip(s, length);
			after_word = true;
			blanks = 0;
			continue;
		}
		bool is_blank = *s.p == ' ' || *s.p == '\t';
		blanks = is_blank ? blanks + 1 : 0;
		after_word &= is_blank;
		ret[n++] = *s.p;
		s = span_skip(s, 1);
	}
	return n;
}

/* What stands before the angle bracket, without quotes, comments and folds. */
static size_t collect(struct span value, uint8_t *ret, size_t size)
{
	struct cursor c = cursor_of(value);
	bool quoted = false;
	size_t n = 0;

	while (cursor_left(&c) && n < size) {
		if (!quoted && *c.p == '(') {
			if (!cfws_skip(&c))
				return 0;
			ret[n++] = ' ';
			continue;
		}
		uint8_t ch = cursor_u8(&c);
		if (!quoted && ch == '<')
			return n;
		if (ch == '"')
			quoted = !quoted;
		else if (ch == '\\' && quoted && cursor_left(&c))
			ret[n++] = cursor_u8(&c);
		else if (ch != '\r' && ch != '\n')
			ret[n++] = ch;
	}
	return n == size ? n : 0;
}

void phrase_read(struct span value, char ret[PHRASE_BYTES])
{
	uint8_t raw[WORD_BYTES], text[WORD_BYTES];
	size_t n = collect(value, raw, sizeof(raw));

	n = decode_words(span_of(raw, n), text, sizeof(text));
	phrase_print(span_trim(span_of(text, n)), ret, PHRASE_BYTES);
}
