#include "inspect/settings.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/rule.h"
#include "inspect/rule_policy.h"
#include "inspect/stream.h"
#include "lib/cleanup.h"

#define HOME_NET_MAX 256

/* What the dispatch table fills in; arrays are read by hand afterwards. */
struct raw {
	uint64_t queues;
	int bypass;
	const char *bypass_hold;
	sd_json_variant *home_net;
	sd_json_variant *application;
	sd_json_variant *host_os_policy;
	sd_json_variant *rules;
	sd_json_variant *lists;
	sd_json_variant *policies;
};

static const sd_json_dispatch_field fields[] = {
	{"queues", _SD_JSON_VARIANT_TYPE_INVALID, sd_json_dispatch_uint64,
		offsetof(struct raw, queues), 0},
	{"bypass", SD_JSON_VARIANT_BOOLEAN, sd_json_dispatch_intbool, offsetof(struct raw, bypass),
		0},
	{"bypass-hold", SD_JSON_VARIANT_STRING, sd_json_dispatch_const_string,
		offsetof(struct raw, bypass_hold), 0},
	{"home-net", SD_JSON_VARIANT_ARRAY, sd_json_dispatch_variant_noref,
		offsetof(struct raw, home_net), 0},
	{"application", SD_JSON_VARIANT_ARRAY, sd_json_dispatch_variant_noref,
		offsetof(struct raw, application), 0},
	{"application-policy", SD_JSON_VARIANT_ARRAY, sd_json_dispatch_variant_noref,
		offsetof(struct raw, policies), 0},
	{"list", SD_JSON_VARIANT_ARRAY, sd_json_dispatch_variant_noref, offsetof(struct raw, lists),
		0},
	{"host-os-policy", SD_JSON_VARIANT_ARRAY, sd_json_dispatch_variant_noref,
		offsetof(struct raw, host_os_policy), 0},
	{"rules", SD_JSON_VARIANT_OBJECT, sd_json_dispatch_variant_noref,
		offsetof(struct raw, rules), 0},
	{},
};

void settings_init(struct settings *s)
{
	*s = (struct settings){.queues = 1,
		.bypass = true,
		.refuse_datagrams = true,
		.tcp = {.depth_bytes = STREAM_DEPTH_BYTES, .master_policy = EXCEPTION_AUTO}};
}

void settings_fini(struct settings *s)
{
	for (size_t i = 0; i < s->n_vars; i++) {
		free(s->vars[i].name);
		free(s->vars[i].value);
	}
	s->n_vars = 0;
	free(s->threshold_file);
	s->threshold_file = NULL;
	rule_policy_free(s->policy);
	s->policy = NULL;
	free(s->domains);
	s->domains = NULL;
	s->domains_n = 0;
	free(s->app_policies);
	s->app_policies = NULL;
	s->app_policies_n = 0;
}

/* A later value takes the place of an earlier one. Takes over value. */
int settings_var_set(struct settings *s, struct span name, char *value)
{
	size_t i = 0;

	while (i < s->n_vars && !span_eq(span_str(s->vars[i].name), name))
		i++;
	if (!value || i == SETTINGS_VARS) {
		free(value);
		return value ? -E2BIG : -ENOMEM;
	}
	if (i == s->n_vars) {
		s->vars[i].name = span_dup(name);
		if (!s->vars[i].name) {
			free(value);
			return -ENOMEM;
		}
		s->vars[i].value = NULL;
		s->n_vars++;
	}
	free(s->vars[i].value);
	s->vars[i].value = value;
	return 0;
}

void settings_rule_vars(const struct settings *s, struct rule_var *vars, struct rule_vars *ret)
{
	for (size_t i = 0; i < s->n_vars; i++)
		vars[i] = (struct rule_var){s->vars[i].name, s->vars[i].value};
	*ret = (struct rule_vars){vars, s->n_vars, s->policy, s->threshold_file,
		s->action_rank[RULE_PASS] ? s->action_rank : NULL};
}

static int refuse(char **ret_why, const char *format, const char *what)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	if (asprintf(ret_why, format, what) < 0)
		*ret_why = NULL;
#pragma GCC diagnostic pop
	return -EINVAL;
}

