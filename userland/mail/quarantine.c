#include "mail/quarantine.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"

#define ENTRY_BYTES 4096 /* what a small message counts for at least, with its row */
#define FILE_SUFFIX ".eml"

struct quarantine {
	sqlite3 *db;
	int folder;
	uint64_t max_bytes;
	unsigned max_days;
	quarantine_fn on_expired;
	void *ctx;
};

static const char schema[] =
	"PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
	"CREATE TABLE IF NOT EXISTS message (id INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER,"
	" bytes INTEGER, vlan INTEGER, file TEXT UNIQUE, client TEXT, server TEXT, relay TEXT, "
	"sender TEXT,"
	" recipients TEXT, author TEXT, subject TEXT, rule TEXT, why TEXT);";

#define COLUMNS \
	"id, time, bytes, vlan, file, client, server, relay, sender, recipients, author, " \
	"subject, " \
	"rule, " \
	"why"

/* The texts of an entry in the order of COLUMNS. */
#define TEXTS 10
static void texts_of(struct quarantine_entry *e, char **(*ret)[TEXTS])
{
	char **all[TEXTS] = {&e->file, &e->client, &e->server, &e->relay, &e->sender,
		&e->recipients, &e->author, &e->subject, &e->rule, &e->why};

	memcpy(*ret, all, sizeof(all));
}

/* SQLite's results as errno: what the caller does about them is the same as for a file. */
static int error_of(int r)
{
	switch (r & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EBADMSG;
	}
	return -EIO;
}

static void statement_end(sqlite3_stmt **s)
{
	sqlite3_finalize(*s);
}

#define _cleanup_statement_ _cleanup_(statement_end)

static int statement(struct quarantine *q, const char *sql, sqlite3_stmt **ret)
{
	return error_of(sqlite3_prepare_v2(q->db, sql, -1, ret, NULL));
}

static bool has_row(struct quarantine *q, const char *file)
{
	_cleanup_statement_ sqlite3_stmt *s = NULL;

	if (statement(q, "SELECT 1 FROM message WHERE file = ?", &s) < 0)
		return true; /* nothing is taken away on a guess */
	sqlite3_bind_text(s, 1, file, -1, SQLITE_STATIC);
	return sqlite3_step(s) != SQLITE_DONE;
}

static bool is_message_file(const char *name)
{
	size_t n = strlen(name), suffix = strlen(FILE_SUFFIX);

	return n > suffix && strcmp(name + n - suffix, FILE_SUFFIX) == 0;
}

