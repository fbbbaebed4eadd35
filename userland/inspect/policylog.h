/*
 * policylog: connections that a policy of the firewall wants in the log (`zones policy NAME log`).
 *
 * The rule of such a policy (config/policy.h) sends the head of the packet that begins a connection
 * to nfnetlink_log group LOG_GROUP_POLICY, with the prefix "ACTION NAME"; what becomes of the
 * packet is decided in the kernel. The main loop reads the group and writes one `policy` event for
 * each:
 * {"event_type":"policy","in_iface":...,"out_iface":...,"src_ip":...,"policy":{"action":"drop","name":
 * "guests"}}; name is "" for what no policy matched. inspectd does this because it is the process
 * that reads hostile packets anyway; nothing of it is on the packet path.
 *
 * Limits: POLICYLOG_COPY_BYTES of a packet; the rules send so many a second and no more. What the
 * socket could not hold is counted (policylog_lost).
 * Refuses: nothing; a packet that cannot be decoded is told with what is known of it.
 */
#pragma once

#include <linux/netlink.h>
#include <net/if.h>
#include <systemd/sd-event.h>

#include "inspect/out.h"

#define POLICYLOG_COPY_BYTES 256
#define POLICYLOG_PREFIX_BYTES 128

struct policylog;

/* What the kernel says of one packet. Spans point into the message. */
struct policylog_packet {
	char action[16];
	char name[POLICYLOG_PREFIX_BYTES];
	unsigned in, out;  /* interface indices, 0: none */
	uint16_t vlan;     /* 0: untagged */
	struct span bytes; /* from the IP header on */
};

/* Binds the group and reads it from now on; o is the main loop's own. */
int policylog_open(sd_event *event, struct out *o, struct policylog **ret);
void policylog_free(struct policylog *l);
uint64_t policylog_lost(const struct policylog *l);

/* False when it is no packet of the group. */
bool policylog_parse(const struct nlmsghdr *message, struct policylog_packet *ret);
void out_policy(struct out *o, const struct policylog_packet *p);
