/*
 * mark: who owns which bit of the packet mark and the connection mark, which table and which queue.
 *
 * The nftables ruleset is rendered from these numbers (userland/config/ruleset.c), so
 * the kernel's rules and the daemons cannot disagree.
 */
#pragma once

#define MARK_LOCAL 0x00000001u /* packet: deliver here; routing rule to the mail table (maild) */
#define MARK_RELAY \
	0x00000002u /* packet: mail of the box itself, routed as its other traffic is \
		     */
/* Packet, then socket: mail that was taken off the bridge, and the VLAN it was in (0: untagged). A
 * reply and the onward connection carry the same, so they leave in that VLAN. */
#define MARK_BRIDGED 0x00000004u
#define MARK_VLAN_SHIFT 16
#define MARK_VLAN_MASK 0x0fff0000u
#define MARK_BYPASS 0x00000100u /* packet, then connection: inspectd is done with this flow */
#define MARK_DROP 0x00000200u   /* packet, then connection: inspectd has condemned this flow */
/* One direction only: the packet says it for its own, the rules save it under the direction that
 * conntrack gives it, so that the engine need not know which that is. */
#define MARK_BYPASS_SIDE 0x00000400u
#define MARK_BYPASS_ORIGINAL 0x00000800u /* connection */
#define MARK_BYPASS_REPLY 0x00001000u    /* connection */
/* TCP segments that only acknowledge, without any payload, need not be shown (ADR 0018). */
#define MARK_BARE 0x00002000u     /* packet, then connection */
#define MARK_BARE_END 0x00004000u /* packet: all of the connection's are shown again */
#define MARK_REJECT 0x00008000u   /* packet: the rules drop it and tell its sender by ICMP */

/* Routing table in which everything is local, and the one whose default route is the bridge. */
#define TABLE_LOCAL 100
#define TABLE_MAIL 101
#define TABLE_MAIL_VLAN 1000 /* and the VLAN: its default route is that VLAN's device */

#define BRIDGE "br0" /* a VLAN's device is br0.N */

#define SMTP_PORT 25
#define SMTP_PROXY_PORT 10025

/* NFQUEUE numbers of inspectd: QUEUE_FIRST to QUEUE_FIRST + threads - 1. */
#define QUEUE_FIRST 0

/* nfnetlink_log group of connections that a policy wants in the log; inspectd reads it. */
#define LOG_GROUP_POLICY 1

/* The dead-man's switches: nftables sets whose elements expire unless the daemon renews them. */
#define ALIVE_INSPECT_FAMILY NFPROTO_BRIDGE
#define ALIVE_INSPECT_TABLE "sekisho"
#define ALIVE_INSPECT_SET "inspect_alive" /* type ether_type */
/* In route mode there is no bridge: the same set is in this table instead. */
#define ALIVE_ROUTE_FAMILY NFPROTO_INET
#define ALIVE_ROUTE_TABLE "sekisho_route"
#define ALIVE_INSPECT_MS 400
#define ALIVE_MAIL_FAMILY NFPROTO_NETDEV
#define ALIVE_MAIL_TABLE "sekisho_mail"
#define ALIVE_MAIL_SET "mail_alive" /* type inet_service */
/* In the table of mode bridge: VLANs that are not listed and have mail, with a count of
 * connections. */
#define UNLISTED_VLAN_SET "unlisted_vlan"    /* vlan id */
#define ALIVE_MAIL_ROUTE_FAMILY NFPROTO_INET /* in mode route, a table of the same name */
#define ALIVE_MAIL_MS 5000 /* mail is patient: a busy box must not open the gate by a hiccup */
