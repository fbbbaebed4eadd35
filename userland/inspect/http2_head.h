/*
 * http2_head: a header block of HTTP/2 as header lines of HTTP/1. Private to http2*.c.
 *
 * http2_head_read() unpacks a whole block (HPACK by libnghttp2) in the order of the connection,
 * whoever it is for: the tables of the decoder must follow those of the sender. The two writers
 * then make the text that a reader of HTTP/1 understands: names stay as they are (in lower case),
 * crumbs of a cookie are put together again (RFC 9113, section 8.2.3), bytes that would end a line
 * are replaced, so that nothing inside a value becomes a line of its own.
 *
 * Refuses: a block that HPACK cannot be read from; nothing behind it can be read either. Limits:
 * HTTP2_TEXT_BYTES of text, further header lines are left out. Sources: RFC 9113, RFC 7541.
 */
#pragma once

#include <nghttp2/nghttp2.h>

#include "lib/span.h"

#define HTTP2_TEXT_BYTES (64u << 10)

struct http2_text {
	uint8_t *p;
	size_t n, room;
};

struct http2_head {
	struct http2_text method, path, authority, cookie;
	struct http2_text lines;
	unsigned status; /* of a response; 0: none was given */
	bool has_host, has_length;
};

/* To be freed with http2_head_fini(), also on failure. */
bool http2_head_read(nghttp2_hd_inflater *inflater, struct span block, struct http2_head *ret);
void http2_head_fini(struct http2_head *h);
/* chunked: a body of unknown length follows. */
void http2_request_write(const struct http2_head *h, bool chunked, struct http2_text *ret);
void http2_response_write(const struct http2_head *h, struct http2_text *ret);
void http2_text_add(struct http2_text *t, struct span s);

static inline struct span http2_text_span(const struct http2_text *t)
{
	return span_of(t->p, t->n);
}
