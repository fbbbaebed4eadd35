/* How mail reaches maild: frames taken off the bridge, or connections out of the routed path. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "config/applier.h"
#include "config/network.h"
#include "config/ruleset.h"

#define MAIL_TABLE "inet sekisho_mail"
/* After the address translation on the way in, so that maild sees the server and not the
 * appliance's own address, and policies are asked before. */
#define PRIORITY_DIVERT "dstnat + 10"
#define ZONE_CLIENT 2 /* of conntrack: mode route, the leg between client and maild */

static const char *const sides[] = {"dport", "sport"};
static const char *const families[][2] = {{"ip", "mac4"}, {"ip6", "mac6"}};

static bool is_closed(sd_json_variant *config)
{
	const char *v = config_str(config, "mail.on-failure");

	return v && strcmp(v, "closed") == 0;
}

/* "dport 25", or only while maild is alive. */
static const char *port_of(sd_json_variant *config, const char *side, char out[static 32])
{
	if (is_closed(config))
		snprintf(out, 32, "%s %d", side, SMTP_PORT);
	else
		snprintf(out, 32, "%s @" ALIVE_MAIL_SET, side);
	return out;
}

/* ---- mode bridge, at the ports ---- */

/* Numbers of the VLANs whose mail is checked, after "0": frames that carry a priority and no VLAN.
 */
static void put_vlans(FILE *out, sd_json_variant *config, bool marks)
{
	sd_json_variant *vlan;

	fputs("{ 0", out);
	if (marks)
		fprintf(out, " : 0x%08x", MARK_BRIDGED);
	config_foreach(vlan, config, "interfaces.bridge.vlan")
	{
		unsigned id = (unsigned)sd_json_variant_unsigned(vlan);
		fprintf(out, ", %u", id);
		if (marks)
			fprintf(out, " : 0x%08x", id << MARK_VLAN_SHIFT | MARK_BRIDGED);
	}
	fputs(" }", out);
}

/* Frame by frame: where both hosts are, and now to the bridge itself. "ether type" is the tag's own
 * where there is one; "vlan id" then has the tag as it came. */
static void put_turn(FILE *out, sd_json_variant *config, const char *const family[2],
	const char *side, const char *mac)
{
	char port[32];

	for (int tagged = 0; tagged < 2; tagged++) {
		fprintf(out, "\t\tether type %s", tagged ? "vlan vlan type " : "");
		fprintf(out, "%s tcp %s meta mark set ", family[0], port_of(config, side, port));
		if (tagged) {
			fputs("vlan id map ", out);
			put_vlans(out, config, true);
		} else {
			fprintf(out, "0x%08x", MARK_BRIDGED);
		}
		fprintf(out,
			" update @%s { meta mark . %s saddr : ether saddr }"
			" update @%s { meta mark . %s daddr : ether daddr } ether daddr set %s\n",
			family[1], family[0], family[1], family[0], mac);
	}
}

/* Mail in a VLAN that is not listed: counted by connection, and passed unread or not passed. */
static void put_unlisted(FILE *out, sd_json_variant *config)
{
	const char *what = config_str(config, "mail.unlisted-vlan");

	fputs("\t\tether type vlan vlan id != ", out);
	put_vlans(out, config, false);
	fprintf(out,
		" vlan type { ip, ip6 } tcp dport %d tcp flags & (syn | ack) == syn"
		" update @" UNLISTED_VLAN_SET " { vlan id }\n",
		SMTP_PORT);
	if (!what || strcmp(what, "block") != 0)
		return;
	for (int i = 0; i < 2; i++) {
		fputs("\t\tether type vlan vlan id != ", out);
		put_vlans(out, config, false);
		fprintf(out, " vlan type { ip, ip6 } tcp %s %d drop\n", sides[i], SMTP_PORT);
	}
}

