#include "inspect/dns_message.h"

#include <arpa/inet.h>
#include <stdio.h>

enum {
	TYPE_A = 1,
	TYPE_NS = 2,
	TYPE_CNAME = 5,
	TYPE_SOA = 6,
	TYPE_NULL = 10,
	TYPE_PTR = 12,
	TYPE_MX = 15,
	TYPE_TXT = 16,
	TYPE_AAAA = 28,
	TYPE_SRV = 33
};

const char *dns_type_name(uint16_t type)
{
	static const struct {
		uint16_t type;
		const char *name;
	} rows[] = {{1, "A"}, {2, "NS"}, {3, "MD"}, {4, "MF"}, {5, "CNAME"}, {6, "SOA"}, {7, "MB"},
		{8, "MG"}, {9, "MR"}, {10, "NULL"}, {11, "WKS"}, {12, "PTR"}, {13, "HINFO"},
		{14, "MINFO"}, {15, "MX"}, {16, "TXT"}, {17, "RP"}, {18, "AFSDB"}, {24, "SIG"},
		{25, "KEY"}, {28, "AAAA"}, {29, "LOC"}, {33, "SRV"}, {35, "NAPTR"}, {36, "KX"},
		{37, "CERT"}, {39, "DNAME"}, {41, "OPT"}, {43, "DS"}, {44, "SSHFP"}, {46, "RRSIG"},
		{47, "NSEC"}, {48, "DNSKEY"}, {49, "DHCID"}, {50, "NSEC3"}, {51, "NSEC3PARAM"},
		{52, "TLSA"}, {55, "HIP"}, {59, "CDS"}, {60, "CDNSKEY"}, {64, "SVCB"},
		{65, "HTTPS"}, {99, "SPF"}, {249, "TKEY"}, {250, "TSIG"}, {252, "AXFR"},
		{255, "ANY"}, {256, "URI"}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (rows[i].type == type)
			return rows[i].name;
	return NULL;
}

const char *dns_rcode_name(uint8_t rcode)
{
	static const char *const rows[] = {"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP",
		"REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE"};

	return rcode < sizeof(rows) / sizeof(*rows) ? rows[rcode] : NULL;
}

struct dns_header dns_header_read(struct cursor *c)
{
	struct dns_header h = {.id = cursor_be16(c), .flags = cursor_be16(c)};

	for (unsigned i = 0; i < 4; i++)
		h.count[i] = cursor_be16(c);
	return h;
}

enum dns_name dns_name_read(
	struct span message, struct cursor *c, char out[static DNS_NAME_BYTES], size_t *ret_n)
{
	struct cursor at = *c;
	size_t n = 0, limit = message.n;
	bool jumped = false;

	*ret_n = 0;
	for (;;) {
		uint8_t length = cursor_u8(&at);
		if (!cursor_ok(&at))
			return DNS_NAME_CUT;
		if (length >= 0xc0) {
			size_t target = (size_t)(length & 0x3f) << 8 | cursor_u8(&at);
			if (!jumped)
				*c = at;
			if (!cursor_ok(&at))
				return DNS_NAME_CUT;
			if (target >= limit || target >= (size_t)(at.p - message.p) - 2)
				return DNS_NAME_LOOP;
			limit = target;
			jumped = true;
			at = cursor_of(span_skip(message, target));
			continue;
		}
		if (length == 0)
			break;
		struct span label = cursor_take(&at, length);
		if (length > 63)
			return DNS_NAME_BAD;
		if (!cursor_ok(&at))
			return DNS_NAME_CUT;
		if (n + label.n + 1 >= DNS_NAME_BYTES)
			return DNS_NAME_LONG;
		if (n)
			out[n++] = '.';
		memcpy(out + n, label.p, label.n);
		n += label.n;
	}
	if (!jumped)
		*c = at;
	*ret_n = n;
	return DNS_NAME_OK;
}

bool dns_question_read(struct span message, struct cursor *c, struct dns_record *ret)
{
	*ret = (struct dns_record){};
	if (dns_name_read(message, c, ret->name, &ret->name_n) != DNS_NAME_OK)
		return false;
	ret->type = cursor_be16(c);
	ret->class = cursor_be16(c);
	return cursor_ok(c);
}

bool dns_record_read(struct span message, struct cursor *c, struct dns_record *ret)
{
	if (!dns_question_read(message, c, ret))
		return false;
	ret->ttl = cursor_be32(c);
	ret->data = cursor_take(c, cursor_be16(c));
	return cursor_ok(c);
}

static void put_type(struct jsonw *w, uint16_t type)
{
	const char *name = dns_type_name(type);

	if (name)
		jsonw_str(w, "rrtype", name);
	else
		jsonw_fmt(w, "rrtype", "UNKNOWN-%u", type);
}

static void put_name(struct jsonw *w, const char *key, struct span message, struct span at)
{
	struct cursor c = cursor_of(at);
	char name[DNS_NAME_BYTES];
	size_t n;

	/* Names in record data point back into the message: the cursor stays inside the record. */
	if (dns_name_read(message, &c, name, &n) == DNS_NAME_OK)
		jsonw_span(w, key, span_of(name, n));
}

static void put_address(struct jsonw *w, const char *key, struct span data)
{
	char text[INET6_ADDRSTRLEN] = "";

	if (data.n == 4 || data.n == 16)
		inet_ntop(data.n == 4 ? AF_INET : AF_INET6, data.p, text, sizeof(text));
	jsonw_str(w, key, text);
}

static void put_soa(struct jsonw *w, struct span message, struct span data)
{
	struct cursor c = cursor_of(data);
	char name[DNS_NAME_BYTES];
	size_t n;

	jsonw_object(w, "soa");
	if (dns_name_read(message, &c, name, &n) == DNS_NAME_OK)
		jsonw_span(w, "mname", span_of(name, n));
	if (dns_name_read(message, &c, name, &n) == DNS_NAME_OK)
		jsonw_span(w, "rname", span_of(name, n));
	jsonw_u64(w, "serial", cursor_be32(&c));
	jsonw_u64(w, "refresh", cursor_be32(&c));
	jsonw_u64(w, "retry", cursor_be32(&c));
	jsonw_u64(w, "expire", cursor_be32(&c));
	jsonw_u64(w, "minimum", cursor_be32(&c));
	jsonw_end(w);
}

static void put_srv(struct jsonw *w, struct span message, struct span data)
{
	struct cursor c = cursor_of(data);

	jsonw_object(w, "srv");
	jsonw_u64(w, "priority", cursor_be16(&c));
	jsonw_u64(w, "weight", cursor_be16(&c));
	jsonw_u64(w, "port", cursor_be16(&c));
	put_name(w, "name", message, cursor_rest(&c));
	jsonw_end(w);
}

/* The first string of a TXT record. */
static struct span txt_of(struct span data)
{
	struct cursor c = cursor_of(data);

	return cursor_take(&c, cursor_u8(&c));
}

/* True when the type has a text; it is written under this key. */
static bool put_data(
	struct jsonw *w, const char *key, struct span message, const struct dns_record *r)
{
	switch (r->type) {
	case TYPE_A:
	case TYPE_AAAA:
		put_address(w, key, r->data);
		return true;
	case TYPE_NS:
	case TYPE_CNAME:
	case TYPE_PTR:
		put_name(w, key, message, r->data);
		return true;
	case TYPE_MX:
		put_name(w, key, message, span_skip(r->data, 2));
		return true;
	case TYPE_TXT:
		jsonw_span(w, key, txt_of(r->data));
		return true;
	case TYPE_NULL:
		jsonw_span(w, key, r->data);
		return true;
	default:
		return false;
	}
}

static void put_record(struct jsonw *w, struct span message, const struct dns_record *r)
{
	jsonw_object(w, NULL);
	jsonw_span(w, "rrname", span_of(r->name, r->name_n));
	put_type(w, r->type);
	jsonw_u64(w, "ttl", r->ttl);
	if (r->type == TYPE_SOA)
		put_soa(w, message, r->data);
	else if (r->type == TYPE_SRV)
		put_srv(w, message, r->data);
	else
		put_data(w, "rdata", message, r);
	jsonw_end(w);
}

/* n records at the cursor; the array stands only when there is one. */
static void put_records(
	struct jsonw *w, const char *key, struct span message, struct cursor *c, unsigned n)
{
	struct dns_record r;
	bool any = false;

	for (unsigned i = 0; i < n && i < DNS_RECORDS && dns_record_read(message, c, &r); i++) {
		if (r.type == 41) /* OPT is no record (RFC 6891, section 6.1) */
			continue;
		if (!any)
			jsonw_array(w, key);
		any = true;
		put_record(w, message, &r);
	}
	if (any)
		jsonw_end(w);
}

/* The answers once more, by type. */
static void put_grouped(struct jsonw *w, struct span message, struct cursor answers, unsigned n)
{
	static const uint16_t types[] = {
		TYPE_A, TYPE_NS, TYPE_CNAME, TYPE_NULL, TYPE_PTR, TYPE_MX, TYPE_TXT, TYPE_AAAA};
	bool open = false;

	for (size_t t = 0; t < sizeof(types) / sizeof(*types); t++) {
		struct cursor c = answers;
		struct dns_record r;
		bool any = false;
		for (unsigned i = 0; i < n && i < DNS_RECORDS && dns_record_read(message, &c, &r);
			i++) {
			if (r.type != types[t])
				continue;
			if (!open)
				jsonw_object(w, "grouped");
			open = true;
			if (!any)
				jsonw_array(w, dns_type_name(r.type));
			any = true;
			put_data(w, NULL, message, &r);
		}
		if (any)
			jsonw_end(w);
	}
	if (open)
		jsonw_end(w);
}

static void put_flags(struct jsonw *w, const struct dns_header *h)
{
	static const struct {
		uint16_t bit;
		const char *name;
	} rows[] = {{0x8000, "qr"}, {0x0400, "aa"}, {0x0200, "tc"}, {0x0100, "rd"}, {0x0080, "ra"},
		{0x0040, "z"}};

	jsonw_fmt(w, "flags", "%x", h->flags);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (h->flags & rows[i].bit)
			jsonw_bool(w, rows[i].name, true);
}

static void put_rcode(struct jsonw *w, const struct dns_header *h)
{
	const char *rcode = dns_rcode_name(h->flags & 15);

	if (rcode)
		jsonw_str(w, "rcode", rcode);
	else
		jsonw_fmt(w, "rcode", "UNKNOWN-%u", h->flags & 15);
}

/* All questions beside an alert; in the event of the message the first one's name and type. */
static void put_questions(struct jsonw *w, struct span message, struct cursor *c,
	const struct dns_header *h, bool whole)
{
	struct dns_record q;

	if (!whole && h->count[0])
		jsonw_array(w, "queries");
	for (unsigned i = 0; i < h->count[0] && i < DNS_QUESTIONS; i++) {
		if (!dns_question_read(message, c, &q))
			break;
		if (whole && i)
			continue;
		if (!whole)
			jsonw_object(w, NULL);
		jsonw_span(w, "rrname", span_of(q.name, q.name_n));
		put_type(w, q.type);
		if (!whole)
			jsonw_end(w);
	}
	if (!whole && h->count[0])
		jsonw_end(w);
}

void dns_message_put(struct jsonw *w, struct span message, uint32_t tx_id, bool whole)
{
	struct cursor c = cursor_of(message);
	struct dns_header h = dns_header_read(&c);
	bool answer = h.flags & 0x8000;

	jsonw_object(w, "dns");
	jsonw_u64(w, "version", whole ? 2 : 3);
	if (whole)
		jsonw_str(w, "type", answer ? "answer" : "query");
	else
		jsonw_str(w, "type", answer ? "response" : "request");
	jsonw_u64(w, "tx_id", tx_id);
	jsonw_u64(w, "id", h.id);
	if (answer || !whole)
		put_flags(w, &h);
	else if (h.flags & 0x40)
		jsonw_bool(w, "z", true);
	jsonw_u64(w, "opcode", h.flags >> 11 & 15);
	put_questions(w, message, &c, &h, whole);
	if (answer)
		put_rcode(w, &h);
	struct cursor answers = c;
	put_records(w, "answers", message, &c, h.count[1]);
	if (answer && whole)
		put_grouped(w, message, answers, h.count[1]);
	put_records(w, "authorities", message, &c, h.count[2]);
	jsonw_end(w);
}
