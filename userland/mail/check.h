/*
 * check: asks other processes about a sealed message, all at the same time.
 *
 * A check is a file check_<name>.c with one struct mail_check and a line in checks.def: which
 * Varlink method it calls, with which parameters, and how the answer becomes findings.
 * checks_start() opens one connection per check, passes the message as a read-only descriptor and
 * returns; when the last answer is there, or CHECK_TIMEOUT_S is over, on_done is called from the
 * loop. A check that cannot be asked or answers nonsense leaves a reason in findings.unchecked.
 *
 * Owns: the connections and the findings, from checks_start() to checks_stop().
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

struct mail_check {
	const char *name;
	const char *socket; /* in path_run() */
	const char *method;
	int (*ask)(const struct envelope *e, const char *authserv_id, sd_json_variant **ret);
	/* -EBADMSG when the answer does not have the form it should. */
	int (*read)(sd_json_variant *answer, struct span message, struct findings *f);
};

struct check_run {
	const struct mail_check *check;
	struct checks *owner;
	sd_varlink *link; /* NULL: answered, or never asked */
};

struct checks {
	struct check_run runs[CHECK_MAX];
	unsigned pending;
	struct span message;
	struct findings found;
	void (*on_done)(void *userdata);
	void *userdata;
};

struct check_question {
	const struct envelope *envelope;
	const char *authserv_id;
	const struct spool *spool;
};

/* Every check is under way or already failed when this returns; pending may be 0, and on_done is
 * then not called. */
void checks_start(struct checks *c, sd_event *event, const struct check_question *q);
void checks_stop(struct checks *c);

/* Copies a string member, cut to cap and with '?' for what is not printable ASCII. False when it is
 * missing or not a string. */
bool check_text(sd_json_variant *object, const char *key, char *out, size_t cap);
