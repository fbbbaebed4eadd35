#include "mailauth/resolve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unbound.h>

#include "lib/cleanup.h"
#include "mailauth/rdata.h"

#define CLASS_IN 1
#define RCODE_NXDOMAIN 3
#define SERVERS_MAX 3 /* MAXNS of resolv.conf(5) */

/* One question on its way, and everyone who waits for it. */
struct flight {
	struct resolver *resolver;
	struct flight *next, **previous;
	struct query *waiters;
	struct dns_answer answer;
	int id;
};

struct resolver {
	struct ub_ctx *ub;
	sd_event_source *io;
	unsigned refs;
	unsigned servers;
	bool has_anchor;
	struct resolve_counters *counters;
	struct cache *cache;
	struct flight *flights;
};

struct query {
	struct resolve_batch *batch;
	struct dns_answer *answer;
	struct flight *flight; /* NULL: answered */
	struct query *next;    /* who waits for the same */
};

struct resolve_batch {
	struct resolver *resolver;
	void (*done)(void *ctx);
	void *ctx;
	unsigned running;
	unsigned count;
	struct query queries[];
};

static const struct {
	const char *name;
	const char *value;
} options[] = {
	{"msg-cache-size:", "1m"}, /* together RESOLVE_CACHE_BYTES */
	{"rrset-cache-size:", "2m"}, {"key-cache-size:", "512k"}, {"neg-cache-size:", "512k"},
	{"cache-max-negative-ttl:", "60"},
	{"do-not-query-localhost:", "no"}, /* the name server may be on the box */
	{"unblock-lan-zones:", "yes"},     /* clients of a small network have such addresses */
	{"insecure-lan-zones:", "yes"},
	/* the library's own 16 sockets would be taken by a few silent name servers */
	{"outgoing-range:", "2048"}, {"num-queries-per-thread:", "1024"},
	{"outgoing-num-tcp:", "16"},
	/* a name server that says nothing about one sender's names is still asked about all others
	 */
	{"infra-keep-probing:", "yes"},
	/* validate where it is offered: name servers that know nothing of DNSSEC are common */
	{"harden-dnssec-stripped:", "no"},
	{"trust-anchor-signaling:", "no"}, /* it would tell whoever is asked that we are here */
};

/* Names that libunbound answers itself; we are a stub, the administrator's name servers know
 * better. */
static const char *const built_in_zones[] = {"test.", "invalid."};

static const char *file_of(const char *variable, const char *otherwise)
{
	const char *file = getenv(variable);

	return file ? file : otherwise;
}

static int64_t now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return t.tv_sec;
}

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

/* The library's own reader takes 127.0.0.1 when the file names nobody; we ask the root then. */
static int read_servers(struct resolver *r)
{
	_cleanup_fclose_ FILE *f = fopen(file_of("SEKISHO_RESOLV_CONF", "/etc/resolv.conf"), "re");
	char line[256], address[64];
	bool is_bad = false; /* one that libunbound cannot use, with a zone index for example */

	if (!f)
		return -errno;
	while (r->servers < SERVERS_MAX && fgets(line, sizeof(line), f)) {
		if (sscanf(line, " nameserver %63s", address) != 1)
			continue;
		bool taken = ub_ctx_set_fwd(r->ub, address) == 0;
		r->servers += taken;
		is_bad |= !taken;
	}
	return is_bad && !r->servers ? -EINVAL : 0;
}

static int configure(struct resolver *r, const struct resolver_settings *settings)
{
	const char *hints = getenv("SEKISHO_ROOT_HINTS");
	const char *anchor = file_of("SEKISHO_TRUST_ANCHOR", "/usr/share/dns/root.key");
	int error;

	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
		if (ub_ctx_set_option(r->ub, options[i].name, options[i].value) != 0)
			return -EINVAL;
	error = read_servers(r);
	if (error < 0)
		return error;
	if (hints && ub_ctx_set_option(r->ub, "root-hints:", hints) != 0)
		return -EINVAL;
	r->has_anchor = settings->dnssec && access(anchor, R_OK) == 0 &&
			ub_ctx_add_ta_file(r->ub, anchor) == 0;
	/* a thread, not a child process, does the waiting: the sandbox needs no fork */
	if (ub_ctx_async(r->ub, 1) != 0)
		return -EINVAL;
	/* last: this is where the library finishes its configuration */
	for (size_t i = 0; i < sizeof(built_in_zones) / sizeof(*built_in_zones); i++)
		ub_ctx_zone_remove(r->ub, built_in_zones[i]);
	return 0;
}

int resolver_new(sd_event *event, const struct resolver_settings *settings,
	struct resolve_counters *counters, struct resolver **ret)
{
	struct resolver *r = calloc(1, sizeof(*r));
	int error;

