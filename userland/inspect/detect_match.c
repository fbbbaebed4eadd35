/*
 * The full match of a rule. Within a group each step looks at what the steps before left: a
 * relative one begins where the last content or pcre ended. When it fails there, the step it hangs
 * on is asked for its next place. A failure is final when no later place could mend it; then
 * nothing is tried again, which keeps the common chain of contents linear.
 */
#include "inspect/detect_scratch.h"

enum outcome { HELD, FAILED, FAILED_FINALLY };

static enum outcome steps_match(const struct step *st, const struct step *end,
	struct detect_scratch *s, struct span buf, size_t prev);

static enum outcome failure(const struct step *st)
{
	return st->final ? FAILED_FINALLY : FAILED;
}

/* Place by place until the steps behind hold. Recursion is bounded by RULE_PATTERNS. */
static enum outcome retry_match(const struct step *st, const struct step *end,
	struct detect_scratch *s, struct span buf, size_t prev)
{
	struct place place = {0};

	while (st->find(st, s, buf, prev, &place)) {
		enum outcome o;

		if (s->tries-- == 0) {
			s->tries = 0;
			s->stats.limits++;
			return FAILED_FINALLY;
		}
		o = steps_match(st + 1, end, s, buf, place.end);
		if (o != FAILED)
			return o;
	}
	return failure(st);
}

static enum outcome steps_match(const struct step *st, const struct step *end,
	struct detect_scratch *s, struct span buf, size_t prev)
{
	for (; st < end; st++) {
		struct place place = {0};

		if (st->retry)
			return retry_match(st, end, s, buf, prev);
		if (st->find(st, s, buf, prev, &place) == st->negated)
			return failure(st);
		if (st->moves)
			prev = place.end;
	}
	return HELD;
}

/* One value of the group's buffer. */
static bool value_match(const struct step_group *g, struct detect_scratch *s, struct span value)
{
	if (g->transforms)
		value = transform_view(s, g->transforms, value);
	s->base = g->buffer == BUFFER_PAYLOAD ? s->payload_offset : 0;
	return steps_match(g->steps, g->steps + g->n, s, value, 0) == HELD;
}

static bool group_match(
	const struct step_group *g, struct detect_scratch *s, const struct detect_input *in)
{
	struct span first = in->buffer[g->buffer];

	if (g->buffer == BUFFER_BASE64)
		first = s->base64;
	else if (g->buffer == BUFFER_PAYLOAD)
		first = s->payload;
	if (!first.p)
		return false;
	if (value_match(g, s, first))
		return true;
	for (unsigned i = 0; i < in->more_n; i++)
		if (in->more[i].buffer == g->buffer && value_match(g, s, in->more[i].value))
			return true;
	return false;
}

/* A group that is looked for again, at another place, takes the place of what it was. */
void capture_keep(struct detect_scratch *s, const struct capture_name *name, struct span value)
{
	struct capture *c = s->captures + s->first_capture;

	while (c < s->captures + s->n_captures && c->name != name)
		c++;
	if (c == s->captures + CAPTURES)
		return;
	if (c == s->captures + s->n_captures)
		s->n_captures++;
	value = span_take(value, CAPTURE_BYTES);
	c->name = name;
	c->n = (uint8_t)value.n;
	if (value.n)
		memcpy(c->bytes, value.p, value.n);
}

bool rule_match(const struct rule *r, struct detect_scratch *s, const struct detect_input *in)
{
	s->tries = DETECT_TRIES;
	s->base64 = (struct span){0};
	s->first_capture = s->n_captures;
	for (unsigned i = 0; i < r->n_groups; i++)
		if (!group_match(&r->groups[i], s, in)) {
			s->n_captures = s->first_capture;
			return false;
		}
	return true;
}
