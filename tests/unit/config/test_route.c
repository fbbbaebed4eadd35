/* Pure halves of what came with mode route, policies, accounts and logging: JSON in, text out. */
#include <stdlib.h>
#include <string.h>

#include "config/account.h"
#include "config/applier.h"
#include "config/etc.h"
#include "config/network.h"
#include "config/networkd.h"
#include "config/policy.h"
#include "config/ruleset.h"
#include "config/schedule.h"
#include "config/syslog.h"
#include "lib/cleanup.h"
#include "unit.h"

#define PORTS \
	"\"port\":[{\"name\":\"eth0\",\"side\":\"lan\"},{\"name\":\"eth1\",\"side\":\"wan\"}," \
	"{\"name\":\"eth2\",\"side\":\"lan\",\"mtu\":1400}]"
#define OFFICE \
	"{\"name\":\"office\",\"side\":\"lan\",\"port\":[\"eth0\"],\"address\":" \
	"[\"192.168.1.1/24\",\"2001:db8:2::1/64\"]}"
#define MODEM \
	"{\"name\":\"modem\",\"side\":\"wan\",\"port\":[\"eth1\"],\"dhcp\":true," \
	"\"autoconfiguration\":true}"
#define ROUTE(networks, more) \
	"{\"interfaces\":{\"mode\":\"route\"," PORTS ",\"network\":[" networks "],\"management\":" \
	"{\"ssh\":true}},\"inspection\":{\"enabled\":true,\"on-failure\":\"open\",\"bypass\":" \
	"true," \
	"\"queues\":2}" more "}"

static sd_json_variant *parse(const char *text)
{
	sd_json_variant *v = NULL;

	if (sd_json_parse(text, 0, &v, NULL, NULL) < 0)
		fail_msg("not JSON: %s", text);
	return v;
}

static void check(const char *text, const char *has, const char *has_not, size_t row)
{
	if ((has && !strstr(text, has)) || (has_not && strstr(text, has_not)))
		fail_msg("row %zu:\n%s", row, text);
}

static char all[65536];

static int put(void *ctx, const char *file, const char *text)
{
	(void)ctx;
	size_t n = strlen(all);
	snprintf(all + n, sizeof(all) - n, "== %s\n%s", file, text);
	return 0;
}

