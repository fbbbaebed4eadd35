/* What concerns several options of a rule: checked when the line has ended, then copied into the
 * arena. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "inspect/keyword.h"

static bool is_content(const struct step *st)
{
	return st->bytes.n != 0;
}

static int content_finish(struct rule_build *b, struct step *st)
{
	if (!st->startswith)
		return 0;
	if (st->relative || st->offset || st->depth)
		return rule_fail(b, st->pos,
			"startswith goes with neither offset, depth, distance nor within");
	st->depth = (uint32_t)st->bytes.n;
	return 0;
}

/* A buffer must occur in flows of the protocol, and in a direction that the rule and its other
 * buffers allow. A file is transferred by many protocols. */
static int buffer_finish(struct rule_build *b, const struct step *st)
{
	const struct buffer_info *info = &buffer_info[st->buffer];
	struct rule *r = &b->rule;

	if (st->buffer == BUFFER_IP_HEADER || st->buffer == BUFFER_TRANSPORT_HEADER) {
		if (r->units == UNITS_STREAM)
			return rule_fail(b, st->pos, "%s: streams have no headers", info->name);
		r->units = UNITS_PACKET;
	}
	r->buffers |= BUFFER_BIT(st->buffer);
	return rule_bind(b, st->pos, info->name, info->app, info->directions);
}

static int steps_finish(struct rule_build *b)
{
	if (proto_info[b->rule.proto].is_app && b->rule.app == PROTO_IP)
		b->rule.app = b->rule.proto;
	for (unsigned i = 0; i < b->n_steps; i++)
		if (content_finish(b, &b->steps[i]) < 0 || buffer_finish(b, &b->steps[i]) < 0)
			return -EINVAL;
	return 0;
}

/* Whether where the steps before held matters to it. */
static bool depends(const struct step *st)
{
	return st->relative || st->uses_variable;
}

/* After a pcre or a jump the next match may end before this one did: then a failure further on
 * proves nothing. */
static void group_link(struct step *steps, unsigned n)
{
	bool after_jump = false;

	for (unsigned i = 0; i < n; i++) {
		struct step *st = &steps[i];

		st->pos = (struct span){0};
		st->final = !depends(st) || (!st->negated && !st->bounded && !after_jump);
		after_jump |= st->code != NULL || (st->op != NULL && st->moves);
		for (unsigned j = i + 1; j < n && st->moves; j++) {
			if (depends(&steps[j]))
				st->retry = true;
			if (depends(&steps[j]) || steps[j].moves)
				break;
		}
	}
}

/* Steps of one buffer together, groups in the order in which their buffers first appear. */
static int groups_build(struct rule_build *b)
{
	struct step *steps = ruleset_alloc(b->rs, b->n_steps * sizeof(*steps));
	struct step_group *groups = ruleset_alloc(b->rs, b->n_steps * sizeof(*groups));
	bool taken[RULE_PATTERNS] = {false};
	unsigned n = 0;

	if (!steps || !groups)
		return rule_fail(b, b->line, "out of memory for rules");
	for (unsigned i = 0; i < b->n_steps; i++) {
		struct step_group *g = &groups[b->rule.n_groups];
		unsigned first = n;

		if (taken[i])
			continue;
		for (unsigned j = i; j < b->n_steps; j++) {
			if (b->steps[j].buffer != b->steps[i].buffer ||
				b->steps[j].transforms != b->steps[i].transforms)
				continue;
			taken[j] = true;
			steps[n++] = b->steps[j];
		}
		group_link(steps + first, n - first);
		*g = (struct step_group){
			b->steps[i].buffer, b->steps[i].transforms, n - first, steps + first};
		b->rule.n_groups++;
	}
	b->rule.groups = groups;
	return 0;
}

/* Stream bytes behind the window of any content that must be there cannot make the rule match. */
static void payload_end_find(struct rule_build *b)
{
	for (unsigned i = 0; i < b->n_steps; i++) {
		const struct step *st = &b->steps[i];
		uint64_t end = (uint64_t)st->offset + st->depth;

		if (st->buffer == BUFFER_PAYLOAD && is_content(st) && !st->negated &&
			!st->relative && !st->uses_variable && st->depth &&
			(!b->rule.payload_end || end < b->rule.payload_end))
			b->rule.payload_end = end;
	}
}

/* A place counted from the start of the payload is one in each segment, as well as one in the
 * stream. */
static void also_packet_find(struct rule_build *b)
{
	for (unsigned i = 0; i < b->n_steps; i++) {
		const struct step *st = &b->steps[i];

		if (st->buffer == BUFFER_PAYLOAD && is_content(st) &&
			(st->offset || st->depth || st->offset_var || st->depth_var))
			b->rule.also_packet = true;
	}
}

/* A rule that is a header alone, or that and an application, says it once of each direction. */
static void header_only_find(struct rule_build *b)
{
	struct rule *r = &b->rule;
	bool bare = !b->n_steps && !b->n_ops && r->app == PROTO_IP && r->units == UNITS_ALL &&
		    r->established == ESTABLISHED_ANY &&
		    r->directions == (DIR_TO_SERVER | DIR_TO_CLIENT);

	r->address_only = bare && !b->n_checks && !b->stateless;
	r->once = bare && b->n_checks == 1 && b->checks[0].is_app;
}

/* The part of a content that every buffer in which it is found must hold. */
static struct span fast_piece(const struct step *st)
{
	struct span piece =
		st->fast_bytes ? span_take(span_skip(st->bytes, st->fast_offset), st->fast_bytes)
			       : st->bytes;

