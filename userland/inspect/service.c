#include "inspect/service.h"

#include <errno.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <time.h>
#include <unistd.h>

#include "inspect/detect_more.h"
#include "inspect/heartbeat.h"
#include "inspect/inquiry.h"
#include "inspect/policylog.h"
#include "inspect/queue.h"
#include "inspect/rule_policy.h"
#include "inspect/worker.h"
#include "lib/cleanup.h"
#include "lib/config.h"
#include "lib/control.h"
#include "lib/log.h"
#include "lib/mark.h"
#include "lib/path.h"

#define FLUSH_US 200000
#define STATS_S 10
#define RETIRE_QUIET_S 30 /* a commit has loaded its ruleset by then */
#define REFUSED_KEPT 100  /* told by Status; all are counted */
#define REFUSED_LOGGED 10 /* refused rules named in the journal at a load; all are counted */

struct service {
	const struct service_options *options;
	sd_event *event;
	sd_varlink_server *control;
	struct publication *publication;
	struct generation *gen; /* the published one: a reference of our own */
	struct generation *old; /* until no engine uses it any more; NULL: none */
	struct out *out;
	struct app *names;
	struct heartbeat *heartbeat;
	struct policylog *policylog; /* NULL: by hand, or the kernel has none */
	struct worker *worker[QUEUES_MAX];
	unsigned workers;
	struct inquiry inquiry;
	struct counters retired; /* of workers that are gone */
	uint64_t retire_received;
	time_t retire_since; /* when the last worker received nothing more; 0: not looked at */
	time_t start, last_stats;
	unsigned refused_logged;
	sd_json_variant *refused; /* array: what the last load refused */
};

int settings_load(const char *file, struct app *names, struct settings *s, char **ret_why)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *config = NULL;
	unsigned line = 0, column = 0;
	int r;

	if (file)
		r = sd_json_parse_file(NULL, file, 0, &config, &line, &column);
	else
		r = config_load("inspection", &config);
	if (r == -ENOENT && !file)
		return 0; /* not rendered yet: the defaults */
	if (r < 0) {
		if (asprintf(ret_why, "%s:%u:%u: not readable as JSON", file ? file : "inspection",
			    line, column) < 0)
			*ret_why = NULL;
		return r;
	}
	return settings_read(s, config, names, ret_why);
}

static void on_refused(void *ctx, const char *file, unsigned line, unsigned column, uint32_t sid,
	const char *reason)
{
	struct service *s = ctx;

	if (s->refused_logged < REFUSED_KEPT)
		(void)sd_json_variant_append_arraybo(&s->refused,
			SD_JSON_BUILD_PAIR_STRING("file", file),
			SD_JSON_BUILD_PAIR_UNSIGNED("line", line),
			SD_JSON_BUILD_PAIR_UNSIGNED("column", column),
			SD_JSON_BUILD_PAIR_UNSIGNED("sid", sid),
			SD_JSON_BUILD_PAIR_STRING("reason", reason));
	if (s->refused_logged++ < REFUSED_LOGGED)
		log_warning("%s:%u:%u: sid %u: %s", file, line, column, sid, reason);
}

/* Rules whose flows are let go before they end (detect_more.h). */
static unsigned rules_to_depth(const struct generation *gen)
{
	const struct settings *set = &gen->settings;

	return set->bypass && !set->bypass_hold_all ? detect_limited(gen->rules) : 0;
}

/* Those of an update, else those of the image. */
static const char *rules_pattern(void)
{
	if (access(path_data("sig/rules/current"), F_OK) == 0)
		return path_data("sig/rules/current/*.rules");
	return path_share("rules/*.rules");
}

