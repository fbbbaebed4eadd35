/*
 * network: the networks of mode route and the kernel devices that stand for them.
 *
 *	one port, untagged	the port itself
 *	several ports		a bridge, br-NAME
 *	one port, a VLAN	a VLAN device on the port, vl-NAME
 *
 * Pure: JSON of the schema in, names out.
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <systemd/sd-json.h>

bool network_is_routed(sd_json_variant *config);
bool network_is_bridged(sd_json_variant *network);
bool network_is_tagged(sd_json_variant *network);
/* Its device; "" for a network without a port. */
void network_device(sd_json_variant *network, char out[IFNAMSIZ]);
/* Where the management address is: MGMT_HOST, or a VLAN device on it. */
void network_management_device(sd_json_variant *config, char out[IFNAMSIZ]);
/* By name; NULL when there is none. */
sd_json_variant *network_find(sd_json_variant *config, const char *name);
/* An nftables set of the devices on a side (NULL: both) for which exists (NULL: all) is true. False
 * when there is none; out may be NULL. */
bool network_put_devices(
	FILE *out, sd_json_variant *config, const char *side, bool (*exists)(const char *name));

/* What the schema cannot say: addresses in range, a DHCP server with an address to serve. -EINVAL
 * with *ret_why on the heap. */
int network_check(sd_json_variant *config, char **ret_why);
