/*
 * leg: one TCP connection of a session, non-blocking, with a buffer in each direction.
 *
 * The session reads `in` and appends to `out`; the leg moves bytes between these and the socket
 * and asks the loop for exactly the events it can use: no EPOLLIN when `in` is full (the peer then
 * waits), no EPOLLOUT when `out` is empty.
 *
 * Limits: the buffers. The session keeps lockstep, so a reply or a command always fits; what does
 * not fit is refused by leg_send() and ends the session.
 */
#pragma once

#include <systemd/sd-event.h>

#include "lib/span.h"

#define LEG_BUFFER_BYTES 16384

struct leg_buffer {
	size_t start, end;
	uint8_t bytes[LEG_BUFFER_BYTES];
};

struct leg {
	int fd; /* -1: not open */
	sd_event_source *io;
	uint32_t events;
	bool connecting;
	bool eof;  /* the peer sends no more */
	bool dead; /* error: nothing goes in either direction */
	struct leg_buffer in, out;
};

/* Takes fd over. The loop calls on_io with userdata. */
int leg_open(struct leg *l, sd_event *event, int fd, bool connecting, sd_event_io_handler_t on_io,
	void *userdata);
void leg_close(struct leg *l);
/* Closes with RST instead of FIN. */
void leg_abort(struct leg *l);

struct span leg_in(const struct leg *l);
void leg_consume(struct leg *l, size_t n);
/* False when it does not fit. */
bool leg_send(struct leg *l, struct span bytes);
/* Free space of out, to be filled by the caller and then counted with leg_filled(). */
uint8_t *leg_space(struct leg *l, size_t *ret_cap);
void leg_filled(struct leg *l, size_t n);
bool leg_is_flushed(const struct leg *l);

/* Socket to in: true when bytes came or the state changed. */
bool leg_read(struct leg *l);
/* out to socket: true when bytes went. */
bool leg_flush(struct leg *l);
/* Asks the loop for what the leg can use now. */
void leg_arm(struct leg *l);
