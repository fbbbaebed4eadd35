/* One unit: which rules are candidates, which of them fit the unit and match its buffers, in rank
 * order. */
#include <errno.h>

#include "inspect/detect_scratch.h"

/* A unit, and what is asked of it more than once. */
struct unit {
	const struct detect_input *in;
	unsigned direction;
	bool is_transaction; /* it has buffers of an application */
};

void detect_scratch_free(struct detect_scratch *s)
{
	if (!s)
		return;
	(void)hs_free_scratch(s->hs);
	pcre2_match_data_free(s->match_data);
	pcre2_match_context_free(s->match_context);
	pcre2_jit_stack_free(s->jit_stack);
	free(s->candidates);
	free(s);
}

static int scratch_init(struct detect_scratch *s, const struct ruleset *rs)
{
	s->words = (rs->n_rules + 63) / 64;
	s->candidates = calloc(s->words + 1, sizeof(*s->candidates));
	s->match_data = pcre2_match_data_create(1, NULL); /* only where the whole match is */
	s->match_context = pcre2_match_context_create(NULL);
	s->jit_stack = pcre2_jit_stack_create(32UL << 10, PCRE_STACK_BYTES, NULL);
	if (!s->candidates || !s->match_data || !s->match_context)
		return -ENOMEM;
	pcre2_set_match_limit(s->match_context, PCRE_MATCH_LIMIT);
	pcre2_set_depth_limit(s->match_context, PCRE_DEPTH_LIMIT);
	if (s->jit_stack)
		pcre2_jit_stack_assign(s->match_context, NULL, s->jit_stack);
	for (unsigned i = 0; i < BUFFER_COUNT; i++)
		if (rs->prefilter[i].db &&
			hs_alloc_scratch(rs->prefilter[i].db, &s->hs) != HS_SUCCESS)
			return -ENOMEM;
	return 0;
}

int detect_scratch_new(const struct ruleset *rs, struct detect_scratch **ret)
{
	struct detect_scratch *s = calloc(1, sizeof(*s));
	int err = s ? scratch_init(s, rs) : -ENOMEM;

	if (err < 0) {
		detect_scratch_free(s);
		return err;
	}
	*ret = s;
	return 0;
}

struct detect_stats detect_scratch_stats(const struct detect_scratch *s)
{
	return s->stats;
}

static bool transport_fits(const struct rule *r, uint8_t ip_proto)
{
	if (r->proto == PROTO_ICMP)
		return ip_proto == IPPROTO_ICMP || ip_proto == IPPROTO_ICMPV6;
	return !proto_info[r->proto].transport || proto_info[r->proto].transport == ip_proto;
}

static bool sides_fit(const struct rule *r, const struct detect_input *in)
{
	bool forth = range_set_has_port(r->src_ports, in->src_port) &&
		     range_set_has_port(r->dst_ports, in->dst_port) &&
		     range_set_has_addr(r->src, &in->src) && range_set_has_addr(r->dst, &in->dst);

	if (forth || !r->both_ways)
		return forth;
	return range_set_has_port(r->src_ports, in->dst_port) &&
	       range_set_has_port(r->dst_ports, in->src_port) &&
	       range_set_has_addr(r->src, &in->dst) && range_set_has_addr(r->dst, &in->src);
}

/* A rule for packets takes no stream data and no transaction. A rule that looks at no buffer takes
 * a transaction only when it names the application: it has seen the packets that carried it. */
static bool unit_fits(const struct rule *r, const struct unit *u)
{
	if (r->units == UNITS_PACKET && (u->in->stream || u->is_transaction))
		return false;
	if (r->units == UNITS_STREAM && !u->in->stream)
		return false;
	return r->app != PROTO_IP || r->n_groups || !u->is_transaction;
}

