#include "config/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/file.h"
#include "config/snapshot.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "lib/path.h"

#define PENDING "config/pending.json"
#define DAMAGED "config/damaged.json"
#define HEAD_BYTES 16384
#define FILES_MAX 4096 /* more commits than that lying about are not looked at */

const char *const store_origin_names[] = {"startup", "previous", "factory", "pending", "none"};

struct file_name {
	char text[4096];
};

static struct file_name commit_name(uint64_t serial)
{
	struct file_name n;

	snprintf(n.text, sizeof(n.text), "%s/commit-%06" PRIu64 ".json", path_data("config"),
		serial);
	return n;
}

/* The whole file, NUL-terminated; -EBADMSG when it is none of ours. */
static int read_text(const char *path, char **ret, size_t *ret_size)
{
	_cleanup_fclose_ FILE *in = fopen(path, "re");
	_cleanup_free_ char *text = in ? malloc(RECORD_BYTES_MAX + 2) : NULL;

	if (!in)
		return -errno;
	if (!text)
		return -ENOMEM;
	*ret_size = fread(text, 1, RECORD_BYTES_MAX + 1, in);
	if (ferror(in))
		return -EIO;
	if (*ret_size > RECORD_BYTES_MAX || memchr(text, 0, *ret_size))
		return -EBADMSG;
	text[*ret_size] = 0;
	*ret = take_ptr(text);
	return 0;
}

static int read_record(const struct schema *s, const char *path, struct record *ret_record,
	struct lyd_node **ret, struct fault *f)
{
	_cleanup_free_ char *text = NULL;
	const char *body;
	size_t size;
	int r = read_text(path, &text, &size);

	if (r < 0)
		return fault_set(f, r, NULL, NULL, NULL, "%s", strerror(-r));
	if (!record_parse(text, size, ret_record, &body))
		return fault_set(f, -EBADMSG, NULL, NULL, NULL, "it is not whole");
	return tree_parse(s, body, TREE_JSON, ret, f) < 0 ? -EINVAL : 0;
}

static int load_record(const struct schema *s, const char *path, struct record *ret_record,
	struct snapshot **ret, struct fault *f)
{
	struct lyd_node *tree = NULL;
	int r = read_record(s, path, ret_record, &tree, f);

	if (r >= 0)
		r = snapshot_new(s, tree, NULL, ret, f);
	lyd_free_all(tree);
	return r;
}

static int load_factory(const struct schema *s, struct snapshot **ret, struct fault *f)
{
	struct lyd_node *tree = NULL;
	_cleanup_free_ char *text = NULL;
	size_t size;
	int r = read_text(path_share("factory.json"), &text, &size);

	if (r >= 0)
		r = tree_parse(s, text, TREE_JSON, &tree, f);
	if (r >= 0)
		r = snapshot_new(s, tree, NULL, ret, f);
	lyd_free_all(tree);
	return r;
}

static void pass_over(struct store_state *st, const char *file, int error, const char *why)
{
	st->damaged++;
	if (error != -EBADMSG) {
		log_error("THE CONFIGURATION %s IS OF NO USE: %s", file, why);
		return;
	}
	log_error("THE CONFIGURATION %s IS DAMAGED (%s); it is kept as %s", file, why,
		path_data(DAMAGED));
	if (rename(file, path_data(DAMAGED)) < 0)
		log_error("cannot set %s aside: %m", file);
}

static int by_serial_down(const void *a, const void *b)
{
	const struct record *x = a, *y = b;

	return (x->serial < y->serial) - (x->serial > y->serial);
}

/* Serial numbers by the names of the files, newest first. */
static int list_serials(struct record **ret, unsigned *ret_n)
{
	_cleanup_closedir_ DIR *d = opendir(path_data("config"));
	struct record *list = calloc(FILES_MAX, sizeof(*list));
	struct dirent *e;
	unsigned n = 0;

	if (!list)
		return -ENOMEM;
	while (d && n < FILES_MAX && (e = readdir(d))) {
		uint64_t serial;
		int end = 0;
		if (sscanf(e->d_name, "commit-%19" SCNu64 ".json%n", &serial, &end) == 1 && end &&
			!e->d_name[end])
			list[n++].serial = serial;
	}
	qsort(list, n, sizeof(*list), by_serial_down);
	*ret = list;
	*ret_n = n;
	return 0;
}

