/*
 * mailcheck: judges one mail on standard input and prints what mailauthd would answer, as JSON.
 *
 * With --dns FILE all DNS answers come from that file (zone.h) and no packet leaves the machine;
 * without it the name servers of SEKISHO_RESOLV_CONF (/etc/resolv.conf) are asked. With --spf
 * nothing is read from standard input and SPF is judged alone.
 *
 * Limits: a message of MESSAGE_BYTES_MAX. Lines that end in LF alone get CRLF.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "lib/cleanup.h"
#include "mailauth/evaluate.h"
#include "mailauth/resolve.h"
#include "mailauth/zone.h"

#define MESSAGE_BYTES_MAX (1u << 30)
#define SEALERS_MAX 64

struct options {
	struct envelope envelope;
	const char *authserv_id;
	sd_json_variant *zone;
	bool spf_only;
	bool is_help;
	unsigned sealer_count;
	char *sealers[SEALERS_MAX + 1];
};

/* Answers the open questions of the table: from the zone, or from the network. */
struct source {
	sd_json_variant *zone;
	sd_event *event;
	struct resolver *resolver;
	struct resolve_counters counters;
};

static const char usage[] = "usage: mailcheck [--spf] --ip ADDRESS --helo NAME --mail-from ADDRESS "
			    "[OPTION...] < message\n"
			    "Try `mailcheck --help'.\n";

static const char help[] =
	"mailcheck - judge one mail as mailauthd does\n"
	"\n"
	"  mailcheck --ip ADDRESS --helo NAME --mail-from ADDRESS [OPTION...] < message\n"
	"  mailcheck --spf --ip ADDRESS --helo NAME --mail-from ADDRESS [OPTION...]\n"
	"\n"
	"Reads a message from standard input and prints one JSON object:\n"
	"  spf      result, domain, identity (mailfrom or helo), explanation on a fail\n"
	"  dkim     one entry a signature: result, domain, selector, key_bits, test, reason\n"
	"  dmarc    result, policy, domain, disposition (none, quarantine, reject, temperror),\n"
	"           voucher (the trusted ARC sealer that made it none), reason\n"
	"  arc      result, instances, sealer (of the newest seal), reason\n"
	"  from     domain, address, display_name\n"
	"  refusal  why no judgement could protect the reader; absent when there is none\n"
	"  authentication_results   the field that is put in front of the message\n"
	"  remove   [offset, length] of each field that would pass for ours\n"
	"With --spf it prints result, domain and explanation, and reads no message.\n"
	"\n"
	"  --ip ADDRESS         address of the client, IPv4 or IPv6\n"
	"  --helo NAME          name it gave with HELO or EHLO\n"
	"  --mail-from ADDRESS  envelope sender without angle brackets; empty: null sender\n"
	"  --dns FILE           all DNS answers come from this JSON file; nothing is sent\n"
	"  --time SECONDS       judge as if it were then (Unix time); default: now\n"
	"  --authserv-id NAME   our name in Authentication-Results; default: localhost\n"
	"  --trusted-sealer DOMAIN   may vouch by ARC for mail that fails DMARC; may be repeated\n"
	"  --spf                judge SPF alone\n"
	"  --help               this text\n"
	"\n"
	"FILE: {\"example.com\": [{\"TXT\": \"v=spf1 -all\"}, {\"A\": \"192.0.2.1\"},\n"
	"       {\"MX\": [10, \"mx.example.com\"]}], \"slow.example\": [\"TIMEOUT\"]}\n"
	"Without --dns the name servers of SEKISHO_RESOLV_CONF (/etc/resolv.conf) are asked.\n"
	"\n"
	"Exit status: 0 judged, 1 it could not be, 2 wrong usage.\n";

static const struct option longs[] = {
	{"authserv-id", required_argument, NULL, 'a'},
	{"dns", required_argument, NULL, 'd'},
	{"helo", required_argument, NULL, 'h'},
	{"help", no_argument, NULL, '?' + 128},
	{"ip", required_argument, NULL, 'i'},
	{"mail-from", required_argument, NULL, 'f'},
	{"spf", no_argument, NULL, 's'},
	{"time", required_argument, NULL, 't'},
	{"trusted-sealer", required_argument, NULL, 'r'},
	{0},
};

static int read_zone(const char *file, struct options *o)
{
	unsigned line, column;
	int r = sd_json_parse_file(NULL, file, 0, &o->zone, &line, &column);

	if (r < 0)
		fprintf(stderr, "mailcheck: %s:%u:%u: %s\n", file, line, column, strerror(-r));
	return r;
}

static int read_sealer(const char *text, struct options *o)
{
	char domain[DOMAIN_BYTES], *copy;

	if (o->sealer_count == SEALERS_MAX || !domain_read(span_str(text), domain))
		return -EINVAL;
	copy = strdup(domain);
	if (!copy)
		return -ENOMEM;
	o->sealers[o->sealer_count++] = copy;
	return 0;
}

static int read_option(int c, struct options *o)
{
	uint64_t t;

	switch (c) {
	case 'a':
		o->authserv_id = optarg;
		return 0;
	case 'd':
		return read_zone(optarg, o);
	case 'f':
		o->envelope.mail_from = optarg;
		return 0;
	case 'h':
		o->envelope.helo = optarg;
		return 0;
	case 'i':
		o->envelope.ip = optarg;
		return 0;
	case 'r':
		return read_sealer(optarg, o);
	case 's':
		o->spf_only = true;
		return 0;
	case 't':
		if (!span_u64(span_str(optarg), INT64_MAX, &t))
			return -EINVAL;
		o->envelope.now = (int64_t)t;
		return 0;
	case '?' + 128:
		o->is_help = true;
		return 0;
	default:
		return -EINVAL;
	}
}

