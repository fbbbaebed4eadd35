#include "config/ruleset.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "config/applier.h"
#include "config/network.h"
#include "config/policy.h"
#include "lib/mark.h"

/* Names of the ports for which want is true, as an nftables set; false when there is none. */
static bool put_ports(
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

/* Of a connection whose one direction is done with, the other goes on being inspected; of it only
 * what says nothing but how far it has read passes: no payload, by its exact length, no options but
 * timestamps and up to three blocks of SACK. */
void ruleset_put_bypass(FILE *out, sd_json_variant *config)
{
	static const struct {
		unsigned words, bytes;
	} bare[] = {{5, 20}, {8, 32}, {11, 44}, {13, 52}, {15, 60}}; /* TCP header */

	/* most packets of what is inspected: one look */
	char fresh[48];
	snprintf(fresh, sizeof(fresh), "ct mark & 0x%08x == 0 ",
		MARK_BYPASS | MARK_BYPASS_ORIGINAL | MARK_BYPASS_REPLY);
	put_queue(out, config, fresh);
	fprintf(out, "\t\tct mark & 0x%08x != 0 accept\n", MARK_BYPASS);
	fprintf(out,
		"\t\tct direction original ct mark & 0x%08x != 0 accept\n"
		"\t\tct direction reply ct mark & 0x%08x != 0 accept\n",
		MARK_BYPASS_ORIGINAL, MARK_BYPASS_REPLY);
	for (size_t i = 0; i < sizeof(bare) / sizeof(*bare); i++)
		fprintf(out,
			"\t\tct mark & 0x%08x != 0 ip hdrlength 5 ip length %u tcp flags == ack "
			"tcp doff %u accept\n"
			"\t\tct mark & 0x%08x != 0 ip6 nexthdr tcp ip6 length %u tcp flags == ack "
			"tcp doff %u accept\n",
			MARK_BYPASS_ORIGINAL | MARK_BYPASS_REPLY, bare[i].bytes + 20, bare[i].words,
			MARK_BYPASS_ORIGINAL | MARK_BYPASS_REPLY, bare[i].bytes, bare[i].words);
}

void ruleset_put_save(FILE *out)
{
	fputs("\tchain save {\n\t\ttype filter hook forward priority 10; policy accept;\n", out);
	fprintf(out, "\t\tmeta mark & 0x%08x != 0 ct mark set ct mark | 0x%08x\n", MARK_BYPASS,
		MARK_BYPASS);
	fprintf(out,
		"\t\tmeta mark & 0x%08x != 0 ct direction original ct mark set ct mark | 0x%08x\n"
		"\t\tmeta mark & 0x%08x != 0 ct direction reply ct mark set ct mark | 0x%08x\n",
		MARK_BYPASS_SIDE, MARK_BYPASS_ORIGINAL, MARK_BYPASS_SIDE, MARK_BYPASS_REPLY);
	fprintf(out, "\t\tmeta mark & 0x%08x != 0 ct mark set ct mark | 0x%08x drop\n\t}\n",
		MARK_DROP, MARK_DROP);
}

static void put_bridge(FILE *out, sd_json_variant *config)
{
	static const char *const chains[] = {"prerouting", "forward", "save", "management", NULL};
	bool inspected = config_bool(config, "inspection.enabled");

	/* Of base chains first: they hold the jumps. */
	put_table(out, "bridge " ALIVE_INSPECT_TABLE,
		"\tset " ALIVE_INSPECT_SET " { type ether_type; flags timeout; }\n", chains);
	put_management_guard(out, config);
	/* Frames that netdev has turned to the bridge are the box's own now; were they tracked
	 * here, inet would see both legs of a mail in one connection. */
	fprintf(out,
		"\tchain prerouting {\n\t\ttype filter hook prerouting priority -300; policy "
		"accept;\n"
		"\t\tmeta pkttype host tcp dport %d notrack\n"
		"\t\tmeta pkttype host tcp sport %d notrack\n\t}\n",
		SMTP_PORT, SMTP_PORT);
	fputs("\tchain forward {\n\t\ttype filter hook forward priority 0; policy accept;\n", out);
	if (put_ports(NULL, config, "wan", NULL)) {
		fputs("\t\toifname \"" MGMT_PORT "\" iifname ", out);
		put_ports(out, config, "wan", NULL);
		fputs(" jump management\n", out);
	}
	if (inspected) {
		fprintf(out, "\t\tct mark & 0x%08x != 0 drop\n", MARK_DROP);
		if (config_bool(config, "inspection.bypass"))
			ruleset_put_bypass(out, config);
		ruleset_put_queue(out, config);
	}
	fputs("\t}\n", out);
	ruleset_put_save(out);
	fputs("}\n", out);
}

/* "ether type", not "meta protocol": the latter is true of VLAN-tagged frames too, and those the
 * bridge would take for itself and, having no such VLAN, drop. They are bridged past maild. */
static void put_learn(
	FILE *out, const char *family, const char *map, const char *match, const char *mac)
{
	fprintf(out,
		"\t\tether type %s tcp %s update @%s { %s saddr : ether saddr }"
		" update @%s { %s daddr : ether daddr } ether daddr set %s\n",
		family, match, map, family, map, family, mac);
}

static void put_restore(FILE *out, const char *family, const char *map, const char *port)
{
	fprintf(out,
		"\t\tether type %s tcp %s %d ether daddr set %s daddr map @%s"
		" ether saddr set %s saddr map @%s\n",
		family, port, SMTP_PORT, family, map, family, map);
}

static void put_netdev(FILE *out, sd_json_variant *config, const struct ruleset_links *links)
{
	static const char *const chains[] = {"learn", "restore", NULL};
	static const char *const ports[] = {"dport", "sport"};
	char match[48];

	put_table(out, "netdev " ALIVE_MAIL_TABLE,
		"\tmap mac4 { type ipv4_addr : ether_addr; flags dynamic,timeout; timeout 10m; "
		"size 65536; }\n"
		"\tmap mac6 { type ipv6_addr : ether_addr; flags dynamic,timeout; timeout 10m; "
		"size 65536; }\n"
		"\tset " ALIVE_MAIL_SET " { type inet_service; flags timeout; }\n",
		chains);
	if (config_bool(config, "mail.enabled") && *links->bridge_mac &&
		put_ports(NULL, config, NULL, links->exists)) {
		fputs("\tchain learn {\n\t\ttype filter hook ingress devices = ", out);
		put_ports(out, config, NULL, links->exists);
		fputs(" priority 0; policy accept;\n", out);
		for (int i = 0; i < 2; i++) {
			if (is_closed(config, "mail.on-failure"))
				snprintf(match, sizeof(match), "%s %d", ports[i], SMTP_PORT);
			else
				snprintf(match, sizeof(match), "%s @" ALIVE_MAIL_SET, ports[i]);
			put_learn(out, "ip", "mac4", match, links->bridge_mac);
			put_learn(out, "ip6", "mac6", match, links->bridge_mac);
		}
		fputs("\t}\n\tchain restore {\n"
		      "\t\ttype filter hook egress device \"" BRIDGE
		      "\" priority 0; policy accept;\n",
			out);
		for (int i = 0; i < 2; i++) {
			put_restore(out, "ip", "mac4", ports[i]);
			put_restore(out, "ip6", "mac6", ports[i]);
		}
		fputs("\t}\n", out);
	}
	fputs("}\n", out);
}

static void put_mail(FILE *out, sd_json_variant *config)
{
	static const char *const chains[] = {"untrack_in", "untrack_out", "divert", NULL};

	put_table(out, "inet sekisho_mail", "", chains);
	if (config_bool(config, "mail.enabled")) {
		fprintf(out,
			"\tchain untrack_in {\n\t\ttype filter hook prerouting priority raw; "
			"policy accept;\n"
			"\t\tiifname \"" BRIDGE "\" tcp dport %d notrack\n"
			"\t\tiifname \"" BRIDGE "\" tcp sport %d notrack\n\t}\n",
			SMTP_PORT, SMTP_PORT);
		fprintf(out,
			"\tchain untrack_out {\n\t\ttype filter hook output priority raw; policy "
			"accept;\n"
			"\t\toifname \"" BRIDGE "\" tcp dport %d notrack\n"
			"\t\toifname \"" BRIDGE "\" tcp sport %d notrack\n\t}\n",
			SMTP_PORT, SMTP_PORT);
		fprintf(out,
			"\tchain divert {\n\t\ttype filter hook prerouting priority mangle; policy "
			"accept;\n"
			"\t\tiifname != \"" BRIDGE "\" accept\n"
			"\t\tmeta l4proto tcp socket transparent 1 meta mark set 0x%08x accept\n",
			MARK_LOCAL);
		fprintf(out,
			"\t\tmeta nfproto ipv4 tcp dport %d tproxy ip to :%d meta mark set 0x%08x "
			"accept\n",
			SMTP_PORT, SMTP_PROXY_PORT, MARK_LOCAL);
		fprintf(out,
			"\t\tmeta nfproto ipv6 tcp dport %d tproxy ip6 to :%d meta mark set 0x%08x "
			"accept\n\t}\n",
			SMTP_PORT, SMTP_PROXY_PORT, MARK_LOCAL);
	}
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
	fprintf(out, "\t\tiifname \"" BRIDGE "\" meta mark & 0x%08x != 0 accept\n", MARK_LOCAL);
	fputs("\t\tct state established,related accept\n"
	      "\t\tiifname != \"" MGMT_HOST "\" drop\n"
	      "\t\ticmp type { echo-request, destination-unreachable, time-exceeded, "
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
		put_netdev(out, config, links);
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
		      "\ndestroy table netdev " ALIVE_MAIL_TABLE
		      "\ndestroy table inet sekisho_mail\n",
			t.out);
	} else {
		fputs("destroy table inet " ALIVE_ROUTE_TABLE "\n", t.out);
		put_bridge(t.out, config);
		fputs(RULESET_PART, t.out);
		put_mail(t.out, config);
	}
	fputs(RULESET_PART, t.out);
	put_host(t.out, config);
	fputs(RULESET_PART, t.out);
	put_following(t.out, config, links);
	return text_close(&t);
}
