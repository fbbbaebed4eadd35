/* The methods of inspectd's control socket, asked over a real one; the threads that serve packets
 * are twins. */
#include "inspect/inquiry.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "inspect/flow.h"
#include "lib/control.h"
#include "unit.h"

static struct flow_view live[2];

unsigned worker_flows(struct worker *w, uint64_t id, struct flow_view *views, unsigned max)
{
	unsigned n = 0;

	(void)w;
	for (unsigned i = 0; i < ARRAY_LEN(live) && n < max; i++)
		if (id == 0 || live[i].id == id)
			views[n++] = live[i];
	return n;
}

const struct counters *worker_counters(const struct worker *w)
{
	static struct counters counters;

	(void)w;
	counters.value[COUNTER_FLOW_TOTAL] = 2;
	return &counters;
}

struct world {
	char dir[64];
	sd_event *event;
	sd_varlink_server *server;
	struct worker *workers[1];
	unsigned workers_n;
	struct app *names;
	struct generation *gen;
	struct inquiry inquiry;
};

static int on_status(void *ctx, sd_json_variant **ret)
{
	(void)ctx;
	return sd_json_variant_new_object(ret, NULL, 0);
}

static const struct control_ops ops = {.daemon = "inspectd", .status = on_status};

static void world_open(struct world *w)
{
	char path[128];
	const char *patterns[] = {path};
	struct settings set;

	*w = (struct world){.dir = "/tmp/test_inquiry.XXXXXX", .workers_n = 1};
	assert_non_null(mkdtemp(w->dir));
	setenv("SEKISHO_RUN", w->dir, 1);
	snprintf(path, sizeof(path), "%s/t.rules", w->dir);
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	fputs("drop tcp any any -> any any (msg:\"evil\"; content:\"evil\"; sid:77;)\n", f);
	fclose(f);
	settings_init(&set);
	assert_int_equal(generation_new(&set, patterns, 1, NULL, true, NULL, NULL, &w->gen), 0);
	unlink(path);
	assert_int_equal(app_new(&w->names), 0);
	assert_int_equal(sd_event_new(&w->event), 0);
	assert_true(control_new(w->event, &ops, w, &w->server) >= 0);
	w->inquiry = (struct inquiry){w->workers, &w->workers_n, &w->names, &w->gen};
	assert_int_equal(inquiry_bind(w->server, &w->inquiry), 0);
	live[0] = (struct flow_view){.id = 1001,
		.key = {.addr = {{4, {10, 0, 0, 1}}, {4, {10, 0, 0, 2}}},
			.port = {40000, 80},
			.ip_proto = IPPROTO_TCP},
		.class = FLOW_ESTABLISHED,
		.fate = FATE_DROP,
		.decision = {DECIDED_RULE, 77, 4, {1000, 0}},
		.app_proto = PROTO_HTTP,
		.app = {.id = app_by_name(w->names, "HTTP")},
		.bytes = {100, 20}};
	while (!app_is_dpi(&live[0].app) && live[0].app.confidence < 32)
		live[0].app.confidence++;
	live[1] = (struct flow_view){.id = 1002,
		.key = {.addr = {{6, {0xfd}}, {6, {0xfe}}}, .ip_proto = IPPROTO_ICMPV6},
		.bytes = {7, 0}};
}

static void world_close(struct world *w)
{
	char path[128];

	sd_varlink_server_unref(w->server);
	sd_event_unref(w->event);
	generation_put(w->gen);
	app_free(w->names);
	snprintf(path, sizeof(path), "%s/inspectd.varlink", w->dir);
	unlink(path);
	rmdir(w->dir);
}

static int on_reply(sd_varlink *link, sd_json_variant *parameters, const char *error_id,
	sd_varlink_reply_flags_t flags, void *userdata)
{
	char **text = userdata;

	(void)flags;
	if (error_id)
		*text = strdup(error_id);
	else
		sd_json_variant_format(parameters, 0, text);
	(void)link;
	return 0;
}

/* The reply as text; heap. */
static char *ask(struct world *w, const char *method, const char *parameters)
{
	sd_json_variant *p = NULL;
	sd_varlink *link = NULL;
	char path[128], *text = NULL;

	snprintf(path, sizeof(path), "%s/inspectd.varlink", w->dir);
	assert_int_equal(sd_json_parse(parameters, 0, &p, NULL, NULL), 0);
	assert_true(sd_varlink_connect_address(&link, path) >= 0);
	assert_true(sd_varlink_attach_event(link, w->event, 0) >= 0);
	sd_varlink_set_userdata(link, &text);
	sd_varlink_bind_reply(link, on_reply);
	assert_true(sd_varlink_invoke(link, method, p) >= 0);
	while (!text)
		assert_true(sd_event_run(w->event, 5000000) > 0);
	sd_varlink_unref(link);
	sd_json_variant_unref(p);
	assert_non_null(text);
	return text;
}

static void test_methods(void **state)
{
	static const struct {
		const char *name, *method, *parameters, *has[6], *lacks;
	} rows[] = {
		{"all flows", "Flows", "{}",
			{"\"flow_id\":1001", "\"src_ip\":\"10.0.0.1\",\"src_port\":40000",
				"\"application\":\"HTTP\"", "\"confidence\":\"DPI\"",
				"\"proto\":\"IPv6-ICMP\",\"src_ip\":\"fd00::\"", "\"active\":2"},
			NULL},
		{"one flow", "Flows", "{\"limit\":1}", {"\"flow_id\":1001"}, "\"flow_id\":1002"},
		{"why: by a rule", "Why", "{\"id\":1001}",
			{"\"why\":\"rule 77 drops it: evil\"", "\"decided_packet\":4",
				"\"action\":\"drop\"", "\"rule\":{\"signature_id\":77",
				"\"line\":1"},
			NULL},
		{"why: nothing", "Why", "{\"id\":1002}",
			{"\"why\":\"no rule has matched, no policy is against it\"",
				"\"decided_by\":\"nobody\""},
			"\"rule\":"},
		{"a rule", "Why", "{\"id\":77}", {"\"written\":\"drop\"", "\"signature\":\"evil\""},
			"\"flow\":"},
		{"unknown", "Why", "{\"id\":5}", {"{}"}, "flow"},
		{"no id", "Why", "{}", {"InvalidParameter"}, "flow"},
		{"applications", "Applications", "{}",
			{"{\"name\":\"HTTP\",\"flows\":1,\"dropped\":1,\"bytes\":120}",
				"{\"name\":\"unknown\",\"flows\":1,\"dropped\":0,\"bytes\":7}"},
			NULL},
	};
	struct world w;

	(void)state;
	world_open(&w);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char method[64];
		snprintf(method, sizeof(method), "io.sekisho.Inspect.%s", rows[i].method);
		char *text = ask(&w, method, rows[i].parameters);
		for (unsigned j = 0; j < 6 && rows[i].has[j]; j++)
			if (!strstr(text, rows[i].has[j]))
				fail_msg("%s: no %s in %s", rows[i].name, rows[i].has[j], text);
		if (rows[i].lacks && strstr(text, rows[i].lacks))
			fail_msg("%s: %s in %s", rows[i].name, rows[i].lacks, text);
		free(text);
	}
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_methods)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