static int parse_options(int argc, char **argv, struct options *o)
{
	int c, r = 0;

	while (r >= 0 && (c = getopt_long(argc, argv, "", longs, NULL)) != -1)
		r = read_option(c, o);
	if (r < 0 || o->is_help)
		return r;
	return !o->envelope.ip || !o->envelope.helo || !o->envelope.mail_from ||
			       !authres_is_id(o->authserv_id) || optind != argc
		       ? -EINVAL
		       : 0;
}

/* All of standard input, with CRLF line ends. */
static int read_message(char **ret, size_t *ret_n)
{
	_cleanup_free_ char *p = NULL;
	size_t n = 0, size = 0;
	int c, last = 0;

	while ((c = getc(stdin)) != EOF) {
		if (n + 2 > size) {
			size = size ? size * 2 : 65536;
			char *grown = size > MESSAGE_BYTES_MAX ? NULL : realloc(p, size);
			if (!grown)
				return -EFBIG;
			p = grown;
		}
		if (c == '\n' && last != '\r')
			p[n++] = '\r';
		p[n++] = (char)c;
		last = c;
	}
	*ret = take_ptr(p);
	*ret_n = n;
	return ferror(stdin) ? -EIO : 0;
}

static void on_resolved(void *ctx)
{
	sd_event_exit(ctx, 0);
}

static int source_answer(struct source *s, struct dns_table *t)
{
	struct resolve_batch *batch = NULL;
	int r;

	if (s->zone) {
		zone_answer(s->zone, t);
		return 0;
	}
	if (!s->event) {
		r = sd_event_new(&s->event);
		if (r >= 0)
			r = resolver_new(s->event, &(struct resolver_settings){.dnssec = true},
				&s->counters, &s->resolver);
		if (r < 0)
			return r;
	}
	r = resolve_start(s->resolver, t, on_resolved, s->event, &batch);
	if (r > 0)
		r = sd_event_loop(s->event);
	resolve_cancel(batch);
	if (r >= 0) { /* an event loop ends once; the resolver and its cache stay with it for one
			 round */
		resolver_unref(s->resolver);
		s->resolver = NULL;
		s->event = sd_event_unref(s->event);
	}
	return r;
}

static int print_json(sd_json_variant *v)
{
	return sd_json_variant_dump(v, SD_JSON_FORMAT_NEWLINE, stdout, NULL);
}

static int check_spf(const struct options *o, struct source *s, struct dns_table *t)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *v = NULL;
	struct spf_judgement j;
	int r = 0;

	for (unsigned round = 0; r >= 0; round++) {
		if (round == EVALUATE_ROUNDS_MAX)
			dns_table_close(t);
		spf_check(t, &o->envelope, &j);
		if (j.result != SPF_MORE)
			break;
		r = source_answer(s, t);
	}
	if (r >= 0)
		r = sd_json_buildo(&v,
			SD_JSON_BUILD_PAIR_STRING("result", spf_result_name(j.result)),
			SD_JSON_BUILD_PAIR_STRING("domain", j.domain),
			SD_JSON_BUILD_PAIR_STRING("explanation", j.explanation));
	return r < 0 ? r : print_json(v);
}

/* The evaluator's questions and its body, until it has a result. */
static int evaluate(struct evaluator *v, struct source *s, struct dns_table *t)
{
	int r = 0;

	for (unsigned round = 0; r >= 0; round++) {
		switch (evaluator_step(v, t)) {
		case EVALUATE_DONE:
			return 0;
		case EVALUATE_READ:
			evaluator_read(v, SIZE_MAX);
			break;
		case EVALUATE_ASK:
			if (round >= EVALUATE_ROUNDS_MAX)
				dns_table_close(t);
			else
				r = source_answer(s, t);
		}
	}
	return r;
}

static int check_message(const struct options *o, struct source *s, struct dns_table *t)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *json = NULL;
	_cleanup_free_ char *bytes = NULL;
	struct judge judge = {.keys = key_cache_new(), .trusted_sealers = o->sealers};
	struct evaluator *v = NULL;
	size_t n = 0;
	int r = judge.keys ? read_message(&bytes, &n) : -ENOMEM;

	if (r >= 0) {
		v = evaluator_new(&(struct evaluate_request){.bytes = span_of(bytes, n),
			.envelope = o->envelope,
			.authserv_id = o->authserv_id,
			.judge = &judge});
		r = v ? evaluate(v, s, t) : -ENOMEM;
	}
	if (r >= 0)
		r = evaluation_to_json(evaluator_result(v), &json);
	if (r >= 0)
		r = print_json(json);
	evaluator_free(v);
	key_cache_free(judge.keys);
	return r;
}

static int run(const struct options *o)
{
	struct dns_table *t = dns_table_new();
	struct source s = {.zone = o->zone};
	int r = !t ? -ENOMEM : o->spf_only ? check_spf(o, &s, t) : check_message(o, &s, t);

	if (r < 0)
		fprintf(stderr, "mailcheck: %s\n", strerror(-r));
	resolver_unref(s.resolver);
	sd_event_unref(s.event);
	dns_table_free(t);
	return r < 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct options o = {.envelope = {.now = time(NULL)}, .authserv_id = "localhost"};
	int r = 2;

	if (parse_options(argc, argv, &o) < 0) {
		fputs(usage, stderr);
	} else if (o.is_help) {
		fputs(help, stdout);
		r = 0;
	} else {
		o.envelope.receiver = o.authserv_id;
		r = run(&o);
	}
	for (unsigned i = 0; i < o.sealer_count; i++)
		free(o.sealers[i]);
	sd_json_variant_unref(o.zone);
	return r;
}
