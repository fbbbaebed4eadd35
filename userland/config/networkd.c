#include "config/networkd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "config/applier.h"
#include "config/network.h"
#include "config/ruleset.h"
#include "lib/cleanup.h"
#include "lib/mark.h"
#include "lib/span.h"

/* GroupForwardMask: all of 01:80:C2:00:00:0X but the three that the kernel reserves, so that 802.1X
 * and LLDP pass as through a cable. */
static const char bridge_netdev[] =
	"[NetDev]\nName=" BRIDGE "\nKind=bridge\n\n"
	"[Bridge]\nSTP=no\nForwardDelaySec=0\nMulticastSnooping=no\nGroupForwardMask=65528\n";

static const char mgmt_netdev[] = "[NetDev]\nName=" MGMT_HOST "\nKind=veth\n\n"
				  "[Peer]\nName=" MGMT_PORT "\n";

static const char unused_network[] =
	"[Match]\nType=ether\nKind=!*\n\n"
	"[Link]\nRequiredForOnline=no\nActivationPolicy=down\n\n"
	"[Network]\nLinkLocalAddressing=no\nIPv6AcceptRA=no\nLLDP=no\n";

bool networkd_is_address(const char *text)
{
	const char *slash = strchr(text, '/');
	char address[INET6_ADDRSTRLEN] = "";
	unsigned char binary[16];
	uint64_t bits;

	if (!slash || (size_t)(slash - text) >= sizeof(address))
		return false;
	memcpy(address, text, (size_t)(slash - text));
	bool v6 = strchr(address, ':');
	return span_u64(span_str(slash + 1), v6 ? 128 : 32, &bits) &&
	       inet_pton(v6 ? AF_INET6 : AF_INET, address, binary) == 1;
}

static void put_rule(FILE *out, int table, const char *match)
{
	fprintf(out, "\n[RoutingPolicyRule]\nFamily=both\nPriority=%d\nTable=%d\n%s", table, table,
		match);
}

static int put_bridge(networkd_put_t put, void *ctx)
{
	static const char *const anywhere[] = {"0.0.0.0/0", "::/0"};
	char match[128];
	struct text t;

	if (text_open(&t) < 0)
		return -ENOMEM;
	fputs("[Match]\nName=" BRIDGE "\n\n[Link]\nARP=no\nRequiredForOnline=no\n\n"
	      "[Network]\nLinkLocalAddressing=no\nIPv6AcceptRA=no\nLLDP=no\n"
	      "ConfigureWithoutCarrier=yes\nIgnoreCarrierLoss=yes\n",
		t.out);
	for (int i = 0; i < 2; i++) {
		fprintf(t.out, "\n[Route]\nType=local\nDestination=%s\nTable=%d\n", anywhere[i],
			TABLE_LOCAL);
		fprintf(t.out, "\n[Route]\n%sDestination=%s\nTable=%d\n", i ? "" : "Scope=link\n",
			anywhere[i], TABLE_MAIL); /* IPv6 routes have no scope */
	}
	/* Mail that the box itself relays goes as its other traffic does, by ARP and the main
	 * table. */
	fprintf(t.out,
		"\n[RoutingPolicyRule]\nFamily=both\nPriority=%d\nTable=main\nFirewallMark=%u/%u\n",
		TABLE_LOCAL - 1, MARK_RELAY, MARK_RELAY);
	snprintf(match, sizeof(match), "FirewallMark=%u/%u\n", MARK_LOCAL, MARK_LOCAL);
	put_rule(t.out, TABLE_LOCAL, match);
	for (int i = 0; i < 2; i++) {
		snprintf(match, sizeof(match), "IncomingInterface=lo\nIPProtocol=tcp\n%sPort=25\n",
			i ? "Destination" : "Source");
		put_rule(t.out, TABLE_MAIL, match);
	}
	_cleanup_free_ char *text = text_close(&t);
	return text ? put(ctx, NETWORKD_PREFIX BRIDGE ".network", text) : -ENOMEM;
}

