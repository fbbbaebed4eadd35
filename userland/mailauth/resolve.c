#include "mailauth/resolve.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unbound.h>

#include "lib/cleanup.h"

#define CLASS_IN 1
#define RCODE_NXDOMAIN 3

struct resolver {
	struct ub_ctx *ub;
	sd_event_source *io;
	unsigned refs;
	struct resolve_counters *counters;
};

struct query {
	struct resolve_batch *batch;
	struct dns_answer *answer;
	int id;
	bool is_running;
};

struct resolve_batch {
	struct resolver *resolver;
	void (*done)(void *ctx);
	void *ctx;
	unsigned running;
	unsigned count;
	struct query queries[DNS_QUESTIONS_MAX];
};

static const struct {
	const char *name;
	const char *value;
} options[] = {
	{"msg-cache-size:", "2m"}, /* together RESOLVE_CACHE_BYTES */
	{"rrset-cache-size:", "6m"},
	{"cache-max-negative-ttl:", "60"},
	{"do-not-query-localhost:", "no"}, /* the name server may be on the box */
	{"unblock-lan-zones:", "yes"},     /* clients of a small network have such addresses */
	{"insecure-lan-zones:", "yes"},
};

/* Names that libunbound answers itself; we are a stub, the administrator's name servers know
 * better. */
static const char *const built_in_zones[] = {"test.", "invalid."};

static int on_readable(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
	struct resolver *r = userdata;

	(void)s;
	(void)fd;
	(void)revents;
	resolver_ref(r); /* a callback may drop the last one */
	ub_process(r->ub);
	resolver_unref(r);
	return 0;
}

static int configure(struct ub_ctx *ub)
{
	const char *file = getenv("SEKISHO_RESOLV_CONF");

	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
		if (ub_ctx_set_option(ub, options[i].name, options[i].value) != 0)
			return -EINVAL;
	if (ub_ctx_resolvconf(ub, file ? file : "/etc/resolv.conf") != 0)
		return errno ? -errno : -ENOENT;
	/* a thread, not a child process, does the waiting: the sandbox needs no fork */
	if (ub_ctx_async(ub, 1) != 0)
		return -EINVAL;
	/* last: this is where the library finishes its configuration */
	for (size_t i = 0; i < sizeof(built_in_zones) / sizeof(*built_in_zones); i++)
		ub_ctx_zone_remove(ub, built_in_zones[i]);
	return 0;
}

int resolver_new(sd_event *event, struct resolve_counters *counters, struct resolver **ret)
{
	struct resolver *r = calloc(1, sizeof(*r));
	int error;

	if (!r)
		return -ENOMEM;
	r->refs = 1;
	r->counters = counters;
	r->ub = ub_ctx_create();
	error = r->ub ? configure(r->ub) : -ENOMEM;
	if (error >= 0)
		error = sd_event_add_io(event, &r->io, ub_fd(r->ub), EPOLLIN, on_readable, r);
	if (error < 0) {
		resolver_unref(r);
		return error;
	}
	*ret = r;
	return 0;
}

struct resolver *resolver_ref(struct resolver *r)
{
	r->refs++;
	return r;
}

void resolver_unref(struct resolver *r)
{
	if (!r || --r->refs > 0)
		return;
	sd_event_source_disable_unref(r->io);
	if (r->ub)
		ub_ctx_delete(r->ub);
	free(r);
}

/* A name in wire form, uncompressed, as text. False when a label is not plain text. */
static bool read_name(struct cursor *c, char ret[DNS_NAME_BYTES])
{
	size_t n = 0;
	uint8_t length;

	ret[0] = 0;
	while ((length = cursor_u8(c)) != 0) {
		struct span label = cursor_take(c, length);
		if (!cursor_ok(c) || length > 63 || n + length + 2 > DNS_NAME_BYTES)
			return false;
		if (n)
			ret[n++] = '.';
		for (size_t i = 0; i < label.n; i++) {
			if (label.p[i] <= ' ' || label.p[i] > '~' || label.p[i] == '.')
				return false;
			ret[n++] = (char)label.p[i];
		}
		ret[n] = 0;
	}
	return cursor_ok(c);
}

static void add_text(struct dns_answer *a, struct span rdata)
{
	struct cursor c = cursor_of(rdata);
	_cleanup_free_ uint8_t *joined = malloc(rdata.n + 1);
	size_t n = 0;

	while (joined && cursor_left(&c)) {
		struct span part = cursor_take(&c, cursor_u8(&c));
		if (!cursor_ok(&c))
			return;
		memcpy(joined + n, part.p, part.n);
		n += part.n;
	}
	if (joined)
		dns_answer_add(a, span_of(joined, n));
}

static void add_record(struct dns_answer *a, struct span rdata)
{
	struct cursor c = cursor_of(rdata);
	char name[DNS_NAME_BYTES];

	switch (a->type) {
	case DNS_A:
	case DNS_AAAA:
		if (rdata.n == (a->type == DNS_A ? 4 : 16))
			dns_answer_add(a, rdata);
		return;
	case DNS_MX:
		cursor_skip(&c, 2); /* preference */
		break;
	case DNS_PTR:
		break;
	case DNS_TXT:
		add_text(a, rdata);
		return;
	}
	if (read_name(&c, name))
		dns_answer_add(a, span_str(name));
}

static void take_result(struct dns_answer *a, int error, const struct ub_result *u)
{
	if (error || u->bogus || (u->rcode != 0 && u->rcode != RCODE_NXDOMAIN)) {
		dns_answer_end(a, DNS_TEMPFAIL);
		return;
	}
	for (int i = 0; u->havedata && u->data[i]; i++)
		add_record(a, span_of(u->data[i], (size_t)u->len[i]));
	dns_answer_end(a, u->nxdomain ? DNS_NXDOMAIN : DNS_NODATA);
}

static void on_answer(void *userdata, int error, struct ub_result *result)
{
	struct query *q = userdata;
	struct resolve_batch *b = q->batch;

	q->is_running = false;
	b->running--;
	take_result(q->answer, error, result);
	b->resolver->counters->tempfails += q->answer->status == DNS_TEMPFAIL;
	ub_resolve_free(result);
	if (b->running == 0)
		b->done(b->ctx);
}

static void ask(struct resolve_batch *b, struct dns_answer *a)
{
	struct query *q = &b->queries[b->count++];

	*q = (struct query){.batch = b, .answer = a};
	b->resolver->counters->queries++;
	if (ub_resolve_async(
		    b->resolver->ub, a->name, (int)a->type, CLASS_IN, q, on_answer, &q->id) != 0) {
		dns_answer_end(a, DNS_TEMPFAIL);
		return;
	}
	q->is_running = true;
	b->running++;
}

int resolve_start(struct resolver *r, struct dns_table *t, void (*done)(void *ctx), void *ctx,
	struct resolve_batch **ret)
{
	struct resolve_batch *b = calloc(1, sizeof(*b));
	struct dns_answer *a;

	if (!b)
		return -ENOMEM;
	b->resolver = resolver_ref(r);
	b->done = done;
	b->ctx = ctx;
	for (unsigned i = 0; (a = dns_question(t, i)); i++)
		if (a->status == DNS_OPEN)
			ask(b, a);
	*ret = b;
	return b->running > 0;
}

void resolve_cancel(struct resolve_batch *b)
{
	if (!b)
		return;
	for (unsigned i = 0; i < b->count; i++)
		if (b->queries[i].is_running)
			ub_cancel(b->resolver->ub, b->queries[i].id);
	resolver_unref(b->resolver);
	free(b);
}
