/*
 * spool: where one message waits while it is checked: a memfd, never a disk.
 *
 * spool_write() appends the canonical bytes. At the end spool_seal() makes them immutable
 * (F_SEAL_*) and maps them; spool_reopen() gives a check a read-only description of its own, so
 * that no reader moves another's file position and none can change what will be sent on.
 *
 * Limits: the largest message, and the pool: all messages in memory at once. What is over either
 * limit is dropped, `full` says which, and the caller answers 552 or 452 at the end of data.
 */
#pragma once

#include "lib/span.h"

struct spool_pool {
	uint64_t max_bytes;
	uint64_t used_bytes;
};

enum spool_full { SPOOL_FITS, SPOOL_MESSAGE_FULL, SPOOL_POOL_FULL };

struct spool {
	struct spool_pool *pool;
	int fd;
	uint64_t bytes;
	uint64_t max_bytes;
	enum spool_full full;
	void *map; /* after spool_seal(), bytes long */
};

int spool_open(struct spool *s, struct spool_pool *pool, uint64_t max_bytes);
void spool_close(struct spool *s);
/* 0 also when the limit is hit. -errno when the memfd cannot grow. */
int spool_write(struct spool *s, struct span bytes);
int spool_seal(struct spool *s);
struct span spool_text(const struct spool *s);
/* A new read-only descriptor, or -errno. */
int spool_reopen(const struct spool *s);
/* A quarter of the machine's memory. */
uint64_t spool_pool_default(void);
