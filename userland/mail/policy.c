#include "mail/policy.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *action_name(enum action action)
{
	static const char *const names[] = {
		[ACTION_ACCEPT] = "accept",
		[ACTION_REJECT] = "reject",
		[ACTION_DEFER] = "defer",
	};
	return names[action];
}

__attribute__((format(printf, 4, 5))) static bool decide(
	struct decision *d, enum action action, const char *code, const char *format, ...)
{
	va_list ap;

	d->action = action;
	va_start(ap, format);
	vsnprintf(d->why, sizeof(d->why), format, ap);
	va_end(ap);
	if (action != ACTION_ACCEPT)
		snprintf(d->reply, sizeof(d->reply), "%s Sekisho: %s, %s\r\n", code,
			action == ACTION_REJECT ? "refused" : "not now", d->why);
	return true;
}

static bool decide_virus(const struct findings *f, const struct settings *s, struct decision *d)
{
	if (!s->virus_reject || strcmp(f->scan.result, "infected") != 0)
		return false;
	return decide(d, ACTION_REJECT, "550 5.7.1", "attachment contains %s",
		f->scan.signature[0] ? f->scan.signature : "a virus");
}

static bool decide_dmarc(const struct findings *f, const struct settings *s, struct decision *d)
{
	if (!s->dmarc_reject || strcmp(f->dmarc.disposition, "reject") != 0)
		return false;
	if (!f->dmarc.domain[0]) /* no From, several, or one that cannot be read */
		return decide(
			d, ACTION_REJECT, "550 5.7.1", "From does not name one sender domain");
	return decide(d, ACTION_REJECT, "550 5.7.1",
		"the sender could not be verified and DMARC of %s asks to reject", f->dmarc.domain);
}

/* A message over the scanner's limits will be over them next time too: 550, no later try helps. */
static bool decide_limit(const struct findings *f, const struct settings *s, struct decision *d)
{
	if (!s->unchecked_defer || strcmp(f->scan.result, "limit") != 0)
		return false;
	return decide(
		d, ACTION_REJECT, "550 5.7.1", "too large or too deeply packed to be scanned");
}

static const char *unchecked_reason(const struct findings *f)
{
	if (f->unchecked[0])
		return f->unchecked;
	if (strcmp(f->scan.result, "error") == 0)
		return "scan: the antivirus failed on it";
	if (strcmp(f->scan.result, "limit") == 0)
		return "scan: over the limits";
	/* Not the result: without a policy to reject, what DNS left open decides nothing. */
	if (strcmp(f->dmarc.disposition, "temperror") == 0)
		return "auth: DNS did not answer";
	return NULL;
}

static bool decide_unchecked(const struct findings *f, const struct settings *s, struct decision *d)
{
	const char *reason = unchecked_reason(f);

	if (!reason)
		return false;
	if (!s->unchecked_defer)
		return decide(d, ACTION_ACCEPT, "", "not checked (%s)", reason);
	decide(d, ACTION_DEFER, "451 4.7.1", "the message could not be checked");
	/* What is wrong inside the box is for its operator, not for the sender. */
	snprintf(d->why, sizeof(d->why), "not checked (%s)", reason);
	return true;
}

static bool decide_accept(const struct findings *f, const struct settings *s, struct decision *d)
{
	(void)s;
	return decide(d, ACTION_ACCEPT, "", "%s",
		strcmp(f->scan.result, "infected") == 0 ? "recorded only: infected" : "checked");
}

void policy_decide(const struct findings *f, const struct settings *s, struct decision *ret)
{
	static bool (*const steps[])(
		const struct findings *, const struct settings *, struct decision *) = {
		decide_virus, decide_dmarc, decide_limit, decide_unchecked, decide_accept};

	*ret = (struct decision){0};
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++)
		if (steps[i](f, s, ret))
			return;
}
