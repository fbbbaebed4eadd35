#include "update/tar.h"

#include <stdio.h>

/* Offsets and lengths of the header's fields. */
#define NAME 0, 100
#define SIZE 124, 12
#define CHECKSUM 148, 8
#define TYPE 156
#define MAGIC 257, 5
#define PREFIX 345, 155

void tar_init(struct tar *t, const struct tar_ops *ops, void *ctx, uint64_t bytes_max)
{
	*t = (struct tar){.ops = ops, .ctx = ctx, .bytes_left = bytes_max};
}

static enum tar_result bad(struct tar *t, const char *why)
{
	t->why = why;
	return TAR_BAD;
}

static struct span field(const struct tar *t, size_t at, size_t n)
{
	struct span s = span_of(t->header + at, n);
	ptrdiff_t nul = span_chr(s, 0);

	return nul < 0 ? s : span_take(s, (size_t)nul);
}

/* Octal digits between blanks. Base-256 numbers, for files over 8 GB, are not read. */
static bool field_number(const struct tar *t, size_t at, size_t n, uint64_t *ret)
{
	struct span s = span_trim(field(t, at, n));

	*ret = 0;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '7')
			return false;
		*ret = *ret << 3 | (uint64_t)(s.p[i] - '0');
	}
	return s.n > 0;
}

/* The sum of all bytes with the checksum field itself taken as blanks. */
static bool checksum_ok(const struct tar *t)
{
	uint64_t want, sum = 0;

	if (!field_number(t, CHECKSUM, &want))
		return false;
	for (size_t i = 0; i < TAR_BLOCK; i++)
		sum += i >= 148 && i < 156 ? ' ' : t->header[i];
	return sum == want;
}

static bool name_is_safe(const char *name)
{
	if (*name == '/')
		return false;
	for (const char *p = name; p; p = strchr(p, '/')) {
		p += *p == '/';
		if (strncmp(p, "..", 2) == 0 && (p[2] == '/' || p[2] == '\0'))
			return false;
	}
	return true;
}

static void read_name(struct tar *t)
{
	struct span name = field(t, NAME);
	struct span prefix = span_eq(field(t, MAGIC), SPAN_LIT("ustar")) && t->header[262] == 0
				     ? field(t, PREFIX)
				     : span_of(NULL, 0);

	snprintf(t->name, sizeof(t->name), "%.*s%s%.*s", (int)prefix.n, (const char *)prefix.p,
		prefix.n ? "/" : "", (int)name.n, (const char *)name.p);
}

static enum tar_result regular_file(struct tar *t)
{
	read_name(t);
	if (!name_is_safe(t->name))
		return bad(t, "a name that leads out of the archive");
	int r = t->ops->file(t->ctx, t->name, t->body_left, &t->why);
	if (r < 0)
		return TAR_BAD;
	t->wanted = r > 0;
	return t->wanted && t->body_left == 0 && t->ops->done(t->ctx, &t->why) < 0 ? TAR_BAD
										   : TAR_MORE;
}

static bool is_all_zero(const uint8_t *p)
{
	for (size_t i = 0; i < TAR_BLOCK; i++)
		if (p[i])
			return false;
	return true;
}

static enum tar_result header_read(struct tar *t)
{
	bool zero = is_all_zero(t->header);

	if (zero) {
		t->ended = t->zero;
		t->zero = true;
		return t->ended ? TAR_END : TAR_MORE;
	}
	t->zero = false;
	if (!checksum_ok(t))
		return bad(t, "a header with a wrong checksum");
	if (++t->entries > TAR_ENTRIES)
		return bad(t, "more than 4096 entries");
	if (!field_number(t, SIZE, &t->body_left) || t->body_left > t->bytes_left)
		return bad(t, "more unpacked than the limit");
	t->bytes_left -= t->body_left;
	t->padding_left = (size_t)(-t->body_left & (TAR_BLOCK - 1));
	t->wanted = false;
	switch (t->header[TYPE]) {
	case '0':
	case '\0':
		return regular_file(t);
	case '5': /* folder */
	case 'x': /* pax */
	case 'g':
	case 'L': /* GNU long name */
	case 'K':
		return TAR_MORE;
	default:
		return bad(t, "a link or device");
	}
}

static enum tar_result body_read(struct tar *t, struct span s)
{
	if (!t->wanted)
		return TAR_MORE;
	if (t->ops->data(t->ctx, s, &t->why) < 0)
		return TAR_BAD;
	return t->body_left == 0 && t->ops->done(t->ctx, &t->why) < 0 ? TAR_BAD : TAR_MORE;
}

enum tar_result tar_feed(struct tar *t, struct span s)
{
	enum tar_result r = TAR_MORE;

	while (s.n > 0 && r == TAR_MORE && !t->ended) {
		size_t n;
		if (t->body_left > 0) {
			n = t->body_left < s.n ? (size_t)t->body_left : s.n;
			t->body_left -= n;
			r = body_read(t, span_take(s, n));
		} else if (t->padding_left > 0) {
			n = t->padding_left < s.n ? t->padding_left : s.n;
			t->padding_left -= n;
		} else {
			n = TAR_BLOCK - t->header_bytes < s.n ? TAR_BLOCK - t->header_bytes : s.n;
			memcpy(t->header + t->header_bytes, s.p, n);
			t->header_bytes = (t->header_bytes + n) % TAR_BLOCK;
			if (t->header_bytes == 0)
				r = header_read(t);
		}
		s = span_skip(s, n);
	}
	return t->ended ? TAR_END : r;
}
