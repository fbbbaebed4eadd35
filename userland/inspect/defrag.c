#include "inspect/defrag.h"

#include <errno.h>
#include <stdlib.h>

#include "inspect/checksum.h"

#define BUCKETS 256
#define PACKET_BYTES 65535
#define HEADER_BYTES 512 /* of the first fragment, up to its fragment header */

struct piece {
	struct piece *next;
	uint32_t offset, n;
	uint8_t bytes[];
};

struct tracker {
	struct tracker *bucket_next;
	struct tracker *older, *newer;
	struct detect_addr src, dst;
	uint32_t id;
	uint16_t vlan[DECODE_TAGS];
	uint8_t proto; /* of IPv4, part of its key */
	bool given_up; /* overlap in IPv6: what still comes is dropped silently */
	bool has_first, has_last;
	uint16_t header_n;
	uint8_t next; /* protocol behind the fragment header of IPv6 */
	uint32_t total, have;
	unsigned pieces_n;
	time_t since;
	struct piece *pieces; /* by offset, never overlapping */
	uint8_t header[HEADER_BYTES];
};

struct defrag {
	struct counters *counters;
	struct tracker *bucket[BUCKETS];
	struct tracker *oldest, *newest;
	unsigned trackers;
	size_t bytes;
	uint8_t whole[DECODE_LINK_BYTES + HEADER_BYTES + PACKET_BYTES];
};

int defrag_new(struct counters *counters, struct defrag **ret)
{
	struct defrag *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	d->counters = counters;
	*ret = d;
	return 0;
}

/* Fragments are few and their table is small: what matters is the limit, not the spread. */
static unsigned bucket_of(uint32_t id, const struct detect_addr *src)
{
	return (id ^ id >> 8 ^ id >> 16 ^ src->bytes[3] ^ src->bytes[15]) % BUCKETS;
}

static void pieces_free(struct defrag *d, struct tracker *t)
{
	while (t->pieces) {
		struct piece *g = t->pieces;
		t->pieces = g->next;
		d->bytes -= sizeof(*g) + g->n;
		free(g);
	}
	t->have = 0;
}

static void tracker_free(struct defrag *d, struct tracker *t)
{
	struct tracker **at = &d->bucket[bucket_of(t->id, &t->src)];

	while (*at != t)
		at = &(*at)->bucket_next;
	*at = t->bucket_next;
	*(t->older ? &t->older->newer : &d->oldest) = t->newer;
	*(t->newer ? &t->newer->older : &d->newest) = t->older;
	pieces_free(d, t);
	free(t);
	d->trackers--;
}

static void give_up_oldest(struct defrag *d)
{
	if (!d->oldest->given_up)
		counter_inc(d->counters, COUNTER_DEFRAG_GIVEN_UP);
	tracker_free(d, d->oldest);
}

void defrag_free(struct defrag *d)
{
	while (d && d->oldest)
		tracker_free(d, d->oldest);
	free(d);
}

static bool is_of(const struct tracker *t, const struct packet *p)
{
	return t->id == p->fragment_id && (p->src.family == 6 || t->proto == p->ip_proto) &&
	       memcmp(&t->src, &p->src, sizeof(t->src)) == 0 &&
	       memcmp(&t->dst, &p->dst, sizeof(t->dst)) == 0 &&
	       memcmp(t->vlan, p->vlan, sizeof(t->vlan)) == 0;
}

static struct tracker *tracker_of(struct defrag *d, const struct packet *p)
{
	struct tracker **bucket = &d->bucket[bucket_of(p->fragment_id, &p->src)], *t;

	while (d->oldest && p->at.tv_sec - d->oldest->since > DEFRAG_S)
		give_up_oldest(d);
	for (t = *bucket; t; t = t->bucket_next)
		if (is_of(t, p))
			return t;
	if (d->trackers == DEFRAG_TRACKERS)
		give_up_oldest(d);
	t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	*t = (struct tracker){.bucket_next = *bucket,
		.older = d->newest,
		.src = p->src,
		.dst = p->dst,
		.id = p->fragment_id,
		.vlan = {p->vlan[0], p->vlan[1]},
		.proto = p->ip_proto,
		.since = p->at.tv_sec};
	*bucket = t;
	*(d->newest ? &d->newest->newer : &d->oldest) = t;
	d->newest = t;
	d->trackers++;
	return t;
}

static bool piece_insert(
	struct defrag *d, struct tracker *t, struct piece **at, uint32_t offset, struct span data)
{
	struct piece *g;

	if (t->pieces_n == DEFRAG_PIECES || d->bytes + sizeof(*g) + data.n > DEFRAG_BYTES)
		return false;
	g = malloc(sizeof(*g) + data.n);
	if (!g)
		return false;
	*g = (struct piece){.next = *at, .offset = offset, .n = (uint32_t)data.n};
	memcpy(g->bytes, data.p, data.n);
	*at = g;
	t->pieces_n++;
	t->have += g->n;
	d->bytes += sizeof(*g) + g->n;
	return true;
}

enum keep { KEPT, KEPT_OVERLAP, KEPT_NOT };

