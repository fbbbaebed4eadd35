/* How mail is taken: rules, devices and routes of both modes. JSON in, text out. */
#include <stdlib.h>
#include <string.h>

#include "config/applier.h"
#include "config/networkd.h"
#include "config/ruleset.h"
#include "lib/cleanup.h"
#include "unit.h"

#define PORTS "\"port\":[{\"name\":\"eth0\",\"side\":\"lan\"},{\"name\":\"eth1\",\"side\":\"wan\"}]"
#define BRIDGED(vlans, mail) \
	"{\"interfaces\":{" PORTS ",\"bridge\":{\"vlan\":[" vlans \
	"]}},\"mail\":{\"enabled\":true,\"on-failure\":\"open\"" mail "}}"
#define ROUTED(mail) \
	"{\"interfaces\":{\"mode\":\"route\"," PORTS \
	",\"network\":[{\"name\":\"office\",\"side\":\"lan\",\"port\":[\"eth0\"],\"address\":[" \
	"\"192.168.1.1/24\"]},{\"name\":\"modem\",\"side\":\"wan\",\"port\":[\"eth1\"]}]}," \
	"\"zones\":{\"zone\":[{\"name\":\"in\",\"network\":[\"office\"]},{\"name\":\"out\"," \
	"\"network\":[\"modem\"]}],\"policy\":[{\"name\":\"p\",\"enabled\":true,\"from\":\"out\"," \
	"\"to\":\"in\",\"action\":\"accept\"}]},\"mail\":{\"enabled\":true" mail "}}"
#define OPEN ",\"on-failure\":\"open\""
#define CLOSED ",\"on-failure\":\"closed\""

struct row {
	const char *config, *has, *has_not;
};

static bool all_exist(const char *name)
{
	(void)name;
	return true;
}

static void check(const char *text, const struct row *row, size_t i)
{
	if ((row->has && !strstr(text, row->has)) || (row->has_not && strstr(text, row->has_not)))
		fail_msg("row %zu:\n%s", i, text);
}

static sd_json_variant *parse(const char *text)
{
	sd_json_variant *v = NULL;

	if (sd_json_parse(text, 0, &v, NULL, NULL) < 0)
		fail_msg("not JSON: %s", text);
	return v;
}

static void check_rules(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		_cleanup_(sd_json_variant_unrefp) sd_json_variant *v = parse(rows[i].config);
		struct ruleset_links links = {
			.bridge_mac = "02:00:00:00:00:01", .exists = all_exist};
		_cleanup_free_ char *text = ruleset_render(v, &links);
		check(text, &rows[i], i);
	}
}

static void test_bridge(void **state)
{
	static const struct row rows[] = {
		/* a tag is read from the frame, and a frame with a priority alone has none */
		{BRIDGED("", ""),
			"tcp dport @mail_alive meta mark set vlan id map { 0 : 0x00000004 }", NULL},
		{BRIDGED("10,4094", ""),
			"vlan id map { 0 : 0x00000004, 10 : 0x000a0004, 4094 : 0x0ffe0004 } update "
			"@mac6 { meta mark . ip6 saddr : ether saddr }",
			NULL},
		{BRIDGED("10", ""), "ether type ip tcp dport @mail_alive meta mark set 0x00000004 ",
			"} drop"},
		/* what is not listed is counted */
		{BRIDGED("10", ""),
			"vlan id != { 0, 10 } vlan type { ip, ip6 } tcp dport 25 tcp flags & (syn "
			"| "
			"ack) == syn update @unlisted_vlan { vlan id }\n",
			"tcp dport 25 drop"},
		{BRIDGED("10", ",\"unlisted-vlan\":\"block\""),
			"vlan id != { 0, 10 } vlan type { ip, ip6 } tcp sport 25 drop\n", NULL},
		/* and put back by mark and address */
		{BRIDGED("10", ""),
			"meta mark set meta mark & 0x0fff0000 | 0x00000004\n"
			"\t\tmeta protocol ip tcp dport 25 ether daddr set meta mark . ip daddr "
			"map "
			"@mac4",
			NULL},
		/* the appliance is no mail server, but for its relay addresses */
		{BRIDGED("", ",\"relay\":[{\"address\":\"192.0.2.2\"},{\"address\":\"2001:db8::2\"}"
			     "]"),
			"ip daddr 192.0.2.2 return\n\t\tip6 daddr 2001:db8::2 return\n"
			"\t\tfib daddr type local accept\n",
			NULL},
		{BRIDGED("", ""), "tcp dport 10025 tcp flags & (syn | ack) == syn drop\n",
			"ct zone"},
	};

	(void)state;
	check_rules(rows, ARRAY_LEN(rows));
}

