#include "mail/policy.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Everything that a step looks at. */
struct judgement {
	const struct findings *f;
	const struct settings *s;
	const struct policy_rule *rule; /* that holds, or NULL */
	struct decision *d;
};

__attribute__((format(printf, 4, 5))) static bool decide(
	struct decision *d, enum action action, const char *code, const char *format, ...)
{
	va_list ap;

	d->action = action;
	va_start(ap, format);
	vsnprintf(d->why, sizeof(d->why), format, ap);
	va_end(ap);
	if (action == ACTION_REJECT || action == ACTION_DEFER)
		snprintf(d->reply, sizeof(d->reply), "%s Sekisho: %s, %s\r\n", code,
			action == ACTION_REJECT ? "refused" : "not now", d->why);
	return true;
}

static bool rule_is(const struct judgement *j, enum action action)
{
	return j->rule && j->rule->action == action;
}

static bool rule_lets_pass(const struct judgement *j)
{
	return rule_is(j, ACTION_ACCEPT) || rule_is(j, ACTION_TAG);
}

static bool rule_decides(const struct judgement *j)
{
	const char *text =
		j->rule->reply[0] ? j->rule->reply : "the mail policy here does not allow it";
	struct decision *d = j->d;

	decide(d, j->rule->action, j->rule->action == ACTION_DEFER ? "451 4.7.1" : "550 5.7.1",
		"%s", text);
	snprintf(d->why, sizeof(d->why), "rule %s", j->rule->name);
	return true;
}

static bool decide_turned_away(const struct judgement *j)
{
	return (rule_is(j, ACTION_REJECT) || rule_is(j, ACTION_DEFER)) && rule_decides(j);
}

static const char *unchecked_reason(const struct judgement *j)
{
	const struct findings *f = j->f;

	if (f->unchecked[0])
		return f->unchecked;
	if (strcmp(f->scan.result, "error") == 0)
		return "scan: the antivirus failed on it";
	if (strcmp(f->scan.result, "limit") == 0 && !rule_is(j, ACTION_QUARANTINE))
		return "scan: over the limits";
	if (strcmp(f->scan.result, "ambiguous") == 0 && !rule_is(j, ACTION_QUARANTINE))
		return "scan: readers read it differently";
	/* Not the result: without a policy to reject, what DNS left open decides nothing. */
	if (strcmp(f->dmarc.disposition, "temperror") == 0 && !rule_lets_pass(j))
		return "auth: DNS did not answer";
	return NULL;
}

static bool decide_unchecked(const struct judgement *j)
{
	const char *reason = unchecked_reason(j);

	if (!reason || !j->s->unchecked_defer)
		return false;
	decide(j->d, ACTION_DEFER, "451 4.7.1", "the message could not be checked");
	/* What is wrong inside the box is for its operator, not for the sender. */
	snprintf(j->d->why, sizeof(j->d->why), "not checked (%s)", reason);
	return true;
}

static bool decide_kept(const struct judgement *j)
{
	return rule_is(j, ACTION_QUARANTINE) && !decide_unchecked(j) && rule_decides(j);
}

/* No result could protect the reader of such a message, whatever the settings say. */
static bool decide_refusal(const struct judgement *j)
{
	if (!j->f->refusal[0])
		return false;
	return decide(j->d, ACTION_REJECT, "550 5.7.1", "%s", j->f->refusal);
}

static bool decide_virus(const struct judgement *j)
{
	if (!j->s->virus_reject || strcmp(j->f->scan.result, "infected") != 0)
		return false;
	return decide(j->d, ACTION_REJECT, "550 5.7.1", "attachment contains %s",
		j->f->scan.signature[0] ? j->f->scan.signature : "a virus");
}

static bool decide_dmarc_reject(const struct judgement *j)
{
	const char *domain = j->f->dmarc.domain;

	if (!j->s->dmarc_reject || rule_lets_pass(j) ||
		strcmp(j->f->dmarc.disposition, "reject") != 0)
		return false;
	if (!domain[0]) /* no From, several, or one that cannot be read */
		return decide(
			j->d, ACTION_REJECT, "550 5.7.1", "From does not name one sender domain");
	return decide(j->d, ACTION_REJECT, "550 5.7.1",
		"the sender could not be verified and DMARC of %s asks to reject", domain);
}

