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

static int hash_finish(EVP_MD_CTX *c, char ret[HASH_CHARS + 1])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char sum[EVP_MAX_MD_SIZE];

	if (EVP_DigestFinal_ex(c, sum, NULL) != 1)
		return -EIO;
	for (int i = 0; i < HASH_CHARS; i++)
		ret[i] = digits[i % 2 ? sum[i / 2] & 15 : sum[i / 2] >> 4];
	ret[HASH_CHARS] = '\0';
	return 0;
}

int file_hash(int fd, char ret[HASH_CHARS + 1])
{
	_cleanup_(context_free) EVP_MD_CTX *c = EVP_MD_CTX_new();
	_cleanup_free_ char *buffer = malloc(65536);
	off_t at = 0;
	ssize_t n;

	if (!c || !buffer || EVP_DigestInit_ex(c, EVP_sha256(), NULL) != 1)
		return -ENOMEM;
	while ((n = pread(fd, buffer, 65536, at)) > 0) {
		at += n;
		if (EVP_DigestUpdate(c, buffer, (size_t)n) != 1)
			return -EIO;
	}
	return n < 0 ? -errno : hash_finish(c, ret);
}

int text_hash(const char *text, char ret[HASH_CHARS + 1])
{
	_cleanup_(context_free) EVP_MD_CTX *c = EVP_MD_CTX_new();

	if (!c || EVP_DigestInit_ex(c, EVP_sha256(), NULL) != 1 ||
		EVP_DigestUpdate(c, text, strlen(text)) != 1)
		return -ENOMEM;
	return hash_finish(c, ret);
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
