#include "inspect/http2.h"

#include <stdio.h>
#include <stdlib.h>

#include "inspect/http.h"
#include "inspect/http2_head.h"

enum frame_type {
	FRAME_DATA,
	FRAME_HEADERS,
	FRAME_PRIORITY,
	FRAME_RST_STREAM,
	FRAME_SETTINGS,
	FRAME_PUSH_PROMISE,
	FRAME_PING,
	FRAME_GOAWAY,
	FRAME_WINDOW_UPDATE,
	FRAME_CONTINUATION
};

#define FLAG_END_STREAM 0x01
#define FLAG_ACK 0x01
#define FLAG_END_HEADERS 0x04
#define FLAG_PADDED 0x08
#define FLAG_PRIORITY 0x20
#define FRAME_HEADER_BYTES 9
#define PREFACE_BYTES (sizeof(HTTP2_PREFACE) - 1)
#define SETTING_BYTES 6
#define SETTING_HEADER_TABLE_SIZE 1

struct stream {
	struct stream *next;
	uint32_t id;
	struct reader *http; /* NULL: it could not go on */
	bool begun[2];       /* has had its header lines, by to_server */
	bool ended[2];
	bool chunked; /* the body of the request */
};

struct side {
	uint8_t preface; /* bytes still to come */
	uint8_t header[FRAME_HEADER_BYTES];
	uint8_t header_n;
	uint8_t type, flags;
	uint32_t stream;
	uint32_t left; /* of the frame's payload */
	bool pad_read; /* of a DATA frame */
	uint8_t pad;
	uint8_t *block; /* header block, or settings */
	size_t block_n, room;
	size_t frame_at; /* where the frame's payload begins in it */
	bool open;       /* the block goes on in the next frame */
	bool block_ends, block_promises;
	uint32_t block_stream;
	nghttp2_hd_inflater *inflater;
	uint32_t table_bytes;
};

struct http2 {
	struct reader base;
	struct side side[2];
	struct stream *streams;
	unsigned streams_n;
};

static void stream_free(struct http2 *h, struct stream *s)
{
	struct stream **at = &h->streams;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	if (s->http)
		s->http->ops->free(s->http);
	free(s);
	h->streams_n--;
	h->base.env->http2_streams--;
}

static struct stream *stream_find(const struct http2 *h, uint32_t id)
{
	struct stream *s = h->streams;

	while (s && s->id != id)
		s = s->next;
	return s;
}

static void tell_event(struct http2 *h, bool to_server, enum event_id id)
{
	struct unit u = {.to_server = to_server};

	event_raise(&u.events, id);
	h->base.env->fn(h->base.env->ctx, &u);
}

static struct stream *stream_begin(struct http2 *h, uint32_t id, bool request_is_told)
{
	struct reader_env *env = h->base.env;
	struct stream *s;

	if (h->streams_n == HTTP2_STREAMS || env->http2_streams == HTTP2_STREAMS_ALL) {
		tell_event(h, true, EVENT_HTTP2_TOO_MANY_STREAMS);
		return NULL;
	}
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->http = http_stream_new(env, id, request_is_told);
	s->id = id;
	s->next = h->streams;
	h->streams = s;
	h->streams_n++;
	env->http2_streams++;
	return s;
}

static void stream_feed(struct stream *s, bool to_server, struct span data)
{
	if (!s->http || data.n == 0)
		return;
	if (s->http->ops->feed(s->http, to_server, data) == READER_OK)
		return;
	s->http->ops->free(s->http);
	s->http = NULL;
}

static void stream_body(struct stream *s, bool to_server, struct span data)
{
	char size[24];

	if (!s->begun[to_server] || s->ended[to_server] || data.n == 0)
		return;
	if (!to_server || !s->chunked) {
		stream_feed(s, to_server, data);
		return;
	}
	int n = snprintf(size, sizeof(size), "%zx\r\n", data.n);
	stream_feed(s, true, span_of(size, (size_t)n));
	stream_feed(s, true, data);
	stream_feed(s, true, SPAN_LIT("\r\n"));
}

