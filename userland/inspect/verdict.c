#include "inspect/verdict.h"

#include <stdio.h>

#include "lib/mark.h"

static struct scene scene_of(const struct judgement *j)
{
	return (struct scene){.packet = j->packet, .flow = j->flow, .side = j->side, .app = j->app};
}

static void condemn(
	struct judgement *j, const struct detect_match *m, const char *reason, const char *why)
{
	struct scene s = scene_of(j);

	if (j->flow->fate == FATE_DROP)
		return;
	j->flow->fate = FATE_DROP;
	counter_inc(j->counters, COUNTER_FLOW_DROPPED);
	counter_inc(j->counters, COUNTER_DETECT_DROPS);
	out_drop(j->out, &s, m, reason, why);
}

static bool seen_has(const struct unit_seen *s, uint32_t sid)
{
	for (unsigned i = 0; i < s->n; i++)
		if (s->sid[i] == sid)
			return true;
	return false;
}

/* True when the sid is new. A full set forgets nothing: further sids are then told again. */
static bool seen_add(struct unit_seen *s, uint32_t sid)
{
	if (seen_has(s, sid))
		return false;
	if (s->n < UNIT_SIDS)
		s->sid[s->n++] = sid;
	return true;
}

/* A transaction's unit carries the payload too, for rules that look at both: what matches there by
 * payload alone has been told by the packet's or the stream's own unit. */
static bool is_repeated(
	struct judgement *j, const struct detect_match *m, const struct unit *unit, bool stream)
{
	if (unit && m->buffer != BUFFER_PAYLOAD)
		return unit->seen && !seen_add(unit->seen, m->sid);
	if (unit && seen_has(&j->flow->told, m->sid))
		return true;
	bool repeated = stream && !seen_add(&j->flow->told, m->sid);
	return !seen_add(&j->packet_seen, m->sid) || repeated;
}

void verdict_rules(struct judgement *j, const struct detect_match *m, unsigned n,
	const struct unit *unit, bool stream)
{
	struct scene s = scene_of(j);

	for (unsigned i = 0; i < n; i++) {
		bool blocks = m[i].action == RULE_DROP || m[i].action == RULE_REJECT;
		if (m[i].action == RULE_PASS) {
			j->flow->fate = FATE_PASS;
			return;
		}
		if (is_repeated(j, &m[i], unit, stream))
			continue;
		blocks &= j->gen->ips;
		j->flow->alerted = true;
		counter_inc(j->counters, COUNTER_DETECT_ALERTS);
		out_alert(j->out, &s, &m[i], blocks, unit);
		if (blocks)
			condemn(j, &m[i], "rules", m[i].msg);
	}
}

void verdict_policy(struct judgement *j)
{
	const struct settings *set = &j->gen->settings;
	const struct app_flow *a = &j->flow->app;
	char why[160];

	if (!set->has_app_rows || !j->gen->ips || !app_is_dpi(a))
		return;
	if (!a->final && app_is_carrier(a->id))
		return;
	uint16_t id = set->app_action[a->id] ? a->id : a->carrier;
	if (set->app_action[id] != APP_ACTION_DROP)
		return;
	snprintf(why, sizeof(why), "application %s is set to drop", app_name(j->app, id));
	condemn(j, NULL, "application policy", why);
}

void verdict_segment(struct judgement *j)
{
	struct scene s = scene_of(j);

	j->drop_packet = true;
	if (!j->flow->reported_drop)
		out_drop(j->out, &s, NULL, "stream memcap",
			"out of order beyond what is kept: it must be sent again");
	j->flow->reported_drop = true;
}

void verdict_bypass(struct judgement *j)
{
	struct flow *f = j->flow;
	uint64_t depth =
		f->stream[0].bytes < f->stream[1].bytes ? f->stream[0].bytes : f->stream[1].bytes;

	if (!j->gen->settings.bypass || f->fate != FATE_INSPECT || !f->app.final)
		return;
	if (!f->encrypted && !(f->stream[0].depth && f->stream[1].depth))
		return;
	if (detect_needs_more(j->gen->rules, f->app_proto, f->key.port[SIDE_SERVER], depth))
		return;
	f->fate = FATE_BYPASS;
	counter_inc(j->counters, COUNTER_FLOW_BYPASSED);
}

struct verdict verdict_of(const struct judgement *j)
{
	switch (j->flow->fate) {
	case FATE_DROP:
		return (struct verdict){.drop = true, .mark = MARK_DROP};
	case FATE_BYPASS:
		return (struct verdict){.mark = MARK_BYPASS};
	case FATE_PASS:
		return (struct verdict){.mark = j->gen->settings.bypass ? MARK_BYPASS : 0};
	default:
		return (struct verdict){.drop = j->drop_packet};
	}
}
