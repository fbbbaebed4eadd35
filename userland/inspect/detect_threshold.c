/*
 * How often a rule that matches is told: threshold, detection_filter, rate_filter, suppress.
 *
 * limit: the first `count` of `seconds`; threshold: each `count`th; both: once in `seconds`, at the
 * `count`th; backoff: the count-th, then each time `multiplier` as many; detection_filter: does not
 * match before it has matched `count` times. A window begins with a match after the last one ended.
 */
#include "inspect/detect_scratch.h"

#define US_PER_S 1000000U

struct count {
	uint64_t since_us;
	uint32_t count, next;
};

static uint64_t now_us(const struct detect_input *in)
{
	return (uint64_t)in->now.tv_sec * US_PER_S + (uint64_t)in->now.tv_usec;
}

static enum threshold_answer limit_answer(const struct rule_threshold *t, struct count *c)
{
	return ++c->count <= t->count ? THRESHOLD_ALERT : THRESHOLD_SILENT;
}

static enum threshold_answer threshold_answer(const struct rule_threshold *t, struct count *c)
{
	if (++c->count < t->count)
		return THRESHOLD_NO_MATCH;
	c->count = 0;
	return THRESHOLD_ALERT;
}

static enum threshold_answer both_answer(const struct rule_threshold *t, struct count *c)
{
	if (++c->count < t->count)
		return THRESHOLD_NO_MATCH;
	return c->count == t->count ? THRESHOLD_ALERT : THRESHOLD_SILENT;
}

static enum threshold_answer backoff_answer(const struct rule_threshold *t, struct count *c)
{
	if (!c->next)
		c->next = t->count;
	if (++c->count < c->next)
		return THRESHOLD_SILENT;
	c->next = c->next > UINT32_MAX / t->multiplier ? UINT32_MAX : c->next * t->multiplier;
	return THRESHOLD_ALERT;
}

static enum threshold_answer filter_answer(const struct rule_threshold *t, struct count *c)
{
	if (c->count < UINT32_MAX)
		c->count++;
	return c->count > t->count ? THRESHOLD_ALERT : THRESHOLD_NO_MATCH;
}

static enum threshold_answer count_ask(const struct rule_threshold *t, struct count *c)
{
	switch (t->type) {
	case THRESHOLD_LIMIT:
		return limit_answer(t, c);
	case THRESHOLD_THRESHOLD:
		return threshold_answer(t, c);
	case THRESHOLD_BOTH:
		return both_answer(t, c);
	case THRESHOLD_BACKOFF:
		return backoff_answer(t, c);
	case THRESHOLD_FILTER:
	case THRESHOLD_RATE:
		return filter_answer(t, c);
	case THRESHOLD_NONE:
		break;
	}
	return THRESHOLD_ALERT;
}

static uint64_t window_us(const struct rule_threshold *t)
{
	return t->seconds ? (uint64_t)t->seconds * US_PER_S : UINT64_MAX / 2;
}

/* In the flow: when all places are taken, the last one's count starts anew. */
static enum threshold_answer flow_ask(const struct rule *r, const struct rule_threshold *t,
	const struct detect_input *in, struct detect_flow *flow)
{
	unsigned i = 0;
	struct count c;
	enum threshold_answer answer;

	if (!flow)
		return THRESHOLD_ALERT;
	while (i + 1 < DETECT_FLOW_INTS && flow->thresholds[i].sid &&
		flow->thresholds[i].sid != r->sid)
		i++;
	c = (struct count){
		flow->thresholds[i].since_us, flow->thresholds[i].count, flow->thresholds[i].next};
	if (flow->thresholds[i].sid != r->sid || now_us(in) - c.since_us >= window_us(t))
		c = (struct count){now_us(in), 0, 0};
	answer = count_ask(t, &c);
	flow->thresholds[i].sid = r->sid;
	flow->thresholds[i].since_us = c.since_us;
	flow->thresholds[i].count = c.count;
	flow->thresholds[i].next = c.next;
	return answer;
}