static int load(struct service *s, char **ret_why)
{
	const char *pattern = NULL;
	const struct service_options *o = s->options;
	struct settings set;
	struct generation *gen;

	settings_init(&set);
	set.tcp.midstream = true; /* a start must not cut the connections that are there */
	int r = !o->by_hand || o->config ? settings_load(o->config, s->names, &set, ret_why) : 0;
	for (size_t i = 0; r >= 0 && i < o->settings_n; i++)
		r = settings_set(&set, o->settings[i]);
	if (r < 0) {
		settings_fini(&set);
		return r;
	}
	if (o->no_bypass)
		set.bypass = false;
	set.refuse_datagrams = !o->by_hand; /* else who knows what is behind the queue */
	s->refused_logged = 0;
	s->refused = sd_json_variant_unref(s->refused);
	if (!o->by_hand)
		pattern = rules_pattern();
	r = generation_new(&set, pattern ? &pattern : o->rules, pattern ? 1 : o->rules_n,
		o->by_hand ? o->cache_dir : path_data("cache/inspect"), true, on_refused, s, &gen);
	if (r < 0) {
		if (asprintf(ret_why, "rules not loaded: %s", strerror(-r)) < 0)
			*ret_why = NULL;
		return r;
	}
	log_info("rules: %u loaded, %u refused, %u off", gen->stats.loaded, gen->stats.refused,
		gen->stats.off);
	if (rules_to_depth(gen))
		log_info("rules: %u for single packets of any port see the first %u KiB of each "
			 "direction",
			rules_to_depth(gen), STREAM_DEPTH_BYTES >> 10);
	generation_put(s->old);
	s->old = s->gen;
	s->gen = generation_get(gen);
	generation_publish(s->publication, gen);
	return 0;
}

static unsigned queues_wanted(const struct service *s)
{
	return s->options->by_hand ? s->options->queues : s->gen->settings.queues;
}

/* After a reload with fewer queues: the ruleset may still name the last one, so it is served until
 * nothing has come for a while. */
static void workers_retire(struct service *s)
{
	while (s->workers > queues_wanted(s)) {
		struct worker *w = s->worker[s->workers - 1];
		uint64_t received = worker_counters(w)->value[COUNTER_QUEUE_RECEIVED];

		if (received != s->retire_received || !s->retire_since) {
			s->retire_received = received;
			s->retire_since = time(NULL);
		}
		if (time(NULL) - s->retire_since < RETIRE_QUIET_S)
			return;
		heartbeat_forget(s->heartbeat);
		s->workers--;
		s->worker[s->workers] = NULL;
		worker_stop(w, &s->retired);
		s->retire_since = 0;
		log_info("queue %u: not served any more", s->options->first_queue + s->workers);
	}
}

static int workers_start(struct service *s)
{
	unsigned want = queues_wanted(s);
	unsigned had = s->workers;

	while (s->workers < want) {
		uint16_t number = (uint16_t)(s->options->first_queue + s->workers);
		int r = worker_start(number, s->publication, s->out, &s->worker[s->workers]);
		if (r < 0) {
			log_error("queue %u: %s", number, strerror(-r));
			return r;
		}
		s->workers++;
	}
	for (unsigned i = had; s->heartbeat && i < s->workers; i++)
		heartbeat_watch(s->heartbeat, s->worker[i]); /* packets come from here on */
	return 0;
}

static void stats_collect(struct service *s, struct stats *st)
{
	*st = (struct stats){
		.uptime_s = (uint64_t)(time(NULL) - s->start),
		.rules_loaded = s->gen->stats.loaded,
		.rules_refused = s->gen->stats.refused,
	};
	counters_sum(&st->counters, &s->retired);
	for (unsigned i = 0; i < s->workers; i++)
		counters_sum(&st->counters, worker_counters(s->worker[i]));
	queue_kernel_drops(s->options->first_queue, s->workers, &st->kernel_queue_dropped,
		&st->kernel_user_dropped);
}

static int status_counters(const struct counters *c, sd_json_variant **ret)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *all = NULL;

	for (unsigned i = 0; i < COUNTER_COUNT; i++) {
		_cleanup_(sd_json_variant_unrefp) sd_json_variant *group = sd_json_variant_ref(
			all ? sd_json_variant_by_key(all, counter_names[i].group) : NULL);
		int r = sd_json_variant_set_field_unsigned(
			&group, counter_names[i].name, c->value[i]);
		if (r >= 0)
			r = sd_json_variant_set_field(&all, counter_names[i].group, group);
		if (r < 0)
			return r;
	}
	*ret = take_ptr(all);
	return 0;
}

