#include "config/network.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/applier.h"
#include "config/networkd.h"
#include "config/ruleset.h"

bool network_is_routed(sd_json_variant *config)
{
	const char *mode = config_str(config, "interfaces.mode");

	return mode && strcmp(mode, "route") == 0;
}

bool network_is_bridged(sd_json_variant *network)
{
	return sd_json_variant_elements(config_at(network, "port")) > 1;
}

bool network_is_tagged(sd_json_variant *network)
{
	return config_at(network, "vlan");
}

void network_device(sd_json_variant *network, char out[IFNAMSIZ])
{
	const char *name = config_str(network, "name");
	sd_json_variant *port = config_at(network, "port");

	port = port ? sd_json_variant_by_index(port, 0) : NULL;
	out[0] = 0;
	if (network_is_bridged(network))
		snprintf(out, IFNAMSIZ, "br-%.11s", name);
	else if (network_is_tagged(network))
		snprintf(out, IFNAMSIZ, "vl-%.11s", name);
	else if (port)
		snprintf(out, IFNAMSIZ, "%.15s", sd_json_variant_string(port));
}

void network_management_device(sd_json_variant *config, char out[IFNAMSIZ])
{
	sd_json_variant *vlan = config_at(config, "interfaces.management.vlan");

	snprintf(out, IFNAMSIZ, MGMT_HOST);
	if (vlan)
		snprintf(out, IFNAMSIZ, MGMT_HOST ".%u",
			(unsigned)sd_json_variant_unsigned(vlan) & 0xfff);
}

sd_json_variant *network_find(sd_json_variant *config, const char *name)
{
	sd_json_variant *network;

	config_foreach(network, config, "interfaces.network")
	{
		if (name && strcmp(config_str(network, "name"), name) == 0)
			return network;
	}
	return NULL;
}

bool network_put_devices(
	FILE *out, sd_json_variant *config, const char *side, bool (*exists)(const char *name))
{
	sd_json_variant *network;
	char device[IFNAMSIZ];
	bool any = false;

	config_foreach(network, config, "interfaces.network")
	{
		network_device(network, device);
		if (!*device || (exists && !exists(device)) ||
			(side && strcmp(config_str(network, "side"), side) != 0))
			continue;
		if (out)
			fprintf(out, "%s\"%s\"", any ? ", " : "{ ", device);
		any = true;
	}
	if (any && out)
		fputs(" }", out);
	return any;
}

static int refuse_address(const char *where, const char *text, char **ret_why)
{
	if (asprintf(ret_why,
		    "%s address %s is none: an address and its prefix length are accepted, such as "
		    "192.168.1.2/24 or 2001:db8::2/64",
		    where, text) < 0)
		*ret_why = NULL;
	return -EINVAL;
}

static int refuse_server(const char *network, char **ret_why)
{
	if (asprintf(ret_why,
		    "dhcp server %s: the network has no IPv4 address of its own to give addresses "
		    "from: set interfaces network %s address",
		    network, network) < 0)
		*ret_why = NULL;
	return -EINVAL;
}

static int check_addresses(sd_json_variant *config, const char *where, char **ret_why)
{
	sd_json_variant *address;

	config_foreach(address, config, "address")
	{
		const char *text = sd_json_variant_string(address);
		if (!networkd_is_address(text))
			return refuse_address(where, text, ret_why);
	}
	return 0;
}

static bool has_ipv4(sd_json_variant *network)
{
	sd_json_variant *address;

	config_foreach(address, network, "address")
	{
		if (strchr(sd_json_variant_string(address), '.'))
			return true;
	}
	return false;
}

int network_check(sd_json_variant *config, char **ret_why)
{
	sd_json_variant *one;
	char where[64];

	int r = check_addresses(
		config_at(config, "interfaces.management"), "interfaces management", ret_why);
	if (r < 0)
		return r;
	config_foreach(one, config, "interfaces.network")
	{
		snprintf(where, sizeof(where), "interfaces network %s", config_str(one, "name"));
		r = check_addresses(one, where, ret_why);
		if (r < 0)
			return r;
	}
	config_foreach(one, config, "dhcp.server")
	{
		const char *name = config_str(one, "network");
		if (config_bool(one, "enabled") && !has_ipv4(network_find(config, name)))
			return refuse_server(name, ret_why);
	}
	return 0;
}
