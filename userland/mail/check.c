#include "mail/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/path.h"
#include "lib/wire.h"
#include "mail/poller.h"

#define CHECK(name) &check_##name,
static const struct mail_check *const checks[] = {
#include "mail/checks.def"
};
#undef CHECK

#define CHECKS (sizeof(checks) / sizeof(*checks))
_Static_assert(CHECKS <= CHECK_MAX, "CHECK_MAX is too small");

struct check_link {
	struct wire wire;
	struct poller_source source;
	size_t check;          /* its index */
	struct check_run *run; /* NULL: idle */
	struct check_link *next;
};

/* Connections without a call, for the next message. */
static struct {
	struct check_link *first;
	unsigned count;
} idle[CHECKS];

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
static const char *address_of(size_t check)
{
	static const char *addresses[CHECKS];

	if (!addresses[check])
		addresses[check] = path_run(checks[check]->socket);
	return addresses[check];
}

static void link_free(struct check_link *l)
{
	poller_remove(&l->source);
	wire_close(&l->wire);
	free(l);
}

static void on_link(void *userdata, uint32_t events);

static int link_new(size_t check, struct check_link **ret)
{
	struct check_link *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	*l = (struct check_link){.check = check,
		.source = {.fd = -1, .events = EPOLLIN, .on_io = on_link, .userdata = l}};
	r = wire_open(&l->wire, address_of(check));
	if (r < 0) {
		free(l);
		return r;
	}
	l->source.fd = l->wire.fd;
	r = poller_add(&l->source);
	if (r < 0) {
		l->source.fd = -1;
		link_free(l);
		return r;
	}
	*ret = l;
	return 0;
}

/* One that is kept, or a new one. */
static int link_get(struct check_run *run, struct check_link **ret)
{
	size_t check = index_of(run->check);
	struct check_link *l = idle[check].first;

	run->kept = l != NULL;
	if (!l)
		return link_new(check, ret);
	idle[check].first = l->next;
	idle[check].count--;
	*ret = l;
	return 0;
}

static void link_keep(struct check_link *l)
{
	l->run = NULL;
	if (!checks[l->check]->keeps || idle[l->check].count == CHECK_IDLE_MAX) {
		link_free(l);
		return;
	}
	l->next = idle[l->check].first;
	idle[l->check].first = l;
	idle[l->check].count++;
}

static void links_forget(size_t check)
{
	struct check_link *l;

	while ((l = idle[check].first)) {
		idle[check].first = l->next;
		link_free(l);
	}
	idle[check].count = 0;
}

/* The other side has closed a connection that waited for the next message, or speaks unasked. */
static void idle_drop(struct check_link *l)
{
	struct check_link **at = &idle[l->check].first;

	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	idle[l->check].count--;
	link_free(l);
}

static struct span question_write(const struct check_run *run)
{
	static char text[CHECK_QUESTION_BYTES]; /* one at a time is written */
	const struct check_question *q = &run->owner->question;
	struct jsonw w;

	jsonw_init(&w, text, sizeof(text));
	jsonw_object(&w, NULL);
	jsonw_str(&w, "method", run->check->method);
	jsonw_object(&w, "parameters");
	run->check->ask(&w, q->envelope, q->authserv_id);
	jsonw_end(&w);
	jsonw_end(&w);
	return jsonw_done(&w);
}

static int run_ask_once(struct check_run *run)
{
	const struct spool *spool = run->owner->question.spool;
	struct span text = question_write(run);
	_cleanup_close_ int file = -1;
	struct check_link *l;
	int r = text.n ? link_get(run, &l) : -EMSGSIZE;

	if (r < 0)
		return r;
	/* A memfd is sealed: it can be passed as it is. */
	if (spool->on_disk)
		file = spool_reopen(spool);
	r = spool->on_disk && file < 0
		    ? file
		    : wire_send(&l->wire, text, spool->on_disk ? file : spool->fd);
	if (r < 0) {
		link_free(l);
		return r;
	}
	l->run = run;
	run->link = l;
	return 0;
}

/* What was kept and has gone says nothing about the check: once more, over a new connection. The
 * others that are kept are as old. */
static int run_ask(struct check_run *run)
{
	int r = run_ask_once(run);

	if (r < 0 && run->kept) {
		links_forget(index_of(run->check));
		r = run_ask_once(run);
	}
	return r;
}

/* The answer as an object, or why there is none. */
static int answer_read(struct check_run *run, const char *text)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *reply = NULL;
	char error[128];

	if (sd_json_parse(text, 0, &reply, NULL, NULL) < 0) {
		run_failed(run, "unusable answer");
		return -EBADMSG;
	}
	if (check_text(reply, "error", error, sizeof(error))) {
		run_failed(run, error);
		return -EIO;
	}
	if (run->check->read(sd_json_variant_by_key(reply, "parameters"), run->owner->message,
		    &run->owner->found) < 0)
		run_failed(run, "unusable answer");
	return 0;
}

static void run_done(struct check_run *run)
{
	struct checks *c = run->owner;

	run->link = NULL;
	if (--c->pending == 0)
		c->on_done(c->userdata);
}

static void on_link(void *userdata, uint32_t events)
{
	struct check_link *l = userdata;
	struct check_run *run = l->run;
	char *text;

	(void)events;
	if (!run) {
		idle_drop(l);
		return;
	}
	int r = wire_receive(&l->wire, &text);
	if (r == 0)
		return;
	if (r < 0) {
		bool again = run->kept && r == -ECONNRESET;

		link_free(l);
		run->link = NULL;
		if (again) {
			links_forget(index_of(run->check));
			if (run_ask_once(run) >= 0)
				return;
		}
		run_failed(run, r == -ECONNRESET ? "the connection was closed" : strerror(-r));
	} else if (answer_read(run, text) < 0) {
		link_free(l);
	} else {
		link_keep(l);
	}
	run_done(run);
}

void checks_start(struct checks *c, const struct check_question *q)
{
	c->message = spool_text(q->spool);
	c->question = *q;
	c->pending = 0;
	for (size_t i = 0; i < CHECKS; i++) {
		struct check_run *run = &c->runs[i];

		*run = (struct check_run){.check = checks[i], .owner = c};
		if (q->no_scan && checks[i] == &check_scan)
			continue;
		int r = run_ask(run);
		if (r < 0)
			run_failed(run, strerror(-r));
		else
			c->pending++;
	}
}

static void run_stop(struct check_run *run)
{
	if (run->link)
		link_free(run->link);
	run->link = NULL;
}

void checks_give_up(struct checks *c)
{
	for (size_t i = 0; i < CHECK_MAX; i++) {
		if (c->runs[i].link)
			run_failed(&c->runs[i], "no answer in time");
		run_stop(&c->runs[i]);
	}
	c->pending = 0;
}

void checks_forget(void)
{
	for (size_t i = 0; i < CHECKS; i++)
		links_forget(i);
}

void checks_stop(struct checks *c)
{
	for (size_t i = 0; i < CHECK_MAX; i++)
		run_stop(&c->runs[i]);
	c->pending = 0;
	free(c->found.header);
	c->found.header = NULL;
}
