/* The appliers' pure halves: JSON in, text out. */
#include <stdlib.h>
#include <string.h>

#include "config/applier.h"
#include "config/etc.h"
#include "config/networkd.h"
#include "config/ruleset.h"
#include "unit.h"

static const char ports[] =
	"\"port\":[{\"name\":\"eth0\",\"side\":\"lan\"},{\"name\":\"eth1\",\"side\":\"wan\"}]";

static sd_json_variant *config(
	const char *inspection, const char *mail, const char *management, const char *system)
{
	char text[2048];
	sd_json_variant *v = NULL;

	snprintf(text, sizeof(text),
		"{\"interfaces\":{%s,\"management\":{%s}},\"inspection\":{%s},\"mail\":{%s},"
		"\"system\":{%s}}",
		ports, management, inspection, mail, system);
	assert_int_equal(sd_json_parse(text, 0, &v, NULL, NULL), 0);
	return v;
}

static bool all_exist(const char *name)
{
	(void)name;
	return true;
}

static bool only_eth0(const char *name)
{
	return strcmp(name, "eth0") == 0;
}

#define OPEN "\"enabled\":true,\"on-failure\":\"open\",\"bypass\":true,\"queues\":1"
#define MAIL "\"enabled\":true,\"on-failure\":\"open\""

