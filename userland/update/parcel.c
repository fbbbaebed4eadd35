#include "update/parcel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/cleanup.h"
#include "lib/path.h"
#include "update/cdiff.h"
#include "update/cvd.h"
#include "update/list.h"
#include "update/manifest.h"
#include "update/rule_edit.h"
#include "update/signature.h"
#include "update/trial.h"

void parcel_fini(struct parcel *p)
{
	if (p->folder[0])
		folder_remove(p->folder);
	free(p->why);
}

int parcel_refuse(struct parcel *p, int error, const char *why)
{
	if (!p->why)
		p->why = strdup(why && *why ? why : strerror(-error));
	return error;
}

static int refuse_say(struct parcel *p, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int refuse_say(struct parcel *p, int error, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	if (!p->why && vasprintf(&p->why, format, ap) < 0)
		p->why = NULL;
	va_end(ap);
	return error;
}

static int folder_make(struct parcel *p)
{
	const char *base = path_data("verify");

	if (mkdir(base, 0700) < 0 && errno != EEXIST)
		return -errno;
	snprintf(p->folder, sizeof(p->folder), "%s/parcel-XXXXXX", base);
	if (!mkdtemp(p->folder)) {
		p->folder[0] = '\0';
		return -errno;
	}
	if (snprintf(p->files, sizeof(p->files), "%s/files", p->folder) >= (int)sizeof(p->files))
		return -ENAMETOOLONG;
	return mkdir(p->files, 0700) < 0 ? -errno : 0;
}

static int part_fd(const struct parcel *p, const char *name)
{
	struct stat st;

	for (unsigned i = 0; i < p->parts_n; i++)
		if (strcmp(p->parts[i].name, name) == 0)
			return fstat(p->parts[i].fd, &st) == 0 && S_ISREG(st.st_mode)
				       ? p->parts[i].fd
				       : -1;
	return -1;
}

static int file_make(const struct parcel *p, const char *name)
{
	char path[PATH_MAX + 16];

	snprintf(path, sizeof(path), "%s/%s", p->folder, name);
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : fd;
}

static int copy_take(struct parcel *p, int *ret)
{
	int from = part_fd(p, "main");

	if (from < 0)
		return parcel_refuse(p, -EBADF, "no file came with the call");
	_cleanup_close_ int fd = file_make(p, "download");
	int r = fd < 0 ? fd : file_copy(from, fd, DELIVERY_BYTES);
	if (r < 0)
		return parcel_refuse(p, r,
			r == -EFBIG    ? "larger than 512 MiB"
			: r == -ENOSPC ? "no room left to look into the download"
				       : NULL);
	*ret = take_fd(&fd);
	return 0;
}

/* What the source publishes beside the file, against our own copy of the file. */
static int vouchers_check(struct parcel *p, int copy_fd)
{
	const struct source *s = p->source;
	char text[SIGNATURE_TEXT_BYTES];
	const char *why = NULL;
	size_t n = 0;
	int r = 0;

	if (s->checksum != CHECKSUM_NONE && !p->imported) {
		int fd = part_fd(p, "checksum");
		if (fd < 0 || file_slurp(fd, text, sizeof(text), &n) < 0)
			return parcel_refuse(p, -EBADF, "the published check sum did not come");
		r = checksum_verify(s->checksum, copy_fd, span_of(text, n), &why);
	}
	if (r == 0 && s->public_key) {
		int fd = part_fd(p, "signature");
		if (fd < 0 || file_slurp(fd, text, sizeof(text), &n) < 0)
			return parcel_refuse(p, -EBADF, "the signature did not come");
		r = signature_verify(s->public_key, copy_fd, span_of(text, n), &p->serial, &why);
		p->released = p->serial;
	}
	return r < 0 ? parcel_refuse(p, r, why) : 0;
}

/* The installed database of this source: what the steps start from. */
static int base_open(const struct parcel *p, const char *stem)
{
	static const char *const extensions[] = {"cld", "cvd"};
	char name[FILE_NAME_CHARS + SOURCE_NAME_CHARS + 40];

	for (int i = 0; i < 2; i++) {
		snprintf(name, sizeof(name), "sig/clamav/current/%s__%s.%s", p->source->name, stem,
			extensions[i]);
		int fd = open(path_data(name), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (fd >= 0)
			return fd;
	}
	return -ENOENT;
}

static int cdiffs_apply(
	struct parcel *p, int dir_fd, uint64_t have, uint64_t *ret_version, const char **why)
{
	char name[32];
	int r = 0;

	for (unsigned i = 0; i < p->parts_n && r == 0; i++) {
		snprintf(name, sizeof(name), "cdiff-%llu", (unsigned long long)(have + i + 1));
		int fd = part_fd(p, name);
		*why = "the steps do not begin where the installed database ends";
		r = fd < 0 ? -EBADMSG : cdiff_apply(fd, dir_fd, have + i + 1, why);
	}
	*ret_version = have + p->parts_n;
	return r;
}

static int steps_apply(struct parcel *p, const char *stem, const char *folder)
{
	const char *why = NULL;
	struct cvd_header have, made;
	uint64_t version = 0;
	_cleanup_close_ int base_fd = base_open(p, stem);
	_cleanup_close_ int dir_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ struct delivery_names *names = calloc(1, sizeof(*names));

	if (base_fd < 0 || dir_fd < 0 || !names || cvd_header_load(base_fd, &have) < 0)
		return parcel_refuse(p, -ENOENT, "no database is installed that the steps fit");
	int r = cvd_unpack(base_fd, dir_fd, names, &why);
	if (r == 0)
		r = cdiffs_apply(p, dir_fd, have.version, &version, &why);
	if (r == 0)
		r = cvd_info_check(dir_fd, stem, &made, &why);
	if (r == 0 && made.version != version) {
		why = "the steps lead to another version than they say";
		r = -EBADMSG;
	}
	if (r < 0)
		return parcel_refuse(p, r, why);
	/* A stem has lost four characters already. */
	snprintf(p->names.name[0], sizeof(p->names.name[0]), "%.*s.cld", FILE_NAME_CHARS - 4, stem);
	p->names.n = 1;
	char path[PATH_MAX + FILE_NAME_CHARS + 2];
	snprintf(path, sizeof(path), "%s/%s", p->files, p->names.name[0]);
	_cleanup_close_ int out = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	r = out < 0 ? -errno : cvd_pack(dir_fd, stem, out, &why);
	if (r == 0)
		r = file_hash(out, p->version);
	p->serial = made.version;
	p->released = made.built;
	p->claimed = made.signatures;
	p->empty = made.signatures == 0;
	return r < 0 ? parcel_refuse(p, r, why) : 0;
}

static bool is_steps(const struct parcel *p)
{
	return p->parts_n > 0 && strncmp(p->parts[0].name, "cdiff-", 6) == 0;
}

/* A .cvd and the steps behind it become a .cld in p->files. */
static int steps_open(struct parcel *p)
{
	char stem[FILE_NAME_CHARS + 1], folder[PATH_MAX + 16];

	p->steps = true;
	source_file_name(p->source, stem, sizeof(stem));
	if (!cvd_name_ok(stem) || strcmp(p->source->type->name, "clamav") != 0 ||
		p->source->public_key)
		return parcel_refuse(p, -EINVAL, "steps of a source that has none");
	*strrchr(stem, '.') = '\0';
	snprintf(folder, sizeof(folder), "%s/unpacked", p->folder);
	if (mkdir(folder, 0700) < 0)
		return -errno;
	int r = steps_apply(p, stem, folder);
	folder_remove(folder); /* the engine needs the room */
	return r;
}

static int main_open(struct parcel *p, int *ret_copy_fd)
{
	char name[FILE_NAME_CHARS + 1];
	struct cvd_header head;

	int r = copy_take(p, ret_copy_fd);
	if (r == 0)
		r = vouchers_check(p, *ret_copy_fd);
	if (r == 0)
		r = file_hash(*ret_copy_fd, p->version);
	source_file_name(p->source, name, sizeof(name));
	if (r == 0 && cvd_name_ok(name) && cvd_header_load(*ret_copy_fd, &head) == 0) {
		p->serial = head.version;
		p->released = head.built;
		p->claimed = head.signatures;
		p->empty = head.signatures == 0;
	}
	return r;
}

/* The version of what the settings make of it. */
static int version_fold(struct parcel *p)
{
	char text[HASH_CHARS + sizeof(p->source->edits) + 2];

	if (!p->source->edits[0])
		return 0;
	snprintf(text, sizeof(text), "%s %s", p->version, p->source->edits);
	return text_hash(text, p->version);
}

/* Sets p->changed; refuses what is older. */
static int installed_compare(struct parcel *p, sd_json_variant *installed)
{
	const char *version = manifest_version(installed, p->source->name);
	uint64_t serial = manifest_number(installed, p->source->name, "serial");

	if (strcmp(version, p->version) == 0)
		return 0;
	if (serial && p->serial && p->serial < serial && !p->confirmed) {
		p->unconfirmed = true;
		return refuse_say(p, -ESTALE, "version %llu is older than %llu, which is installed",
			(unsigned long long)p->serial, (unsigned long long)serial);
	}
	/* The same version in another wrapping: a .cvd, and the .cld that steps made. */
	if (serial && p->serial == serial && !p->source->public_key) {
		snprintf(p->version, sizeof(p->version), "%s", version);
		return 0;
	}
	p->changed = true;
	return 0;
}

static int list_make(struct parcel *p, int copy_fd, int dir_fd)
{
	char why[160];

	snprintf(p->names.name[0], sizeof(p->names.name[0]), "%s", p->source->type->list_name);
	p->names.n = 1;
	_cleanup_close_ int fd =
		openat(dir_fd, p->names.name[0], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno
		       : list_copy(p->source->type->list, p->source->column, copy_fd, fd, &p->count,
				 why, sizeof(why));
	return r < 0 ? parcel_refuse(p, r, r == -EBADMSG ? why : NULL) : 0;
}

static int archive_make(struct parcel *p, int copy_fd, int dir_fd)
{
	const struct unpack_form form = {.type = p->source->type, .bytes = UNPACK_BYTES};
	const char *why = NULL;
	struct rule_edit_counts counts = {0};

	int r = unpack(copy_fd, &form, dir_fd, &p->names, &why);
	if (r < 0)
		return parcel_refuse(p, r, why);
	char *edit_why = NULL;
	r = rule_edit_files(p->source->config, dir_fd, &p->names, &counts, &edit_why);
	p->disabled = counts.disabled;
	p->enabled = counts.enabled;
	p->modified = counts.modified;
	if (r < 0 && edit_why && !p->why)
		p->why = take_ptr(edit_why);
	free(edit_why);
	return r < 0 ? parcel_refuse(p, r, NULL) : 0;
}

static int file_take(struct parcel *p, int copy_fd, int dir_fd)
{
	char name[FILE_NAME_CHARS + 1];

	source_file_name(p->source, name, sizeof(name));
	if (!type_accepts(p->source->type, name))
		return parcel_refuse(p, -EINVAL, "the file's name is not that of such a file");
	_cleanup_close_ int fd =
		openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : file_copy(copy_fd, fd, DELIVERY_BYTES);
	if (r < 0)
		return parcel_refuse(p, r, NULL);
	snprintf(p->names.name[p->names.n++], sizeof(name), "%s", name);
	return 0;
}

/* The files that the engine will see, in p->files. */
static int files_make(struct parcel *p, int copy_fd)
{
	_cleanup_close_ int dir_fd = open(p->files, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir_fd < 0)
		return parcel_refuse(p, -errno, NULL);
	if (p->source->type->list)
		return list_make(p, copy_fd, dir_fd);
	return p->source->type->archive ? archive_make(p, copy_fd, dir_fd)
					: file_take(p, copy_fd, dir_fd);
}

/* Of the one file: a signature a line, where it is not a container that counts them itself. */
static uint64_t lines_count(const struct parcel *p)
{
	char path[PATH_MAX + FILE_NAME_CHARS + 2];
	uint64_t lines = 0;
	int c;

	snprintf(path, sizeof(path), "%s/%s", p->files, p->names.name[0]);
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	while (f && (c = getc_unlocked(f)) != EOF)
		lines += c == '\n';
	return lines;
}

static int engine_try(struct parcel *p)
{
	char out[PATH_MAX + 16];
	struct trial_result t = {0};

	if (p->source->type->list)
		return 0;
	snprintf(out, sizeof(out), "%s/output", p->folder);
	setenv("TMPDIR", p->folder, 1);
	int r = trial_run(p->source->type, p->files, out, &t, &p->why);
	p->cut_short = t.cut_short;
	p->count = !t.cut_short ? t.count : p->claimed ? p->claimed : lines_count(p);
	p->peak_kb = t.peak_kb;
	if (r == -ENODATA && p->empty) {
		free(take_ptr(p->why));
		r = 0;
	}
	return r < 0 ? parcel_refuse(p, r, NULL) : 0;
}

static int size_compare(struct parcel *p, uint64_t before)
{
	if (p->count == 0 && !p->empty)
		return parcel_refuse(p, -ENODATA, "there is nothing in it");
	if (p->count >= before / 2 || p->confirmed)
		return 0;
	p->unconfirmed = true;
	return refuse_say(p, -ENODATA, "only %llu %s, where %llu are installed",
		(unsigned long long)p->count, p->source->type->unit, (unsigned long long)before);
}

int parcel_open(struct parcel *p)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *installed = NULL;
	_cleanup_close_ int copy_fd = -1;
	char sig[32];

	int r = folder_make(p);
	if (r < 0)
		return parcel_refuse(p, r, NULL);
	r = is_steps(p) ? steps_open(p) : main_open(p, &copy_fd);
	if (r == 0)
		r = version_fold(p);
	if (r < 0)
		return parcel_refuse(p, r, NULL);
	snprintf(sig, sizeof(sig), "sig/%s", p->source->type->name);
	if (manifest_load(path_data(sig), &installed) < 0)
		return parcel_refuse(p, -EBADMSG, "what is installed cannot be read");
	p->count = manifest_count(installed, p->source->name);
	uint64_t before = p->count;
	r = installed_compare(p, installed);
	if (r < 0 || !p->changed)
		return r;
	if (!p->steps)
		r = files_make(p, copy_fd);
	if (r == 0)
		r = engine_try(p);
	return r < 0 ? r : size_compare(p, before);
}
