#include "config/ruleset.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "config/applier.h"
#include "config/network.h"
#include "config/policy.h"
#include "lib/mark.h"

/* Names of the ports for which want is true, as an nftables set; false when there is none. */
bool ruleset_put_ports(
	FILE *out, sd_json_variant *config, const char *side, bool (*exists)(const char *name))
{
	sd_json_variant *port;
	bool any = false;

	config_foreach(port, config, "interfaces.port")
	{
		const char *name = config_str(port, "name"), *s = config_str(port, "side");
		if (!name || !s || (side && strcmp(s, side) != 0) || (exists && !exists(name)))
			continue;
		if (out)
			fprintf(out, "%s\"%s\"", any ? ", " : "{ ", name);
		any = true;
	}
	if (any && out)
		fputs(" }", out);
	return any;
}

static bool is_closed(sd_json_variant *config, const char *path)
{
	const char *v = config_str(config, path);

	return v && strcmp(v, "closed") == 0;
}

/* Opens a table: sets and maps that outlive a commit, then all rules away, then the old chains. */
void ruleset_put_table(FILE *out, const char *table, const char *keeps, const char *const *chains,
	const char *then)
{
	fprintf(out, "table %s {\n%s}\nflush table %s\n", table, keeps, table);
	for (; *chains; chains++)
		fprintf(out, "destroy chain %s %s\n", table, *chains);
	fprintf(out, "%stable %s {\n", then, table);
}

static void put_table(FILE *out, const char *table, const char *keeps, const char *const *chains)
{
	ruleset_put_table(out, table, keeps, chains, "");
}

static void put_management_guard(FILE *out, sd_json_variant *config)
{
	fputs("\tchain management {\n"
	      "\t\tct state established,related return\n"
	      "\t\tmeta protocol arp return\n"
	      "\t\ticmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert } "
	      "return\n",
		out);
	if (config_bool(config, "interfaces.management.dhcp"))
		fputs("\t\tudp sport 67 udp dport 68 return\n"
		      "\t\tudp sport 547 udp dport 546 return\n",
			out);
	fputs("\t\tdrop\n\t}\n", out);
}

static void put_queue(FILE *out, sd_json_variant *config, const char *match)
{
	uint64_t queues = sd_json_variant_unsigned(config_at(config, "inspection.queues"));
	bool closed = is_closed(config, "inspection.on-failure");

	/* Not fanout: that picks the queue by processor, and a flow's two directions must meet in
	 * one thread. Without it the kernel hashes the two addresses, the same in both directions.
	 */
	fprintf(out, "\t\t%smeta protocol %s queue %sto %d", match,
		closed ? "{ ip, ip6 }" : "@" ALIVE_INSPECT_SET, closed ? "" : "flags bypass ",
		QUEUE_FIRST);
	if (queues > 1)
		fprintf(out, "-%" PRIu64, QUEUE_FIRST + queues - 1);
	fputc('\n', out);
}

void ruleset_put_queue(FILE *out, sd_json_variant *config)
{
	put_queue(out, config, "");
}

/* TCP segments that only acknowledge, found by the exact length of one without payload: IPv4
 * without options, or IPv6 without extension headers, and each length that a TCP header has. Data
 * offset and flags are one word (RFC 9293, section 3.1): as a set of pairs it is one lookup. */
static void put_bare(FILE *out, const char *family, const char *plain, unsigned ip_bytes)
{
	fprintf(out,
		"\t\tct mark & 0x%08x != 0 meta protocol %s %s meta l4proto tcp %s length"
		" . @th,96,16 {",
		MARK_BYPASS_ORIGINAL | MARK_BYPASS_REPLY | MARK_BARE, family, plain, family);
	for (unsigned words = 5; words <= 15; words++)
		fprintf(out, "%s %u . 0x%x010", words > 5 ? "," : "", ip_bytes + words * 4, words);
	fputs(" } accept\n", out);
}

/* What inspectd is done with passes; what opens and ends a connection it sees all the same, to know
 * when the flow is over. A connection whose one direction is done with, or whose empty segments say
 * nothing to the rules, has its bare acknowledgements passed. */
void ruleset_put_bypass(FILE *out, sd_json_variant *config)
{
	put_queue(out, config, "ct mark == 0 ");
	put_queue(out, config, "tcp flags & (fin | syn | rst) != 0 ");
	fprintf(out, "\t\tct mark & 0x%08x != 0 accept\n", MARK_BYPASS);
	fprintf(out,
		"\t\tct direction original ct mark & 0x%08x != 0 accept\n"
		"\t\tct direction reply ct mark & 0x%08x != 0 accept\n",
		MARK_BYPASS_ORIGINAL, MARK_BYPASS_REPLY);
	put_bare(out, "ip", "ip hdrlength 5", 20);
	put_bare(out, "ip6", "ip6 nexthdr tcp", 0);
}

