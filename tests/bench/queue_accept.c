/*
 * The yardstick of the packet benchmarks: reads a range of NFQUEUEs and accepts everything, the
 *fastest way the kernel offers (recvmmsg, GSO packets, one verdict for a batch). What an engine
 *costs beyond this, it costs itself.
 *
 *	queue_accept FIRST [LAST]
 */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { BATCH = 32, FRAME = 1 << 17 };

struct reader {
	uint16_t queue;
	struct mnl_socket *nl;
	unsigned char *frames;
};

static struct nlmsghdr *message(char *buffer, uint16_t type, uint16_t queue)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);

	nlh->nlmsg_type = (uint16_t)((NFNL_SUBSYS_QUEUE << 8) | type);
	nlh->nlmsg_flags = NLM_F_REQUEST;
	struct nfgenmsg *nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	nfg->nfgen_family = AF_UNSPEC;
	nfg->version = NFNETLINK_V0;
	nfg->res_id = htons(queue);
	return nlh;
}

static void bind_queue(struct reader *r)
{
	char buffer[512];
	struct nlmsghdr *nlh = message(buffer, NFQNL_MSG_CONFIG, r->queue);
	struct nfqnl_msg_config_cmd cmd = {.command = NFQNL_CFG_CMD_BIND, .pf = htons(AF_INET)};
	struct nfqnl_msg_config_params params = {
		.copy_range = htonl(0xffff), .copy_mode = NFQNL_COPY_PACKET};

	mnl_attr_put(nlh, NFQA_CFG_CMD, sizeof(cmd), &cmd);
	if (mnl_socket_sendto(r->nl, nlh, nlh->nlmsg_len) < 0)
		exit(1);
	nlh = message(buffer, NFQNL_MSG_CONFIG, r->queue);
	mnl_attr_put(nlh, NFQA_CFG_PARAMS, sizeof(params), &params);
	mnl_attr_put_u32(nlh, NFQA_CFG_FLAGS, htonl(NFQA_CFG_F_GSO | NFQA_CFG_F_FAIL_OPEN));
	mnl_attr_put_u32(nlh, NFQA_CFG_MASK, htonl(NFQA_CFG_F_GSO | NFQA_CFG_F_FAIL_OPEN));
	mnl_attr_put_u32(nlh, NFQA_CFG_QUEUE_MAXLEN, htonl(8192));
	if (mnl_socket_sendto(r->nl, nlh, nlh->nlmsg_len) < 0)
		exit(1);
}

static int last_id(const struct nlmsghdr *nlh, void *data)
{
	struct nlattr *attr;

	if ((nlh->nlmsg_type & 0xff) != NFQNL_MSG_PACKET)
		return MNL_CB_OK;
	mnl_attr_for_each(attr, nlh,
		sizeof(struct nfgenmsg)) if (mnl_attr_get_type(attr) == NFQA_PACKET_HDR) *
		(uint32_t *)data =
		ntohl(((struct nfqnl_msg_packet_hdr *)mnl_attr_get_payload(attr))->packet_id);
	return MNL_CB_OK;
}

static void accept_up_to(struct reader *r, uint32_t id)
{
	char buffer[256];
	struct nlmsghdr *nlh = message(buffer, NFQNL_MSG_VERDICT_BATCH, r->queue);
	struct nfqnl_msg_verdict_hdr v = {.verdict = htonl(NF_ACCEPT), .id = htonl(id)};

	mnl_attr_put(nlh, NFQA_VERDICT_HDR, sizeof(v), &v);
	mnl_socket_sendto(r->nl, nlh, nlh->nlmsg_len);
}

static void *serve(void *arg)
{
	struct reader *r = arg;
	struct mmsghdr messages[BATCH] = {};
	struct iovec vectors[BATCH];

	for (size_t i = 0; i < BATCH; i++) {
		vectors[i] = (struct iovec){.iov_base = r->frames + i * FRAME, .iov_len = FRAME};
		messages[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i], .msg_iovlen = 1};
	}
	for (;;) {
		uint32_t id = 0;
		int n = recvmmsg(mnl_socket_get_fd(r->nl), messages, BATCH, MSG_WAITFORONE, NULL);

		if (n < 0 && errno != ENOBUFS && errno != EINTR)
			return NULL;
		for (int i = 0; i < n; i++)
			mnl_cb_run(vectors[i].iov_base, messages[i].msg_len, 0, 0, last_id, &id);
		if (id)
			accept_up_to(r, id);
	}
}

int main(int argc, char **argv)
{
	uint16_t first = (uint16_t)(argc > 1 ? atoi(argv[1]) : 0);
	uint16_t last = (uint16_t)(argc > 2 ? atoi(argv[2]) : first);
	pthread_t thread = 0;

	for (uint16_t q = first; q <= last; q++) {
		struct reader *r = calloc(1, sizeof(*r));
		int on = 1, size = 8 << 20;

		if (!r || !(r->frames = malloc((size_t)BATCH * FRAME)) ||
			!(r->nl = mnl_socket_open(NETLINK_NETFILTER)) ||
			mnl_socket_bind(r->nl, 0, MNL_SOCKET_AUTOPID) < 0)
			return 1;
		r->queue = q;
		mnl_socket_setsockopt(r->nl, NETLINK_NO_ENOBUFS, &on, sizeof(on));
		setsockopt(
			mnl_socket_get_fd(r->nl), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
		bind_queue(r);
		if (pthread_create(&thread, NULL, serve, r) != 0)
			return 1;
	}
	pthread_join(thread, NULL);
	return 0;
}