static bool is_prefix(const char *text)
{
	char addr[INET6_ADDRSTRLEN];
	uint8_t bytes[16];
	uint64_t bits;
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);

	if (n >= sizeof(addr))
		return false;
	memcpy(addr, text, n);
	addr[n] = '\0';
	int family = strchr(addr, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(family, addr, bytes) != 1)
		return false;
	return !slash || span_u64(span_str(slash + 1), family == AF_INET ? 32 : 128, &bits);
}

/* ["10.0.0.0/8", "fd00::/8"] -> [10.0.0.0/8,fd00::/8] */
static int read_home_net(struct settings *s, sd_json_variant *list, char **ret_why)
{
	size_t n = list ? sd_json_variant_elements(list) : 0;
	size_t size = n * (INET6_ADDRSTRLEN + 5) + 3;

	if (n == 0)
		return 0;
	if (n > HOME_NET_MAX)
		return refuse(ret_why, "home-net: more than %s networks", "256");
	_cleanup_free_ char *text = calloc(1, size);
	if (!text)
		return -ENOMEM;
	size_t used = 0;
	for (size_t i = 0; i < n; i++) {
		sd_json_variant *v = sd_json_variant_by_index(list, i);
		const char *net = sd_json_variant_is_string(v) ? sd_json_variant_string(v) : "";
		if (!is_prefix(net))
			return refuse(ret_why,
				"home-net: \"%s\" is not a network such as 192.168.0.0/16", net);
		used += (size_t)snprintf(text + used, size - used, "%c%s", i ? ',' : '[', net);
	}
	snprintf(text + used, size - used, "]");
	return settings_var_set(s, SPAN_LIT("HOME_NET"), take_ptr(text));
}

static int read_application(
	struct settings *s, sd_json_variant *row, struct app *names, char **ret_why)
{
	sd_json_variant *name =
		sd_json_variant_is_object(row) ? sd_json_variant_by_key(row, "name") : NULL;
	sd_json_variant *action = name ? sd_json_variant_by_key(row, "action") : NULL;

	if (!name || !sd_json_variant_is_string(name))
		return refuse(ret_why, "application: a row has no %s", "name");
	const char *what = action && sd_json_variant_is_string(action)
				   ? sd_json_variant_string(action)
				   : "drop";
	bool drop = strcmp(what, "drop") == 0;
	if (!drop && strcmp(what, "accept") != 0)
		return refuse(
			ret_why, "application: action \"%s\" is neither accept nor drop", what);
	uint16_t id = app_by_name(names, sd_json_variant_string(name));
	if (!id)
		return refuse(ret_why,
			"application \"%s\" is not known; names are nDPI's, such as BitTorrent",
			sd_json_variant_string(name));
	s->app_action[id] = drop ? APP_ACTION_DROP : APP_ACTION_ACCEPT;
	s->has_app_rows = true;
	return 0;
}

static const char *row_string(sd_json_variant *row, const char *key)
{
	sd_json_variant *v =
		sd_json_variant_is_object(row) ? sd_json_variant_by_key(row, key) : NULL;

	return v && sd_json_variant_is_string(v) ? sd_json_variant_string(v) : NULL;
}

/* [{network, policy}] */
static int read_hosts(struct settings *s, sd_json_variant *list, char **ret_why)
{
	s->n_hosts = 0;
	for (size_t i = 0; list && i < sd_json_variant_elements(list); i++) {
		sd_json_variant *row = sd_json_variant_by_index(list, i);
		const char *network = row_string(row, "network");
		const char *policy = row_string(row, "policy");
		int r = settings_host_add(
			s, span_str(network ? network : ""), span_str(policy ? policy : ""));

		if (r == -E2BIG)
			return refuse(ret_why, "host-os-policy: more than %s networks", "64");
		if (r < 0)
			return refuse(ret_why,
				"host-os-policy: \"%s\" is no network, or its policy is not known",
				network ? network : "");
	}
	return 0;
}

static int read_override(
	struct settings *s, enum policy_kind kind, sd_json_variant *row, char **ret_why)
{
	static const char *const keys[POLICY_KINDS] = {"sid", "name", "name"};
	const char *value = row_string(row, keys[kind]), *what = row_string(row, "action");
	enum policy_action action;

