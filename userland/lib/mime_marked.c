/* Encodings that announce themselves in the text: uuencode, yEnc, BinHex. */
#include "lib/mime_decode.h"

#define UU_BAD_LINES 16 /* lines that are no uuencode, one after another: the end of the file */

static uint8_t uu_value(struct span line, size_t i)
{
	return i < line.n ? (uint8_t)((line.p[i] - ' ') & 63) : 0;
}

/* A line's count may promise more than the line holds: blanks at its end were lost on the way. */
static bool uu_line(struct span line, struct mime_buffer *out)
{
	if (line.n == 0 || line.p[0] < ' ' || line.p[0] > '`')
		return false;
	size_t bytes = uu_value(line, 0);
	if (line.n < 1 + bytes / 2 || line.n > bytes * 2 + 8)
		return false;
	for (size_t i = 1; bytes > 0; i += 4) {
		uint8_t a = uu_value(line, i), b = uu_value(line, i + 1), c = uu_value(line, i + 2),
			d = uu_value(line, i + 3);
		uint8_t group[3] = {(uint8_t)(a << 2 | b >> 4), (uint8_t)(b << 4 | c >> 2),
			(uint8_t)(c << 6 | d)};
		size_t n = bytes < 3 ? bytes : 3;
		mime_buffer_put(out, group, n);
		bytes -= n;
	}
	return true;
}

size_t uu_decode(struct span in, struct mime_buffer *out)
{
	struct span rest = in, line;
	unsigned bad = 0;

	while (!out->full && bad < UU_BAD_LINES && mime_next_line(&rest, true, &line)) {
		if (span_caseeq(span_trim(line), SPAN_LIT("end")))
			break;
		bad = uu_line(line, out) ? 0 : bad + 1;
	}
	return in.n - rest.n;
}

size_t yenc_decode(struct span in, struct mime_buffer *out)
{
	struct span rest = in, line;

	while (!out->full && mime_next_line(&rest, false, &line)) {
		if (span_casestarts(line, SPAN_LIT("=yend")))
			break;
		if (span_casestarts(line, SPAN_LIT("=ypart")) ||
			span_casestarts(line, SPAN_LIT("=ybegin")))
			continue;
		/* A dot that transport doubled at the line's start is not undone: yEnc escapes it.
		 */
		for (size_t i = 0; i < line.n; i++) {
			uint8_t c = line.p[i];
			if (c == '=' && i + 1 < line.n)
				c = (uint8_t)(line.p[++i] - 64);
			c = (uint8_t)(c - 42);
			mime_buffer_put(out, &c, 1);
		}
	}
	return in.n - rest.n;
}

/* RFC 1741, appendix A. */
static const char binhex_letters[] =
	"!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr";

/* Undoes the run-length coding: 0x90 n repeats the byte before, 0x90 0 is a 0x90. */
struct binhex {
	uint8_t last;
	bool marked;
};

static void binhex_byte(struct binhex *b, uint8_t c, struct mime_buffer *out)
{
	if (b->marked) {
		b->marked = false;
		if (c == 0) {
			b->last = 0x90;
			mime_buffer_put(out, &b->last, 1);
		}
		for (unsigned i = 1; i < c; i++)
			mime_buffer_put(out, &b->last, 1);
	} else if (c == 0x90) {
		b->marked = true;
	} else {
		b->last = c;
		mime_buffer_put(out, &c, 1);
	}
}

/* CRC-CCITT from 0, over the bytes and two zero bytes in the checksum's place. */
static uint16_t binhex_crc(struct span s)
{
	uint32_t crc = 0;

	for (size_t i = 0; i < s.n + 2; i++) {
		uint32_t c = i < s.n ? s.p[i] : 0;
		for (int bit = 7; bit >= 0; bit--) {
			bool carry = crc & 0x8000;
			crc = (crc << 1 | (c >> bit & 1)) & 0xffff;
			if (carry)
				crc ^= 0x1021;
		}
	}
	return (uint16_t)crc;
}

/* Name, version, type, creator, flags, length of the data fork, of the resource fork, checksum. */
static void binhex_data_fork(struct mime_buffer *out)
{
	if (out->n == 0)
		return;
	struct cursor c = cursor_of(span_of(out->p, out->n));
	cursor_skip(&c, cursor_u8(&c));
	cursor_skip(&c, 1 + 4 + 4 + 2);
	size_t bytes = cursor_be32(&c);
	cursor_skip(&c, 4 + 2);
	struct span data = span_take(cursor_rest(&c), bytes);
	cursor_skip(&c, data.n);
	uint16_t crc = (uint16_t)(cursor_u8(&c) << 8);
	crc = (uint16_t)(crc | cursor_u8(&c));
	out->damaged = !cursor_ok(&c) || data.n < bytes || crc != binhex_crc(data);
	if (data.n == 0)
		return; /* cut off: all there is */
	memmove(out->p, data.p, data.n);
	out->n = data.n;
}

size_t binhex_decode(struct span in, struct mime_buffer *out)
{
	struct binhex b = {0};
	uint32_t bits = 0;
	unsigned count = 0;
	ptrdiff_t start = span_chr(in, ':');

	if (start < 0)
		return in.n;
	size_t i = (size_t)start + 1;
	for (; i < in.n && in.p[i] != ':' && !out->full; i++) {
		const char *p = in.p[i] ? strchr(binhex_letters, in.p[i]) : NULL;
		if (!p)
			continue;
		bits = (bits << 6 | (uint32_t)(p - binhex_letters)) & 0xffffff;
		count += 6;
		if (count >= 8) {
			count -= 8;
			binhex_byte(&b, (uint8_t)(bits >> count), out);
		}
	}
	binhex_data_fork(out);
	return i;
}
