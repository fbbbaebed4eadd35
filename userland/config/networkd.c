#include "config/networkd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "config/applier.h"
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

static const char port_network[] =
	"[Match]\nName=%s\n\n"
	"[Link]\nRequiredForOnline=no\n\n"
	"[Network]\nBridge=" BRIDGE "\nLinkLocalAddressing=no\nIPv6AcceptRA=no\nLLDP=no\n";

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
	_cleanup_free_ char *text = text_close(&t);
	return text ? put(ctx, NETWORKD_PREFIX MGMT_HOST ".network", text) : -ENOMEM;
}

static int put_port(const char *name, networkd_put_t put, void *ctx)
{
	char file[64], text[sizeof(port_network) + 32];

	snprintf(file, sizeof(file), NETWORKD_PREFIX "%s.network", name);
	snprintf(text, sizeof(text), port_network, name);
	return put(ctx, file, text);
}

int networkd_render(sd_json_variant *config, networkd_put_t put, void *ctx)
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
		r = put_port(MGMT_PORT, put, ctx);
	config_foreach(port, config, "interfaces.port") if (r >= 0) r =
		put_port(config_str(port, "name"), put, ctx);
	/* Sorts behind every named port. */
	return r >= 0 ? put(ctx, NETWORKD_PREFIX "zz-unused.network", unused_network) : r;
}
