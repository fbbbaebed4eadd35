/*
 * tar: reads a POSIX ustar archive (IEEE 1003.1, pax, section "ustar Interchange Format") as its
 * bytes arrive, and hands the regular files to the caller.
 *
 * The bytes are hostile. Extended headers (pax, GNU long names) are skipped with their content, so
 * a file keeps its short name; folders are passed over.
 *
 * Limits: TAR_ENTRIES, and the caller's for the bytes of all bodies, wanted or not; an archive
 * beyond them is TAR_BAD with the limit named in `why`. Refuses: links, devices, absolute names,
 * names with "..", a wrong checksum, an end in the middle.
 */
#pragma once

#include "lib/span.h"

#define TAR_BLOCK 512
#define TAR_NAME_CHARS 255
#define TAR_ENTRIES 4096

enum tar_result {
	TAR_MORE, /* feed the next bytes */
	TAR_END,  /* the end marker has been seen; what follows is padding */
	TAR_BAD,  /* see why */
};

struct tar_ops {
	/* 1: give me its data; 0: skip it; negative: refuse the archive (set *why, a constant). */
	int (*file)(void *ctx, const char *name, uint64_t bytes, const char **why);
	int (*data)(void *ctx, struct span s, const char **why);
	/* The file is complete. */
	int (*done)(void *ctx, const char **why);
};

struct tar {
	const struct tar_ops *ops;
	void *ctx;
	const char *why; /* set with TAR_BAD */
	uint8_t header[TAR_BLOCK];
	size_t header_bytes; /* of the next header that have arrived */
	uint64_t body_left;
	size_t padding_left;
	bool wanted; /* the present body goes to the caller */
	bool zero;   /* the last block was all zeroes */
	bool ended;
	unsigned entries;
	uint64_t bytes_left; /* of the limit */
	char name[TAR_NAME_CHARS + 2];
};

void tar_init(struct tar *t, const struct tar_ops *ops, void *ctx, uint64_t bytes_max);
enum tar_result tar_feed(struct tar *t, struct span s);
/* Between two entries: some writers leave the end marker out. */
static inline bool tar_is_between(const struct tar *t)
{
	return t->entries > 0 && t->body_left == 0 && t->padding_left == 0 && t->header_bytes == 0;
}