static void test_ruleset(void **state)
{
	static const struct {
		const char *inspection, *mail, *management;
		bool (*exists)(const char *);
		const char *mac;
		const char *has, *has_not;
	} rows[] = {
		{OPEN, MAIL, "", all_exist, "02:00:00:00:00:01",
			"meta protocol @inspect_alive queue flags bypass to 0\n", "fanout"},
		{"\"enabled\":true,\"on-failure\":\"open\",\"bypass\":true,\"queues\":4", MAIL, "",
			all_exist, "02:00:00:00:00:01", "queue flags bypass to 0-3\n", NULL},
		{"\"enabled\":true,\"on-failure\":\"closed\",\"bypass\":true,\"queues\":1", MAIL,
			"", all_exist, "02:00:00:00:00:01",
			"meta protocol { ip, ip6 } queue to 0\n", "flags bypass"},
		{"\"enabled\":true,\"on-failure\":\"open\",\"bypass\":false,\"queues\":1", MAIL, "",
			all_exist, "02:00:00:00:00:01", "ct mark & 0x00000200 != 0 drop",
			"ct mark & 0x00000100 != 0 accept"},
		{OPEN, MAIL, "", all_exist, "02:00:00:00:00:01",
			"ip length . @th,96,16 { 40 . 0x5010, 44 . 0x6010, ", NULL},
		{OPEN, MAIL, "", all_exist, "02:00:00:00:00:01",
			"meta mark & 0x00004000 != 0 ct mark set ct mark & 0xffffdfff\n", NULL},
		{OPEN, MAIL, "", all_exist, "02:00:00:00:00:01",
			"ip6 saddr . udp sport . ip6 daddr . udp dport @refused6 reject with "
			"icmpv6 type port-unreachable\n",
			"icmpx"},
		{"\"enabled\":false", MAIL, "", all_exist, "02:00:00:00:00:01", "jump management",
			"queue"},
		{OPEN, MAIL, "", all_exist, "02:00:00:00:00:01", "tcp dport @mail_alive",
			"tcp dport 22"},
		{OPEN, MAIL, "", all_exist, "02:00:00:00:00:01", "devices = { \"eth0\", \"eth1\" }",
			NULL},
		{OPEN, MAIL, "", only_eth0, "02:00:00:00:00:01", "devices = { \"eth0\" }", NULL},
		{OPEN, MAIL, "", all_exist, "", "set mail_alive", "chain learn"},
		{OPEN, "\"enabled\":true,\"on-failure\":\"closed\"", "", all_exist,
			"02:00:00:00:00:01",
			"ether type ip tcp dport 25 meta mark set 0x00000004 update @mac4",
			"@mail_alive"},
		{OPEN, "\"enabled\":false", "", all_exist, "02:00:00:00:00:01", "set mail_alive",
			"tproxy"},
		{OPEN, MAIL, "\"ssh\":true,\"dhcp\":true", all_exist, "02:00:00:00:00:01",
			"tcp dport 22 accept", NULL},
		{OPEN, MAIL, "\"ssh\":true,\"dhcp\":true", all_exist, "02:00:00:00:00:01",
			"udp sport 67 udp dport 68 return", NULL},
		{OPEN, MAIL, "\"dhcp\":false", all_exist, "02:00:00:00:00:01",
			"iifname { \"eth1\" } jump management", "udp sport 67"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		sd_json_variant *v =
			config(rows[i].inspection, rows[i].mail, rows[i].management, "");
		struct ruleset_links links = {.exists = rows[i].exists};
		strcpy(links.bridge_mac, rows[i].mac);
		char *text = ruleset_render(v, &links);
		if (!strstr(text, rows[i].has) ||
			(rows[i].has_not && strstr(text, rows[i].has_not)))
			fail_msg("row %zu:\n%s", i, text);
		free(text);
		sd_json_variant_unref(v);
	}
}

struct seen {
	char all[16384];
};

static int put(void *ctx, const char *file, const char *text)
{
	struct seen *s = ctx;

	assert_int_equal(strncmp(file, NETWORKD_PREFIX, strlen(NETWORKD_PREFIX)), 0);
	size_t n = strlen(s->all);
	snprintf(s->all + n, sizeof(s->all) - n, "== %s\n%s", file, text);
	return 0;
}

static void test_networkd(void **state)
{
	static const struct {
		const char *management, *has, *has_not;
	} rows[] = {
		{"", "DHCP=no\nIPv6AcceptRA=no\nLinkLocalAddressing=no", "Address="},
		{"\"dhcp\":true", "DHCP=ipv4\nIPv6AcceptRA=yes\nLinkLocalAddressing=ipv6",
			"Gateway="},
		{"\"address\":[\"192.0.2.2/24\",\"2001:db8::2/64\"],\"gateway\":\"192.0.2.1\"",
			"Address=192.0.2.2/24\nAddress=2001:db8::2/64\nGateway=192.0.2.1\n",
			"[DHCPv4]"},
		{"\"vlan\":10,\"address\":[\"192.0.2.2/24\"]",
			"== 60-sekisho-mgmt0.network\n[Match]\nName=mgmt0\n\n[Link]\n"
			"RequiredForOnline=no\n\n[Network]\nVLAN=mgmt0.10\n"
			"LinkLocalAddressing=no\nIPv6AcceptRA=no\nLLDP=no\n"
			"== 60-sekisho-mgmt0.10.netdev\n[NetDev]\nName=mgmt0.10\nKind=vlan\n\n"
			"[VLAN]\nId=10\n== 60-sekisho-mgmt0.10.network\n[Match]\nName=mgmt0.10\n",
			NULL},
		{"", "== 60-sekisho-eth1.network\n[Match]\nName=eth1\n", NULL},
		{"", "[Link]\nARP=no", NULL},
		{"", "FirewallMark=1/1", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		static struct seen s;
		sd_json_variant *v = config(OPEN, MAIL, rows[i].management, "");
		s.all[0] = 0;
		assert_int_equal(networkd_render(v, put, &s), 0);
		if (!strstr(s.all, rows[i].has) ||
			(rows[i].has_not && strstr(s.all, rows[i].has_not)))
			fail_msg("row %zu:\n%s", i, s.all);
		sd_json_variant_unref(v);
	}
}

static void test_address(void **state)
{
	static const struct {
		const char *in;
		bool want;
	} rows[] = {
		{"192.0.2.1/24", true},
		{"192.0.2.1/32", true},
		{"192.0.2.1/33", false},
		{"192.0.2.256/24", false},
		{"192.0.2.1", false},
		{"2001:db8::1/64", true},
		{"2001:db8::1/129", false},
		{":::/64", false},
		{"::ffff:1.2.3.4/128", true},
		{"1111:1111:1111:1111:1111:1111:1111:1111:1111:1111/64", false},
		{"/8", false},
		{"10.0.0.1/", false},
		{"", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (networkd_is_address(rows[i].in) != rows[i].want)
			fail_msg("%s", rows[i].in);
}

static void test_shadow(void **state)
{
	static const char *const accounts[] = {"root", "admin", "sekisho-mail", NULL};
	sd_json_variant *none = config(OPEN, MAIL, "", "");
	sd_json_variant *set = config(OPEN, MAIL, "",
		"\"user\":[{\"name\":\"admin\",\"password-hash\":\"$y$x\",\"ssh-key\":[\"ssh-"
		"ed25519 AAAA me\"]}]");

	(void)state;
	char *text = etc_shadow(none, accounts);
	assert_string_equal(text, "admin::::::::\nroot:!*:::::::\nsekisho-mail:!*:::::::\n");
	free(text);
	text = etc_shadow(set, accounts);
	assert_string_equal(text, "admin:$y$x:::::::\nroot:!*:::::::\nsekisho-mail:!*:::::::\n");
	free(text);
	text = etc_authorized_keys(sd_json_variant_by_index(config_at(set, "system.user"), 0));
	assert_string_equal(text, "ssh-ed25519 AAAA me\n");
	free(text);
	sd_json_variant_unref(none);
	sd_json_variant_unref(set);
}

static void test_resolv_conf(void **state)
{
	static const struct {
		const char *system, *state, *want;
	} rows[] = {
		{"", "A=1\nDNS=192.0.2.1 2001:db8::1\nNTP=\n",
			"nameserver 192.0.2.1\nnameserver 2001:db8::1\n"},
		{"", "DNS=1.1.1.1 2.2.2.2 3.3.3.3 4.4.4.4",
			"nameserver 1.1.1.1\nnameserver 2.2.2.2\nnameserver 3.3.3.3\n"},
		{"", "DNS=1.1.1.1;reboot\n", ""},
		{"", "XDNS=1.1.1.1\n", ""},
		{"", "", ""},
		{"\"dns-server\":[\"192.0.2.9\"]", "DNS=192.0.2.1\n", "nameserver 192.0.2.9\n"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		sd_json_variant *v = config(OPEN, MAIL, "", rows[i].system);
		char lease[64];
		etc_lease_servers(rows[i].state, lease, sizeof(lease));
		char *text = etc_resolv_conf(v, lease);
		assert_string_equal(text, rows[i].want);
		free(text);
		sd_json_variant_unref(v);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ruleset),
		cmocka_unit_test(test_networkd),
		cmocka_unit_test(test_address),
		cmocka_unit_test(test_shadow),
		cmocka_unit_test(test_resolv_conf),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
