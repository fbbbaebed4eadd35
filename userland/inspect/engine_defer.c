/*
 * Reading a capture, what a side has sent is looked at when the other side acknowledges it: there
 * is no packet of its own then. An alert on a transaction that goes on waits for the next one, with
 * what the transaction has become by then; so it names the packet that Suricata names. In line
 * nothing waits.
 *
 * Limit: DEFERRED_MAX of a flow; further ones are told at once, with the packet that acknowledges.
 */
#include <stdlib.h>

#include "inspect/engine_part.h"

#define DEFERRED_MAX 16

struct deferred {
	const struct generation *gen; /* whose rules they are */
	unsigned n;
	struct {
		struct detect_match match;
		enum flow_side side;
		uint32_t tx_id;
		unit_put_fn *put;
		const void *tx;
	} alert[DEFERRED_MAX];
};

static bool is_deferrable(
	const struct engine *e, const struct detect_match *m, unsigned n, const struct unit *unit)
{
	if (!e->turned || !unit || !unit->lasts || unit->event || unit->file || n == 0)
		return false;
	for (unsigned i = 0; i < n; i++)
		if (m[i].action == RULE_PASS || m[i].n_captures)
			return false;
	return true;
}

static struct deferred *deferred_of(struct engine *e, struct flow *f)
{
	if (!f->deferred)
		f->deferred = calloc(1, sizeof(*f->deferred));
	if (f->deferred && f->deferred->gen != e->gen)
		*f->deferred = (struct deferred){.gen = e->gen};
	return f->deferred;
}

bool engine_has_deferred(const struct flow *f)
{
	return f->deferred && f->deferred->n;
}

bool engine_defer(
	struct engine *e, const struct detect_match *m, unsigned n, const struct unit *unit)
{
	struct deferred *d = is_deferrable(e, m, n, unit) ? deferred_of(e, e->j.flow) : NULL;

	if (!d || d->n + n > DEFERRED_MAX)
		return false;
	for (unsigned i = 0; i < n; i++, d->n++) {
		d->alert[d->n].match = m[i];
		d->alert[d->n].side = e->j.side;
		d->alert[d->n].tx_id = unit->tx_id;
		d->alert[d->n].put = unit->put;
		d->alert[d->n].tx = unit->tx;
	}
	return true;
}

static void tell_one(struct engine *e, struct deferred *d, unsigned i)
{
	struct judgement before = e->j;
	struct packet turned = packet_turned(e->j.packet);
	struct unit unit = {.to_server = d->alert[i].side == SIDE_CLIENT,
		.tx_id = d->alert[i].tx_id,
		.put = d->alert[i].put,
		.tx = d->alert[i].tx};
	uint64_t offset;

	if (e->j.side != d->alert[i].side) {
		e->j.packet = &turned;
		e->j.side = d->alert[i].side;
	}
	e->j.payload = stream_tail(&e->j.flow->stream[e->j.side], &offset);
	e->j.payload_is_stream = true;
	verdict_rules(&e->j, &d->alert[i].match, 1, &unit);
	e->j.packet = before.packet;
	e->j.side = before.side;
}

void engine_deferred_tell(struct engine *e, enum flow_side side, const void *tx)
{
	struct deferred *d = e->j.flow->deferred;
	unsigned kept = 0;

	if (!d)
		return;
	if (d->gen != e->gen)
		d->n = 0;
	for (unsigned i = 0; i < d->n; i++) {
		if (tx ? d->alert[i].tx == tx : d->alert[i].side == side)
			tell_one(e, d, i);
		else
			d->alert[kept++] = d->alert[i];
	}
	d->n = kept;
}
