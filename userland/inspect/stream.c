#include "inspect/stream.h"

#include <stdlib.h>

struct segment {
	struct segment *next;
	uint32_t seq;
	uint32_t n;
	bool seen;
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
	struct stream_data d = {.gap = s->gap,
		.seen = pool->seen,
		.gap_bytes = s->gap_bytes,
		.whole = !s->gap && s->bytes == s->tail_bytes};

	if (s->tail_bytes) {
		memcpy(pool->window, s->tail, s->tail_bytes);
		memcpy(pool->window + s->tail_bytes, data.p, data.n);
	}
	d.window = s->tail_bytes ? span_of(pool->window, s->tail_bytes + data.n) : data;
	d.fresh = span_skip(d.window, s->tail_bytes);
	if (s->gap) { /* what is not contiguous must not match as if it were */
		d.before = span_take(d.window, s->tail_bytes);
		d.window = d.fresh;
		s->tail_bytes = 0;
	}
	d.offset = s->bytes - s->tail_bytes;
	s->gap = false;
	s->gap_bytes = 0;
	s->next += (uint32_t)data.n;
	s->bytes += data.n;
	tail_keep(s, pool, d.window);
	fn(ctx, &d);
}

static uint64_t depth_of(const struct stream_pool *pool)
{
	return pool->depth_bytes && pool->depth_bytes < STREAM_DEPTH_BYTES ? pool->depth_bytes
									   : STREAM_DEPTH_BYTES;
}

static void deliver(
	struct stream *s, struct stream_pool *pool, struct span data, stream_fn *fn, void *ctx)
{
	while (data.n && !s->depth) {
		struct span piece = span_take(data, STREAM_WINDOW_BYTES - STREAM_TAIL_BYTES);
		piece = span_take(piece, (size_t)(depth_of(pool) - s->bytes));
		data = span_skip(data, piece.n);
		deliver_piece(s, pool, piece, fn, ctx);
		s->depth = s->bytes >= depth_of(pool);
	}
	if (s->depth)
		stream_free(s, pool);
}

/* Delivers the segments that have become next, as far as `until` when it holds back. */
static void deliver_ahead(
	struct stream *s, struct stream_pool *pool, const uint32_t *until, stream_fn *fn, void *ctx)
{
	while (s->ahead && seq_diff(s->ahead->seq, s->next) <= 0) {
		struct segment *g = s->ahead;
		uint32_t known = (uint32_t)-seq_diff(g->seq, s->next), upto = g->n;

		if (until && seq_diff(*until, g->seq + g->n) < 0)
			upto = seq_diff(*until, g->seq) > 0 ? *until - g->seq : 0;
		if (upto < g->n) {
			if (known < upto)
				deliver(s, pool, span_of(g->bytes + known, upto - known), fn, ctx);
			return;
		}
		s->ahead = g->next; /* out of the list: deliver() may free the rest at the depth */
		s->ahead_bytes -= g->n;
		pool->seen = g->seen;
		if (known < g->n)
			deliver(s, pool, span_of(g->bytes + known, g->n - known), fn, ctx);
		pool->seen = false;
		pool->used_bytes -= sizeof(*g) + g->n;
		free(g);
	}
}

static void step_over_hole(struct stream *s, uint32_t seq)
{
	s->gap_bytes += (uint32_t)seq_diff(seq, s->next);
	s->next = seq;
	s->gap = true;
}

static void give_up_hole(struct stream *s, struct stream_pool *pool, uint32_t seq)
{
	step_over_hole(s, seq);
	counter_inc(pool->counters, COUNTER_TCP_GAPS);
	if (pool->events)
		event_raise(pool->events, EVENT_STREAM_REASSEMBLY_SEQ_GAP);
}