static void put_restore(FILE *out, const char *const family[2], const char *side)
{
	fprintf(out,
		"\t\tmeta protocol %s tcp %s %d ether daddr set meta mark . %s daddr map @%s"
		" ether saddr set meta mark . %s saddr map @%s\n",
		family[0], side, SMTP_PORT, family[0], family[1], family[0], family[1]);
}

void ruleset_put_mail_frames(FILE *out, sd_json_variant *config, const struct ruleset_links *links)
{
	static const char *const chains[] = {"learn", "restore", NULL};

	ruleset_put_table(out, "netdev " ALIVE_MAIL_TABLE,
		"\tmap mac4 { type mark . ipv4_addr : ether_addr; flags dynamic,timeout; "
		"timeout 10m; size 65536; }\n"
		"\tmap mac6 { type mark . ipv6_addr : ether_addr; flags dynamic,timeout; "
		"timeout 10m; size 65536; }\n"
		"\tset " UNLISTED_VLAN_SET
		" { typeof vlan id; size 4096; flags dynamic; counter; }\n"
		"\tset " ALIVE_MAIL_SET " { type inet_service; flags timeout; }\n",
		chains, "");
	if (config_bool(config, "mail.enabled") && *links->bridge_mac &&
		ruleset_put_ports(NULL, config, NULL, links->exists)) {
		fputs("\tchain learn {\n\t\ttype filter hook ingress devices = ", out);
		ruleset_put_ports(out, config, NULL, links->exists);
		fputs(" priority 0; policy accept;\n", out);
		for (int i = 0; i < 4; i++)
			put_turn(out, config, families[i % 2], sides[i / 2], links->bridge_mac);
		put_unlisted(out, config);
		fprintf(out,
			"\t}\n\tchain restore {\n"
			"\t\ttype filter hook egress device \"" BRIDGE
			"\" priority 0; policy accept;\n"
			"\t\tmeta mark set meta mark & 0x%08x | 0x%08x\n",
			MARK_VLAN_MASK, MARK_BRIDGED);
		for (int i = 0; i < 4; i++)
			put_restore(out, families[i % 2], sides[i / 2]);
		fputs("\t}\n", out);
	}
	fputs("}\n", out);
}

/* ---- both modes, behind the device ---- */

/* "dport 25" of a connection that maild is to have. */
static void put_tproxy(FILE *out, const char *port)
{
	for (int v6 = 0; v6 < 2; v6++)
		fprintf(out,
			"\t\tmeta nfproto %s tcp %s tproxy %s to :%d meta mark set meta mark | "
			"0x%08x accept\n",
			v6 ? "ipv6" : "ipv4", port, families[v6][0], SMTP_PROXY_PORT, MARK_LOCAL);
}

static void put_bridge(FILE *out)
{
	fprintf(out,
		"\tchain untrack_in {\n\t\ttype filter hook prerouting priority raw; policy "
		"accept;\n"
		"\t\tmeta mark & 0x%08x != 0 notrack\n\t}\n"
		"\tchain untrack_out {\n\t\ttype filter hook output priority raw; policy accept;\n"
		"\t\toifname \"" BRIDGE "*\" notrack\n\t}\n",
		MARK_BRIDGED);
	/* The listener's own port is nobody's destination: from port 25 it could be reached. */
	fprintf(out,
		"\tchain divert {\n\t\ttype filter hook prerouting priority mangle; policy "
		"accept;\n"
		"\t\tmeta mark & 0x%08x == 0 accept\n"
		"\t\ttcp dport %d tcp flags & (syn | ack) == syn drop\n"
		"\t\tmeta l4proto tcp socket transparent 1 meta mark set meta mark | 0x%08x "
		"accept\n"
		"\t\tjump own_address\n",
		MARK_BRIDGED, SMTP_PROXY_PORT, MARK_LOCAL);
	put_tproxy(out, "dport 25");
	fputs("\t}\n", out);
}

