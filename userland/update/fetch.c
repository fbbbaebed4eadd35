#include "update/fetch.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "lib/cleanup.h"
#include "lib/config.h"
#include "lib/control.h"
#include "lib/eve.h"
#include "lib/log.h"
#include "lib/path.h"
#include "update/attempt.h"

/* Who asked for a try and waits for its end. */
struct waiter {
	sd_varlink *link; /* NULL: free */
	char *source;     /* NULL: all */
};

struct fetch {
	sd_event *event;
	struct eve *eve;
	struct source_list sources;
	sd_event_source *timers[SOURCES_MAX]; /* by place in the list */
	struct waiter waiters[FETCH_WAITERS];
};

static uint64_t now_s(void)
{
	return (uint64_t)time(NULL);
}

static void event_write(struct fetch *f, const struct source *s, enum attempt_step step,
	const char *result, const struct attempt_result *r)
{
	struct jsonw w;

	eve_begin(f->eve, &w, "update", NULL);
	jsonw_object(&w, "update");
	jsonw_str(&w, "source", s->name);
	jsonw_str(&w, "type", s->type->name);
	jsonw_str(&w, "step", attempt_step_name(step));
	jsonw_str(&w, "result", result);
	if (step == STEP_DOWNLOAD && r->bytes)
		jsonw_u64(&w, "bytes", r->bytes);
	if (step > STEP_DOWNLOAD && r->version[0]) {
		jsonw_str(&w, "version", r->version);
		jsonw_u64(&w, "count", r->count);
	}
	if (strcmp(result, "failed") == 0)
		jsonw_span(&w, "why", span_str(r->why));
	jsonw_end(&w);
	eve_end(f->eve, &w);
}

/* The steps that were passed, and then the one at which the try ended. */
static void events_write(struct fetch *f, const struct source *s, const struct attempt_result *r)
{
	for (int step = 0; step < (int)r->step; step++)
		event_write(f, s, (enum attempt_step)step, "ok", r);
	event_write(f, s, r->step, !r->ok ? "failed" : r->changed ? "ok" : "unchanged", r);
	eve_flush(f->eve);
}

static void timer_set(struct fetch *f, unsigned i);

static unsigned place_of(const struct fetch *f, const struct source *s)
{
	unsigned i = 0;

	while (i < f->sources.n && f->sources.item[i] != s)
		i++;
	return i;
}

static int report(const struct fetch *f, unsigned i, sd_json_variant **ret)
{
	const struct source *s = f->sources.item[i];
	uint64_t at = 0, now = 0;
	int r = source_report(s, now_s(), ret);

	if (r >= 0 && f->timers[i] && sd_event_source_get_time(f->timers[i], &at) >= 0 &&
		sd_event_now(f->event, CLOCK_BOOTTIME, &now) >= 0)
		r = sd_json_variant_set_field_unsigned(
			ret, "next_s", at > now ? (at - now) / 1000000 : 0);
	return r;
}

static int reports(const struct fetch *f, const char *only, sd_json_variant **ret)
{
	int r = sd_json_build(ret, SD_JSON_BUILD_EMPTY_ARRAY);

	for (unsigned i = 0; i < f->sources.n && r >= 0; i++) {
		_cleanup_(sd_json_variant_unrefp) sd_json_variant *one = NULL;
		if (only && strcmp(only, f->sources.item[i]->name) != 0)
			continue;
		r = report(f, i, &one);
		if (r >= 0)
			r = sd_json_variant_append_array(ret, one);
	}
	return r;
}

static bool is_pending(const struct fetch *f, const char *only)
{
	for (unsigned i = 0; i < f->sources.n; i++)
		if (f->sources.item[i]->busy &&
			(!only || strcmp(only, f->sources.item[i]->name) == 0))
			return true;
	return false;
}

