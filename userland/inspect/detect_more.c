#include "inspect/detect_more.h"

#include "inspect/ruleset.h"

#define ACK_FLAG 0x10 /* RFC 9293, section 3.1 */
#define PORTS 65536

/* A threshold that counts packets; one that only limits events does not. */
static bool is_counting(const struct rule *r)
{
	return (r->threshold && r->threshold->type != THRESHOLD_LIMIT) || r->filter || r->rate;
}

/* The first packets of both directions have answered it. */
static bool is_about_flow(const struct rule *r)
{
	if (r->address_only || r->once)
		return true;
	return !r->n_groups && !r->n_checks && !r->n_asks && !is_counting(r);
}

static bool is_for_packets(const struct rule *r)
{
	return r->units == UNITS_PACKET || !r->n_groups;
}

bool rule_is_later(const struct rule *r)
{
	return !r->first_packet && !is_about_flow(r);
}

bool rule_is_for_packets(const struct rule *r)
{
	uint8_t transport = proto_info[r->proto].transport;

	return rule_is_later(r) && is_for_packets(r) && (!transport || transport == IPPROTO_TCP);
}

static bool check_may_hold(const struct check *c)
{
	const struct detect_input empty = {.ip_proto = IPPROTO_TCP, .tcp_flags = ACK_FLAG};

	return !c->fixed || c->holds(c, &empty);
}

bool rule_is_for_empty(const struct rule *r)
{
	const uint64_t headers = BUFFER_BIT(BUFFER_IP_HEADER) | BUFFER_BIT(BUFFER_TRANSPORT_HEADER);

	if (!rule_is_for_packets(r) || r->buffers & ~headers || (r->on_event && r->app != PROTO_IP))
		return false;
	for (unsigned i = 0; i < r->n_checks; i++)
		if (!check_may_hold(&r->checks[i]))
			return false;
	return true;
}

/* How many ports it lists, at most. */
static uint32_t ports_named(const struct range_set *s)
{
	uint32_t n = 0;

	if (s->any || !s->has_positive)
		return PORTS;
	for (unsigned i = 0; i < s->n && n < PORTS; i++) {
		const struct range_item *it = &s->items[i];

		if (it->negated)
			continue;
		n += it->n == 0 ? ports_named(it->list)
				: (uint32_t)((it->hi[0] << 8 | it->hi[1]) -
					     (it->lo[0] << 8 | it->lo[1])) +
					  1;
	}
	return n;
}

static bool names(const struct range_set *ports, const struct detect_rest *rest, bool any)
{
	return range_set_has_port(ports, rest->server_port) &&
	       (any || ports_named(ports) <= NAMED_PORTS);
}

/* any: it need not name the port, only hold it. */
static bool ports_fit(const struct rule *r, const struct detect_rest *rest, bool any)
{
	bool forth = rest->to_server && r->directions & DIR_TO_SERVER;
	bool back = rest->to_client && r->directions & DIR_TO_CLIENT;

	if (r->both_ways)
		return (forth || back) &&
		       (names(r->dst_ports, rest, any) || names(r->src_ports, rest, any));
	return (forth && names(r->dst_ports, rest, any)) ||
	       (back && names(r->src_ports, rest, any));
}

static bool is_tcp(const struct rule *r, enum rule_proto app)
{
	return proto_info[r->proto].transport == IPPROTO_TCP ||
	       proto_info[app].transport == IPPROTO_TCP;
}

static bool app_fits(const struct rule *r, const struct detect_rest *rest)
{
	if (r->app == PROTO_IP)
		return true;
	return app_is(rest->app, r->app) && r->app != PROTO_TLS;
}

static bool can_match(const struct rule *r, const struct detect_rest *rest)
{
	uint8_t transport = proto_info[rest->app].transport,
		wanted = proto_info[r->proto].transport;
	bool packets = is_for_packets(r);

	if (!app_fits(r, rest) || (transport && wanted && transport != wanted))
		return false;
	if (!packets && rest->past_depth)
		return false;
	if (!packets && r->payload_end && r->payload_end <= rest->bytes && is_tcp(r, rest->app))
		return false;
	return ports_fit(r, rest, !rest->past_depth || rest->hold_all || r->app != PROTO_IP);
}

bool detect_needs_more(const struct ruleset *rs, const struct detect_rest *rest)
{
	const struct rule_list *list = rest->past_depth ? &rs->packets : &rs->later;

	for (uint32_t i = 0; i < list->n; i++)
		if (can_match(rs->rules[list->rules[i]], rest))
			return true;
	return false;
}

bool detect_needs_empty(const struct ruleset *rs, uint16_t server_port)
{
	const struct detect_rest rest = {
		.server_port = server_port, .to_server = true, .to_client = true};

	for (uint32_t i = 0; i < rs->empties.n; i++)
		if (ports_fit(rs->rules[rs->empties.rules[i]], &rest, true))
			return true;
	return false;
}

uint32_t detect_limited(const struct ruleset *rs)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < rs->packets.n; i++) {
		const struct rule *r = rs->rules[rs->packets.rules[i]];

		n += r->app == PROTO_IP &&
		     (ports_named(r->dst_ports) > NAMED_PORTS ||
			     !(r->directions & DIR_TO_SERVER)) &&
		     (ports_named(r->src_ports) > NAMED_PORTS || !(r->directions & DIR_TO_CLIENT));
	}
	return n;
}
