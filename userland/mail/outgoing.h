/*
 * outgoing: a message on its way to the server: the fields put in front, the text between the
 * ranges left out, and what the protocol wants around it. Pure; nothing is copied.
 *
 * outgoing_init() makes the list of pieces, DATA with stuffed dots and a last line of one dot, or
 * BDAT with its command in front (RFC 3030). outgoing_runs() gives the next runs of bytes,
 * outgoing_advance() says how many of them went; repeated until outgoing_is_done().
 *
 * Owns: the list; the texts are the caller's and must stay. Every piece begins a line and is
 * canonical.
 */
#pragma once

#include <sys/uio.h>

#include "lib/span.h"
#include "mail/findings.h"

#define OUTGOING_RUNS 64

struct outgoing {
	struct span *pieces;
	unsigned count, at;
	size_t offset;    /* in pieces[at] */
	bool stuffed;     /* the dot that goes before offset has gone */
	bool dotted;      /* DATA; else BDAT */
	uint64_t bytes;   /* of the message, without dots and command */
	char command[40]; /* BDAT n LAST */
};

/* -ENOMEM, else 0 */
int outgoing_init(struct outgoing *o, const struct findings *f, struct span text, bool chunked);
void outgoing_free(struct outgoing *o);
/* At most OUTGOING_RUNS; 0 at the end. */
int outgoing_runs(const struct outgoing *o, struct iovec *runs);
void outgoing_advance(struct outgoing *o, const struct iovec *runs, int count, size_t sent);
bool outgoing_is_done(const struct outgoing *o);
