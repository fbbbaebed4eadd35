/*
 * dns: the table of questions and answers that one message is judged from.
 *
 * The judges (SPF, DKIM, DMARC) never wait: dns_ask() gives the answer when the table has it, or
 * notes the question and gives NULL, and the judge says that it needs more. The shell looks up what
 * is open (resolve.h from the network, zone.h from a file), fills it in with dns_answer_add() and
 * dns_answer_end(), and asks the judges again.
 *
 * Owns: its answers. Names are kept in lower case without the final dot; record data is
 * followed by a NUL that is not counted.
 *
 * Limits: DNS_QUESTIONS_MAX questions a message; a further one is answered DNS_TEMPFAIL at once. An
 * answer of more than DNS_RECORDS_MAX records or DNS_DATA_BYTES_MAX bytes is DNS_TEMPFAIL: half
 * an answer proves nothing.
 *
 * Refuses: a name that DNS cannot carry (empty or long label, over 253 bytes) is DNS_NXDOMAIN
 * without a question.
 */
#pragma once

#include "lib/span.h"

#define DNS_NAME_BYTES 254 /* 253 and the NUL */
#define DNS_QUESTIONS_MAX 256
#define DNS_RECORDS_MAX 128
#define DNS_DATA_BYTES_MAX 65536

enum dns_type {
	DNS_A = 1,
	DNS_PTR = 12,
	DNS_MX = 15,
	DNS_TXT = 16,
	DNS_AAAA = 28,
};

enum dns_status {
	DNS_OPEN,     /* no answer yet */
	DNS_FOUND,    /* count > 0 */
	DNS_NODATA,   /* the name exists, the type does not */
	DNS_NXDOMAIN, /* there is no such name */
	DNS_TEMPFAIL, /* SERVFAIL, time-out, refused, too large: says nothing about the name */
};

struct dns_answer {
	char name[DNS_NAME_BYTES];
	enum dns_type type;
	enum dns_status status;
	unsigned count;
	size_t bytes;
	struct span *records; /* A 4 bytes, AAAA 16; MX and PTR the name; TXT its strings joined */
};

struct dns_table;

struct dns_table *dns_table_new(void);
void dns_table_free(struct dns_table *t);

/* The answer, or NULL when it is not known yet. */
const struct dns_answer *dns_ask(struct dns_table *t, const char *name, enum dns_type type);

/* From now on nobody will be asked: what is open, and what is asked later, is DNS_TEMPFAIL. */
void dns_table_close(struct dns_table *t);
/* Has a question been noted that has no answer? */
bool dns_is_open(const struct dns_table *t);
/* The questions so far, open or not, in the order they came up. NULL past the last. */
struct dns_answer *dns_question(struct dns_table *t, unsigned i);

void dns_answer_add(struct dns_answer *a, struct span data);
/* The status to have when no record was added; DNS_FOUND when some were. */
void dns_answer_end(struct dns_answer *a, enum dns_status without_records);
/* Ends an open answer as another one did. */
void dns_answer_copy(struct dns_answer *to, const struct dns_answer *from);
/* Frees the records. */
void dns_answer_clear(struct dns_answer *a);
