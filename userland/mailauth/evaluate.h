/*
 * evaluate: the judgement of one mail as a pure function (ADR 0004).
 *
 *	(message, envelope with the time, DNS answers, our name, keys and trusted sealers)
 *		-> evaluation, or "more DNS answers, please", or "let me read on in the body"
 *
 * Story: evaluator_new() takes the header apart. evaluator_step() notes in the table what it wants
 * to know: SPF walks its record, the signatures and seals say which keys and the From field says
 * which policies are needed. The caller answers the questions and has evaluator_read() hash the
 * body meanwhile, in portions of its liking; when neither is open, a step gives the result.
 *
 * Limits: EVALUATE_ROUNDS_MAX rounds, kept by the caller, who then closes the table: what is
 * still unknown is a DNS failure and ends as temperror. Questions: see dns.h.
 *
 * Refuses (refusal, with DMARC's disposition reject): a message without exactly one readable Author
 * Domain, or with a header over the limits of message.h. DMARC could not protect its reader.
 *
 * When DMARC fails, a valid ARC chain whose sealers are trusted may say that it passed before the
 * message was changed on its way: the result stays fail, the disposition becomes none, and who
 * vouched is recorded (RFC 8617, section 7.2.1).
 */
#pragma once

#include <systemd/sd-json.h>

#include "lib/jsonw.h"
#include "mailauth/authres.h"
#include "mailauth/from.h"
#include "mailauth/results.h"

#define EVALUATE_ROUNDS_MAX 48
#define EVALUATION_BYTES (120u << 10) /* as JSON; with all that can be in it about half */

struct evaluation {
	struct spf_judgement spf;
	struct dkim_judgement dkim[DKIM_SIGNATURES_MAX];
	unsigned dkim_count;
	struct arc_judgement arc;
	struct dmarc_judgement dmarc;
	struct from from;    /* empty when refused for it */
	const char *refusal; /* NULL, or why no result could protect the reader */
	char authentication_results[AUTHRES_BYTES];
	struct range *remove; /* forged fields of the message */
	unsigned remove_count;
};

/* What all mails are judged by. */
struct judge {
	struct key_cache *keys;
	char *const *trusted_sealers; /* domains in lower case, NULL at the end */
};

struct evaluate_request {
	struct span bytes; /* the message */
	struct envelope envelope;
	const char *authserv_id; /* one that authres_is_id() */
	const struct judge *judge;
};

enum evaluate_state {
	EVALUATE_ASK,  /* the table has open questions */
	EVALUATE_READ, /* the body is not read to its end */
	EVALUATE_DONE,
};

struct evaluator;

/* NULL: out of memory. All that the request points at must outlive it. */
struct evaluator *evaluator_new(const struct evaluate_request *request);
void evaluator_free(struct evaluator *v);
enum evaluate_state evaluator_step(struct evaluator *v, struct dns_table *dns);
/* Reads about so many bytes of the body. True: all is read. */
bool evaluator_read(struct evaluator *v, size_t bytes);
/* After EVALUATE_DONE. */
const struct evaluation *evaluator_result(const struct evaluator *v);

/* As mailauthd answers it, at most EVALUATION_BYTES, and mailcheck prints it. */
void evaluation_write(struct jsonw *w, const char *key, const struct evaluation *e);
int evaluation_to_json(const struct evaluation *e, sd_json_variant **ret);
