#include "inspect/stream.h"

#include <stdlib.h>

struct segment {
	struct segment *next;
	uint32_t seq;
	uint32_t n;
	uint8_t bytes[];
};

/* Distance in sequence space: negative when a is before b. */
static int32_t seq_diff(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b);
}

static void segment_drop(struct stream *s, struct stream_pool *pool)
{
	struct segment *g = s->ahead;

	s->ahead = g->next;
	s->ahead_bytes -= g->n;
	pool->used_bytes -= sizeof(*g) + g->n;
	free(g);
}

static void tail_release(struct stream *s, struct stream_pool *pool)
{
	if (s->tail)
		pool->used_bytes -= STREAM_TAIL_BYTES;
	free(s->tail);
	s->tail = NULL;
	s->tail_bytes = 0;
}

void stream_free(struct stream *s, struct stream_pool *pool)
{
	while (s->ahead)
		segment_drop(s, pool);
	tail_release(s, pool);
}

/* Keeps the end of the window; without memory the next window just has no past. */
static void tail_keep(struct stream *s, struct stream_pool *pool, struct span window)
{
	if (!s->tail && pool->used_bytes + STREAM_TAIL_BYTES <= STREAM_POOL_BYTES) {
		s->tail = malloc(STREAM_TAIL_BYTES);
		if (s->tail)
			pool->used_bytes += STREAM_TAIL_BYTES;
	}
	if (!s->tail)
		return;
	struct span keep = window.n > STREAM_TAIL_BYTES
				   ? span_skip(window, window.n - STREAM_TAIL_BYTES)
				   : window;
	memcpy(s->tail, keep.p, keep.n);
	s->tail_bytes = (uint16_t)keep.n;
}

static void deliver_piece(
	struct stream *s, struct stream_pool *pool, struct span data, stream_fn *fn, void *ctx)
{
	struct stream_data d = {.gap = s->gap, .whole = !s->gap && s->bytes == s->tail_bytes};

	if (s->gap)
		s->tail_bytes = 0; /* what is not contiguous must not match as if it were */
	if (s->tail_bytes)
		memcpy(pool->window, s->tail, s->tail_bytes);
	memcpy(pool->window + s->tail_bytes, data.p, data.n);
	d.offset = s->bytes - s->tail_bytes;
	d.window = span_of(pool->window, s->tail_bytes + data.n);
	d.fresh = span_skip(d.window, s->tail_bytes);
	s->gap = false;
	s->next += (uint32_t)data.n;
	s->bytes += data.n;
	tail_keep(s, pool, d.window);
	fn(ctx, &d);
}

static void deliver(
	struct stream *s, struct stream_pool *pool, struct span data, stream_fn *fn, void *ctx)
{
	while (data.n && !s->depth) {
		struct span piece = span_take(data, STREAM_WINDOW_BYTES - STREAM_TAIL_BYTES);
		piece = span_take(piece, STREAM_DEPTH_BYTES - s->bytes);
		data = span_skip(data, piece.n);
		deliver_piece(s, pool, piece, fn, ctx);
		s->depth = s->bytes >= STREAM_DEPTH_BYTES;
	}
	if (s->depth)
		stream_free(s, pool);
}

/* Delivers the segments that have become next. */
static void deliver_ahead(struct stream *s, struct stream_pool *pool, stream_fn *fn, void *ctx)
{
	while (s->ahead && seq_diff(s->ahead->seq, s->next) <= 0) {
		struct segment *g = s->ahead;
		uint32_t known = (uint32_t)-seq_diff(g->seq, s->next);

		s->ahead = g->next; /* out of the list: deliver() may free the rest at the depth */
		s->ahead_bytes -= g->n;
		if (known < g->n)
			deliver(s, pool, span_of(g->bytes + known, g->n - known), fn, ctx);
		pool->used_bytes -= sizeof(*g) + g->n;
		free(g);
	}
}

static void give_up_hole(struct stream *s, struct stream_pool *pool, uint32_t seq)
{
	s->next = seq;
	s->gap = true;
	counter_inc(pool->counters, COUNTER_TCP_GAPS);
}

static bool keep_ahead(struct stream *s, struct stream_pool *pool, uint32_t seq, struct span data)
{
	struct segment **at = &s->ahead, *g;

	if (s->ahead_bytes + data.n > STREAM_AHEAD_BYTES ||
		pool->used_bytes + sizeof(*g) + data.n > STREAM_POOL_BYTES)
		return false;
	while (*at && seq_diff((*at)->seq, seq) < 0)
		at = &(*at)->next;
	if (*at && (*at)->seq == seq && (*at)->n >= data.n)
		return true; /* a retransmission of what is kept */
	g = malloc(sizeof(*g) + data.n);
	if (!g)
		return false;
	*g = (struct segment){.next = *at, .seq = seq, .n = (uint32_t)data.n};
	memcpy(g->bytes, data.p, data.n);
	*at = g;
	s->ahead_bytes += g->n;
	pool->used_bytes += sizeof(*g) + g->n;
	return true;
}

void stream_syn(struct stream *s, uint32_t seq)
{
	if (s->open)
		return;
	s->open = true;
	s->next = seq + 1;
}

static void push_in_order(struct stream *s, struct stream_pool *pool, uint32_t seq,
	struct span data, stream_fn *fn, void *ctx)
{
	uint32_t known = (uint32_t)-seq_diff(seq, s->next);

	if (known) {
		counter_inc(pool->counters, COUNTER_TCP_OVERLAP);
		if (known >= data.n)
			return;
		data = span_skip(data, known);
	}
	deliver(s, pool, data, fn, ctx);
	deliver_ahead(s, pool, fn, ctx);
}

bool stream_push(struct stream *s, struct stream_pool *pool, uint32_t seq, struct span data,
	stream_fn *fn, void *ctx)
{
	if (data.n == 0 || s->depth)
		return true;
	if (!s->open) { /* picked up midway */
		s->open = true;
		s->next = seq;
	}
	if (seq_diff(seq, s->next) <= 0) {
		push_in_order(s, pool, seq, data, fn, ctx);
		return true;
	}
	counter_inc(pool->counters, COUNTER_TCP_OUT_OF_ORDER);
	if (keep_ahead(s, pool, seq, data))
		return true;
	counter_inc(pool->counters, COUNTER_TCP_MEMCAP);
	if (pool->inline_mode)
		return false;
	give_up_hole(s, pool, s->ahead && seq_diff(s->ahead->seq, seq) < 0 ? s->ahead->seq : seq);
	deliver_ahead(s, pool, fn, ctx);
	if (!s->depth && seq_diff(seq, s->next) <= 0)
		push_in_order(s, pool, seq, data, fn, ctx);
	return true;
}

void stream_acked(
	struct stream *s, struct stream_pool *pool, uint32_t ack, stream_fn *fn, void *ctx)
{
	while (s->ahead && seq_diff(ack, s->ahead->seq) > 0) {
		give_up_hole(s, pool, s->ahead->seq);
		deliver_ahead(s, pool, fn, ctx);
	}
}