void ruleset_put_save(FILE *out, void (*put_refuse)(FILE *out))
{
	static const struct {
		uint32_t packet;
		const char *match;
		char operator;
		uint32_t connection;
	} rows[] = {
		{MARK_BYPASS, "", '|', MARK_BYPASS},
		{MARK_BYPASS_SIDE, "ct direction original ", '|', MARK_BYPASS_ORIGINAL},
		{MARK_BYPASS_SIDE, "ct direction reply ", '|', MARK_BYPASS_REPLY},
		{MARK_BARE, "", '|', MARK_BARE},
		{MARK_BARE_END, "", '&', ~MARK_BARE},
	};

	fprintf(out,
		"\tchain save {\n\t\ttype filter hook forward priority 10; policy accept;\n"
		"\t\tmeta mark & 0x%08x == 0 accept\n",
		MARK_BYPASS | MARK_BYPASS_SIDE | MARK_BARE | MARK_BARE_END | MARK_DROP |
			MARK_REJECT);
	put_refuse(out);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		fprintf(out, "\t\tmeta mark & 0x%08x != 0 %sct mark set ct mark %c 0x%08x\n",
			rows[i].packet, rows[i].match, rows[i].operator, rows[i].connection);
	fprintf(out, "\t\tmeta mark & 0x%08x != 0 ct mark set ct mark | 0x%08x drop\n\t}\n",
		MARK_DROP, MARK_DROP);
}

/* A bridge cannot answer where it forwards, only where a frame comes in: who repeats himself within
 * seconds is answered there. */
static void put_refused(FILE *out, const char *family, const char *set, bool remember)
{
	const char *protocol = *family && family[2] == '6' ? "icmpv6" : "icmp";

	if (remember)
		fprintf(out,
			"\t\tmeta mark & 0x%08x != 0 meta protocol %s update @%s "
			"{ %s saddr . udp sport . %s daddr . udp dport }\n",
			MARK_REJECT, family, set, family, family);
	else
		fprintf(out,
			"\t\tmeta protocol %s %s saddr . udp sport . %s daddr . udp dport @%s "
			"reject with %s type port-unreachable\n",
			family, family, family, set, protocol);
}

static void put_refuse_bridge(FILE *out)
{
	put_refused(out, "ip", "refused4", true);
	put_refused(out, "ip6", "refused6", true);
	fprintf(out, "\t\tmeta mark & 0x%08x != 0 drop\n", MARK_REJECT);
}

static void put_bridge(FILE *out, sd_json_variant *config)
{
	static const char *const chains[] = {"prerouting", "forward", "save", "management", NULL};
	bool inspected = config_bool(config, "inspection.enabled");

	/* Of base chains first: they hold the jumps. */
	put_table(out, "bridge " ALIVE_INSPECT_TABLE,
		"\tset " ALIVE_INSPECT_SET " { type ether_type; flags timeout; }\n"
		"\tset refused4 { type ipv4_addr . inet_service . ipv4_addr . inet_service; "
		"flags dynamic,timeout; timeout 10s; size 4096; }\n"
		"\tset refused6 { type ipv6_addr . inet_service . ipv6_addr . inet_service; "
		"flags dynamic,timeout; timeout 10s; size 4096; }\n",
		chains);
	put_management_guard(out, config);
	/* Frames that netdev has turned to the bridge are the box's own now; were they tracked
	 * here, inet would see both legs of a mail in one connection. */
	fprintf(out,
		"\tchain prerouting {\n\t\ttype filter hook prerouting priority -300; policy "
		"accept;\n"
		"\t\tmeta mark & 0x%08x != 0 notrack\n",
		MARK_BRIDGED);
	put_refused(out, "ip", "refused4", false);
	put_refused(out, "ip6", "refused6", false);
	fputs("\t}\n\tchain forward {\n\t\ttype filter hook forward priority 0; policy accept;\n",
		out);
	if (ruleset_put_ports(NULL, config, "wan", NULL)) {
		fputs("\t\toifname \"" MGMT_PORT "\" iifname ", out);
		ruleset_put_ports(out, config, "wan", NULL);
		fputs(" jump management\n", out);
	}
	if (inspected) {
		fprintf(out, "\t\tct mark & 0x%08x != 0 drop\n", MARK_DROP);
		if (config_bool(config, "inspection.bypass"))
			ruleset_put_bypass(out, config);
		ruleset_put_queue(out, config);
	}
	fputs("\t}\n", out);
	ruleset_put_save(out, put_refuse_bridge);
	fputs("}\n", out);
}

