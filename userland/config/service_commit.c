/* Methods of io.sekisho.Config that take a candidate into force, and back. */
#include "config/commit.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "config/call.h"
#include "lib/cleanup.h"
#include "lib/log.h"

const struct record *service_pending(const struct service *s)
{
	return s->now.origin == STORE_PENDING ? &s->now.record : NULL;
}

/* Running is the base again. The caller has seen to the box and the store, or is about to. */
static void step_back(struct service *s)
{
	snapshot_free(s->now.running);
	s->now.running = take_ptr(s->now.base);
	s->now.record = s->now.base_record;
	s->now.origin = s->now.record.serial ? STORE_STARTUP : STORE_FACTORY;
	s->now.unconfirmed = true;
	s->generation++;
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct service *s = userdata;
	struct record lost = s->now.record;

	(void)source;
	(void)usec;
	s->deadline = sd_event_source_unref(s->deadline);
	if (!service_pending(s))
		return 0;
	_cleanup_free_ char *diff = tree_diff(s->now.running->tree, s->now.base->tree, true);
	commit_revert(s->now.running, s->now.base);
	step_back(s);
	audit_write(&s->audit, &(struct audit_entry){.action = "revert",
				       .user = lost.user,
				       .comment = "it was not confirmed in time",
				       .diff = diff,
				       .serial = lost.serial});
	return 0;
}

static int watch_deadline(struct service *s)
{
	s->deadline = sd_event_source_unref(s->deadline);
	return sd_event_add_time(s->event, &s->deadline, CLOCK_BOOTTIME, s->now.record.deadline_us,
		0, on_deadline, s);
}

void service_resume(struct service *s)
{
	if (s->now.damaged)
		audit_write(&s->audit,
			&(struct audit_entry){.action = "damaged",
				.user = "configd",
				.comment =
					"a stored configuration was of no use; an older one runs",
				.serial = s->now.record.serial});
	if (s->now.unconfirmed)
		audit_write(&s->audit,
			&(struct audit_entry){.action = "revert",
				.user = s->now.lost.user,
				.comment = "the box was restarted before it was confirmed",
				.serial = s->now.lost.serial});
	if (service_pending(s) && watch_deadline(s) < 0)
		on_deadline(NULL, 0, s); /* no clock to wait for: the safe side */
}

int service_check(sd_varlink *link, sd_json_variant *parameters, sd_varlink_method_flags_t flags,
	void *userdata)
{
	_cleanup_call_ struct call c;
	struct snapshot *next = NULL;
	int r;

	(void)flags;
	if (!call_begin(&c, link, parameters, userdata, true, &r))
		return r;
	if (snapshot_new(&c.s->schema, c.session->candidate, c.s->now.running, &next, &c.f) < 0)
		return call_refuse(&c, INTERFACE "Invalid");
	r = commit_check(c.s->now.running, next, &c.f);
	snapshot_free(next);
	return r < 0 ? call_refuse(&c, INTERFACE "Failed") : sd_varlink_reply(link, NULL);
}

static int refuse_conflict(struct call *c)
{
	const struct record *r = &c->s->now.record;
	char when[32] = "", why[256];
	time_t t = (time_t)r->time_s;
	struct tm tm;

	if (r->time_s && gmtime_r(&t, &tm))
		strftime(when, sizeof(when), "%FT%TZ", &tm);
	snprintf(why, sizeof(why),
		"somebody else has committed meanwhile (%s%s%s); 'update' makes your changes again "
		"on top of that, 'discard' forgets them",
		*r->user ? r->user : "the box itself", *when ? ", " : "", when);
	return sd_varlink_errorbo(c->link, INTERFACE "Conflict",
		SD_JSON_BUILD_PAIR_STRING("why", why), SD_JSON_BUILD_PAIR_STRING("user", r->user),
		SD_JSON_BUILD_PAIR_STRING("time", when));
}

static int refuse_pending(struct call *c, const struct record *r)
{
	char why[256];
	unsigned seconds = record_seconds_left(r);

	snprintf(why, sizeof(why),
		"the commit of %s waits for its confirmation, %u more seconds; confirm it first",
		r->user, seconds);
	return sd_varlink_errorbo(c->link, INTERFACE "ConfirmPending",
		SD_JSON_BUILD_PAIR_STRING("why", why), SD_JSON_BUILD_PAIR_STRING("user", r->user),
		SD_JSON_BUILD_PAIR_UNSIGNED("seconds", seconds));
}

static int confirm(struct call *c)
{
	struct service *s = c->s;
	int r = commit_confirm(&s->now.record, &c->f);

	if (r < 0)
		return r;
	s->deadline = sd_event_source_unref(s->deadline);
	snapshot_free(s->now.base);
	s->now.base = NULL;
	s->now.origin = STORE_STARTUP;
	s->now.newest = s->now.record.serial;
	*s->now.record.boot = 0;
	audit_write(&s->audit, &(struct audit_entry){.action = "confirm",
				       .user = c->user,
				       .from = c->from,
				       .serial = s->now.record.serial});
	return 0;
}