static enum keep piece_keep(struct defrag *d, struct tracker *t, uint32_t offset, struct span data)
{
	struct piece **at = &t->pieces;
	uint32_t start = offset;
	enum keep result = KEPT;

	while (data.n) {
		while (*at && (*at)->offset + (*at)->n <= offset)
			at = &(*at)->next;
		struct piece *g = *at;
		if (!g || g->offset >= offset + data.n)
			break;
		if (g->offset > offset) {
			uint32_t n = g->offset - offset;
			if (!piece_insert(d, t, at, offset, span_take(data, n)))
				return KEPT_NOT;
			at = &(*at)->next;
			offset += n;
			data = span_skip(data, n);
			continue;
		}
		struct span part = span_take(data, g->offset + g->n - offset);
		result = KEPT_OVERLAP;
		if (start < g->offset)
			memcpy(g->bytes + (offset - g->offset), part.p, part.n);
		offset += (uint32_t)part.n;
		data = span_skip(data, part.n);
	}
	return data.n && !piece_insert(d, t, at, offset, data) ? KEPT_NOT : result;
}

/* The header that the whole packet will have: of the first fragment, up to the fragment header. */
static void header_keep(struct tracker *t, const struct packet *p)
{
	size_t n = (size_t)(p->fragment.p - p->ip.p) - (p->src.family == 6 ? 8 : 0);

	if (p->fragment_offset || n > HEADER_BYTES)
		return;
	memcpy(t->header, p->ip.p, n);
	t->header_n = (uint16_t)n;
	t->next = p->fragment_next;
	t->has_first = true;
}

static void header_mend4(uint8_t *h, size_t total)
{
	h[2] = (uint8_t)(total >> 8);
	h[3] = (uint8_t)total;
	h[6] &= 0x40;
	h[7] = h[10] = h[11] = 0;
	uint16_t sum = checksum_fold(checksum_add(0, h, (h[0] & 15) * 4u));
	h[10] = (uint8_t)(sum >> 8);
	h[11] = (uint8_t)sum;
}

/* The last "next header" before the fragment header now names what is behind it. */
static void header_mend6(uint8_t *h, size_t header_n, size_t total, uint8_t next)
{
	size_t at = 6, position = 40;
	uint8_t proto = h[6];

	h[4] = (uint8_t)((total - 40) >> 8);
	h[5] = (uint8_t)(total - 40);
	while (position + 2 <= header_n && proto != IPPROTO_FRAGMENT) {
		proto = h[position];
		at = position;
		position += h[position + 1] * 8u + 8;
	}
	h[at] = next;
}

/* Behind the link header of the packet that completes it, for who is shown the packet. */
static struct span assemble(struct defrag *d, struct tracker *t, const struct packet *last)
{
	size_t link = packet_link_bytes(last), n = t->header_n;
	uint8_t *whole = d->whole + link;

	if (link)
		memmove(d->whole, last->frame.p, link);
	memcpy(whole, t->header, n);
	for (const struct piece *g = t->pieces; g && g->offset < t->total; g = g->next) {
		size_t take = g->offset + g->n > t->total ? t->total - g->offset : g->n;
		memcpy(whole + n, g->bytes, take);
		n += take;
	}
	if (t->src.family == 6)
		header_mend6(whole, t->header_n, n, t->next);
	else
		header_mend4(whole, n);
	return span_of(whole, n);
}

static void give_up(struct defrag *d, struct tracker *t)
{
	if (!t->given_up)
		counter_inc(d->counters, COUNTER_DEFRAG_GIVEN_UP);
	t->given_up = true;
	pieces_free(d, t);
}

bool defrag_add(
	struct defrag *d, const struct packet *p, struct event_list *events, struct span *ret_whole)
{
	bool six = p->src.family == 6;
	uint32_t end = p->fragment_offset + (uint32_t)p->fragment.n;

	if (end > PACKET_BYTES) {
		event_raise(events,
			six ? EVENT_IPV6_FRAG_PKT_TOO_LARGE : EVENT_IPV4_FRAG_PKT_TOO_LARGE);
		return false;
	}
	/* RFC 8200, section 4.5: such a fragment is dropped. */
	if (p->truncated || (six && p->more_fragments && p->fragment.n % 8))
		return false;
	struct tracker *t = tracker_of(d, p);
	if (!t || t->given_up)
		return false;
	if (!t->has_first)
		header_keep(t, p);
	enum keep kept = piece_keep(d, t, p->fragment_offset, p->fragment);
	if (kept == KEPT_OVERLAP)
		event_raise(events, six ? EVENT_IPV6_FRAG_OVERLAP : EVENT_IPV4_FRAG_OVERLAP);
	if (kept == KEPT_NOT || (kept == KEPT_OVERLAP && six)) {
		give_up(d, t);
		return false;
	}
	if (!p->more_fragments && (!t->has_last || end < t->total)) {
		t->has_last = true;
		t->total = end;
	}
	if (!t->has_first || !t->has_last || t->have < t->total ||
		t->header_n + t->total > PACKET_BYTES)
		return false;
	*ret_whole = assemble(d, t, p);
	counter_inc(d->counters, COUNTER_DEFRAG_WHOLE);
	tracker_free(d, t);
	return true;
}
