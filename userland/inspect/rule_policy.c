#include "inspect/rule_policy.h"

#include <errno.h>
#include <stdlib.h>

static const char *const profile_names[POLICY_PROFILES] = {"monitor", "balanced", "strict"};
static const char *const action_names[POLICY_ACTIONS] = {"alert", "drop", "reject", "off"};

/*
 * The profiles. A row holds for a rule when each of its columns that is given does; the first row
 * decides. Balanced drops what is hostile beyond doubt: malware that phones home, exploits, stolen
 * credentials, networks of criminals. Strict drops what is probably hostile or unwanted as well, at
 * the price of an occasional wrong one.
 */
#define A POLICY_ALERT
#define D POLICY_DROP
#define O POLICY_OFF
static const struct row {
	const char *category, *classtype, *key, *value;
	enum policy_action action[POLICY_PROFILES];
} rows[] = {
	/* category, classtype, metadata             monitor, balanced, strict */
	{"deleted", NULL, NULL, NULL, {O, O, O}},
	{NULL, NULL, "deployment", "alert_only", {A, A, A}},
	{NULL, NULL, "confidence", "Low", {A, A, A}},
	{"hunting", NULL, NULL, NULL, {A, A, A}},
	{"info", NULL, NULL, NULL, {A, A, A}},
	{"icmp_info", NULL, NULL, NULL, {A, A, A}},
	{NULL, NULL, "signature_severity", "Informational", {A, A, A}},
	{"botcc", NULL, NULL, NULL, {A, D, D}},
	{"botcc.portgrouped", NULL, NULL, NULL, {A, D, D}},
	{"compromised", NULL, NULL, NULL, {A, D, D}},
	{"drop", NULL, NULL, NULL, {A, D, D}},
	{"threatview_CS_c2", NULL, NULL, NULL, {A, D, D}},
	{NULL, "command-and-control", NULL, NULL, {A, D, D}},
	{NULL, "domain-c2", NULL, NULL, {A, D, D}},
	{NULL, "trojan-activity", NULL, NULL, {A, D, D}},
	{NULL, "exploit-kit", NULL, NULL, {A, D, D}},
	{NULL, "credential-theft", NULL, NULL, {A, D, D}},
	{NULL, "coin-mining", NULL, NULL, {A, D, D}},
	{NULL, "targeted-activity", NULL, NULL, {A, D, D}},
	{NULL, "successful-admin", NULL, NULL, {A, D, D}},
	{NULL, NULL, "signature_severity", "Critical", {A, D, D}},
	{NULL, "attempted-admin", "signature_severity", "Major", {A, D, D}},
	{NULL, "attempted-user", "confidence", "High", {A, D, D}},
	{NULL, "web-application-attack", "confidence", "High", {A, D, D}},
	{NULL, "social-engineering", "confidence", "High", {A, D, D}},
	{"ciarmy", NULL, NULL, NULL, {A, A, D}},
	{"dshield", NULL, NULL, NULL, {A, A, D}},
	{"3coresec", NULL, NULL, NULL, {A, A, D}},
	{"tor", NULL, NULL, NULL, {A, A, D}},
	{"p2p", NULL, NULL, NULL, {A, A, D}},
	{NULL, "attempted-admin", NULL, NULL, {A, A, D}},
	{NULL, "attempted-user", NULL, NULL, {A, A, D}},
	{NULL, "attempted-dos", NULL, NULL, {A, A, D}},
	{NULL, "denial-of-service", NULL, NULL, {A, A, D}},
	{NULL, "web-application-attack", NULL, NULL, {A, A, D}},
	{NULL, "social-engineering", NULL, NULL, {A, A, D}},
	{NULL, "shellcode-detect", NULL, NULL, {A, A, D}},
	{NULL, "pup-activity", NULL, NULL, {A, A, D}},
	{NULL, NULL, "signature_severity", "Major", {A, A, D}},
};
#undef A
#undef D
#undef O

struct rule_policy *rule_policy_new(enum policy_profile profile)
{
	struct rule_policy *p = calloc(1, sizeof(*p));

	if (p)
		p->profile = profile;
	return p;
}

void rule_policy_free(struct rule_policy *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n; i++)
		free(p->overrides[i].name);
	free(p->overrides);
	free(p);
}

/* "5" or "5-9" */
static bool sids_parse(struct span value, struct policy_override *o)
{
	ptrdiff_t dash = span_chr(value, '-');
	uint64_t lo, hi;

	if (!span_u64(dash < 0 ? value : span_take(value, (size_t)dash), UINT32_MAX, &lo))
		return false;
	hi = lo;
	if (dash >= 0 && !span_u64(span_skip(value, (size_t)dash + 1), UINT32_MAX, &hi))
		return false;
	o->sid_min = (uint32_t)lo;
	o->sid_max = (uint32_t)hi;
	return lo <= hi && lo > 0;
}

