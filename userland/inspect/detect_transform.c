/* A buffer as a rule's transforms make it. The outcome of the last list is kept: rules with the
 * same transforms of the same buffer stand beside each other. */
#include "inspect/detect_scratch.h"

struct span transform_view(struct detect_scratch *s, const struct transforms *t, struct span buf)
{
	struct span out = buf;

	if (s->made_by == t && s->made_of.p == buf.p && s->made_of.n == buf.n)
		return s->view;
	for (unsigned i = 0; i < t->n; i++) {
		struct span in = out;

		s->work_turn ^= 1; /* what it reads is in the other half */
		t->list[i].apply(&t->list[i], in, s, &out);
	}
	s->made_by = t;
	s->made_of = buf;
	s->view = out;
	return out;
}
