/*
 * rule_match: which rules a line of the settings means, in the forms that suricata-update knows.
 *
 *	2019401, 1:2019401		signature ID, with or without generator
 *	group:emerging-dns		the file of the tarball, with or without .rules
 *	filename:*dns.rules		its name as a pattern
 *	metadata:deployment Perimeter	a pair of the rule's metadata
 *	re:EXPRESSION			a regular expression anywhere in the rule, whatever the case
 *
 * Limits: PCRE2's match and depth limits are set to RULE_MATCH_STEPS: an expression that needs more
 * does not match.
 * Refuses: what is none of these, or an expression that PCRE2 does not take.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/span.h"

#define RULE_MATCH_STEPS 100000

/* One rule, enabled or commented out, as rule_edit.h finds it. */
struct rule_line {
	const char *file; /* name of the file it is in */
	struct span text; /* from the action to the closing bracket */
	uint64_t sid, gid;
	bool enabled;
};

struct rule_match;

/* NULL with *ret_why (heap) when text is none. */
struct rule_match *rule_match_new(struct span text, char **ret_why);
void rule_match_free(struct rule_match *m);
bool rule_match_run(const struct rule_match *m, const struct rule_line *rule);
/* The number of an option such as "sid:1;", 0 when it is not there. */
uint64_t rule_number(struct span rule, struct span option);
