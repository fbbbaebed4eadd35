/*
 * dial: maild's side of maildial, which holds the privilege that maild does not have.
 *
 *	interface io.sekisho.MailDial
 *	method Dial(source: string, source_port: int, destination: string, destination_port: int) ->
 *() with the descriptor of a connecting, non-blocking socket method Beat() -> ()
 *
 * One connection per Dial, closed with its answer. The beat has a connection of its own, made again
 * whenever maildial was restarted.
 */
#pragma once

#include <systemd/sd-event.h>
#include <systemd/sd-varlink.h>

#include "mail/envelope.h"

#define DIAL_TIMEOUT_S 5
#define DIAL_BEAT_MS 500

struct dial {
	sd_varlink *link;
	/* fd is the socket, now the callee's, or -errno */
	void (*on_done)(void *userdata, int fd);
	void *userdata;
};

/* on_done is not called when this fails. */
int dial_start(struct dial *d, sd_event *event, const struct endpoint *source,
	const struct endpoint *destination);
void dial_stop(struct dial *d);

struct dial_beat {
	sd_varlink *link;
	sd_event_source *timer;
	bool lost; /* said so in the log */
};

int dial_beat_start(struct dial_beat *b, sd_event *event);
void dial_beat_stop(struct dial_beat *b);
