/*
 * job: one message under evaluation in mailauthd.
 *
 * Story: job_start() takes the sealed message in and evaluates; while DNS questions are open, they
 * are with the resolver and the loop does other things; when they are answered the evaluation goes
 * on. Meanwhile the body is hashed, JOB_READ_BYTES at a turn of the loop and only when nothing else
 * wants to run, so a large message delays nobody. At the end, or at JOB_DEADLINE_S for DNS, `done`
 * gets the evaluation, once, and frees the job.
 *
 * Owns: the copy or mapping of the message, the evaluator, the DNS table, its batch of questions.
 *
 * Limits: JOB_MESSAGE_BYTES_MAX; JOB_DEADLINE_S seconds and EVALUATE_ROUNDS_MAX rounds, after which
 * what is still unknown is a DNS failure (temperror).
 *
 * Refuses: a descriptor that is not a memfd sealed against writing and shrinking: its bytes could
 * change between two rounds, or vanish under the mapping.
 */
#pragma once

#include "mailauth/evaluate.h"
#include "mailauth/resolve.h"

#define JOB_MESSAGE_BYTES_MAX (1u << 30)
#define JOB_DEADLINE_S 20
#define JOB_READ_BYTES (256u << 10)
#define JOB_COPY_BYTES (64u << 10) /* larger messages are mapped */

struct job;

struct job_request {
	struct envelope envelope; /* strings are copied */
	const char *authserv_id;
	const struct judge *judge; /* outlives the job */
	int fd;                    /* not taken */
	void (*done)(struct job *j, const struct evaluation *e, void *ctx);
	void *ctx;
};

/* -EBADF: not sealed; -EFBIG: too large. A NULL resolver answers nothing: all of DNS is a failure.
 * *ret is set before `done` is called, which may be from in here: with all answers at hand there is
 * nothing to wait for. */
int job_start(sd_event *event, struct resolver *resolver, const struct job_request *request,
	struct job **ret);
/* What DNS has not answered by now is a failure: the job ends soon. False: it does not wait for
 * DNS. */
bool job_hurry(struct job *j);
void job_free(struct job *j);
