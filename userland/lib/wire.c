#include "lib/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define READ_BYTES 65536
#define PASSED_MAX 8 /* descriptors at once; all but the first are closed */

void wire_take(struct wire *w, int fd)
{
	*w = (struct wire){.fd = fd, .passed = -1};
}

int wire_open(struct wire *w, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t n = strlen(path);

	if (n >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, n);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		int r = -errno;
		close(fd);
		return r;
	}
	wire_take(w, fd);
	return 0;
}

static void part_drop(struct wire *w)
{
	free(w->part);
	w->part = NULL;
	w->part_bytes = 0;
}

void wire_close(struct wire *w)
{
	if (w->fd >= 0)
		close(w->fd);
	if (w->passed >= 0)
		close(w->passed);
	part_drop(w);
	wire_take(w, -1);
}

int wire_send(struct wire *w, struct span text, int fd)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec parts[] = {{(void *)text.p, text.n}, {(void *)"", 1}};
	struct msghdr m = {.msg_iov = parts, .msg_iovlen = 2};

	if (fd >= 0) {
		m.msg_control = &control;
		m.msg_controllen = sizeof(control);
		control.head = (struct cmsghdr){
			.cmsg_len = CMSG_LEN(sizeof(fd)),
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
		};
		memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	}
	ssize_t n = sendmsg(w->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		return -errno;
	return (size_t)n == text.n + 1 ? 0 : -EMSGSIZE;
}

static void passed_take(struct wire *w, struct msghdr *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			if (w->passed < 0)
				w->passed = fd;
			else
				close(fd);
		}
	}
}

/* Behind the pieces that came before. */
static int part_add(struct wire *w, const char *bytes, size_t n)
{
	char *part =
		w->part_bytes + n > WIRE_BYTES_MAX ? NULL : realloc(w->part, w->part_bytes + n);

	if (!part)
		return -EMSGSIZE;
	memcpy(part + w->part_bytes, bytes, n);
	w->part = part;
	w->part_bytes += n;
	return 0;
}

int wire_receive(struct wire *w, char **ret)
{
	static char bytes[READ_BYTES];
	static char *whole; /* that came in pieces; until the next call */
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(PASSED_MAX * sizeof(int))];
	} control;
	struct iovec v = {bytes, sizeof(bytes)};
	struct msghdr m = {.msg_iov = &v,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(w->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	passed_take(w, &m);
	if (n == 0)
		return -ECONNRESET;
	const char *nul = memchr(bytes, '\0', (size_t)n);
	if (nul && nul != bytes + n - 1)
		return -EPROTO;
	if (nul && !w->part) {
		*ret = bytes;
		return 1;
	}
	int r = part_add(w, bytes, (size_t)n);
	if (r < 0 || !nul)
		return r;
	free(whole);
	*ret = whole = w->part;
	w->part = NULL;
	w->part_bytes = 0;
	return 1;
}
