/*
 * mail_parts: the parts of a message, line by line (RFC 2045, 2046, 2183).
 *
 * mail_parts_line() takes the lines of a message without their ends. Attachments, parts with a file
 * name, are decoded (base64, quoted-printable, or as they are) into a struct file, which the owner
 * is told of when it grows and when it ends; what the message says of itself is kept for the log.
 *
 * Limits: MIME_DEPTH boundaries inside each other, MIME_HEADER_BYTES of a header line with its
 * continuations, MIME_TEXT_BYTES of From, To, Subject; MIME_NAMES attachments named in the log.
 */
#pragma once

#include "inspect/file.h"

#define MIME_DEPTH 8
#define MIME_BOUNDARY_BYTES 128
#define MIME_HEADER_BYTES 2048
#define MIME_TEXT_BYTES 512
#define MIME_NAMES 16

enum mail_encoding { MIME_PLAIN, MIME_BASE64, MIME_QUOTED };

struct mail_text {
	uint16_t n;
	char p[MIME_TEXT_BYTES];
};

struct mail_parts;

/* done: the file is closed, this is the last time. */
typedef void mail_parts_file_fn(void *ctx, struct file *f, bool done);

struct mail_parts {
	mail_parts_file_fn *fn;
	void *ctx;
	size_t *used_bytes; /* of all files of the thread */
	bool hashed;
	uint32_t tx_id;
	bool in_body, is_top, broken;
	unsigned depth;
	struct {
		uint8_t n;
		char p[MIME_BOUNDARY_BYTES];
	} boundary[MIME_DEPTH];
	uint16_t header_n;
	char header[MIME_HEADER_BYTES];
	enum mail_encoding encoding;
	bool has_file, line_before; /* a line end is due before the next line */
	uint32_t bits, bits_n;      /* of base64 between lines */
	uint16_t name_n;
	char name[FILE_NAME_BYTES];
	struct file file;
	struct mail_text from, to, subject;
	unsigned names_n;
	struct {
		uint8_t n;
		char p[FILE_NAME_BYTES];
	} names[MIME_NAMES];
};

void mail_parts_begin(struct mail_parts *m, mail_parts_file_fn *fn, void *ctx, size_t *used_bytes,
	uint32_t tx_id, bool hashed);
void mail_parts_line(struct mail_parts *m, struct span line);
/* The message is over; whole: it was not cut off. */
void mail_parts_end(struct mail_parts *m, bool whole);
/* The members of "email". */
void mail_parts_put(struct jsonw *w, const struct mail_parts *m, bool done);
