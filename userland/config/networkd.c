#include "config/networkd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "config/applier.h"
#include "config/network.h"
#include "config/ruleset.h"
#include "lib/cleanup.h"
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

static int put_text(
	networkd_put_t put, void *ctx, const char *device, const char *kind, struct text *t)
{
	char file[64];
	_cleanup_free_ char *text = text_close(t);

	snprintf(file, sizeof(file), NETWORKD_PREFIX "%s.%s", device, kind);
	return text ? put(ctx, file, text) : -ENOMEM;
}

/* mgmt0 without an address and the VLAN device on it. */
static int put_management_vlan(
	const char *device, sd_json_variant *vlan, networkd_put_t put, void *ctx)
{
	struct text t;

	if (text_open(&t) < 0)
		return -ENOMEM;
	fprintf(t.out,
		"[Match]\nName=" MGMT_HOST "\n\n[Link]\nRequiredForOnline=no\n\n"
		"[Network]\nVLAN=%s\nLinkLocalAddressing=no\nIPv6AcceptRA=no\nLLDP=no\n",
		device);
	int r = put_text(put, ctx, MGMT_HOST, "network", &t);
	if (r < 0 || text_open(&t) < 0)
		return r < 0 ? r : -ENOMEM;
	fprintf(t.out, "[NetDev]\nName=%s\nKind=vlan\n\n[VLAN]\nId=%u\n", device,
		(unsigned)sd_json_variant_unsigned(vlan));
	return put_text(put, ctx, device, "netdev", &t);
}

static int put_management(sd_json_variant *config, networkd_put_t put, void *ctx)
{
	sd_json_variant *vlan = config_at(config, "interfaces.management.vlan");
	char device[IFNAMSIZ];
	bool dhcp = config_bool(config, "interfaces.management.dhcp");
	const char *gateway = config_str(config, "interfaces.management.gateway");
	sd_json_variant *address;
	bool has_address = false;
	struct text t;

	network_management_device(config, device);
	int r = vlan ? put_management_vlan(device, vlan, put, ctx) : 0;
	if (r < 0 || text_open(&t) < 0)
		return r < 0 ? r : -ENOMEM;
	config_foreach(address, config, "interfaces.management.address") has_address = true;
	/* Without an address the box says nothing on the cable, not even a router solicitation. */
	fprintf(t.out,
		"[Match]\nName=%s\n\n[Link]\nRequiredForOnline=no\n\n"
		"[Network]\nDHCP=%s\nIPv6AcceptRA=%s\nLinkLocalAddressing=%s\nLLDP=no\n",
		device, dhcp ? "ipv4" : "no", dhcp ? "yes" : "no",
		dhcp || has_address ? "ipv6" : "no");
	config_foreach(address, config, "interfaces.management.address")
		fprintf(t.out, "Address=%s\n", sd_json_variant_string(address));
	if (gateway)
		fprintf(t.out, "Gateway=%s\n", gateway);
	if (dhcp)
		fputs("\n[DHCPv4]\nClientIdentifier=mac\nUseHostname=no\nSendHostname=no\n"
		      "\n[DHCPv6]\nDUIDType=link-layer\n",
			t.out); /* the machine id lives for one boot only */
	networkd_put_routes(t.out, config, NULL);
	return put_text(put, ctx, device, "network", &t);
}

void networkd_put_mtu(FILE *out, sd_json_variant *port)
{
	sd_json_variant *mtu = config_at(port, "mtu");

	if (mtu)
		fprintf(out, "MTUBytes=%u\n", (unsigned)sd_json_variant_unsigned(mtu));
}

static int put_bridge_port(const char *name, sd_json_variant *port, networkd_put_t put, void *ctx)
{
	struct text t;

	if (text_open(&t) < 0)
		return -ENOMEM;
	fprintf(t.out, "[Match]\nName=%s\n\n[Link]\nRequiredForOnline=no\n", name);
	networkd_put_mtu(t.out, port);
	fputs("\n[Network]\nBridge=" BRIDGE "\nLinkLocalAddressing=no\nIPv6AcceptRA=no\nLLDP=no\n",
		t.out);
	return put_text(put, ctx, name, "network", &t);
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
		r = networkd_put_mail_bridge(config, put, ctx);
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
