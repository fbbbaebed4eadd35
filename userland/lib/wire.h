/*
 * wire: one Varlink connection by hand, for calls that come a thousand times a second.
 *
 * sd_varlink costs seven turns of the event loop a call; on the path of every mail that is more
 * than the call itself. What goes over the socket is the same: a JSON text and a NUL byte, with a
 * descriptor beside it. One call is under way at a time, so a text is all that there is to be read.
 *
 *	wire_send() > readable > wire_receive() until 1 > the other side's turn
 *
 * Owns: the socket, and a descriptor that came and was not fetched.
 * Limits: texts of WIRE_BYTES_MAX. A text that the socket's buffer does not take at once fails:
 * whoever calls has read the last answer, so the buffer is empty, and larger than that.
 * Refuses: a second text behind the first, a longer one, with -EPROTO and -EMSGSIZE.
 */
#pragma once

#include "lib/span.h"

#define WIRE_BYTES_MAX (128u << 10)

struct wire {
	int fd;
	int passed; /* the descriptor that came with the text, or -1 */
	char *part; /* of a text that came in pieces; heap or NULL */
	size_t part_bytes;
};

/* Connects to a socket of that path; -errno. */
int wire_open(struct wire *w, const char *path);
/* Takes over a connected, non-blocking socket. */
void wire_take(struct wire *w, int fd);
void wire_close(struct wire *w);
/* text without its NUL; fd, or -1, stays the caller's. 0 or -errno. */
int wire_send(struct wire *w, struct span text, int fd);
/* Reads once. 1 with a terminated text, good until the next call of any wire; 0: more is to come;
 * -ECONNRESET at the end. */
int wire_receive(struct wire *w, char **ret);
