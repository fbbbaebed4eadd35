#include "update/cvd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "lib/cleanup.h"

#define INFO_BYTES 65536
#define TAR_BLOCK_BYTES 512

static int refuse(const char **why, const char *text)
{
	*why = text;
	return -EBADMSG;
}

bool cvd_name_ok(const char *file_name)
{
	const char *dot = strrchr(file_name, '.');

	return file_name_ok(file_name) && dot && dot != file_name &&
	       (strcmp(dot, ".cvd") == 0 || strcmp(dot, ".cld") == 0);
}

static struct span field_take(struct span *s)
{
	ptrdiff_t colon = span_chr(*s, ':');
	struct span field = colon < 0 ? *s : span_take(*s, (size_t)colon);

	*s = span_skip(*s, colon < 0 ? s->n : (size_t)colon + 1);
	return field;
}

bool cvd_header_read(struct span text, struct cvd_header *ret)
{
	struct span field[9];
	ptrdiff_t end = span_chr(text, '\n');

	if (end >= 0)
		text = span_take(text, (size_t)end);
	*ret = (struct cvd_header){0};
	for (size_t i = 0; i < sizeof(field) / sizeof(*field); i++)
		field[i] = field_take(&text);
	if (!span_eq(field[0], SPAN_LIT("ClamAV-VDB")) || field[7].n == 0 ||
		!span_u64(field[2], UINT32_MAX, &ret->version) || ret->version == 0 ||
		!span_u64(field[3], UINT32_MAX, &ret->signatures))
		return false;
	/* Databases of before 2004 have no seconds. */
	if (!span_u64(span_trim(field[8]), UINT32_MAX, &ret->built))
		ret->built = 0;
	return true;
}

int cvd_header_load(int fd, struct cvd_header *ret)
{
	uint8_t head[CVD_HEADER_BYTES];
	ssize_t n = pread(fd, head, sizeof(head), 0);

	if (n < 0)
		return -errno;
	return n == sizeof(head) && cvd_header_read(span_of(head, sizeof(head)), ret) ? 0
										      : -EBADMSG;
}

int cvd_unpack(int fd, int dir_fd, struct delivery_names *ret, const char **ret_why)
{
	static const struct unpack_form form = {
		.at = CVD_HEADER_BYTES, .plain = true, .open_end = true, .bytes = CVD_BYTES};

	return unpack(fd, &form, dir_fd, ret, ret_why);
}

static int info_read(int dir_fd, const char *stem, char text[INFO_BYTES], struct span *ret)
{
	char name[FILE_NAME_CHARS + 8];

	snprintf(name, sizeof(name), "%s.info", stem);
	_cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n = fd < 0 ? -1 : read(fd, text, INFO_BYTES);
	if (n < 0)
		return -errno;
	*ret = span_of(text, (size_t)n);
	return n < INFO_BYTES ? 0 : -EFBIG;
}

/* The name on the next line that has one; false at the end. */
static bool info_next(struct span *s, char out[FILE_NAME_CHARS + 1])
{
	while (s->n > 0) {
		ptrdiff_t end = span_chr(*s, '\n');
		struct span line = end < 0 ? *s : span_take(*s, (size_t)end);
		*s = span_skip(*s, end < 0 ? s->n : (size_t)end + 1);
		struct span name = field_take(&line);
		if (name.n == 0 || name.n > FILE_NAME_CHARS || span_eq(name, SPAN_LIT("DSIG")) ||
			span_eq(name, SPAN_LIT("ClamAV-VDB")))
			continue;
		memcpy(out, name.p, name.n);
		out[name.n] = '\0';
		return true;
	}
	return false;
}

int cvd_info_check(int dir_fd, const char *stem, struct cvd_header *ret, const char **ret_why)
{
	_cleanup_free_ char *text = malloc(INFO_BYTES);
	char name[FILE_NAME_CHARS + 1];
	struct span info;
	struct stat st;

	if (!text)
		return -ENOMEM;
	if (info_read(dir_fd, stem, text, &info) < 0)
		return refuse(ret_why, "the database has no list of its files");
	if (!cvd_header_read(info, ret))
		return refuse(ret_why, "the database's list of files does not say its version");
	while (info_next(&info, name))
		if (!file_name_ok(name) || fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
			!S_ISREG(st.st_mode))
			return refuse(ret_why, "a file of the database is missing");
	return 0;
}

