/*
 * domain_list: the installed lists of domain names, and which of them a name is in.
 *
 * updated installs a source of type domains as one canonical name a line, in lower case, in
 * sig/domains/current/<source>__domains.txt. A generation reads the lists that the settings name,
 * in their order; they are immutable then. domain_list_find() looks a name and each domain above it
 * up (bad.example is for www.bad.example as well), in one pass from its end. What becomes of a name
 * that is found is for verdict.h (verdict_domain).
 *
 * Limits: DOMAIN_LISTS lists, DOMAIN_NAMES of all together: further names are left out, counted in
 * `lost`. A list that is not there or cannot be read is empty and told (`missing`): another source
 * than the one that fails goes on. A name of more than 255 bytes is in no list.
 */
#pragma once

#include <stdint.h>

#include "lib/span.h"

#define DOMAIN_LISTS 32
#define DOMAIN_NAMES 2000000u
#define DOMAIN_NAME_BYTES 255

enum domain_action { DOMAIN_ALERT, DOMAIN_DROP, DOMAIN_OFF };
bool domain_action_by_name(struct span name, enum domain_action *ret);
const char *domain_action_name(enum domain_action a);

/* As the settings have it. */
struct domain_rule {
	char name[64];
	enum domain_action action;
};

struct domain_lists {
	struct domain_list {
		struct domain_rule rule;
		uint8_t *text; /* the file */
		size_t text_n;
		uint32_t names;
		bool missing;
	} list[DOMAIN_LISTS];
	unsigned n;
	uint32_t names, lost;
	uint32_t slots_n; /* a power of two */
	struct domain_slot {
		uint32_t at; /* of the name in its list's text, plus 1; 0: free */
		uint16_t bytes;
		uint16_t list;
	} *slots;
	uint64_t key;
};

/* Reads folder/<name>__domains.txt of each rule that is not off. Never fails but for memory. */
int domain_lists_load(
	const char *folder, const struct domain_rule *rules, size_t n, struct domain_lists **ret);
void domain_lists_free(struct domain_lists *l);

struct domain_match {
	const struct domain_list *list;
	struct span entry; /* the name in the list */
};

/* The longest entry that is the name or a domain above it; the first list counts. */
bool domain_list_find(const struct domain_lists *l, struct span name, struct domain_match *ret);
