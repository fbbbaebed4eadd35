/*
 * mailauthd: answers maild whether a mail is authentic.
 *
 *	interface io.sekisho.MailAuth
 *	method Evaluate(ip: string, helo: string, mail_from: string, authserv_id: string) -> (
 *		spf: (result: string, domain: string, identity: string, explanation: ?string),
 *		dkim: [](result: string, domain: string, selector: string, key_bits: ?int,
 *			test: ?bool, reason: ?string),
 *		dmarc: (result: string, policy: string, domain: string, disposition: string,
 *			test: ?bool, voucher: ?string, reason: ?string),
 *		arc: (result: string, instances: int, sealer: string, reason: ?string),
 *		from: (domain: string, address: string, display_name: string),
 *		refusal: ?string, authentication_results: string, remove: [][]int)
 *	error Refused (why: string)
 *	error Busy ()
 *
 * The call carries one descriptor: a memfd with the message in canonical form, sealed against
 * writing and shrinking. disposition is none, quarantine, reject or temperror; voucher is the
 * trusted ARC sealer for whose word it became none; refusal says why no result could protect the
 * reader. remove holds [offset, length] of fields to leave out. Calls are answered as they finish;
 * many are in flight at once (job.h).
 *
 * Limits: with JOBS_MAX evaluations in flight the one that has waited longest for DNS ends with
 * what it has (temperror where that matters), so senders whose name servers are silent do not
 * keep others out; with JOBS_FULL calls are Busy: maild defers the mail. Both are counted.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/config.h"
#include "lib/control.h"
#include "lib/log.h"
#include "mailauth/job.h"
#include "mailauth/settings.h"

#define JOBS_MAX 512
#define JOBS_FULL (2 * JOBS_MAX)
#define CONNECTIONS_MAX (2 * JOBS_FULL)
#define FILES_MAX 8192
#define HELO_BYTES_MAX 1024
#define ERROR_REFUSED "io.sekisho.MailAuth.Refused"
#define ERROR_BUSY "io.sekisho.MailAuth.Busy"

struct service {
	sd_event *event;
	struct resolver *resolver; /* NULL until resolv.conf can be read */
	struct resolve_counters dns;
	struct judge judge;
	struct settings settings;
	struct call *newest, *oldest;
	unsigned in_flight;
	uint64_t evaluated;
	uint64_t refused;
	uint64_t hurried; /* ended early to make room */
	uint64_t busy;
	uint64_t vouched; /* DMARC failures that a trusted sealer made up for */
	uint64_t dmarc[DMARC_PERMERROR + 1];
};

/* One Evaluate that has no reply yet. */
struct call {
	struct service *service;
	sd_varlink *link;
	struct job *job;
	struct call *older, *newer;
};

static void call_free(struct call *c)
{
	struct service *s = c->service;

	*(c->older ? &c->older->newer : &s->oldest) = c->newer;
	*(c->newer ? &c->newer->older : &s->newest) = c->older;
	s->in_flight--;
	job_free(c->job);
	sd_varlink_unref(c->link);
	free(c);
}

static struct call *call_new(struct service *s, sd_varlink *link)
{
	struct call *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	*c = (struct call){.service = s, .link = sd_varlink_ref(link), .older = s->newest};
	*(s->newest ? &s->newest->newer : &s->oldest) = c;
	s->newest = c;
	s->in_flight++;
	return c;
}

/* Makes room: the oldest that waits for DNS waits no longer. */
static void hurry_oldest(struct service *s)
{
	for (struct call *c = s->oldest; c; c = c->newer) {
		if (!job_hurry(c->job))
			continue;
		s->hurried++;
		return;
	}
}

static void on_evaluated(struct job *j, const struct evaluation *e, void *ctx)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *v = NULL;
	struct call *c = ctx;
	int r = evaluation_to_json(e, &v);

	(void)j;
	c->service->evaluated++;
	c->service->dmarc[e->dmarc.result]++;
	c->service->vouched += *e->dmarc.voucher != 0;
	if (r >= 0)
		r = sd_varlink_reply(c->link, v); /* fails when maild has hung up: nobody waits */
	else
		sd_varlink_error_errno(c->link, r);
	call_free(c);
}

static int refuse(struct service *s, sd_varlink *link, const char *why)
{
	s->refused++;
	return sd_varlink_errorbo(link, ERROR_REFUSED, SD_JSON_BUILD_PAIR_STRING("why", why));
}