/* Files without a row. */
static int leftovers_remove(struct quarantine *q)
{
	int fd = openat(q->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		return -errno;
	for (struct dirent *e; (e = readdir(dir)) != NULL;)
		if (is_message_file(e->d_name) && !has_row(q, e->d_name))
			unlinkat(q->folder, e->d_name, 0);
	return 0;
}

/* The index as it is now; an older one has no VLANs yet. */
static int index_make(struct quarantine *q)
{
	_cleanup_statement_ sqlite3_stmt *s = NULL;
	int r = error_of(sqlite3_exec(q->db, schema, NULL, NULL, NULL));

	if (r == 0 && statement(q, "SELECT vlan FROM message", &s) < 0)
		r = error_of(sqlite3_exec(
			q->db, "ALTER TABLE message ADD COLUMN vlan INTEGER", NULL, NULL, NULL));
	return r;
}

int quarantine_open(
	const char *folder, quarantine_fn on_expired, void *ctx, struct quarantine **ret)
{
	char path[PATH_MAX];
	struct quarantine *q = calloc(1, sizeof(*q));
	int r = 0;

	if (!q)
		return -ENOMEM;
	*q = (struct quarantine){.folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		.max_bytes = UINT64_MAX,
		.on_expired = on_expired,
		.ctx = ctx};
	snprintf(path, sizeof(path), "%s/index.db", folder);
	if (q->folder < 0)
		r = -errno;
	if (r == 0)
		r = error_of(sqlite3_open_v2(path, &q->db,
			SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL));
	if (r == 0)
		r = index_make(q);
	if (r == 0)
		r = leftovers_remove(q);
	if (r < 0) {
		quarantine_close(q);
		return r;
	}
	*ret = q;
	return 0;
}

void quarantine_close(struct quarantine *q)
{
	if (!q)
		return;
	sqlite3_close(q->db);
	if (q->folder >= 0)
		close(q->folder);
	free(q);
}

/* ---- rows ---- */

void quarantine_entry_free(struct quarantine_entry *e)
{
	char **texts[TEXTS];

	texts_of(e, &texts);
	for (size_t i = 0; i < TEXTS; i++)
		free(*texts[i]);
	*e = (struct quarantine_entry){0};
}

static int entry_read(sqlite3_stmt *s, struct quarantine_entry *e)
{
	char **texts[TEXTS];

	*e = (struct quarantine_entry){.id = (uint64_t)sqlite3_column_int64(s, 0),
		.time = sqlite3_column_int64(s, 1),
		.bytes = (uint64_t)sqlite3_column_int64(s, 2),
		.vlan = (unsigned)sqlite3_column_int64(s, 3)};
	texts_of(e, &texts);
	for (int i = 0; i < TEXTS; i++) {
		const char *text = (const char *)sqlite3_column_text(s, 4 + i);
		*texts[i] = strdup(text ? text : "");
		if (!*texts[i]) {
			quarantine_entry_free(e);
			return -ENOMEM;
		}
	}
	return 0;
}

int quarantine_get(struct quarantine *q, uint64_t id, struct quarantine_entry *ret)
{
	_cleanup_statement_ sqlite3_stmt *s = NULL;
	int r = statement(q, "SELECT " COLUMNS " FROM message WHERE id = ?", &s);

	if (r < 0)
		return r;
	sqlite3_bind_int64(s, 1, (int64_t)id);
	int step = sqlite3_step(s);
	if (step == SQLITE_DONE)
		return -ENOENT;
	return step == SQLITE_ROW ? entry_read(s, ret) : error_of(step);
}

int quarantine_list(
	struct quarantine *q, int64_t since, unsigned limit, quarantine_fn on_entry, void *ctx)
{
	_cleanup_statement_ sqlite3_stmt *s = NULL;
	struct quarantine_entry e;
	int step = SQLITE_DONE, r = statement(q,
					"SELECT " COLUMNS " FROM message WHERE time >= ?"
					" ORDER BY id DESC LIMIT ?",
					&s);

	if (r < 0)
		return r;
	sqlite3_bind_int64(s, 1, since);
	sqlite3_bind_int64(s, 2, limit);
	while (r == 0 && (step = sqlite3_step(s)) == SQLITE_ROW && (r = entry_read(s, &e)) == 0) {
		on_entry(ctx, &e);
		quarantine_entry_free(&e);
	}
	return r < 0 ? r : error_of(step);
}

int quarantine_stats(struct quarantine *q, struct quarantine_stats *ret)
{
	_cleanup_statement_ sqlite3_stmt *s = NULL;
	int r = statement(
		q, "SELECT count(*), ifnull(sum(bytes), 0), ifnull(min(time), 0) FROM message", &s);

	if (r < 0)
		return r;
	int step = sqlite3_step(s);
	if (step != SQLITE_ROW)
		return error_of(step);
	*ret = (struct quarantine_stats){(uint64_t)sqlite3_column_int64(s, 0),
		(uint64_t)sqlite3_column_int64(s, 1), sqlite3_column_int64(s, 2)};
	return 0;
}

/* The row first: a file without a row is nothing, a row without a file would be a message lost. */
static int entry_remove(struct quarantine *q, uint64_t id, const char *file)
{
	_cleanup_statement_ sqlite3_stmt *s = NULL;
	int r = statement(q, "DELETE FROM message WHERE id = ?", &s);

	if (r < 0)
		return r;
	sqlite3_bind_int64(s, 1, (int64_t)id);
	r = error_of(sqlite3_step(s));
	if (r == 0)
		unlinkat(q->folder, file, 0);
	return r;
}

int quarantine_remove(struct quarantine *q, uint64_t id)
{
	struct quarantine_entry e;
	int r = quarantine_get(q, id, &e);

	if (r < 0)
		return r;
	r = entry_remove(q, id, e.file);
	quarantine_entry_free(&e);
	return r;
}

/* ---- limits ---- */

static int oldest_get(struct quarantine *q, struct quarantine_entry *ret)
{
	_cleanup_statement_ sqlite3_stmt *s = NULL;
	int r = statement(q, "SELECT " COLUMNS " FROM message ORDER BY id LIMIT 1", &s);

	if (r < 0)
		return r;
	int step = sqlite3_step(s);
	return step == SQLITE_ROW    ? entry_read(s, ret)
	       : step == SQLITE_DONE ? -ENOENT
				     : error_of(step);
}

static uint64_t weight(uint64_t bytes)
{
	return bytes + ENTRY_BYTES;
}

static bool is_over(struct quarantine *q, const struct quarantine_entry *oldest, uint64_t more)
{
	struct quarantine_stats stats;

	if (q->max_days && oldest->time < time(NULL) - 86400ll * q->max_days)
		return true;
	return quarantine_stats(q, &stats) == 0 &&
	       stats.bytes + stats.messages * ENTRY_BYTES + more > q->max_bytes;
}

static void oldest_remove(struct quarantine *q, uint64_t more)
{
	struct quarantine_entry e;

	while (oldest_get(q, &e) == 0) {
		bool over = is_over(q, &e, more) && entry_remove(q, e.id, e.file) == 0;

		if (over)
			q->on_expired(q->ctx, &e);
		quarantine_entry_free(&e);
		if (!over)
			return;
	}
}

void quarantine_limit(struct quarantine *q, uint64_t max_bytes, unsigned max_days)
{
	q->max_bytes = max_bytes;
	q->max_days = max_days;
	oldest_remove(q, 0);
}

/* ---- keeping ---- */

static int runs_write(int fd, const struct iovec *runs, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		for (size_t at = 0; at < runs[i].iov_len;) {
			ssize_t n = write(fd, (char *)runs[i].iov_base + at, runs[i].iov_len - at);
			if (n < 0 && errno == EINTR)
				continue;
			if (n <= 0)
				return n < 0 ? -errno : -ENOSPC;
			at += (size_t)n;
		}
	return 0;
}

static int file_write(
	struct quarantine *q, const char *name, const struct iovec *runs, unsigned count)
{
	_cleanup_close_ int fd =
		openat(q->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	int r = runs_write(fd, runs, count);
	if (r == 0 && (fsync(fd) < 0 || fsync(q->folder) < 0))
		r = -errno;
	return r;
}

static int row_write(struct quarantine *q, struct quarantine_entry *e)
{
	_cleanup_statement_ sqlite3_stmt *s = NULL;
	char **texts[TEXTS];
	int r = statement(q,
		"INSERT INTO message (time, bytes, vlan, file, client, server, relay, sender, "
		"recipients,"
		" author, subject, rule, why) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		&s);

	if (r < 0)
		return r;
	sqlite3_bind_int64(s, 1, e->time);
	sqlite3_bind_int64(s, 2, (int64_t)e->bytes);
	sqlite3_bind_int64(s, 3, e->vlan);
	texts_of(e, &texts);
	for (int i = 0; i < TEXTS; i++)
		sqlite3_bind_text(s, 4 + i, *texts[i], -1, SQLITE_STATIC);
	return error_of(sqlite3_step(s));
}

static int name_make(char *out, size_t cap)
{
	uint64_t number;

	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		return -errno;
	snprintf(out, cap, "%016llx" FILE_SUFFIX, (unsigned long long)number);
	return 0;
}

int quarantine_put(struct quarantine *q, const struct quarantine_entry *e, const struct iovec *runs,
	unsigned count, uint64_t *ret_id)
{
	struct quarantine_entry row = *e;
	char name[32];

	row.bytes = 0;
	for (unsigned i = 0; i < count; i++)
		row.bytes += runs[i].iov_len;
	if (weight(row.bytes) > q->max_bytes)
		return -EFBIG;
	int r = name_make(name, sizeof(name));
	if (r < 0)
		return r;
	oldest_remove(q, weight(row.bytes));
	row.file = name;
	row.time = time(NULL);
	r = file_write(q, name, runs, count);
	if (r == 0)
		r = row_write(q, &row);
	if (r < 0)
		unlinkat(q->folder, name, 0);
	else
		*ret_id = (uint64_t)sqlite3_last_insert_rowid(q->db);
	return r;
}

int quarantine_message(struct quarantine *q, const struct quarantine_entry *e)
{
	int fd = openat(q->folder, e->file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -errno : fd;
}
