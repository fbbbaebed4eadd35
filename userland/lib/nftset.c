#include "lib/nftset.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <libnftnl/set.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "lib/cleanup.h"

struct nftset {
	struct mnl_socket *nl;
	uint16_t family;
	char table[NFT_NAME_MAXLEN];
	char set[NFT_NAME_MAXLEN];
	uint32_t seq;
};

int nftset_open(int family, const char *table, const char *set, struct nftset **ret)
{
	struct nftset *s = calloc(1, sizeof(*s));
	struct timeval wait = {.tv_sec = 1}; /* the kernel answers at once, or something is wrong */

	if (!s)
		return -ENOMEM;
	s->family = (uint16_t)family;
	strncpy(s->table, table, sizeof(s->table) - 1);
	strncpy(s->set, set, sizeof(s->set) - 1);
	s->nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!s->nl || mnl_socket_bind(s->nl, 0, MNL_SOCKET_AUTOPID) < 0 ||
		setsockopt(
			mnl_socket_get_fd(s->nl), SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait))) {
		int e = errno;
		nftset_free(s);
		return -e;
	}
	*ret = s;
	return 0;
}

void nftset_free(struct nftset *s)
{
	if (!s)
		return;
	if (s->nl)
		mnl_socket_close(s->nl);
	free(s);
}

static int add_elements(struct nftset *s, struct nlmsghdr *nlh, const uint16_t *keys_be,
	unsigned count, uint32_t timeout_ms)
{
	struct nftnl_set *set = nftnl_set_alloc();

	if (!set)
		return -ENOMEM;
	nftnl_set_set_str(set, NFTNL_SET_TABLE, s->table);
	nftnl_set_set_str(set, NFTNL_SET_NAME, s->set);
	for (unsigned i = 0; i < count; i++) {
		struct nftnl_set_elem *e = nftnl_set_elem_alloc();
		if (!e) {
			nftnl_set_free(set);
			return -ENOMEM;
		}
		nftnl_set_elem_set(e, NFTNL_SET_ELEM_KEY, &keys_be[i], sizeof(keys_be[i]));
		nftnl_set_elem_set_u64(e, NFTNL_SET_ELEM_TIMEOUT, timeout_ms);
		/* Without it the kernel leaves an element with this time-out as it is, and it
		 * expires between two beats. */
		nftnl_set_elem_set_u64(e, NFTNL_SET_ELEM_EXPIRATION, timeout_ms);
		nftnl_set_elem_add(set, e);
	}
	nftnl_set_elems_nlmsg_build_payload(nlh, set);
	nftnl_set_free(set);
	return 0;
}

int nftset_renew(struct nftset *s, const uint16_t *keys_be, unsigned count, uint32_t timeout_ms)
{
	char buf[4096]; /* room for some 40 elements; callers have two */
	struct mnl_nlmsg_batch *batch;
	uint32_t want;
	int r;

	if (count == 0 || count > 16)
		return -EINVAL;
	batch = mnl_nlmsg_batch_start(buf, sizeof(buf));
	if (!batch)
		return -ENOMEM;
	nftnl_batch_begin(mnl_nlmsg_batch_current(batch), s->seq++);
	mnl_nlmsg_batch_next(batch);
	want = s->seq++;
	struct nlmsghdr *nlh = nftnl_nlmsg_build_hdr(mnl_nlmsg_batch_current(batch),
		NFT_MSG_NEWSETELEM, s->family, NLM_F_CREATE | NLM_F_ACK, want);
	r = add_elements(s, nlh, keys_be, count, timeout_ms);
	if (r < 0) {
		mnl_nlmsg_batch_stop(batch);
		return r;
	}
	mnl_nlmsg_batch_next(batch);
	nftnl_batch_end(mnl_nlmsg_batch_current(batch), s->seq++);
	mnl_nlmsg_batch_next(batch);

	ssize_t n =
		mnl_socket_sendto(s->nl, mnl_nlmsg_batch_head(batch), mnl_nlmsg_batch_size(batch));
	mnl_nlmsg_batch_stop(batch);
	if (n < 0)
		return -errno;
	n = mnl_socket_recvfrom(s->nl, buf, sizeof(buf));
	if (n < 0)
		return -errno;
	r = mnl_cb_run(buf, (size_t)n, want, mnl_socket_get_portid(s->nl), NULL, NULL);
	return r < 0 ? -errno : 0;
}