/* The appliance's own addresses are no mail servers, but for those on which it takes mail. */
static void put_own_address(FILE *out, sd_json_variant *config)
{
	sd_json_variant *relay;

	fputs("\tchain own_address {\n", out);
	config_foreach(relay, config, "mail.relay")
	{
		const char *address = config_str(relay, "address");
		fprintf(out, "\t\t%s daddr %s return\n", strchr(address, ':') ? "ip6" : "ip",
			address);
	}
	fputs("\t\tfib daddr type local accept\n\t}\n", out);
}

static void put_hairpins(FILE *out, sd_json_variant *network)
{
	sd_json_variant *address;
	char device[IFNAMSIZ];

	network_device(network, device);
	config_foreach(address, network, "address")
	{
		const char *text = sd_json_variant_string(address);
		const char *family = strchr(text, ':') ? "ip6" : "ip";
		fprintf(out,
			"\t\tct mark & 0x%08x != 0 oifname \"%s\" %s saddr %s %s daddr %s "
			"masquerade\n",
			MARK_LOCAL, device, family, text, family, text);
	}
}

/* A host that reaches a server of its own network by the WAN address (hairpin): the server would
 * answer it without us. */
static void put_hairpin(FILE *out, sd_json_variant *config)
{
	sd_json_variant *network;

	fputs("\tchain hairpin {\n\t\ttype nat hook postrouting priority srcnat - 1; policy "
	      "accept;\n",
		out);
	config_foreach(network, config, "interfaces.network")
	{
		put_hairpins(out, network);
	}
	fputs("\t}\n", out);
}

/* Both legs have the same addresses and ports; zones of conntrack tell them apart. The onward leg
 * is in the common one, so that it is translated as any connection is; all that comes back of it,
 * ICMP errors too, is for this box. */
static void put_route(FILE *out, sd_json_variant *config)
{
	char port[32];

	port_of(config, "dport", port);
	fprintf(out,
		"\tchain zone_in {\n\t\ttype filter hook prerouting priority raw; policy accept;\n"
		"\t\ttcp %s ct zone set %d\n\t}\n"
		"\tchain zone_out {\n\t\ttype filter hook output priority raw; policy accept;\n"
		"\t\ttcp sport %d ct zone set %d\n\t}\n"
		"\tchain onward {\n\t\ttype filter hook output priority mangle; policy accept;\n"
		"\t\ttcp dport %d ct mark set ct mark | 0x%08x\n\t}\n",
		port, ZONE_CLIENT, SMTP_PORT, ZONE_CLIENT, SMTP_PORT, MARK_LOCAL);
	fprintf(out,
		"\tchain divert {\n\t\ttype filter hook prerouting priority " PRIORITY_DIVERT
		"; policy accept;\n"
		"\t\tct mark & 0x%08x != 0 meta mark set meta mark | 0x%08x accept\n"
		"\t\ttcp dport %d socket transparent 1 meta mark set meta mark | 0x%08x accept\n"
		"\t\ttcp %s jump own_address\n",
		MARK_LOCAL, MARK_LOCAL, SMTP_PORT, MARK_LOCAL, port);
	put_tproxy(out, port);
	if (is_closed(config))
		fprintf(out, "\t\ttcp dport %d drop\n", SMTP_PORT);
	fputs("\t}\n", out);
	put_hairpin(out, config);
}

void ruleset_put_mail(FILE *out, sd_json_variant *config)
{
	static const char *const chains[] = {"untrack_in", "untrack_out", "zone_in", "zone_out",
		"onward", "divert", "hairpin", "own_address", NULL};
	bool routed = network_is_routed(config);

	if (!routed) /* the switch of mode route */
		fputs("destroy table " MAIL_TABLE "\n", out);
	ruleset_put_table(out, MAIL_TABLE,
		routed ? "\tset " ALIVE_MAIL_SET " { type inet_service; flags timeout; }\n" : "",
		chains, "");
	if (config_bool(config, "mail.enabled")) {
		put_own_address(out, config);
		if (routed)
			put_route(out, config);
		else
			put_bridge(out);
	}
	fputs("}\n", out);
}