/* A message over the scanner's limits, or one that readers read differently, will be so next time
 * too: 550, no later try helps. Time and memory may be there later. */
static bool decide_limit(const struct judgement *j)
{
	const struct findings *f = j->f;

	if (!j->s->unchecked_defer)
		return false;
	if (strcmp(f->scan.result, "ambiguous") == 0)
		return decide(j->d, ACTION_REJECT, "550 5.6.0",
			"its parts cannot be told apart: %s", f->scan.reason);
	if (strcmp(f->scan.result, "limit") != 0 || strcmp(f->scan.limit, "time") == 0 ||
		strcmp(f->scan.limit, "memory") == 0)
		return false;
	return decide(
		j->d, ACTION_REJECT, "550 5.7.1", "too large or too deeply packed to be scanned");
}

static bool decide_let_pass(const struct judgement *j)
{
	return rule_lets_pass(j) && rule_decides(j);
}

static bool decide_dmarc_quarantine(const struct judgement *j)
{
	if (!j->s->dmarc_quarantine || strcmp(j->f->dmarc.disposition, "quarantine") != 0)
		return false;
	return decide(j->d, ACTION_QUARANTINE, "",
		"the sender could not be verified and DMARC of %s asks to quarantine",
		j->f->dmarc.domain);
}

static bool decide_accept(const struct judgement *j)
{
	const char *reason = unchecked_reason(j);

	if (reason)
		return decide(j->d, ACTION_ACCEPT, "", "not checked (%s)", reason);
	return decide(j->d, ACTION_ACCEPT, "", "%s",
		strcmp(j->f->scan.result, "infected") == 0 ? "recorded only: infected" : "checked");
}

static void judge(const struct judgement *j)
{
	static bool (*const steps[])(const struct judgement *) = {decide_turned_away, decide_kept,
		decide_refusal, decide_virus, decide_dmarc_reject, decide_limit, decide_unchecked,
		decide_let_pass, decide_dmarc_quarantine, decide_accept};

	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++)
		if (steps[i](j))
			return;
}

static void would_note(struct decision *d, enum action action, const char *why, const char *rule)
{
	if (d->would.why[0])
		return; /* the first is what would have decided */
	d->would.action = action;
	snprintf(d->would.why, sizeof(d->would.why), "%s", why);
	snprintf(d->would.rule_name, sizeof(d->would.rule_name), "%s", rule);
}

/* The first rule that holds; those in a dry run are noted and passed by. */
static const struct policy_rule *rule_find(
	const struct policy *policy, struct policy_subject *subject, struct decision *d)
{
	for (unsigned i = 0; i < policy->rule_count; i++) {
		const struct policy_rule *rule = &policy->rules[i];

		if (!policy_rule_holds(policy, rule, subject))
			continue;
		if (!rule->dry_run)
			return rule;
		would_note(d, rule->action, "rule in a dry run", rule->name);
	}
	return NULL;
}

void policy_decide(struct policy_subject *subject, const struct settings *s, struct decision *ret)
{
	*ret = (struct decision){0};
	struct judgement j = {subject->findings, s, rule_find(&s->policy, subject, ret), ret};

	judge(&j);
	/* A rule that lets pass does not decide about a virus. */
	if (j.rule && ret->action == j.rule->action) {
		ret->rule = j.rule;
		snprintf(ret->rule_name, sizeof(ret->rule_name), "%s", j.rule->name);
	}
	if (!s->policy.dry_run || ret->action == ACTION_ACCEPT)
		return;
	would_note(ret, ret->action, ret->why, ret->rule_name);
	ret->rule = NULL;
	ret->rule_name[0] = ret->reply[0] = '\0';
	decide(ret, ACTION_ACCEPT, "", "dry run");
}
