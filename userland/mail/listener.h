/*
 * listener: the sockets that SMTP clients reach, and the accepting of their connections.
 *
 * systemd passes them under the name "smtp"; by hand there is one, from --listen. Over the
 * setting max-sessions a client gets 421 and is closed; when the process is out of descriptors it
 * is closed without a word, with the one kept in reserve for that.
 */
#pragma once

#include "mail/session.h"

#define LISTENERS_MAX 4
#define LISTENER_BATCH 16 /* accepted in one turn of the loop */

struct listener {
	struct mail_shared *shared;
	struct listener_socket {
		struct listener *listener;
		struct poller_source source;
		int fd;
	} sockets[LISTENERS_MAX];
	int count;
	int reserve;
};

/* by_hand: NULL for systemd's sockets; -ENOENT when there are none. */
int listener_open(struct listener *l, struct mail_shared *shared, const struct endpoint *by_hand);
void listener_close(struct listener *l);
