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
#include "mailauth/caller.h"
#include "mailauth/job.h"
#include "mailauth/settings.h"

#define JOBS_MAX 512
#define JOBS_FULL (2 * JOBS_MAX)
#define FILES_MAX 8192
#define HELO_BYTES_MAX 1024
#define ERROR_REFUSED "io.sekisho.MailAuth.Refused"
#define ERROR_BUSY "io.sekisho.MailAuth.Busy"
#define ERROR_PARAMETER "org.varlink.service.InvalidParameter"

struct service {
	sd_event *event;
	struct resolver *resolver; /* NULL until resolv.conf can be read */
	struct resolve_counters dns;
	struct judge judge;
	struct settings settings;
	struct callers callers;
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
	struct caller *caller;
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
	free(c);
}

static struct call *call_new(struct service *s, struct caller *caller)
{
	struct call *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	*c = (struct call){.service = s, .caller = caller, .older = s->newest};
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
	static char reply[EVALUATION_BYTES];
	struct call *c = ctx;
	struct jsonw w;

	(void)j;
	jsonw_init(&w, reply, sizeof(reply));
	jsonw_object(&w, NULL);
	evaluation_write(&w, "parameters", e);
	jsonw_end(&w);
	struct span text = jsonw_done(&w);
	c->service->evaluated++;
	c->service->dmarc[e->dmarc.result]++;
	c->service->vouched += *e->dmarc.voucher != 0;
	if (text.n)
		caller_reply(c->caller, text);
	else
		caller_error(c->caller, ERROR_REFUSED, "why", "the answer is too long");
	call_free(c);
}

static void refuse(struct service *s, struct caller *caller, const char *why)
{
	s->refused++;
	caller_error(caller, ERROR_REFUSED, "why", why);
}

static void start(struct service *s, struct caller *caller, struct job_request *request)
{
	struct call *c = call_new(s, caller);
	int r;

	if (!c) {
		refuse(s, caller, strerror(ENOMEM));
		return;
	}
	request->ctx = c;
	request->done = on_evaluated;
	r = job_start(s->event, s->resolver, request, &c->job);
	if (r >= 0)
		return;
	call_free(c);
	refuse(s, caller,
		r == -EBADF   ? "the message is not a memfd sealed against writing and shrinking"
		: r == -EFBIG ? "message too large"
			      : strerror(-r));
}

/* False: there is none. */
static bool make_room(struct service *s)
{
	if (s->in_flight >= JOBS_FULL) {
		s->busy++;
		return false;
	}
	if (s->in_flight >= JOBS_MAX)
		hurry_oldest(s);
	return true;
}

static void on_evaluate(struct caller *caller, sd_json_variant *parameters, int passed, void *ctx)
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
	struct service *s = ctx;
	struct job_request request = {.envelope.now = time(NULL), .judge = &s->judge};
	_cleanup_close_ int fd = passed;
	const char *bad = "parameters";
	int r = parameters ? sd_json_dispatch_full(parameters, fields, NULL,
				     SD_JSON_ALLOW_EXTENSIONS, &request, &bad)
			   : -EINVAL;

	if (r >= 0 && !authres_is_id(request.authserv_id)) {
		bad = "authserv_id";
		r = -EINVAL;
	}
	if (r < 0)
		caller_error(caller, ERROR_PARAMETER, "parameter", bad ? bad : "parameters");
	else if (strlen(request.envelope.helo) > HELO_BYTES_MAX ||
		 strlen(request.envelope.mail_from) > HELO_BYTES_MAX)
		refuse(s, caller, "helo or mail_from too long");
	else if (fd < 0)
		refuse(s, caller, "no descriptor with the message");
	else if (make_room(s)) {
		request.fd = fd;
		request.envelope.receiver = request.authserv_id;
		start(s, caller, &request);
	} else {
		caller_error(caller, ERROR_BUSY, NULL, NULL);
	}
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
	_cleanup_(sd_varlink_server_unrefp) sd_varlink_server *control = NULL;
	int r = control_new(s->event, &ops, s, &control);

	s->callers = (struct callers){.event = s->event,
		.method = "io.sekisho.MailAuth.Evaluate",
		.on_call = on_evaluate,
		.ctx = s};
	if (r >= 0)
		r = callers_listen(&s->callers, "mailauth");
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
	callers_close(&s->callers);
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
