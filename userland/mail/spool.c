#include "mail/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/sysinfo.h>
#include <unistd.h>

void spool_open(struct spool *s, struct spool_pool *pool, uint64_t max_bytes)
{
	*s = (struct spool){.pool = pool, .max_bytes = max_bytes, .fd = -1};
}

static uint64_t *used(struct spool *s)
{
	return s->on_disk ? &s->pool->disk_used_bytes : &s->pool->used_bytes;
}

void spool_close(struct spool *s)
{
	if (!s->pool)
		return;
	if (s->map)
		munmap(s->map, (size_t)s->bytes);
	if (s->fd >= 0)
		close(s->fd);
	free(s->heap);
	*used(s) -= s->bytes;
	*s = (struct spool){.fd = -1};
}

static bool fits_memory(const struct spool *s, size_t n)
{
	const struct spool_pool *p = s->pool;

	return p->used_bytes + n <= p->max_bytes &&
	       (s->bytes + n <= p->memory_bytes || p->disk_max_bytes == 0);
}

static bool fits_disk(const struct spool *s, size_t n)
{
	uint64_t moved = s->on_disk ? 0 : s->bytes;

	return s->pool->disk_used_bytes + moved + n <= s->pool->disk_max_bytes;
}

static int write_all(int fd, struct span bytes)
{
	while (bytes.n > 0) {
		ssize_t n = write(fd, bytes.p, bytes.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENOSPC;
		bytes = span_skip(bytes, (size_t)n);
	}
	return 0;
}

/* What is on the heap into the descriptor; it stays on the heap when it is the whole message. */
static int heap_pour(struct spool *s, int fd)
{
	return write_all(fd, span_of(s->heap, s->heap_bytes));
}

static int memfd_begin(struct spool *s)
{
	s->fd = memfd_create("mail", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
	return s->fd < 0 ? -errno : heap_pour(s, s->fd);
}

static int file_copy(int to, int from, uint64_t bytes)
{
	off_t at = 0;

	while ((uint64_t)at < bytes) {
		ssize_t n = sendfile(to, from, &at, (size_t)(bytes - (uint64_t)at));
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
	}
	return 0;
}

/* What is in memory goes to a file without a name. */
static int move_to_disk(struct spool *s)
{
	int fd = open(s->pool->folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	int r = s->fd < 0 ? heap_pour(s, fd) : file_copy(fd, s->fd, s->bytes);
	if (r < 0) {
		close(fd);
		return r;
	}
	s->pool->used_bytes -= s->bytes;
	s->pool->disk_used_bytes += s->bytes;
	if (s->fd >= 0)
		close(s->fd);
	s->fd = fd;
	s->on_disk = true;
	return 0;
}

static int make_room(struct spool *s, size_t n)
{
	if (s->bytes + n > s->max_bytes) {
		s->full = SPOOL_MESSAGE_FULL;
	} else if (s->on_disk || !fits_memory(s, n)) {
		if (!fits_disk(s, n))
			s->full = SPOOL_POOL_FULL;
		else if (!s->on_disk)
			return move_to_disk(s);
	}
	return 0;
}

/* False when the bytes are not for the heap. */
static bool heap_write(struct spool *s, struct span bytes)
{
	size_t need = s->heap_bytes + bytes.n, cap = s->heap_cap;

	if (s->fd >= 0 || need > SPOOL_HEAP_BYTES)
		return false;
	while (cap < need)
		cap = cap ? 2 * cap : 4096;
	if (cap > s->heap_cap) {
		uint8_t *heap = realloc(s->heap, cap);
		if (!heap)
			return false;
		s->heap = heap;
		s->heap_cap = cap;
	}
	if (bytes.n)
		memcpy(s->heap + s->heap_bytes, bytes.p, bytes.n);
	s->heap_bytes = need;
	return true;
}

int spool_write(struct spool *s, struct span bytes)
{
	int r = s->full == SPOOL_FITS ? make_room(s, bytes.n) : 0;

	if (r < 0 || s->full != SPOOL_FITS)
		return r;
	if (!heap_write(s, bytes)) {
		if (s->fd < 0)
			r = memfd_begin(s);
		if (r >= 0)
			r = write_all(s->fd, bytes);
		if (r < 0)
			return r;
	}
	s->bytes += bytes.n;
	*used(s) += bytes.n;
	return 0;
}

int spool_seal(struct spool *s)
{
	const int seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	int r = s->fd < 0 ? memfd_begin(s) : 0;

	if (r < 0)
		return r;
	if (!s->on_disk && fcntl(s->fd, F_ADD_SEALS, seals) < 0)
		return -errno;
	if (s->bytes == s->heap_bytes)
		return 0;
	free(s->heap);
	s->heap = NULL;
	s->heap_bytes = s->heap_cap = 0;
	void *map = mmap(NULL, (size_t)s->bytes, PROT_READ, MAP_SHARED, s->fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	s->map = map;
	return 0;
}

struct span spool_text(const struct spool *s)
{
	return s->map ? span_of(s->map, (size_t)s->bytes) : span_of(s->heap, s->heap_bytes);
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
