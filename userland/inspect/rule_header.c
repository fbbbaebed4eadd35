/* Action, protocol, sides and direction. */
#include <errno.h>

#include "inspect/keyword.h"

/* The reject variants differ in who gets the reset; the packet side resets both ends. */
static const struct {
	const char *name;
	enum rule_action action;
} actions[] = {
	{"alert", RULE_ALERT},
	{"drop", RULE_DROP},
	{"pass", RULE_PASS},
	{"reject", RULE_REJECT},
	{"rejectboth", RULE_REJECT},
	{"rejectdst", RULE_REJECT},
	{"rejectsrc", RULE_REJECT},
};

static const struct {
	const char *name;
	enum rule_proto proto;
	enum rule_units units;
} protos[] = {
	{"dns", PROTO_DNS, UNITS_ALL},
	{"ftp", PROTO_FTP, UNITS_ALL},
	{"http", PROTO_HTTP, UNITS_ALL},
	{"http1", PROTO_HTTP, UNITS_ALL},
	{"icmp", PROTO_ICMP, UNITS_ALL},
	{"ip", PROTO_IP, UNITS_ALL},
	{"pkthdr", PROTO_IP, UNITS_PACKET},
	{"smb", PROTO_SMB, UNITS_ALL},
	{"smtp", PROTO_SMTP, UNITS_ALL},
	{"ssh", PROTO_SSH, UNITS_ALL},
	{"tcp", PROTO_TCP, UNITS_ALL},
	{"tcp-pkt", PROTO_TCP, UNITS_PACKET},
	{"tcp-stream", PROTO_TCP, UNITS_STREAM},
	{"tls", PROTO_TLS, UNITS_ALL},
	{"udp", PROTO_UDP, UNITS_ALL},
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
		b->rule.action = actions[i].action;
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
		return 0;
	}
	return rule_fail(b, word,
		"protocol \"%.*s\" is not supported; ip, tcp, tcp-pkt, tcp-stream, udp, "
		"icmp, http, tls, dns, smtp, ftp, ssh and smb are",
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
	if (!r->both_ways && !span_eq(words[4], SPAN_LIT("->")))
		return rule_fail(
			b, words[4], "\"%.*s\": -> or <> is expected", SPAN_ARGS(words[4]));
	if (action_parse(b, words[0]) < 0 || proto_parse(b, words[1]) < 0 ||
		rule_ranges(b, words[2], false, &r->src) < 0 ||
		rule_ranges(b, words[3], true, &r->src_ports) < 0 ||
		rule_ranges(b, words[5], false, &r->dst) < 0 ||
		rule_ranges(b, words[6], true, &r->dst_ports) < 0)
		return -EINVAL;
	return 0;
}
