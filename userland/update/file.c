#include "update/file.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/cleanup.h"

static int write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t w = write(fd, p, n);
		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -errno;
		p += w;
		n -= (size_t)w;
	}
	return 0;
}

int file_copy(int from, int to, uint64_t max)
{
	_cleanup_free_ char *buffer = malloc(65536);
	uint64_t done = 0;

	if (!buffer)
		return -ENOMEM;
	for (;;) {
		ssize_t n = pread(from, buffer, 65536, (off_t)done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		done += (uint64_t)n;
		if (done > max)
			return -EFBIG;
		int r = write_all(to, buffer, (size_t)n);
		if (r < 0)
			return r;
	}
}

static void context_free(EVP_MD_CTX **c)
{
	EVP_MD_CTX_free(*c);
}

static void hexadecimal(const uint8_t *p, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[p[i] >> 4];
		out[2 * i + 1] = digits[p[i] & 15];
	}
	out[2 * n] = '\0';
}

int file_digest_raw(int fd, const char *name, uint8_t *out, unsigned bytes)
{
	_cleanup_(context_free) EVP_MD_CTX *c = EVP_MD_CTX_new();
	_cleanup_free_ char *buffer = malloc(65536);
	const EVP_MD *md = EVP_get_digestbyname(name);
	unsigned made = 0;
	off_t at = 0;
	ssize_t n;

	if (!c || !buffer || !md || (unsigned)EVP_MD_get_size(md) != bytes ||
		EVP_DigestInit_ex(c, md, NULL) != 1)
		return -ENOMEM;
	while ((n = pread(fd, buffer, 65536, at)) > 0) {
		at += n;
		if (EVP_DigestUpdate(c, buffer, (size_t)n) != 1)
			return -EIO;
	}
	if (n < 0)
		return -errno;
	return EVP_DigestFinal_ex(c, out, &made) == 1 && made == bytes ? 0 : -EIO;
}

int file_digest(int fd, const char *name, char ret[DIGEST_CHARS + 1])
{
	const EVP_MD *md = EVP_get_digestbyname(name);
	uint8_t sum[EVP_MAX_MD_SIZE];

	if (!md)
		return -ENOENT;
	unsigned n = (unsigned)EVP_MD_get_size(md);
	int r = file_digest_raw(fd, name, sum, n);
	if (r == 0)
		hexadecimal(sum, n, ret);
	return r;
}

int file_hash(int fd, char ret[HASH_CHARS + 1])
{
	char sum[DIGEST_CHARS + 1];
	int r = file_digest(fd, "SHA256", sum);

	if (r < 0)
		return r;
	memcpy(ret, sum, HASH_CHARS);
	ret[HASH_CHARS] = '\0';
	return 0;
}

int text_hash(const char *text, char ret[HASH_CHARS + 1])
{
	uint8_t sum[EVP_MAX_MD_SIZE];

	if (EVP_Digest(text, strlen(text), sum, NULL, EVP_sha256(), NULL) != 1)
		return -ENOMEM;
	hexadecimal(sum, HASH_CHARS / 2, ret);
	return 0;
}

int file_slurp(int fd, char *out, size_t cap, size_t *ret_bytes)
{
	*ret_bytes = 0;
	for (;;) {
		ssize_t n = pread(fd, out + *ret_bytes, cap - *ret_bytes, (off_t)*ret_bytes);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		*ret_bytes += (size_t)n;
		if (*ret_bytes == cap)
			return -EFBIG;
	}
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	remove(path);
	return 0;
}

void folder_remove(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

int file_replace(const char *path, const char *text)
{
	_cleanup_free_ char *new = NULL;

	if (asprintf(&new, "%s.new", path) < 0)
		return -ENOMEM;
	_cleanup_close_ int fd =
		open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return -errno;
	int r = write_all(fd, text, strlen(text));
	if (r == 0 && (fsync(fd) < 0 || rename(new, path) < 0))
		r = -errno;
	if (r < 0)
		unlink(new);
	return r;
}