/* This direction has had all. The stream goes when both have. */
static void stream_end(struct http2 *h, struct stream *s, bool to_server)
{
	if (!s->ended[to_server] && s->begun[to_server]) {
		if (to_server && s->chunked)
			stream_feed(s, true, SPAN_LIT("0\r\n\r\n"));
		if (s->http && !to_server)
			s->http->ops->end(s->http, false, true);
	}
	s->ended[to_server] = true;
	if (s->ended[0] && s->ended[1])
		stream_free(h, s);
}

/* Cut short by one end. */
static void stream_cut(struct http2 *h, struct stream *s, bool to_server)
{
	if (s->http)
		s->http->ops->end(s->http, to_server, false);
	stream_free(h, s);
}

static void take_request(struct http2 *h, uint32_t id, const struct http2_head *head, bool ends)
{
	struct stream *s = stream_find(h, id);
	struct http2_text text = {};

	if (!s)
		s = stream_begin(h, id, false);
	if (!s)
		return;
	if (!s->begun[true]) {
		s->begun[true] = true;
		s->chunked = !ends && !head->has_length;
		http2_request_write(head, s->chunked, &text);
		stream_feed(s, true, http2_text_span(&text));
		free(text.p);
	}
	if (ends)
		stream_end(h, s, true);
}

static void take_response(struct http2 *h, uint32_t id, const struct http2_head *head, bool ends)
{
	struct stream *s = stream_find(h, id);
	struct http2_text text = {};

	if (!s)
		return;
	/* what is sent ahead of the response, and trailers, say nothing to rules */
	if (!s->begun[false] && head->status >= 200) {
		s->begun[false] = true;
		http2_response_write(head, &text);
		stream_feed(s, false, http2_text_span(&text));
		free(text.p);
	}
	if (ends)
		stream_end(h, s, false);
}

static struct span block_from(const struct side *s, size_t at)
{
	return s->block ? span_of(s->block + at, s->block_n - at) : SPAN_LIT("");
}

static enum reader_result block_whole(struct http2 *h, bool to_server)
{
	struct side *s = &h->side[to_server];
	struct http2_head head;
	bool good = http2_head_read(s->inflater, block_from(s, 0), &head);

	if (good && (to_server || s->block_promises))
		take_request(h, s->block_stream, &head, s->block_ends || s->block_promises);
	else if (good)
		take_response(h, s->block_stream, &head, s->block_ends);
	http2_head_fini(&head);
	s->block_n = 0;
	s->open = false;
	return good ? READER_OK : READER_FAILED;
}

/* Says how long the table of the other side's header blocks may become. A smaller one is not taken
 * up: blocks may be on the way, and a sender that shrinks its table says so in a block. */
static enum reader_result settings_whole(struct http2 *h, bool to_server)
{
	struct side *s = &h->side[to_server], *peer = &h->side[!to_server];
	struct cursor c = cursor_of(block_from(s, 0));
	int r = 0;

	while (cursor_left(&c) >= SETTING_BYTES && r == 0) {
		uint16_t id = cursor_be16(&c);
		uint32_t value = cursor_be32(&c);
		if (value > HTTP2_TABLE_BYTES)
			value = HTTP2_TABLE_BYTES;
		if (id != SETTING_HEADER_TABLE_SIZE || value <= peer->table_bytes)
			continue;
		peer->table_bytes = value;
		r = nghttp2_hd_inflate_change_table_size(peer->inflater, value);
	}
	s->block_n = 0;
	return r == 0 ? READER_OK : READER_FAILED;
}

/* Cuts padding, priority and the promised stream off what has come of the block in this frame. */
static bool block_trim(struct side *s)
{
	struct cursor c = cursor_of(block_from(s, s->frame_at));
	uint8_t pad = 0;

	if (s->type != FRAME_CONTINUATION && s->flags & FLAG_PADDED)
		pad = cursor_u8(&c);
	if (s->type == FRAME_HEADERS && s->flags & FLAG_PRIORITY)
		cursor_skip(&c, 5);
	if (s->type == FRAME_PUSH_PROMISE)
		s->block_stream = cursor_be32(&c) & 0x7fffffff;
	struct span rest = cursor_rest(&c);
	if (!cursor_ok(&c) || pad > rest.n)
		return false;
	if (rest.n > pad)
		memmove(s->block + s->frame_at, rest.p, rest.n - pad);
	s->block_n = s->frame_at + rest.n - pad;
	return true;
}

