#include "lib/mime_decode.h"

#include <stdlib.h>

void mime_buffer_put(struct mime_buffer *b, const uint8_t *p, size_t n)
{
	if (b->full || n > b->max - b->n) {
		b->full = true;
		return;
	}
	if (b->n + n > b->cap) {
		size_t cap = b->cap ? 2 * b->cap : 4096;
		if (cap < b->n + n)
			cap = b->n + n;
		uint8_t *bigger = realloc(b->p, cap);
		if (!bigger) {
			b->full = true;
			return;
		}
		b->p = bigger;
		b->cap = cap;
	}
	if (n)
		memcpy(b->p + b->n, p, n);
	b->n += n;
}

void mime_buffer_free(struct mime_buffer *b)
{
	free(b->p);
	b->p = NULL;
	b->n = b->cap = 0;
}

bool mime_next_line(struct span *rest, bool lone_cr, struct span *ret)
{
	if (rest->n == 0)
		return false;
	const uint8_t *lf = memchr(rest->p, '\n', rest->n);
	size_t n = lf ? (size_t)(lf - rest->p) : rest->n, skip = lf ? 1 : 0;
	if (lone_cr) {
		const uint8_t *cr = n ? memchr(rest->p, '\r', n) : NULL;
		if (cr && cr + 1 != lf) {
			n = (size_t)(cr - rest->p);
			skip = 1;
		}
	}
	struct span line = span_take(*rest, n);
	*rest = span_skip(*rest, n + skip);
	if (line.n && line.p[line.n - 1] == '\r')
		line.n--;
	*ret = line;
	return true;
}

/* ---- base64 ---- */

enum { PAD = 64, EOL = 65, BLANK = 66, JUNK = 67, URL_62 = 68, URL_63 = 69 };

#define X4(v) v, v, v, v
#define X16(v) X4(v), X4(v), X4(v), X4(v)
#define X64(v) X16(v), X16(v), X16(v), X16(v)

// clang-format off: a table
static const uint8_t letters[256] = {
	JUNK, JUNK, JUNK, JUNK, JUNK, JUNK, JUNK, JUNK, JUNK, BLANK, EOL, BLANK, BLANK, EOL, JUNK, JUNK,
	X16(JUNK),
	BLANK, JUNK, JUNK, JUNK, JUNK, JUNK, JUNK, JUNK, JUNK, JUNK, JUNK, 62, JUNK, URL_62, JUNK, 63,
	52, 53, 54, 55, 56, 57, 58, 59, 60, 61, JUNK, JUNK, JUNK, PAD, JUNK, JUNK,
	JUNK, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
	15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, JUNK, JUNK, JUNK, JUNK, URL_63,
	JUNK, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
	41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, JUNK, JUNK, JUNK, JUNK, JUNK,
	X64(JUNK), X64(JUNK),
};
// clang-format on

/* Whether the line end at i is followed by one more. */
static bool is_blank_line(struct span in, size_t i)
{
	if (in.p[i] != '\n')
		return false;
	while (++i < in.n && (in.p[i] == ' ' || in.p[i] == '\t' || in.p[i] == '\r'))
		;
	return i < in.n && in.p[i] == '\n';
}

unsigned base64_survey(struct span in)
{
	unsigned way = 0;
	bool padded = false, seen = false, blank = false;
	size_t group = 0; /* letters since the last whole group */

	for (size_t i = 0; i < in.n; i++) {
		uint8_t c = letters[in.p[i]];
		if (c < PAD) {
			group++;
			if (padded)
				way |= BASE64_STOP | BASE64_NO_PAD | BASE64_PAD_ZERO | BASE64_QUADS;
			if (blank)
				way |= BASE64_BLANK;
			seen = true;
		} else if (c == PAD) {
			padded = true;
			group = 0;
		} else if (c == EOL) {
			if (group % 4)
				way |= BASE64_LINES;
			blank |= seen && is_blank_line(in, i);
		} else if (c != BLANK) {
			way |= BASE64_JUNK_EOL | BASE64_JUNK_END;
			if (c != JUNK)
				way |= BASE64_URL;
		}
	}
	return way;
}