/* Of mode route: what the box answers on its own networks. */
static void put_host_route(FILE *out, sd_json_variant *config)
{
	/* Before the line between the sides: DHCP replies, router advertisements and the
	 * neighbours. */
	fputs("\t\tct state established,related accept\n"
	      "\t\tudp sport 67 udp dport 68 accept\n"
	      "\t\tudp sport 547 udp dport 546 accept\n"
	      "\t\ticmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert, "
	      "packet-too-big } accept\n",
		out);
	if (!network_put_devices(NULL, config, "lan", NULL))
		return;
	fputs("\t\tiifname != ", out);
	network_put_devices(out, config, "lan", NULL);
	fputs(" drop\n\t\tmeta l4proto { icmp, ipv6-icmp } accept\n"
	      "\t\tudp sport 68 udp dport 67 accept\n",
		out);
	if (config_bool(config, "interfaces.management.ssh"))
		fputs("\t\ttcp dport 22 accept\n", out);
}

static void put_host_bridge(FILE *out, sd_json_variant *config)
{
	char device[IFNAMSIZ];

	network_management_device(config, device);
	fprintf(out,
		"\t\tct state established,related accept\n"
		"\t\tiifname != \"%s\" drop\n",
		device);
	fputs("\t\ticmp type { echo-request, destination-unreachable, time-exceeded, "
	      "parameter-problem } accept\n"
	      "\t\ticmpv6 type { echo-request, destination-unreachable, packet-too-big, "
	      "time-exceeded,"
	      " parameter-problem, nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert } "
	      "accept\n",
		out);
	if (config_bool(config, "interfaces.management.dhcp"))
		fputs("\t\tudp sport 67 udp dport 68 accept\n"
		      "\t\tudp sport 547 udp dport 546 accept\n",
			out);
	/* The WAN side cannot get here: bridge sekisho, chain management. */
	if (config_bool(config, "interfaces.management.ssh"))
		fputs("\t\ttcp dport 22 accept\n", out);
}

static void put_host(FILE *out, sd_json_variant *config)
{
	static const char *const chains[] = {"input", "forward", NULL};
	bool routed = network_is_routed(config);

	put_table(out, "inet sekisho_host", "", chains);
	fputs("\tchain input {\n\t\ttype filter hook input priority filter; policy drop;\n"
	      "\t\tiifname \"lo\" accept\n",
		out);
	/* Mail that is taken out of its way to maild, and what its other leg gets. */
	fprintf(out, "\t\tmeta mark & 0x%08x != 0 accept\n", MARK_LOCAL);
	if (routed)
		put_host_route(out, config);
	else
		put_host_bridge(out, config);
	fputs("\t}\n", out);
	if (!routed)
		fputs("\tchain forward {\n\t\ttype filter hook forward priority filter; policy "
		      "drop;\n\t}\n",
			out);
	fputs("}\n", out);
}

/* What follows links that come and go, and the hours of the policies. */
static void put_following(FILE *out, sd_json_variant *config, const struct ruleset_links *links)
{
	if (network_is_routed(config))
		ruleset_put_route(out, config, links);
	else
		ruleset_put_mail_frames(out, config, links);
	fputs(RULESET_PART, out);
	policy_render(out, config, &links->now);
}

char *ruleset_render_following(sd_json_variant *config, const struct ruleset_links *links)
{
	struct text t;

	if (text_open(&t) < 0)
		return NULL;
	put_following(t.out, config, links);
	return text_close(&t);
}

char *ruleset_render(sd_json_variant *config, const struct ruleset_links *links)
{
	struct text t;

	if (text_open(&t) < 0)
		return NULL;
	if (network_is_routed(config)) {
		fputs("destroy table bridge " ALIVE_INSPECT_TABLE
		      "\ndestroy table netdev " ALIVE_MAIL_TABLE "\n",
			t.out);
	} else {
		fputs("destroy table inet " ALIVE_ROUTE_TABLE "\n", t.out);
		put_bridge(t.out, config);
	}
	fputs(RULESET_PART, t.out);
	ruleset_put_mail(t.out, config);
	fputs(RULESET_PART, t.out);
	put_host(t.out, config);
	fputs(RULESET_PART, t.out);
	put_following(t.out, config, links);
	return text_close(&t);
}