static enum reader_result frame_end(struct http2 *h, bool to_server)
{
	struct side *s = &h->side[to_server];
	struct stream *stream;

	switch (s->type) {
	case FRAME_HEADERS:
	case FRAME_PUSH_PROMISE:
	case FRAME_CONTINUATION:
		if (!block_trim(s))
			return READER_FAILED;
		s->open = !(s->flags & FLAG_END_HEADERS);
		return s->open ? READER_OK : block_whole(h, to_server);
	case FRAME_SETTINGS:
		return settings_whole(h, to_server);
	case FRAME_DATA:
		stream = stream_find(h, s->stream);
		if (stream && s->flags & FLAG_END_STREAM)
			stream_end(h, stream, to_server);
		return READER_OK;
	case FRAME_RST_STREAM:
		stream = stream_find(h, s->stream);
		if (stream)
			stream_cut(h, stream, to_server);
		return READER_OK;
	default:
		return READER_OK;
	}
}

static bool is_block(const struct side *s)
{
	return s->type == FRAME_HEADERS || s->type == FRAME_PUSH_PROMISE ||
	       s->type == FRAME_CONTINUATION || s->type == FRAME_SETTINGS;
}

static enum reader_result frame_begin(struct side *s)
{
	struct cursor c = cursor_of(span_of(s->header, sizeof(s->header)));

	s->header_n = 0;
	s->left = cursor_be24(&c);
	s->type = cursor_u8(&c);
	s->flags = cursor_u8(&c);
	s->stream = cursor_be32(&c) & 0x7fffffff;
	s->pad_read = false;
	s->pad = 0;
	if (s->open != (s->type == FRAME_CONTINUATION) ||
		(s->open && s->stream != s->block_stream && !s->block_promises))
		return READER_FAILED;
	if (!is_block(s))
		return READER_OK;
	if (s->block_n + s->left > HTTP2_BLOCK_BYTES)
		return READER_FAILED;
	s->frame_at = s->block_n;
	if (s->type == FRAME_HEADERS || s->type == FRAME_PUSH_PROMISE) {
		s->block_stream = s->stream;
		s->block_ends = s->type == FRAME_HEADERS && s->flags & FLAG_END_STREAM;
		s->block_promises = s->type == FRAME_PUSH_PROMISE;
	}
	return READER_OK;
}

static bool block_add(struct side *s, struct span data)
{
	size_t room = s->room ? s->room : 512;

	while (room < s->block_n + data.n)
		room *= 2;
	if (room != s->room) {
		uint8_t *p = realloc(s->block, room);
		if (!p)
			return false;
		s->block = p;
		s->room = room;
	}
	memcpy(s->block + s->block_n, data.p, data.n);
	s->block_n += data.n;
	return true;
}

static void data_add(struct http2 *h, bool to_server, struct span part)
{
	struct side *s = &h->side[to_server];
	struct stream *stream = stream_find(h, s->stream);
	/* the payload from part on, without the padding at its end */
	size_t all = s->left + part.n;

	if (s->flags & FLAG_PADDED && !s->pad_read && part.n) {
		s->pad = part.p[0];
		s->pad_read = true;
		part = span_skip(part, 1);
		all--;
	}
	if (stream && all > s->pad)
		stream_body(stream, to_server, span_take(part, all - s->pad));
}

/* Takes what is there of the frame's payload. */
static enum reader_result payload_add(struct http2 *h, bool to_server, struct span *data)
{
	struct side *s = &h->side[to_server];
	struct span part = span_take(*data, s->left);

	*data = span_skip(*data, part.n);
	s->left -= (uint32_t)part.n;
	if (is_block(s) && !block_add(s, part))
		return READER_FAILED;
	if (s->type == FRAME_DATA)
		data_add(h, to_server, part);
	return s->left ? READER_OK : frame_end(h, to_server);
}

