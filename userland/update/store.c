#include "update/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/cleanup.h"
#include "update/file.h"
#include "update/manifest.h"

#define ID_CHARS (2 + HASH_CHARS) /* "v-" and the hash */

/* The links, from the present to the oldest. */
enum {
	CURRENT,
	PREVIOUS,
	PREVIOUS_2,
	LINKS,
};

static const char *const link_names[LINKS] = {"current", "previous", "previous-2"};

struct store {
	const char *dir;
	const struct store_ops *ops;
	int dir_fd;
	char links[LINKS][ID_CHARS + 1]; /* what each names; "" when there is none */
	char staged[ID_CHARS + 1];       /* "" when nothing is left to install */
	sd_json_variant *manifest;
};

static void store_fini(struct store *s)
{
	if (s->dir_fd >= 0)
		close(s->dir_fd);
	sd_json_variant_unref(s->manifest);
}

const char *delivery_check(const struct signature_type *type, const struct delivery *d)
{
	struct stat st;

	if (!source_name_ok(d->source))
		return "the name of the source is not allowed";
	if (!version_ok(d->version))
		return "the version is not a hash";
	if (d->n == 0 || d->n > DELIVERY_FILES)
		return "no file, or too many";
	for (unsigned i = 0; i < d->n; i++) {
		if (!type_accepts(type, d->names[i]))
			return "the name of a file is not allowed";
		if (d->fds[i] < 0 || fstat(d->fds[i], &st) < 0 || !S_ISREG(st.st_mode))
			return "a file did not come with the call";
	}
	return NULL;
}

static void folder_drop(const struct store *s, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", s->dir, name);
	folder_remove(path);
}

static void link_read(const struct store *s, const char *name, char out[ID_CHARS + 1])
{
	ssize_t n = readlinkat(s->dir_fd, name, out, ID_CHARS + 1);

	out[n == ID_CHARS ? n : 0] = '\0'; /* anything longer or shorter is none of ours */
}

static int link_set(const struct store *s, const char *name, const char *target)
{
	unlinkat(s->dir_fd, ".link", 0);
	if (symlinkat(target, s->dir_fd, ".link") < 0 ||
		renameat(s->dir_fd, ".link", s->dir_fd, name) < 0)
		return -errno;
	return fsync(s->dir_fd) < 0 ? -errno : 0;
}

/* An object's elements are keys and values in turn. */
static const char *source_at(sd_json_variant *manifest, size_t i)
{
	return sd_json_variant_string(sd_json_variant_by_index(manifest, i));
}

/* The manifest without the sources that are gone from the settings; true when there were any. */
static bool manifest_reduce(struct store *s, int *ret_error)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *old = sd_json_variant_ref(s->manifest);
	bool reduced = false;

	*ret_error = 0;
	for (size_t i = 0; i + 1 < sd_json_variant_elements(old) && *ret_error >= 0; i += 2) {
		const char *source = source_at(old, i);
		if (!s->ops->wants || s->ops->wants(s->ops->ctx, source))
			continue;
		char *names[] = {(char *)source, NULL};
		*ret_error = sd_json_variant_filter(&s->manifest, names);
		reduced = true;
	}
	return reduced;
}

static int manifest_add(struct store *s, const struct delivery *d)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *files = NULL, *entry = NULL;
	int r = 0;

	for (unsigned i = 0; i < d->n && r >= 0; i++)
		r = sd_json_variant_append_arrayb(&files, SD_JSON_BUILD_STRING(d->names[i]));
	if (r >= 0)
		r = sd_json_buildo(&entry, SD_JSON_BUILD_PAIR_STRING("version", d->version),
			SD_JSON_BUILD_PAIR_UNSIGNED("serial", d->serial),
			SD_JSON_BUILD_PAIR_UNSIGNED("count", d->count),
			SD_JSON_BUILD_PAIR_VARIANT("files", files));
	return r < 0 ? r : sd_json_variant_set_field(&s->manifest, d->source, entry);
}

/* The folder's name is made from what it will hold. */
static int staged_name(struct store *s)
{
	_cleanup_free_ char *text = NULL;

	s->staged[0] = '\0';
	if (sd_json_variant_elements(s->manifest) == 0)
		return 0;
	int r = sd_json_variant_sort(&s->manifest);
	if (r >= 0)
		r = sd_json_variant_format(s->manifest, 0, &text);
	if (r < 0)
		return r;
	memcpy(s->staged, "v-", 2);
	return text_hash(text, s->staged + 2);
}

static int file_install(int new_fd, const struct delivery *d, unsigned i)
{
	char name[SOURCE_NAME_CHARS + FILE_NAME_CHARS + 3];

	snprintf(name, sizeof(name), "%s__%s", d->source, d->names[i]);
	_cleanup_close_ int fd =
		openat(new_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	int r = file_copy(d->fds[i], fd, DELIVERY_BYTES);
	if (r < 0)
		return r;
	/* The engines run as other users. */
	return fchmod(fd, 0644) < 0 || fsync(fd) < 0 ? -errno : 0;
}

/* The files of one other source, from the present folder. */
static int source_keep(
	const struct store *s, int new_fd, const char *source, sd_json_variant *entry)
{
	sd_json_variant *files = sd_json_variant_by_key(entry, "files");
	char from[ID_CHARS + SOURCE_NAME_CHARS + FILE_NAME_CHARS + 4], *name = from + ID_CHARS + 1;

	for (size_t i = 0; i < sd_json_variant_elements(files); i++) {
		const char *file = sd_json_variant_string(sd_json_variant_by_index(files, i));
		if (!file || snprintf(from, sizeof(from), "%s/%s__%s", s->links[CURRENT], source,
				     file) >= (int)sizeof(from))
			return -EBADMSG;
		if (linkat(s->dir_fd, from, new_fd, name, 0) < 0)
			return -errno;
	}
	return 0;
}

static int manifest_write(const struct store *s)
{
	char path[PATH_MAX];
	_cleanup_free_ char *text = NULL;
	int r = sd_json_variant_format(s->manifest, SD_JSON_FORMAT_NEWLINE, &text);

	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "%s/.new/manifest.json", s->dir);
	r = file_replace(path, text);
	return r < 0 || chmod(path, 0644) == 0 ? r : -errno;
}

