/* The files of mode route: a device for each network, with what the appliance is on it. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "config/applier.h"
#include "config/network.h"
#include "config/networkd.h"
#include "lib/cleanup.h"

static unsigned number(sd_json_variant *v, const char *path)
{
	return (unsigned)sd_json_variant_unsigned(config_at(v, path));
}

static sd_json_variant *dhcp_server_of(sd_json_variant *config, const char *network)
{
	sd_json_variant *server;

	config_foreach(server, config, "dhcp.server")
	{
		if (strcmp(config_str(server, "network"), network) == 0)
			return server;
	}
	return NULL;
}

/* 2001:db8::1/64 to 2001:db8::/64; false for IPv4. Router advertisements carry networks. */
static bool ipv6_network(const char *address, char *out, size_t cap)
{
	unsigned char binary[16];
	char text[INET6_ADDRSTRLEN] = "";
	const char *slash = strchr(address, '/');

	if (!slash || (size_t)(slash - address) >= sizeof(text))
		return false;
	memcpy(text, address, (size_t)(slash - address));
	if (inet_pton(AF_INET6, text, binary) != 1)
		return false;
	int bits = atoi(slash + 1);
	for (int i = 0; i < 16; i++, bits -= 8)
		if (bits < 8)
			binary[i] &= (unsigned char)(bits <= 0 ? 0 : 0xff << (8 - bits));
	inet_ntop(AF_INET6, binary, text, sizeof(text));
	snprintf(out, cap, "%s/%d", text, atoi(slash + 1));
	return true;
}

/* The resolvers that hosts are told: the server's own list, else the appliance's. */
static void put_resolvers(FILE *out, sd_json_variant *config, sd_json_variant *server, bool v6)
{
	sd_json_variant *own = config_at(server, "dns-server"), *address;
	sd_json_variant *list =
		own && sd_json_variant_elements(own) ? own : config_at(config, "system.dns-server");

	config_foreach(address, list, "")
	{
		const char *text = sd_json_variant_string(address);
		if (!strchr(text, ':') == !v6)
			fprintf(out, "DNS=%s\n", text);
	}
}

static void put_dhcp_server(FILE *out, sd_json_variant *config, sd_json_variant *server)
{
	sd_json_variant *host;

	/* Kept in memory: for leases on disk networkd waits until a unit has told it that the disk
	 * is there, and hosts ask for the address they had anyway. */
	fprintf(out,
		"\n[DHCPServer]\nPoolOffset=%u\nPoolSize=%u\nDefaultLeaseTimeSec=%u\n"
		"PersistLeases=no\n",
		number(server, "pool-offset"), number(server, "pool-size"),
		number(server, "lease-time"));
	put_resolvers(out, config, server, false);
	config_foreach(host, server, "host")
	{
		fprintf(out, "\n[DHCPServerStaticLease]\nMACAddress=%s\nAddress=%s\n",
			config_str(host, "mac-address"), config_str(host, "address"));
	}
}

static void put_advertisement(
	FILE *out, sd_json_variant *config, sd_json_variant *network, sd_json_variant *server)
{
	sd_json_variant *address;
	char prefix[64];

	fputs("\n[IPv6SendRA]\nManaged=no\n", out);
	put_resolvers(out, config, server, true);
	config_foreach(address, network, "address")
	{
		if (ipv6_network(sd_json_variant_string(address), prefix, sizeof(prefix)))
			fprintf(out, "\n[IPv6Prefix]\nPrefix=%s\n", prefix);
	}
}

/* All that follows [Network] of a device, that line included. */
static void put_network(FILE *out, sd_json_variant *config, sd_json_variant *network)
{
	const char *name = config_str(network, "name"), *gateway = config_str(network, "gateway");
	bool dhcp = config_bool(network, "dhcp"), ra = config_bool(network, "autoconfiguration");
	bool delegated = config_bool(network, "delegated-prefix");
	sd_json_variant *server = dhcp_server_of(config, name), *address;
	bool serves = server && config_bool(server, "enabled");
	bool announces = delegated || (server && config_bool(server, "router-advertisement"));

	fprintf(out,
		"\n[Network]\nDHCP=%s\nIPv6AcceptRA=%s\nLinkLocalAddressing=ipv6\nLLDP=no\n"
		"ConfigureWithoutCarrier=yes\nDHCPServer=%s\nIPv6SendRA=%s\n",
		dhcp ? "ipv4" : "no", ra ? "yes" : "no", serves ? "yes" : "no",
		announces ? "yes" : "no");
	if (delegated)
		fputs("DHCPPrefixDelegation=yes\n", out);
	config_foreach(address, network, "address")
	{
		fprintf(out, "Address=%s\n", sd_json_variant_string(address));
	}
	if (gateway)
		fprintf(out, "Gateway=%s\n", gateway);
	if (dhcp)
		fputs("\n[DHCPv4]\nClientIdentifier=mac\nUseHostname=no\nSendHostname=no\n", out);
	if (ra)
		fputs("\n[DHCPv6]\nDUIDType=link-layer\n", out);
	if (serves)
		put_dhcp_server(out, config, server);
	if (announces)
		put_advertisement(out, config, network, server);
	networkd_put_routes(out, config, name);
}