static bool preface_take(struct side *s, struct span *data)
{
	struct span want = span_of(&HTTP2_PREFACE[PREFACE_BYTES - s->preface], s->preface);
	struct span have = span_take(*data, want.n);

	*data = span_skip(*data, have.n);
	s->preface = (uint8_t)(s->preface - have.n);
	return span_eq(have, span_take(want, have.n));
}

static enum reader_result feed_http2(struct reader *r, bool to_server, struct span data)
{
	struct http2 *h = (struct http2 *)r;
	struct side *s = &h->side[to_server];
	enum reader_result result = READER_OK;

	if (s->preface && !preface_take(s, &data))
		return READER_FAILED;
	while (data.n && result == READER_OK) {
		if (s->left) {
			result = payload_add(h, to_server, &data);
			continue;
		}
		s->header[s->header_n++] = data.p[0];
		data = span_skip(data, 1);
		if (s->header_n < FRAME_HEADER_BYTES)
			continue;
		result = frame_begin(s);
		if (result == READER_OK && s->left == 0)
			result = frame_end(h, to_server);
	}
	if (!s->open && s->block_n == 0) { /* none is under way: most of the time */
		free(s->block);
		s->block = NULL;
		s->room = 0;
	}
	return result;
}

static enum reader_result end_http2(struct reader *r, bool to_server, bool orderly)
{
	struct http2 *h = (struct http2 *)r;
	struct stream *next;

	for (struct stream *s = h->streams; s; s = next) {
		next = s->next;
		if (orderly)
			stream_end(h, s, to_server);
		else
			stream_cut(h, s, to_server);
	}
	return READER_OK;
}

static void http2_free(struct reader *r)
{
	struct http2 *h = (struct http2 *)r;

	while (h->streams)
		stream_free(h, h->streams);
	for (unsigned i = 0; i < 2; i++) {
		if (h->side[i].inflater)
			nghttp2_hd_inflate_del(h->side[i].inflater);
		free(h->side[i].block);
	}
	h->base.env->http2_n--;
	free(h);
}

static struct reader *http2_new(struct reader_env *env)
{
	struct http2 *h = env->http2_n < HTTP2_CONNECTIONS ? calloc(1, sizeof(*h)) : NULL;

	if (!h)
		return NULL;
	env->http2_n++;
	h->base = (struct reader){&reader_http2, env};
	h->side[true].preface = PREFACE_BYTES;
	h->side[0].table_bytes = h->side[1].table_bytes = NGHTTP2_DEFAULT_HEADER_TABLE_SIZE;
	if (nghttp2_hd_inflate_new(&h->side[0].inflater) < 0 ||
		nghttp2_hd_inflate_new(&h->side[1].inflater) < 0) {
		http2_free(&h->base);
		return NULL;
	}
	return &h->base;
}

struct reader *http2_upgraded(struct reader_env *env, struct span request)
{
	struct reader *r = http2_new(env);
	struct stream *s = r ? stream_begin((struct http2 *)r, 1, true) : NULL;

	if (s) {
		s->begun[true] = s->ended[true] = true;
		stream_feed(s, true, request);
	}
	return r;
}

enum sniff http2_sniff_server(struct span start)
{
	struct cursor c = cursor_of(start);
	uint32_t bytes = cursor_be24(&c), rest = cursor_be16(&c), stream = cursor_be32(&c);

	/* SETTINGS, no flags, for the connection */
	if (start.n && start.p[0] != 0)
		return SNIFF_NO;
	if (!cursor_ok(&c))
		return SNIFF_MORE;
	return rest == (FRAME_SETTINGS << 8) && stream == 0 && bytes <= 16 * SETTING_BYTES &&
			       bytes % SETTING_BYTES == 0
		       ? SNIFF_YES
		       : SNIFF_NO;
}

const struct reader_ops reader_http2 = {
	.new = http2_new, .feed = feed_http2, .end = end_http2, .free = http2_free};
