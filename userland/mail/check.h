/*
 * check: asks other processes about a sealed message, all at the same time.
 *
 * A check is a file check_<name>.c with one struct mail_check and a line in checks.def: which
 * Varlink method it calls, with which parameters, and how the answer becomes findings.
 * checks_start() asks over one connection per check, passes the message as a read-only descriptor
 * and returns; when the last answer is there, or CHECK_TIMEOUT_S is over, on_done is called from
 * the loop. A check that cannot be asked or answers nonsense leaves a reason in findings.unchecked.
 * A connection that was kept from an earlier message and has gone since is made again, once.
 *
 * Owns: the connections and the findings, from checks_start() to checks_stop().
 * Limits: CHECK_IDLE_MAX connections of a check are kept for later messages.
 */
#pragma once

#include <systemd/sd-event.h>
#include <systemd/sd-varlink.h>

#include "lib/span.h"
#include "mail/envelope.h"
#include "mail/findings.h"
#include "mail/spool.h"

#define CHECK_TIMEOUT_S 30
#define CHECK_MAX 4
#define CHECK_IDLE_MAX 32

struct mail_check {
	const char *name;
	const char *socket; /* in path_run() */
	const char *method;
	bool keeps; /* its process serves many calls a connection, several at a time */
	int (*ask)(const struct envelope *e, const char *authserv_id, sd_json_variant **ret);
	/* -EBADMSG when the answer does not have the form it should. */
	int (*read)(sd_json_variant *answer, struct span message, struct findings *f);
};

struct check_run {
	const struct mail_check *check;
	struct checks *owner;
	sd_varlink *link; /* NULL: answered, or never asked */
	bool kept;        /* the link is from an earlier message */
};

struct check_question {
	const struct envelope *envelope;
	const char *authserv_id;
	const struct spool *spool;
};

struct checks {
	struct check_run runs[CHECK_MAX];
	unsigned pending;
	sd_event *event;
	struct check_question question;
	struct span message;
	struct findings found;
	void (*on_done)(void *userdata);
	void *userdata;
};

/* What q points at must stay until checks_stop(). Every check is under way or already failed when
 * this returns; pending may be 0, and on_done is then not called. */
void checks_start(struct checks *c, sd_event *event, const struct check_question *q);
void checks_stop(struct checks *c);
/* Closes the connections that are kept. */
void checks_forget(void);

/* Copies a string member, cut to cap and with '?' for what is not printable ASCII. False when it is
 * missing or not a string. */
bool check_text(sd_json_variant *object, const char *key, char *out, size_t cap);
