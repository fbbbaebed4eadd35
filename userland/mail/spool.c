#include "mail/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <unistd.h>

int spool_open(struct spool *s, struct spool_pool *pool, uint64_t max_bytes)
{
	*s = (struct spool){.pool = pool, .max_bytes = max_bytes};
	s->fd = memfd_create("mail", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
	return s->fd < 0 ? -errno : 0;
}

void spool_close(struct spool *s)
{
	if (!s->pool)
		return;
	if (s->map)
		munmap(s->map, (size_t)s->bytes);
	if (s->fd >= 0)
		close(s->fd);
	s->pool->used_bytes -= s->bytes;
	*s = (struct spool){.fd = -1};
}

static enum spool_full room(const struct spool *s, size_t n)
{
	if (s->bytes + n > s->max_bytes)
		return SPOOL_MESSAGE_FULL;
	if (s->pool->used_bytes + n > s->pool->max_bytes)
		return SPOOL_POOL_FULL;
	return SPOOL_FITS;
}

int spool_write(struct spool *s, struct span bytes)
{
	if (s->full == SPOOL_FITS)
		s->full = room(s, bytes.n);
	while (s->full == SPOOL_FITS && bytes.n > 0) {
		ssize_t n = write(s->fd, bytes.p, bytes.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENOSPC;
		s->bytes += (uint64_t)n;
		s->pool->used_bytes += (uint64_t)n;
		bytes = span_skip(bytes, (size_t)n);
	}
	return 0;
}

int spool_seal(struct spool *s)
{
	if (fcntl(s->fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	if (s->bytes == 0)
		return 0;
	void *map = mmap(NULL, (size_t)s->bytes, PROT_READ, MAP_SHARED, s->fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	s->map = map;
	return 0;
}

struct span spool_text(const struct spool *s)
{
	return s->map ? span_of(s->map, (size_t)s->bytes) : (struct span){0};
}

int spool_reopen(const struct spool *s)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", s->fd);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

uint64_t spool_pool_default(void)
{
	struct sysinfo info;

	if (sysinfo(&info) < 0)
		return 64u << 20;
	return (uint64_t)info.totalram * info.mem_unit / 4;
}
