/*
 * lists: the installed lists of addresses and domains, as the rules of the policy ask them.
 *
 * updated installs a source of type addresses or domains as one canonical entry a line, in
 * sig/addresses/current/<source>__addresses.txt and likewise for domains. A list is read when a
 * rule first names it and kept as a set of its lines. `current` is a link: when it leads elsewhere
 * all lists are read again, at the latest LISTS_LOOK_S seconds after the change. A client is asked
 * for with every length of prefix, a domain with every domain above it.
 *
 * One a process. Limits: LISTS_MAX names, LISTS_BYTES_MAX for all lists together, about three times
 * a million domains. A list that is not there or does not fit holds nothing; both are logged, and
 * status tells.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-json.h>

#define LISTS_MAX 64
#define LISTS_BYTES_MAX (96u << 20)
#define LISTS_LOOK_S 5
#define LISTS_NAME_BYTES 63

/* Before the lists are asked about a message: have they changed? */
void lists_look(uint64_t now_us);
/* The address is on the list, or in a network on it. */
bool lists_have_address(const char *name, const char *ip);
/* The domain is on the list, or one above it. */
bool lists_have_domain(const char *name, const char *domain);
/* At new settings and at the end: all are given back. */
void lists_forget(void);
/* [{name, addresses, domains}]: numbers of entries; a list without any is not installed. */
int lists_status(sd_json_variant **ret);
