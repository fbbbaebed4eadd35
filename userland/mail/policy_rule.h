/*
 * policy_rule: the ordered rules of mail/policy, and whether one holds for a message. Pure,
 * but for the installed lists that a rule may name (lists.h).
 *
 * A rule is a list of words for each of its conditions. A condition holds when one of its words
 * does, a rule when all its conditions do; a rule without any holds for every message. Which
 * conditions there are is one table in policy_rule.c: a new one is a row there and a leaf-list in
 * the schema. Rules are compiled when the settings are read; a message costs comparisons only, and
 * the names of its attachments are looked for only when a rule asks for them.
 *
 * Limits: POLICY_RULES rules, POLICY_WORDS words in all, POLICY_WORD_BYTES a word: more is refused
 * when the settings are read.
 */
#pragma once

#include <systemd/sd-json.h>

#include "lib/span.h"
#include "mail/envelope.h"
#include "mail/findings.h"
#include "mail/policy_parts.h"

#define POLICY_RULES 64
#define POLICY_WORDS 1024
#define POLICY_WORD_BYTES 128
#define POLICY_CONDITIONS 15
#define POLICY_LISTS 32
#define POLICY_NAME_BYTES 64
#define POLICY_REPLY_BYTES 200
#define POLICY_PREFIX_BYTES 40

enum action { ACTION_ACCEPT, ACTION_TAG, ACTION_QUARANTINE, ACTION_REJECT, ACTION_DEFER };

/* "accept", "tag", "quarantine", "reject", "defer" */
const char *action_name(enum action action);

struct policy_words {
	uint16_t first, count; /* of policy.words */
};

struct policy_rule {
	char name[POLICY_NAME_BYTES + 1];
	enum action action;
	bool dry_run;
	struct policy_words conditions[POLICY_CONDITIONS];
	uint32_t larger_than, smaller_than; /* bytes; 0: any */
	char reply[POLICY_REPLY_BYTES + 1];
	char prefix[POLICY_PREFIX_BYTES + 1]; /* of the subject, UTF-8 */
};

/* A list of the settings' own. */
struct policy_list {
	char name[POLICY_NAME_BYTES + 1];
	struct policy_words addresses, domains;
};

struct policy {
	bool dry_run;
	struct policy_rule rules[POLICY_RULES];
	unsigned rule_count;
	struct policy_list lists[POLICY_LISTS];
	unsigned list_count;
	char words[POLICY_WORDS][POLICY_WORD_BYTES + 1];
	unsigned word_count;
};

/* One message, as the rules see it. */
struct policy_subject {
	const struct policy *policy; /* whose lists are meant */
	const struct findings *findings;
	const struct envelope *envelope;
	struct span text;
	struct parts parts; /* read when first asked for */
	bool has_parts;
};

/* The object mail/policy of the schema. -EINVAL or -E2BIG. */
int policy_parse(sd_json_variant *object, struct policy *policy);
bool policy_rule_holds(
	const struct policy *policy, const struct policy_rule *rule, struct policy_subject *s);