/* Whether the bytes of a new segment stand where it overlaps one that is kept. */
static bool new_wins(enum stream_policy policy, const struct segment *old, uint32_t seq, uint32_t n)
{
	int32_t begins = seq_diff(seq, old->seq), ends = seq_diff(seq + n, old->seq + old->n);

	switch (policy) {
	case STREAM_LAST:
		return true;
	case STREAM_BSD:
		return begins < 0;
	case STREAM_LINUX:
		return begins < 0 || (begins == 0 && ends > 0);
	case STREAM_OLD_LINUX:
		return begins < 0 || (begins == 0 && ends >= 0);
	case STREAM_WINDOWS:
		return begins < 0 && ends > 0;
	case STREAM_SOLARIS:
		return ends > 0 || (begins <= 0 && ends == 0);
	default:
		return false;
	}
}

static bool insert(struct stream *s, struct stream_pool *pool, struct segment **at, uint32_t seq,
	struct span data)
{
	struct segment *g;

	if (s->ahead_bytes + data.n > STREAM_AHEAD_BYTES ||
		pool->used_bytes + sizeof(*g) + data.n > STREAM_POOL_BYTES)
		return false;
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

static void count_regions(struct stream *s)
{
	uint32_t n = 0, end = 0;

	for (const struct segment *g = s->ahead; g; g = g->next) {
		n += n == 0 || g->seq != end;
		end = g->seq + g->n;
	}
	if (n > s->regions)
		s->regions = n;
}

/* The part of the new segment that a kept one covers: one of both copies stands. */
static void settle_overlap(struct stream *s, struct stream_pool *pool, struct segment *g,
	uint32_t whole_seq, uint32_t whole_n, uint32_t seq, struct span part)
{
	uint8_t *old = g->bytes + (seq - g->seq);

	counter_inc(pool->counters, COUNTER_TCP_OVERLAP);
	if (memcmp(old, part.p, part.n) == 0)
		return;
	if (pool->events)
		event_raise(pool->events, EVENT_STREAM_REASSEMBLY_OVERLAP_DIFFERENT_DATA);
	enum stream_policy policy = s->policy ? (enum stream_policy)s->policy : pool->policy;
	if (seq_diff(seq, s->next) >= 0 && new_wins(policy, g, whole_seq, whole_n))
		memcpy(old, part.p, part.n);
}

/* False when something of it could not be kept. Kept segments never overlap each other. */
static bool keep_ahead(struct stream *s, struct stream_pool *pool, uint32_t seq, struct span data)
{
	struct segment **at = &s->ahead;
	uint32_t whole_seq = seq, whole_n = (uint32_t)data.n;

	while (data.n) {
		while (*at && seq_diff((*at)->seq + (*at)->n, seq) <= 0)
			at = &(*at)->next;
		struct segment *g = *at;
		if (!g || seq_diff(g->seq, seq + (uint32_t)data.n) >= 0)
			break;
		if (seq_diff(g->seq, seq) > 0) { /* a hole before it */
			uint32_t n = g->seq - seq;
			if (!insert(s, pool, at, seq, span_take(data, n)))
				return false;
			at = &(*at)->next;
			seq += n;
			data = span_skip(data, n);
			continue;
		}
		struct span part = span_take(data, g->seq + g->n - seq);
		settle_overlap(s, pool, g, whole_seq, whole_n, seq, part);
		seq += (uint32_t)part.n;
		data = span_skip(data, part.n);
	}
	if (data.n && !insert(s, pool, at, seq, data))
		return false;
	count_regions(s);
	return true;
}

void stream_syn(struct stream *s, uint32_t seq)
{
	if (s->open && (s->bytes || s->ahead))
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
	deliver_ahead(s, pool, NULL, fn, ctx);
}

/* What is delivered cannot be taken back. */
static bool cut_known(const struct stream *s, uint32_t *seq, struct span *data)
{
	int32_t known = seq_diff(s->next, *seq);

	if (known <= 0)
		return true;
	if ((size_t)known >= data->n)
		return false;
	*seq += (uint32_t)known;
	*data = span_skip(*data, (size_t)known);
	return true;
}

static bool push_held(struct stream *s, struct stream_pool *pool, uint32_t seq, struct span data,
	stream_fn *fn, void *ctx)
{
	if (!cut_known(s, &seq, &data))
		return true;
	if (seq_diff(seq, s->next) > 0 && (!s->ahead || seq_diff(seq, s->ahead->seq) < 0))
		counter_inc(pool->counters, COUNTER_TCP_OUT_OF_ORDER);
	if (keep_ahead(s, pool, seq, data))
		return true;
	counter_inc(pool->counters, COUNTER_TCP_MEMCAP);
	stream_flush(s, pool, fn, ctx); /* nobody acknowledges: no reason to wait longer */
	if (!s->depth && cut_known(s, &seq, &data))
		keep_ahead(s, pool, seq, data);
	return true;
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
	if (pool->hold)
		return push_held(s, pool, seq, data, fn, ctx);
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
	deliver_ahead(s, pool, NULL, fn, ctx);
	if (!s->depth && seq_diff(seq, s->next) <= 0)
		push_in_order(s, pool, seq, data, fn, ctx);
	return true;
}

void stream_acked(
	struct stream *s, struct stream_pool *pool, uint32_t ack, stream_fn *fn, void *ctx)
{
	const uint32_t *until = pool->hold ? &ack : NULL;