static void waiters_serve(struct fetch *f)
{
	for (unsigned i = 0; i < FETCH_WAITERS; i++) {
		struct waiter *w = &f->waiters[i];
		_cleanup_(sd_json_variant_unrefp) sd_json_variant *results = NULL;
		if (!w->link || is_pending(f, w->source))
			continue;
		if (reports(f, w->source, &results) >= 0)
			sd_varlink_replybo(w->link, SD_JSON_BUILD_PAIR_VARIANT("results", results));
		w->link = sd_varlink_unref(w->link);
		free(take_ptr(w->source));
	}
}

static void source_end(struct fetch *f, struct source *s, const struct attempt_result *r)
{
	s->busy = false;
	s->last_try = now_s();
	s->failures = r->ok ? 0 : s->failures + 1;
	snprintf(s->result, sizeof(s->result), "%s",
		!r->ok       ? "failed"
		: r->changed ? "installed"
			     : "unchanged");
	snprintf(s->why, sizeof(s->why), "%s", r->why);
	if (r->ok)
		s->last_success = s->last_try;
	if (r->ok && r->version[0]) {
		memcpy(s->version, r->version, sizeof(s->version));
		s->count = r->count;
		/* Only what has been installed need not be fetched again. */
		memcpy(s->etag, r->etag, sizeof(s->etag));
		memcpy(s->modified, r->modified, sizeof(s->modified));
	}
	events_write(f, s, r);
	int e = source_list_save(&f->sources, path_data("update/state.json"));
	if (e < 0)
		log_warning("state of the sources: %s", strerror(-e));
	timer_set(f, place_of(f, s));
	waiters_serve(f);
}

static void on_done(void *ctx, struct source *s, const struct attempt_result *r)
{
	struct fetch *f = ctx;
	struct attempt *a = take_ptr(s->attempt);

	if (r->ok)
		log_info("%s: %s %s", s->name, r->changed ? "installed" : "unchanged", r->version);
	else
		log_warning("%s: %s: %s", s->name, attempt_step_name(r->step), r->why);
	source_end(f, s, r);
	attempt_free(a); /* and r with it */
}

static void source_try(struct fetch *f, struct source *s)
{
	struct attempt *a = NULL;

	if (s->busy)
		return;
	s->busy = true;
	int r = attempt_start(f->event, s, on_done, f, &a);
	s->attempt = a;
	if (r < 0) {
		struct attempt_result failed = {.step = STEP_DOWNLOAD};
		snprintf(failed.why, sizeof(failed.why), "%s", strerror(-r));
		source_end(f, s, &failed);
	}
}

static int on_timer(sd_event_source *es, uint64_t at, void *userdata)
{
	struct fetch *f = userdata;

	(void)at;
	for (unsigned i = 0; i < f->sources.n; i++)
		if (f->timers[i] == es)
			source_try(f, f->sources.item[i]);
	return 0;
}

static void timer_set(struct fetch *f, unsigned i)
{
	const struct source *s = f->sources.item[i];
	uint32_t random = 0;

	f->timers[i] = sd_event_source_disable_unref(f->timers[i]);
	if (!s->enabled)
		return;
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
		random = (uint32_t)now_s();
	sd_event_add_time_relative(f->event, &f->timers[i], CLOCK_BOOTTIME,
		source_delay_s(s, now_s(), random) * 1000000, 0, on_timer, f);
}

/* Tries that run are ended: their source may have changed or gone. */
static void sources_drop(struct fetch *f)
{
	for (unsigned i = 0; i < f->sources.n; i++) {
		f->timers[i] = sd_event_source_disable_unref(f->timers[i]);
		attempt_free(f->sources.item[i]->attempt);
	}
	source_list_free(&f->sources);
}

static int on_reload(void *ctx, char **ret_why)
{
	struct fetch *f = ctx;
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *config = NULL;
	struct source_list list;

	int r = config_load("update", &config);
	if (r < 0 && r != -ENOENT)
		return r;
	r = source_list_parse(config, &list, ret_why);
	if (r < 0)
		return r;
	source_list_inherit(&list, &f->sources);
	sources_drop(f);
	f->sources = list;
	for (unsigned i = 0; i < list.n; i++)
		timer_set(f, i);
	waiters_serve(f);
	return 0;
}

