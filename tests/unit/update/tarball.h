/* tarball: makes ustar archives, sound and otherwise, and gzips them. */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

struct tarball {
	uint8_t p[65536];
	size_t n;
};

static inline void tarball_add(struct tarball *t, const char *name, char type, const char *body)
{
	uint8_t *h = t->p + t->n;
	size_t size = strlen(body);
	unsigned sum = 0;

	memset(h, 0, 512);
	strncpy((char *)h, name, 100);
	memcpy(h + 100, "0000644", 8);
	snprintf((char *)h + 124, 12, "%011o", (unsigned)size & 077777777);
	memset(h + 148, ' ', 8);
	h[156] = (uint8_t)type;
	memcpy(h + 257, "ustar", 6);
	memcpy(h + 263, "00", 2);
	for (int i = 0; i < 512; i++)
		sum += h[i];
	snprintf((char *)h + 148, 8, "%06o", sum & 0777777);
	memcpy(h + 512, body, size);
	memset(h + 512 + size, 0, -size & 511);
	t->n += 512 + size + (-size & 511);
}

static inline void tarball_end(struct tarball *t)
{
	memset(t->p + t->n, 0, 1024);
	t->n += 1024;
}

static inline size_t gzip(const struct tarball *t, uint8_t *out, size_t cap)
{
	z_stream z = {.next_in = (Bytef *)t->p,
		.avail_in = (uInt)t->n,
		.next_out = out,
		.avail_out = (uInt)cap};

	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 16 + 15, 8, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return z.total_out;
}
