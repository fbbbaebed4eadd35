/*
 * waiter: callers of a method that starts a try and answers when it has ended.
 *
 * Limits: WAITERS_MAX at once; more are told Busy.
 */
#pragma once

#include <stdbool.h>
#include <systemd/sd-varlink.h>

#define WAITERS_MAX 16

struct waiter {
	sd_varlink *link; /* NULL: free */
	char *source;     /* NULL: all */
};

struct waiters {
	struct waiter item[WAITERS_MAX];
};

/* False when there are too many. */
bool waiters_add(struct waiters *w, sd_varlink *link, const char *source);
/* For each whose sources are done: the reply is made and sent, and it is forgotten. */
void waiters_serve(struct waiters *w, bool (*is_pending)(void *ctx, const char *source),
	int (*results)(void *ctx, const char *source, sd_json_variant **ret), void *ctx);
