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
#include "update/report.h"
#include "update/schedule.h"
#include "update/state.h"
#include "update/sweep.h"
#include "update/waiter.h"

struct fetch {
	sd_event *event;
	struct eve *eve;
	struct settings settings;
	sd_event_source *timers[SOURCES_MAX]; /* by place in the list */
	sd_event_source *age_timer;
	sd_varlink *sweep;
	bool sweep_due; /* since the start; a commit asks at once */
	unsigned ticks; /* of the age timer */
	struct waiters waiters;
};

static const char *state_path(void)
{
	return path_data("update/state.json");
}

static uint64_t now_s(void)
{
	return (uint64_t)time(NULL);
}

static uint64_t next_s(const struct fetch *f, unsigned i)
{
	uint64_t at = 0, now = 0;

	if (!f->timers[i] || sd_event_source_get_time(f->timers[i], &at) < 0 ||
		sd_event_now(f->event, CLOCK_BOOTTIME, &now) < 0)
		return 0;
	return at > now ? (at - now) / 1000000 : 0;
}

static int results(void *ctx, const char *only, sd_json_variant **ret)
{
	const struct fetch *f = ctx;
	const struct source_list *l = &f->settings.sources;
	int r = sd_json_build(ret, SD_JSON_BUILD_EMPTY_ARRAY);

	for (unsigned i = 0; i < l->n && r >= 0; i++) {
		_cleanup_(sd_json_variant_unrefp) sd_json_variant *one = NULL;
		if (only && strcmp(only, l->item[i]->name) != 0)
			continue;
		r = state_report(l->item[i], now_s(), f->settings.warn_age_h * 3600ull, &one);
		if (r >= 0 && f->timers[i])
			r = sd_json_variant_set_field_unsigned(&one, "next_s", next_s(f, i));
		if (r >= 0)
			r = sd_json_variant_append_array(ret, one);
	}
	return r;
}

static bool is_pending(void *ctx, const char *only)
{
	const struct source_list *l = &((const struct fetch *)ctx)->settings.sources;

	for (unsigned i = 0; i < l->n; i++)
		if (l->item[i]->busy && (!only || strcmp(only, l->item[i]->name) == 0))
			return true;
	return false;
}

static void serve(struct fetch *f)
{
	waiters_serve(&f->waiters, is_pending, results, f);
}

static void timer_set(struct fetch *f, unsigned i);

static unsigned place_of(const struct fetch *f, const struct source *s)
{
	unsigned i = 0;

	while (i < f->settings.sources.n && f->settings.sources.item[i] != s)
		i++;
	return i;
}

static void history_write(struct source *s, const struct attempt_result *r)
{
	s->busy = false;
	s->due = false;
	s->last_try = now_s();
	s->failures = r->ok ? 0 : s->failures + 1;
	s->retry_at = r->retry_after_s ? s->last_try + r->retry_after_s : 0;
	s->unconfirmed = !r->ok && r->unconfirmed;
	snprintf(s->result, sizeof(s->result), "%s",
		!r->ok       ? "failed"
		: r->changed ? "installed"
			     : "unchanged");
	snprintf(s->why, sizeof(s->why), "%s", r->why);
	if (!r->ok)
		return;
	s->last_success = s->last_try;
	if (!r->version[0])
		return;
	memcpy(s->version, r->version, sizeof(s->version));
	s->count = r->count;
	s->serial = r->serial;
	s->released = r->released;
	/* Only what has been installed need not be fetched again. */
	memcpy(s->etag, r->etag, sizeof(s->etag));
	memcpy(s->modified, r->modified, sizeof(s->modified));
}

