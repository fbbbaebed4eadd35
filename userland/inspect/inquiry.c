#include "inspect/inquiry.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "inspect/flow.h"
#include "inspect/ruleset.h"
#include "lib/cleanup.h"
#include "lib/control.h"

static const struct inquiry *inquiry; /* there is one control socket a process */

static const char *const decided_by[] = {
	"nobody", "rule", "application", "domain list", "stream", "pass rule", "bypass"};
static const char *const actions[] = {"inspect", "pass", "drop", "bypass"};
static const char *const rule_actions[] = {"pass", "drop", "reject", "alert"};

static const char *addr_text(const struct detect_addr *a, char text[static INET6_ADDRSTRLEN])
{
	inet_ntop(a->family == 6 ? AF_INET6 : AF_INET, a->bytes, text, INET6_ADDRSTRLEN);
	return text;
}

static const char *proto_text(uint8_t proto, char text[static 8])
{
	switch (proto) {
	case IPPROTO_TCP:
		return "TCP";
	case IPPROTO_UDP:
		return "UDP";
	case IPPROTO_ICMP:
		return "ICMP";
	case IPPROTO_ICMPV6:
		return "IPv6-ICMP";
	default:
		snprintf(text, 8, "%u", proto);
		return text;
	}
}

static const char *time_text(const struct timeval *at, char text[static 40])
{
	struct tm tm;
	size_t n;

	gmtime_r(&at->tv_sec, &tm);
	n = strftime(text, 40, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + n, 40 - n, ".%06ld+0000", (long)at->tv_usec);
	return text;
}

static const struct rule *rule_find(uint32_t sid)
{
	const struct ruleset *rs = (*inquiry->gen)->rules;

	for (uint32_t i = 0; i < rs->n_rules; i++)
		if (rs->rules[i]->sid == sid)
			return rs->rules[i];
	return NULL;
}

static void why_text(const struct flow_view *v, char *text, size_t cap)
{
	const struct rule *r;

	switch (v->decision.by) {
	case DECIDED_RULE:
	case DECIDED_PASS_RULE:
		r = rule_find(v->decision.sid);
		snprintf(text, cap, "rule %u %s: %s", v->decision.sid,
			v->decision.by == DECIDED_RULE ? "drops it" : "lets it pass",
			r ? r->msg : "not loaded any more");
		break;
	case DECIDED_APPLICATION:
		snprintf(text, cap, "application %s is not allowed here",
			app_name(*inquiry->names, v->app.id));
		break;
	case DECIDED_DOMAIN:
		snprintf(text, cap, "a name it asked for is in a list of domains: alert %u",
			v->decision.sid);
		break;
	case DECIDED_STREAM:
		snprintf(text, cap, "the connection was not seen from its start");
		break;
	case DECIDED_BYPASS:
		snprintf(text, cap, "nothing in the rest of it can match a rule");
		break;
	default:
		snprintf(text, cap,
			v->alerted ? "rules have told of it, none drops it"
				   : "no rule has matched, no policy is against it");
		break;
	}
}

static bool has_ports(const struct flow_view *v)
{
	return v->key.ip_proto == IPPROTO_TCP || v->key.ip_proto == IPPROTO_UDP;
}