static const char *profile_name(const struct service *s)
{
	return s->gen->settings.policy ? policy_profile_name(s->gen->settings.policy->profile) : "";
}

static int on_status(void *ctx, sd_json_variant **ret)
{
	struct service *s = ctx;
	struct stats st;
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *counters = NULL;

	stats_collect(s, &st);
	int r = status_counters(&st.counters, &counters);
	if (r < 0)
		return r;
	return sd_json_buildo(ret, SD_JSON_BUILD_PAIR_VARIANT("counters", counters),
		SD_JSON_BUILD_PAIR_UNSIGNED("queues", s->workers),
		SD_JSON_BUILD_PAIR_BOOLEAN(
			"alive", !s->heartbeat || heartbeat_is_alive(s->heartbeat)),
		SD_JSON_BUILD_PAIR_BOOLEAN(
			"queueing", s->heartbeat && heartbeat_is_armed(s->heartbeat)),
		SD_JSON_BUILD_PAIR_UNSIGNED("flows_active", counters_flows(&st.counters)),
		SD_JSON_BUILD_PAIR_UNSIGNED("rules_loaded", st.rules_loaded),
		SD_JSON_BUILD_PAIR_UNSIGNED("rules_refused", st.rules_refused),
		SD_JSON_BUILD_PAIR_UNSIGNED("rules_off", s->gen->stats.off),
		SD_JSON_BUILD_PAIR_CONDITION(
			s->refused != NULL, "refused", SD_JSON_BUILD_VARIANT(s->refused)),
		SD_JSON_BUILD_PAIR_CONDITION(s->gen->settings.policy != NULL, "profile",
			SD_JSON_BUILD_STRING(profile_name(s))),
		SD_JSON_BUILD_PAIR_BOOLEAN("dry_run", s->gen->settings.dry_run),
		SD_JSON_BUILD_PAIR_UNSIGNED("generation", s->gen->serial),
		SD_JSON_BUILD_PAIR_BOOLEAN("bypass", s->gen->settings.bypass),
		SD_JSON_BUILD_PAIR_STRING(
			"bypass_hold", s->gen->settings.bypass_hold_all ? "all" : "named"),
		SD_JSON_BUILD_PAIR_UNSIGNED("rules_to_depth", rules_to_depth(s->gen)),
		SD_JSON_BUILD_PAIR_UNSIGNED("queues", s->workers),
		SD_JSON_BUILD_PAIR_UNSIGNED("kernel_queue_dropped", st.kernel_queue_dropped),
		SD_JSON_BUILD_PAIR_UNSIGNED("kernel_user_dropped", st.kernel_user_dropped),
		SD_JSON_BUILD_PAIR_UNSIGNED("policy_events_lost", policylog_lost(s->policylog)),
		SD_JSON_BUILD_PAIR_UNSIGNED("events_lost", out_lost(s->out)));
}

static int on_check(void *ctx, sd_json_variant *config, char **ret_why)
{
	struct service *s = ctx;
	struct settings set;

	settings_init(&set);
	int r = settings_read(&set, config, s->names, ret_why);
	settings_fini(&set);
	return r;
}

static int on_reload(void *ctx, char **ret_why)
{
	struct service *s = ctx;
	int r = load(s, ret_why);

	if (r < 0) {
		log_error("reload refused, the running rules and settings stay: %s",
			*ret_why ? *ret_why : strerror(-r));
		return r;
	}
	return workers_start(s);
}

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *ctx)
{
	_cleanup_free_ char *why = NULL;

	(void)source;
	(void)info;
	(void)on_reload(ctx, &why); /* what is wrong has been logged */
	return 0;
}

/* The engines have changed over when ours is the last reference. */
static void old_release(struct service *s)
{
	if (!s->old || !generation_is_last(s->old))
		return;
	generation_put(s->old);
	s->old = NULL;
	log_info("reloaded: %u rules", s->gen->stats.loaded);
}

