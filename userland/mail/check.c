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

static size_t index_of(const struct mail_check *check)
{
	size_t i = 0;

	while (checks[i] != check)
		i++;
	return i;
}

/* path_run() results live until the process ends, so each is made once. */
static const char *address_of(const struct mail_check *check)
{
	static const char *addresses[CHECKS];
	size_t i = index_of(check);

	if (!addresses[i])
		addresses[i] = path_run(check->socket);
	return addresses[i];
}

/* Connections without a call, for the next message. */
static struct idle {
	sd_varlink *links[CHECK_IDLE_MAX];
	unsigned count;
} idle[CHECKS];

static void link_keep(const struct mail_check *check, sd_varlink *link)
{
	struct idle *i = &idle[index_of(check)];

	if (!check->keeps || i->count == CHECK_IDLE_MAX)
		sd_varlink_close_unref(link);
	else
		i->links[i->count++] = link;
}

static int on_reply(sd_varlink *link, sd_json_variant *parameters, const char *error,
	sd_varlink_reply_flags_t flags, void *userdata);

static int link_new(const struct mail_check *check, sd_event *event, sd_varlink **ret)
{
	_cleanup_(sd_varlink_close_unrefp) sd_varlink *link = NULL;
	int r = sd_varlink_connect_address(&link, address_of(check));

	if (r < 0)
		return r;
	sd_varlink_set_relative_timeout(link, CHECK_TIMEOUT_S * 1000000ull);
	if ((r = sd_varlink_set_allow_fd_passing_output(link, true)) < 0 ||
		(r = sd_varlink_bind_reply(link, on_reply)) < 0 ||
		(r = sd_varlink_attach_event(link, event, SD_EVENT_PRIORITY_NORMAL)) < 0)
		return r;
	*ret = take_ptr(link);
	return 0;
}

/* One that is kept, or a new one. */
static int link_get(struct check_run *run, sd_varlink **ret)
{
	struct idle *i = &idle[index_of(run->check)];

	run->kept = i->count > 0;
	if (!run->kept)
		return link_new(run->check, run->owner->event, ret);
	*ret = i->links[--i->count];
	return 0;
}

static int run_ask_once(struct check_run *run)
{
	const struct check_question *q = &run->owner->question;
	_cleanup_(sd_varlink_close_unrefp) sd_varlink *link = NULL;
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *parameters = NULL;
	_cleanup_close_ int fd = spool_reopen(q->spool);

	if (fd < 0)
		return fd;
	int r = run->check->ask(q->envelope, q->authserv_id, &parameters);
	if (r >= 0)
		r = link_get(run, &link);
	if (r < 0)
		return r;
	sd_varlink_set_userdata(link, run);
	r = sd_varlink_push_fd(link, fd);
	if (r < 0)
		return r;
	take_fd(&fd);
	r = sd_varlink_invoke(link, run->check->method, parameters);
	if (r >= 0)
		run->link = take_ptr(link);
	return r;
}

static void links_forget(struct idle *i)
{
	while (i->count)
		sd_varlink_close_unref(i->links[--i->count]);
}

/* What was kept and has gone says nothing about the check: once more, over a new connection. The
 * others that are kept are as old. */
static int run_ask(struct check_run *run)
{
	int r = run_ask_once(run);

	if (r < 0 && run->kept) {
		links_forget(&idle[index_of(run->check)]);
		r = run_ask_once(run);
	}
	return r;
}

static bool run_again(struct check_run *run, const char *error)
{
	if (!run->kept || strcmp(error, SD_VARLINK_ERROR_DISCONNECTED) != 0)
		return false;
	links_forget(&idle[index_of(run->check)]);
	return run_ask_once(run) >= 0;
}

static int on_reply(sd_varlink *link, sd_json_variant *parameters, const char *error,
	sd_varlink_reply_flags_t flags, void *userdata)
{
	struct check_run *run = userdata;

	(void)flags;
	if (!run) /* a kept connection, closed by the other side */
		return 0;
	struct checks *c = run->owner;
	run->link = NULL;
	sd_varlink_set_userdata(link, NULL);
	if (error && run_again(run, error)) {
		sd_varlink_close_unref(link);
		return 0;
	}
	if (error)
		run_failed(run, error);
	else if (run->check->read(parameters, c->message, &c->found) < 0)
		run_failed(run, "unusable answer");
	if (error)
		sd_varlink_close_unref(link);
	else
		link_keep(run->check, link);
	if (--c->pending == 0)
		c->on_done(c->userdata);
	return 0;
}

void checks_start(struct checks *c, sd_event *event, const struct check_question *q)
{
	c->message = spool_text(q->spool);
	c->event = event;
	c->question = *q;
	c->pending = 0;
	for (size_t i = 0; i < CHECKS; i++) {
		struct check_run *run = &c->runs[i];

		*run = (struct check_run){.check = checks[i], .owner = c};
		int r = run_ask(run);
		if (r < 0)
			run_failed(run, strerror(-r));
		else
			c->pending++;
	}
}

void checks_forget(void)
{
	for (size_t i = 0; i < CHECKS; i++)
		links_forget(&idle[i]);
}

void checks_stop(struct checks *c)
{
	for (size_t i = 0; i < CHECK_MAX; i++)
		c->runs[i].link = sd_varlink_close_unref(c->runs[i].link);
	c->pending = 0;
	free(c->found.header);
	c->found.header = NULL;
}