static int flow_json(const struct flow_view *v, sd_json_variant **ret)
{
	char src[INET6_ADDRSTRLEN] = "", dst[INET6_ADDRSTRLEN] = "", proto[8], start[40], end[40],
	     why[256];
	const struct app_flow *a = &v->app;
	const char *app_proto = app_proto_name(v->app_proto);
	bool decided = v->decision.by != DECIDED_NOT;

	why_text(v, why, sizeof(why));
	return sd_json_buildo(ret, SD_JSON_BUILD_PAIR_UNSIGNED("flow_id", v->id),
		SD_JSON_BUILD_PAIR_STRING("proto", proto_text(v->key.ip_proto, proto)),
		SD_JSON_BUILD_PAIR_STRING("src_ip", addr_text(&v->key.addr[SIDE_CLIENT], src)),
		SD_JSON_BUILD_PAIR_CONDITION(
			has_ports(v), "src_port", SD_JSON_BUILD_UNSIGNED(v->key.port[SIDE_CLIENT])),
		SD_JSON_BUILD_PAIR_STRING("dest_ip", addr_text(&v->key.addr[SIDE_SERVER], dst)),
		SD_JSON_BUILD_PAIR_CONDITION(has_ports(v), "dest_port",
			SD_JSON_BUILD_UNSIGNED(v->key.port[SIDE_SERVER])),
		SD_JSON_BUILD_PAIR_CONDITION(
			app_proto != NULL, "app_proto", SD_JSON_BUILD_STRING(app_proto)),
		SD_JSON_BUILD_PAIR_CONDITION(a->id != 0, "application",
			SD_JSON_BUILD_STRING(app_name(*inquiry->names, a->id))),
		SD_JSON_BUILD_PAIR_CONDITION(a->carrier != 0, "carrier",
			SD_JSON_BUILD_STRING(app_name(*inquiry->names, a->carrier))),
		SD_JSON_BUILD_PAIR_CONDITION(
			a->id != 0, "confidence", SD_JSON_BUILD_STRING(app_confidence(a))),
		SD_JSON_BUILD_PAIR_UNSIGNED("bytes_toserver", v->bytes[SIDE_CLIENT]),
		SD_JSON_BUILD_PAIR_UNSIGNED("bytes_toclient", v->bytes[SIDE_SERVER]),
		SD_JSON_BUILD_PAIR_UNSIGNED("pkts_toserver", v->pkts[SIDE_CLIENT]),
		SD_JSON_BUILD_PAIR_UNSIGNED("pkts_toclient", v->pkts[SIDE_SERVER]),
		SD_JSON_BUILD_PAIR_STRING("state", flow_class_name(v->class)),
		SD_JSON_BUILD_PAIR_STRING("start", time_text(&v->first, start)),
		SD_JSON_BUILD_PAIR_STRING("end", time_text(&v->last, end)),
		SD_JSON_BUILD_PAIR_BOOLEAN("alerted", v->alerted),
		SD_JSON_BUILD_PAIR_STRING("action", actions[v->fate]),
		SD_JSON_BUILD_PAIR_STRING("why", why),
		SD_JSON_BUILD_PAIR_STRING("decided_by", decided_by[v->decision.by]),
		SD_JSON_BUILD_PAIR_CONDITION(
			decided, "decided_packet", SD_JSON_BUILD_UNSIGNED(v->decision.packet)),
		SD_JSON_BUILD_PAIR_CONDITION(v->decision.sid != 0, "signature_id",
			SD_JSON_BUILD_UNSIGNED(v->decision.sid)));
}

static int rule_json(const struct rule *r, sd_json_variant **ret)
{
	return sd_json_buildo(ret, SD_JSON_BUILD_PAIR_UNSIGNED("signature_id", r->sid),
		SD_JSON_BUILD_PAIR_UNSIGNED("rev", r->rev),
		SD_JSON_BUILD_PAIR_STRING("signature", r->msg),
		SD_JSON_BUILD_PAIR_STRING("category", r->class_desc),
		SD_JSON_BUILD_PAIR_UNSIGNED("severity", r->priority),
		SD_JSON_BUILD_PAIR_STRING("action", rule_actions[r->action]),
		SD_JSON_BUILD_PAIR_STRING("written", rule_actions[r->written]),
		SD_JSON_BUILD_PAIR_STRING("file", r->file),
		SD_JSON_BUILD_PAIR_UNSIGNED("line", r->line));
}

/* Of all threads, at most max; heap. */
static int views_collect(uint64_t id, unsigned max, struct flow_view **ret, unsigned *ret_n)
{
	struct flow_view *views = calloc(max, sizeof(*views));
	unsigned n = 0;

	if (!views)
		return -ENOMEM;
	for (unsigned i = 0; i < *inquiry->workers_n && n < max; i++)
		n += worker_flows(inquiry->workers[i], id, views + n, max - n);
	*ret = views;
	*ret_n = n;
	return 0;
}

static int flows_json(const struct flow_view *views, unsigned n, sd_json_variant **ret)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *list = NULL;
	sd_json_variant **items = calloc(n ? n : 1, sizeof(sd_json_variant *));
	unsigned made = 0;
	int r = items ? 0 : -ENOMEM;

	for (; r >= 0 && made < n; made += r >= 0)
		r = flow_json(&views[made], &items[made]);
	if (r >= 0)
		r = sd_json_variant_new_array(&list, items, made);
	for (unsigned i = 0; items && i < made; i++)
		sd_json_variant_unref(items[i]);
	free(items);
	if (r >= 0)
		*ret = take_ptr(list);
	return r;
}

