/*
 * file: a file that crosses the wire inside a protocol: a body, an attachment, a download.
 *
 * The reader opens it with a name, appends what it decodes and closes it. The beginning of the
 * content, up to FILE_DATA_BYTES, is kept for the rules (file.data); the size and, when asked for,
 * the hashes are of all of it. At its end the reader reports it in a unit, which becomes a fileinfo
 * event.
 *
 * Limits: FILE_DATA_BYTES of content and FILE_NAME_BYTES of name a file, FILES_BYTES of content a
 * thread. Beyond, content is counted and hashed but rules do not see it.
 */
#pragma once

#include "lib/jsonw.h"
#include "lib/span.h"

#define FILE_DATA_BYTES (128u << 10)
#define FILE_NAME_BYTES 255
#define FILES_BYTES (64u << 20)

enum file_state { FILE_OPENED, FILE_CLOSED, FILE_TRUNCATED };

struct file_hash;

struct file {
	bool to_server;
	bool reported;
	enum file_state state;
	bool gaps;
	uint32_t tx_id;
	uint64_t size;
	uint8_t name_n;
	uint8_t name[FILE_NAME_BYTES];
	uint8_t *bytes;
	size_t n, room;
	size_t told;            /* of n, when rules last looked */
	struct file_hash *hash; /* NULL: not asked for */
	char md5[33], sha256[65];
};

void file_open(struct file *f, struct span name, bool to_server, uint32_t tx_id, bool hashed);
/* used_bytes: of all files of the thread. */
void file_append(struct file *f, size_t *used_bytes, struct span data);
void file_close(struct file *f, enum file_state state);
void file_fini(struct file *f, size_t *used_bytes);

/* Worth another look of the rules: the first bytes, then at each doubling, then when it is whole;
 * so what is looked at again costs no more than twice the content. */
bool file_is_due(const struct file *f);

static inline struct span file_data(const struct file *f)
{
	return span_of(f->bytes, f->n);
}

static inline struct span file_name(const struct file *f)
{
	return span_of(f->name, f->name_n);
}

/* The members of fileinfo, or of one of an alert's files. */
void file_put(struct jsonw *w, const struct file *f);
