/* What the kernel's log messages say, those that are not whole included. */
#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <string.h>

#include "inspect/policylog.h"
#include "unit.h"

static char buf[2048] __attribute__((aligned(8)));

static struct nlmsghdr *message_begin(uint8_t type)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(memset(buf, 0, sizeof(buf)));

	mnl_nlmsg_put_extra_header(nlh, sizeof(struct nfgenmsg));
	nlh->nlmsg_type = (uint16_t)(NFNL_SUBSYS_ULOG << 8 | type);
	return nlh;
}

static void test_parse(void **state)
{
	struct nlmsghdr *nlh = message_begin(NFULNL_MSG_PACKET);
	struct policylog_packet p;

	(void)state;
	mnl_attr_put_strz(nlh, NFULA_PREFIX, "reject no-guests");
	mnl_attr_put_u32(nlh, NFULA_IFINDEX_INDEV, htonl(3));
	mnl_attr_put_u32(nlh, NFULA_IFINDEX_OUTDEV, htonl(4));
	struct nlattr *vlan = mnl_attr_nest_start(nlh, NFULA_VLAN);
	mnl_attr_put_u16(nlh, NFULA_VLAN_PROTO, htons(0x8100));
	mnl_attr_put_u16(nlh, NFULA_VLAN_TCI, htons(0x600a)); /* priority 3, VLAN 10 */
	mnl_attr_nest_end(nlh, vlan);
	mnl_attr_put(nlh, NFULA_PAYLOAD, 4, "\x45\0\0\x14");
	assert_true(policylog_parse(nlh, &p));
	assert_string_equal(p.action, "reject");
	assert_string_equal(p.name, "no-guests");
	assert_int_equal(p.in, 3);
	assert_int_equal(p.out, 4);
	assert_int_equal(p.vlan, 10);
	assert_int_equal(p.bytes.n, 4);
}

static void test_odd(void **state)
{
	struct policylog_packet p;
	char longest[200];

	(void)state;
	assert_false(policylog_parse(message_begin(NFULNL_MSG_CONFIG), &p));
	struct nlmsghdr *nlh = message_begin(NFULNL_MSG_PACKET);
	nlh->nlmsg_len = sizeof(*nlh); /* without its own header */
	assert_false(policylog_parse(nlh, &p));
	assert_true(policylog_parse(message_begin(NFULNL_MSG_PACKET), &p));
	assert_string_equal(p.action, "");
	assert_int_equal(p.bytes.n, 0);

	nlh = message_begin(NFULNL_MSG_PACKET);
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = 0;
	mnl_attr_put_strz(nlh, NFULA_PREFIX, longest);
	mnl_attr_put(nlh, NFULA_IFINDEX_INDEV, 2, "\1\1");
	assert_true(policylog_parse(nlh, &p));
	assert_int_equal(strlen(p.action), 15);
	assert_string_equal(p.name, "");
	assert_int_equal(p.in, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse), cmocka_unit_test(test_odd)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