static const struct control_ops control_ops = {
	.daemon = "inspectd", .status = on_status, .check = on_check, .reload = on_reload};

static int on_timer(sd_event_source *source, uint64_t at, void *ctx)
{
	struct service *s = ctx;
	time_t now = time(NULL);

	(void)at;
	if (now - s->last_stats >= STATS_S) {
		struct stats st;
		s->last_stats = now;
		stats_collect(s, &st);
		out_stats(s->out, &st, NULL);
	}
	old_release(s);
	workers_retire(s);
	out_flush(s->out);
	sd_event_source_set_time_relative(source, FLUSH_US);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int event_prepare(struct service *s)
{
	int r = sd_event_new(&s->event);

	if (r >= 0)
		r = sd_event_add_signal(
			s->event, NULL, SIGTERM | SD_EVENT_SIGNAL_PROCMASK, NULL, NULL);
	if (r >= 0)
		r = sd_event_add_signal(
			s->event, NULL, SIGINT | SD_EVENT_SIGNAL_PROCMASK, NULL, NULL);
	if (r >= 0)
		r = sd_event_add_signal(
			s->event, NULL, SIGHUP | SD_EVENT_SIGNAL_PROCMASK, on_hangup, s);
	if (r >= 0)
		r = sd_event_add_time_relative(
			s->event, NULL, CLOCK_MONOTONIC, FLUSH_US, 0, on_timer, s);
	return r;
}

/* Traffic matters more than its log: without it the daemon goes on. */
static void policylog_start(struct service *s)
{
	int r = policylog_open(s->event, s->out, &s->policylog);

	if (r < 0)
		log_warning("policies that log are not heard: %s", strerror(-r));
}

static int service_start(struct service *s)
{
	_cleanup_free_ char *why = NULL;
	int r = event_prepare(s);

	if (r >= 0)
		r = out_open(s->options->log_dir, &s->out);
	if (r >= 0)
		r = publication_new(&s->publication);
	if (r >= 0)
		r = app_new(&s->names);
	if (r >= 0)
		r = load(s, &why);
	if (r >= 0 && !s->options->by_hand)
		r = control_new(s->event, &control_ops, s, &s->control);
	s->inquiry = (struct inquiry){s->worker, &s->workers, &s->names, &s->gen};
	if (r >= 0 && s->control)
		r = inquiry_bind(s->control, &s->inquiry);
	if (r >= 0 && !s->options->by_hand)
		r = heartbeat_new(&s->heartbeat);
	if (r >= 0)
		r = workers_start(s);
	if (r >= 0 && !s->options->by_hand)
		policylog_start(s);
	if (r < 0)
		log_error("not started: %s", why ? why : strerror(-r));
	return r;
}

static void service_stop(struct service *s)
{
	const struct timespec quiet = {.tv_nsec = (ALIVE_INSPECT_MS + HEARTBEAT_MS) * 1000000L};

	sd_notify(0, "STOPPING=1");
	if (s->heartbeat) {
		heartbeat_free(s->heartbeat);
		nanosleep(&quiet, NULL); /* the set expires; until then packets still come */
	}
	if (s->workers) {
		struct stats st;
		stats_collect(s, &st);
		out_stats(s->out, &st, NULL);
	}
	for (unsigned i = 0; i < s->workers; i++)
		worker_stop(s->worker[i], NULL);
	policylog_free(s->policylog);
	sd_varlink_server_unref(s->control);
	sd_json_variant_unref(s->refused);
	generation_put(s->old);
	generation_put(s->gen);
	publication_free(s->publication);
	app_free(s->names);
	out_free(s->out);
	sd_event_unref(s->event);
}

int service_run(const struct service_options *o)
{
	struct service s = {.options = o, .start = time(NULL), .last_stats = time(NULL)};
	int r = service_start(&s);

	if (r >= 0) {
		sd_notify(0, "READY=1");
		r = sd_event_loop(s.event);
	}
	service_stop(&s);
	return r;
}
