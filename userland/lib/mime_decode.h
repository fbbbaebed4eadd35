/*
 * mime_decode: from the letters of a transfer encoding to bytes, in every way decoders do it.
 *
 * survey functions say in which ways the readings of an input differ; a decoder is then called once
 * for each of those ways. All decoders are lenient: they never fail, they skip. The output grows on
 * the heap up to a maximum; what does not fit sets `full`.
 */
#pragma once

#include "lib/span.h"

struct mime_buffer {
	uint8_t *p;
	size_t n, cap, max;
	bool full;
	bool damaged; /* a checksum or a length of the encoding is wrong */
};

void mime_buffer_put(struct mime_buffer *b, const uint8_t *p, size_t n);
void mime_buffer_free(struct mime_buffer *b);

/* Ways to read base64 (RFC 2045, section 6.8). 0: padding ends a group, letters outside the
 * alphabet are skipped. */
#define BASE64_STOP 0x01u     /* the first padding is the end */
#define BASE64_NO_PAD 0x02u   /* padding is one more letter to skip */
#define BASE64_LINES 0x04u    /* a line's incomplete group ends with the line */
#define BASE64_JUNK_EOL 0x08u /* after a foreign letter the rest of the line is skipped */
#define BASE64_JUNK_END 0x10u /* a foreign letter is the end */
#define BASE64_URL 0x20u      /* the alphabet of RFC 4648, section 5 */
#define BASE64_PAD_ZERO 0x40u /* padding counts as six zero bits */
#define BASE64_QUADS 0x80u    /* padding counts in its group of four wherever it stands */
#define BASE64_BLANK 0x100u   /* an empty line is the end */
#define BASE64_WAYS 9

/* The flags under which the outcome may differ from that of 0. */
unsigned base64_survey(struct span in);
void base64_decode(struct span in, unsigned way, struct mime_buffer *out);
/* Whether this is base64 although nothing says so: lines of its letters, nothing else. */
bool base64_likely(struct span in);

/* Ways to read quoted-printable (RFC 2045, section 6.7). 0: a bad escape stays as it is, blanks at
 * the end of a line go. */
#define QP_DROP 0x01u /* the '=' of a bad escape is dropped */
#define QP_KEEP 0x02u /* blanks at the end of a line stay */
#define QP_SKIP 0x04u /* a bad escape is dropped with its first digit */
unsigned qp_survey(struct span in);
void qp_decode(struct span in, unsigned way, struct mime_buffer *out);

/* Lines of uuencode up to "end"; returns the bytes read. */
size_t uu_decode(struct span in, struct mime_buffer *out);
size_t yenc_decode(struct span in, struct mime_buffer *out);
/* The data fork of a BinHex 4.0 file that starts at the first ':'. Returns the bytes read. */
size_t binhex_decode(struct span in, struct mime_buffer *out);

/* Next line without its end; CRLF, LF and, when lone_cr, CR alone end one. False at the end. */
bool mime_next_line(struct span *rest, bool lone_cr, struct span *ret);
