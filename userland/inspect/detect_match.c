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

static struct span dotted_view(struct detect_scratch *s, enum buffer buffer, struct span buf)
{
	struct span tail = span_skip(buf, buf.n > DOTTED_BYTES ? buf.n - DOTTED_BYTES : 0);

	if (s->dotted_buffer != buffer) {
		s->dotted[0] = '.';
		if (tail.n)
			memcpy(s->dotted + 1, tail.p, tail.n);
		s->dotted_bytes = 1 + tail.n;
		s->dotted_buffer = buffer;
	}
	return span_of(s->dotted, s->dotted_bytes);
}

bool rule_match(const struct rule *r, struct detect_scratch *s, const struct detect_input *in)
{
	s->tries = DETECT_TRIES;
	for (unsigned i = 0; i < r->n_groups; i++) {
		const struct step_group *g = &r->groups[i];
		struct span buf = in->buffer[g->buffer];

		if (!buf.p)
			return false;
		if (g->dotprefix)
			buf = dotted_view(s, g->buffer, buf);
		s->base = g->buffer == BUFFER_PAYLOAD ? in->stream_offset : 0;
		if (steps_match(g->steps, g->steps + g->n, s, buf, 0) != HELD)
			return false;
	}
	return true;
}
