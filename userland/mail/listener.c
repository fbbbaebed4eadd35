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

static int on_connection(sd_event_source *io, int listening, uint32_t events, void *userdata)
{
	struct listener *l = userdata;

	(void)io;
	(void)events;
	for (int i = 0; i < LISTENER_BATCH; i++) {
		int fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE)
				shed_one(l, listening);
			return 0;
		}
		if (l->shared->sessions >= l->shared->settings.max_sessions) {
			l->shared->count.turned_away++;
			turn_away(fd);
		} else {
			session_new(l->shared, fd);
		}
	}
	return 0;
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

int listener_open(struct listener *l, struct mail_shared *shared, const struct endpoint *by_hand)
{
	*l = (struct listener){.shared = shared, .reserve = -1};
	if (by_hand) {
		int fd = socket_by_hand(by_hand);
		if (fd < 0)
			return fd;
		l->fds[l->count++] = fd;
	} else {
		l->count = control_sockets("smtp", l->fds, LISTENERS_MAX);
	}
	if (l->count == 0)
		return -ENOENT;
	l->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
	for (int i = 0; i < l->count; i++) {
		if (fcntl(l->fds[i], F_SETFL, O_NONBLOCK) < 0)
			return -errno;
		int r = sd_event_add_io(
			shared->event, &l->io[i], l->fds[i], EPOLLIN, on_connection, l);
		if (r < 0)
			return r;
	}
	return 0;
}

void listener_close(struct listener *l)
{
	for (int i = 0; i < l->count; i++) {
		sd_event_source_disable_unref(l->io[i]);
		close(l->fds[i]);
	}
	if (l->reserve >= 0)
		close(l->reserve);
	l->reserve = -1;
	l->count = 0;
}
