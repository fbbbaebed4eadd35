/*
 * leg: one TCP connection of a session, non-blocking, in the clear or under TLS.
 *
 * The session reads `in` and appends to `out`; the leg moves bytes between these and the socket
 * and asks the loop for exactly the events it can use: no EPOLLIN when `in` is full (the peer then
 * waits), no EPOLLOUT when `out` is empty. A leg has a buffer only while there are bytes in it:
 * what a peer has left half said when the loop goes on is moved into a block of its own size
 * (leg_park), so that ten thousand silent connections cost next to nothing.
 *
 *	leg_tls() > leg_handshake() until LEG_DONE > leg_read(), leg_flush(): as before, encrypted
 *
 * Limits: LEG_BUFFER_BYTES a direction. The session keeps lockstep, so a reply or a command always
 * fits; what does not fit is refused by leg_send() and ends the session.
 */
#pragma once

#include <openssl/ssl.h>
#include <sys/uio.h>

#include "lib/span.h"
#include "mail/poller.h"

#define LEG_BUFFER_BYTES 32768
#define LEG_SPARE_MAX 64 /* buffers kept for the next leg that needs one */

struct leg_buffer {
	size_t start, end, cap;
	uint8_t bytes[];
};

struct leg {
	int fd; /* -1: not open */
	struct poller_source source;
	bool connecting;
	bool handshaking;
	bool eof;      /* the peer sends no more */
	bool dead;     /* error: nothing goes in either direction */
	bool blocked;  /* the socket took less than it was given */
	SSL *tls;      /* NULL: in the clear */
	int tls_wants; /* SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE, 0 */
	struct leg_buffer *in, *out;
};

enum leg_handshake { LEG_DONE, LEG_WAIT, LEG_FAILED };

/* Takes fd over. on_io is called with userdata when it is ready. */
int leg_open(struct leg *l, int fd, bool connecting, void (*on_io)(void *userdata, uint32_t events),
	void *userdata);
void leg_close(struct leg *l);
/* Closes with RST instead of FIN. */
void leg_abort(struct leg *l);

struct span leg_in(const struct leg *l);
void leg_consume(struct leg *l, size_t n);
/* False when it does not fit. */
bool leg_send(struct leg *l, struct span bytes);
size_t leg_room(const struct leg *l);
bool leg_is_flushed(const struct leg *l);
/* As much of the runs as goes, straight to the socket where that is possible; the bytes taken. */
size_t leg_sendv(struct leg *l, const struct iovec *runs, int count);

/* Takes tls over (NULL: out of memory, false). `in` must be empty and `out` flushed. */
bool leg_tls(struct leg *l, SSL *tls);
enum leg_handshake leg_handshake(struct leg *l);

/* Socket to in: true when bytes came or the state changed. */
bool leg_read(struct leg *l);
/* Bytes that OpenSSL has read from the socket already: no event will tell of them. */
bool leg_has_more(const struct leg *l);
/* out to socket: true when bytes went. */
bool leg_flush(struct leg *l);
/* Gives back what buffers can be given back. */
void leg_park(struct leg *l);
/* Asks the loop for what the leg can use now. */
void leg_arm(struct leg *l);
