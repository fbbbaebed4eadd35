/*
 * call: one Varlink call on a connection, taken and answered by hand.
 *
 * sd-varlink keeps a connection to itself; a worker must be able to give one away with the call
 * already read (lane.h), so it reads the one message of the protocol that it serves: a JSON object
 * up to a NUL, with the mail's descriptor beside it. A reply is an object too.
 *
 * Limits: CALL_BYTES_MAX, CALL_WAIT_MS. A client that is slower or longer is hung up on. Further
 * descriptors than the first are closed.
 */
#pragma once

#include <stdbool.h>
#include <systemd/sd-json.h>

#define CALL_BYTES_MAX 65536
#define CALL_WAIT_MS 10000
#define CALL_MARK_BYTES 384

struct call {
	int connection;
	int message;                /* -1: none came */
	char mark[CALL_MARK_BYTES]; /* whose mail it is, printable, for the log */
	bool is_scan;               /* else the method is another one */
};

/* -errno when the client did not send a whole call in time. */
int call_read(int connection, struct call *ret);
/* parameters may be NULL. */
int call_reply(const struct call *c, sd_json_variant *parameters);
int call_error(const struct call *c, const char *error, const char *why);
/* Closes both. */
void call_close(struct call *c);