int rule_policy_add(
	struct rule_policy *p, enum policy_kind kind, struct span value, enum policy_action action)
{
	struct policy_override o = {.kind = kind, .action = action}, *list;

	if (p->n == POLICY_OVERRIDES)
		return -E2BIG;
	if (kind == POLICY_BY_SID && !sids_parse(value, &o))
		return -EINVAL;
	list = reallocarray(p->overrides, p->n + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	p->overrides = list;
	if (kind != POLICY_BY_SID) {
		o.name = span_dup(value);
		if (!o.name)
			return -ENOMEM;
	}
	p->overrides[p->n++] = o;
	return 0;
}

static bool override_fits(const struct policy_override *o, const struct policy_subject *s)
{
	switch (o->kind) {
	case POLICY_BY_SID:
		return s->sid >= o->sid_min && s->sid <= o->sid_max;
	case POLICY_BY_CLASSTYPE:
		return span_caseeq(s->classtype, span_str(o->name));
	default:
		return span_caseeq(s->category, span_str(o->name));
	}
}

/* The narrowest range of sids counts; of classtypes and categories the one that was named. */
static const struct policy_override *override_find(
	const struct rule_policy *p, const struct policy_subject *s)
{
	for (unsigned kind = 0; kind < POLICY_KINDS; kind++) {
		const struct policy_override *best = NULL;

		for (size_t i = 0; i < p->n; i++) {
			const struct policy_override *o = &p->overrides[i];

			if ((unsigned)o->kind != kind || !override_fits(o, s))
				continue;
			if (!best || o->sid_max - o->sid_min < best->sid_max - best->sid_min)
				best = o;
		}
		if (best)
			return best;
	}
	return NULL;
}

static bool metadata_has(struct span metadata, const char *key, const char *value)
{
	while (metadata.n) {
		ptrdiff_t comma = span_chr(metadata, ',');
		struct span pair =
			span_trim(comma < 0 ? metadata : span_take(metadata, (size_t)comma));
		size_t n = strlen(key);

		metadata = comma < 0 ? span_skip(metadata, metadata.n)
				     : span_skip(metadata, (size_t)comma + 1);
		if (pair.n > n && pair.p[n] == ' ' && span_casestarts(pair, span_str(key)) &&
			span_caseeq(span_trim(span_skip(pair, n)), span_str(value)))
			return true;
	}
	return false;
}

static enum policy_action profile_action(
	enum policy_profile profile, const struct policy_subject *s)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct row *r = &rows[i];

		if ((!r->category || span_caseeq(s->category, span_str(r->category))) &&
			(!r->classtype || span_caseeq(s->classtype, span_str(r->classtype))) &&
			(!r->key || metadata_has(s->metadata, r->key, r->value)))
			return r->action[profile];
	}
	return POLICY_ALERT;
}

bool rule_policy_apply(
	const struct rule_policy *p, const struct policy_subject *s, enum rule_action *ret)
{
	static const enum rule_action actions[] = {RULE_ALERT, RULE_DROP, RULE_REJECT};
	const struct policy_override *o = p ? override_find(p, s) : NULL;
	enum policy_action action;

	*ret = s->written;
	if (o && o->action == POLICY_OFF)
		return false;
	if (!p || s->noalert || s->written == RULE_PASS)
		return true;
	if (o)
		action = o->action;
	else if (s->written != RULE_ALERT)
		action = s->written == RULE_REJECT ? POLICY_REJECT : POLICY_DROP;
	else
		action = profile_action(p->profile, s);
	if (action == POLICY_OFF)
		return false;
	*ret = p->profile == POLICY_MONITOR ? RULE_ALERT : actions[action];
	return true;
}

bool policy_profile_by_name(struct span name, enum policy_profile *ret)
{
	for (unsigned i = 0; i < POLICY_PROFILES; i++)
		if (span_caseeq(name, span_str(profile_names[i]))) {
			*ret = (enum policy_profile)i;
			return true;
		}
	return false;
}

bool policy_action_by_name(struct span name, enum policy_action *ret)
{
	for (unsigned i = 0; i < POLICY_ACTIONS; i++)
		if (span_caseeq(name, span_str(action_names[i]))) {
			*ret = (enum policy_action)i;
			return true;
		}
	return false;
}

const char *policy_profile_name(enum policy_profile profile)
{
	return profile_names[profile];
}

struct span policy_category(const char *file)
{
	const char *slash = strrchr(file, '/');
	struct span name = span_str(slash ? slash + 1 : file);

	if (span_casestarts(name, SPAN_LIT("emerging-")))
		name = span_skip(name, strlen("emerging-"));
	if (name.n > strlen(".rules") &&
		span_caseeq(span_skip(name, name.n - strlen(".rules")), SPAN_LIT(".rules")))
		name = span_take(name, name.n - strlen(".rules"));
	return name;
}
