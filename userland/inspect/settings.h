/*
 * settings: what the administrator decided for inspection, read from the rendered configuration.
 *
 * The keys are the leaves of container inspection in the schema; a new setting is one row of the
 * dispatch table in settings.c. A struct settings is immutable once read: a reload makes a new one.
 *
 * Refuses: an application that nDPI does not know, named in the reason; a network that is not an
 * address prefix. What inspectd does not act on itself (enabled, on-failure) it accepts: the
 * ruleset of nftables does.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-json.h>

#include "inspect/app.h"
#include "inspect/app_policy.h"
#include "inspect/detect.h"
#include "inspect/domain_list.h"
#include "inspect/stream.h"

#define QUEUES_MAX 16
#define SETTINGS_VARS 64
#define SETTINGS_HOSTS 64 /* networks whose systems are known */

/* What to do with TCP that cannot be followed from its start. */
enum exception {
	EXCEPTION_IGNORE,
	EXCEPTION_DROP_FLOW,
	EXCEPTION_DROP_PACKET,
	EXCEPTION_PASS_FLOW,
	EXCEPTION_PASS_PACKET,
	EXCEPTION_BYPASS,
	EXCEPTION_REJECT,
	EXCEPTION_AUTO
};

struct settings_tcp {
	bool midstream;     /* flows are picked up without their handshake */
	bool async_oneside; /* one direction alone makes a flow */
	bool is_inline;     /* stream data is looked at as it comes, not when it is acknowledged */
	bool set_midstream; /* somebody said so: false as well */
	bool has_policy;    /* midstream_policy was given; else master_policy counts */
	enum exception midstream_policy, master_policy;
	uint64_t depth_bytes; /* of each direction; 0: all */
};

enum app_action { APP_ACTION_NONE, APP_ACTION_ACCEPT, APP_ACTION_DROP };

struct host_policy {
	struct detect_addr network;
	uint8_t bits;
	enum stream_policy policy;
};

struct settings {
	unsigned queues;
	bool bypass;
	bool refuse_datagrams; /* the rules behind the queue answer a rejected one (MARK_REJECT) */
	bool bypass_hold_all;  /* rules for single packets of any port hold flows (detect_more.h) */
	uint8_t app_action[APP_MAX]; /* enum app_action by application id */
	bool has_app_rows;
	unsigned alerts_max;    /* told of one packet; 0: no bound but DETECT_MATCHES a unit */
	uint8_t action_rank[4]; /* by enum rule_action: which comes first; all 0: usual */
	bool dry_run;           /* what rules would drop is told, not dropped */
	struct rule_policy *policy;
	char *threshold_file; /* suppressions and thresholds beside the rules; NULL: none */
	struct settings_var {
		char *name, *value;
	} vars[SETTINGS_VARS]; /* of the rule language: HOME_NET, and what --set gave */
	size_t n_vars;
	struct host_policy hosts[SETTINGS_HOSTS];
	unsigned n_hosts;
	struct settings_tcp tcp;
	struct domain_rule *domains; /* lists of domain names, in order */
	size_t domains_n;
	struct app_policy *app_policies; /* in order; before the rows by application */
	unsigned app_policies_n;
};

/* Without a configuration: one queue, bypass, no application rows, rules do what they say. */
void settings_init(struct settings *s);
void settings_fini(struct settings *s);
/* 0, or -errno with *ret_why (heap) saying what must be changed. names is asked for applications
 * only. */
int settings_read(struct settings *s, sd_json_variant *config, struct app *names, char **ret_why);
/* The rows of application-policy (settings_policy.c). */
int settings_read_policies(
	struct settings *s, sd_json_variant *rows, struct app *names, char **ret_why);
/* One setting by the name that Suricata's --set has for it: "stream.midstream=true". 0, -ENOENT
 * when there is none of that name, -EINVAL when the value is not understood. */
int settings_set(struct settings *s, const char *assignment);
/* What the loader of rules is to know. The array of s->n_vars is the caller's. */
struct rule_vars;
struct rule_var;
/* -EINVAL when it is no network, or no policy of that name; -E2BIG. */
int settings_host_add(struct settings *s, struct span network, struct span policy);
/* Of the smallest network that has the address; STREAM_AS_POOL: none has. */
enum stream_policy settings_host_policy(const struct settings *s, const struct detect_addr *a);
int settings_var_set(struct settings *s, struct span name, char *value);
void settings_rule_vars(const struct settings *s, struct rule_var *vars, struct rule_vars *ret);
