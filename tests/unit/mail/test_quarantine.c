#include "mail/quarantine.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"

static char folder[] = "/tmp/quarantine-XXXXXX";
static uint64_t expired[16];
static unsigned expired_count;

static void on_expired(void *ctx, const struct quarantine_entry *e)
{
	(void)ctx;
	assert_true(expired_count < ARRAY_LEN(expired));
	expired[expired_count++] = e->id;
}

static struct quarantine *open_it(void)
{
	struct quarantine *q = NULL;

	assert_int_equal(quarantine_open(folder, on_expired, NULL, &q), 0);
	return q;
}

static uint64_t put(struct quarantine *q, const char *subject, size_t bytes)
{
	char *text = calloc(1, bytes);
	const struct iovec runs[] = {{"A: b\r\n", 6}, {text, bytes}};
	struct quarantine_entry e = {.client = "192.0.2.1",
		.server = "192.0.2.2:25",
		.vlan = 10,
		.sender = "a'; DROP TABLE message; --@b",
		.recipients = "x@y\nz@y",
		.subject = (char *)subject,
		.why = "rule r"};
	uint64_t id = 0;

	assert_non_null(text);
	memset(text, 'x', bytes);
	assert_int_equal(quarantine_put(q, &e, runs, 2, &id), 0);
	free(text);
	return id;
}

static unsigned files(void)
{
	char command[80];
	unsigned n = 0;

	snprintf(command, sizeof(command), "ls %s | grep -c eml", folder);
	FILE *f = popen(command, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%u", &n), 1);
	pclose(f);
	return n;
}

static void test_put_get_remove(void **state)
{
	struct quarantine *q = open_it();
	struct quarantine_entry e;
	struct quarantine_stats stats;
	char text[16] = {0};

	(void)state;
	uint64_t id = put(q, "one", 3);
	quarantine_close(q);
	q = open_it(); /* it is still there */
	assert_int_equal(quarantine_get(q, id, &e), 0);
	assert_int_equal(e.vlan, 10);
	assert_string_equal(e.sender, "a'; DROP TABLE message; --@b");
	assert_string_equal(e.recipients, "x@y\nz@y");
	assert_string_equal(e.subject, "one");
	assert_string_equal(e.rule, "");
	assert_int_equal(e.bytes, 9);
	int fd = quarantine_message(q, &e);
	assert_true(fd >= 0);
	assert_int_equal(read(fd, text, sizeof(text)), 9);
	assert_string_equal(text, "A: b\r\nxxx");
	close(fd);
	quarantine_entry_free(&e);
	assert_int_equal(quarantine_stats(q, &stats), 0);
	assert_int_equal(stats.messages, 1);
	assert_int_equal(quarantine_remove(q, id), 0);
	assert_int_equal(quarantine_remove(q, id), -ENOENT);
	assert_int_equal(quarantine_get(q, id, &e), -ENOENT);
	assert_int_equal(files(), 0);
	assert_true(put(q, "two", 3) > id); /* a number is never used again */
	assert_int_equal(quarantine_remove(q, id + 1), 0);
	quarantine_close(q);
}

static void test_leftovers_go(void **state)
{
	struct quarantine *q = open_it();
	char path[80];

	(void)state;
	uint64_t id = put(q, "stays", 3);
	quarantine_close(q);
	snprintf(path, sizeof(path), "%s/0123456789abcdef.eml", folder);
	int fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(files(), 2);
	q = open_it();
	assert_int_equal(files(), 1);
	assert_int_equal(quarantine_remove(q, id), 0);
	quarantine_close(q);
}

static void test_limits(void **state)
{
	struct quarantine *q = open_it();
	const struct iovec large = {folder, 1u << 20};
	uint64_t first = 0, id = 0;

	(void)state;
	quarantine_limit(q, 3 * (1000 + 6 + 4096), 0);
	for (unsigned i = 0; i < 5; i++) {
		id = put(q, "x", 1000);
		first = first ? first : id;
	}
	assert_int_equal(expired_count, 2);
	assert_int_equal(expired[0], first);
	assert_int_equal(expired[1], first + 1);
	/* larger than all the room: refused, and nothing goes for it */
	assert_int_equal(quarantine_put(q, &(struct quarantine_entry){0}, &large, 1, &id), -EFBIG);
	assert_int_equal(files(), 3);
	quarantine_limit(q, 1, 0);
	assert_int_equal(files(), 0);
	assert_int_equal(expired_count, 5);
	quarantine_close(q);
}

/* An index from before VLANs were kept: its messages came in none. */
static void test_old_index(void **state)
{
	struct quarantine *q = open_it();
	uint64_t id = put(q, "old", 3);
	struct quarantine_entry e;
	char path[80];
	sqlite3 *db = NULL;

	(void)state;
	quarantine_close(q);
	snprintf(path, sizeof(path), "%s/index.db", folder);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "ALTER TABLE message DROP COLUMN vlan", NULL, NULL, NULL),
		SQLITE_OK);
	sqlite3_close(db);
	q = open_it();
	assert_int_equal(quarantine_get(q, id, &e), 0);
	assert_int_equal(e.vlan, 0);
	quarantine_entry_free(&e);
	assert_int_equal(quarantine_remove(q, id), 0);
	quarantine_close(q);
}

/* The clock cannot be turned on: the message is made older. */
static void make_older(uint64_t id, int days)
{
	char path[80], statement[128];
	sqlite3 *db = NULL;

	snprintf(path, sizeof(path), "%s/index.db", folder);
	snprintf(statement, sizeof(statement),
		"UPDATE message SET time = time - %d WHERE id = %llu", days * 86400,
		(unsigned long long)id);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, statement, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_changes(db), 1);
	sqlite3_close(db);
}

static void test_age(void **state)
{
	struct quarantine *q = open_it();

	(void)state;
	quarantine_limit(q, 1u << 30, 30);
	uint64_t old = put(q, "old", 10), older = put(q, "older", 10), young = put(q, "young", 10);
	expired_count = 0;
	quarantine_close(q);
	make_older(old, 31);
	make_older(older, 32);
	make_older(young, 29);
	q = open_it();
	/* no limit of days: they stay */
	quarantine_limit(q, 1u << 30, 0);
	assert_int_equal(files(), 3);
	quarantine_limit(q, 1u << 30, 30);
	assert_int_equal(files(), 1);
	assert_int_equal(expired_count, 2);
	assert_true(expired[0] == old || expired[1] == old);
	assert_true(expired[0] == older || expired[1] == older);
	quarantine_limit(q, 1u << 30, 28);
	assert_int_equal(files(), 0);
	quarantine_close(q);
}

static int folder_new(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int folder_end(void **state)
{
	static const char *const names[] = {"index.db", "index.db-wal", "index.db-shm"};
	char path[80];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		unlink(path);
	}
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_put_get_remove),
		cmocka_unit_test(test_leftovers_go), cmocka_unit_test(test_limits),
		cmocka_unit_test(test_age), cmocka_unit_test(test_old_index)};
	return cmocka_run_group_tests(tests, folder_new, folder_end);
}
