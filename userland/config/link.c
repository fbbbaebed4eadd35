#include "config/link.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
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

int link_delete(const char *name)
{
	char buf[256] = {0};
	unsigned index = if_nametoindex(name);
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);

	if (!index)
		return -ENODEV;
	h->nlmsg_type = RTM_DELLINK;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	struct ifinfomsg *i = mnl_nlmsg_put_extra_header(h, sizeof(*i));
	i->ifi_index = (int)index;
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!nl)
		return -errno;
	int r = mnl_socket_sendto(nl, h, h->nlmsg_len) < 0 ? -errno : 0;
	ssize_t n = r < 0 ? r : mnl_socket_recvfrom(nl, buf, sizeof(buf));
	if (r >= 0 &&
		(n < 0 || mnl_cb_run(buf, (size_t)n, 0, mnl_socket_get_portid(nl), NULL, NULL) < 0))
		r = -errno;
	mnl_socket_close(nl);
	return r;
}
