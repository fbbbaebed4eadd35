/*
 * message: one mail, scanned as a whole and in every part that any reader would show.
 *
 * message_scan() lets libclamav look at the whole without its own mail reader, then at each reading
 * that lib/mime.h gives; a mail that lies in an archive is read the same way. The first virus ends
 * the search. The report says what was found where, which limit was hit, and the facts (fact.h).
 *
 * Limits: struct message_limits; one that is hit makes the result at least "limit".
 */
#pragma once

#include "lib/mime.h"
#include "scan/cache.h"
#include "scan/engine.h"
#include "scan/fact.h"

#define REPORT_DETAILS_MAX 32
#define MESSAGE_INNER_MAX 64            /* mails found in archives */
#define MESSAGE_INNER_BYTES (32u << 20) /* together; beyond: limit "size" */
#define MESSAGE_PART_BYTES 192

struct message_limits {
	struct mime_limits mime;
	unsigned time_ms; /* for all parts together */
};

struct report_detail {
	uint32_t facts;
	char part[MESSAGE_PART_BYTES];
	char text[96];
};

struct report {
	struct scan_verdict verdict;   /* the worst of all parts; facts of all */
	char part[MESSAGE_PART_BYTES]; /* where the verdict comes from: "3 invoice.zip" */
	const char *reason;            /* for ambiguous; else NULL */
	unsigned parts, cached;
	uint64_t bytes;
	struct report_detail details[REPORT_DETAILS_MAX];
	unsigned detail_count;
};

struct scanner {
	const struct engine *engine;
	struct cache *cache; /* NULL: none */
	struct message_limits limits;
	/* Called with what comes next, so that a crash can be blamed. May be NULL. */
	void (*on_part)(void *ctx, const char *part);
	void *ctx;
};

void message_limits_defaults(struct message_limits *limits);
void message_scan(const struct scanner *s, struct span message, struct report *ret);
