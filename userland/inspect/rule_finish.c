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
 * buffers allow. */
static int buffer_finish(struct rule_build *b, const struct step *st)
{
	const struct buffer_info *info = &buffer_info[st->buffer];
	struct rule *r = &b->rule;
	uint8_t transport = proto_info[r->proto].transport,
		wanted = proto_info[info->app].transport;

	if (info->app != PROTO_IP) {
		if (r->app != PROTO_IP && r->app != info->app)
			return rule_fail(b, st->pos, "%s does not occur in %s", info->name,
				proto_info[r->app].name);
		if (transport && wanted && transport != wanted)
			return rule_fail(b, st->pos, "%s does not occur in %s", info->name,
				proto_info[r->proto].name);
		r->app = info->app;
	}
	r->directions &= info->directions;
	if (!r->directions)
		return rule_fail(b, st->pos, "%s occurs %s only, which the rule excludes",
			info->name, info->directions == DIR_TO_SERVER ? "to_server" : "to_client");
	r->buffers |= 1U << st->buffer;
	return 0;
}

static int steps_finish(struct rule_build *b)
{
	b->rule.app = proto_info[b->rule.proto].is_app ? b->rule.proto : PROTO_IP;
	for (unsigned i = 0; i < b->n_steps; i++)
		if (content_finish(b, &b->steps[i]) < 0 || buffer_finish(b, &b->steps[i]) < 0)
			return -EINVAL;
	return 0;
}

/* After a pcre the next match may end before this one did: then a failure further on proves
 * nothing. */
static void group_link(struct step *steps, unsigned n)
{
	bool after_pcre = false;

	for (unsigned i = 0; i < n; i++) {
		struct step *st = &steps[i];

		st->pos = (struct span){0};
		st->final = !st->relative || (!st->negated && !st->bounded && !after_pcre);
		after_pcre |= st->code != NULL;
		for (unsigned j = i + 1; j < n && st->moves; j++) {
			if (steps[j].relative)
				st->retry = true;
			if (steps[j].relative || steps[j].moves)
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
				b->steps[j].dotprefix != b->steps[i].dotprefix)
				continue;
			taken[j] = true;
			steps[n++] = b->steps[j];
		}
		group_link(steps + first, n - first);
		*g = (struct step_group){
			b->steps[i].buffer, b->steps[i].dotprefix, n - first, steps + first};
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
			!st->relative && st->depth &&
			(!b->rule.payload_end || end < b->rule.payload_end))
			b->rule.payload_end = end;
	}
}

/* The part of a content that every buffer in which it is found must hold. */
static struct span fast_piece(const struct step *st)
{
	struct span piece =
		st->fast_bytes ? span_take(span_skip(st->bytes, st->fast_offset), st->fast_bytes)
			       : st->bytes;

	/* the "." of dotprefix is not in the buffer that the prefilter sees */
	if (st->dotprefix && piece.p == st->bytes.p && piece.n && piece.p[0] == '.')
		piece = span_skip(piece, 1);
	return span_take(piece, FAST_BYTES_MAX);
}

/* The content marked fast_pattern, else the longest. A rule that looks at buffers of an application
 * is found by one of these: it is for transactions, whose payload is not scanned again. */
static void fast_choose(struct rule_build *b)
{
	bool is_app = (b->rule.buffers & ~(1U << BUFFER_PAYLOAD)) != 0;
	const struct step *best = NULL;
	struct span piece = {0};

	b->rule.entry = ENTRY_NONE;

	for (unsigned i = 0; i < b->n_steps; i++) {
		const struct step *st = &b->steps[i];
		struct span p;

		if (is_app && st->buffer == BUFFER_PAYLOAD)
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
	b->rule.fast_nocase = best->nocase;
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
	fast_choose(b);
	if (groups_build(b) < 0)
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

void rule_abandon(struct rule_build *b)
{
	for (unsigned i = 0; i < b->n_steps; i++)
		pcre2_code_free(b->steps[i].code);
}