static int on_flows(sd_varlink *link, sd_json_variant *parameters, sd_varlink_method_flags_t flags,
	void *userdata)
{
	static const sd_json_dispatch_field fields[] = {
		{"limit", _SD_JSON_VARIANT_TYPE_INVALID, sd_json_dispatch_uint64, 0, 0}, {}};
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *list = NULL;
	_cleanup_free_ struct flow_view *views = NULL;
	uint64_t limit = INQUIRY_FLOWS_USUAL, active = 0;
	unsigned n = 0;

	(void)flags;
	(void)userdata;
	int r = sd_varlink_dispatch(link, parameters, fields, &limit);
	if (r != 0)
		return r;
	if (limit == 0 || limit > INQUIRY_FLOWS)
		limit = INQUIRY_FLOWS;
	for (unsigned i = 0; i < *inquiry->workers_n; i++)
		active += counters_flows(worker_counters(inquiry->workers[i]));
	r = views_collect(0, (unsigned)limit, &views, &n);
	if (r >= 0)
		r = flows_json(views, n, &list);
	return r < 0 ? r
		     : sd_varlink_replybo(link, SD_JSON_BUILD_PAIR_VARIANT("flows", list),
			       SD_JSON_BUILD_PAIR_UNSIGNED("active", active));
}

static int on_why(sd_varlink *link, sd_json_variant *parameters, sd_varlink_method_flags_t flags,
	void *userdata)
{
	static const sd_json_dispatch_field fields[] = {
		{"id", _SD_JSON_VARIANT_TYPE_INVALID, sd_json_dispatch_uint64, 0,
			SD_JSON_MANDATORY},
		{}};
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *flow = NULL, *rule = NULL;
	_cleanup_free_ struct flow_view *views = NULL;
	uint64_t id = 0;
	unsigned n = 0;

	(void)flags;
	(void)userdata;
	int r = sd_varlink_dispatch(link, parameters, fields, &id);
	if (r != 0)
		return r;
	const struct rule *found = id && id <= UINT32_MAX ? rule_find((uint32_t)id) : NULL;
	if (id)
		r = views_collect(id, 1, &views, &n);
	if (r >= 0 && n)
		r = flow_json(&views[0], &flow);
	if (r >= 0 && n && !found && views[0].decision.sid)
		found = rule_find(views[0].decision.sid);
	if (r >= 0 && found)
		r = rule_json(found, &rule);
	return r < 0 ? r
		     : sd_varlink_replybo(link,
			       SD_JSON_BUILD_PAIR_CONDITION(
				       flow != NULL, "flow", SD_JSON_BUILD_VARIANT(flow)),
			       SD_JSON_BUILD_PAIR_CONDITION(
				       rule != NULL, "rule", SD_JSON_BUILD_VARIANT(rule)));
}

struct total {
	uint64_t flows, dropped, bytes;
};

static int totals_json(const struct total *totals, sd_json_variant **ret)
{
	int r = sd_json_variant_new_array(ret, NULL, 0);

	for (uint16_t id = 0; r >= 0 && id < APP_MAX; id++)
		if (totals[id].flows)
			r = sd_json_variant_append_arraybo(ret,
				SD_JSON_BUILD_PAIR_STRING(
					"name", id ? app_name(*inquiry->names, id) : "unknown"),
				SD_JSON_BUILD_PAIR_UNSIGNED("flows", totals[id].flows),
				SD_JSON_BUILD_PAIR_UNSIGNED("dropped", totals[id].dropped),
				SD_JSON_BUILD_PAIR_UNSIGNED("bytes", totals[id].bytes));
	return r;
}

static int on_applications(sd_varlink *link, sd_json_variant *parameters,
	sd_varlink_method_flags_t flags, void *userdata)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *list = NULL;
	_cleanup_free_ struct flow_view *views = NULL;
	_cleanup_free_ struct total *totals = calloc(APP_MAX, sizeof(*totals));
	unsigned n = 0;

	(void)parameters;
	(void)flags;
	(void)userdata;
	int r = totals ? views_collect(0, INQUIRY_FLOWS, &views, &n) : -ENOMEM;
	for (unsigned i = 0; i < n; i++) {
		struct total *t = &totals[views[i].app.id];
		t->flows++;
		t->dropped += views[i].fate == FATE_DROP;
		t->bytes += views[i].bytes[0] + views[i].bytes[1];
	}
	if (r >= 0)
		r = totals_json(totals, &list);
	return r < 0 ? r
		     : sd_varlink_replybo(link, SD_JSON_BUILD_PAIR_VARIANT("applications", list));
}

int inquiry_bind(sd_varlink_server *control, const struct inquiry *q)
{
	inquiry = q;
	int r = control_allow(control, ROLE_AUDITOR, "io.sekisho.Inspect.Flows", on_flows);
	if (r >= 0)
		r = control_allow(control, ROLE_AUDITOR, "io.sekisho.Inspect.Why", on_why);
	if (r >= 0)
		r = control_allow(
			control, ROLE_AUDITOR, "io.sekisho.Inspect.Applications", on_applications);
	return r;
}
