/*
 * rule_policy: what is done about a rule that matches. The rules of the field all say "alert"; a
 * policy turns that into drop, reject, alert or off when the rule is loaded.
 *
 * In order, the first that speaks decides: an override by sid, by classtype, by category; what the
 * rule itself says, if that is not "alert"; the table of the profile (rule_policy.c), by category,
 * classtype and the rule's metadata. A category is the name of the rule's file without "emerging-"
 * and ".rules". Rules that only set a bit (noalert) are left alone, and so is "pass". Under the
 * profile monitor nothing drops, whoever says so.
 *
 * Limits: POLICY_OVERRIDES.
 */
#pragma once

#include "inspect/detect.h"

#define POLICY_OVERRIDES 1024

enum policy_profile { POLICY_MONITOR, POLICY_BALANCED, POLICY_STRICT, POLICY_PROFILES };
enum policy_action { POLICY_ALERT, POLICY_DROP, POLICY_REJECT, POLICY_OFF, POLICY_ACTIONS };
enum policy_kind { POLICY_BY_SID, POLICY_BY_CLASSTYPE, POLICY_BY_CATEGORY, POLICY_KINDS };

struct rule_policy {
	enum policy_profile profile;
	size_t n;
	struct policy_override {
		enum policy_kind kind;
		uint32_t sid_min, sid_max;
		char *name; /* classtype or category */
		enum policy_action action;
	} *overrides;
};

/* What is asked about. */
struct policy_subject {
	uint32_t sid;
	enum rule_action written;
	bool noalert;
	struct span classtype, category;
	struct span metadata; /* key value, key value, ... */
};

struct rule_policy *rule_policy_new(enum policy_profile profile);
void rule_policy_free(struct rule_policy *p);
/* value: "2000001", "2000000-2000999", or a name. 0, -EINVAL when it is no sid or range, -E2BIG
 * beyond POLICY_OVERRIDES, -ENOMEM. */
int rule_policy_add(
	struct rule_policy *p, enum policy_kind kind, struct span value, enum policy_action action);
/* false: the rule is off. Without a policy rules do what they say. */
bool rule_policy_apply(
	const struct rule_policy *p, const struct policy_subject *s, enum rule_action *ret);

/* By the names of the schema; false: not known. */
bool policy_profile_by_name(struct span name, enum policy_profile *ret);
bool policy_action_by_name(struct span name, enum policy_action *ret);
const char *policy_profile_name(enum policy_profile profile);

/* The category of a rule file. */
struct span policy_category(const char *file);
