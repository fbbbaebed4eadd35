/* What inspectd sees: flows, applications, top talkers, rules, and why it decided. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/box.h"
#include "cli/command.h"
#include "cli/event.h"
#include "cli/table.h"
#include "cli/tally.h"
#include "lib/cleanup.h"

#define FLOWS_SHOWN 50
#define TOP_SHOWN 20

static const char *const flow_types[] = {"flow", NULL};

/* Bytes of both directions of a flow event, or of a flow of io.sekisho.Inspect.Flows. */
static uint64_t flow_bytes(sd_json_variant *flow)
{
	sd_json_variant *inner = sd_json_variant_by_key(flow, "flow");

	return json_u64(inner ? inner : flow, "bytes_toserver") +
	       json_u64(inner ? inner : flow, "bytes_toclient");
}

static const char *flow_application(sd_json_variant *flow)
{
	const char *name = json_str(flow, "application");
	if (!name)
		name = json_str(sd_json_variant_by_key(flow, "app"), "ndpi_app");
	if (!name)
		name = json_str(flow, "app_proto");
	return name ? name : "unknown";
}

/* inspectd's live flows; if it does not tell, the newest that have ended, from its events. In one
 * form: [{proto, src_ip, src_port, dest_ip, dest_port, application, bytes}]. */
static int flows_read(unsigned limit, bool *ret_live, sd_json_variant **ret)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *reply = NULL, *parameters = NULL,
							  *list = NULL;
	_cleanup_free_ char *error = NULL;
	_cleanup_(events_freep) struct events *e = NULL;

	if (sd_json_buildo(&parameters, SD_JSON_BUILD_PAIR_UNSIGNED("limit", limit)) < 0 ||
		sd_json_variant_new_array(&list, NULL, 0) < 0)
		return -ENOMEM;
	*ret_live = daemon_ask("inspectd", "io.sekisho.Inspect.Flows", parameters, CLI_WAIT_MS,
			    &reply, &error) >= 0;
	sd_json_variant *live = *ret_live ? sd_json_variant_by_key(reply, "flows") : NULL;
	if (!*ret_live && !(e = events_new("inspectd", flow_types)))
		return -ENOMEM;
	size_t n = *ret_live ? (live ? sd_json_variant_elements(live) : 0) : e->n;
	for (size_t i = *ret_live || n < limit ? 0 : n - limit; i < n; i++) {
		sd_json_variant *f =
			*ret_live ? sd_json_variant_by_index(live, i) : e->item[i].json;
		const char *proto = json_str(f, "proto");
		sd_json_variant *sport = sd_json_variant_by_key(f, "src_port");
		sd_json_variant *dport = sd_json_variant_by_key(f, "dest_port");
		int r = sd_json_variant_append_arraybo(&list,
			SD_JSON_BUILD_PAIR_STRING("proto", proto ? proto : "-"),
			SD_JSON_BUILD_PAIR_STRING("src_ip", json_str(f, "src_ip")),
			SD_JSON_BUILD_PAIR_CONDITION(
				!!sport, "src_port", SD_JSON_BUILD_VARIANT(sport)),
			SD_JSON_BUILD_PAIR_STRING("dest_ip", json_str(f, "dest_ip")),
			SD_JSON_BUILD_PAIR_CONDITION(
				!!dport, "dest_port", SD_JSON_BUILD_VARIANT(dport)),
			SD_JSON_BUILD_PAIR_STRING("application", flow_application(f)),
			SD_JSON_BUILD_PAIR_UNSIGNED("bytes", flow_bytes(f)));
		if (r < 0)
			return r;
	}
	*ret = take_ptr(list);
	return 0;
}

static void say_what(const struct cli *c, bool live)
{
	if (!live && !c->json)
		puts("Flows that have ended, from the event log; inspectd tells no live ones.");
}

static bool is_about(sd_json_variant *flow, const char *about)
{
	const char *src = json_str(flow, "src_ip"), *dst = json_str(flow, "dest_ip");

	return !about || (src && strcmp(src, about) == 0) || (dst && strcmp(dst, about) == 0) ||
	       strcasecmp(flow_application(flow), about) == 0;
}

static int run_show_flows(struct cli *c, const struct args *a)
{
	static const struct column columns[] = {{"proto", "proto", 5},
		{"from", "src_ip+src_port", 22}, {"to", "dest_ip+dest_port", 22},
		{"bytes", "bytes", -11}, {"application", "application", 0}, {0}};
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *list = NULL;
	unsigned limit = a->value[0] ? (unsigned)a->number[0] : FLOWS_SHOWN;
	bool live;

	if (flows_read(a->value[1] ? EVENTS_MAX : limit, &live, &list) < 0)
		return CLI_FAILED;
	say_what(c, live);
	if (!c->json)
		table_head(stdout, columns);
	size_t n = sd_json_variant_elements(list);
	for (size_t i = 0, shown = 0; i < n && shown < limit && !interrupted(); i++) {
		sd_json_variant *flow = sd_json_variant_by_index(list, i);
		if (!is_about(flow, a->value[1]))
			continue;
		shown++;
		if (c->json)
			json_dump(flow);
		else
			table_row(stdout, columns, flow);
	}
	return 0;
}

static int tally_print(struct cli *c, struct tally *t, const char *head, unsigned limit)
{
	const struct column columns[] = {
		{head, "name", 40}, {"flows", "flows", -8}, {"bytes", "bytes", -16}, {0}};
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *list = NULL;

	if (tally_json(t, limit, &list) < 0)
		return CLI_FAILED;
	if (c->json)
		json_dump(list);
	else
		table_print(stdout, columns, list);
	return 0;
}