static bool rule_fits(const struct rule *r, const struct unit *u)
{
	const struct detect_input *in = u->in;

	if (!(r->directions & u->direction) || (r->app != PROTO_IP && r->app != in->app))
		return false;
	if (r->established != ESTABLISHED_ANY &&
		(r->established == ESTABLISHED_YES) != in->established)
		return false;
	if (!transport_fits(r, in->ip_proto) || !unit_fits(r, u) || !sides_fit(r, in))
		return false;
	for (unsigned i = 0; i < r->n_checks; i++)
		if (!r->checks[i].holds(&r->checks[i], in))
			return false;
	return true;
}

/* Alerts come once a flow for stream data; what decides over the unit comes each time. */
static bool is_reported(
	const struct rule *r, const struct detect_input *in, const struct detect_flow *flow)
{
	unsigned n;

	if (!flow || !in->stream || r->action != RULE_ALERT)
		return false;
	n = flow->reported_n < DETECT_FLOW_SIDS ? flow->reported_n : DETECT_FLOW_SIDS;
	for (unsigned i = 0; i < n; i++)
		if (flow->reported[i] == r->sid)
			return true;
	return false;
}

/* When the table is full, the oldest makes room: its rule may alert once more. */
static void report(const struct rule *r, const struct detect_input *in, struct detect_flow *flow)
{
	if (!flow || !in->stream || r->action != RULE_ALERT)
		return;
	flow->reported[flow->reported_n % DETECT_FLOW_SIDS] = r->sid;
	flow->reported_n =
		flow->reported_n == UINT8_MAX ? DETECT_FLOW_SIDS : (uint8_t)(flow->reported_n + 1);
}

static void candidates_add(struct detect_scratch *s, const struct rule_list *list)
{
	for (uint32_t i = 0; i < list->n; i++)
		s->candidates[list->rules[i] / 64] |= 1ULL << list->rules[i] % 64;
}

static struct unit candidates_collect(
	const struct ruleset *rs, struct detect_scratch *s, const struct detect_input *in)
{
	struct unit u = {in, in->to_server ? DIR_TO_SERVER : DIR_TO_CLIENT, false};

	candidates_add(s, &rs->always[ENTRY_NONE]);
	for (unsigned i = BUFFER_COUNT; i-- > 0;) {
		u.is_transaction |= in->buffer[i].p && i != BUFFER_PAYLOAD;
		if (!in->buffer[i].p || (i == BUFFER_PAYLOAD && u.is_transaction))
			continue;
		candidates_add(s, &rs->always[i]);
		prefilter_scan(&rs->prefilter[i], s, in->buffer[i]);
	}
	return u;
}

static struct detect_match match_of(const struct rule *r)
{
	return (struct detect_match){
		.rule = r,
		.action = r->action,
		.gid = r->gid,
		.sid = r->sid,
		.rev = r->rev,
		.priority = r->priority,
		.msg = r->msg,
		.class_desc = r->class_desc,
		.buffer = (unsigned)r->entry == ENTRY_NONE ? BUFFER_PAYLOAD : r->entry,
	};
}

unsigned detect_run(const struct ruleset *rs, struct detect_scratch *s,
	const struct detect_input *in, struct detect_flow *flow,
	struct detect_match matches[static DETECT_MATCHES])
{
	struct unit u = candidates_collect(rs, s, in);
	bool passed = false;
	unsigned n = 0;

	s->dotted_buffer = BUFFER_COUNT;
	for (size_t w = 0; w < s->words; w++) {
		uint64_t bits = s->candidates[w];

		s->candidates[w] = 0;
		for (; bits && !passed; bits &= bits - 1) {
			const struct rule *r = rs->rules[w * 64 + (unsigned)__builtin_ctzll(bits)];

			if (!rule_fits(r, &u) || is_reported(r, in, flow) || !rule_match(r, s, in))
				continue;
			report(r, in, flow);
			passed = r->action ==
				 RULE_PASS; /* ranks first: nothing else of the unit counts */
			if (n == DETECT_MATCHES)
				s->stats.lost++;
			else
				matches[n++] = match_of(r);
		}
	}
	return n;
}