	if (!value || !what || !policy_action_by_name(span_str(what), &action))
		return refuse(ret_why,
			"rules: action \"%s\" is none of alert, drop, reject and off",
			what ? what : "");
	int r = rule_policy_add(s->policy, kind, span_str(value), action);
	if (r == -EINVAL)
		return refuse(ret_why, "rules: \"%s\" is no sid and no range of sids", value);
	if (r == -E2BIG)
		return refuse(ret_why, "rules: more than %s exceptions", "1024");
	return r;
}

/* {profile, dry-run, sid: [], classtype: [], category: []} */
static int read_rules(struct settings *s, sd_json_variant *rules, char **ret_why)
{
	static const char *const lists[POLICY_KINDS] = {"sid", "classtype", "category"};
	const char *name = row_string(rules, "profile");
	sd_json_variant *dry = sd_json_variant_by_key(rules, "dry-run");
	enum policy_profile profile = POLICY_BALANCED;

	if (name && !policy_profile_by_name(span_str(name), &profile))
		return refuse(ret_why,
			"rules: profile \"%s\" is none of monitor, balanced and strict", name);
	s->dry_run = dry && sd_json_variant_is_boolean(dry) && sd_json_variant_boolean(dry);
	rule_policy_free(s->policy);
	s->policy = rule_policy_new(profile);
	if (!s->policy)
		return -ENOMEM;
	for (unsigned kind = 0; kind < POLICY_KINDS; kind++) {
		sd_json_variant *list = sd_json_variant_by_key(rules, lists[kind]);

		for (size_t i = 0; list && i < sd_json_variant_elements(list); i++) {
			int r = read_override(s, (enum policy_kind)kind,
				sd_json_variant_by_index(list, i), ret_why);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* [{name, action}], in order of the configuration. */
static int read_lists(struct settings *s, sd_json_variant *lists, char **ret_why)
{
	size_t n = sd_json_variant_elements(lists);

	if (n > DOMAIN_LISTS)
		return refuse(ret_why, "list: more than %s", "32");
	free(s->domains);
	s->domains_n = 0;
	s->domains = calloc(n ? n : 1, sizeof(*s->domains));
	if (!s->domains)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		sd_json_variant *row = sd_json_variant_by_index(lists, i);
		const char *name = row_string(row, "name"), *what = row_string(row, "action");
		struct domain_rule *rule = &s->domains[s->domains_n];

		if (!name || strlen(name) >= sizeof(rule->name) || strchr(name, '/'))
			return refuse(
				ret_why, "list: \"%s\" is no name of a list", name ? name : "");
		if (!domain_action_by_name(span_str(what ? what : "alert"), &rule->action))
			return refuse(ret_why, "list: action \"%s\" is none of alert, drop and off",
				what);
		strcpy(rule->name, name);
		s->domains_n++;
	}
	return 0;
}

int settings_read(struct settings *s, sd_json_variant *config, struct app *names, char **ret_why)
{
	struct raw raw = {.queues = s->queues, .bypass = s->bypass};
	const char *bad = NULL;
	int r = sd_json_dispatch_full(config, fields, NULL, SD_JSON_ALLOW_EXTENSIONS, &raw, &bad);

	if (r < 0)
		return refuse(ret_why, "%s: wrong type of value", bad ? bad : "inspection");
	if (raw.queues < 1 || raw.queues > QUEUES_MAX)
		return refuse(ret_why, "queues: 1 to %s", "16");
	s->queues = (unsigned)raw.queues;
	s->bypass = raw.bypass;
	s->bypass_hold_all = raw.bypass_hold && strcmp(raw.bypass_hold, "all") == 0;
	if (raw.bypass_hold && !s->bypass_hold_all && strcmp(raw.bypass_hold, "named") != 0)
		return refuse(
			ret_why, "bypass-hold: \"%s\" is neither named nor all", raw.bypass_hold);
	r = read_home_net(s, raw.home_net, ret_why);
	if (r >= 0)
		r = read_hosts(s, raw.host_os_policy, ret_why);
	if (r >= 0 && raw.rules)
		r = read_rules(s, raw.rules, ret_why);
	if (r >= 0 && raw.policies)
		r = settings_read_policies(s, raw.policies, names, ret_why);
	if (r >= 0 && raw.lists)
		r = read_lists(s, raw.lists, ret_why);
	for (size_t i = 0;
		r >= 0 && raw.application && i < sd_json_variant_elements(raw.application); i++)
		r = read_application(
			s, sd_json_variant_by_index(raw.application, i), names, ret_why);
	return r;
}