	for (unsigned i = 0; st->transforms && i < st->transforms->n; i++)
		if (!st->transforms->list[i].keeps_bytes)
			return (struct span){0};
	/* the "." of dotprefix is not in the buffer that the prefilter sees */
	if (st->transforms && piece.p == st->bytes.p && piece.n && piece.p[0] == '.')
		piece = span_skip(piece, 1);
	return span_take(piece, FAST_BYTES_MAX);
}

/* The content marked fast_pattern, else the longest. A rule that looks at buffers of an application
 * is found by one of these: it is for transactions, whose payload is not scanned again. */
static void fast_choose(struct rule_build *b)
{
	bool is_app = (b->rule.buffers & ~PACKET_BUFFERS) != 0;
	const struct step *best = NULL;
	struct span piece = {0};

	b->rule.entry = ENTRY_NONE;

	for (unsigned i = 0; i < b->n_steps; i++) {
		const struct step *st = &b->steps[i];
		struct span p;

		if (st->buffer == BUFFER_BASE64 ||
			(is_app && (PACKET_BUFFERS & BUFFER_BIT(st->buffer))))
			continue;
		if ((unsigned)b->rule.entry == ENTRY_NONE)
			b->rule.entry = st->buffer;
		if (!is_content(st) || st->negated)
			continue;
		p = fast_piece(st);
		if (p.n < FAST_BYTES_MIN || (best && (best->fast || (!st->fast && p.n <= piece.n))))
			continue;
		best = st;
		piece = p;
	}
	if (!best)
		return;
	b->rule.entry = best->buffer;
	b->rule.fast = piece;
	b->rule.fast_nocase = best->nocase || best->transforms;
}

static int op_compare(const void *x, const void *y)
{
	const struct rule_op *a = x, *b = y;

	return (a->verb >= OP_ASKS) - (b->verb >= OP_ASKS);
}

static int ops_finish(struct rule_build *b)
{
	if (!b->n_ops)
		return 0;
	qsort(b->ops, b->n_ops, sizeof(*b->ops), op_compare);
	b->rule.ops = rule_keep(b, b->ops, b->n_ops * sizeof(*b->ops));
	b->rule.n_ops = (uint8_t)b->n_ops;
	while (b->rule.n_asks < b->n_ops && b->ops[b->rule.n_asks].verb < OP_ASKS)
		b->rule.n_asks++;
	return b->rule.ops ? 0 : -EINVAL;
}

int rule_finish(struct rule_build *b, struct rule **ret)
{
	struct check *checks;
	struct rule *r;

	if (!b->rule.sid)
		return rule_fail(b, b->line, "the rule has no sid");
	if (steps_finish(b) < 0)
		return -EINVAL;
	payload_end_find(b);
	also_packet_find(b);
	header_only_find(b);
	fast_choose(b);
	if (groups_build(b) < 0 || ops_finish(b) < 0)
		return -EINVAL;
	checks = ruleset_alloc(b->rs, b->n_checks * sizeof(*checks));
	r = ruleset_alloc(b->rs, sizeof(*r));
	if (!checks || !r)
		return rule_fail(b, b->line, "out of memory for rules");
	memcpy(checks, b->checks, b->n_checks * sizeof(*checks));
	b->rule.checks = checks;
	b->rule.n_checks = b->n_checks;
	*r = b->rule;
	*ret = r;
	return 0;
}

static unsigned way_of(const struct step *st)
{
	unsigned way = st->way ? st->way : buffer_info[st->buffer].directions;

	return way == (DIR_TO_SERVER | DIR_TO_CLIENT) ? DIR_TO_SERVER : way;
}

/* The steps that go that way, as a rule of their own; what is done to flow and hosts comes last. */
static int half_finish(struct rule_build *whole, unsigned way, struct rule **ret)
{
	struct rule_build *b = malloc(sizeof(*b));
	int err;

	if (!b)
		return rule_fail(whole, whole->line, "out of memory for rules");
	*b = *whole;
	b->transactional = false;
	b->n_steps = 0;
	for (unsigned i = 0; i < whole->n_steps; i++)
		if (way_of(&whole->steps[i]) == way)
			b->steps[b->n_steps++] = whole->steps[i];
	b->rule.directions &= way;
	b->rule.half = way == DIR_TO_SERVER ? HALF_REQUEST : HALF_RESPONSE;
	b->rule.both_ways =
		way == DIR_TO_CLIENT; /* addresses are the client's, then the server's */
	if (way == DIR_TO_SERVER)
		b->n_ops = 0;
	err = rule_finish(b, ret);
	if (err < 0) {
		whole->column = b->column;
		memcpy(whole->reason, b->reason, sizeof(whole->reason));
	}
	free(b);
	return err;
}

int rule_finish_halves(struct rule_build *b, struct rule *ret[static 2], unsigned *ret_n)
{
	unsigned ways = 0;

	*ret_n = 1;
	for (unsigned i = 0; b->transactional && i < b->n_steps; i++)
		ways |= way_of(&b->steps[i]);
	if (ways != (DIR_TO_SERVER | DIR_TO_CLIENT)) {
		b->transactional = false;
		return rule_finish(b, &ret[0]);
	}
	*ret_n = 2;
	if (half_finish(b, DIR_TO_SERVER, &ret[0]) < 0)
		return -EINVAL;
	return half_finish(b, DIR_TO_CLIENT, &ret[1]);
}

void rule_abandon(struct rule_build *b)
{
	for (unsigned i = 0; i < b->n_steps; i++)
		pcre2_code_free(b->steps[i].code);
}
