/*
 * dial: how maild asks maildial, which holds the privilege that maild does not have, for sockets.
 *
 * One connection of whole records (SOCK_SEQPACKET) for everything, made again when maildial was
 * restarted. A request is a struct dial_request; its answer is a struct dial_answer with the same
 * number and, when error is 0, the descriptor of a connecting, non-blocking socket. A beat has no
 * answer. Fixed records and not Varlink: a mail is a connection, and this is half of what it costs
 * (ADR 0011).
 *
 * Limits: DIAL_PENDING_MAX requests without an answer; more fail with -EBUSY.
 */
#pragma once

#include <sys/socket.h>
#include <systemd/sd-event.h>

#include "mail/envelope.h"
#include "mail/poller.h"

#define DIAL_SOCKET "dial"
#define DIAL_BEAT_MS 500
#define DIAL_PENDING_MAX 1024

enum dial_kind {
	DIAL_BEAT,
	DIAL_TRANSPARENT, /* from the source's address and port */
	DIAL_RELAY,       /* from an address of the box itself, by its own routes */
};

struct dial_request {
	uint32_t number;
	uint32_t kind;
	uint32_t mark; /* of the client's connection, its bits for VLANs (lib/mark.h) */
	struct sockaddr_storage source, destination;
};

struct dial_answer {
	uint32_t number;
	int32_t error; /* negative errno, 0 with a descriptor */
};

/* One wish of a session; zero: none under way. */
struct dial {
	uint32_t number;
	/* fd is the socket, now the callee's, or -errno */
	void (*on_done)(void *userdata, int fd);
	void *userdata;
	struct dial *next, *previous;
};

struct dialler {
	sd_event *event;
	int fd; /* -1: not connected */
	struct poller_source io;
	sd_event_source *timer;
	uint32_t number;
	unsigned pending;
	struct dial *first;
	bool lost; /* said so in the log */
};

/* Connects, and beats from now on. */
int dialler_start(struct dialler *d, sd_event *event);
void dialler_stop(struct dialler *d);

/* mark: what the onward connection leaves by (envelope.h), 0 for the routes of the box. on_done is
 * not called when this fails. */
int dial_start(struct dialler *d, struct dial *wish, enum dial_kind kind,
	const struct endpoint *source, const struct endpoint *destination, uint32_t mark);
void dial_stop(struct dialler *d, struct dial *wish);
