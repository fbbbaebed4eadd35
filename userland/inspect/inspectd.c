/*
 * inspectd: packets -> verdicts. What it does is told by its options; without any it is the daemon.
 */
#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "inspect/pcap.h"
#include "inspect/service.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "lib/mark.h"
#include "lib/path.h"

#define RULE_PATTERNS_MAX 64
#define SETTINGS_MAX 64 /* --set */

#define HEAP_STEP_BYTES (256 << 10)
#define HEAP_SPARE_BYTES (4 << 20) /* of each worker */

struct options {
	const char *capture;
	const char *rules[RULE_PATTERNS_MAX];
	size_t rules_n;
	const char *log_dir;
	const char *config;
	const char *queues;
	const char *cache_dir;
	const char *settings[SETTINGS_MAX];
	size_t settings_n;
	bool test;
	bool simulate_ips;
	bool no_bypass;
};

static const char help[] =
	"inspectd                          the daemon\n"
	"inspectd -q N[:M] [-S RULES]...   serve queues N to M by hand\n"
	"inspectd -r PCAP [-S RULES]...    read a capture\n"
	"inspectd -T -S RULES...           check rules\n"
	"  -S FILE          rule file or pattern; may be repeated\n"
	"  -l DIR           where eve.json goes (default: the current folder)\n"
	"  -c FILE          settings, JSON with the keys of the schema's container inspection\n"
	"  -k none          checksums are not verified (they never are)\n"
	"  --simulate-ips   with -r: drop as if in line\n"
	"  --cache DIR      compiled rule databases are kept there\n"
	"  --no-bypass      with -q: every packet is inspected\n"
	"  --set NAME=VALUE one setting, by Suricata's name; may be repeated\n";

static int usage(void)
{
	fputs(help, stderr);
	return 2;
}

static void print_refused(void *ctx, const char *file, unsigned line, unsigned column, uint32_t sid,
	const char *reason)
{
	fprintf(ctx, "%s:%u:%u: sid %u: %s\n", file, line, column, sid, reason);
}

static int settings_apply(const struct options *o, struct settings *set)
{
	if (o->no_bypass)
		set->bypass = false;
	for (size_t i = 0; i < o->settings_n; i++) {
		int r = settings_set(set, o->settings[i]);
		if (r < 0) {
			log_error("--set %s: %s", o->settings[i],
				r == -ENOENT ? "there is no such setting here" : strerror(-r));
			return r;
		}
	}
	return 0;
}

static int run_test(const struct options *o)
{
	struct settings set;
	struct generation *gen;

	settings_init(&set);
	int r = settings_apply(o, &set);
	if (r < 0) {
		settings_fini(&set);
		return 2;
	}
	r = generation_new(
		&set, o->rules, o->rules_n, o->cache_dir, true, print_refused, stdout, &gen);
	if (r < 0) {
		log_error("rules not loaded: %s", strerror(-r));
		puts("rules: 0 loaded, 0 refused");
		return 1;
	}
	printf("rules: %u loaded, %u refused\n", gen->stats.loaded, gen->stats.refused);
	r = gen->stats.loaded ? 0 : 1;
	generation_put(gen);
	return r;
}

static int offline_load(const struct options *o, struct publication *publication)
{
	_cleanup_free_ char *why = NULL;
	struct settings set;
	struct generation *gen;
	struct app *names = NULL;
	int r = 0;

	settings_init(&set);
	set.bypass = false; /* nobody would take the flow over */
	if (o->config) {
		r = app_new(&names);
		if (r >= 0)
			r = settings_load(o->config, names, &set, &why);
		app_free(names);
	}
	if (r >= 0)
		r = settings_apply(o, &set);
	if (r < 0) {
		log_error("%s: %s", o->config ? o->config : "settings", why ? why : strerror(-r));
		settings_fini(&set);
		return r;
	}
	r = generation_new(&set, o->rules, o->rules_n, o->cache_dir, o->simulate_ips, print_refused,
		stderr, &gen);
	if (r < 0) {
		log_error("rules not loaded: %s", strerror(-r));
		return r;
	}
	generation_publish(publication, gen);
	return 0;
}

static void offline_stats(const struct engine *e, struct out *out, struct publication *publication)
{
	struct generation *gen = publication_newer(publication, NULL);
	struct stats st = {.rules_loaded = gen->stats.loaded, .rules_refused = gen->stats.refused};

	counters_sum(&st.counters, engine_counters(e));
	out_stats(out, &st, NULL);
	generation_put(gen);
}

