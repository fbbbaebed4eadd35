/* The table of mode route: spoofed sources, port forwards, masquerading, and inspection with a fast
 * path. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "config/applier.h"
#include "config/network.h"
#include "config/ruleset.h"
#include "lib/mark.h"

/* A source that is not reached through the device it came from (RFC 2827). A host without an
 * address yet asks for one from 0.0.0.0, and link-local addresses are on every device. */
static void put_antispoof(FILE *out)
{
	fputs("\tchain antispoof {\n\t\ttype filter hook prerouting priority raw; policy accept;\n"
	      "\t\tip saddr 0.0.0.0 accept\n"
	      "\t\tip6 saddr { ::, fe80::/10 } accept\n"
	      "\t\tiifname \"lo\" accept\n"
	      "\t\tfib saddr . iif oif missing counter drop\n\t}\n",
		out);
}

/* What the office's own hosts may mean by the WAN address: one of the appliance's that is not in
 * their network. Of the LAN side all addresses are set here, those of the WAN side may be lent. */
static void put_reflected(FILE *out, sd_json_variant *config)
{
	sd_json_variant *network, *address;
	bool any = false;

	fputs("\t\tiifname ", out);
	network_put_devices(out, config, "lan", NULL);
	fputs(" fib daddr . iif type != local ", out);
	config_foreach(network, config, "interfaces.network")
	{
		if (strcmp(config_str(network, "side"), "lan") != 0)
			continue;
		for (size_t i = 0;
			(address = sd_json_variant_by_index(config_at(network, "address"), i));
			i++) {
			const char *text = sd_json_variant_string(address);
			if (strchr(text, ':'))
				continue;
			fprintf(out, "%s%.*s", any ? ", " : "ip daddr != { ",
				(int)strcspn(text, "/"), text);
			any = true;
		}
	}
	fputs(any ? " } " : "", out);
}

static void put_forward_rule(
	FILE *out, sd_json_variant *config, sd_json_variant *forward, bool reflected)
{
	sd_json_variant *source = config_at(forward, "source"),
			*port = config_at(forward, "to-port");
	const char *protocol = config_str(forward, "protocol");

	if (reflected) {
		put_reflected(out, config);
	} else {
		fputs("\t\tiifname ", out);
		network_put_devices(out, config, "wan", NULL);
		fputc(' ', out);
	}
	fputs("fib daddr type local ", out);
	for (size_t i = 0; source && i < sd_json_variant_elements(source); i++)
		fprintf(out, "%s%s", i ? ", " : "ip saddr { ",
			sd_json_variant_string(sd_json_variant_by_index(source, i)));
	fprintf(out, "%s%s dport %" PRIu64 " dnat ip to %s",
		source && sd_json_variant_elements(source) ? " } " : "", protocol,
		sd_json_variant_unsigned(config_at(forward, "port")),
		config_str(forward, "to-address"));
	if (port)
		fprintf(out, ":%" PRIu64, sd_json_variant_unsigned(port));
	fputc('\n', out);
}

/* Within one network the server would answer the host directly, from an address that it does not
 * know: the server has to answer the appliance. */
static void put_hairpin(FILE *out, sd_json_variant *config)
{
	sd_json_variant *network;
	char device[IFNAMSIZ];

	config_foreach(network, config, "interfaces.network")
	{
		network_device(network, device);
		if (strcmp(config_str(network, "side"), "lan") == 0)
			fprintf(out,
				"\t\tmeta nfproto ipv4 iifname \"%s\" oifname \"%s\" ct status "
				"dnat masquerade\n",
				device, device);
	}
}

static void put_nat(FILE *out, sd_json_variant *config)
{
	bool reflection = config_bool(config, "nat.reflection") &&
			  network_put_devices(NULL, config, "lan", NULL);
	sd_json_variant *forward;

	if (!network_put_devices(NULL, config, "wan", NULL))
		return;
	fputs("\tchain nat_in {\n\t\ttype nat hook prerouting priority dstnat; policy accept;\n",
		out);
	config_foreach(forward, config, "nat.forward")
	{
		if (!config_bool(forward, "enabled"))
			continue;
		put_forward_rule(out, config, forward, false);
		if (reflection)
			put_forward_rule(out, config, forward, true);
	}
	fputs("\t}\n\tchain nat_out {\n"
	      "\t\ttype nat hook postrouting priority srcnat; policy accept;\n",
		out);
	if (config_bool(config, "nat.masquerade")) {
		fputs("\t\tmeta nfproto ipv4 oifname ", out);
		network_put_devices(out, config, "wan", NULL);
		fputs(" masquerade\n", out);
	}
	if (reflection)
		put_hairpin(out, config);
	fputs("\t}\n", out);
}

/* What inspectd is done with takes the short way past the whole stack. */
static void put_flowtable(FILE *out, sd_json_variant *config, const struct ruleset_links *links)
{
	fputs("\tflowtable fast {\n\t\thook ingress priority 0; devices = ", out);
	network_put_devices(out, config, NULL, links->exists);
	fputs(";\n\t}\n", out);
}

static void put_inspection(FILE *out, sd_json_variant *config, bool has_flowtable)
{
	fprintf(out, "\t\tct mark & 0x%08x != 0 drop\n", MARK_DROP);
	if (config_bool(config, "inspection.bypass")) {
		if (has_flowtable)
			fprintf(out,
				"\t\tmeta l4proto { tcp, udp } ct mark & 0x%08x != 0 flow add "
				"@fast\n",
				MARK_BYPASS);
		ruleset_put_bypass(out, config);
	}
	ruleset_put_queue(out, config);
}

static void put_refuse(FILE *out)
{
	fprintf(out, "\t\tmeta mark & 0x%08x != 0 reject with icmpx type port-unreachable\n",
		MARK_REJECT);
}

void ruleset_put_route(FILE *out, sd_json_variant *config, const struct ruleset_links *links)
{
	static const char *const chains[] = {
		"antispoof", "nat_in", "nat_out", "forward", "save", NULL};
	bool inspected = config_bool(config, "inspection.enabled");
	bool fast = inspected && config_bool(config, "inspection.bypass") &&
		    network_put_devices(NULL, config, NULL, links->exists);

	ruleset_put_table(out, "inet " ALIVE_ROUTE_TABLE,
		"\tset " ALIVE_INSPECT_SET " { type ether_type; flags timeout; }\n", chains,
		"destroy flowtable inet " ALIVE_ROUTE_TABLE " fast\n");
	put_antispoof(out);
	put_nat(out, config);
	if (fast)
		put_flowtable(out, config, links);
	fputs("\tchain forward {\n\t\ttype filter hook forward priority 0; policy accept;\n"
	      "\t\ttcp flags syn tcp option maxseg size set rt mtu\n",
		out);
	if (inspected)
		put_inspection(out, config, fast);
	fputs("\t}\n", out);
	ruleset_put_save(out, put_refuse);
	fputs("}\n", out);
}
