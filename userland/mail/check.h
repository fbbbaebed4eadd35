/*
 * check: asks other processes about a sealed message, all at the same time.
 *
 * A check is a file check_<name>.c with one struct mail_check and a line in checks.def: which
 * Varlink method it calls, with which parameters, and how the answer becomes findings.
 * checks_start() asks over one connection per check, passes the message as a descriptor that
 * cannot be written through, and returns; when the last answer is there on_done is called from the
 * loop. A check that cannot be asked or answers nonsense leaves a reason in findings.unchecked; so
 * does one that has not answered when the owner calls checks_give_up() at deadline_us.
 *
 * A connection is kept for later messages when the check says so and its answer has been read
 * whole: one call at a time is on it, so no answer can be taken for another message's. One that was
 * kept and has gone since says nothing about the check: it is made again, once.
 *
 * Owns: the connections and the findings, from checks_start() to checks_stop().
 * Limits: CHECK_IDLE_MAX connections of a check are kept; questions of CHECK_QUESTION_BYTES.
 */
#pragma once

#include <systemd/sd-json.h>

#include "lib/jsonw.h"
#include "lib/span.h"
#include "mail/envelope.h"
#include "mail/findings.h"
#include "mail/spool.h"

#define CHECK_TIMEOUT_S 30
#define CHECK_MAX 4
#define CHECK_IDLE_MAX 32
#define CHECK_QUESTION_BYTES 16384

struct mail_check {
	const char *name;
	const char *socket; /* in path_run() */
	const char *method;
	bool keeps; /* its process serves many calls a connection */
	/* The members of the parameters. */
	void (*ask)(struct jsonw *w, const struct envelope *e, const char *authserv_id);
	/* -EBADMSG when the answer does not have the form it should. */
	int (*read)(sd_json_variant *answer, struct span message, struct findings *f);
};

extern const struct mail_check check_auth, check_scan;

struct check_link;

struct check_run {
	const struct mail_check *check;
	struct checks *owner;
	struct check_link *link; /* NULL: answered, or never asked */
	bool kept;               /* the link is from an earlier message */
};

struct check_question {
	const struct envelope *envelope;
	const char *authserv_id;
	const struct spool *spool;
	bool no_scan; /* the antivirus is switched off */
};

struct checks {
	struct check_run runs[CHECK_MAX];
	unsigned pending;
	uint64_t deadline_us; /* the owner's */
	struct check_question question;
	struct span message;
	struct findings found;
	void (*on_done)(void *userdata);
	void *userdata;
};

/* What q points at must stay until checks_stop(). Every check is under way or already failed when
 * this returns; pending may be 0, and on_done is then not called. */
void checks_start(struct checks *c, const struct check_question *q);
/* What has not answered has failed; on_done is not called. */
void checks_give_up(struct checks *c);
void checks_stop(struct checks *c);
/* Closes the connections that are kept. */
void checks_forget(void);

/* Copies a string member, cut to cap and with '?' for what is not printable ASCII. False when it is
 * missing or not a string. */
bool check_text(sd_json_variant *object, const char *key, char *out, size_t cap);
