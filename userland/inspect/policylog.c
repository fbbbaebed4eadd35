#include "inspect/policylog.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <stdlib.h>

#include "inspect/decode.h"
#include "inspect/out_line.h"
#include "lib/mark.h"

#define RECEIVE_BYTES 65536
#define WAIT_CS 10      /* hundredths of a second that the kernel may gather packets */
#define BATCH_READS 64  /* of one turn of the main loop */
#define VLAN_ID 0x0fffu /* of a tag: IEEE 802.1Q */

struct policylog {
	struct mnl_socket *nl;
	sd_event_source *source;
	struct out *out;
	uint64_t lost;
};

static struct nlmsghdr *config_begin(void *buf, uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));

	nlh->nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nfg->nfgen_family = AF_UNSPEC;
	nfg->version = NFNETLINK_V0;
	nfg->res_id = htons(LOG_GROUP_POLICY);
	return nlh;
}

static int bind_group(struct mnl_socket *nl)
{
	char buf[512], answer[4096];
	const struct nfulnl_msg_config_cmd command = {.command = NFULNL_CFG_CMD_BIND};
	const struct nfulnl_msg_config_mode mode = {
		.copy_range = htonl(POLICYLOG_COPY_BYTES), .copy_mode = NFULNL_COPY_PACKET};
	struct nlmsghdr *nlh = config_begin(buf, NLM_F_ACK);

	mnl_attr_put(nlh, NFULA_CFG_CMD, sizeof(command), &command);
	mnl_attr_put(nlh, NFULA_CFG_MODE, sizeof(mode), &mode);
	mnl_attr_put_u32(nlh, NFULA_CFG_TIMEOUT, htonl(WAIT_CS));
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	ssize_t n = mnl_socket_recvfrom(nl, answer, sizeof(answer));
	if (n < 0)
		return -errno;
	return mnl_cb_run(answer, (size_t)n, 0, mnl_socket_get_portid(nl), NULL, NULL) < 0 ? -errno
											   : 0;
}

/* "drop guests" */
static void take_prefix(const char *text, struct policylog_packet *ret)
{
	size_t n = strcspn(text, " ");

	snprintf(ret->action, sizeof(ret->action), "%.*s", (int)(n < 15 ? n : 15), text);
	text += n;
	snprintf(ret->name, sizeof(ret->name), "%s", text + strspn(text, " "));
}

static int on_vlan(const struct nlattr *attr, void *data)
{
	struct policylog_packet *ret = data;

	if (mnl_attr_get_type(attr) == NFULA_VLAN_TCI && mnl_attr_validate(attr, MNL_TYPE_U16) >= 0)
		ret->vlan = ntohs(mnl_attr_get_u16(attr)) & VLAN_ID;
	return MNL_CB_OK;
}

static int on_attribute(const struct nlattr *attr, void *data)
{
	struct policylog_packet *ret = data;
	bool is_number = mnl_attr_validate(attr, MNL_TYPE_U32) >= 0;

	switch (mnl_attr_get_type(attr)) {
	case NFULA_PREFIX:
		if (mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
			take_prefix(mnl_attr_get_str(attr), ret);
		break;
	case NFULA_IFINDEX_INDEV:
		ret->in = is_number ? ntohl(mnl_attr_get_u32(attr)) : 0;
		break;
	case NFULA_IFINDEX_OUTDEV:
		ret->out = is_number ? ntohl(mnl_attr_get_u32(attr)) : 0;
		break;
	case NFULA_VLAN:
		mnl_attr_parse_nested(attr, on_vlan, ret);
		break;
	case NFULA_PAYLOAD:
		ret->bytes = span_of(mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));
		break;
	default:
		break;
	}
	return MNL_CB_OK;
}

bool policylog_parse(const struct nlmsghdr *message, struct policylog_packet *ret)
{
	*ret = (struct policylog_packet){0};
	if (message->nlmsg_type != (NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET) ||
		mnl_nlmsg_get_payload_len(message) < sizeof(struct nfgenmsg))
		return false;
	return mnl_attr_parse(message, sizeof(struct nfgenmsg), on_attribute, ret) >= 0;
}

static void put_interface(struct jsonw *w, const char *key, unsigned index)
{
	char name[IF_NAMESIZE];

	if (index && if_indextoname(index, name))
		jsonw_str(w, key, name);
}

void out_policy(struct out *o, const struct policylog_packet *p)
{
	struct packet packet;
	struct scene scene = {.packet = &packet};
	struct jsonw w;

	decode_ip(p->bytes, &packet);
	packet.vlan[0] = p->vlan;
	packet.vlan_n = p->vlan != 0;
	out_begin(o, &w, "policy", NULL);
	put_interface(&w, "in_iface", p->in);
	put_interface(&w, "out_iface", p->out);
	out_put_packet(&w, &scene);
	jsonw_object(&w, "policy");
	jsonw_str(&w, "action", p->action);
	jsonw_str(&w, "name", p->name);
	jsonw_end(&w);
	out_end(o, &w);
}

static int on_message(const struct nlmsghdr *message, void *data)
{
	struct policylog *l = data;
	struct policylog_packet packet;

	if (policylog_parse(message, &packet))
		out_policy(l->out, &packet);
	return MNL_CB_OK;
}

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct policylog *l = userdata;
	char buf[RECEIVE_BYTES] __attribute__((aligned(8)));

	(void)source;
	(void)events;
	for (int i = 0; i < BATCH_READS; i++) {
		ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n < 0 && errno == ENOBUFS) {
			l->lost++;
			continue;
		}
		if (n <= 0)
			break;
		mnl_cb_run(buf, (size_t)n, 0, 0, on_message, l);
	}
	return 0;
}

int policylog_open(sd_event *event, struct out *o, struct policylog **ret)
{
	struct policylog *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->out = o;
	l->nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	int r = l->nl && mnl_socket_bind(l->nl, 0, MNL_SOCKET_AUTOPID) >= 0 ? bind_group(l->nl)
									    : -errno;
	if (r >= 0)
		r = sd_event_add_io(
			event, &l->source, mnl_socket_get_fd(l->nl), EPOLLIN, on_readable, l);
	if (r < 0) {
		policylog_free(l);
		return r;
	}
	*ret = l;
	return 0;
}

void policylog_free(struct policylog *l)
{
	if (!l)
		return;
	sd_event_source_disable_unref(l->source);
	if (l->nl)
		mnl_socket_close(l->nl);
	free(l);
}

uint64_t policylog_lost(const struct policylog *l)
{
	return l ? l->lost : 0;
}