static int on_check(void *ctx, sd_json_variant *config, char **ret_why)
{
	struct source_list list;

	(void)ctx;
	int r = source_list_parse(config, &list, ret_why);
	if (r == 0)
		source_list_free(&list);
	return r;
}

static int on_status(void *ctx, sd_json_variant **ret)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *sources = NULL;
	int r = reports(ctx, NULL, &sources);

	return r < 0 ? r : sd_json_buildo(ret, SD_JSON_BUILD_PAIR_VARIANT("sources", sources));
}

static struct waiter *waiter_new(struct fetch *f, sd_varlink *link, const char *source)
{
	for (unsigned i = 0; i < FETCH_WAITERS; i++) {
		struct waiter *w = &f->waiters[i];
		if (w->link)
			continue;
		w->source = source ? strdup(source) : NULL;
		if (source && !w->source)
			return NULL;
		w->link = sd_varlink_ref(link);
		return w;
	}
	return NULL;
}

static int on_now(sd_varlink *link, sd_json_variant *parameters, sd_varlink_method_flags_t flags,
	void *userdata)
{
	static const sd_json_dispatch_field fields[] = {
		{"source", SD_JSON_VARIANT_STRING, sd_json_dispatch_const_string, 0,
			SD_JSON_NULLABLE},
		{0},
	};
	struct fetch *f = userdata;
	const char *source = NULL;

	(void)flags;
	int r = sd_varlink_dispatch(link, parameters, fields, &source);
	if (r != 0)
		return r;
	if (source && !source_find(&f->sources, source))
		return sd_varlink_errorbo(link, "io.sekisho.Update.NoSuchSource",
			SD_JSON_BUILD_PAIR_STRING("source", source));
	if (!waiter_new(f, link, source))
		return sd_varlink_error(link, "io.sekisho.Update.Busy", NULL);
	for (unsigned i = 0; i < f->sources.n; i++) {
		struct source *s = f->sources.item[i];
		if (source ? strcmp(s->name, source) == 0 : s->enabled)
			source_try(f, s);
	}
	waiters_serve(f);
	return 0;
}

static int fetch_init(struct fetch *f)
{
	_cleanup_free_ char *why = NULL;
	sigset_t child;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	mkdir(path_data("update"), 0700);
	mkdir(path_data("log"), 0755);
	mkdir(path_data("log/updated"), 0750);
	int r = eve_open(path_data("log/updated"), &f->eve);
	if (r >= 0)
		r = sd_event_default(&f->event);
	if (r >= 0)
		r = sd_event_set_signal_exit(f->event, true);
	if (r >= 0)
		r = sd_event_set_watchdog(f->event, true);
	if (r < 0)
		return r;
	r = on_reload(f, &why);
	if (r < 0)
		log_error("configuration: %s",
			why ? why : strerror(-r)); /* goes on: Reload may bring a better one */
	source_list_restore(&f->sources, path_data("update/state.json"));
	for (unsigned i = 0; i < f->sources.n; i++)
		timer_set(f, i);
	return 0;
}

static void fetch_fini(struct fetch *f)
{
	sources_drop(f);
	waiters_serve(f);
	eve_free(f->eve);
	sd_event_unref(f->event);
}

int fetch_role(void)
{
	static const struct control_ops ops = {
		.daemon = "updated", .status = on_status, .check = on_check, .reload = on_reload};
	struct fetch f = {0};
	sd_varlink_server *control = NULL;
	int r = fetch_init(&f);

	if (r >= 0)
		r = control_new(f.event, &ops, &f, &control);
	if (r >= 0)
		r = sd_varlink_server_bind_method(control, "io.sekisho.Update.Now", on_now);
	if (r >= 0) {
		sd_notify(0, "READY=1");
		r = sd_event_loop(f.event);
	}
	fetch_fini(&f);
	sd_varlink_server_unref(control);
	return r;
}
