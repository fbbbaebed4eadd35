/* Flowbits and flowints, which live in the flow, and xbits and hostbits, which live in the memory
 * of hosts. */
#include "inspect/detect_scratch.h"

#define US_PER_S 1000000U

static uint64_t now_us(const struct detect_input *in)
{
	return (uint64_t)in->now.tv_sec * US_PER_S + (uint64_t)in->now.tv_usec;
}

static bool bit_has(const struct detect_flow *flow, uint32_t name)
{
	for (unsigned i = 0; i < DETECT_FLOW_BITS; i++)
		if (flow->bits[i] == name)
			return true;
	return false;
}

static void bit_set(struct detect_flow *flow, struct detect_scratch *s, uint32_t name)
{
	if (bit_has(flow, name))
		return;
	for (unsigned i = 0; i < DETECT_FLOW_BITS; i++)
		if (!flow->bits[i]) {
			flow->bits[i] = name;
			return;
		}
	s->stats.flow_full++;
}

static void bit_clear(struct detect_flow *flow, uint32_t name)
{
	for (unsigned i = 0; i < DETECT_FLOW_BITS; i++)
		if (flow->bits[i] == name)
			flow->bits[i] = 0;
}

static const uint32_t *int_get(const struct detect_flow *flow, uint32_t name)
{
	for (unsigned i = 0; i < DETECT_FLOW_INTS; i++)
		if (flow->ints[i].name == name)
			return &flow->ints[i].value;
	return NULL;
}

static void int_set(
	struct detect_flow *flow, struct detect_scratch *s, uint32_t name, uint32_t value)
{
	for (unsigned i = 0; i < DETECT_FLOW_INTS; i++)
		if (flow->ints[i].name == name || !flow->ints[i].name) {
			flow->ints[i].name = name;
			flow->ints[i].value = value;
			return;
		}
	s->stats.flow_full++;
}

/* The operand; false when it is a flowint that is not set. */
static bool int_operand(const struct rule_op *op, const struct detect_flow *flow, uint32_t *ret)
{
	const uint32_t *other = op->value_name ? int_get(flow, op->value_name) : &op->value;

	if (other)
		*ret = *other;
	return other != NULL;
}

static bool int_holds(const struct rule_op *op, const struct detect_flow *flow)
{
	const uint32_t *mine = int_get(flow, op->name[0]);
	uint32_t v = 0;

	if (op->verb == OP_ISSET || op->verb == OP_ISNOTSET)
		return (mine != NULL) == (op->verb == OP_ISSET);
	if (!mine || !int_operand(op, flow, &v))
		return false;
	switch (op->verb) {
	case OP_LT:
		return *mine < v;
	case OP_LE:
		return *mine <= v;
	case OP_EQ:
		return *mine == v;
	case OP_NE:
		return *mine != v;
	case OP_GE:
		return *mine >= v;
	default:
		return *mine > v;
	}
}

static void int_apply(const struct rule_op *op, struct detect_scratch *s, struct detect_flow *flow)
{
	const uint32_t *mine = int_get(flow, op->name[0]);
	uint32_t old = mine ? *mine : 0, v = 0;

	if (!int_operand(op, flow, &v))
		return;
	if (op->verb == OP_ADD)
		v = old + v;
	else if (op->verb == OP_SUBTRACT)
		v = old - v;
	int_set(flow, s, op->name[0], v);
}

static struct memory_key host_key(
	const struct rule_op *op, uint32_t name, const struct detect_input *in)
{
	struct memory_key k = {.kind = MEMORY_XBIT, .id = name};

	if (op->kind == OP_XBIT_PAIR) {
		bool turned = memcmp(&in->src, &in->dst, sizeof(in->src)) > 0;

		k.a = turned ? in->dst : in->src;
		k.b = turned ? in->src : in->dst;
	} else {
		k.a = op->kind == OP_XBIT_SRC ? in->src : in->dst;
	}
	return k;
}

static bool host_has(const struct rule_op *op, uint32_t name, struct detect_scratch *s,
	const struct detect_input *in)
{
	struct memory_key k = host_key(op, name, in);

	if (!s->memory || !detect_memory_enter(s->memory, &k, now_us(in), false))
		return false;
	detect_memory_leave(s->memory);
	return true;
}

static void host_apply(
	const struct rule_op *op, struct detect_scratch *s, const struct detect_input *in)
{
	struct memory_key k = host_key(op, op->name[0], in);
	struct memory_value *v;
	bool had;

	if (!s->memory)
		return;
	had = host_has(op, op->name[0], s, in);
	v = detect_memory_enter(s->memory, &k, now_us(in), true);
	if (op->verb == OP_UNSET || (op->verb == OP_TOGGLE && had))
		detect_memory_forget(v);
	else
		v->until_us = now_us(in) + (uint64_t)op->expire_s * US_PER_S;
	detect_memory_leave(s->memory);
}

static bool op_holds(const struct rule_op *op, struct detect_scratch *s,
	const struct detect_input *in, const struct detect_flow *flow)
{
	if (op->kind == OP_FLOWINT)
		return flow && int_holds(op, flow);
	for (unsigned i = 0; i < op->n; i++) {
		bool set = op->kind == OP_FLOWBIT ? flow && bit_has(flow, op->name[i])
						  : host_has(op, op->name[i], s, in);

		if (set == (op->verb == OP_ISSET))
			return true;
	}
	return false;
}

bool ops_hold(const struct rule *r, struct detect_scratch *s, const struct detect_input *in,
	const struct detect_flow *flow)
{
	for (unsigned i = 0; i < r->n_asks; i++)
		if (!op_holds(&r->ops[i], s, in, flow))
			return false;
	return true;
}

static void bit_apply(const struct rule_op *op, struct detect_scratch *s, struct detect_flow *flow)
{
	if (op->verb == OP_UNSET || (op->verb == OP_TOGGLE && bit_has(flow, op->name[0])))
		bit_clear(flow, op->name[0]);
	else
		bit_set(flow, s, op->name[0]);
}

void ops_apply(const struct rule *r, struct detect_scratch *s, const struct detect_input *in,
	struct detect_flow *flow)
{
	for (unsigned i = r->n_asks; i < r->n_ops; i++) {
		const struct rule_op *op = &r->ops[i];

		if (op->kind != OP_FLOWBIT && op->kind != OP_FLOWINT)
			host_apply(op, s, in);
		else if (flow && op->kind == OP_FLOWINT)
			int_apply(op, s, flow);
		else if (flow)
			bit_apply(op, s, flow);
		if (op->traffic && op->verb == OP_SET)
			capture_keep(s, op->traffic, (struct span){});
	}
}
