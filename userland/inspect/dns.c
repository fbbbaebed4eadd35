#include "inspect/dns.h"

#include <stdlib.h>

#include "inspect/dns_message.h"

#define HEADER_BYTES 12
#define OPCODE_MAX 6

struct side {
	uint32_t left; /* bytes of the message still to come */
	uint16_t used;
	uint8_t length[2];
	uint8_t length_n;
	uint8_t *message;
};

struct dns {
	struct reader base;
	uint32_t next_id;
	struct side side[2];
};

/* What the log needs of a unit. */
struct view {
	struct span message;
	uint32_t tx_id;
};

enum sniff dns_sniff(struct span message, bool strict)
{
	struct cursor c = cursor_of(message);
	struct dns_header h = dns_header_read(&c);
	struct dns_record q;

	if (!cursor_ok(&c))
		return SNIFF_MORE;
	unsigned records = (unsigned)h.count[1] + h.count[2] + h.count[3];
	bool plausible = (h.flags >> 11 & 15) <= OPCODE_MAX && h.count[0] <= DNS_QUESTIONS &&
			 h.count[0] + records > 0 && records < 512;
	if (!plausible)
		return SNIFF_NO;
	if (!strict)
		return SNIFF_YES;
	if (h.count[0] != 1 || h.flags & 0x7840 || h.count[1] > 64 || h.count[2] > 64 ||
		h.count[3] > 64)
		return SNIFF_NO;
	if (!dns_question_read(message, &c, &q) || q.class != 1 || !dns_type_name(q.type))
		return SNIFF_NO;
	return SNIFF_YES;
}

static void dns_put(struct jsonw *w, const struct unit *u, bool whole)
{
	const struct view *v = u->tx;

	dns_message_put(w, v->message, v->tx_id, whole);
}

static enum event_id name_event(enum dns_name r)
{
	switch (r) {
	case DNS_NAME_LOOP:
		return EVENT_DNS_INFINITE_LOOP;
	case DNS_NAME_LONG:
		return EVENT_DNS_NAME_TOO_LONG;
	case DNS_NAME_OK:
		return EVENT_ID_NONE;
	default:
		return EVENT_DNS_MALFORMED_DATA;
	}
}

static void header_events(struct unit *u, const struct dns_header *h)
{
	if (u->to_server && h->flags & 0x8000)
		event_raise(&u->events, EVENT_DNS_NOT_A_REQUEST);
	if (!u->to_server && !(h->flags & 0x8000))
		event_raise(&u->events, EVENT_DNS_NOT_A_RESPONSE);
	if (h->flags & 0x40)
		event_raise(&u->events, EVENT_DNS_Z_FLAG_SET);
	if ((h->flags >> 11 & 15) >= 7)
		event_raise(&u->events, EVENT_DNS_INVALID_OPCODE);
}

/* The names of the questions into the unit; false when the message ends or breaks before. */
static bool read_questions(struct unit *u, struct reader_env *env, struct span message,
	struct cursor *c, const struct dns_header *h)
{
	size_t used = 0;

	u->more = env->more;
	for (unsigned i = 0; i < h->count[0] && i < DNS_QUESTIONS; i++) {
		char *name = (char *)env->scratch + used;
		size_t n;
		enum dns_name r = dns_name_read(message, c, name, &n);
		cursor_skip(c, 4);
		if (r != DNS_NAME_OK || !cursor_ok(c)) {
			event_raise(&u->events,
				r == DNS_NAME_OK ? EVENT_DNS_MALFORMED_DATA : name_event(r));
			return false;
		}
		if (i == 0)
			u->buffer[BUFFER_DNS_QUERY] = span_of(name, n);
		else
			env->more[u->more_n++] =
				(struct buffer_more){BUFFER_DNS_QUERY, span_of(name, n)};
		used += DNS_NAME_BYTES;
	}
	return true;
}