static void test_route(void **state)
{
	static const struct row rows[] = {
		{ROUTED(OPEN), "set mail_alive { type inet_service; flags timeout; }",
			"table netdev sekisho_mail {"},
		{ROUTED(OPEN),
			"priority dstnat + 10; policy accept;\n\t\tct mark & 0x00000001 != 0 meta "
			"mark set meta mark | 0x00000001 accept\n",
			"notrack"},
		{ROUTED(OPEN), "tcp dport @mail_alive ct zone set 2\n", "tcp dport 25 drop"},
		{ROUTED(CLOSED), "tcp dport 25 ct zone set 2\n", "@mail_alive"},
		{ROUTED(CLOSED), "\t\ttcp dport 25 drop\n", NULL},
		{ROUTED(OPEN),
			"ct mark & 0x00000001 != 0 oifname \"eth0\" ip saddr 192.168.1.1/24 ip "
			"daddr 192.168.1.1/24 masquerade\n",
			NULL},
		/* the policies are asked before */
		{ROUTED(OPEN),
			"iifname { \"eth1\" } fib daddr oifname { \"eth0\" } counter accept "
			"comment "
			"\"p\"\n",
			NULL},
		{ROUTED(OPEN), "hook prerouting priority dstnat + 5; policy accept;\n", NULL},
		{"{\"interfaces\":{\"mode\":\"route\"," PORTS "},\"mail\":{\"enabled\":false}}",
			"table inet sekisho_mail", "chain mail"},
	};

	(void)state;
	check_rules(rows, ARRAY_LEN(rows));
}

static char all[16384];

static int put(void *ctx, const char *file, const char *text)
{
	size_t n = strlen(all);

	(void)ctx;
	snprintf(all + n, sizeof(all) - n, "== %s\n%s", file, text);
	return 0;
}

static void test_networkd(void **state)
{
	static const struct row rows[] = {
		{BRIDGED("10", ""), "IgnoreCarrierLoss=yes\nVLAN=br0.10\n", NULL},
		{BRIDGED("10", ""),
			"== "
			"60-sekisho-br0.10.netdev\n[NetDev]\nName=br0.10\nKind=vlan\n\n[VLAN]\nId="
			"10\n",
			NULL},
		{BRIDGED("10", ""), "Scope=link\nDestination=0.0.0.0/0\nTable=1010\n", NULL},
		/* before everything with the mark of what is to be delivered here */
		{BRIDGED("10", ""),
			"Priority=96\nTable=1010\nIncomingInterface=lo\nFirewallMark=655364/"
			"268369924\n",
			NULL},
		{BRIDGED("", ""), "Priority=100\nTable=100\nFirewallMark=1/1\n", "Kind=vlan"},
		{ROUTED(OPEN), "== 60-sekisho-lo.network\n[Match]\nName=lo\n", "br0"},
		{ROUTED(OPEN), "Priority=97\nTable=main\nIncomingInterface=lo\nFirewallMark=1/1\n",
			NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_(sd_json_variant_unrefp) sd_json_variant *v = parse(rows[i].config);
		all[0] = 0;
		assert_int_equal(networkd_render(v, put, NULL), 0);
		check(all, &rows[i], i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bridge),
		cmocka_unit_test(test_route),
		cmocka_unit_test(test_networkd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
