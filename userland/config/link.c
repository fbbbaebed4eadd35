#include "config/link.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

static int on_event(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	void (*changed)(void) = userdata;
	char buf[8192];

	(void)source;
	(void)events;
	/* What happened does not matter: the callback looks at the links themselves. An overrun
	 * (ENOBUFS) is an event too. */
	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0 || errno == ENOBUFS)
		errno = 0;
	changed();
	return 0;
}

int link_watch(sd_event *event, void (*changed)(void))
{
	static struct mnl_socket *nl; /* one a process, and as long as it */

	nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!nl)
		return -errno;
	if (mnl_socket_bind(nl, RTMGRP_LINK, MNL_SOCKET_AUTOPID) < 0) {
		int e = errno;
		mnl_socket_close(nl);
		return -e;
	}
	return sd_event_add_io(event, NULL, mnl_socket_get_fd(nl), EPOLLIN, on_event, changed);
}
