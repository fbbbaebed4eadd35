#include "scan/lane.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union lane_control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(2 * sizeof(int))];
};

int lane_open(int ret_fds[2])
{
	/* A stream: a packet socket would hold ten calls only (net.unix.max_dgram_qlen). What is
	 * sent with descriptors is received alone, so calls do not run together. */
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ret_fds) < 0
		       ? -errno
		       : 0;
}

int lane_send(int fd, struct call *c)
{
	union lane_control control = {0};
	struct iovec v = {c->mark, sizeof(c->mark)};
	struct msghdr h = {.msg_iov = &v,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	int fds[2] = {c->connection, c->message};
	struct cmsghdr *m = CMSG_FIRSTHDR(&h);

	m->cmsg_level = SOL_SOCKET;
	m->cmsg_type = SCM_RIGHTS;
	m->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(m), fds, sizeof(fds));
	ssize_t n = sendmsg(fd, &h, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0)
		return errno == ETOOMANYREFS ? -EAGAIN : -errno;
	if (n != sizeof(c->mark))
		return -EIO;
	call_close(c);
	return 0;
}

int lane_receive(int fd, struct call *ret)
{
	union lane_control control;
	struct iovec v = {ret->mark, sizeof(ret->mark)};
	struct msghdr h = {.msg_iov = &v,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};

	ssize_t n = recvmsg(fd, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	if (n == 0)
		return -ECONNRESET;
	struct cmsghdr *m = CMSG_FIRSTHDR(&h);
	if (!m || m->cmsg_type != SCM_RIGHTS || m->cmsg_len != CMSG_LEN(2 * sizeof(int)))
		return -EBADMSG;
	memcpy(&ret->connection, CMSG_DATA(m), sizeof(int));
	memcpy(&ret->message, CMSG_DATA(m) + sizeof(int), sizeof(int));
	ret->mark[sizeof(ret->mark) - 1] = '\0';
	ret->is_scan = true;
	return 0;
}
