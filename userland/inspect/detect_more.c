/*
 * Whether the rest of a flow may pass unseen. Answers true unless no rule can match any more:
 * - a rule bound to another application cannot; while the application is unknown none is another
 * one;
 * - a rule whose ports do not hold the flow's server port cannot;
 * - a rule that must find a content in the first bytes of a TCP stream cannot, once those are seen;
 * - a rule for TLS cannot past the handshake: tls.sni is part of it, and what follows is
 * ciphertext. Rules for tcp and ip are not given up: they keep a TLS flow in view, because nobody
 * checked that it still is one.
 */
#include "inspect/ruleset.h"

static bool ports_fit(const struct rule *r, uint16_t server_port)
{
	bool as_dst = range_set_has_port(r->dst_ports, server_port);
	bool as_src = range_set_has_port(r->src_ports, server_port);

	if (r->both_ways)
		return as_dst || as_src;
	return (as_dst && (r->directions & DIR_TO_SERVER)) ||
	       (as_src && (r->directions & DIR_TO_CLIENT));
}

static bool is_tcp(const struct rule *r, enum rule_proto app)
{
	return proto_info[r->proto].transport == IPPROTO_TCP ||
	       proto_info[app].transport == IPPROTO_TCP;
}

static bool can_match(
	const struct rule *r, enum rule_proto app, uint16_t server_port, uint64_t depth_bytes)
{
	uint8_t transport = proto_info[app].transport, wanted = proto_info[r->proto].transport;

	if (app != PROTO_IP && r->app != PROTO_IP && r->app != app)
		return false;
	if (app == PROTO_TLS && r->app == PROTO_TLS)
		return false;
	if (transport && wanted && transport != wanted)
		return false;
	if (r->payload_end && r->payload_end <= depth_bytes && r->units != UNITS_PACKET &&
		is_tcp(r, app))
		return false;
	return ports_fit(r, server_port);
}

bool detect_needs_more(
	const struct ruleset *rs, enum rule_proto app, uint16_t dst_port, uint64_t depth_bytes)
{
	for (uint32_t i = 0; i < rs->later.n; i++)
		if (can_match(rs->rules[rs->later.rules[i]], app, dst_port, depth_bytes))
			return true;
	return false;
}