static void source_end(struct fetch *f, struct source *s, const struct attempt_result *r)
{
	history_write(s, r);
	report_attempt(f->eve, s, r);
	int e = state_save(&f->settings.sources, state_path());
	if (e < 0)
		log_warning("state of the sources: %s", strerror(-e));
	timer_set(f, place_of(f, s));
	serve(f);
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

static struct attempt_request request_of(struct fetch *f, struct source *s)
{
	return (struct attempt_request){.event = f->event,
		.source = s,
		.settings = &f->settings,
		.done = on_done,
		.ctx = f};
}

static void source_fail(struct fetch *f, struct source *s, enum attempt_step step, int error)
{
	struct attempt_result failed = {.step = step};

	snprintf(failed.why, sizeof(failed.why), "%s%s",
		step == STEP_VERIFY ? "updated verify does not answer: " : "",
		error == -ENOSPC ? "no room left for the download" : strerror(-error));
	source_end(f, s, &failed);
}

static void source_try(struct fetch *f, struct source *s, bool confirmed)
{
	struct attempt_request rq = request_of(f, s);

	if (s->busy)
		return;
	s->busy = true;
	rq.confirmed = confirmed;
	int r = attempt_start(&rq, &s->attempt);
	if (r < 0)
		source_fail(f, s, STEP_DOWNLOAD, r);
}

static int on_timer(sd_event_source *es, uint64_t at, void *userdata)
{
	struct fetch *f = userdata;

	(void)at;
	for (unsigned i = 0; i < f->settings.sources.n; i++) {
		if (f->timers[i] != es)
			continue;
		/* The clock may have been set since the timer was. */
		if (windows_wait_min(&f->settings.windows, moment_now().week_min) > 0)
			timer_set(f, i);
		else
			source_try(f, f->settings.sources.item[i], false);
		break;
	}
	return 0;
}

static void timer_set(struct fetch *f, unsigned i)
{
	const struct source *s = f->settings.sources.item[i];
	struct moment now = moment_now();
	uint32_t random = 0;

	f->timers[i] = sd_event_source_disable_unref(f->timers[i]);
	if (!s->enabled)
		return;
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
		random = (uint32_t)now.now;
	sd_event_add_time_relative(f->event, &f->timers[i], CLOCK_BOOTTIME,
		schedule_delay_s(s, &f->settings.windows, &now, random) * 1000000, 0, on_timer, f);
}

static int on_age_timer(sd_event_source *es, uint64_t at, void *userdata)
{
	struct fetch *f = userdata;

	(void)at;
	report_ages(f->eve, &f->settings, now_s());
	/* Not in the busy first minute of a start: two more daemons would have to come up for it.
	 */
	if (f->sweep_due && f->ticks++ > 0) {
		f->sweep_due = false;
		sweep_ask(f->event, &f->sweep);
	}
	sd_event_source_set_time_relative(es, FETCH_AGE_CHECK_S * 1000000ull);
	return sd_event_source_set_enabled(es, SD_EVENT_ONESHOT);
}

/* Tries that run are ended: their source may have changed or gone. */
static void sources_drop(struct fetch *f)
{
	for (unsigned i = 0; i < f->settings.sources.n; i++) {
		f->timers[i] = sd_event_source_disable_unref(f->timers[i]);
		attempt_free(f->settings.sources.item[i]->attempt);
	}
	settings_free(&f->settings);
}

static int settings_change(struct fetch *f, char **ret_why)
{
	struct settings settings;
	int r = settings_load(&settings, NULL, ret_why);

	if (r < 0)
		return r;
	source_list_inherit(&settings.sources, &f->settings.sources);
	sources_drop(f);
	f->settings = settings;
	for (unsigned i = 0; i < settings.sources.n; i++) {
		struct source *s = settings.sources.item[i];
		if (!s->first_seen)
			s->first_seen = now_s();
		timer_set(f, i);
	}
	serve(f);
	return 0;
}

static int on_reload(void *ctx, char **ret_why)
{
	struct fetch *f = ctx;
	int r = settings_change(f, ret_why);

	if (r < 0)
		return r;
	f->sweep_due = false;
	sweep_ask(f->event, &f->sweep);
	sweep_downloads(&f->settings.sources);
	return 0;
}

static int on_check(void *ctx, sd_json_variant *config, char **ret_why)
{
	struct settings settings;

	(void)ctx;
	int r = settings_parse(config, NULL, &settings, ret_why);
	if (r == 0)
		settings_free(&settings);
	return r;
}

static int on_status(void *ctx, sd_json_variant **ret)
{
	const struct fetch *f = ctx;
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *sources = NULL, *warnings = NULL;
	int r = results(ctx, NULL, &sources);

	if (r >= 0)
		r = report_warnings(&f->settings, now_s(), &warnings);
	return r < 0 ? r
		     : sd_json_buildo(ret, SD_JSON_BUILD_PAIR_VARIANT("sources", sources),
			       SD_JSON_BUILD_PAIR_VARIANT("warnings", warnings));
}

static int on_sources(sd_varlink *link, sd_json_variant *parameters,
	sd_varlink_method_flags_t flags, void *userdata)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *status = NULL;
	int r = on_status(userdata, &status);

	(void)parameters;
	(void)flags;
	return r < 0 ? sd_varlink_error_errno(link, r) : sd_varlink_reply(link, status);
}

