/*
 * mime: takes a message apart into everything that any common reader would show.
 *
 * Mail readers do not agree on broken MIME, and an attacker breaks it on purpose: what the scanner
 * overlooks, the recipient's program opens. So this reader does not decide which reading is right.
 * It reads loosely and gives every reading: each body that some reader could take for the part's
 * body, split at each line that some reader could take for a delimiter, decoded in each encoding
 * that the header names anywhere, and, where decoders differ (padding in the middle, foreign
 * letters, bad escapes), in each way they differ. Equal readings are given once.
 *
 *	mime_read(message, &limits, on_part, ctx, &report)
 *
 * calls on_part() for each part with its decoded bytes and the names a reader would show. Parts are
 * looked into again: messages, uuencode, yEnc, BinHex, TNEF, and base64 that nobody declared.
 * Decoders keep one part per level in memory, freed before the next one is read; the message itself
 * is only looked at (RFC 5322, 2045, 2046, 2047, 2183, 2231; MS-OXTNEF; RFC 1741 for BinHex).
 *
 * Limits: struct mime_limits. At one of them reading ends and the report names it: the caller must
 * not take the message for clean. Work (bytes looked at, all readings together) is bounded by
 * MIME_WORK_FACTOR times the message.
 * Refuses (the report's `ambiguous`): what no one can read to the end here: a piece of a message
 * that the recipient's program puts together from several mails, a NUL in the header, a BinHex file
 * that is damaged.
 */
#pragma once

#include "lib/span.h"

#define MIME_NAMES_MAX 4
#define MIME_NAME_BYTES 256
#define MIME_TYPE_BYTES 96
#define MIME_WORK_FACTOR 96
#define MIME_WORK_BYTES (64u << 20) /* on top, for small messages */

enum mime_encoding {
	MIME_IDENTITY,
	MIME_BASE64,
	MIME_QP,
	MIME_UU,
	MIME_YENC,
	MIME_BINHEX,
	MIME_TNEF,
};

enum mime_limit {
	MIME_LIMIT_NONE,
	MIME_LIMIT_DEPTH,
	MIME_LIMIT_PARTS,
	MIME_LIMIT_HEADER,
	MIME_LIMIT_SIZE,
	MIME_LIMIT_WORK,
	MIME_LIMIT_MEMORY,
};

struct mime_limits {
	unsigned depth;         /* parts within parts */
	unsigned parts;         /* readings given to the caller */
	size_t header_bytes;    /* one header block */
	uint64_t decoded_bytes; /* all decoded parts together */
};

struct mime_part {
	unsigned number; /* from 1, in the order of reading */
	unsigned depth;
	enum mime_encoding encoding;
	char type[MIME_TYPE_BYTES]; /* as declared, lower case; "" when nothing is */
	/* What readers would call the file: decoded, controls replaced by '?'. */
	char names[MIME_NAMES_MAX][MIME_NAME_BYTES];
	unsigned name_count;
	struct span content; /* valid during the call */
};

struct mime_report {
	enum mime_limit limit;
	const char *ambiguous; /* why; NULL when it can be read */
	unsigned parts;
	uint64_t decoded_bytes;
};

/* Not 0 ends the reading. */
typedef int (*mime_part_fn)(void *ctx, const struct mime_part *part);

/* 0, or what on_part() returned. A limit that was hit is in the report. */
int mime_read(struct span message, const struct mime_limits *limits, mime_part_fn on_part,
	void *ctx, struct mime_report *ret);
/* "depth", "parts", "header", "size", "work", "memory"; "" for none */
const char *mime_limit_name(enum mime_limit limit);
const char *mime_encoding_name(enum mime_encoding encoding);
