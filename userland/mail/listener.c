#include "mail/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/control.h"
#include "lib/log.h"

static void turn_away(int fd)
{
	struct span text = SPAN_LIT("421 4.3.2 Sekisho: too many sessions, try again later\r\n");

	send(fd, text.p, text.n, MSG_DONTWAIT | MSG_NOSIGNAL);
	close(fd);
}

/* Without a descriptor to accept with, the connection would stay in the queue and wake us for ever.
 */
static void shed_one(struct listener *l, int listening)
{
	close(l->reserve);
	int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		close(fd);
	l->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
	log_warning("out of file descriptors, a connection was closed");
}

static void on_connection(void *userdata, uint32_t events)
{
	const struct listener_socket *from = userdata;
	struct listener *l = from->listener;

	(void)events;
	for (int i = 0; i < LISTENER_BATCH; i++) {
		int fd = accept4(from->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE)
				shed_one(l, from->fd);
			return;
		}
		if (l->shared->sessions >= l->shared->settings.max_sessions) {
			l->shared->count.turned_away++;
			turn_away(fd);
		} else {
			session_new(l->shared, fd);
		}
	}
}

static int socket_by_hand(const struct endpoint *at)
{
	struct sockaddr_storage address;
	socklen_t len;
	int on = 1;
	int family = endpoint_sockaddr(at->ip, at->port, &address, &len);
	_cleanup_close_ int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	/* Only with the capability; without it the listener works for what is addressed to it. */
	if (family == AF_INET)
		setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &on, sizeof(on));
	else
		setsockopt(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&address, len) < 0 || listen(fd, SOMAXCONN) < 0)
		return -errno;
	return take_fd(&fd);
}

static int socket_watch(struct listener *l, int fd)
{
	struct listener_socket *s = &l->sockets[l->count];

	*s = (struct listener_socket){.listener = l,
		.fd = fd,
		.source = {.fd = fd, .events = EPOLLIN, .on_io = on_connection, .userdata = s}};
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	int r = poller_add(&s->source);
	if (r >= 0)
		l->count++;
	return r;
}

int listener_open(struct listener *l, struct mail_shared *shared, const struct endpoint *by_hand)
{
	int fds[LISTENERS_MAX], count = 1;

	*l = (struct listener){.shared = shared, .reserve = -1};
	if (by_hand)
		fds[0] = socket_by_hand(by_hand);
	else
		count = control_sockets("smtp", fds, LISTENERS_MAX);
	if (count == 0 || fds[0] < 0)
		return count == 0 ? -ENOENT : fds[0];
	l->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
	for (int i = 0; i < count; i++) {
		int r = socket_watch(l, fds[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

void listener_close(struct listener *l)
{
	for (int i = 0; i < l->count; i++) {
		poller_remove(&l->sockets[i].source);
		close(l->sockets[i].fd);
	}
	if (l->reserve >= 0)
		close(l->reserve);
	l->reserve = -1;
	l->count = 0;
}
