/*
 * caller: those who have mailauthd judge mails, maild's connections in practice, each with one call
 * at a time (lib/wire.h).
 *
 * Story: callers_listen() accepts; a call of a method that is served goes to on_call with its
 * parameters and the descriptor that came with it. Whoever took it answers once, then or later,
 * with caller_reply() or caller_error(): only then may the next call come on that connection. A
 * caller that has gone meanwhile is still answered, to nobody.
 *
 * Limits: CALLERS_MAX connections, more are closed. A caller that does not read its answer, or
 * speaks while a call is under way, loses its connection.
 */
#pragma once

#include <systemd/sd-event.h>
#include <systemd/sd-json.h>

#include "lib/span.h"

#define CALLERS_MAX 2048

struct caller;

struct callers {
	sd_event *event;
	const char *method;
	/* parameters is NULL when there are none; fd is the callee's, or -1 */
	void (*on_call)(struct caller *c, sd_json_variant *parameters, int fd, void *ctx);
	void *ctx;
	sd_event_source *io;
	struct caller *first;
	unsigned count;
	uint64_t turned_away;
};

/* event, method, on_call and ctx are set. The socket is that of control_socket(name). */
int callers_listen(struct callers *all, const char *name);
void callers_close(struct callers *all);

/* text: the whole reply as JSON. */
void caller_reply(struct caller *c, struct span text);
/* key may be NULL: without parameters. */
void caller_error(struct caller *c, const char *error, const char *key, const char *text);