int store_list(struct record **ret, unsigned *ret_n)
{
	char head[HEAD_BYTES];
	int r = list_serials(ret, ret_n);

	if (r < 0)
		return r;
	if (*ret_n > STORE_KEEP)
		*ret_n = STORE_KEEP;
	for (unsigned i = 0; i < *ret_n; i++) {
		struct record *one = *ret + i, found;
		_cleanup_fclose_ FILE *in = fopen(commit_name(one->serial).text, "re");
		size_t n = in ? fread(head, 1, sizeof(head), in) : 0;
		if (record_parse_head(head, n, &found) && found.serial == one->serial)
			*one = found;
	}
	return 0;
}

int store_read(const struct schema *s, uint64_t serial, struct lyd_node **ret, struct fault *f)
{
	struct record record;

	return read_record(s, commit_name(serial).text, &record, ret, f);
}

/* The newest commit that is whole, or the factory configuration. */
static int load_startup(const struct schema *s, struct store_state *st)
{
	_cleanup_(fault_fini) struct fault f = {0};
	struct record *list = NULL;
	unsigned n = 0;
	int r = list_serials(&list, &n);

	st->newest = n ? list[0].serial : 0;
	for (unsigned i = 0; r >= 0 && i < n && !st->running; i++) {
		struct file_name name = commit_name(list[i].serial);
		int e = load_record(s, name.text, &st->record, &st->running, &f);
		if (e >= 0)
			st->origin = st->damaged ? STORE_PREVIOUS : STORE_STARTUP;
		else
			pass_over(st, name.text, e, f.why ? f.why : strerror(-e));
	}
	free(list);
	if (st->running)
		return 0;
	st->record = (struct record){0};
	st->origin = STORE_FACTORY;
	r = load_factory(s, &st->running, &f);
	if (r < 0)
		log_error(
			"the factory configuration is unusable: %s", f.why ? f.why : strerror(-r));
	return r;
}

/* A pending commit: ours to go on with, or one whose time is over. */
static void load_pending(const struct schema *s, struct store_state *st)
{
	_cleanup_(fault_fini) struct fault f = {0};
	struct snapshot *pending = NULL;
	struct record record = {0};
	int r = load_record(s, path_data(PENDING), &record, &pending, &f);

	if (r == -ENOENT)
		return;
	if (r >= 0 && *record.boot && record_seconds_left(&record) > 0 &&
		record.serial > st->newest) {
		st->base = st->running;
		st->base_record = st->record;
		st->running = pending;
		st->record = record;
		st->origin = STORE_PENDING;
		return;
	}
	/* Without a deadline it was cut off half way; nobody was told that it had been made. */
	st->unconfirmed = r >= 0 && *record.boot;
	st->lost = record;
	snapshot_free(pending);
	if (unlink(path_data(PENDING)) < 0)
		log_error("cannot remove %s: %m", path_data(PENDING));
}

int store_load(const struct schema *s, struct store_state *ret)
{
	*ret = (struct store_state){.origin = STORE_NONE};
	int r = load_startup(s, ret);
	if (r < 0)
		return r;
	load_pending(s, ret);
	if (ret->damaged)
		log_error("RUNNING THE %s CONFIGURATION INSTEAD", store_origin_names[ret->origin]);
	else
		log_info("running the %s configuration", store_origin_names[ret->origin]);
	return 0;
}

static int sync_folder(void)
{
	_cleanup_close_ int fd = open(path_data("config"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int store_prepare(const struct snapshot *snapshot, const struct record *r)
{
	_cleanup_free_ char *body = tree_text(snapshot->tree, TREE_JSON);
	_cleanup_free_ char *text = body ? record_print(r, body) : NULL;

	if (!text)
		return -ENOMEM;
	if (strlen(text) > RECORD_BYTES_MAX)
		return -EFBIG;
	if (mkdir(path_data("config"), 0700) < 0 && errno != EEXIST)
		return -errno;
	int e = file_replace(path_data(PENDING), text, 0600, true);
	/* Its name counts only with a deadline: cut off without one, it is thrown away anyway. */
	return e < 0 || !*r->boot ? e : sync_folder();
}

static void forget_oldest(void)
{
	struct record *list;
	unsigned n;

	if (list_serials(&list, &n) < 0)
		return;
	for (unsigned i = STORE_KEEP; i < n; i++)
		unlink(commit_name(list[i].serial).text);
	free(list);
}

int store_finish(const struct record *r)
{
	if (rename(path_data(PENDING), commit_name(r->serial).text) < 0)
		return -errno;
	int e = sync_folder();
	forget_oldest();
	return e;
}

int store_abandon(void)
{
	if (unlink(path_data(PENDING)) < 0 && errno != ENOENT)
		return -errno;
	return sync_folder();
}
