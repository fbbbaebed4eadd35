/*
 * ruleset: the nftables text of a configuration. Pure: JSON and what links exist in, text out.
 *
 * Tables, in the order a frame meets them:
 *	netdev sekisho_mail	frames of TCP port 25 are turned to the bridge itself, MAC addresses
 *learned; on the way out they are put back bridge sekisho		what crosses the bridge:
 *management guard, safe bypass, queue to inspectd inet sekisho_mail	TPROXY to maild; no
 *conntrack, since both legs carry the same 4-tuple inet sekisho_host	who may talk to the box
 *
 * The text is one transaction that replaces every chain and leaves every set and map: the elements
 *that inspectd and maildial renew, and the learned addresses, live through a commit.
 *
 * Engine gone: an expired element takes the queue (or the diversion) out of the path. With
 *on-failure closed there is no set in the rule and no bypass flag, so nothing passes unchecked.
 *
 * Limits: 802.1Q tags are looked into for inspection (meta protocol), not for mail. PPPoE, MPLS and
 * other non-IP frames pass unchecked.
 */
#pragma once

#include <stdbool.h>
#include <systemd/sd-json.h>

#define BRIDGE "br0"
#define MGMT_HOST "mgmt0" /* the management address is here */
#define MGMT_PORT "mgmt1" /* its other end, a port of the bridge */

/* What must exist before the kernel takes a netdev chain on it. */
struct ruleset_links {
	char bridge_mac[18]; /* "" while there is no bridge */
	bool (*exists)(const char *name);
};

/* On the heap; NULL when memory ran out. */
char *ruleset_render(sd_json_variant *config, const struct ruleset_links *links);
/* Only the netdev part, which has to follow links that come and go. */
char *ruleset_render_netdev(sd_json_variant *config, const struct ruleset_links *links);