	if (!r)
		return -ENOMEM;
	r->refs = 1;
	r->counters = counters;
	r->cache = cache_new();
	r->ub = ub_ctx_create();
	error = r->ub && r->cache ? configure(r, settings) : -ENOMEM;
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

/* No flight is left then: each has a waiter, whose batch holds a reference. */
void resolver_unref(struct resolver *r)
{
	if (!r || --r->refs > 0)
		return;
	sd_event_source_disable_unref(r->io);
	if (r->ub)
		ub_ctx_delete(r->ub);
	cache_free(r->cache);
	free(r);
}

bool resolver_has_anchor(const struct resolver *r)
{
	return r->has_anchor;
}

unsigned resolver_servers(const struct resolver *r)
{
	return r->servers;
}

static void flight_free(struct flight *f)
{
	if (f->next)
		f->next->previous = f->previous;
	*f->previous = f->next;
	dns_answer_clear(&f->answer);
	free(f);
}

static void take_result(struct flight *f, int error, const struct ub_result *u)
{
	struct resolve_counters *n = f->resolver->counters;
	struct dns_answer *a = &f->answer;
	bool is_ok = !error && !u->bogus && (u->rcode == 0 || u->rcode == RCODE_NXDOMAIN);

	for (int i = 0; is_ok && u->havedata && u->data[i]; i++)
		rdata_add(a, span_of(u->data[i], (size_t)u->len[i]));
	dns_answer_end(a, !is_ok ? DNS_TEMPFAIL : u->nxdomain ? DNS_NXDOMAIN : DNS_NODATA);
	n->tempfails += a->status == DNS_TEMPFAIL;
	n->bogus += !error && u->bogus;
	n->secure += is_ok && u->secure;
	cache_put(f->resolver->cache, a, error ? 0 : u->ttl, now_s());
}

static void on_answer(void *userdata, int error, struct ub_result *result)
{
	struct flight *f = userdata;
	struct resolver *r = resolver_ref(f->resolver);
	struct query *q;

	take_result(f, error, result);
	ub_resolve_free(result);
	while ((q = f->waiters)) {
		struct resolve_batch *b = q->batch;
		f->waiters = q->next;
		dns_answer_copy(q->answer, &f->answer);
		q->flight = NULL;
		if (--b->running == 0)
			b->done(b->ctx); /* must not end the batch: another waiter may be its own */
	}
	flight_free(f);
	resolver_unref(r);
}

static struct flight *flight_find(struct resolver *r, const struct dns_answer *a)
{
	for (struct flight *f = r->flights; f; f = f->next)
		if (f->answer.type == a->type && strcmp(f->answer.name, a->name) == 0)
			return f;
	return NULL;
}

/* NULL: nobody can be asked. */
static struct flight *flight_new(struct resolver *r, const struct dns_answer *a)
{
	struct flight *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	*f = (struct flight){.resolver = r, .next = r->flights, .previous = &r->flights};
	memcpy(f->answer.name, a->name, sizeof(a->name));
	f->answer.type = a->type;
	if (f->next)
		f->next->previous = &f->next;
	r->flights = f;
	r->counters->queries++;
	if (ub_resolve_async(r->ub, f->answer.name, (int)a->type, CLASS_IN, f, on_answer, &f->id) ==
		0)
		return f;
	flight_free(f);
	return NULL;
}

static void ask(struct resolve_batch *b, struct dns_answer *a)
{
	struct resolver *r = b->resolver;
	struct query *q = &b->queries[b->count];
	struct flight *f;

	if (cache_get(r->cache, a, now_s())) {
		r->counters->cached++;
		return;
	}
	f = flight_find(r, a);
	r->counters->shared += f != NULL;
	if (!f)
		f = flight_new(r, a);
	if (!f) {
		dns_answer_end(a, DNS_TEMPFAIL);
		return;
	}
	*q = (struct query){.batch = b, .answer = a, .flight = f, .next = f->waiters};
	f->waiters = q;
	b->count++;
	b->running++;
}

int resolve_start(struct resolver *r, struct dns_table *t, void (*done)(void *ctx), void *ctx,
	struct resolve_batch **ret)
{
	struct resolve_batch *b;
	struct dns_answer *a;
	unsigned open = 0;

	for (unsigned i = 0; (a = dns_question(t, i)); i++)
		open += a->status == DNS_OPEN;
	b = calloc(1, sizeof(*b) + open * sizeof(b->queries[0]));
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

/* A question that nobody waits for any more is given up. */
static void leave(struct query *q)
{
	struct flight *f = q->flight;
	struct query **at = &f->waiters;

	while (*at != q)
		at = &(*at)->next;
	*at = q->next;
	if (f->waiters)
		return;
	ub_cancel(f->resolver->ub, f->id);
	flight_free(f);
}

void resolve_cancel(struct resolve_batch *b)
{
	if (!b)
		return;
	for (unsigned i = 0; i < b->count; i++)
		if (b->queries[i].flight)
			leave(&b->queries[i]);
	resolver_unref(b->resolver);
	free(b);
}