static int start(struct service *s, sd_varlink *link, struct job_request *request)
{
	struct call *c = call_new(s, link);
	int r;

	if (!c)
		return -ENOMEM;
	request->ctx = c;
	request->done = on_evaluated;
	r = job_start(s->event, s->resolver, request, &c->job);
	if (r >= 0)
		return 0;
	call_free(c);
	if (r == -EBADF)
		return refuse(
			s, link, "the message is not a memfd sealed against writing and shrinking");
	return r == -EFBIG ? refuse(s, link, "message too large") : r;
}

static int on_evaluate(sd_varlink *link, sd_json_variant *parameters,
	sd_varlink_method_flags_t flags, void *userdata)
{
	static const sd_json_dispatch_field fields[] = {
		{"ip", SD_JSON_VARIANT_STRING, sd_json_dispatch_const_string,
			offsetof(struct job_request, envelope.ip), SD_JSON_MANDATORY},
		{"helo", SD_JSON_VARIANT_STRING, sd_json_dispatch_const_string,
			offsetof(struct job_request, envelope.helo), SD_JSON_MANDATORY},
		{"mail_from", SD_JSON_VARIANT_STRING, sd_json_dispatch_const_string,
			offsetof(struct job_request, envelope.mail_from), SD_JSON_MANDATORY},
		{"authserv_id", SD_JSON_VARIANT_STRING, sd_json_dispatch_const_string,
			offsetof(struct job_request, authserv_id), SD_JSON_MANDATORY},
		{0},
	};
	struct service *s = userdata;
	struct job_request request = {.envelope.now = time(NULL), .judge = &s->judge};
	_cleanup_close_ int fd = -1;
	int r = sd_varlink_dispatch(link, parameters, fields, &request);

	(void)flags;
	if (r != 0)
		return r;
	if (!authres_is_id(request.authserv_id))
		return sd_varlink_error_invalid_parameter_name(link, "authserv_id");
	if (strlen(request.envelope.helo) > HELO_BYTES_MAX ||
		strlen(request.envelope.mail_from) > HELO_BYTES_MAX)
		return refuse(s, link, "helo or mail_from too long");
	if (s->in_flight >= JOBS_FULL) {
		s->busy++;
		return sd_varlink_error(link, ERROR_BUSY, NULL);
	}
	if (s->in_flight >= JOBS_MAX)
		hurry_oldest(s);
	fd = sd_varlink_take_fd(link, 0);
	if (fd < 0)
		return refuse(s, link, "no descriptor with the message");
	request.fd = fd;
	request.envelope.receiver = request.authserv_id;
	return start(s, link, &request);
}

static int status(void *ctx, sd_json_variant **ret)
{
	const struct service *s = ctx;

	return sd_json_buildo(ret, SD_JSON_BUILD_PAIR_UNSIGNED("in_flight", s->in_flight),
		SD_JSON_BUILD_PAIR_UNSIGNED("evaluated", s->evaluated),
		SD_JSON_BUILD_PAIR_UNSIGNED("refused", s->refused),
		SD_JSON_BUILD_PAIR_UNSIGNED("dmarc_pass", s->dmarc[DMARC_PASS]),
		SD_JSON_BUILD_PAIR_UNSIGNED("dmarc_fail", s->dmarc[DMARC_FAIL]),
		SD_JSON_BUILD_PAIR_UNSIGNED("dmarc_temperror", s->dmarc[DMARC_TEMPERROR]),
		SD_JSON_BUILD_PAIR_UNSIGNED("dmarc_permerror", s->dmarc[DMARC_PERMERROR]),
		SD_JSON_BUILD_PAIR_UNSIGNED("arc_vouched", s->vouched),
		SD_JSON_BUILD_PAIR_UNSIGNED("busy", s->busy),
		SD_JSON_BUILD_PAIR_UNSIGNED("hurried", s->hurried),
		SD_JSON_BUILD_PAIR_UNSIGNED("dns_queries", s->dns.queries),
		SD_JSON_BUILD_PAIR_UNSIGNED("dns_cached", s->dns.cached),
		SD_JSON_BUILD_PAIR_UNSIGNED("dns_shared", s->dns.shared),
		SD_JSON_BUILD_PAIR_UNSIGNED("dns_tempfails", s->dns.tempfails),
		SD_JSON_BUILD_PAIR_UNSIGNED("dns_bogus", s->dns.bogus),
		SD_JSON_BUILD_PAIR_UNSIGNED("dns_secure", s->dns.secure),
		SD_JSON_BUILD_PAIR_BOOLEAN("has_resolver", s->resolver != NULL),
		SD_JSON_BUILD_PAIR_UNSIGNED(
			"name_servers", s->resolver ? resolver_servers(s->resolver) : 0),
		SD_JSON_BUILD_PAIR_BOOLEAN(
			"dnssec", s->resolver && resolver_has_anchor(s->resolver)));
}

