#include "config/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/cleanup.h"

static bool holds(const char *path, const char *text)
{
	size_t n = strlen(text);
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	_cleanup_free_ char *old = f ? malloc(n + 1) : NULL;

	return old && fread(old, 1, n + 1, f) == n && memcmp(old, text, n) == 0;
}

static int write_all(int fd, const char *text)
{
	size_t left = strlen(text);

	while (left) {
		ssize_t n = write(fd, text, left);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		text += n;
		left -= (size_t)n;
	}
	return 0;
}

static int replace(const char *path, const char *text, mode_t mode, gid_t group, bool durable)
{
	char new[4096];
	_cleanup_close_ int fd = -1;

	if ((size_t)snprintf(new, sizeof(new), "%s.new", path) >= sizeof(new))
		return -ENAMETOOLONG;
	unlink(new);
	fd = open(new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return -errno;
	int r = group != (gid_t)-1 && fchown(fd, (uid_t)-1, group) < 0 ? -errno : 0;
	if (r >= 0)
		r = fchmod(fd, mode) < 0 ? -errno : write_all(fd, text);
	if (r >= 0 && durable && fsync(fd) < 0)
		r = -errno;
	if (r >= 0 && rename(new, path) < 0)
		r = -errno;
	if (r < 0) {
		unlink(new);
		return r;
	}
	return 0;
}

int file_replace(const char *path, const char *text, mode_t mode, bool durable)
{
	if (!durable && holds(path, text))
		return 1;
	return replace(path, text, mode, (gid_t)-1, durable);
}

int file_replace_group(const char *path, const char *text, mode_t mode, gid_t group)
{
	return replace(path, text, mode, group, false);
}
