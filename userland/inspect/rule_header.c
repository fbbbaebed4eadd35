/* Action, protocol, sides and direction. */
#include <errno.h>

#include "inspect/keyword.h"

/* The reject variants differ in who is told. */
static const struct {
	const char *name;
	enum rule_action action;
	bool src, dst;
} actions[] = {
	{"alert", RULE_ALERT, false, false},
	{"drop", RULE_DROP, false, false},
	{"pass", RULE_PASS, false, false},
	{"reject", RULE_REJECT, true, false},
	{"rejectboth", RULE_REJECT, true, true},
	{"rejectdst", RULE_REJECT, false, true},
	{"rejectsrc", RULE_REJECT, true, false},
};

static const struct {
	const char *name;
	enum rule_proto proto;
	enum rule_units units;
	uint8_t family; /* 4, 6, or 0: both */
} protos[] = {
	{"dcerpc", PROTO_DCERPC, UNITS_ALL, 0},
	{"dhcp", PROTO_DHCP, UNITS_ALL, 0},
	{"dns", PROTO_DNS, UNITS_ALL, 0},
	{"ftp", PROTO_FTP, UNITS_ALL, 0},
	{"ftp-data", PROTO_FTP_DATA, UNITS_ALL, 0},
	{"http", PROTO_HTTP, UNITS_ALL, 0},
	{"http1", PROTO_HTTP, UNITS_ALL, 0},
	{"http2", PROTO_HTTP2, UNITS_ALL, 0},
	{"icmp", PROTO_ICMP, UNITS_ALL, 0},
	{"icmpv4", PROTO_ICMP, UNITS_ALL, 4},
	{"icmpv6", PROTO_ICMP, UNITS_ALL, 6},
	{"ike", PROTO_IKE, UNITS_ALL, 0},
	{"imap", PROTO_IMAP, UNITS_ALL, 0},
	{"ip", PROTO_IP, UNITS_ALL, 0},
	{"ipv4", PROTO_IP, UNITS_ALL, 4},
	{"ipv6", PROTO_IP, UNITS_ALL, 6},
	{"ip4", PROTO_IP, UNITS_ALL, 4},
	{"ip6", PROTO_IP, UNITS_ALL, 6},
	{"krb5", PROTO_KRB5, UNITS_ALL, 0},
	{"mqtt", PROTO_MQTT, UNITS_ALL, 0},
	{"nfs", PROTO_NFS, UNITS_ALL, 0},
	{"ntp", PROTO_NTP, UNITS_ALL, 0},
	{"pkthdr", PROTO_IP, UNITS_PACKET, 0},
	{"pop3", PROTO_POP3, UNITS_ALL, 0},
	{"quic", PROTO_QUIC, UNITS_ALL, 0},
	{"rdp", PROTO_RDP, UNITS_ALL, 0},
	{"rfb", PROTO_RFB, UNITS_ALL, 0},
	{"sip", PROTO_SIP, UNITS_ALL, 0},
	{"smb", PROTO_SMB, UNITS_ALL, 0},
	{"smtp", PROTO_SMTP, UNITS_ALL, 0},
	{"snmp", PROTO_SNMP, UNITS_ALL, 0},
	{"ssh", PROTO_SSH, UNITS_ALL, 0},
	{"tcp", PROTO_TCP, UNITS_ALL, 0},
	{"tcp-pkt", PROTO_TCP, UNITS_PACKET, 0},
	{"tcp-stream", PROTO_TCP, UNITS_STREAM, 0},
	{"telnet", PROTO_TELNET, UNITS_ALL, 0},
	{"tftp", PROTO_TFTP, UNITS_ALL, 0},
	{"tls", PROTO_TLS, UNITS_ALL, 0},
	{"ssl", PROTO_TLS, UNITS_ALL, 0},
	{"udp", PROTO_UDP, UNITS_ALL, 0},
};

/* The next word; a list in brackets is one word with the blanks in it. */
static struct span word_next(struct span *rest)
{
	struct span text = span_trim(*rest);
	size_t n = 0;
	int depth = 0;

	for (; n < text.n; n++) {
		uint8_t c = text.p[n];

		depth += c == '[' ? 1 : c == ']' ? -1 : 0;
		if (depth <= 0 && (c == ' ' || c == '\t'))
			break;
	}
	*rest = span_skip(text, n);
	return span_take(text, n);
}

static int action_parse(struct rule_build *b, struct span word)
{
	for (size_t i = 0; i < sizeof(actions) / sizeof(*actions); i++) {
		if (!span_caseeq(span_str(actions[i].name), word))
			continue;
		b->rule.action = b->rule.written = actions[i].action;
		b->rule.reject_src = actions[i].src;
		b->rule.reject_dst = actions[i].dst;
		return 0;
	}
	return rule_fail(b, word,
		"action \"%.*s\": alert, drop, pass, reject, rejectsrc, rejectdst or "
		"rejectboth is expected",
		SPAN_ARGS(word));
}

static int proto_parse(struct rule_build *b, struct span word)
{
	for (size_t i = 0; i < sizeof(protos) / sizeof(*protos); i++) {
		if (!span_caseeq(span_str(protos[i].name), word))
			continue;
		b->rule.proto = protos[i].proto;
		b->rule.units = protos[i].units;
		b->rule.family = protos[i].family;
		return 0;
	}
	return rule_fail(b, word,
		"protocol \"%.*s\" is not supported; ip, tcp, tcp-pkt, tcp-stream, udp, "
		"icmp, http, tls, dns, smtp, ftp, ssh, smb and others are",
		SPAN_ARGS(word));
}

int rule_header(struct rule_build *b, struct span header)
{
	struct span rest = header, words[7];
	struct rule *r = &b->rule;

	for (size_t i = 0; i < 7; i++) {
		words[i] = word_next(&rest);
		if (!words[i].n)
			return rule_fail(b, words[i],
				"the header ends early: action protocol source port -> "
				"destination port is expected");
	}
	rest = span_trim(rest);
	if (rest.n)
		return rule_fail(b, rest, "\"%.*s\" stands before the options", SPAN_ARGS(rest));
	r->both_ways = span_eq(words[4], SPAN_LIT("<>"));
	b->transactional = span_eq(words[4], SPAN_LIT("=>"));
	if (!r->both_ways && !b->transactional && !span_eq(words[4], SPAN_LIT("->")))
		return rule_fail(
			b, words[4], "\"%.*s\": ->, => or <> is expected", SPAN_ARGS(words[4]));
	if (action_parse(b, words[0]) < 0 || proto_parse(b, words[1]) < 0 ||
		rule_ranges(b, words[2], false, &r->src) < 0 ||
		rule_ranges(b, words[3], true, &r->src_ports) < 0 ||
		rule_ranges(b, words[5], false, &r->dst) < 0 ||
		rule_ranges(b, words[6], true, &r->dst_ports) < 0)
		return -EINVAL;
	return 0;
}
