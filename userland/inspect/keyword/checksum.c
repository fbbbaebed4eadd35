/* Whether a checksum is right: ipv4-csum, tcpv4-csum and the like, of the packet as it came. Where
 * the network card is still to fill it in (segments that are joined, local senders) it is right. */
#include "inspect/checksum.h"
#include "inspect/decode.h"
#include "inspect/keyword.h"

enum which { ICMP4, ICMP6, IP4, TCP4, TCP6, UDP4, UDP6 };

static const struct {
	uint8_t family, proto; /* proto 0: the header of IP itself */
} rows[] = {[ICMP4] = {4, IPPROTO_ICMP},
	[ICMP6] = {6, IPPROTO_ICMPV6},
	[IP4] = {4, 0},
	[TCP4] = {4, IPPROTO_TCP},
	[TCP6] = {6, IPPROTO_TCP},
	[UDP4] = {4, IPPROTO_UDP},
	[UDP6] = {6, IPPROTO_UDP}};

/* The pseudo header is RFC 9293, section 3.1 and RFC 8200, section 8.1; ICMP for IPv4 has none. */
static bool transport_is_right(const struct packet *p)
{
	size_t addr_n = p->src.family == 6 ? 16 : 4;
	size_t n = (size_t)(p->ip.p + p->ip.n - p->transport.p);
	uint32_t sum = 0;

	if (p->ip_proto != IPPROTO_ICMP) {
		sum = p->ip_proto + (uint32_t)n;
		sum = checksum_add(sum, p->src.bytes, addr_n);
		sum = checksum_add(sum, p->dst.bytes, addr_n);
	}
	/* RFC 768: no checksum was made */
	if (p->ip_proto == IPPROTO_UDP && p->src.family == 4 && p->transport.n >= 8 &&
		p->transport.p[6] == 0 && p->transport.p[7] == 0)
		return true;
	return checksum_fold(checksum_add(sum, p->transport.p, n)) == 0;
}

static bool csum_holds(const struct check *c, const struct detect_input *in)
{
	uint8_t family = rows[c->id].family, proto = rows[c->id].proto;
	const struct packet *p = in->packet;
	bool right = true;

	if (!p || p->src.family != family || p->truncated ||
		(proto && (p->ip_proto != proto || !p->transport.p)) || (!proto && !p->ip_header.p))
		return false;
	if (!p->unsummed)
		right = proto ? transport_is_right(p)
			      : checksum_fold(checksum_add(0, p->ip_header.p, p->ip_header.n)) == 0;
	return right == (c->how != 0);
}

static int csum_parse(struct rule_build *b, const struct keyword *k, struct span arg)
{
	bool valid = span_caseeq(arg, SPAN_LIT("valid"));
	struct check *c = rule_check(b);

	if (!c)
		return -EINVAL;
	if (!valid && !span_caseeq(arg, SPAN_LIT("invalid")))
		return rule_fail(b, arg, "valid or invalid is expected");
	c->holds = csum_holds;
	c->id = (uint16_t)k->value;
	c->how = valid;
	b->rule.units = UNITS_PACKET;
	return 0;
}

const struct keyword keyword_checksum[] = {
	{"icmpv4-csum", ARG_NEEDED, ICMP4, csum_parse},
	{"icmpv6-csum", ARG_NEEDED, ICMP6, csum_parse},
	{"ipv4-csum", ARG_NEEDED, IP4, csum_parse},
	{"tcpv4-csum", ARG_NEEDED, TCP4, csum_parse},
	{"tcpv6-csum", ARG_NEEDED, TCP6, csum_parse},
	{"udpv4-csum", ARG_NEEDED, UDP4, csum_parse},
	{"udpv6-csum", ARG_NEEDED, UDP6, csum_parse},
	{0},
};
