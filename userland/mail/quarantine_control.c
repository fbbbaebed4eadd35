#include "mail/quarantine_control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "lib/cleanup.h"
#include "lib/control.h"
#include "lib/log.h"
#include "lib/path.h"
#include "mail/quarantine.h"
#include "mail/quarantine_release.h"
#include "mail/words.h"

#define HEADER_SHOWN 16384
#define DIGEST_BYTES 262144

static void event_quarantine(struct mail_shared *shared, const char *action,
	const struct quarantine_entry *e, const char *reply)
{
	struct jsonw w;

	eve_begin(shared->eve, &w, "quarantine", NULL);
	jsonw_object(&w, "quarantine");
	jsonw_str(&w, "action", action);
	jsonw_u64(&w, "id", e->id);
	jsonw_str(&w, "mail_from", e->sender);
	jsonw_str(&w, "subject", e->subject);
	jsonw_str(&w, "why", e->why);
	jsonw_u64(&w, "size", e->bytes);
	if (reply)
		jsonw_str(&w, "reply", reply);
	jsonw_end(&w);
	jsonw_end(&w);
	eve_end(shared->eve, &w);
}

static void on_expired(void *ctx, const struct quarantine_entry *e)
{
	event_quarantine(ctx, "expired", e, NULL);
}

/* ---- keeping ---- */

static char *recipients_join(const struct envelope *e)
{
	size_t n = 1;

	for (unsigned i = 0; i < e->rcpt_count; i++)
		n += strlen(e->rcpt[i]) + 1;
	char *text = malloc(n), *at = text;
	for (unsigned i = 0; text && i < e->rcpt_count; i++)
		at += sprintf(at, "%s%s", i ? "\n" : "", e->rcpt[i]);
	if (text && e->rcpt_count == 0)
		*text = '\0';
	return text;
}

static void endpoint_write(const struct endpoint *e, char *out, size_t cap)
{
	snprintf(out, cap, strchr(e->ip, ':') ? "[%s]:%u" : "%s:%u", e->ip, (unsigned)e->port);
}

int quarantine_keep(struct session *s, uint64_t *ret_id)
{
	struct message *m = s->message;
	struct outgoing o;
	char server[INET6_ADDRSTRLEN + 10], subject[512];
	struct span text = spool_text(&m->spool);
	_cleanup_free_ char *recipients = recipients_join(&s->envelope);
	struct quarantine_entry e = {
		.vlan = s->is_relay ? 0 : envelope_vlan(s->envelope.mark),
		.client = s->envelope.client.ip,
		.server = server,
		.relay = s->is_relay ? s->relay_from.ip : "",
		.sender = s->envelope.mail_from,
		.recipients = recipients,
		.author = m->checks.found.from.address,
		.subject = subject,
		.rule = m->decision.rule_name,
		.why = m->decision.why,
	};

	if (!s->shared->quarantine)
		return -ENODEV;
	if (!recipients)
		return -ENOMEM;
	endpoint_write(&s->envelope.server, server, sizeof(server));
	words_read(words_field(text, SPAN_LIT("Subject")), subject, sizeof(subject));
	int r = outgoing_init(&o, &m->checks.found, text, true);
	if (r < 0)
		return r;
	struct iovec *runs = calloc(o.count, sizeof(*runs));
	/* The first piece is the command BDAT. */
	for (unsigned i = 1; runs && i < o.count; i++)
		runs[i - 1] = (struct iovec){(void *)o.pieces[i].p, o.pieces[i].n};
	r = runs ? quarantine_put(s->shared->quarantine, &e, runs, o.count - 1, ret_id) : -ENOMEM;
	free(runs);
	outgoing_free(&o);
	return r;
}

/* ---- methods ---- */

static int invalid(sd_varlink *link, const char *why)
{
	return sd_varlink_errorbo(link, CONTROL_INVALID, SD_JSON_BUILD_PAIR_STRING("why", why));
}

