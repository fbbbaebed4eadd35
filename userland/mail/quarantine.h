/*
 * quarantine: messages that are kept here instead of going on: files, and an index in SQLite.
 *
 * A message is kept when quarantine_put() returns 0: its file, its folder and its row are then on
 * the disk (fsync), and only then the client is told 250. A file without a row is what was left
 * when maild ended in between: its client never had a 250, and the file goes at the next start. The
 * file is the message as it would have gone on, with its results in front.
 *
 * Limits: the settings' bytes and days; the oldest go first, on_expired says which. A message that
 * does not fit the disk or is larger than the whole quarantine is refused with -errno.
 * Blocks for the time of the fsyncs: a message is kept rarely.
 */
#pragma once

#include <sys/uio.h>

#include "mail/envelope.h"

struct quarantine;

struct quarantine_entry {
	uint64_t id;
	int64_t time; /* Unix */
	uint64_t bytes;
	unsigned vlan; /* that it came in; 0: none */
	/* The texts of one that was read live until quarantine_entry_free(). */
	char *file, *client, *server, *relay, *sender, *recipients, *author, *subject, *rule, *why;
};

struct quarantine_stats {
	uint64_t messages, bytes;
	int64_t oldest; /* Unix; 0: none */
};

typedef void (*quarantine_fn)(void *ctx, const struct quarantine_entry *e);

/* Opens or begins the quarantine in this folder; what an earlier end left over goes. */
int quarantine_open(
	const char *folder, quarantine_fn on_expired, void *ctx, struct quarantine **ret);
void quarantine_close(struct quarantine *q);
/* The oldest go until it fits. */
void quarantine_limit(struct quarantine *q, uint64_t max_bytes, unsigned max_days);

/* e: all but id, time, bytes and file. recipients: one a line. */
int quarantine_put(struct quarantine *q, const struct quarantine_entry *e, const struct iovec *runs,
	unsigned count, uint64_t *ret_id);
/* -ENOENT when there is none. */
int quarantine_get(struct quarantine *q, uint64_t id, struct quarantine_entry *ret);
void quarantine_entry_free(struct quarantine_entry *e);
/* Newest first, not older than since; on_entry's entry lives during the call. */
int quarantine_list(
	struct quarantine *q, int64_t since, unsigned limit, quarantine_fn on_entry, void *ctx);
int quarantine_remove(struct quarantine *q, uint64_t id);
/* A read-only descriptor of the message. */
int quarantine_message(struct quarantine *q, const struct quarantine_entry *e);
int quarantine_stats(struct quarantine *q, struct quarantine_stats *ret);
