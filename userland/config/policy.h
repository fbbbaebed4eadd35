/*
 * policy: the nftables table of `zones policy`, bridge or inet by mode. Pure: JSON and the time in,
 * text out.
 *
 * The table has one chain in front of inspection: an accept here is not the last word, since the
 * inspection chain comes after it, but a drop is. Replies and related packets of connections that
 * exist always pass, so a commit cuts nobody off. What a connection is matched by lies in sets of
 * the policy, one for each family and kind, which the kernel keeps as intervals: a policy with a
 * thousand addresses is no slower than one with two.
 *
 * In mode bridge ARP, neighbour discovery and what is not IP pass before any policy, and so does
 * the management port, which has a guard of its own. Mail that is diverted to maild is the box's
 * own traffic and meets no policy.
 *
 * A policy that logs has a rule in front of each of its own that sends the packet, cut short, to
 * inspectd (inspect/policylog.h): prefix "ACTION NAME", at most POLICY_LOG_PER_SECOND of them.
 *
 * Refuses: nothing; names and addresses are those that the schema has checked.
 */
#pragma once

#include <stdio.h>
#include <systemd/sd-json.h>
#include <time.h>

#define POLICY_LOG_PER_SECOND 20

void policy_render(FILE *out, sd_json_variant *config, const struct tm *now);