static int put(
	networkd_put_t put_file, void *ctx, const char *device, const char *kind, struct text *t)
{
	char file[64];
	_cleanup_free_ char *text = text_close(t);

	snprintf(file, sizeof(file), NETWORKD_PREFIX "%s.%s", device, kind);
	return text ? put_file(ctx, file, text) : -ENOMEM;
}

/* A bridge or a VLAN has to be made before it can be configured. */
static int put_device(
	sd_json_variant *config, sd_json_variant *network, networkd_put_t put_file, void *ctx)
{
	char device[IFNAMSIZ];
	struct text t;

	if (!network_is_bridged(network) && !network_is_tagged(network))
		return 0;
	network_device(network, device);
	if (text_open(&t) < 0)
		return -ENOMEM;
	if (network_is_bridged(network))
		fprintf(t.out,
			"[NetDev]\nName=%s\nKind=bridge\n\n[Bridge]\nSTP=no\nForwardDelaySec=0\n"
			"MulticastSnooping=no\n",
			device);
	else
		fprintf(t.out, "[NetDev]\nName=%s\nKind=vlan\n\n[VLAN]\nId=%u\n", device,
			number(network, "vlan"));
	int r = put(put_file, ctx, device, "netdev", &t);
	if (r < 0)
		return r;
	if (text_open(&t) < 0)
		return -ENOMEM;
	fprintf(t.out, "[Match]\nName=%s\n\n[Link]\nRequiredForOnline=no\n", device);
	put_network(t.out, config, network);
	return put(put_file, ctx, device, "network", &t);
}

static bool has_port(sd_json_variant *network, const char *port)
{
	sd_json_variant *one;

	config_foreach(one, network, "port")
	{
		if (strcmp(sd_json_variant_string(one), port) == 0)
			return true;
	}
	return false;
}

/* A port carries one untagged network, by itself or as a part of a bridge, and any number of VLANs.
 */
static int put_port(
	sd_json_variant *config, sd_json_variant *port, networkd_put_t put_file, void *ctx)
{
	const char *name = config_str(port, "name");
	sd_json_variant *network, *untagged = NULL;
	char device[IFNAMSIZ];
	bool used = false;
	struct text t;

	if (text_open(&t) < 0)
		return -ENOMEM;
	fprintf(t.out, "[Match]\nName=%s\n\n[Link]\nRequiredForOnline=no\n", name);
	networkd_put_mtu(t.out, port);
	config_foreach(network, config, "interfaces.network")
	{
		if (!has_port(network, name))
			continue;
		used = true;
		network_device(network, device);
		if (network_is_tagged(network))
			fprintf(t.out, "\n[Network]\nVLAN=%s\n", device);
		else if (network_is_bridged(network))
			fprintf(t.out, "\n[Network]\nBridge=%s\n", device);
		else
			untagged = network;
	}
	if (untagged)
		put_network(t.out, config, untagged);
	else
		fputs("\n[Network]\nLinkLocalAddressing=no\nIPv6AcceptRA=no\nLLDP=no\n", t.out);
	if (used)
		return put(put_file, ctx, name, "network", &t);
	free(text_close(&t));
	return 0;
}

int networkd_render_route(sd_json_variant *config, networkd_put_t put_file, void *ctx)
{
	sd_json_variant *one;
	int r = networkd_put_mail_route(put_file, ctx);

	config_foreach(one, config, "interfaces.network")
	{
		if (r >= 0)
			r = put_device(config, one, put_file, ctx);
	}
	config_foreach(one, config, "interfaces.port")
	{
		if (r >= 0)
			r = put_port(config, one, put_file, ctx);
	}
	return r;
}