static int no_such_source(sd_varlink *link, const char *source)
{
	return sd_varlink_errorbo(link, "io.sekisho.Update.NoSuchSource",
		SD_JSON_BUILD_PAIR_STRING("source", source));
}

static int busy(sd_varlink *link)
{
	return sd_varlink_error(link, "io.sekisho.Update.Busy", NULL);
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
	const struct source_list *l = &f->settings.sources;
	const char *source = NULL;

	(void)flags;
	int r = sd_varlink_dispatch(link, parameters, fields, &source);
	if (r != 0)
		return r;
	if (source && !source_find(l, source))
		return no_such_source(link, source);
	if (!waiters_add(&f->waiters, link, source))
		return busy(link);
	for (unsigned i = 0; i < l->n; i++)
		if (source ? strcmp(l->item[i]->name, source) == 0 : l->item[i]->enabled)
			source_try(f, l->item[i], false);
	serve(f);
	return 0;
}

/* The source that a call names; an answer has been sent when *ret is NULL. */
static int source_of_call(
	struct fetch *f, sd_varlink *link, sd_json_variant *parameters, struct source **ret)
{
	static const sd_json_dispatch_field fields[] = {
		{"source", SD_JSON_VARIANT_STRING, sd_json_dispatch_const_string, 0,
			SD_JSON_MANDATORY},
		{0},
	};
	const char *name = NULL;
	int r = sd_varlink_dispatch(link, parameters, fields, &name);

	*ret = NULL;
	if (r != 0)
		return r;
	struct source *s = source_find(&f->settings.sources, name);
	if (!s)
		return no_such_source(link, name);
	if (s->busy)
		return busy(link);
	*ret = s;
	return 0;
}

static int on_confirm(sd_varlink *link, sd_json_variant *parameters,
	sd_varlink_method_flags_t flags, void *userdata)
{
	struct fetch *f = userdata;
	struct source *s;
	int r = source_of_call(f, link, parameters, &s);

	(void)flags;
	if (!s)
		return r;
	if (!s->unconfirmed)
		return sd_varlink_errorbo(link, "io.sekisho.Update.NothingToConfirm",
			SD_JSON_BUILD_PAIR_STRING("source", s->name));
	if (!waiters_add(&f->waiters, link, s->name))
		return busy(link);
	source_try(f, s, true);
	return 0;
}

static int on_import(sd_varlink *link, sd_json_variant *parameters, sd_varlink_method_flags_t flags,
	void *userdata)
{
	struct fetch *f = userdata;
	_cleanup_close_ int fd = sd_varlink_take_fd(link, 0),
			    signature = sd_varlink_take_fd(link, 1);
	struct source *s;
	int r = source_of_call(f, link, parameters, &s);

	(void)flags;
	if (!s)
		return r;
	if (fd < 0)
		return sd_varlink_error(link, "io.sekisho.Update.NoFile", NULL);
	if (!waiters_add(&f->waiters, link, s->name))
		return busy(link);
	const struct attempt_request rq = request_of(f, s);
	s->busy = true;
	r = attempt_import(&rq, take_fd(&fd), take_fd(&signature), &s->attempt);
	if (r < 0)
		source_fail(f, s, STEP_VERIFY, r);
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
	if (r >= 0)
		r = sd_event_add_time_relative(
			f->event, &f->age_timer, CLOCK_BOOTTIME, 1000000, 0, on_age_timer, f);
	if (r < 0)
		return r;
	f->sweep_due = true;
	r = settings_change(f, &why);
	if (r < 0)
		log_error("configuration: %s",
			why ? why : strerror(-r)); /* goes on: Reload may bring a better one */
	state_restore(&f->settings.sources, state_path());
	for (unsigned i = 0; i < f->settings.sources.n; i++)
		timer_set(f, i);
	return 0;
}

static void fetch_fini(struct fetch *f)
{
	sources_drop(f);
	serve(f);
	sd_varlink_close_unref(f->sweep);
	sd_event_source_disable_unref(f->age_timer);
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
		r = sd_varlink_server_bind_method_many(control, "io.sekisho.Update.Now", on_now,
			"io.sekisho.Update.Confirm", on_confirm, "io.sekisho.Update.Import",
			on_import);
	if (r >= 0)
		r = control_allow(control, ROLE_AUDITOR, "io.sekisho.Update.Sources", on_sources);
	if (r >= 0) {
		sd_notify(0, "READY=1");
		r = sd_event_loop(f.event);
	}
	fetch_fini(&f);
	sd_varlink_server_unref(control);
	return r;
}
