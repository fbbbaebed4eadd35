#include "mail/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/path.h"

#define CHECK(name) extern const struct mail_check check_##name;
#include "mail/checks.def"
#undef CHECK

#define CHECK(name) &check_##name,
static const struct mail_check *const checks[] = {
#include "mail/checks.def"
};
#undef CHECK

#define CHECKS (sizeof(checks) / sizeof(*checks))
_Static_assert(CHECKS <= CHECK_MAX, "CHECK_MAX is too small");

static void text_printable(const char *text, char *out, size_t cap)
{
	size_t n = 0;

	for (; text[n] && n + 1 < cap; n++)
		out[n] = text[n] >= 0x20 && text[n] < 0x7f ? text[n] : '?';
	out[n] = '\0';
}

bool check_text(sd_json_variant *object, const char *key, char *out, size_t cap)
{
	sd_json_variant *v = sd_json_variant_by_key(object, key);
	const char *text = v && sd_json_variant_is_string(v) ? sd_json_variant_string(v) : NULL;

	text_printable(text ? text : "", out, cap);
	return text != NULL;
}

static void run_failed(struct check_run *run, const char *why)
{
	struct findings *f = &run->owner->found;
	char text[sizeof(f->unchecked)];

	if (f->unchecked[0])
		return; /* the first reason is enough */
	snprintf(text, sizeof(text), "%s: %s", run->check->name, why);
	text_printable(text, f->unchecked, sizeof(f->unchecked));
}

static int on_reply(sd_varlink *link, sd_json_variant *parameters, const char *error,
	sd_varlink_reply_flags_t flags, void *userdata)
{
	struct check_run *run = userdata;
	struct checks *c = run->owner;

	(void)flags;
	if (error)
		run_failed(run, error);
	else if (run->check->read(parameters, c->message, &c->found) < 0)
		run_failed(run, "unusable answer");
	run->link = NULL;
	sd_varlink_close_unref(link);
	if (--c->pending == 0)
		c->on_done(c->userdata);
	return 0;
}

/* path_run() results live until the process ends, so each is made once. */
static const char *address_of(const struct mail_check *check)
{
	static const char *addresses[CHECKS];
	size_t i = 0;

	while (checks[i] != check)
		i++;
	if (!addresses[i])
		addresses[i] = path_run(check->socket);
	return addresses[i];
}

static int run_ask(struct check_run *run, sd_event *event, const struct check_question *q)
{
	_cleanup_(sd_varlink_close_unrefp) sd_varlink *link = NULL;
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *parameters = NULL;
	_cleanup_close_ int fd = spool_reopen(q->spool);
	int r;

	if (fd < 0)
		return fd;
	r = run->check->ask(q->envelope, q->authserv_id, &parameters);
	if (r < 0)
		return r;
	r = sd_varlink_connect_address(&link, address_of(run->check));
	if (r < 0)
		return r;
	sd_varlink_set_userdata(link, run);
	sd_varlink_set_relative_timeout(link, CHECK_TIMEOUT_S * 1000000ull);
	if ((r = sd_varlink_set_allow_fd_passing_output(link, true)) < 0 ||
		(r = sd_varlink_bind_reply(link, on_reply)) < 0 ||
		(r = sd_varlink_attach_event(link, event, SD_EVENT_PRIORITY_NORMAL)) < 0 ||
		(r = sd_varlink_push_fd(link, fd)) < 0)
		return r;
	take_fd(&fd);
	r = sd_varlink_invoke(link, run->check->method, parameters);
	if (r < 0)
		return r;
	run->link = take_ptr(link);
	return 0;
}

void checks_start(struct checks *c, sd_event *event, const struct check_question *q)
{
	c->message = spool_text(q->spool);
	c->pending = 0;
	for (size_t i = 0; i < CHECKS; i++) {
		struct check_run *run = &c->runs[i];

		*run = (struct check_run){.check = checks[i], .owner = c};
		int r = run_ask(run, event, q);
		if (r < 0)
			run_failed(run, strerror(-r));
		else
			c->pending++;
	}
}

void checks_stop(struct checks *c)
{
	for (size_t i = 0; i < CHECK_MAX; i++)
		c->runs[i].link = sd_varlink_close_unref(c->runs[i].link);
	c->pending = 0;
	free(c->found.header);
	c->found.header = NULL;
}
