#include "inspect/dns.h"

#include <stdlib.h>

#define HEADER_BYTES 12

struct dns {
	struct reader base;
	struct {
		uint32_t left; /* bytes of the message still to come */
		uint16_t used;
		uint8_t length[2];
		uint8_t length_n;
		uint8_t *message;
	} side[2];
};

struct header {
	uint16_t id, flags, questions;
};

enum sniff dns_sniff(struct span message)
{
	struct cursor c = cursor_of(message);

	cursor_skip(&c, 2);
	uint16_t flags = cursor_be16(&c), qd = cursor_be16(&c);
	unsigned records = (unsigned)cursor_be16(&c) + cursor_be16(&c) + cursor_be16(&c);
	if (!cursor_ok(&c))
		return SNIFF_MORE;
	unsigned opcode = flags >> 11 & 15;
	bool plausible = opcode <= 6 && !(flags & 0x40) && qd <= DNS_QUESTIONS &&
			 qd + records > 0 && records < 512;
	return plausible ? SNIFF_YES : SNIFF_NO;
}

const char *dns_type_name(uint16_t type)
{
	static const struct {
		uint16_t type;
		const char *name;
	} rows[] = {{1, "A"}, {2, "NS"}, {5, "CNAME"}, {6, "SOA"}, {12, "PTR"}, {13, "HINFO"},
		{15, "MX"}, {16, "TXT"}, {28, "AAAA"}, {33, "SRV"}, {35, "NAPTR"}, {43, "DS"},
		{46, "RRSIG"}, {48, "DNSKEY"}, {52, "TLSA"}, {64, "SVCB"}, {65, "HTTPS"},
		{99, "SPF"}, {252, "AXFR"}, {255, "ANY"}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (rows[i].type == type)
			return rows[i].name;
	return NULL;
}

const char *dns_rcode_name(uint8_t rcode)
{
	static const char *const rows[] = {
		"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"};

	return rcode < sizeof(rows) / sizeof(*rows) ? rows[rcode] : NULL;
}

/* Writes the name at the cursor as text. A pointer must go backwards, so following them ends. */
static bool read_name(
	struct span message, struct cursor *c, uint8_t out[static DNS_NAME_BYTES], size_t *ret_n)
{
	struct cursor at = *c;
	size_t n = 0, limit = message.n;
	bool jumped = false;

	for (;;) {
		uint8_t length = cursor_u8(&at);
		if (!cursor_ok(&at))
			return false;
		if (length >= 0xc0) {
			size_t target = (size_t)(length & 0x3f) << 8 | cursor_u8(&at);
			if (!jumped)
				*c = at;
			if (!cursor_ok(&at) || target >= limit ||
				target >= (size_t)(at.p - message.p) - 2)
				return false;
			limit = target;
			jumped = true;
			at = cursor_of(span_skip(message, target));
			continue;
		}
		if (length == 0)
			break;
		struct span label = cursor_take(&at, length);
		if (length > 63 || !cursor_ok(&at) || n + label.n + 1 >= DNS_NAME_BYTES)
			return false;
		if (n)
			out[n++] = '.';
		memcpy(out + n, label.p, label.n);
		n += label.n;
	}
	if (!jumped)
		*c = at;
	*ret_n = n;
	return true;
}

static enum reader_result read_message(struct reader_env *env, bool to_server, struct span message)
{
	struct cursor c = cursor_of(message);
	struct header h = {cursor_be16(&c), cursor_be16(&c), cursor_be16(&c)};

	cursor_skip(&c, 6);
	if (!cursor_ok(&c))
		return READER_FAILED;
	for (unsigned i = 0; i < h.questions && i < DNS_QUESTIONS; i++) {
		struct unit u = {.to_server = to_server, .event = EVENT_DNS};
		size_t n;
		if (!read_name(message, &c, env->scratch, &n))
			return READER_FAILED;
		u.buffer[BUFFER_DNS_QUERY] = span_of(env->scratch, n);
		u.dns.id = h.id;
		u.dns.answer = h.flags & 0x8000;
		u.log_only = u.dns.answer; /* dns.query is about what is asked */
		u.dns.rcode = h.flags & 15;
		u.dns.type = cursor_be16(&c);
		cursor_skip(&c, 2);
		if (!cursor_ok(&c))
			return READER_FAILED;
		env->fn(env->ctx, &u);
	}
	return READER_OK;
}

static enum reader_result feed_udp(
	struct reader *r, struct reader_env *env, bool to_server, struct span data)
{
	(void)r;
	/* A datagram that is not DNS says nothing about the next one. */
	read_message(env, to_server, data);
	return READER_OK;
}

/* RFC 1035, section 4.2.2: a length of two bytes before each message. */
static enum reader_result feed_tcp(
	struct reader *r, struct reader_env *env, bool to_server, struct span data)
{
	struct dns *d = (struct dns *)r;
	__typeof__(&d->side[0]) s = &d->side[to_server];

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
			read_message(env, to_server, span_of(s->message, s->used)) != READER_OK)
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

static struct reader *dns_new(const struct reader_ops *ops)
{
	struct dns *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->base.ops = ops;
	return &d->base;
}

static struct reader *dns_udp_new(void)
{
	return dns_new(&reader_dns_udp);
}

static struct reader *dns_tcp_new(void)
{
	return dns_new(&reader_dns_tcp);
}

const struct reader_ops reader_dns_udp = {.new = dns_udp_new, .feed = feed_udp, .free = dns_free};
const struct reader_ops reader_dns_tcp = {.new = dns_tcp_new, .feed = feed_tcp, .free = dns_free};
