#include "lib/nftcount.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/set.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

struct reading {
	struct nftcount *ret;
	unsigned n, max;
};

static int on_element(struct nftnl_set_elem *e, void *data)
{
	struct reading *r = data;
	uint32_t len = 0;
	const void *key = nftnl_set_elem_get(e, NFTNL_SET_ELEM_KEY, &len);
	const struct nftnl_expr *counter =
		nftnl_set_elem_get(e, NFTNL_SET_ELEM_EXPR, &(uint32_t){0});

	if (r->n == r->max || !key || len < sizeof(r->ret->key_be))
		return 0;
	struct nftcount *c = &r->ret[r->n++];
	memcpy(&c->key_be, key, sizeof(c->key_be));
	c->packets = counter ? nftnl_expr_get_u64(counter, NFTNL_EXPR_CTR_PACKETS) : 0;
	return 0;
}

static int on_message(const struct nlmsghdr *nlh, void *data)
{
	struct nftnl_set *set = nftnl_set_alloc();

	if (!set)
		return MNL_CB_ERROR;
	if (nftnl_set_elems_nlmsg_parse(nlh, set) == 0)
		nftnl_set_elem_foreach(set, on_element, data);
	nftnl_set_free(set);
	return MNL_CB_OK;
}

static int request_send(struct mnl_socket *nl, int family, const char *table, const char *name)
{
	char buf[512];
	struct nlmsghdr *nlh =
		nftnl_nlmsg_build_hdr(buf, NFT_MSG_GETSETELEM, (uint16_t)family, NLM_F_DUMP, 1);
	struct nftnl_set *set = nftnl_set_alloc();

	if (!set)
		return -ENOMEM;
	nftnl_set_set_str(set, NFTNL_SET_TABLE, table);
	nftnl_set_set_str(set, NFTNL_SET_NAME, name);
	nftnl_set_elems_nlmsg_build_payload(nlh, set);
	nftnl_set_free(set);
	return mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0 ? -errno : 0;
}

static int answer_read(struct mnl_socket *nl, struct reading *r)
{
	char buf[32768];
	int more = 1;

	while (more > 0) {
		ssize_t n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		if (n < 0)
			return -errno;
		more = mnl_cb_run(buf, (size_t)n, 1, mnl_socket_get_portid(nl), on_message, r);
	}
	return more < 0 ? -errno : 0;
}

int nftcount_read(
	int family, const char *table, const char *set, struct nftcount *ret, unsigned max)
{
	struct reading reading = {.ret = ret, .max = max};
	struct timeval wait = {.tv_sec = 1}; /* the kernel answers at once, or something is wrong */
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	int r;

	if (!nl)
		return -errno;
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 ||
		setsockopt(mnl_socket_get_fd(nl), SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0)
		r = -errno;
	else
		r = request_send(nl, family, table, set);
	if (r >= 0)
		r = answer_read(nl, &reading);
	mnl_socket_close(nl);
	return r < 0 ? r : (int)reading.n;
}