static int check(void *ctx, sd_json_variant *config, char **ret_why)
{
	struct settings fresh;
	int r = settings_read(config, &fresh, ret_why);

	(void)ctx;
	if (r >= 0)
		settings_free(&fresh);
	return r;
}

/* New name servers, and with them an empty cache. Calls under way end with the old ones. */
static int renew_resolver(struct service *s, char **ret_why)
{
	const struct resolver_settings settings = {.dnssec = s->settings.dnssec};
	struct resolver *fresh = NULL;
	int r = resolver_new(s->event, &settings, &s->dns, &fresh);

	if (r < 0) {
		if (asprintf(ret_why, "resolv.conf: %s", strerror(-r)) < 0)
			*ret_why = NULL;
		return r;
	}
	resolver_unref(s->resolver);
	s->resolver = fresh;
	return 0;
}

/* A file that configd has not written yet means defaults. */
static int reload(void *ctx, char **ret_why)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *config = NULL;
	struct service *s = ctx;
	struct settings fresh;
	int r = config_load("mail", &config);

	if (r < 0 && r != -ENOENT)
		return r;
	r = settings_read(config, &fresh, ret_why);
	if (r < 0)
		return r;
	settings_free(&s->settings);
	s->settings = fresh;
	s->judge.trusted_sealers = s->settings.trusted_sealers;
	return renew_resolver(s, ret_why);
}

static int service_run(struct service *s)
{
	static const struct control_ops ops = {
		.daemon = "mailauthd", .status = status, .check = check, .reload = reload};
	_cleanup_(sd_varlink_server_unrefp) sd_varlink_server *control = NULL, *server = NULL;
	int r = control_new(s->event, &ops, s, &control);

	if (r >= 0)
		r = control_listen(s->event, "mailauth", s, &server);
	if (r >= 0)
		r = sd_varlink_server_bind_method(
			server, "io.sekisho.MailAuth.Evaluate", on_evaluate);
	/* all of them are maild's: one connection a mail */
	if (r >= 0)
		r = sd_varlink_server_set_connections_max(server, CONNECTIONS_MAX);
	if (r >= 0)
		r = sd_varlink_server_set_connections_per_uid_max(server, CONNECTIONS_MAX);
	if (r >= 0)
		r = sd_event_set_signal_exit(s->event, true);
	if (r >= 0)
		r = sd_event_set_watchdog(s->event, true);
	if (r < 0)
		return r;
	sd_notify(0, "READY=1");
	r = sd_event_loop(s->event);
	while (s->oldest)
		call_free(s->oldest);
	return r;
}

/* A socket for each name server that does not answer, and a connection a mail. The unit has set it
 * already, and its sandbox refuses this; it is for runs by hand. */
static void raise_limit(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) < 0 || l.rlim_cur >= FILES_MAX)
		return;
	l.rlim_cur = l.rlim_max < FILES_MAX ? l.rlim_max : FILES_MAX;
	if (setrlimit(RLIMIT_NOFILE, &l) < 0)
		log_warning("no more than %llu open files", (unsigned long long)l.rlim_cur);
}

int main(void)
{
	struct service s = {0};
	_cleanup_free_ char *why = NULL;
	int r = sd_event_default(&s.event);

	raise_limit();
	s.judge.keys = key_cache_new();
	if (!s.judge.keys)
		return EXIT_FAILURE;

	if (r >= 0 &&
		reload(&s, &why) < 0) /* configd may not have written it yet: Reload tries again */
		log_warning("%s: all DNS answers are temporary failures until Reload",
			why ? why : "configuration");
	if (r >= 0)
		r = service_run(&s);
	if (r < 0)
		log_error("%s", strerror(-r));
	resolver_unref(s.resolver);
	key_cache_free(s.judge.keys);
	settings_free(&s.settings);
	sd_event_unref(s.event);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