static int folder_fill(const struct store *s, const struct delivery *d)
{
	int r = 0;

	folder_drop(s, ".new");
	if (mkdirat(s->dir_fd, ".new", 0755) < 0)
		return -errno;
	_cleanup_close_ int new_fd =
		openat(s->dir_fd, ".new", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (new_fd < 0 || fchmod(new_fd, 0755) < 0)
		return -errno;
	for (size_t i = 0; i + 1 < sd_json_variant_elements(s->manifest) && r == 0; i += 2) {
		const char *source = source_at(s->manifest, i);
		if (!d || strcmp(source, d->source) != 0)
			r = source_keep(
				s, new_fd, source, sd_json_variant_by_index(s->manifest, i + 1));
	}
	for (unsigned i = 0; d && i < d->n && r == 0; i++)
		r = file_install(new_fd, d, i);
	if (r == 0)
		r = manifest_write(s);
	return r == 0 && fsync(new_fd) < 0 ? -errno : r;
}

static int folder_stage(const struct store *s, const struct delivery *d)
{
	int r = folder_fill(s, d);

	if (r == 0) {
		folder_drop(s, s->staged); /* a previous one with the same content */
		if (renameat(s->dir_fd, ".new", s->dir_fd, s->staged) < 0 || fsync(s->dir_fd) < 0)
			r = -errno;
	}
	if (r < 0)
		folder_drop(s, ".new");
	return r;
}

static void link_restore(const struct store *s, int i)
{
	if (s->links[i][0])
		link_set(s, link_names[i], s->links[i]);
	else
		unlinkat(s->dir_fd, link_names[i], 0);
}

static bool is_linked(const struct store *s, const char *id)
{
	for (int i = 0; i < LINKS; i++)
		if (strcmp(s->links[i], id) == 0)
			return true;
	return false;
}

static int store_activate(const struct store *s, char **ret_why)
{
	int r = 0;

	if (s->staged[0])
		r = link_set(s, "current", s->staged);
	else if (unlinkat(s->dir_fd, "current", 0) < 0)
		r = -errno;
	if (r == 0)
		r = s->ops->reload(s->ops->ctx, s->staged, ret_why);
	if (r == 0)
		return 0;
	link_restore(s, CURRENT);
	if (s->staged[0] && !is_linked(s, s->staged))
		folder_drop(s, s->staged);
	return r;
}

/* The folder before becomes previous, and so on; one that is current again is not kept twice. */
static void links_move(struct store *s)
{
	char kept[LINKS][ID_CHARS + 1] = {0};
	unsigned n = PREVIOUS;

	memcpy(kept[CURRENT], s->staged, sizeof(kept[CURRENT]));
	for (int i = 0; i < LINKS && n < LINKS; i++)
		if (s->links[i][0] && strcmp(s->links[i], s->staged) != 0)
			memcpy(kept[n++], s->links[i], sizeof(kept[0]));
	memcpy(s->links, kept, sizeof(kept));
	link_restore(s, PREVIOUS);
	link_restore(s, PREVIOUS_2);
}

static void folders_sweep(const struct store *s)
{
	_cleanup_closedir_ DIR *d = opendir(s->dir);
	const struct dirent *e;

	while (d && (e = readdir(d)))
		if (strncmp(e->d_name, "v-", 2) == 0 && !is_linked(s, e->d_name))
			folder_drop(s, e->d_name);
}

static int store_open(struct store *s)
{
	if (mkdir(s->dir, 0755) < 0 && errno != EEXIST)
		return -errno;
	s->dir_fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir_fd < 0)
		return -errno;
	for (int i = 0; i < LINKS; i++)
		link_read(s, link_names[i], s->links[i]);
	return manifest_load(s->dir, &s->manifest);
}

/* Makes what the manifest says current; d: what is new in it, or NULL. */
static int store_change(struct store *s, const struct delivery *d, char **ret_why)
{
	int r = staged_name(s);

	if (r < 0 || strcmp(s->staged, s->links[CURRENT]) == 0)
		return r;
	if (s->staged[0])
		r = folder_stage(s, d);
	if (r == 0)
		r = store_activate(s, ret_why);
	if (r < 0)
		return r;
	links_move(s);
	folders_sweep(s);
	return 0;
}

int store_install(
	const char *dir, const struct delivery *d, const struct store_ops *ops, char **ret_why)
{
	_cleanup_(store_fini) struct store s = {.dir = dir, .ops = ops, .dir_fd = -1};
	int r = store_open(&s);

	if (r == 0)
		manifest_reduce(&s, &r);
	if (r >= 0)
		r = manifest_add(&s, d);
	return r < 0 ? r : store_change(&s, d, ret_why);
}

int store_sweep(const char *dir, const struct store_ops *ops, char **ret_why)
{
	_cleanup_(store_fini) struct store s = {.dir = dir, .ops = ops, .dir_fd = -1};
	int r = store_open(&s);

	if (r < 0 || !manifest_reduce(&s, &r) || r < 0)
		return r;
	r = store_change(&s, NULL, ret_why);
	return r < 0 ? r : 1;
}