	if (pool->hold)
		deliver_ahead(s, pool, until, fn, ctx);
	while (s->ahead && seq_diff(ack, s->ahead->seq) > 0 &&
		seq_diff(s->ahead->seq, s->next) > 0) {
		give_up_hole(s, pool, s->ahead->seq);
		deliver_ahead(s, pool, until, fn, ctx);
	}
}

void stream_skip(struct stream *s, struct stream_pool *pool, uint32_t seq, stream_fn *fn, void *ctx)
{
	stream_acked(s, pool, seq, fn, ctx);
	if (s->open && seq_diff(seq, s->next) > 0)
		give_up_hole(s, pool, seq);
}

void stream_flush(struct stream *s, struct stream_pool *pool, stream_fn *fn, void *ctx)
{
	deliver_ahead(s, pool, NULL, fn, ctx);
	while (s->ahead) { /* nobody acknowledged what is missing: it is not lost */
		step_over_hole(s, s->ahead->seq);
		deliver_ahead(s, pool, NULL, fn, ctx);
	}
}

/* The first segment of those that lead to seq without a hole, so far as the window takes them. */
static struct segment *run_of(const struct stream *s, uint32_t seq)
{
	struct segment *first = s->ahead;

	for (struct segment *g = s->ahead; g; g = g->next) {
		if (seq_diff(g->seq, seq) > 0)
			return NULL;
		if (seq_diff(seq, g->seq) - (int32_t)g->n < 0)
			return first;
		if (g->next && (g->next->seq != g->seq + g->n ||
				       seq_diff(seq, g->next->seq) > STREAM_TAIL_BYTES))
			first = g->next;
	}
	return NULL;
}

bool stream_look_ahead(struct stream *s, struct stream_pool *pool, uint32_t seq,
	struct span *ret_window, uint64_t *ret_offset)
{
	struct segment *g = seq_diff(seq, s->next) > 0 ? run_of(s, seq) : NULL;
	size_t n = 0;

	if (!g)
		return false;
	*ret_offset = s->bytes + (uint32_t)seq_diff(g->seq, s->next);
	for (; g && seq_diff(g->seq, seq) <= 0 && n + g->n <= STREAM_WINDOW_BYTES; g = g->next) {
		memcpy(pool->window + n, g->bytes, g->n);
		n += g->n;
		g->seen = true;
	}
	*ret_window = span_of(pool->window, n);
	return true;
}

struct span stream_tail(const struct stream *s, uint64_t *ret_offset)
{
	*ret_offset = s->bytes - s->tail_bytes;
	return span_of(s->tail, s->tail_bytes);
}
