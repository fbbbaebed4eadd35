/*
 * lists: the address lists that updated has installed, as sets in the kernel (list_table.h).
 *
 * A source of `update source` of type addresses whose action is not none is a list. Its file is
 * sig/addresses/current/NAME__addresses.txt on the data partition. Lists are loaded at start, with
 * a commit that changes what they depend on, and when `current` changes, which is watched: the role
 * that installs them may not talk to configd. Of several lists only those whose file has changed
 * are read and loaded again, all in one transaction.
 *
 * A file that is not there, cannot be read or is damaged, and a transaction that the kernel
 * refuses, leave the set that is in force; `why` says so, and it is tried again when the file
 * changes.
 *
 * Spared in every list: LISTS_SPARED (private, shared, local and multicast addresses: many a list
 * has them, and a bridge that drops them cuts the office from its own router), inspection.home-net,
 * and what the source says under `except`.
 *
 * Who has met whom is asked of the kernel every minute; a pair that was not there a minute ago is
 * an `alert` event in log/configd:
 *
 *	{"event_type":"alert","src_ip":"203.0.113.5","dest_ip":"192.168.1.7",
 *	 "alert":{"action":"blocked","signature":"address list spamhaus","category":"Address list"},
 *	 "list":{"name":"spamhaus","direction":"inbound","packets":3}}
 *
 * Limits: LISTS_ENTRIES_MAX entries in all lists together; the list that goes beyond keeps its old
 * set. 100,000 entries take the kernel 17 MB, and configd's child 40 MB for half a second.
 */
#pragma once

#include <systemd/sd-event.h>
#include <systemd/sd-json.h>

#include "lib/eve.h"

#define LISTS_MAX 64 /* sources that the schema allows */
#define LISTS_ENTRIES_MAX 200000

/* The configuration in force. starting: what an earlier configd has left is loaded anew. */
int lists_apply(sd_json_variant *config, bool starting, char **ret_why);
/* Looks whether files have changed, and loads those. */
void lists_follow(void);
/* Follows `current` from now on; called again, does nothing while that works. */
void lists_watch(sd_event *event);
/* New pairs as events. */
void lists_tell(struct eve *eve);
/* Array of {name, action, direction, entries, ranges, why, inbound: {packets, bytes},
 * outbound: {packets, bytes}, hits: [{listed, own, direction, packets, bytes}]}. name: of one list,
 * whose hits are wanted too; NULL: all, without. */
int lists_report(const char *name, sd_json_variant **ret);