static void test_networkd(void **state)
{
	static const struct {
		const char *config, *has, *has_not;
	} rows[] = {
		{ROUTE(OFFICE "," MODEM, ""), "== 60-sekisho-eth0.network\n[Match]\nName=eth0\n",
			"br0"},
		{ROUTE(OFFICE "," MODEM, ""), "Address=192.168.1.1/24\nAddress=2001:db8:2::1/64\n",
			"[DHCPServer]"},
		{ROUTE(OFFICE "," MODEM, ""), "DHCP=ipv4\nIPv6AcceptRA=yes", "mgmt0"},
		{ROUTE(OFFICE "," MODEM,
			 ",\"dhcp\":{\"server\":[{\"network\":\"office\",\"enabled\":true,"
			 "\"pool-offset\":10,\"pool-size\":20,\"lease-time\":600,"
			 "\"router-advertisement\":true,\"host\":[{\"name\":\"p\",\"mac-"
			 "address\":\"02:00:00:00:00:01\",\"address\":\"192.168.1.9\"}]}]}"),
			"[DHCPServer]\nPoolOffset=10\nPoolSize=20\nDefaultLeaseTimeSec=600\n",
			NULL},
		{ROUTE(OFFICE "," MODEM, ",\"dhcp\":{\"server\":[{\"network\":\"office\",\"router-"
					 "advertisement\":true}]}"),
			"[IPv6SendRA]\nManaged=no\n\n[IPv6Prefix]\nPrefix=2001:db8:2::/64\n",
			"[DHCPServer]"},
		{ROUTE("{\"name\":\"lan\",\"side\":\"lan\",\"port\":[\"eth0\",\"eth2\"]}," MODEM,
			 ""),
			"== 60-sekisho-br-lan.netdev\n[NetDev]\nName=br-lan\nKind=bridge\n", NULL},
		{ROUTE("{\"name\":\"lan\",\"side\":\"lan\",\"port\":[\"eth0\",\"eth2\"]}," MODEM,
			 ""),
			"Name=eth2\n\n[Link]\nRequiredForOnline=no\nMTUBytes=1400\n\n[Network]\n"
			"Bridge=br-lan\n",
			NULL},
		{ROUTE(OFFICE ",{\"name\":\"guests\",\"side\":\"lan\",\"port\":[\"eth0\"],\"vlan\":"
			      "7}," MODEM,
			 ""),
			"== 60-sekisho-vl-guests.netdev\n[NetDev]\nName=vl-guests\nKind=vlan\n\n"
			"[VLAN]\nId=7\n",
			NULL},
		{ROUTE(OFFICE ",{\"name\":\"guests\",\"side\":\"lan\",\"port\":[\"eth0\"],\"vlan\":"
			      "7}," MODEM,
			 ""),
			"[Network]\nVLAN=vl-guests\n\n[Network]\nDHCP=no\n", NULL},
		{ROUTE(OFFICE "," MODEM,
			 ",\"routing\":{\"route\":[{\"name\":\"b\",\"destination\":\"10.0.0."
			 "0/"
			 "8\",\"gateway\":\"192.168.1.9\",\"network\":\"office\",\"metric\":5}]}"),
			"[Route]\nDestination=10.0.0.0/8\nGateway=192.168.1.9\nMetric=5\n", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		sd_json_variant *v = parse(rows[i].config);
		all[0] = 0;
		assert_int_equal(networkd_render(v, put, NULL), 0);
		check(all, rows[i].has, rows[i].has_not, i);
		sd_json_variant_unref(v);
	}
}

static void test_network_check(void **state)
{
	static const struct {
		const char *config, *why; /* NULL: taken */
	} rows[] = {
		{ROUTE(OFFICE "," MODEM, ""), NULL},
		{ROUTE("{\"name\":\"a\",\"side\":\"lan\",\"port\":[\"eth0\"],\"address\":[\"1.2.3."
		       "4/33\"]}",
			 ""),
			"interfaces network a address 1.2.3.4/33 is none"},
		{ROUTE(MODEM, ",\"dhcp\":{\"server\":[{\"network\":\"modem\",\"enabled\":true}]}"),
			"dhcp server modem: the network has no IPv4 address"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		sd_json_variant *v = parse(rows[i].config);
		_cleanup_free_ char *why = NULL;
		assert_int_equal(network_check(v, &why) < 0, rows[i].why != NULL);
		if (rows[i].why)
			check(why, rows[i].why, NULL, i);
		sd_json_variant_unref(v);
	}
}

static bool all_exist(const char *name)
{
	(void)name;
	return true;
}

static bool none_exists(const char *name)
{
	(void)name;
	return false;
}

#define FORWARD(more) \
	",\"nat\":{\"masquerade\":true,\"reflection\":true,\"forward\":[{\"name\":\"w\"," \
	"\"enabled\":true," \
	"\"protocol\":\"tcp\"," \
	"\"port\":8080,\"to-address\":\"192.168.1.2\"" more "}]}"

static void test_ruleset(void **state)
{
	static const struct {
		const char *config;
		bool (*exists)(const char *name);
		const char *has, *has_not;
	} rows[] = {
		{ROUTE(OFFICE "," MODEM, ""), all_exist, "destroy table bridge sekisho\n",
			"chain nat_out {\n\t\ttype nat hook postrouting priority srcnat; policy "
			"accept;\n\t\tmeta"},
		{ROUTE(OFFICE "," MODEM, FORWARD("")), all_exist,
			"iifname { \"eth1\" } fib daddr type local tcp dport 8080 dnat ip to "
			"192.168.1.2\n",
			NULL},
		{ROUTE(OFFICE "," MODEM,
			 FORWARD(",\"to-port\":80,\"source\":[\"198.51.100.0/24\"]")),
			all_exist,
			"ip saddr { 198.51.100.0/24 } tcp dport 8080 dnat ip to 192.168.1.2:80\n",
			NULL},
		{ROUTE(OFFICE "," MODEM, FORWARD("")), all_exist,
			"iifname { \"eth0\" } fib daddr . iif type != local ip daddr != { "
			"192.168.1.1 } fib daddr type local tcp dport 8080 dnat ip to "
			"192.168.1.2\n",
			"!= { }"},
		{ROUTE(OFFICE "," MODEM, FORWARD("")), all_exist,
			"meta nfproto ipv4 iifname \"eth0\" oifname \"eth0\" ct status dnat "
			"masquerade\n",
			"iifname \"eth1\" oifname \"eth1\""},
		{ROUTE(OFFICE "," MODEM, ",\"nat\":{\"masquerade\":true}"), all_exist,
			"masquerade\n", "ct status dnat masquerade"},
		{ROUTE(OFFICE "," MODEM, FORWARD("")), all_exist,
			"meta nfproto ipv4 oifname { \"eth1\" } masquerade\n", "tproxy"},
		{ROUTE(OFFICE "," MODEM, ""), all_exist,
			"meta protocol @inspect_alive queue flags bypass to 0-1\n", "fanout"},
		{ROUTE(OFFICE "," MODEM, ""), all_exist, "devices = { \"eth0\", \"eth1\" };\n",
			NULL},
		{ROUTE(OFFICE "," MODEM, ""), none_exists, "accept", "flowtable fast"},
		{ROUTE(OFFICE "," MODEM, ""), all_exist, "iifname != { \"eth0\" } drop\n", "mgmt0"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		sd_json_variant *v = parse(rows[i].config);
		struct ruleset_links links = {.exists = rows[i].exists};
		_cleanup_free_ char *text = ruleset_render(v, &links);
		check(text, rows[i].has, rows[i].has_not, i);
		sd_json_variant_unref(v);
	}
}

#define ZONES(mode, policies, unmatched) \
	"{\"interfaces\":{\"mode\":\"" mode "\"," PORTS ",\"network\":[" OFFICE "," MODEM \
	"]},\"zones\":{" \
	"\"zone\":[{\"name\":\"in\",\"port\":[\"eth0\"],\"network\":[\"office\"]},{\"name\":" \
	"\"empty\"},{\"name\":\"tagged\",\"vlan\":[10,20]},{\"name\":\"both\",\"port\":[" \
	"\"eth0\"],\"vlan\":[10]}]," \
	"\"address\":[{\"name\":\"v4\",\"prefix\":[\"10.0.0.0/" \
	"8\"]},{\"name\":\"v6\",\"prefix\":[\"2001:db8::/" \
	"32\"]}],\"service\":[{\"name\":\"web\",\"tcp\":[80,\"8000-8010\"]},{\"name\":\"ping\"," \
	"\"icmp\":true}]," \
	"\"schedule\":[{\"name\":\"never\",\"day\":[\"sunday\"],\"from\":\"08:00\",\"to\":\"09:" \
	"00\"}]," \
	"\"policy\":[" policies "],\"unmatched\":\"" unmatched "\"}}"
#define POLICY(rest) "{\"name\":\"p\",\"enabled\":true," rest "}"

static void test_policy(void **state)
{
	static const struct {
		const char *config, *has, *has_not;
	} rows[] = {
		{ZONES("bridge", "", "accept"), "destroy table bridge sekisho_policy\n",
			"table bridge sekisho_policy {"},
		{ZONES("bridge", "", "drop"), "\t\tcounter drop\n", NULL},
		{ZONES("bridge", POLICY("\"action\":\"drop\""), "accept"),
			"\t\tcounter drop comment \"p\"\n\t\tcounter accept\n", NULL},
		{ZONES("bridge", POLICY("\"from\":\"in\",\"action\":\"drop\""), "accept"),
			"iifname { \"eth0\" } counter drop", NULL},
		{ZONES("route", POLICY("\"to\":\"in\",\"action\":\"drop\""), "accept"),
			"oifname { \"eth0\" } counter drop", "mgmt1"},
		{ZONES("bridge", POLICY("\"from\":\"empty\",\"action\":\"drop\""), "accept"), NULL,
			"\"p\""},
		{ZONES("bridge", POLICY("\"from\":\"tagged\",\"action\":\"drop\""), "accept"),
			"\t\tvlan id { 10, 20 } counter drop", NULL},
		{ZONES("bridge", POLICY("\"to\":\"both\",\"action\":\"drop\""), "accept"),
			"oifname { \"eth0\" } vlan id { 10 } counter drop", NULL},
		{ZONES("route", POLICY("\"from\":\"tagged\",\"action\":\"drop\""), "accept"), NULL,
			"\"p\""},
		{ZONES("bridge", POLICY("\"source\":[\"v4\"],\"log\":true,\"action\":\"drop\""),
			 "accept"),
			"ip saddr @p0_src4 limit rate 20/second burst 40 packets log group 1 "
			"prefix "
			"\"drop p\"\n\t\tip saddr @p0_src4 counter drop",
			NULL},
		{ZONES("route", "", "accept\",\"log-unmatched\":true,\"x\":\""),
			"iifname { \"eth1\" } limit rate 20/second burst 40 packets log group 1 "
			"prefix "
			"\"drop \"\n\t\tiifname { \"eth1\" } counter drop\n\t\tlimit rate "
			"20/second burst 40 packets log group 1 prefix \"accept \"\n",
			NULL},
		{ZONES("bridge", POLICY("\"source\":[\"v4\"],\"action\":\"drop\""), "accept"),
			"ip saddr @p0_src4 counter drop", "ip6 saddr"},
		{ZONES("bridge", POLICY("\"source\":[\"v4\",\"v6\"],\"action\":\"drop\""),
			 "accept"),
			"ip6 saddr @p0_src6 counter drop", NULL},
		{ZONES("bridge",
			 POLICY("\"source\":[\"v4\"],\"destination\":[\"v6\"],\"action\":\"drop\""),
			 "accept"),
			NULL, "\"p\""},
		{ZONES("bridge", POLICY("\"service\":[\"web\",\"ping\"],\"action\":\"accept\""),
			 "drop"),
			"#-- set bridge sekisho_policy p0_tcp\n"
			"add set bridge sekisho_policy p0_tcp { type inet_service; flags interval; "
			"auto-merge; }\n"
			"flush set bridge sekisho_policy p0_tcp\n"
			"add element bridge sekisho_policy p0_tcp { 80, 8000-8010 }\n",
			NULL},
		{ZONES("bridge", POLICY("\"service\":[\"web\",\"ping\"],\"action\":\"accept\""),
			 "drop"),
			"tcp dport @p0_tcp counter accept comment \"p\"\n\t\tmeta l4proto { icmp, "
			"ipv6-icmp } counter accept",
			"udp"},
		{ZONES("route", POLICY("\"service\":[\"web\"],\"action\":\"reject\""), "accept"),
			"counter reject with tcp reset", NULL},
		{ZONES("route", "", "accept"),
			"ct status dnat accept\n\t\tiifname { \"eth1\" } counter drop\n\t\tcounter "
			"accept\n",
			NULL},
		{ZONES("bridge", POLICY("\"schedule\":\"never\",\"action\":\"drop\""), "accept"),
			NULL, "\"p\""},
		{ZONES("bridge", "{\"name\":\"p\",\"enabled\":false,\"action\":\"drop\"}",
			 "accept"),
			NULL, "\"p\""},
	};
	const struct tm monday = {.tm_wday = 1, .tm_hour = 8, .tm_min = 30};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		sd_json_variant *v = parse(rows[i].config);
		struct text t;
		assert_int_equal(text_open(&t), 0);
		policy_render(t.out, v, &monday);
		_cleanup_free_ char *text = text_close(&t);
		check(text, rows[i].has, rows[i].has_not, i);
		sd_json_variant_unref(v);
	}
}

static void test_schedule(void **state)
{
	static const struct {
		const char *schedule;
		int weekday, hour, minute;
		bool want;
	} rows[] = {
		{"{\"from\":\"08:00\",\"to\":\"17:30\"}", 3, 8, 0, true},
		{"{\"from\":\"08:00\",\"to\":\"17:30\"}", 3, 17, 30, false},
		{"{\"from\":\"08:00\",\"to\":\"17:30\"}", 3, 7, 59, false},
		{"{\"day\":[\"monday\"],\"from\":\"00:00\",\"to\":\"24:00\"}", 1, 23, 59, true},
		{"{\"day\":[\"monday\"],\"from\":\"00:00\",\"to\":\"24:00\"}", 2, 0, 0, false},
		{"{\"day\":[\"friday\"],\"from\":\"22:00\",\"to\":\"06:00\"}", 5, 22, 0, true},
		{"{\"day\":[\"friday\"],\"from\":\"22:00\",\"to\":\"06:00\"}", 6, 5, 59, true},
		{"{\"day\":[\"friday\"],\"from\":\"22:00\",\"to\":\"06:00\"}", 6, 6, 0, false},
		{"{\"day\":[\"friday\"],\"from\":\"22:00\",\"to\":\"06:00\"}", 5, 5, 0, false},
		{"{\"day\":[\"saturday\"],\"from\":\"22:00\",\"to\":\"06:00\"}", 0, 3, 0, true},
		{"{\"from\":\"12:00\",\"to\":\"12:00\"}", 4, 3, 0, true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		sd_json_variant *v = parse(rows[i].schedule);
		struct tm now = {.tm_wday = rows[i].weekday,
			.tm_hour = rows[i].hour,
			.tm_min = rows[i].minute};
		if (schedule_is_active(v, &now) != rows[i].want)
			fail_msg("row %zu", i);
		sd_json_variant_unref(v);
	}
}

#define SYSLOG(rest) \
	"{\"system\":{\"hostname\":\"box\"},\"logging\":{\"syslog\":[{\"name\":\"a\",\"enabled\":" \
	"true," \
	"\"host\":\"192.0.2.1\",\"port\":514," rest "}]}}"

static void test_syslog(void **state)
{
	static const struct {
		const char *config, *has, *has_not;
	} rows[] = {
		{SYSLOG("\"transport\":\"udp\""),
			"target=\"192.0.2.1\" port=\"514\" protocol=\"udp\"", "octet"},
		{SYSLOG("\"transport\":\"tcp\""),
			"protocol=\"tcp\"\n\t\ttemplate=\"eve\" TCP_Framing=\"octet-counted\"",
			"StreamDriver="},
		{SYSLOG("\"transport\":\"tls\""),
			"StreamDriverAuthMode=\"x509/"
			"name\"\n\t\tStreamDriverPermittedPeers=\"192.0.2.1\" "
			"StreamDriver.CAFile=\"/etc/ssl/certs/ca-certificates.crt\"",
			"imjournal"},
		{SYSLOG("\"transport\":\"tls\",\"certificate-name\":\"logs.example\""),
			"StreamDriverPermittedPeers=\"logs.example\"", NULL},
		{SYSLOG("\"transport\":\"tls\",\"ca-certificate\":\"AAAA\""),
			"CAFile=\"/pem/a.pem\"", "ca-certificates"},
		{SYSLOG("\"transport\":\"udp\",\"event\":[\"alert\",\"mail\"]"),
			"if $msg contains '\"event_type\":\"alert\"' or $msg contains "
			"'\"event_type\":\"mail\"' "
			"then {",
			NULL},
		{SYSLOG("\"transport\":\"udp\",\"system\":true"), "module(load=\"imjournal\"",
			NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		sd_json_variant *v = parse(rows[i].config);
		_cleanup_free_ char *text = syslog_render(v, "/log", "/state", "/pem");
		check(text, rows[i].has, rows[i].has_not, i);
		sd_json_variant_unref(v);
	}
	sd_json_variant *none = parse("{\"system\":{\"hostname\":\"box\"},\"logging\":{}}");
	assert_null(syslog_render(none, "/log", "/state", "/pem"));
	assert_null(etc_chrony(none));
	sd_json_variant_unref(none);
	sd_json_variant *server =
		parse("{\"ca-certificate\":\""
		      "0123456789012345678901234567890123456789012345678901234567890123"
		      "X==\"}");
	_cleanup_free_ char *pem = syslog_pem(server);
	assert_string_equal(pem,
		"-----BEGIN CERTIFICATE-----\n"
		"0123456789012345678901234567890123456789012345678901234567890123\nX==\n"
		"-----END CERTIFICATE-----\n");
	sd_json_variant_unref(server);
}

static void test_accounts(void **state)
{
	sd_json_variant *v = parse(
		"{\"system\":{\"user\":[{\"name\":\"admin\",\"role\":\"admin\"},{\"name\":"
		"\"jane\",\"role\":\"operator\",\"password-hash\":\"$y$x\"},{\"name\":\"bob\","
		"\"role\":\"auditor\"}]}}");
	sd_json_variant *users = config_at(v, "system.user");
	sd_json_variant *jane = sd_json_variant_by_index(users, 1),
			*bob = sd_json_variant_by_index(users, 2);
	uid_t number = account_number(v, 1);

	(void)state;
	assert_true(account_is_built_in(sd_json_variant_by_index(users, 0)));
	assert_false(account_is_built_in(jane));
	assert_true(number >= ACCOUNT_FIRST && number < ACCOUNT_FIRST + ACCOUNT_COUNT);
	assert_int_equal(number, account_number(v, 1));
	assert_int_not_equal(number, account_number(v, 2));
	_cleanup_free_ char *record = account_record(jane, 12345), *secret = account_secret(jane);
	_cleanup_free_ char *locked = account_secret(bob);
	check(record, "\"userName\":\"jane\",\"uid\":12345", "$y$", 0);
	assert_string_equal(secret, "{\"privileged\":{\"hashedPassword\":[\"$y$x\"]}}\n");
	assert_string_equal(locked, "{\"privileged\":{\"hashedPassword\":[\"!*\"]}}\n");
	assert_string_equal(account_groups(jane)[0], "sekisho-operator");
	assert_string_equal(account_groups(jane)[1], "sekisho-auditor");
	assert_null(account_groups(jane)[2]);
	assert_null(account_groups(bob)[1]);
	sd_json_variant_unref(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_networkd),
		cmocka_unit_test(test_network_check),
		cmocka_unit_test(test_ruleset),
		cmocka_unit_test(test_policy),
		cmocka_unit_test(test_schedule),
		cmocka_unit_test(test_syslog),
		cmocka_unit_test(test_accounts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