int service_confirm(sd_varlink *link, sd_json_variant *parameters, sd_varlink_method_flags_t flags,
	void *userdata)
{
	_cleanup_call_ struct call c;
	int r;

	(void)flags;
	if (!call_begin(&c, link, parameters, userdata, false, &r))
		return r;
	if (!service_pending(c.s))
		return call_refuse_why(
			&c, INTERFACE "NothingPending", "no commit waits for a confirmation");
	return confirm(&c) < 0 ? call_refuse(&c, INTERFACE "Failed") : sd_varlink_reply(link, NULL);
}

static void fill_record(const struct call *c, struct record *r)
{
	*r = (struct record){.serial = c->s->now.newest + 1, .time_s = time(NULL)};
	snprintf(r->user, sizeof(r->user), "%s", c->user);
	snprintf(r->comment, sizeof(r->comment), "%s", c->comment ? c->comment : "");
	if (c->confirm_minutes)
		record_set_deadline(r, c->confirm_minutes * 60);
}

/* next is in force; what was before is the base of one that has to be confirmed. */
static int take_over(struct call *c, struct snapshot *next, const struct record *r)
{
	struct store_state *now = &c->s->now;

	if (*r->boot) {
		now->base = now->running;
		now->base_record = now->record;
	} else {
		snapshot_free(now->running);
		now->newest = r->serial;
	}
	now->running = next;
	now->record = *r;
	now->origin = *r->boot ? STORE_PENDING : STORE_STARTUP;
	now->damaged = 0;
	now->unconfirmed = false;
	c->s->generation++;
	return *r->boot ? watch_deadline(c->s) : 0;
}

static int commit(struct call *c, const char *diff, struct snapshot *next)
{
	struct record record;

	fill_record(c, &record);
	int r = commit_run(c->s->now.running, next, &record, &c->f);
	if (r < 0) {
		log_warning("a commit failed: %s", c->f.why ? c->f.why : strerror(-r));
		snapshot_free(next);
		return call_refuse(c, INTERFACE "Failed");
	}
	r = take_over(c, next, &record);
	audit_write(&c->s->audit, &(struct audit_entry){.action = "commit",
					  .user = c->user,
					  .from = c->from,
					  .comment = c->comment,
					  .diff = diff,
					  .serial = record.serial});
	session_settle(c->session, c->s->generation);
	if (r < 0) { /* nobody would take it back in time */
		on_deadline(NULL, 0, c->s);
		return call_refuse_why(c, INTERFACE "Failed", "the deadline cannot be watched");
	}
	return sd_varlink_replybo(c->link, SD_JSON_BUILD_PAIR_BOOLEAN("changed", true),
		SD_JSON_BUILD_PAIR_STRING("diff", diff),
		SD_JSON_BUILD_PAIR_UNSIGNED("serial", record.serial),
		SD_JSON_BUILD_PAIR_CONDITION(*record.boot, "confirm_seconds",
			SD_JSON_BUILD_UNSIGNED(record_seconds_left(&record))));
}

/* Nothing differs: that confirms what waits, and otherwise does nothing. */
static int commit_nothing(struct call *c)
{
	bool pending = service_pending(c->s);

	if (pending && confirm(c) < 0)
		return call_refuse(c, INTERFACE "Failed");
	session_reset(c->session, c->s->now.running->tree, c->s->generation);
	return sd_varlink_replybo(c->link, SD_JSON_BUILD_PAIR_BOOLEAN("changed", false),
		SD_JSON_BUILD_PAIR_STRING("diff", ""),
		SD_JSON_BUILD_PAIR_UNSIGNED("serial", c->s->now.record.serial),
		SD_JSON_BUILD_PAIR_CONDITION(pending, "confirmed", SD_JSON_BUILD_BOOLEAN(true)));
}

int service_commit(sd_varlink *link, sd_json_variant *parameters, sd_varlink_method_flags_t flags,
	void *userdata)
{
	_cleanup_call_ struct call c;
	struct snapshot *next = NULL;
	int r;

	(void)flags;
	if (!call_begin(&c, link, parameters, userdata, true, &r))
		return r;
	if (c.session->dirty && c.session->base != c.s->generation)
		return refuse_conflict(&c);
	if (c.confirm_minutes > SERVICE_CONFIRM_MINUTES_MAX)
		return call_invalid(&c, "confirm_minutes", NULL, "1..1440");
	if (c.comment && strlen(c.comment) >= RECORD_COMMENT_BYTES)
		return call_invalid(&c, "comment", NULL, "text of 0..1023 bytes");
	_cleanup_free_ char *diff = tree_diff(c.s->now.running->tree, c.session->candidate, true);
	if (!diff)
		return -ENOMEM;
	if (!*diff)
		return commit_nothing(&c);
	if (service_pending(c.s))
		return refuse_pending(&c, service_pending(c.s));
	if (snapshot_new(&c.s->schema, c.session->candidate, c.s->now.running, &next, &c.f) < 0)
		return call_refuse(&c, INTERFACE "Invalid");
	return commit(&c, diff, next);
}
