#include "inspect/http2_head.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_ROOM 256
#define WHOLE_BYTES (8u * HTTP2_TEXT_BYTES) /* of all parts together */

void http2_text_add(struct http2_text *t, struct span s)
{
	size_t room = t->room ? t->room : TEXT_ROOM;

	if (s.n == 0 || t->n + s.n > WHOLE_BYTES)
		return;
	while (room < t->n + s.n)
		room *= 2;
	if (room != t->room) {
		uint8_t *p = realloc(t->p, room);
		if (!p)
			return;
		t->p = p;
		t->room = room;
	}
	memcpy(t->p + t->n, s.p, s.n);
	t->n += s.n;
}

/* What would end a line, a name or a value is no part of one. */
static void add_clean(struct http2_text *t, struct span s, uint8_t instead, bool also_space)
{
	size_t from = t->n;

	http2_text_add(t, s);
	for (size_t i = from; i < t->n; i++)
		if (t->p[i] == '\r' || t->p[i] == '\n' || t->p[i] == '\0' ||
			(also_space && t->p[i] <= ' '))
			t->p[i] = instead;
}

static void add_line(struct http2_text *t, struct span name, struct span value)
{
	size_t before = t->n;

	add_clean(t, name, '_', true);
	http2_text_add(t, SPAN_LIT(": "));
	add_clean(t, value, ' ', false);
	http2_text_add(t, SPAN_LIT("\r\n"));
	/* all of it or nothing: a line without its end would take in the next one */
	if (t->n != before + name.n + value.n + 4)
		t->n = before;
}

static void take_field(struct http2_head *h, struct span name, struct span value)
{
	static const struct {
		const char *name;
		size_t at;
	} pseudo[] = {{":method", offsetof(struct http2_head, method)},
		{":path", offsetof(struct http2_head, path)},
		{":authority", offsetof(struct http2_head, authority)}};
	uint64_t status;

	if (h->lines.n + h->cookie.n + name.n + value.n > HTTP2_TEXT_BYTES)
		return;
	for (size_t i = 0; i < sizeof(pseudo) / sizeof(*pseudo); i++) {
		struct http2_text *t = (struct http2_text *)((char *)h + pseudo[i].at);
		if (span_eq(name, span_str(pseudo[i].name)) && t->n == 0) {
			add_clean(t, value, '_', true);
			return;
		}
	}
	if (span_eq(name, SPAN_LIT(":status")) && span_u64(value, 999, &status))
		h->status = (unsigned)status;
	if (name.n == 0 || name.p[0] == ':')
		return;
	if (span_caseeq(name, SPAN_LIT("cookie"))) {
		http2_text_add(&h->cookie, h->cookie.n ? SPAN_LIT("; ") : (struct span){});
		add_clean(&h->cookie, value, ' ', false);
		return;
	}
	h->has_host |= span_caseeq(name, SPAN_LIT("host"));
	h->has_length |= span_caseeq(name, SPAN_LIT("content-length"));
	/* How long a body is, HTTP/2 says by its frames. */
	if (!span_caseeq(name, SPAN_LIT("transfer-encoding")))
		add_line(&h->lines, name, value);
}

bool http2_head_read(nghttp2_hd_inflater *inflater, struct span block, struct http2_head *ret)
{
	*ret = (struct http2_head){};
	for (;;) {
		nghttp2_nv field;
		int flags = 0;
		ssize_t n = nghttp2_hd_inflate_hd2(inflater, &field, &flags, block.p, block.n, 1);

		if (n < 0)
			return false;
		block = span_skip(block, (size_t)n);
		if (flags & NGHTTP2_HD_INFLATE_EMIT)
			take_field(ret, span_of(field.name, field.namelen),
				span_of(field.value, field.valuelen));
		if (flags & NGHTTP2_HD_INFLATE_FINAL)
			break;
		if (!(flags & NGHTTP2_HD_INFLATE_EMIT) && block.n == 0)
			return false;
	}
	nghttp2_hd_inflate_end_headers(inflater);
	return true;
}

void http2_head_fini(struct http2_head *h)
{
	free(h->method.p);
	free(h->path.p);
	free(h->authority.p);
	free(h->cookie.p);
	free(h->lines.p);
	*h = (struct http2_head){};
}

static void add_or(struct http2_text *t, const struct http2_text *value, struct span otherwise)
{
	http2_text_add(t, value->n ? http2_text_span(value) : otherwise);
}

void http2_request_write(const struct http2_head *h, bool chunked, struct http2_text *ret)
{
	add_or(ret, &h->method, SPAN_LIT("GET"));
	http2_text_add(ret, SPAN_LIT(" "));
	if (span_eq(http2_text_span(&h->method), SPAN_LIT("CONNECT")))
		add_or(ret, &h->authority, SPAN_LIT("/"));
	else
		add_or(ret, &h->path, SPAN_LIT("/"));
	http2_text_add(ret, SPAN_LIT(" HTTP/1.1\r\n"));
	if (h->authority.n && !h->has_host)
		add_line(ret, SPAN_LIT("host"), http2_text_span(&h->authority));
	http2_text_add(ret, http2_text_span(&h->lines));
	if (h->cookie.n)
		add_line(ret, SPAN_LIT("cookie"), http2_text_span(&h->cookie));
	if (chunked)
		add_line(ret, SPAN_LIT("transfer-encoding"), SPAN_LIT("chunked"));
	http2_text_add(ret, SPAN_LIT("\r\n"));
}

void http2_response_write(const struct http2_head *h, struct http2_text *ret)
{
	char line[32];
	int n = snprintf(line, sizeof(line), "HTTP/1.1 %u\r\n", h->status);

	http2_text_add(ret, span_of(line, (size_t)n));
	http2_text_add(ret, http2_text_span(&h->lines));
	http2_text_add(ret, SPAN_LIT("\r\n"));
}
