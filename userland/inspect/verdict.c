#include "inspect/verdict.h"

#include <stdio.h>
#include <string.h>

#include "inspect/detect_more.h"
#include "inspect/reject.h"
#include "lib/mark.h"

static struct scene scene_of(const struct judgement *j)
{
	return (struct scene){.packet = j->packet,
		.flow = j->flow,
		.side = j->side,
		.app = j->app,
		.payload = j->payload,
		.stream = j->payload_is_stream};
}

static void count_drop(struct judgement *j, const char *reason)
{
	static const struct {
		const char *reason;
		enum counter counter;
	} rows[] = {{"rules", COUNTER_DROP_RULES}, {"flow drop", COUNTER_DROP_FLOW},
		{"stream midstream", COUNTER_DROP_MIDSTREAM},
		{"stream error", COUNTER_DROP_STREAM}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (strcmp(rows[i].reason, reason) == 0) {
			counter_inc(j->counters, rows[i].counter);
			return;
		}
	counter_inc(j->counters, COUNTER_DROP_OTHER);
}

static void decide(struct judgement *j, enum decided_by by, uint32_t sid)
{
	struct flow *f = j->flow;

	if (!f)
		return;
	f->decision = (struct flow_decision){.by = (uint8_t)by,
		.sid = sid,
		.packet = f->pkts[0] + f->pkts[1],
		.at = j->packet->at};
}

static void condemn(
	struct judgement *j, const struct detect_match *m, const char *reason, const char *why)
{
	struct scene s = scene_of(j);

	if (!j->flow) {
		j->drop_packet = true;
		out_drop(j->out, &s, m, reason, why);
		return;
	}
	if (j->flow->fate == FATE_DROP)
		return;
	count_drop(j, reason);
	j->flow->reported_drop[j->side] = true;
	j->flow->fate = FATE_DROP;
	if (m)
		decide(j, m->rule ? DECIDED_RULE : DECIDED_DOMAIN, m->sid);
	else
		decide(j, DECIDED_STREAM, 0);
	counter_inc(j->counters, COUNTER_FLOW_DROPPED);
	counter_inc(j->counters, COUNTER_DETECT_DROPS);
	out_drop(j->out, &s, m, reason, why);
}

/* This packet alone. */
static void drop_one(struct judgement *j, const struct detect_match *m)
{
	struct scene s = scene_of(j);

	if (!j->drop_packet) {
		counter_inc(j->counters, COUNTER_DETECT_DROPS);
		count_drop(j, "rules");
		out_drop(j->out, &s, m, "rules", m->msg);
	}
	j->drop_packet = true;
}

static void tell(struct judgement *j, struct detect_match *m, bool blocks, const char *verdict,
	const struct unit *unit)
{
	struct scene s = scene_of(j);

	if (m->silent)
		return;
	if (j->gen->settings.alerts_max && j->alerts == j->gen->settings.alerts_max) {
		counter_inc(j->counters, COUNTER_DETECT_ALERTS_LOST);
		return;
	}
	j->alerts++;
	s.verdict = verdict;
	if (j->flow)
		j->flow->alerted = true;
	counter_inc(j->counters, COUNTER_DETECT_ALERTS);
	if (m->would_drop)
		counter_inc(j->counters, COUNTER_DETECT_WOULD_DROP);
	out_alert(j->out, &s, m, blocks, unit);
}

/* A connection can be reset, and who sent a datagram be told; a SYN is only dropped. */
static void reject(struct judgement *j)
{
	if (j->packet->ip_proto == IPPROTO_UDP && j->gen->settings.refuse_datagrams) {
		j->refuse = true;
		if (j->flow && j->flow->fate != FATE_DROP) {
			j->flow->refused = true;
			j->flow->rejected_side = j->side;
		}
		return;
	}
	if (!j->flow || j->flow->fate == FATE_DROP || j->packet->ip_proto != IPPROTO_TCP ||
		j->packet->tcp_flags & TCP_SYN || j->packet->origin == ORIGIN_STREAM)
		return;
	j->flow->rejected = true;
	j->flow->rejected_side = j->side;
}

static bool is_blocking(const struct judgement *j, const struct detect_match *m)
{
	return (m->action == RULE_DROP || m->action == RULE_REJECT) && j->gen->ips;
}

/* What becomes of the packet: of drop and pass that which ranks first. */
static const char *outcome_of(const struct judgement *j, const struct detect_match *m, unsigned n)
{
	if (j->drop_packet || (j->flow && j->flow->fate == FATE_DROP))
		return "drop";
	for (unsigned i = 0; i < n; i++) {
		if (is_blocking(j, &m[i]) && !j->gen->settings.dry_run)
			return "drop";
		if (m[i].action == RULE_PASS)
			return "pass";
	}
	return j->pass_packet || (j->flow && j->flow->fate == FATE_PASS) ? "pass" : "alert";
}

static void pass(struct judgement *j, const struct detect_match *m)
{
	if (j->drop_packet || (j->flow && j->flow->fate == FATE_DROP))
		return; /* what drops came first */
	j->pass_packet = true;
	if (!j->flow || !m->whole_flow)
		return;
	j->flow->fate = FATE_PASS;
	decide(j, DECIDED_PASS_RULE, m->sid);
}

static void block(struct judgement *j, const struct detect_match *m)
{
	if (m->action == RULE_REJECT)
		reject(j);
	if (m->whole_flow || m->by_rate || !j->flow || j->flow->rejected)
		condemn(j, m, m->by_rate ? "threshold detection_filter" : "rules", m->msg);
	else
		drop_one(j, m);
}

void verdict_rules(struct judgement *j, struct detect_match *m, unsigned n, const struct unit *unit)
{
	const char *outcome = outcome_of(j, m, n);

	for (unsigned i = 0; i < n; i++) {
		bool blocks = is_blocking(j, &m[i]);

		m[i].would_drop = blocks && j->gen->settings.dry_run;
		blocks &= !m[i].would_drop;
		if (m[i].action == RULE_PASS) {
			pass(j, &m[i]);
			return;
		}
		tell(j, &m[i], blocks, outcome, unit);
		if (blocks)
			block(j, &m[i]);
		if (j->flow && m[i].tag_packets)
			j->flow->tagged = m[i].tag_packets;
		j->bypass_flow |= m[i].bypass;
	}
}

void verdict_policy(struct judgement *j)
{
	const struct settings *set = &j->gen->settings;
	const struct app_flow *a = &j->flow->app;
	char why[160];

	if ((!set->has_app_rows && !set->app_policies_n) || !j->gen->ips || !app_is_dpi(a))
		return;
	if (!a->final && app_is_carrier(a->id))
		return;
	const struct app_policy *row = app_policy_find(set->app_policies, set->app_policies_n, a,
		&j->flow->key.addr[SIDE_CLIENT], j->packet->at.tv_sec);
	if (row && !row->drop)
		return;
	if (row) {
		snprintf(why, sizeof(why), "application %s is dropped by policy %s",
			app_name(j->app, a->id), row->name);
		condemn(j, NULL, "application policy", why);
		decide(j, DECIDED_APPLICATION, 0);
		return;
	}
	uint16_t id = set->app_action[a->id] ? a->id : a->carrier;
	if (set->app_action[id] != APP_ACTION_DROP)
		return;
	snprintf(why, sizeof(why), "application %s is set to drop", app_name(j->app, id));
	condemn(j, NULL, "application policy", why);
	decide(j, DECIDED_APPLICATION, 0);
}

void verdict_packet(struct judgement *j, const char *reason, const char *why)
{
	struct scene s = scene_of(j);

	if (!j->gen->ips)
		return;
	if (!j->drop_packet)
		count_drop(j, reason);
	j->drop_packet = true;
	if (!j->flow->reported_drop[j->side] || out_has_evidence(j->out))
		out_drop(j->out, &s, NULL, reason, why);
	j->flow->reported_drop[j->side] = true;
}

void verdict_condemned(struct judgement *j)
{
	struct scene s = scene_of(j);
	bool by_policy = j->flow->exception == EXCEPTION_DROP_FLOW + 1;

	if (j->flow->fate != FATE_DROP)
		return;
	count_drop(j, "flow drop");
	if (j->flow->reported_drop[j->side] && !out_has_evidence(j->out))
		return;
	j->flow->reported_drop[j->side] = true;
	out_drop(j->out, &s, NULL, by_policy ? "exception policy flow drop" : "flow drop",
		"the flow was condemned before");
}

static void count_exception(struct judgement *j, enum exception policy)
{
	static const enum counter counters[] = {[EXCEPTION_IGNORE] = COUNTER_MIDSTREAM_IGNORE,
		[EXCEPTION_DROP_FLOW] = COUNTER_MIDSTREAM_DROP,
		[EXCEPTION_DROP_PACKET] = COUNTER_MIDSTREAM_DROP,
		[EXCEPTION_PASS_FLOW] = COUNTER_MIDSTREAM_PASS,
		[EXCEPTION_PASS_PACKET] = COUNTER_MIDSTREAM_PASS,
		[EXCEPTION_BYPASS] = COUNTER_MIDSTREAM_BYPASS,
		[EXCEPTION_REJECT] = COUNTER_MIDSTREAM_REJECT,
		[EXCEPTION_AUTO] = COUNTER_MIDSTREAM_IGNORE};

	counter_inc(j->counters, counters[policy]);
}

void verdict_midstream(struct judgement *j)
{
	const struct settings_tcp *set = &j->gen->settings.tcp;
	enum exception policy = set->has_policy ? set->midstream_policy : set->master_policy;

	if (j->flow->exception)
		return;
	if (policy == EXCEPTION_AUTO)
		policy = j->gen->ips && !set->midstream ? EXCEPTION_DROP_FLOW : EXCEPTION_IGNORE;
	if (set->midstream && policy != EXCEPTION_PASS_FLOW && policy != EXCEPTION_BYPASS)
		policy = EXCEPTION_IGNORE;
	j->flow->exception = (uint8_t)(policy + 1);
	count_exception(j, policy);
	switch (policy) {
	case EXCEPTION_PASS_FLOW:
		j->flow->fate = FATE_PASS;
		break;
	case EXCEPTION_BYPASS:
		j->flow->fate = FATE_BYPASS;
		break;
	case EXCEPTION_DROP_FLOW:
	case EXCEPTION_REJECT:
		if (j->gen->ips)
			condemn(j, NULL, "stream midstream",
				"the connection was not seen from its start");
		break;
	default:
		break;
	}
}

/* Rules are asked at once and then at every so many packets: it is a walk over all of them. */
static bool is_due(struct flow *f, enum flow_side side)
{
	bool due = !f->asked_more[side] || f->pkts[side] % 64 == 0;

	f->asked_more[side] = true;
	return due;
}

void verdict_bypass(struct judgement *j)
{
	struct flow *f = j->flow;
	const struct stream *me = &f->stream[j->side], *peer = &f->stream[!j->side];
	bool both = f->encrypted || (me->depth && peer->depth);

	if (!j->gen->settings.bypass || f->fate != FATE_INSPECT || !f->app.final)
		return;
	if ((!both && !me->depth) || !is_due(f, j->side))
		return;
	const struct detect_rest rest = {.app = f->app_proto,
		.server_port = f->key.port[SIDE_SERVER],
		.to_server = both || j->side == SIDE_CLIENT,
		.to_client = both || j->side == SIDE_SERVER,
		.bytes = both && peer->bytes < me->bytes ? peer->bytes : me->bytes,
		.past_depth = me->depth && (peer->depth || !both),
		.hold_all = j->gen->settings.bypass_hold_all};
	if (detect_needs_more(j->gen->rules, &rest))
		return;
	if (both) {
		f->fate = FATE_BYPASS;
		decide(j, DECIDED_BYPASS, 0);
		counter_inc(j->counters, COUNTER_FLOW_BYPASSED);
		return;
	}
	f->tcp.async = true;
	j->bypass_side = true;
}

/* Rules decide once a flow, and again when there are others. */
static bool may_be_bare(struct judgement *j)
{
	struct flow *f = j->flow;

	if (f->bare_serial != j->gen->serial) {
		f->bare_serial = j->gen->serial;
		f->shows_empty = detect_needs_empty(j->gen->rules, f->key.port[SIDE_SERVER]);
	}
	return !f->shows_empty;
}

/* Behind a hole what the other side acknowledges counts: only that tells whether it was filled by
 * bytes that passed unseen. */
static uint32_t mark_bare(struct judgement *j)
{
	struct flow *f = j->flow;

	if (f->key.ip_proto != IPPROTO_TCP || !j->gen->settings.bypass)
		return 0;
	bool bare = f->tcp.state != TCP_NONE && !f->untracked && !f->stream[0].ahead &&
		    !f->stream[1].ahead && may_be_bare(j);
	if (bare == f->tcp.bare)
		return 0;
	f->tcp.bare = bare;
	return bare ? MARK_BARE : MARK_BARE_END;
}

/* No mark yet: the kernel would keep the rest from us. */
static struct verdict verdict_reject(struct judgement *j)
{
	struct flow *f = j->flow;

	if (j->side != f->rejected_side)
		return (struct verdict){.drop = !(j->packet->tcp_flags & TCP_RST)};
	size_t n =
		reject_write(j->packet, f->reset_sent ? REJECT_AS_ACK : REJECT_AS_RST, j->instead);
	if (n == 0)
		return (struct verdict){.drop = true};
	f->reset_sent = true;
	counter_inc(j->counters, COUNTER_REJECTED);
	return (struct verdict){.instead = span_of(j->instead, n)};
}

/* Dropped by the rules behind us, which can answer; nothing is marked for the kernel, so that every
 * further one is answered too. */
static struct verdict verdict_refuse(struct judgement *j, bool answer)
{
	if (answer)
		counter_inc(j->counters, COUNTER_REJECTED);
	return (struct verdict){.drop = true, .mark = answer ? MARK_REJECT : 0};
}

struct verdict verdict_of(struct judgement *j)
{
	switch (j->flow->fate) {
	case FATE_DROP:
		if (j->flow->rejected)
			return verdict_reject(j);
		if (j->flow->refused)
			return verdict_refuse(j, j->side == j->flow->rejected_side);
		return (struct verdict){.drop = true, .mark = MARK_DROP};
	case FATE_BYPASS:
		return (struct verdict){.mark = MARK_BYPASS};
	case FATE_PASS:
		return (struct verdict){.mark = j->gen->settings.bypass ? MARK_BYPASS : 0};
	default:
		if (j->drop_packet)
			return verdict_refuse(j, j->refuse);
		return (struct verdict){
			.mark = (j->bypass_side ? MARK_BYPASS_SIDE : 0) | mark_bare(j)};
	}
}
