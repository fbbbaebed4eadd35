/*
 * ruleset: the nftables text of a configuration. Pure: JSON and what links exist in, text out.
 *
 * Tables of mode bridge, in the order a frame meets them:
 *
 * - netdev sekisho_mail: frames of TCP port 25 are turned to the bridge itself, MAC addresses
 *   learned, each VLAN apart; on the way out they are put back
 * - bridge sekisho_policy: zones and policies (policy.h); not there without any
 * - bridge sekisho: what crosses the bridge: management guard, safe bypass, queue to inspectd
 * - inet sekisho_mail: TPROXY to maild; no conntrack, since both legs carry the same 4-tuple
 * - inet sekisho_host: who may talk to the box
 *
 * and of mode route (ruleset_route.c):
 *
 * - inet sekisho_route: spoofed sources, port forwards, masquerading, safe bypass by a flowtable,
 *   queue to inspectd
 * - inet sekisho_policy: zones and policies, and the same for mail that maild takes
 * - inet sekisho_mail: TPROXY to maild behind the port forwards; the client's leg in a zone of
 *   conntrack
 * - inet sekisho_host: who may talk to the box
 *
 * The text is one transaction that replaces every chain and leaves every set and map: the elements
 * that inspectd and maildial renew, and the learned addresses, live through a commit.
 *
 * RULESET_PART stands between parts that have nothing to do with each other, RULESET_SET in front
 * of one set of addresses or ports, RULESET_BASE in front of what the parts behind it stand on:
 * only what differs is loaded (ruleset_delta.h).
 *
 * Engine gone: an expired element takes the queue (or the diversion) out of the path. With
 * on-failure closed there is no set in the rule and no bypass flag, so nothing passes unchecked.
 *
 * Limits: mail is taken out of the VLANs of `interfaces bridge vlan`; in others, one tag deep, it
 * is counted and passes or not (mail unlisted-vlan). In doubly tagged frames, PPPoE, MPLS and
 * other non-IP frames it passes unchecked and uncounted.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <systemd/sd-json.h>
#include <time.h>

#include "lib/mark.h"

#define RULESET_PART "#--\n"
#define RULESET_BASE "#-- base\n"
#define RULESET_SET "#-- set %s %s\n" /* table with its family, name */
#define MGMT_HOST "mgmt0"             /* the management address is here */
#define POLICY_TABLE "sekisho_policy"
#define MGMT_PORT "mgmt1" /* its other end, a port of the bridge */

/* What must exist before the kernel takes a netdev chain on it. */
struct ruleset_links {
	char bridge_mac[18]; /* "" while there is no bridge */
	bool (*exists)(const char *name);
	struct tm now; /* in the appliance's time zone, for schedules */
};

/* On the heap; NULL when memory ran out. */
char *ruleset_render(sd_json_variant *config, const struct ruleset_links *links);
/* Only the part that has to follow links that come and go, and the hours of schedules. */
char *ruleset_render_following(sd_json_variant *config, const struct ruleset_links *links);

/* Of ruleset_route.c, and what both modes share. */
void ruleset_put_route(FILE *out, sd_json_variant *config, const struct ruleset_links *links);
void ruleset_put_table(FILE *out, const char *table, const char *keeps, const char *const *chains,
	const char *then);
/* What inspectd is done with passes, what is new to it is queued at once. */
void ruleset_put_bypass(FILE *out, sd_json_variant *config);
void ruleset_put_queue(FILE *out, sd_json_variant *config);
void ruleset_put_save(FILE *out, void (*put_refuse)(FILE *out));
/* Names of the ports on a side (NULL: both) for which exists (NULL: all) is true, as an nftables
 * set; false when there is none; out may be NULL. */
bool ruleset_put_ports(
	FILE *out, sd_json_variant *config, const char *side, bool (*exists)(const char *name));

/* Of ruleset_mail.c: what hands mail to maild, and in mode bridge what takes its frames. */
void ruleset_put_mail(FILE *out, sd_json_variant *config);
void ruleset_put_mail_frames(FILE *out, sd_json_variant *config, const struct ruleset_links *links);