struct base64 {
	uint32_t bits;
	unsigned count; /* letters in bits */
	unsigned pads;  /* in this group, for BASE64_QUADS */
};

static void base64_flush(struct base64 *b, struct mime_buffer *out)
{
	/* Two letters hold one byte, three hold two; a single one holds none. */
	uint32_t v = b->count == 3 ? b->bits >> 2 : b->count == 2 ? b->bits << 4 : 0;
	uint8_t bytes[2] = {(uint8_t)(v >> 8), (uint8_t)v};

	if (b->count >= 2)
		mime_buffer_put(out, bytes, b->count - 1);
	*b = (struct base64){0};
}

static void base64_letter(struct base64 *b, uint8_t value, struct mime_buffer *out)
{
	b->bits = b->bits << 6 | value;
	if (++b->count + b->pads == 4 && b->pads) {
		base64_flush(b, out);
	} else if (b->count == 4) {
		uint8_t bytes[3] = {
			(uint8_t)(b->bits >> 16), (uint8_t)(b->bits >> 8), (uint8_t)b->bits};
		mime_buffer_put(out, bytes, 3);
		*b = (struct base64){0};
	}
}

static void base64_pad(struct base64 *b, unsigned way, struct mime_buffer *out)
{
	if (way & BASE64_PAD_ZERO) {
		base64_letter(b, 0, out);
	} else if (way & BASE64_QUADS) {
		if (++b->pads + b->count >= 4)
			base64_flush(b, out);
	} else if (!(way & BASE64_NO_PAD)) {
		base64_flush(b, out);
	}
}

static size_t line_rest(struct span in, size_t i)
{
	while (i + 1 < in.n && in.p[i + 1] != '\n' && in.p[i + 1] != '\r')
		i++;
	return i;
}

/* Whole groups of four letters, the common case; returns how many bytes of the input were taken. */
static size_t base64_groups(struct span in, struct mime_buffer *out)
{
	uint8_t chunk[3072];
	size_t i = 0, n = 0;

	for (; i + 4 <= in.n; i += 4) {
		uint8_t a = letters[in.p[i]], b = letters[in.p[i + 1]], c = letters[in.p[i + 2]],
			d = letters[in.p[i + 3]];
		if ((a | b | c | d) & 0x40)
			break;
		uint32_t v = (uint32_t)a << 18 | (uint32_t)b << 12 | (uint32_t)c << 6 | d;
		chunk[n++] = (uint8_t)(v >> 16);
		chunk[n++] = (uint8_t)(v >> 8);
		chunk[n++] = (uint8_t)v;
		if (n == sizeof(chunk)) {
			mime_buffer_put(out, chunk, n);
			n = 0;
		}
	}
	if (n)
		mime_buffer_put(out, chunk, n);
	return i;
}

void base64_decode(struct span in, unsigned way, struct mime_buffer *out)
{
	struct base64 b = {0};

	for (size_t i = 0; i < in.n && !out->full; i++) {
		if (b.count == 0 && b.pads == 0)
			i += base64_groups(span_skip(in, i), out);
		if (i >= in.n)
			break;
		uint8_t c = letters[in.p[i]];
		if (c >= URL_62)
			c = way & BASE64_URL ? (uint8_t)(c - URL_62 + 62) : JUNK;
		if (c < PAD) {
			base64_letter(&b, c, out);
		} else if (c == PAD) {
			if (way & BASE64_STOP)
				break;
			base64_pad(&b, way, out);
		} else if (c == EOL) {
			if ((way & BASE64_BLANK) && out->n && is_blank_line(in, i))
				break;
			if (way & BASE64_LINES)
				base64_flush(&b, out);
		} else if (c == JUNK) {
			if (way & BASE64_JUNK_END)
				break;
			if (way & BASE64_JUNK_EOL)
				i = line_rest(in, i);
		}
	}
	base64_flush(&b, out);
}

