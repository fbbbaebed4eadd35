#include "update/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <zlib.h>

#include "lib/cleanup.h"
#include "update/tar.h"

struct unpacking {
	const struct signature_type *type; /* NULL: every file */
	int dir_fd;
	int file_fd;
	struct delivery_names *names;
};

static int on_file(void *ctx, const char *path, uint64_t bytes, const char **why)
{
	struct unpacking *u = ctx;
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;

	(void)bytes;
	if (u->type ? !type_accepts(u->type, name) : !file_name_ok(name))
		return 0;
	if (u->names->n == DELIVERY_FILES) {
		*why = "more than 200 files";
		return -E2BIG;
	}
	u->file_fd =
		openat(u->dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (u->file_fd < 0) {
		*why = errno == EEXIST ? "two files of one name" : "no room to unpack";
		return -errno;
	}
	strcpy(u->names->name[u->names->n++], name);
	return 1;
}

static int on_data(void *ctx, struct span s, const char **why)
{
	struct unpacking *u = ctx;

	while (s.n > 0) {
		ssize_t n = write(u->file_fd, s.p, s.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			*why = "no room to unpack";
			return -errno;
		}
		s = span_skip(s, (size_t)n);
	}
	return 0;
}

static int on_done(void *ctx, const char **why)
{
	struct unpacking *u = ctx;

	(void)why;
	close(take_fd(&u->file_fd));
	return 0;
}

struct pump {
	int fd;
	bool plain, open_end;
	uint64_t bytes_max;
	z_stream z;
	uint8_t in[16384];
	uint8_t out[65536];
};

static int refuse(const char **why, const char *text)
{
	*why = text;
	return -EBADMSG;
}

static int input_fill(struct pump *p, const char **why)
{
	ssize_t n = read(p->fd, p->in, sizeof(p->in));

	if (n < 0)
		return -errno;
	if (n == 0)
		return refuse(why, "the file is cut off");
	p->z.next_in = p->in;
	p->z.avail_in = (uInt)n;
	return 0;
}

static int tar_refuses(const struct tar *t, const char **why)
{
	return refuse(why, t->why ? t->why : "the archive cannot be unpacked");
}

/* Until the end of the gzip stream: its check sum, at the very end, vouches for all before. */
static int pump_gzip(struct pump *p, struct tar *t, const char **why)
{
	enum tar_result state = TAR_MORE;
	int r = Z_OK;

	while (r != Z_STREAM_END) {
		int e = p->z.avail_in ? 0 : input_fill(p, why);
		if (e < 0)
			return e;
		p->z.next_out = p->out;
		p->z.avail_out = sizeof(p->out);
		r = inflate(&p->z, Z_NO_FLUSH);
		if (r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR)
			return refuse(why, p->z.total_out ? "the compressed data is damaged"
							  : "not a gzip file");
		if (p->z.total_out > 2 * p->bytes_max)
			return refuse(why, "more unpacked than the limit");
		if (state == TAR_MORE)
			state = tar_feed(t, span_of(p->out, sizeof(p->out) - p->z.avail_out));
		if (state == TAR_BAD)
			return tar_refuses(t, why);
	}
	return state == TAR_END || (p->open_end && tar_is_between(t))
		       ? 0
		       : refuse(why, "the archive has no end: not a tarball, or cut off");
}

static int pump_plain(struct pump *p, struct tar *t, const char **why)
{
	for (;;) {
		int r = input_fill(p, why);
		if (r < 0)
			return r == -EBADMSG && p->open_end && tar_is_between(t) ? 0 : r;
		enum tar_result state = tar_feed(t, span_of(p->in, p->z.avail_in));
		if (state == TAR_BAD)
			return tar_refuses(t, why);
		if (state == TAR_END)
			return 0;
	}
}

static bool is_gzip(int fd, off_t at)
{
	uint8_t magic[2];

	return pread(fd, magic, 2, at) == 2 && magic[0] == 0x1f && magic[1] == 0x8b;
}

int unpack(int fd, const struct unpack_form *form, int dir_fd, struct delivery_names *ret,
	const char **why)
{
	static const struct tar_ops ops = {.file = on_file, .data = on_data, .done = on_done};
	struct unpacking u = {.type = form->type, .dir_fd = dir_fd, .file_fd = -1, .names = ret};
	struct tar t;
	_cleanup_free_ struct pump *p = calloc(1, sizeof(*p));

	ret->n = 0;
	if (!p)
		return -ENOMEM;
	p->fd = fd;
	p->plain = form->plain && !is_gzip(fd, form->at);
	p->open_end = form->open_end;
	p->bytes_max = form->bytes;
	/* 16: a gzip wrapper and nothing else. */
	if (lseek(fd, form->at, SEEK_SET) < 0 || inflateInit2(&p->z, 16 + MAX_WBITS) != Z_OK)
		return -EIO;
	tar_init(&t, &ops, &u, form->bytes);
	int r = p->plain ? pump_plain(p, &t, why) : pump_gzip(p, &t, why);
	inflateEnd(&p->z);
	if (u.file_fd >= 0)
		close(u.file_fd);
	if (r == 0 && ret->n == 0)
		r = refuse(why, "no file of the wanted kind in the archive");
	return r;
}