static int lines_array(const char *text, sd_json_variant **ret)
{
	_cleanup_free_ char *copy = strdup(text);
	int r = copy ? sd_json_variant_new_array(ret, NULL, 0) : -ENOMEM;

	for (char *save = NULL, *line = r < 0 ? NULL : strtok_r(copy, "\n", &save); line && r >= 0;
		line = strtok_r(NULL, "\n", &save)) {
		char readable[ENVELOPE_ADDRESS_BYTES + 1];

		words_read(span_str(line), readable, sizeof(readable));
		r = sd_json_variant_append_arrayb(ret, SD_JSON_BUILD_STRING(readable));
	}
	return r;
}

static int entry_json(const struct quarantine_entry *e, sd_json_variant **ret)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *recipients = NULL;
	char sender[ENVELOPE_ADDRESS_BYTES + 1];
	int r = lines_array(e->recipients, &recipients);

	words_read(span_str(e->sender), sender, sizeof(sender));
	return r < 0 ? r
		     : sd_json_buildo(ret, SD_JSON_BUILD_PAIR_UNSIGNED("id", e->id),
			       SD_JSON_BUILD_PAIR_INTEGER("time", e->time),
			       SD_JSON_BUILD_PAIR_UNSIGNED("bytes", e->bytes),
			       SD_JSON_BUILD_PAIR_STRING("client", e->client),
			       SD_JSON_BUILD_PAIR_STRING("server", e->server),
			       SD_JSON_BUILD_PAIR_STRING("sender", sender),
			       SD_JSON_BUILD_PAIR_VARIANT("recipients", recipients),
			       SD_JSON_BUILD_PAIR_STRING("author", e->author),
			       SD_JSON_BUILD_PAIR_STRING("subject", e->subject),
			       SD_JSON_BUILD_PAIR_STRING("rule", e->rule),
			       SD_JSON_BUILD_PAIR_STRING("why", e->why));
}

struct listing {
	sd_json_variant *array;
	int error;
};

static void on_listed(void *ctx, const struct quarantine_entry *e)
{
	struct listing *l = ctx;
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *one = NULL;

	if (l->error >= 0)
		l->error = entry_json(e, &one);
	if (l->error >= 0)
		l->error = sd_json_variant_append_array(&l->array, one);
}

static int number_read(sd_varlink *link, sd_json_variant *parameters, const char *name, bool must,
	uint64_t *number)
{
	const sd_json_dispatch_field rows[] = {
		{name, SD_JSON_VARIANT_UNSIGNED, sd_json_dispatch_uint64, 0,
			must ? SD_JSON_MANDATORY : 0},
		{NULL, 0, NULL, 0, 0},
	};

	return sd_varlink_dispatch(link, parameters, rows, number);
}

#define METHOD(function) \
	static int function(sd_varlink *link, sd_json_variant *parameters, \
		sd_varlink_method_flags_t flags, void *userdata)

METHOD(on_list)
{
	struct mail_shared *shared = userdata;
	struct quarantine_stats stats;
	struct listing l = {0};
	uint64_t limit = 100;
	int r = number_read(link, parameters, "limit", false, &limit);

	(void)flags;
	if (r != 0)
		return r;
	if (limit > QUARANTINE_TOLD)
		limit = QUARANTINE_TOLD;
	r = sd_json_variant_new_array(&l.array, NULL, 0);
	if (r >= 0)
		r = quarantine_list(shared->quarantine, 0, (unsigned)limit, on_listed, &l);
	if (r >= 0)
		r = l.error;
	if (r >= 0)
		r = quarantine_stats(shared->quarantine, &stats);
	if (r >= 0)
		r = sd_varlink_replybo(link, SD_JSON_BUILD_PAIR_VARIANT("messages", l.array),
			SD_JSON_BUILD_PAIR_UNSIGNED("total", stats.messages),
			SD_JSON_BUILD_PAIR_UNSIGNED("bytes", stats.bytes),
			SD_JSON_BUILD_PAIR_INTEGER("oldest", stats.oldest));
	sd_json_variant_unref(l.array);
	return r;
}

