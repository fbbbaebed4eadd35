/*
 * stream: puts the TCP payload of one direction in order.
 *
 * stream_push() takes a segment: what is next in sequence is delivered at once, what lies ahead is
 * kept until the hole before it fills, what was delivered before is left out. With `hold` (reading
 * a capture, where nothing can be dropped) all is kept until the receiver acknowledges it, because
 * only then is it settled which copy of a byte it took. A hole that the receiver acknowledges was
 * never going to be seen (a capture that lost packets, a flow picked up midway): stream_acked()
 * gives it up. stream_flush() delivers what is left at the end of the flow. Each delivery carries a
 * window: the last STREAM_TAIL_BYTES before it, then the new bytes, so a pattern that straddles
 * segments is whole in one of the windows; at the beginning the window is the whole stream.
 *
 * Overlap: the bytes delivered first stand; a later copy is ignored and counted. Between copies of
 * bytes that are kept the policy decides, after the kind of system that receives them; in line the
 * first stands, and a copy that differs is an event. The policies are those of Novak and Sturges,
 * "Target-Based TCP Stream Reassembly" (2007).
 *
 * Limits: STREAM_DEPTH_BYTES a direction, then nothing is delivered (`depth`); STREAM_AHEAD_BYTES
 * kept a direction and STREAM_POOL_BYTES a thread. Beyond, offline, the hole is given up and the
 * next delivery has `gap` set; in line stream_push() refuses the segment: dropped, it will be sent
 * again, and skipping ahead would let a sender choose what is not inspected. Source: RFC 9293,
 * section 3.4.
 */
#pragma once

#include "inspect/counter.h"
#include "inspect/event.h"
#include "lib/span.h"

#define STREAM_DEPTH_BYTES (1u << 20)
#define STREAM_TAIL_BYTES 2048
#define STREAM_AHEAD_BYTES (256u << 10)
#define STREAM_POOL_BYTES (32u << 20)
/* Tail and the largest piece that is delivered at once, a GSO packet. */
#define STREAM_WINDOW_BYTES (STREAM_TAIL_BYTES + 65536)

struct segment;

struct stream {
	struct segment *ahead; /* by sequence number */
	uint8_t *tail;
	uint32_t next;    /* sequence number of the next byte to deliver */
	uint32_t regions; /* pieces between holes, the most at one time */
	uint32_t ahead_bytes;
	uint16_t tail_bytes;
	uint8_t policy; /* enum stream_policy of the receiver */
	bool open;      /* next is known */
	bool depth;     /* the limit is reached */
	bool gap;       /* bytes were missed since the last delivery */
	uint32_t gap_bytes;
	uint64_t bytes;   /* delivered */
	uint32_t pending; /* of them, at the end of the tail, that rules have not looked at yet */
};

/* Whose copy of a byte counts: names of systems as in host-os-policy. */
enum stream_policy {
	STREAM_AS_POOL, /* nothing is known of the receiver */
	STREAM_FIRST,
	STREAM_LAST,
	STREAM_BSD,
	STREAM_LINUX,
	STREAM_OLD_LINUX,
	STREAM_WINDOWS,
	STREAM_SOLARIS
};

/* Memory and counters shared by the streams of a thread. */
struct stream_pool {
	size_t used_bytes;
	bool inline_mode;
	bool hold;
	enum stream_policy policy;
	uint64_t depth_bytes;      /* 0: no limit but STREAM_DEPTH_BYTES */
	struct event_list *events; /* of the packet that is being taken; NULL: nobody asks */
	bool seen;                 /* what is being delivered */
	struct counters *counters;
	uint8_t window[STREAM_WINDOW_BYTES];
};

struct stream_data {
	struct span fresh; /* the new bytes: the end of window */
	struct span window;
	uint64_t offset;    /* of the window's first byte among the bytes delivered */
	bool whole;         /* the window begins at the first byte of the stream */
	bool gap;           /* bytes are missing before fresh */
	struct span before; /* with gap: the end of what was delivered before the hole */
	bool seen;          /* fresh has been looked at, when it lay ahead of a hole */
	uint32_t gap_bytes;
};

/* Called for each piece in order; both spans live until it returns. */
typedef void stream_fn(void *ctx, const struct stream_data *d);

/* Where it begins. Another SYN counts while there is no data. */
void stream_syn(struct stream *s, uint32_t seq);
/* False: in line, and not kept. */
bool stream_push(struct stream *s, struct stream_pool *pool, uint32_t seq, struct span data,
	stream_fn *fn, void *ctx);
void stream_acked(
	struct stream *s, struct stream_pool *pool, uint32_t ack, stream_fn *fn, void *ctx);
/* What is missing before seq was seen by its receiver and passed unseen. */
void stream_skip(
	struct stream *s, struct stream_pool *pool, uint32_t seq, stream_fn *fn, void *ctx);
/* A segment that lies ahead of a hole, with what is kept before it without another hole: the end of
 * ret_window. False when it has been delivered, or is not kept. It counts as seen from now on. */
bool stream_look_ahead(struct stream *s, struct stream_pool *pool, uint32_t seq,
	struct span *ret_window, uint64_t *ret_offset);
/* What is kept of the bytes delivered last, and where it begins. */
struct span stream_tail(const struct stream *s, uint64_t *ret_offset);
void stream_flush(struct stream *s, struct stream_pool *pool, stream_fn *fn, void *ctx);
void stream_free(struct stream *s, struct stream_pool *pool);
