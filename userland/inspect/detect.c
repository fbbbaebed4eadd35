/* One unit: which rules are candidates, which of them fit the unit and match its buffers, in rank
 * order. */
#include <errno.h>

#include "inspect/detect_scratch.h"

#define SYN_FLAG 0x02 /* RFC 9293, section 3.1 */

/* A unit, and what is asked of it more than once. */
struct unit {
	const struct detect_input *in;
	unsigned direction;
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
	free(s->filled);
	free(s);
}

static int scratch_init(struct detect_scratch *s, const struct ruleset *rs)
{
	s->words = (rs->n_rules + 63) / 64;
	s->candidates = calloc(s->words + 1, sizeof(*s->candidates));
	s->filled = calloc(s->words / 64 + 1, sizeof(*s->filled));
	s->match_data = pcre2_match_data_create(1 + CAPTURE_GROUPS, NULL);
	s->match_context = pcre2_match_context_create(NULL);
	s->jit_stack = pcre2_jit_stack_create(32UL << 10, PCRE_STACK_BYTES, NULL);
	if (!s->candidates || !s->filled || !s->match_data || !s->match_context)
		return -ENOMEM;
	pcre2_set_match_limit(s->match_context, PCRE_MATCH_LIMIT);
	pcre2_set_depth_limit(s->match_context, PCRE_DEPTH_LIMIT);
	if (s->jit_stack)
		pcre2_jit_stack_assign(s->match_context, NULL, s->jit_stack);
	for (unsigned i = 0; i < GROUP_SCANNED; i++)
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

void detect_scratch_bind(struct detect_scratch *s, struct detect_memory *memory)
{
	s->memory = memory;
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
	if (r->units == UNITS_PACKET && (u->in->stream || u->in->transaction))
		return false;
	if (r->units == UNITS_STREAM && !u->in->stream)
		return false;
	if (u->in->stream_follows && r->units == UNITS_ALL && !r->also_packet &&
		r->buffers & BUFFER_BIT(BUFFER_PAYLOAD))
		return false;
	return r->app != PROTO_IP || r->n_groups || r->on_event || !u->in->transaction;
}

static bool rule_fits(const struct rule *r, const struct unit *u)
{
	const struct detect_input *in = u->in;

	if (r->family && r->family != in->src.family)
		return false;
	if (!(r->directions & u->direction) || (r->app != PROTO_IP && !app_is(in->app, r->app)))
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

static bool seen_has(const struct unit_seen *seen, uint32_t sid)
{
	for (unsigned i = 0; i < seen->n; i++)
		if (seen->sid[i] == sid)
			return true;
	return false;
}

static void seen_add(struct unit_seen *seen, uint32_t sid)
{
	if (seen && seen->n < UNIT_SIDS && !seen_has(seen, sid))
		seen->sid[seen->n++] = sid;
}

/* The rule is found by a buffer of the transaction, whose own set of sids then counts. A
 * transaction's unit carries the payload too, for rules that look at both: what matches there by
 * payload alone has been told by the packet's or the stream's own unit. */
static bool is_by_transaction(const struct rule *r, const struct unit *u)
{
	return u->in->transaction &&
	       ((unsigned)r->entry == ENTRY_NONE ? r->on_event
						 : !(PACKET_BUFFERS & BUFFER_BIT(r->entry)));
}

/* What is told once a direction is kept with the direction. */
static uint32_t once_key(const struct rule *r, const struct unit *u)
{
	return r->once && u->direction == DIR_TO_SERVER ? ~r->sid : r->sid;
}

enum repeat {
	REPEAT_NONE,
	REPEAT_STREAM, /* told of earlier bytes of the stream */
	REPEAT_UNIT    /* told of this packet or transaction, or once for all */
};

/* A unit that repeats what was seen of a transaction, a packet or a stream does not repeat its
 * alerts; what decides over the unit comes each time. */
static enum repeat repeat_of(const struct rule *r, const struct unit *u)
{
	const struct detect_input *in = u->in;

	if (is_by_transaction(r, u))
		return in->seen && seen_has(in->seen, r->sid) ? REPEAT_UNIT : REPEAT_NONE;
	if (in->seen_packet && seen_has(in->seen_packet, r->sid))
		return REPEAT_UNIT;
	if (!in->seen_stream || !seen_has(in->seen_stream, once_key(r, u)))
		return REPEAT_NONE;
	if (r->once || in->transaction)
		return REPEAT_UNIT;
	return in->stream ? REPEAT_STREAM : REPEAT_NONE;
}

/* A full set forgets nothing: further sids are then told again. */
static void report(const struct rule *r, const struct unit *u)
{
	const struct detect_input *in = u->in;

	if (is_by_transaction(r, u)) {
		seen_add(in->seen, r->sid);
		return;
	}
	seen_add(in->seen_packet, r->sid);
	if (in->stream || r->once)
		seen_add(in->seen_stream, once_key(r, u));
}

static void candidates_add(struct detect_scratch *s, const struct rule_list *list)
{
	for (uint32_t i = 0; i < list->n; i++)
		candidate_add(s, list->rules[i]);
}

/* The group's rules that have a pattern in the value, and those without one. */
static void group_scan(
	const struct ruleset *rs, struct detect_scratch *s, unsigned group, struct span value)
{
	candidates_add(s, &rs->always[group]);
	prefilter_scan(&rs->prefilter[group], s, value);
}

static void group_add(const struct ruleset *rs, struct detect_scratch *s, unsigned group,
	const struct detect_input *in)
{
	struct rule_list found;

	candidates_add(s, &rs->always[group]);
	if (in->src.family == 6)
		candidates_add(s, &rs->always_ipv6[group]);
	found = addr_index_find(&rs->by_src[group], &in->src);
	candidates_add(s, &found);
	found = addr_index_find(&rs->by_dst[group], &in->dst);
	candidates_add(s, &found);
}

static void payload_collect(
	const struct ruleset *rs, struct detect_scratch *s, const struct detect_input *in)
{
	struct span payload = in->buffer[BUFFER_PAYLOAD];

	if (!payload.p)
		return;
	if (in->ip_proto != IPPROTO_TCP) {
		group_scan(rs, s, GROUP_DATAGRAM, payload);
		return;
	}
	if (!in->stream)
		group_scan(rs, s, GROUP_PACKET_TCP, payload);
	if (in->stream || !in->stream_follows)
		group_scan(rs, s, BUFFER_PAYLOAD, payload);
}

static void buffers_collect(const struct ruleset *rs, struct detect_scratch *s,
	const struct detect_input *in, uint64_t left)
{
	for (left &= rs->buffers & ~BUFFER_BIT(BUFFER_PAYLOAD); left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctzll(left);

		if (in->buffer[i].p)
			group_scan(rs, s, i, in->buffer[i]);
	}
	for (unsigned i = 0; i < in->more_n; i++)
		prefilter_scan(&rs->prefilter[in->more[i].buffer], s, in->more[i].value);
}

/* True once a flow and direction; always without a flow. */
static bool is_first_look(const struct unit *u, struct detect_flow *flow)
{
	bool first = !flow || !(flow->addresses_seen & u->direction);

	if (flow)
		flow->addresses_seen |= (uint8_t)u->direction;
	return first;
}

static void packet_collect(const struct ruleset *rs, struct detect_scratch *s, const struct unit *u,
	struct detect_flow *flow)
{
	const struct detect_input *in = u->in;

	if (is_first_look(u, flow))
		group_add(rs, s, GROUP_ADDRESS, in);
	if (in->ip_proto == IPPROTO_TCP)
		group_add(rs, s, GROUP_TCP, in);
	if (in->ip_proto == IPPROTO_TCP && in->tcp_flags & SYN_FLAG)
		group_add(rs, s, GROUP_SYN, in);
	if (in->ip_proto == IPPROTO_UDP)
		group_add(rs, s, GROUP_UDP, in);
	group_add(rs, s, GROUP_OTHER, in);
}

static void candidates_collect(const struct ruleset *rs, struct detect_scratch *s,
	const struct unit *u, struct detect_flow *flow)
{
	const struct detect_input *in = u->in;

	if (in->events && in->events->n)
		group_add(rs, s, GROUP_EVENT, in);
	if (in->transaction) {
		buffers_collect(rs, s, in, ~PACKET_BUFFERS);
		return;
	}
	payload_collect(rs, s, in);
	if (in->stream)
		return;
	if (in->app != PROTO_IP)
		group_add(rs, s, GROUP_APP, in);
	buffers_collect(rs, s, in, PACKET_BUFFERS);
	packet_collect(rs, s, u, flow);
}

/* What matched in a stream or transaction, or by addresses alone, is about the flow. */
static struct detect_match match_of(
	const struct rule *r, const struct detect_input *in, enum rule_action action, bool silent)
{
	return (struct detect_match){
		.rule = r,
		.action = action,
		.gid = r->gid,
		.sid = r->sid,
		.rev = r->rev,
		.priority = r->priority,
		.msg = r->msg,
		.class_desc = r->class_desc,
		.buffer = (unsigned)r->entry == ENTRY_NONE ? BUFFER_PAYLOAD : r->entry,
		.reject_src = r->reject_src,
		.reject_dst = r->reject_dst,
		.bypass = r->bypass,
		.tag_packets = r->tag_packets,
		.whole_flow = in->stream || in->transaction || r->address_only ||
			      (r->app != PROTO_IP && !r->n_groups && r->units != UNITS_PACKET),
		.by_rate = r->action != action,
		.silent = silent,
	};
}

/* Bytes that were told before are not looked at again, so what matches there is new. */
static bool payload_match(
	const struct rule *r, struct detect_scratch *s, const struct detect_input *in, bool fresh)
{
	size_t old = fresh ? in->stream_old : 0;

	s->payload = in->buffer[BUFFER_PAYLOAD];
	if (s->payload.p)
		s->payload = span_skip(s->payload, old);
	s->payload_offset = in->stream_offset + old;
	return rule_match(r, s, in);
}

/* Where the request half of a transactional rule leaves its mark, and what it is. */
static struct unit_seen *halves_of(const struct detect_input *in)
{
	return in->seen ? in->seen : in->seen_stream;
}

static uint32_t half_key(const struct rule *r)
{
	return r->sid ^ 0x40000000;
}

/* False when the rule does not match, or has nothing to say that counts. */
static bool rule_run(const struct rule *r, struct detect_scratch *s, const struct unit *u,
	struct detect_flow *flow, struct detect_match *ret)
{
	const struct detect_input *in = u->in;
	enum rule_action action = r->action;
	enum threshold_answer answer;
	enum repeat repeat;

	if (!rule_fits(r, u))
		return false;
	repeat = repeat_of(r, u);
	if (r->half == HALF_RESPONSE && !(halves_of(in) && seen_has(halves_of(in), half_key(r))))
		return false;
	if ((repeat == REPEAT_UNIT && action == RULE_ALERT) || !ops_hold(r, s, in, flow) ||
		!payload_match(r, s, in, repeat == REPEAT_STREAM))
		return false;
	if (repeat == REPEAT_UNIT) {
		*ret = match_of(r, in, action, true);
		return true;
	}
	if (r->half == HALF_REQUEST) {
		seen_add(halves_of(in), half_key(r));
		return false;
	}
	report(r, u);
	ops_apply(r, s, in, flow);
	answer = threshold_ask(r, s, in, flow, &action);
	if (answer == THRESHOLD_NO_MATCH)
		return false;
	*ret = match_of(r, in, action, r->noalert || answer == THRESHOLD_SILENT);
	ret->captures = s->captures + s->first_capture;
	ret->n_captures = (uint8_t)(s->n_captures - s->first_capture);
	return !ret->silent || action != RULE_ALERT || ret->n_captures;
}

/* Looks at the candidates of a word; false when a pass rule ended it. */
static bool word_run(const struct ruleset *rs, struct detect_scratch *s, const struct unit *u,
	struct detect_flow *flow, size_t word, struct detect_match *matches, unsigned *n)
{
	uint64_t bits = s->candidates[word];

	s->candidates[word] = 0;
	for (; bits; bits &= bits - 1) {
		const struct rule *r = rs->rules[word * 64 + (unsigned)__builtin_ctzll(bits)];
		struct detect_match m;

		if (!rule_run(r, s, u, flow, &m))
			continue;
		if (*n == DETECT_MATCHES)
			s->stats.lost++;
		else
			matches[(*n)++] = m;
		if (m.action == RULE_PASS)
			return false; /* ranks first: nothing else of the unit counts */
	}
	return true;
}

unsigned detect_run(const struct ruleset *rs, struct detect_scratch *s,
	const struct detect_input *in, struct detect_flow *flow,
	struct detect_match matches[static DETECT_MATCHES])
{
	struct unit u = {in, in->to_server ? DIR_TO_SERVER : DIR_TO_CLIENT};
	bool goes_on = true;
	unsigned n = 0;

	candidates_collect(rs, s, &u, flow);
	s->made_by = NULL;
	s->n_captures = 0;
	for (size_t i = 0; i <= s->words / 64; i++) {
		uint64_t words = s->filled[i];

		s->filled[i] = 0;
		for (; words; words &= words - 1) {
			size_t word = i * 64 + (unsigned)__builtin_ctzll(words);

			if (goes_on)
				goes_on = word_run(rs, s, &u, flow, word, matches, &n);
			else
				s->candidates[word] = 0;
		}
	}
	return n;
}