static void check_records(
	struct unit *u, struct span message, struct cursor *c, const struct dns_header *h)
{
	static const enum event_id ids[] = {0, EVENT_DNS_MALFORMED_DATA,
		EVENT_DNS_INVALID_AUTHORITIES, EVENT_DNS_INVALID_ADDITIONALS};
	struct dns_record r;

	for (unsigned section = 1; section < 4; section++)
		for (unsigned i = 0; i < h->count[section] && i < DNS_RECORDS; i++)
			if (!dns_record_read(message, c, &r)) {
				event_raise(&u->events, ids[section]);
				return;
			}
}

static enum reader_result read_message(struct dns *d, bool to_server, struct span message)
{
	struct reader_env *env = d->base.env;
	struct cursor c = cursor_of(message);
	struct dns_header h = dns_header_read(&c);
	struct view view = {message, d->next_id};
	struct unit u = {.to_server = to_server, .put = dns_put, .tx = &view, .tx_id = d->next_id};

	if (!cursor_ok(&c)) {
		event_raise(&u.events, EVENT_DNS_MALFORMED_DATA);
		env->fn(env->ctx, &u);
		return READER_FAILED;
	}
	d->next_id++;
	header_events(&u, &h);
	bool whole = read_questions(&u, env, message, &c, &h);
	if (whole)
		check_records(&u, message, &c, &h);
	u.event = whole ? "dns" : NULL;
	if (h.flags & 0x8000) { /* dns.query is about what is asked */
		u.buffer[BUFFER_DNS_QUERY] = (struct span){};
		u.more_n = 0;
	}
	env->fn(env->ctx, &u);
	return whole ? READER_OK : READER_FAILED;
}

static enum reader_result feed_udp(struct reader *r, bool to_server, struct span data)
{
	/* A datagram that is not DNS says nothing about the next one. */
	read_message((struct dns *)r, to_server, data);
	return READER_OK;
}

/* RFC 1035, section 4.2.2: a length of two bytes before each message. */
static enum reader_result feed_tcp(struct reader *r, bool to_server, struct span data)
{
	struct dns *d = (struct dns *)r;
	struct side *s = &d->side[to_server];

	while (data.n) {
		if (s->left == 0) {
			s->length[s->length_n++] = data.p[0];
			data = span_skip(data, 1);
			if (s->length_n < 2)
				continue;
			s->left = (uint32_t)(s->length[0] << 8 | s->length[1]);
			s->length_n = 0;
			s->used = 0;
			if (s->left < HEADER_BYTES)
				return READER_FAILED;
			continue;
		}
		if (!s->message && !(s->message = malloc(DNS_MESSAGE_BYTES)))
			return READER_FAILED;
		struct span part = span_take(data, s->left);
		struct span keep = span_take(part, DNS_MESSAGE_BYTES - (size_t)s->used);
		memcpy(s->message + s->used, keep.p, keep.n);
		s->used = (uint16_t)(s->used + keep.n);
		s->left -= (uint32_t)part.n;
		data = span_skip(data, part.n);
		if (s->left == 0 &&
			read_message(d, to_server, span_of(s->message, s->used)) != READER_OK)
			return READER_FAILED;
	}
	return READER_OK;
}

static void dns_free(struct reader *r)
{
	struct dns *d = (struct dns *)r;

	free(d->side[0].message);
	free(d->side[1].message);
	free(d);
}

static struct reader *dns_new(const struct reader_ops *ops, struct reader_env *env)
{
	struct dns *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->base = (struct reader){ops, env};
	return &d->base;
}

static struct reader *dns_udp_new(struct reader_env *env)
{
	return dns_new(&reader_dns_udp, env);
}

static struct reader *dns_tcp_new(struct reader_env *env)
{
	return dns_new(&reader_dns_tcp, env);
}

const struct reader_ops reader_dns_udp = {.new = dns_udp_new, .feed = feed_udp, .free = dns_free};
const struct reader_ops reader_dns_tcp = {.new = dns_tcp_new, .feed = feed_tcp, .free = dns_free};