void networkd_put_routes(FILE *out, sd_json_variant *config, const char *network)
{
	sd_json_variant *route;

	config_foreach(route, config, "routing.route")
	{
		const char *own = config_str(route, "network");
		if (network && (!own || strcmp(own, network) != 0))
			continue;
		fprintf(out, "\n[Route]\nDestination=%s\nGateway=%s\nMetric=%u\n",
			config_str(route, "destination"), config_str(route, "gateway"),
			(unsigned)sd_json_variant_unsigned(config_at(route, "metric")));
	}
}

static int put_management(sd_json_variant *config, networkd_put_t put, void *ctx)
{
	bool dhcp = config_bool(config, "interfaces.management.dhcp");
	const char *gateway = config_str(config, "interfaces.management.gateway");
	sd_json_variant *address;
	bool has_address = false;
	struct text t;

	if (text_open(&t) < 0)
		return -ENOMEM;
	config_foreach(address, config, "interfaces.management.address") has_address = true;
	/* Without an address the box says nothing on the cable, not even a router solicitation. */
	fprintf(t.out,
		"[Match]\nName=" MGMT_HOST "\n\n[Link]\nRequiredForOnline=no\n\n"
		"[Network]\nDHCP=%s\nIPv6AcceptRA=%s\nLinkLocalAddressing=%s\nLLDP=no\n",
		dhcp ? "ipv4" : "no", dhcp ? "yes" : "no", dhcp || has_address ? "ipv6" : "no");
	config_foreach(address, config, "interfaces.management.address")
		fprintf(t.out, "Address=%s\n", sd_json_variant_string(address));
	if (gateway)
		fprintf(t.out, "Gateway=%s\n", gateway);
	if (dhcp)
		fputs("\n[DHCPv4]\nClientIdentifier=mac\nUseHostname=no\nSendHostname=no\n"
		      "\n[DHCPv6]\nDUIDType=link-layer\n",
			t.out); /* the machine id lives for one boot only */
	networkd_put_routes(t.out, config, NULL);
	_cleanup_free_ char *text = text_close(&t);
	return text ? put(ctx, NETWORKD_PREFIX MGMT_HOST ".network", text) : -ENOMEM;
}

void networkd_put_mtu(FILE *out, sd_json_variant *port)
{
	sd_json_variant *mtu = config_at(port, "mtu");

	if (mtu)
		fprintf(out, "MTUBytes=%u\n", (unsigned)sd_json_variant_unsigned(mtu));
}

static int put_bridge_port(const char *name, sd_json_variant *port, networkd_put_t put, void *ctx)
{
	char file[64];
	struct text t;

	if (text_open(&t) < 0)
		return -ENOMEM;
	fprintf(t.out, "[Match]\nName=%s\n\n[Link]\nRequiredForOnline=no\n", name);
	networkd_put_mtu(t.out, port);
	fputs("\n[Network]\nBridge=" BRIDGE "\nLinkLocalAddressing=no\nIPv6AcceptRA=no\nLLDP=no\n",
		t.out);
	snprintf(file, sizeof(file), NETWORKD_PREFIX "%s.network", name);
	_cleanup_free_ char *text = text_close(&t);
	return text ? put(ctx, file, text) : -ENOMEM;
}

static int put_port(sd_json_variant *port, networkd_put_t put, void *ctx)
{
	return put_bridge_port(config_str(port, "name"), port, put, ctx);
}

static int render_bridge(sd_json_variant *config, networkd_put_t put, void *ctx)
{
	sd_json_variant *port;
	int r = put(ctx, NETWORKD_PREFIX BRIDGE ".netdev", bridge_netdev);

	if (r >= 0)
		r = put(ctx, NETWORKD_PREFIX MGMT_HOST ".netdev", mgmt_netdev);
	if (r >= 0)
		r = put_bridge(put, ctx);
	if (r >= 0)
		r = put_management(config, put, ctx);
	if (r >= 0)
		r = put_bridge_port(MGMT_PORT, NULL, put, ctx);
	config_foreach(port, config, "interfaces.port")
	{
		if (r >= 0)
			r = put_port(port, put, ctx);
	}
	return r;
}

int networkd_render(sd_json_variant *config, networkd_put_t put, void *ctx)
{
	int r = network_is_routed(config) ? networkd_render_route(config, put, ctx)
					  : render_bridge(config, put, ctx);

	/* Sorts behind every named port. */
	return r >= 0 ? put(ctx, NETWORKD_PREFIX "zz-unused.network", unused_network) : r;
}
