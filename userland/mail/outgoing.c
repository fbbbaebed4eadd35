#include "mail/outgoing.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "mail/data.h"

static void piece_add(struct outgoing *o, struct span piece)
{
	if (piece.n > 0)
		o->pieces[o->count++] = piece;
}

int outgoing_init(struct outgoing *o, const struct findings *f, struct span text, bool chunked)
{
	size_t at = 0;

	*o = (struct outgoing){.dotted = !chunked};
	o->pieces = calloc(f->remove_count + 4, sizeof(*o->pieces));
	if (!o->pieces)
		return -ENOMEM;
	if (chunked)
		o->count = 1; /* the command, when the length is known */
	piece_add(o, span_str(f->header));
	for (unsigned i = 0; i < f->remove_count; i++) {
		piece_add(o, span_skip(span_take(text, f->remove[i].offset), at));
		at = f->remove[i].offset + f->remove[i].bytes;
	}
	piece_add(o, span_skip(text, at));
	for (unsigned i = chunked ? 1 : 0; i < o->count; i++)
		o->bytes += o->pieces[i].n;
	if (chunked) {
		snprintf(o->command, sizeof(o->command), "BDAT %" PRIu64 " LAST\r\n", o->bytes);
		o->pieces[0] = span_str(o->command);
	} else {
		piece_add(o, SPAN_LIT(".\r\n"));
	}
	return 0;
}

void outgoing_free(struct outgoing *o)
{
	free(o->pieces);
	*o = (struct outgoing){0};
}

static bool is_verbatim(const struct outgoing *o, unsigned piece)
{
	return !o->dotted || piece + 1 == o->count;
}

int outgoing_runs(const struct outgoing *o, struct iovec *runs)
{
	size_t offset = o->offset, taken;
	bool stuffed = o->stuffed;
	int n = 0;

	for (unsigned i = o->at; i < o->count && n + 2 <= OUTGOING_RUNS; i++) {
		struct span rest = span_skip(o->pieces[i], offset);

		if (is_verbatim(o, i)) {
			runs[n++] = (struct iovec){(void *)rest.p, rest.n};
			taken = rest.n;
		} else {
			bool inside = offset > 0 && rest.p[-1] != '\n';
			n += data_gather(
				rest, inside, stuffed, runs + n, OUTGOING_RUNS - n, &taken);
		}
		if (taken < rest.n)
			break;
		offset = 0;
		stuffed = false;
	}
	return n;
}

void outgoing_advance(struct outgoing *o, const struct iovec *runs, int count, size_t sent)
{
	for (int i = 0; i < count && sent > 0; i++) {
		size_t n = runs[i].iov_len < sent ? runs[i].iov_len : sent;

		sent -= n;
		if (runs[i].iov_base == data_dot) {
			o->stuffed = true;
			continue;
		}
		o->stuffed = false;
		o->offset += n;
		if (o->offset == o->pieces[o->at].n) {
			o->at++;
			o->offset = 0;
		}
	}
}

bool outgoing_is_done(const struct outgoing *o)
{
	return o->at == o->count;
}
