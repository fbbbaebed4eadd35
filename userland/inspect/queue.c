#include "inspect/queue.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "lib/cleanup.h"
#include "lib/mark.h"

#define MESSAGE_BYTES (65536 + 1024) /* payload and attributes */
#define COPY_BYTES 0xffff
#define ANSWER_BYTES 256 /* a verdict with marks and a packet in place of another */
#define ANSWERS_BYTES (QUEUE_BATCH * ANSWER_BYTES)

struct queue {
	struct mnl_socket *nl;
	uint16_t number;
	struct counters *counters;
	bool has_held; /* accepts not yet written: all ids up to held */
	uint32_t held;
	uint64_t held_pkts;
	size_t answers_bytes; /* written, to be sent in one call */
	uint8_t answers[ANSWERS_BYTES] __attribute__((aligned(8)));
	struct mmsghdr messages[QUEUE_BATCH];
	struct iovec vectors[QUEUE_BATCH];
	uint8_t bytes[QUEUE_BATCH][MESSAGE_BYTES] __attribute__((aligned(8)));
};

static struct nlmsghdr *message_begin(
	const struct queue *q, void *buf, unsigned type, uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));

	nlh->nlmsg_type = (uint16_t)(NFNL_SUBSYS_QUEUE << 8 | type);
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nfg->nfgen_family = AF_UNSPEC;
	nfg->version = NFNETLINK_V0;
	nfg->res_id = htons(q->number);
	return nlh;
}