static struct memory_key key_of(
	const struct rule *r, const struct rule_threshold *t, const struct detect_input *in)
{
	struct memory_key k = {.kind = t->type == THRESHOLD_RATE ? MEMORY_RATE : MEMORY_THRESHOLD,
		.id = r->sid,
		.gid = r->gid << 1 | (t->type == THRESHOLD_FILTER)};

	if (t->track == TRACK_SRC || t->track == TRACK_BOTH)
		k.a = in->src;
	if (t->track == TRACK_DST || t->track == TRACK_BOTH)
		k.b = in->dst;
	if (t->track == TRACK_BOTH && memcmp(&k.a, &k.b, sizeof(k.a)) > 0) {
		k.a = in->dst;
		k.b = in->src;
	}
	return k;
}

/* True when the port was not there yet. */
static bool port_is_new(struct memory_value *v, uint16_t port)
{
	for (unsigned i = 0; i < v->ports_n; i++)
		if (v->ports[i] == port)
			return false;
	if (v->ports_n < MEMORY_PORTS)
		v->ports[v->ports_n++] = port;
	return true;
}

static enum threshold_answer host_ask(const struct rule *r, const struct rule_threshold *t,
	struct detect_scratch *s, const struct detect_input *in)
{
	struct memory_key k = key_of(r, t, in);
	uint64_t now = now_us(in);
	struct memory_value *v;
	enum threshold_answer answer = THRESHOLD_NO_MATCH;

	if (!s->memory)
		return THRESHOLD_ALERT;
	v = detect_memory_enter(s->memory, &k, now, true);
	if (!v->until_us) {
		v->since_us = now;
		v->until_us = now + window_us(t);
	}
	if (t->unique == UNIQUE_NONE ||
		port_is_new(v, t->unique == UNIQUE_SRC_PORT ? in->src_port : in->dst_port)) {
		struct count c = {v->since_us, v->count, v->next};

		answer = count_ask(t, &c);
		v->count = c.count;
		v->next = c.next;
	} else if (v->count > t->count) {
		answer = THRESHOLD_ALERT;
	}
	detect_memory_leave(s->memory);
	return answer;
}

static enum threshold_answer ask(const struct rule *r, const struct rule_threshold *t,
	struct detect_scratch *s, const struct detect_input *in, struct detect_flow *flow)
{
	return t->track == TRACK_FLOW ? flow_ask(r, t, in, flow) : host_ask(r, t, s, in);
}

static bool is_suppressed(const struct rule *r, const struct detect_input *in)
{
	for (const struct rule_suppress *p = r->suppress; p; p = p->next) {
		if (!p->addrs)
			return true;
		if (p->track != TRACK_DST && range_set_has_addr(p->addrs, &in->src))
			return true;
		if (p->track != TRACK_SRC && range_set_has_addr(p->addrs, &in->dst))
			return true;
	}
	return false;
}

/* Once too many have come, the rule acts otherwise for timeout_s. */
static void rate_ask(const struct rule *r, struct detect_scratch *s, const struct detect_input *in,
	struct detect_flow *flow, enum rule_action *ret_action)
{
	struct memory_key k = key_of(r, r->rate, in);
	struct memory_value *v;
	uint64_t now = now_us(in);
	bool over;

	if (!s->memory)
		return;
	k.gid |= 1U << 31; /* the time-out, beside the count */
	v = detect_memory_enter(s->memory, &k, now, false);
	over = v != NULL;
	if (v)
		detect_memory_leave(s->memory);
	if (!over && ask(r, r->rate, s, in, flow) == THRESHOLD_ALERT) {
		over = true;
		v = detect_memory_enter(s->memory, &k, now, true);
		v->until_us = now + (r->rate->timeout_s ? (uint64_t)r->rate->timeout_s * US_PER_S
							: UINT64_MAX / 2);
		detect_memory_leave(s->memory);
	}
	if (over)
		*ret_action = (enum rule_action)r->rate->new_action;
}

enum threshold_answer threshold_ask(const struct rule *r, struct detect_scratch *s,
	const struct detect_input *in, struct detect_flow *flow, enum rule_action *ret_action)
{
	enum threshold_answer answer = THRESHOLD_ALERT;

	if (r->filter && ask(r, r->filter, s, in, flow) != THRESHOLD_ALERT)
		return THRESHOLD_NO_MATCH;
	if (r->rate)
		rate_ask(r, s, in, flow, ret_action);
	if (is_suppressed(r, in))
		answer = THRESHOLD_SILENT;
	else if (r->threshold)
		answer = ask(r, r->threshold, s, in, flow);
	s->stats.suppressed += answer != THRESHOLD_ALERT;
	return answer;
}