bool base64_likely(struct span in)
{
	size_t good = 0, i = 0;

	for (; i < in.n && i < 4096; i++) {
		uint8_t c = letters[in.p[i]];
		if (c < PAD)
			good++;
		else if (c != EOL && c != PAD)
			return false;
	}
	return good >= 24;
}

/* ---- quoted-printable ---- */

static int hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

/* Where the line ends after blanks from i on: index of the CR or LF, in.n, or 0 for not. */
static size_t blanks_to_eol(struct span in, size_t i)
{
	while (i < in.n && is_blank(in.p[i]))
		i++;
	return i == in.n || in.p[i] == '\n' || in.p[i] == '\r' ? i : 0;
}

static bool is_escape(struct span in, size_t i)
{
	return i + 2 < in.n && hex_value(in.p[i + 1]) >= 0 && hex_value(in.p[i + 2]) >= 0;
}

unsigned qp_survey(struct span in)
{
	unsigned way = 0;

	for (size_t i = 0; i < in.n; i++) {
		if (in.p[i] == '=') {
			if (!is_escape(in, i) && blanks_to_eol(in, i + 1) == 0)
				way |= QP_DROP | QP_SKIP;
		} else if (is_blank(in.p[i]) && blanks_to_eol(in, i) != 0) {
			way |= QP_KEEP;
		}
	}
	return way;
}

static size_t eol_skip(struct span in, size_t i)
{
	if (i < in.n && in.p[i] == '\r')
		i++;
	return i < in.n && in.p[i] == '\n' ? i + 1 : i;
}

/* At a '='; returns where to read on. */
static size_t qp_escape(struct span in, size_t i, unsigned way, struct mime_buffer *out)
{
	if (is_escape(in, i)) {
		uint8_t c = (uint8_t)(hex_value(in.p[i + 1]) << 4 | hex_value(in.p[i + 2]));
		mime_buffer_put(out, &c, 1);
		return i + 3;
	}
	size_t end = blanks_to_eol(in, i + 1);
	if (end != 0 || i + 1 == in.n)
		return eol_skip(in, end ? end : in.n);
	if (!(way & QP_DROP))
		mime_buffer_put(out, in.p + i, 1);
	return i + 1;
}

/* The input without each '=' that has one digit and then something else behind it. */
static void qp_skip(struct span in, struct mime_buffer *out)
{
	for (size_t i = 0; i < in.n && !out->full; i++) {
		bool bad = in.p[i] == '=' && i + 1 < in.n && hex_value(in.p[i + 1]) >= 0 &&
			   !is_escape(in, i);
		if (bad)
			i++;
		else
			mime_buffer_put(out, in.p + i, 1);
	}
}

void qp_decode(struct span in, unsigned way, struct mime_buffer *out)
{
	size_t i = 0;

	if (way & QP_SKIP) {
		struct mime_buffer kept = {.max = in.n};
		qp_skip(in, &kept);
		out->full |= kept.full;
		qp_decode(span_of(kept.p, kept.n), way & ~QP_SKIP, out);
		mime_buffer_free(&kept);
		return;
	}

	while (i < in.n && !out->full) {
		size_t plain = i;
		while (plain < in.n && in.p[plain] != '=' && !is_blank(in.p[plain]))
			plain++;
		mime_buffer_put(out, in.p + i, plain - i);
		i = plain;
		if (i >= in.n)
			break;
		if (in.p[i] == '=') {
			i = qp_escape(in, i, way, out);
			continue;
		}
		size_t end = i;
		while (end < in.n && is_blank(in.p[end]))
			end++;
		bool at_eol = end == in.n || in.p[end] == '\n' || in.p[end] == '\r';
		if (!at_eol || (way & QP_KEEP))
			mime_buffer_put(out, in.p + i, end - i);
		i = end;
	}
}
