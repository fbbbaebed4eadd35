#include "update/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "update/fetch.h"
#include "update/state.h"

static void event_begin(struct eve *e, struct jsonw *w, const struct source *s, const char *step,
	const char *result)
{
	eve_begin(e, w, "update", NULL);
	jsonw_object(w, "update");
	jsonw_str(w, "source", s->name);
	jsonw_str(w, "type", s->type->name);
	jsonw_str(w, "step", step);
	jsonw_str(w, "result", result);
}

static void number_write(struct jsonw *w, const char *key, uint64_t value)
{
	if (value)
		jsonw_u64(w, key, value);
}

static void step_write(struct eve *e, const struct source *s, enum attempt_step step,
	const char *result, const struct attempt_result *r)
{
	struct jsonw w;

	event_begin(e, &w, s, attempt_step_name(step), result);
	if (r->imported)
		jsonw_bool(&w, "imported", true);
	if (step == STEP_DOWNLOAD) {
		number_write(&w, "bytes", r->bytes);
		number_write(&w, "steps", r->steps);
	}
	if (step == STEP_VERIFY)
		number_write(&w, "peak_kb", r->peak_kb);
	if (step == STEP_VERIFY && r->cut_short)
		jsonw_bool(&w, "cut_short", true);
	if (step > STEP_DOWNLOAD && r->version[0]) {
		jsonw_str(&w, "version", r->version);
		number_write(&w, "serial", r->serial);
		jsonw_u64(&w, "count", r->count);
	}
	if (strcmp(result, "failed") == 0) {
		jsonw_span(&w, "why", span_str(r->why));
		number_write(&w, "retry_after_s", r->retry_after_s);
		if (r->unconfirmed)
			jsonw_bool(&w, "unconfirmed", true);
	}
	jsonw_end(&w);
	eve_end(e, &w);
}

void report_attempt(struct eve *e, const struct source *s, const struct attempt_result *r)
{
	for (int step = r->imported ? STEP_VERIFY : STEP_DOWNLOAD; step < (int)r->step; step++)
		step_write(e, s, (enum attempt_step)step, "ok", r);
	step_write(e, s, r->step, !r->ok ? "failed" : r->changed ? "ok" : "unchanged", r);
	eve_flush(e);
}

static bool is_stale(const struct source *s, const struct settings *settings, uint64_t now)
{
	return s->enabled && state_age_s(s, now) > settings->warn_age_h * 3600ull;
}

void report_ages(struct eve *e, struct settings *settings, uint64_t now)
{
	for (unsigned i = 0; i < settings->sources.n; i++) {
		struct source *s = settings->sources.item[i];
		struct jsonw w;
		if (!is_stale(s, settings, now)) {
			s->warned_at = 0;
			continue;
		}
		if (s->warned_at && s->warned_at <= now && now - s->warned_at < FETCH_AGE_WARN_S)
			continue;
		s->warned_at = now;
		log_warning("%s: not found fresh for %llu hours", s->name,
			(unsigned long long)(state_age_s(s, now) / 3600));
		event_begin(e, &w, s, "age", "warning");
		jsonw_u64(&w, "age_s", state_age_s(s, now));
		jsonw_end(&w);
		eve_end(e, &w);
	}
	eve_flush(e);
}

static int sentence_add(sd_json_variant **all, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static int sentence_add(sd_json_variant **all, const char *format, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	return sd_json_variant_append_arrayb(all, SD_JSON_BUILD_STRING(text));
}

int report_warnings(const struct settings *settings, uint64_t now, sd_json_variant **ret)
{
	int r = sd_json_build(ret, SD_JSON_BUILD_EMPTY_ARRAY);

	for (unsigned i = 0; i < settings->sources.n && r >= 0; i++) {
		const struct source *s = settings->sources.item[i];
		if (is_stale(s, settings, now))
			r = sentence_add(ret, "%s has not been found fresh for %llu hours", s->name,
				(unsigned long long)(state_age_s(s, now) / 3600));
		if (r >= 0 && s->last_success > now)
			r = sentence_add(ret,
				"the clock is behind the last update of %s by %llu seconds",
				s->name, (unsigned long long)(s->last_success - now));
		if (r >= 0 && s->unconfirmed)
			r = sentence_add(ret, "%s waits for confirmation: %s", s->name, s->why);
	}
	return r;
}