static int config_send(struct queue *q, struct nlmsghdr *nlh)
{
	char buf[4096];

	if (mnl_socket_sendto(q->nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	ssize_t n = mnl_socket_recvfrom(q->nl, buf, sizeof(buf));
	if (n < 0)
		return -errno;
	return mnl_cb_run(buf, (size_t)n, 0, mnl_socket_get_portid(q->nl), NULL, NULL) < 0 ? -errno
											   : 0;
}

static int config_command(struct queue *q, uint8_t command)
{
	char buf[256];
	struct nfqnl_msg_config_cmd cmd = {.command = command};
	struct nlmsghdr *nlh = message_begin(q, buf, NFQNL_MSG_CONFIG, NLM_F_ACK);

	mnl_attr_put(nlh, NFQA_CFG_CMD, sizeof(cmd), &cmd);
	return config_send(q, nlh);
}

/* Flags first: after BIND packets may arrive, but without copy mode the kernel sends none. */
static int config_flags(struct queue *q)
{
	char buf[256];
	struct nlmsghdr *nlh = message_begin(q, buf, NFQNL_MSG_CONFIG, NLM_F_ACK);
	uint32_t flags = NFQA_CFG_F_GSO | NFQA_CFG_F_FAIL_OPEN;

	mnl_attr_put_u32(nlh, NFQA_CFG_FLAGS, htonl(flags));
	mnl_attr_put_u32(nlh, NFQA_CFG_MASK, htonl(flags));
	mnl_attr_put_u32(nlh, NFQA_CFG_QUEUE_MAXLEN, htonl(QUEUE_PACKETS));
	return config_send(q, nlh);
}

static int config_copy(struct queue *q)
{
	char buf[256];
	struct nfqnl_msg_config_params params = {
		.copy_range = htonl(COPY_BYTES), .copy_mode = NFQNL_COPY_PACKET};
	struct nlmsghdr *nlh = message_begin(q, buf, NFQNL_MSG_CONFIG, 0);

	mnl_attr_put(nlh, NFQA_CFG_PARAMS, sizeof(params), &params);
	/* No ACK asked for: it could come after the first packets, which only queue_read() may
	 * take. */
	return mnl_socket_sendto(q->nl, nlh, nlh->nlmsg_len) < 0 ? -errno : 0;
}

static void socket_prepare(struct queue *q)
{
	int one = 1, bytes = QUEUE_SOCKET_BYTES;

	if (setsockopt(mnl_socket_get_fd(q->nl), SOL_SOCKET, SO_RCVBUFFORCE, &bytes,
		    sizeof(bytes)) < 0)
		setsockopt(mnl_socket_get_fd(q->nl), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	mnl_socket_setsockopt(q->nl, NETLINK_NO_ENOBUFS, &one, sizeof(one));
}

static int queue_bind(struct queue *q)
{
	q->nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!q->nl || mnl_socket_bind(q->nl, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	socket_prepare(q);
	int r = config_command(q, NFQNL_CFG_CMD_BIND);
	if (r >= 0)
		r = config_flags(q);
	return r >= 0 ? config_copy(q) : r;
}

int queue_open(uint16_t number, struct counters *counters, struct queue **ret)
{
	struct queue *q = calloc(1, sizeof(*q));

	if (!q)
		return -ENOMEM;
	q->number = number;
	q->counters = counters;
	for (unsigned i = 0; i < QUEUE_BATCH; i++) {
		q->vectors[i] = (struct iovec){q->bytes[i], sizeof(q->bytes[i])};
		q->messages[i].msg_hdr =
			(struct msghdr){.msg_iov = &q->vectors[i], .msg_iovlen = 1};
	}
	int r = queue_bind(q);
	if (r < 0) {
		queue_free(q);
		return r;
	}
	*ret = q;
	return 0;
}

void queue_free(struct queue *q)
{
	if (!q)
		return;
	if (q->nl) {
		queue_answer(q);
		mnl_socket_close(q->nl);
	}
	free(q);
}

static int on_vlan(const struct nlattr *attr, void *data)
{
	uint16_t *vlan = data;

	if (mnl_attr_get_type(attr) == NFQA_VLAN_TCI && mnl_attr_validate(attr, MNL_TYPE_U16) >= 0)
		*vlan = ntohs(mnl_attr_get_u16(attr)) & 0x0fff;
	return MNL_CB_OK;
}

static int on_attr(const struct nlattr *attr, void *data)
{
	struct queue_packet *p = data;

	switch (mnl_attr_get_type(attr)) {
	case NFQA_PACKET_HDR:
		if (mnl_attr_get_payload_len(attr) < sizeof(struct nfqnl_msg_packet_hdr))
			return MNL_CB_ERROR;
		p->id = ntohl(
			((struct nfqnl_msg_packet_hdr *)mnl_attr_get_payload(attr))->packet_id);
		break;
	case NFQA_MARK:
		if (mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
			p->mark = ntohl(mnl_attr_get_u32(attr));
		break;
	case NFQA_SKB_INFO:
		if (mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
			p->unsummed = ntohl(mnl_attr_get_u32(attr)) &
				      (NFQA_SKB_CSUMNOTREADY | NFQA_SKB_GSO);
		break;
	case NFQA_VLAN:
		mnl_attr_parse_nested(attr, on_vlan, &p->vlan);
		break;
	case NFQA_PAYLOAD:
		p->bytes = span_of(mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));
		break;
	default:
		break;
	}
	return MNL_CB_OK;
}

/* One datagram holds one packet or one error (a late answer to a verdict). */
static bool packet_parse(struct queue *q, const void *buf, size_t n, struct queue_packet *ret)
{
	const struct nlmsghdr *nlh = buf;

	if (!mnl_nlmsg_ok(nlh, (int)n))
		return false;
	if (nlh->nlmsg_type == NLMSG_ERROR) {
		if (((const struct nlmsgerr *)mnl_nlmsg_get_payload(nlh))->error)
			counter_inc(q->counters, COUNTER_QUEUE_ERRORS);
		return false;
	}
	if (nlh->nlmsg_type != (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET))
		return false;
	*ret = (struct queue_packet){};
	return mnl_attr_parse(nlh, sizeof(struct nfgenmsg), on_attr, ret) >= 0;
}

int queue_read(struct queue *q, int timeout_ms, struct queue_packet packets[static QUEUE_BATCH])
{
	struct pollfd pfd = {.fd = mnl_socket_get_fd(q->nl), .events = POLLIN};
	int packets_n = 0;

	int n = recvmmsg(pfd.fd, q->messages, QUEUE_BATCH, MSG_DONTWAIT, NULL);
	if (n < 0 && errno == EAGAIN && timeout_ms > 0) {
		if (poll(&pfd, 1, timeout_ms) <= 0)
			return 0;
		n = recvmmsg(pfd.fd, q->messages, QUEUE_BATCH, MSG_DONTWAIT, NULL);
	}
	if (n < 0) {
		if (errno == ENOBUFS)
			counter_inc(q->counters, COUNTER_QUEUE_OVERRUN);
		return errno == EAGAIN || errno == EINTR || errno == ENOBUFS ? 0 : -errno;
	}
	for (int i = 0; i < n; i++)
		packets_n +=
			packet_parse(q, q->bytes[i], q->messages[i].msg_len, &packets[packets_n]);
	counter_add(q->counters, COUNTER_QUEUE_RECEIVED, (uint64_t)packets_n);
	return packets_n;
}

/* Our bit for the connection, whatever its other bits are. A dropped packet reaches no later chain
 * that could save the packet's mark; a kernel without NETFILTER_NETLINK_GLUE_CT ignores this. */
static void put_connection_mark(struct nlmsghdr *nlh, uint32_t bit)
{
	struct nlattr *ct = mnl_attr_nest_start(nlh, NFQA_CT);

	mnl_attr_put_u32(nlh, CTA_MARK, htonl(bit));
	mnl_attr_put_u32(nlh, CTA_MARK_MASK, htonl(bit));
	mnl_attr_nest_end(nlh, ct);
}

static void answers_send(struct queue *q)
{
	if (q->answers_bytes && mnl_socket_sendto(q->nl, q->answers, q->answers_bytes) < 0)
		counter_inc(q->counters, COUNTER_QUEUE_ERRORS);
	q->answers_bytes = 0;
}

/* bits: marks to add to the packet's own, or 0. */
static void verdict_write(struct queue *q, unsigned type, uint32_t id, uint32_t verdict,
	uint32_t own, uint32_t bits, struct span instead)
{
	struct nfqnl_msg_verdict_hdr header = {htonl(verdict), htonl(id)};

	if (q->answers_bytes + ANSWER_BYTES > ANSWERS_BYTES)
		answers_send(q);
	struct nlmsghdr *nlh = message_begin(q, q->answers + q->answers_bytes, type, 0);
	mnl_attr_put(nlh, NFQA_VERDICT_HDR, sizeof(header), &header);
	if (bits)
		mnl_attr_put_u32(nlh, NFQA_MARK, htonl(own | bits));
	/* what becomes of the others in the connection, the rules know */
	if (bits & (MARK_BYPASS | MARK_DROP))
		put_connection_mark(nlh, bits & (MARK_BYPASS | MARK_DROP));
	if (instead.n)
		mnl_attr_put(nlh, NFQA_PAYLOAD, instead.n, instead.p);
	q->answers_bytes += (nlh->nlmsg_len + 3) & ~3UL;
}

static void held_write(struct queue *q)
{
	if (!q->has_held)
		return;
	verdict_write(q, q->held_pkts > 1 ? NFQNL_MSG_VERDICT_BATCH : NFQNL_MSG_VERDICT, q->held,
		NF_ACCEPT, 0, 0, (struct span){});
	q->has_held = false;
	q->held_pkts = 0;
}

void queue_answer(struct queue *q)
{
	held_write(q);
	answers_send(q);
}

void queue_verdict(struct queue *q, const struct queue_packet *p, struct verdict v)
{
	counter_inc(q->counters, v.drop                 ? COUNTER_QUEUE_DROPPED
				 : v.mark & MARK_BYPASS ? COUNTER_QUEUE_BYPASSED
							: COUNTER_QUEUE_ACCEPTED);
	if (!v.drop && !v.mark && !v.instead.n) {
		q->has_held = true;
		q->held = p->id;
		q->held_pkts++;
		return;
	}
	held_write(q);
	bool drop = v.drop && !(v.mark & MARK_REJECT); /* else the rules do, and answer */
	verdict_write(q, NFQNL_MSG_VERDICT, p->id, drop ? NF_DROP : NF_ACCEPT, p->mark, v.mark,
		v.instead);
}

void queue_kernel_drops(uint16_t first, unsigned n, uint64_t *ret_queue, uint64_t *ret_user)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/net/netfilter/nfnetlink_queue", "re");
	unsigned number, portid, waiting, mode, range;
	unsigned long queue_dropped, user_dropped;

	*ret_queue = *ret_user = 0;
	while (f && fscanf(f, "%u %u %u %u %u %lu %lu %*u %*u", &number, &portid, &waiting, &mode,
			    &range, &queue_dropped, &user_dropped) == 7)
		if (number >= first && number < first + n) {
			*ret_queue += queue_dropped;
			*ret_user += user_dropped;
		}
}
