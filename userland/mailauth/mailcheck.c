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

struct options {
	struct envelope envelope;
	const char *authserv_id;
	sd_json_variant *zone;
	bool spf_only;
};

/* Answers the open questions of the table: from the zone, or from the network. */
struct source {
	sd_json_variant *zone;
	sd_event *event;
	struct resolver *resolver;
	struct resolve_counters counters;
};

static const char usage[] = "usage: mailcheck [--spf] --ip A --helo H --mail-from F [--dns "
			    "ZONE.json] [--time UNIX] [--authserv-id X] < message\n";

static int parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{"ip", required_argument, NULL, 'i'},
		{"helo", required_argument, NULL, 'h'},
		{"mail-from", required_argument, NULL, 'f'},
		{"dns", required_argument, NULL, 'd'},
		{"time", required_argument, NULL, 't'},
		{"authserv-id", required_argument, NULL, 'a'},
		{"spf", no_argument, NULL, 's'},
		{0},
	};
	unsigned line, column;
	uint64_t t;
	int c, r = 0;

	while (r >= 0 && (c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 'i')
			o->envelope.ip = optarg;
		else if (c == 'h')
			o->envelope.helo = optarg;
		else if (c == 'f')
			o->envelope.mail_from = optarg;
		else if (c == 'a')
			o->authserv_id = optarg;
		else if (c == 's')
			o->spf_only = true;
		else if (c == 't' && span_u64(span_str(optarg), INT64_MAX, &t))
			o->envelope.now = (int64_t)t;
		else if (c == 'd') {
			r = sd_json_parse_file(NULL, optarg, 0, &o->zone, &line, &column);
			if (r < 0)
				fprintf(stderr, "mailcheck: %s:%u:%u: %s\n", optarg, line, column,
					strerror(-r));
		} else
			r = -EINVAL;
	}
	return r < 0 || !o->envelope.ip || !o->envelope.helo || !o->envelope.mail_from ||
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
			r = resolver_new(s->event, &s->counters, &s->resolver);
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

static int check_message(const struct options *o, struct source *s, struct dns_table *t)
{
	static struct message message; /* large, and there is one a process */
	static struct evaluation evaluation;
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *v = NULL;
	_cleanup_free_ char *bytes = NULL;
	const char *id = o->authserv_id;
	size_t n;
	int r = read_message(&bytes, &n);

	if (r < 0)
		return r;
	message_read(&message, span_of(bytes, n));
	for (unsigned round = 0; !evaluate(t, &message, &o->envelope, id, &evaluation); round++) {
		if (round == EVALUATE_ROUNDS_MAX)
			dns_table_close(t);
		else
			r = source_answer(s, t);
		if (r < 0)
			return r;
	}
	r = evaluation_to_json(&evaluation, &v);
	return r < 0 ? r : print_json(v);
}

int main(int argc, char **argv)
{
	struct options o = {.envelope = {.now = time(NULL)}, .authserv_id = "localhost"};
	struct dns_table *t = dns_table_new();
	struct source s;
	int r;

	if (parse_options(argc, argv, &o) < 0) {
		fputs(usage, stderr);
		return 2;
	}
	o.envelope.receiver = o.authserv_id;
	s = (struct source){.zone = o.zone};
	r = !t ? -ENOMEM : o.spf_only ? check_spf(&o, &s, t) : check_message(&o, &s, t);
	if (r < 0)
		fprintf(stderr, "mailcheck: %s\n", strerror(-r));
	resolver_unref(s.resolver);
	sd_event_unref(s.event);
	sd_json_variant_unref(o.zone);
	dns_table_free(t);
	return r < 0 ? 1 : 0;
}
