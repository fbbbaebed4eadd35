/*
 * spool: where one message waits while it is checked: a memfd, and when it grows large a file.
 *
 * spool_write() appends the canonical bytes. The first SPOOL_HEAP_BYTES stay on the heap, which for
 * most messages is all: they go into a memfd when they are sealed, and what is sent on is the
 * heap's copy, since mapping and unmapping costs more than copying. A message that outgrows
 * memory_bytes, or that comes when the pool is used up, moves to a file without a name on the data
 * partition, which is gone with the process. spool_seal() makes a memfd immutable (F_SEAL_*);
 * spool_reopen() gives a check a read-only description of its own, so that no reader moves
 * another's file position and none can change what will be sent on.
 *
 * Limits: the largest message, and the two pools: all messages in memory, and on disk, at once.
 * What is over is dropped, `full` says which, and the caller answers 552 or 452 at the end of
 * data.
 */
#pragma once

#include "lib/span.h"

#define SPOOL_HEAP_BYTES 65536

struct spool_pool {
	uint64_t max_bytes, used_bytes;           /* in memory */
	uint64_t disk_max_bytes, disk_used_bytes; /* 0: there is no disk */
	uint64_t memory_bytes;                    /* of one message */
	const char *folder;
};

enum spool_full { SPOOL_FITS, SPOOL_MESSAGE_FULL, SPOOL_POOL_FULL };

struct spool {
	struct spool_pool *pool;
	int fd; /* -1: all of it is on the heap */
	bool on_disk;
	uint8_t *heap; /* the first bytes, heap_bytes of them */
	size_t heap_bytes, heap_cap;
	uint64_t bytes;
	uint64_t max_bytes;
	enum spool_full full;
	void *map; /* after spool_seal(), bytes long */
};

void spool_open(struct spool *s, struct spool_pool *pool, uint64_t max_bytes);
void spool_close(struct spool *s);
/* 0 also when a limit is hit. -errno when the memfd or the file cannot grow. */
int spool_write(struct spool *s, struct span bytes);
int spool_seal(struct spool *s);
struct span spool_text(const struct spool *s);
/* A new read-only descriptor, or -errno. */
int spool_reopen(const struct spool *s);
/* A quarter of the machine's memory. */
uint64_t spool_pool_default(void);