static int show_tally(
	struct cli *c, const char *head, unsigned limit, const char *(*name)(sd_json_variant *flow))
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *list = NULL;
	_cleanup_free_ struct tally *t = calloc(1, sizeof(*t));
	bool live;

	if (!t || flows_read(EVENTS_MAX, &live, &list) < 0)
		return CLI_FAILED;
	say_what(c, live);
	for (size_t i = 0; i < sd_json_variant_elements(list); i++) {
		sd_json_variant *flow = sd_json_variant_by_index(list, i);
		const char *key = name(flow);
		tally_add(t, key ? key : "-", 1, json_u64(flow, "bytes"));
	}
	return tally_print(c, t, head, limit);
}

static int run_show_applications(struct cli *c, const struct args *a)
{
	return show_tally(c, "application", a->value[0] ? (unsigned)a->number[0] : TALLY_MAX,
		flow_application);
}

static const char *flow_source(sd_json_variant *flow)
{
	return json_str(flow, "src_ip");
}

static const char *flow_destination(sd_json_variant *flow)
{
	return json_str(flow, "dest_ip");
}

static int run_show_top(struct cli *c, const struct args *a)
{
	unsigned limit = a->value[1] ? (unsigned)a->number[1] : TOP_SHOWN;

	if (a->value[0] && strcmp(a->value[0], "destinations") == 0)
		return show_tally(c, "destination", limit, flow_destination);
	if (a->value[0] && strcmp(a->value[0], "applications") == 0)
		return show_tally(c, "application", limit, flow_application);
	return show_tally(c, "source", limit, flow_source);
}

/* What inspectd knows of the flow or the rule now; true when it knows something. */
static bool why_live(struct cli *c, uint64_t id)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *parameters = NULL, *reply = NULL;
	_cleanup_free_ char *error = NULL;

	if (sd_json_buildo(&parameters, SD_JSON_BUILD_PAIR_UNSIGNED("id", id)) < 0 ||
		daemon_ask("inspectd", "io.sekisho.Inspect.Why", parameters, CLI_WAIT_MS, &reply,
			&error) < 0)
		return false;
	if (!sd_json_variant_by_key(reply, "flow") && !sd_json_variant_by_key(reply, "rule"))
		return false;
	if (c->json)
		json_dump(reply);
	else
		json_print_tree(stdout, reply, 0);
	return true;
}

/* The live flow and the loaded rule, then what the event log has on them. */
static int run_show_inspect_why(struct cli *c, const struct args *a)
{
	_cleanup_(events_freep) struct events *e = events_new("inspectd", NULL);
	char needle[2][64];
	unsigned found = why_live(c, a->number[0]);

	snprintf(needle[0], sizeof(needle[0]), "\"flow_id\":%lu,", a->number[0]);
	snprintf(needle[1], sizeof(needle[1]), "\"signature_id\":%lu,", a->number[0]);
	for (unsigned i = 0; e && i < e->n && !interrupted(); i++) {
		if (!strstr(e->item[i].line, needle[0]) && !strstr(e->item[i].line, needle[1]))
			continue;
		found++;
		if (c->json)
			puts(e->item[i].line);
		else
			json_print_tree(stdout, e->item[i].json, 0);
	}
	if (found)
		return 0;
	fprintf(stderr,
		"error: inspectd knows no flow or rule %lu, and no event of it is in the log\n",
		a->number[0]);
	return CLI_FAILED;
}

static int run_clear_flows(struct cli *c, const struct args *a)
{
	(void)c;
	(void)a;
	return box_act("ClearFlows", NULL);
}

static const struct arg args_of_flows[] = {{.keyword = "last",
						   .name = "<number>",
						   .help = "How many at most.",
						   .kind = ARG_NUMBER,
						   .min = 1,
						   .max = EVENTS_MAX},
	{.keyword = "about",
		.name = "<address|application>",
		.help = "Only of this one.",
		.kind = ARG_WORD},
	{0}};
static const struct arg args_of_applications[] = {{.keyword = "last",
							  .name = "<number>",
							  .help = "How many at most.",
							  .kind = ARG_NUMBER,
							  .min = 1,
							  .max = TALLY_MAX},
	{0}};
static const char *const top_kinds[] = {"applications", "destinations", "sources", NULL};
static const struct arg args_of_top[] = {
	{.name = "<what>", .help = "Added up by.", .kind = ARG_CHOICE, .choices = top_kinds},
	{.keyword = "last",
		.name = "<number>",
		.help = "How many at most.",
		.kind = ARG_NUMBER,
		.min = 1,
		.max = TALLY_MAX},
	{0}};
static const struct arg args_of_why[] = {{.name = "<flow-id|sid>",
						 .help = "A flow_id or signature_id of an event.",
						 .kind = ARG_NUMBER,
						 .max = ~0UL,
						 .needed = true},
	{0}};

const struct command command_clear_flows = {"clear flows",
	"Forget all connections: what was condemned or let through is judged again.",
	run_clear_flows, NULL, MODE_OPERATION, ROLE_OPERATOR, COMMAND_CHANGES};
const struct command command_show_applications = {"show applications", "Applications by traffic.",
	run_show_applications, args_of_applications, MODE_OPERATION, ROLE_AUDITOR, 0};
const struct command command_show_flows = {"show flows", "Connections through the appliance.",
	run_show_flows, args_of_flows, MODE_OPERATION, ROLE_AUDITOR, 0};
const struct command command_show_inspect_why = {"show inspect why",
	"Why a flow is treated as it is, or what a rule does.", run_show_inspect_why, args_of_why,
	MODE_OPERATION, ROLE_AUDITOR, 0};
const struct command command_show_top = {"show top", "Who moves the most.", run_show_top,
	args_of_top, MODE_OPERATION, ROLE_AUDITOR, 0};
