/*
 * networkd: the .netdev and .network files of a configuration. Pure: JSON in, files out.
 *
 * br0 is a cable: no address, no ARP, no spanning tree. It only carries the routes of the mail
 * path (networkd_mail.c): what TPROXY has marked is local (TABLE_LOCAL), and packets of mail
 * sessions that this box sends leave through br0 without a next hop (TABLE_MAIL), or through br0.N
 * when the mail came in VLAN N (TABLE_MAIL_VLAN + N), since nftables puts the MAC addresses back.
 * The box's own address is on mgmt0, whose peer mgmt1 is one more port of the bridge (ADR 0007). In
 * mode route (networkd_route.c) there is none of that: each network has its device (network.h) with
 * its addresses, DHCP server and routes. Physical ports that the configuration does not name are
 * taken down.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <systemd/sd-json.h>

#define NETWORKD_PREFIX "60-sekisho-" /* every file of ours, and none of anybody else's */

typedef int (*networkd_put_t)(void *ctx, const char *file, const char *text);

/* "192.0.2.1/24" or "2001:db8::1/64". */
bool networkd_is_address(const char *text);

/* Calls put for each file; ends at the first negative return and gives it back. */
int networkd_render(sd_json_variant *config, networkd_put_t put, void *ctx);

/* Of networkd_route.c, and what both modes share. */
int networkd_render_route(sd_json_variant *config, networkd_put_t put, void *ctx);
void networkd_put_mtu(FILE *out, sd_json_variant *port);
/* Static routes through a network; NULL: all. */
void networkd_put_routes(FILE *out, sd_json_variant *config, const char *network);

/* Of networkd_mail.c: br0.network with the devices of its VLANs; the routes in mode route. */
int networkd_put_mail_bridge(sd_json_variant *config, networkd_put_t put, void *ctx);
int networkd_put_mail_route(networkd_put_t put, void *ctx);