static int run_offline(const struct options *o)
{
	_cleanup_free_ char *why = NULL;
	struct publication *publication = NULL;
	struct out *out = NULL;
	struct engine *engine = NULL;
	int r = out_open(o->log_dir, &out);

	if (r < 0)
		log_error("%s: %s", o->log_dir, strerror(-r));
	else
		out_set_evidence(out, o->capture);
	if (r >= 0)
		r = publication_new(&publication);
	if (r >= 0)
		r = offline_load(o, publication);
	if (r >= 0)
		r = engine_new(publication, out, &engine);
	if (r >= 0) {
		r = pcap_run(o->capture, engine, &why);
		if (r < 0)
			log_error("%s", why ? why : strerror(-r));
		engine_end(engine);
		offline_stats(engine, out, publication);
	}
	engine_free(engine);
	publication_free(publication);
	out_free(out);
	return r < 0 ? 1 : 0;
}

/* "2" or "2:5" */
static bool queues_parse(const char *text, struct service_options *s)
{
	struct span all = span_str(text);
	ptrdiff_t colon = span_chr(all, ':');
	uint64_t first, last;

	if (!span_u64(colon < 0 ? all : span_take(all, (size_t)colon), UINT16_MAX, &first))
		return false;
	last = first;
	if (colon >= 0 && !span_u64(span_skip(all, (size_t)colon + 1), UINT16_MAX, &last))
		return false;
	if (last < first || last - first >= QUEUES_MAX)
		return false;
	s->first_queue = (uint16_t)first;
	s->queues = (unsigned)(last - first + 1);
	return true;
}

static int run_service(const struct options *o)
{
	struct service_options s = {.first_queue = QUEUE_FIRST,
		.by_hand = o->queues != NULL,
		.rules = o->rules,
		.rules_n = o->rules_n,
		.config = o->config,
		.cache_dir = o->cache_dir,
		.no_bypass = o->no_bypass,
		.settings = o->settings,
		.settings_n = o->settings_n,
		.log_dir = o->queues ? o->log_dir : path_data("log/inspectd")};

	if (o->queues && !queues_parse(o->queues, &s)) {
		log_error("-q %s: give N or N:M, at most %d queues", o->queues, QUEUES_MAX);
		return 2;
	}
	return service_run(&s) < 0 ? 1 : 0;
}

static bool take_option(int c, const char *value, struct options *o)
{
	switch (c) {
	case 'r':
		o->capture = value;
		return true;
	case 'S':
		if (o->rules_n == RULE_PATTERNS_MAX)
			return false;
		o->rules[o->rules_n++] = value;
		return true;
	case 'l':
		o->log_dir = value;
		return true;
	case 'c':
		o->config = value;
		return true;
	case 'k':
		return strcmp(value, "none") == 0;
	case 'q':
		o->queues = value;
		return true;
	case 'T':
		return o->test = true;
	case 'i':
		return o->simulate_ips = true;
	case 'C':
		o->cache_dir = value;
		return true;
	case 'B':
		return o->no_bypass = true;
	case 's':
		if (o->settings_n == SETTINGS_MAX)
			return false;
		o->settings[o->settings_n++] = value;
		return true;
	default:
		return false;
	}
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {{"cache", required_argument, NULL, 'C'},
		{"no-bypass", no_argument, NULL, 'B'}, {"set", required_argument, NULL, 's'},
		{"simulate-ips", no_argument, NULL, 'i'}, {}};
	struct options o = {.log_dir = "."};
	int c;

	/* Else a worker's heap grows and shrinks by a system call for every few flows. */
	mallopt(M_TOP_PAD, HEAP_STEP_BYTES);
	mallopt(M_TRIM_THRESHOLD, HEAP_SPARE_BYTES);

	while ((c = getopt_long(argc, argv, "r:S:l:k:c:q:T", longs, NULL)) != -1)
		if (!take_option(c, optarg, &o))
			return usage();
	if (optind < argc || (o.test && o.rules_n == 0) || (o.capture && o.queues))
		return usage();
	if (o.test)
		return run_test(&o);
	if (o.capture)
		return run_offline(&o);
	return run_service(&o);
}
