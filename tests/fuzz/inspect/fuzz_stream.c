/* Segments and fragments in any order: the first byte chooses policy and mode, then each piece has
 * a byte for its kind and side, two for its place, one for its length. */
#include "inspect/defrag.h"
#include "inspect/stream.h"
#include "inspect/tcp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t delivered_bytes;

static void on_data(void *ctx, const struct stream_data *d)
{
	(void)ctx;
	for (size_t i = 0; i < d->window.n; i++)
		delivered_bytes += d->window.p[i];
}

static void take_fragment(
	struct defrag *d, struct cursor *c, uint8_t kind, uint16_t place, struct event_list *events)
{
	struct packet p = {.src.family = kind & 8 ? 6 : 4,
		.dst.family = kind & 8 ? 6 : 4,
		.fragment_id = kind & 16,
		.fragment_offset = place & 0xfff8,
		.more_fragments = kind & 32};
	size_t header = p.src.family == 6 ? 48 : 20;
	struct span whole;

	p.ip = cursor_take(c, header + cursor_u8(c));
	if (!cursor_ok(c))
		return;
	p.fragment = span_skip(p.ip, header);
	if (defrag_add(d, &p, events, &whole)) {
		struct packet inner;
		if (decode_whole(whole, &p, &inner) == DECODE_OK)
			delivered_bytes += inner.payload.n;
	}
}

static void take_segment(struct stream *streams, struct stream_pool *pool, struct tcp *t,
	struct cursor *c, uint8_t kind, uint16_t place)
{
	static const struct tcp_options options = {.midstream = true};
	bool server = kind & 1;
	struct packet p = {.tcp_flags = kind & 0x1f ? kind & 0x1f : TCP_ACK,
		.seq = 1000u + place,
		.ack = 1000u + (uint32_t)place / 2,
		.tcp_wscale = 0,
		.tcp_window = 65535};

	p.payload = cursor_take(c, cursor_u8(c) * 4u);
	if (!cursor_ok(c))
		return;
	if (tcp_packet(t, &options, &p, server, pool->events) != TCP_TRACK)
		return;
	if (p.tcp_flags & TCP_SYN)
		stream_syn(&streams[server], p.seq);
	stream_acked(&streams[!server], pool, p.ack, on_data, NULL);
	stream_push(&streams[server], pool, p.seq, p.payload, on_data, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct stream_pool pool;
	static struct counters counters;
	struct cursor c = cursor_of(span_of(data, size));
	struct stream streams[2] = {};
	struct event_list events = {};
	struct tcp t = {};
	struct defrag *d;
	uint8_t mode = cursor_u8(&c);

	if (defrag_new(&counters, &d) < 0)
		return 0;
	pool.counters = &counters;
	pool.events = &events;
	pool.policy = mode % 6;
	pool.hold = mode & 64;
	pool.inline_mode = !pool.hold;
	while (cursor_left(&c) >= 4) {
		uint8_t kind = cursor_u8(&c);
		uint16_t place = cursor_be16(&c);
		if (kind & 128)
			take_fragment(d, &c, kind, place, &events);
		else
			take_segment(streams, &pool, &t, &c, kind, place);
	}
	for (unsigned i = 0; i < 2; i++) {
		stream_flush(&streams[i], &pool, on_data, NULL);
		stream_free(&streams[i], &pool);
	}
	defrag_free(d);
	if (pool.used_bytes)
		__builtin_trap();
	return 0;
}
