#include "box/link.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

#define REQUEST_BYTES 2048

static struct ifinfomsg *request(char *buf, struct nlmsghdr **ret, uint16_t type, uint16_t flags)
{
	*ret = mnl_nlmsg_put_header(buf);
	(*ret)->nlmsg_type = type;
	(*ret)->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	(*ret)->nlmsg_seq = 1;
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(*ret, sizeof(*info));
	info->ifi_family = AF_UNSPEC;
	return info;
}

static int talk(struct nlmsghdr *h)
{
	char buf[8192];
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int r = -EIO;

	if (!nl)
		return -errno;
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 ||
		mnl_socket_sendto(nl, h, h->nlmsg_len) < 0) {
		r = -errno;
		mnl_socket_close(nl);
		return r;
	}
	ssize_t n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
	if (n > 0)
		r = mnl_cb_run(buf, (size_t)n, 1, mnl_socket_get_portid(nl), NULL, NULL) < 0
			    ? -errno
			    : 0;
	mnl_socket_close(nl);
	return r;
}

int link_add_bridge(const char *name)
{
	char buf[REQUEST_BYTES];
	struct nlmsghdr *h;
	struct ifinfomsg *info = request(buf, &h, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);

	info->ifi_flags = info->ifi_change = IFF_UP;
	mnl_attr_put_strz(h, IFLA_IFNAME, name);
	struct nlattr *outer = mnl_attr_nest_start(h, IFLA_LINKINFO);
	mnl_attr_put_strz(h, IFLA_INFO_KIND, "bridge");
	struct nlattr *data = mnl_attr_nest_start(h, IFLA_INFO_DATA);
	/* Otherwise its ports only listen for the first 15 seconds. */
	mnl_attr_put_u32(h, IFLA_BR_FORWARD_DELAY, 0);
	mnl_attr_nest_end(h, data);
	mnl_attr_nest_end(h, outer);
	return talk(h);
}

int link_add_wire(const char *name, const char *in_bridge, const char *bridge)
{
	char buf[REQUEST_BYTES];
	struct nlmsghdr *h;
	struct ifinfomsg *info = request(buf, &h, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);

	info->ifi_flags = info->ifi_change = IFF_UP;
	mnl_attr_put_strz(h, IFLA_IFNAME, name);
	struct nlattr *outer = mnl_attr_nest_start(h, IFLA_LINKINFO);
	mnl_attr_put_strz(h, IFLA_INFO_KIND, "veth");
	struct nlattr *data = mnl_attr_nest_start(h, IFLA_INFO_DATA);
	struct nlattr *peer = mnl_attr_nest_start(h, VETH_INFO_PEER);
	struct ifinfomsg *peer_info = mnl_nlmsg_put_extra_header(h, sizeof(*peer_info));
	memset(peer_info, 0, sizeof(*peer_info));
	mnl_attr_put_strz(h, IFLA_IFNAME, in_bridge);
	mnl_attr_nest_end(h, peer);
	mnl_attr_nest_end(h, data);
	mnl_attr_nest_end(h, outer);
	int r = talk(h);
	if (r < 0)
		return r;
	info = request(buf, &h, RTM_NEWLINK, 0);
	info->ifi_index = (int)if_nametoindex(in_bridge);
	info->ifi_flags = info->ifi_change = IFF_UP;
	mnl_attr_put_u32(h, IFLA_MASTER, if_nametoindex(bridge));
	return talk(h);
}

int link_delete(const char *name)
{
	char buf[REQUEST_BYTES];
	struct nlmsghdr *h;
	struct ifinfomsg *info = request(buf, &h, RTM_DELLINK, 0);

	info->ifi_index = (int)if_nametoindex(name);
	return info->ifi_index ? talk(h) : -ENODEV;
}
