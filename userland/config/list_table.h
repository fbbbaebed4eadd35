/*
 * list_table: the nftables table of address lists, bridge or inet by mode. Pure: lists in, one
 * transaction as text out.
 *
 * The table is apart from those of ruleset.h: a commit that replaces the rules does not touch it,
 * and a new list does not touch the rules. Its one base chain stands behind conntrack and before
 * everything that decides, mail's diversion to the box included. A connection is judged by who
 * began it (`ct direction`): with direction inbound an office may still talk to a listed address,
 * and hears its answers. One that exists already when its address appears on a list ends; all
 * others go on.
 *
 *	s4_NAME, s6_NAME	the list: interval sets
 *	in_NAME, out_NAME	counter, and the chain that counts and decides
 *	hi4_NAME, ho4_NAME ...	who met whom lately: LIST_HITS_MAX pairs (listed, own), each for
 *				LIST_HITS_TIMEOUT after its last packet
 *
 * Only the sets of lists that are `fresh` are written; those of the others stay as the kernel has
 * them, and so do counters and pairs. What belongs to no list any more goes.
 *
 * Limits: pairs beyond LIST_HITS_MAX are counted and decided upon but not noted. In mode route a
 * flow that the fast path (ruleset_route.c) carries when its address appears ends with the flow.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <systemd/sd-json.h>

#include "config/ranges.h"

#define LIST_TABLE "sekisho_lists"
#define LIST_NAME_CHARS 63
#define LIST_HITS_MAX 1024
#define LIST_HITS_TIMEOUT "1h"

enum list_action { LIST_ALERT, LIST_BLOCK };

struct list {
	char name[LIST_NAME_CHARS + 1];
	enum list_action action;
	bool inbound, outbound;
	bool fresh;    /* set holds what is to be loaded */
	bool in_force; /* the kernel has its sets, or will when this is loaded */
	struct ranges set[RANGES_FAMILIES];
	size_t lines, elements; /* of the file; of the sets in force */
	struct stat file;       /* that they were read from */
	char *why;              /* heap: what keeps the newest file out; NULL: nothing */
};

struct list_table {
	const struct list *lists;
	size_t n;
	bool routed;
	const char *wan, *lan;   /* sets of device names; NULL: no device on that side */
	sd_json_variant *kernel; /* `nft --json --terse list table`, or NULL */
};

void list_table_put(FILE *out, const struct list_table *t);
const char *list_table_family(bool routed);
/* Whether the listing has an object of this kind ("set", "counter") and name. */
sd_json_variant *list_table_find(sd_json_variant *kernel, const char *kind, const char *name);