/* The header, a field a line, as a person reads it. */
static char *header_show(struct mail_shared *shared, const struct quarantine_entry *e)
{
	_cleanup_close_ int fd = quarantine_message(shared->quarantine, e);
	_cleanup_free_ char *raw = malloc(HEADER_SHOWN);
	char *out = calloc(1, 4 * HEADER_SHOWN);
	ssize_t n = fd < 0 || !raw || !out ? -1 : pread(fd, raw, HEADER_SHOWN, 0);
	struct span text = span_of(raw, n < 0 ? 0 : (size_t)n);

	for (size_t used = 0; out && text.n && text.p[0] != '\r' && used + 2 < 4 * HEADER_SHOWN;) {
		size_t length = 0;

		do {
			ptrdiff_t lf = span_chr(span_skip(text, length), '\n');
			length = lf < 0 ? text.n : length + (size_t)lf + 1;
		} while (length < text.n && (text.p[length] == ' ' || text.p[length] == '\t'));
		words_read(span_trim(span_take(text, length)), out + used,
			4 * HEADER_SHOWN - used - 1);
		used += strlen(out + used);
		out[used++] = '\n';
		out[used] = '\0';
		text = span_skip(text, length);
	}
	return out;
}

/* 0 with the entry; else the error has been told. */
static int entry_find(sd_varlink *link, sd_json_variant *parameters, struct mail_shared *shared,
	struct quarantine_entry *e)
{
	uint64_t id = 0;
	int r = number_read(link, parameters, "id", true, &id);

	if (r != 0)
		return r < 0 ? r : 1;
	r = quarantine_get(shared->quarantine, id, e);
	if (r == -ENOENT)
		r = invalid(link, "no message of this number is in the quarantine");
	else if (r == 0)
		return 0;
	return r < 0 ? r : 1;
}

METHOD(on_show)
{
	struct mail_shared *shared = userdata;
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *message = NULL;
	struct quarantine_entry e = {0};
	int r = entry_find(link, parameters, shared, &e);

	(void)flags;
	if (r != 0)
		return r;
	_cleanup_free_ char *header = header_show(shared, &e);
	r = header ? entry_json(&e, &message) : -ENOMEM;
	quarantine_entry_free(&e);
	return r < 0 ? r
		     : sd_varlink_replybo(link, SD_JSON_BUILD_PAIR_VARIANT("message", message),
			       SD_JSON_BUILD_PAIR_STRING("header", header));
}

METHOD(on_delete)
{
	struct mail_shared *shared = userdata;
	struct quarantine_entry e = {0};
	int r = entry_find(link, parameters, shared, &e);

	(void)flags;
	if (r != 0)
		return r;
	r = quarantine_remove(shared->quarantine, e.id);
	if (r >= 0)
		event_quarantine(shared, "deleted", &e, NULL);
	quarantine_entry_free(&e);
	return r < 0 ? invalid(link, strerror(-r)) : sd_varlink_reply(link, NULL);
}

struct release_call {
	struct mail_shared *shared;
	sd_varlink *link;
	struct quarantine_entry told; /* what the event says; texts of its own */
};

static void on_released(void *userdata, bool delivered, const char *text)
{
	struct release_call *c = userdata;
	char why[600];

	snprintf(why, sizeof(why), "not delivered, it stays in the quarantine: %s", text);
	event_quarantine(c->shared, delivered ? "released" : "kept", &c->told, text);
	if (delivered)
		sd_varlink_replybo(c->link, SD_JSON_BUILD_PAIR_STRING("reply", text));
	else
		invalid(c->link, why);
	sd_varlink_unref(c->link);
	quarantine_entry_free(&c->told);
	free(c);
}

static const char *release_refusal(int error)
{
	if (error == -EBUSY)
		return "too many messages are being released: try again in a minute";
	return strerror(-error);
}

METHOD(on_release)
{
	struct mail_shared *shared = userdata;
	struct quarantine_entry e = {0};
	int r = entry_find(link, parameters, shared, &e);

	(void)flags;
	if (r != 0)
		return r;
	struct release_call *c = calloc(1, sizeof(*c));
	r = c ? quarantine_get(shared->quarantine, e.id, &c->told) : -ENOMEM;
	if (r >= 0) {
		c->shared = shared;
		r = release_start(shared, &e, on_released, c);
		if (r >= 0)
			c->link = sd_varlink_ref(link);
	}
	if (r < 0 && c) {
		quarantine_entry_free(&c->told);
		free(c);
	}
	quarantine_entry_free(&e);
	return r < 0 ? invalid(link, release_refusal(r)) : 0;
}

