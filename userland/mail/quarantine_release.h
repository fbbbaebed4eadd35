/*
 * quarantine_release: a kept message goes on to its server, as maild's own SMTP client.
 *
 * The server is dialled like a session's, with the address of the client that sent the message (its
 * port may be in use: any other), so the server sees the sender it would have seen. One
 *transaction, in lockstep: HELO name of the checkpoint, the envelope as it was, the message as it
 *lies there.
 *
 *	CONNECT > BANNER > HELLO [> STARTTLS > TLS > HELLO] > MAIL > RCPT ... > DATA > SEND > FINAL
 *> done
 *
 * Any reply that is not the wanted one ends it, and the message stays; so does a time-out. All
 * recipients or none. It leaves the quarantine when the server has said 2xx to its end. DSN wishes
 * of the envelope and a login of the client are not kept. TLS is what the settings say for a
 *session to that server and for the recipients' domains: where it is opportunistic and fails, the
 *server is dialled again and spoken to in the clear; where it is required, the message stays.
 *
 * Limits: RELEASES_MAX at once; RELEASE_STEP_S for each reply.
 */
#pragma once

#include "mail/quarantine.h"
#include "mail/session.h"

#define RELEASES_MAX 8
#define RELEASE_STEP_S 60

/* text: the reply of the server, or what went wrong; printable ASCII. */
typedef void (*release_fn)(void *userdata, bool delivered, const char *text);

/* Takes the entry over when it returns 0; on_done is then called once, later. -EBUSY or another
 * -errno. */
int release_start(struct mail_shared *shared, struct quarantine_entry *entry, release_fn on_done,
	void *userdata);