/* POSIX ustar. Owner, time and rights say nothing here and are zero: the same files, the same
 * archive. */
static bool tar_header_write(gzFile out, const char *name, uint64_t bytes)
{
	char h[TAR_BLOCK_BYTES] = "";
	unsigned sum = 0;

	if (strlen(name) > 99)
		return false;
	strcpy(h, name);
	snprintf(h + 100, 8, "%07o", 0644u);
	snprintf(h + 108, 8, "%07o", 0u);
	snprintf(h + 116, 8, "%07o", 0u);
	snprintf(h + 124, 12, "%011o", (unsigned)bytes);
	snprintf(h + 136, 12, "%011o", 0u);
	memset(h + 148, ' ', 8);
	h[156] = '0';
	memcpy(h + 257, "ustar\00000", 8);
	for (size_t i = 0; i < sizeof(h); i++)
		sum += (unsigned char)h[i];
	snprintf(h + 148, 8, "%06o", sum & 0777777u);
	return gzwrite(out, h, sizeof(h)) == sizeof(h);
}

static int file_pack(gzFile out, int dir_fd, const char *name)
{
	static const char zero[TAR_BLOCK_BYTES];
	_cleanup_free_ char *buffer = malloc(65536);
	_cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	ssize_t n;

	if (!buffer)
		return -ENOMEM;
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size > (off_t)CVD_BYTES)
		return -EFBIG;
	if (!tar_header_write(out, name, (uint64_t)st.st_size))
		return -EIO;
	while ((n = read(fd, buffer, 65536)) > 0)
		if (gzwrite(out, buffer, (unsigned)n) != n)
			return -EIO;
	unsigned padding = (unsigned)(-st.st_size & (TAR_BLOCK_BYTES - 1));
	return n < 0 || gzwrite(out, zero, padding) != (int)padding ? -EIO : 0;
}

/* libclamav wants the list before the files that it vouches for. */
static int files_pack(gzFile out, int dir_fd, const char *stem, struct span info)
{
	static const char end[2 * TAR_BLOCK_BYTES];
	char name[FILE_NAME_CHARS + 8];

	snprintf(name, sizeof(name), "%s.info", stem);
	int r = file_pack(out, dir_fd, name);
	while (r == 0 && info_next(&info, name))
		r = file_name_ok(name) ? file_pack(out, dir_fd, name) : -EBADMSG;
	return r == 0 && gzwrite(out, end, sizeof(end)) != sizeof(end) ? -EIO : r;
}

int cvd_pack(int dir_fd, const char *stem, int out_fd, const char **ret_why)
{
	_cleanup_free_ char *text = malloc(INFO_BYTES);
	char head[CVD_HEADER_BYTES];
	struct cvd_header h;
	struct span info;

	if (!text)
		return -ENOMEM;
	int r = info_read(dir_fd, stem, text, &info);
	if (r < 0 || !cvd_header_read(info, &h))
		return refuse(ret_why, "the database has no list of its files");
	struct span line =
		span_take(info, (size_t)(span_chr(info, '\n') < 0 ? 0 : span_chr(info, '\n')));
	memset(head, ' ', sizeof(head));
	if (line.n == 0 || line.n > sizeof(head))
		return refuse(ret_why, "the database's header is too long");
	memcpy(head, line.p, line.n);
	if (write(out_fd, head, sizeof(head)) != sizeof(head))
		return -errno;
	int fd = dup(out_fd);
	gzFile out = fd < 0 ? NULL : gzdopen(fd, "wb1");
	if (!out) {
		close(fd);
		return -ENOMEM;
	}
	r = files_pack(out, dir_fd, stem, info);
	return gzclose(out) != Z_OK && r == 0 ? -EIO : r;
}