static void on_digest_entry(void *ctx, const struct quarantine_entry *e)
{
	FILE *f = ctx;
	char when[32], sender[ENVELOPE_ADDRESS_BYTES + 1], recipient[ENVELOPE_ADDRESS_BYTES + 1];
	struct tm tm;
	time_t time = (time_t)e->time;
	size_t first = strcspn(e->recipients, "\n");

	if (!localtime_r(&time, &tm) || ftell(f) > DIGEST_BYTES)
		return;
	strftime(when, sizeof(when), "%Y-%m-%d %H:%M", &tm);
	words_read(span_str(e->author[0] ? e->author : e->sender), sender, sizeof(sender));
	words_read(span_of(e->recipients, first), recipient, sizeof(recipient));
	fprintf(f,
		"%llu  %s  %llu bytes\n  from     %s\n  to       %s%s\n  subject  %s\n  why      "
		"%s\n",
		(unsigned long long)e->id, when, (unsigned long long)e->bytes, sender, recipient,
		e->recipients[first] ? " and others" : "", e->subject, e->why);
}

METHOD(on_digest)
{
	struct mail_shared *shared = userdata;
	_cleanup_free_ char *text = NULL;
	size_t n = 0;
	uint64_t hours = 24;
	int r = number_read(link, parameters, "hours", false, &hours);

	(void)flags;
	if (r != 0)
		return r;
	if (hours > 24 * 366)
		hours = 24 * 366;
	FILE *f = open_memstream(&text, &n);
	if (!f)
		return -ENOMEM;
	r = quarantine_list(shared->quarantine, time(NULL) - (int64_t)hours * 3600, QUARANTINE_TOLD,
		on_digest_entry, f);
	if (r >= 0 && ftell(f) == 0)
		fputs("Nothing was put into the quarantine.\n", f);
	if (fclose(f) != 0 && r >= 0)
		r = -ENOMEM;
	return r < 0 ? r : sd_varlink_replybo(link, SD_JSON_BUILD_PAIR_STRING("text", text));
}

/* ---- from start to end ---- */

void quarantine_settings(struct mail_shared *shared)
{
	if (shared->quarantine)
		quarantine_limit(shared->quarantine,
			(uint64_t)shared->settings.quarantine_max_megabytes << 20,
			shared->settings.quarantine_max_days);
}

static int on_age(sd_event_source *timer, uint64_t usec, void *userdata)
{
	(void)usec;
	quarantine_settings(userdata);
	sd_event_source_set_time_relative(timer, QUARANTINE_EXPIRE_S * 1000000ull);
	return sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
}

int quarantine_start(struct mail_shared *shared, sd_varlink_server *control)
{
	static const struct {
		const char *name;
		enum role least;
		sd_varlink_method_t call;
	} methods[] = {
		{"io.sekisho.Mail.Quarantine", ROLE_AUDITOR, on_list},
		{"io.sekisho.Mail.QuarantineShow", ROLE_AUDITOR, on_show},
		{"io.sekisho.Mail.Digest", ROLE_AUDITOR, on_digest},
		{"io.sekisho.Mail.Release", ROLE_OPERATOR, on_release},
		{"io.sekisho.Mail.Delete", ROLE_OPERATOR, on_delete},
	};
	const char *folder = path_data("mail/quarantine");

	mkdir(folder, 0700);
	int r = quarantine_open(folder, on_expired, shared, &shared->quarantine);
	if (r < 0) { /* mail goes on; what should be kept is deferred, and there is nothing to list
		      */
		log_error("quarantine: %s: %s", folder, strerror(-r));
		return 0;
	}
	for (size_t i = 0; i < sizeof(methods) / sizeof(*methods) && r >= 0; i++)
		r = control_allow(control, methods[i].least, methods[i].name, methods[i].call);
	return r < 0 ? r
		     : sd_event_add_time_relative(
			       shared->event, NULL, CLOCK_MONOTONIC, 1000000, 0, on_age, shared);
}

void quarantine_stop(struct mail_shared *shared)
{
	quarantine_close(shared->quarantine);
	shared->quarantine = NULL;
}
