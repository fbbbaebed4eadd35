/*
 * job: one message under evaluation in mailauthd.
 *
 * Story: job_start() maps the sealed message and evaluates; while DNS questions are open, they are
 * with the resolver and the loop does other things; when they are answered the evaluation begins
 * again. At the end, or at JOB_DEADLINE_S, `done` gets the evaluation, once, and frees the job.
 *
 * Owns: the mapping, the DNS table, its batch of questions.
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

struct job;

struct job_request {
	struct envelope envelope; /* strings are copied */
	const char *authserv_id;
	int fd; /* not taken */
	void (*done)(struct job *j, const struct evaluation *e, void *ctx);
	void *ctx;
};

/* -EBADF: not sealed; -EFBIG: too large. A NULL resolver answers nothing: all of DNS is a failure.
 * `done` is called from the event loop, never from here. */
int job_start(sd_event *event, struct resolver *resolver, const struct job_request *request,
	struct job **ret);
void job_free(struct job *j);
