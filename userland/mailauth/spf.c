#include "mailauth/spf.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "mailauth/spf_macro.h"

/* A local part or HELO longer than this makes no name that fits. */
#define SENDER_BYTES 512

struct eval {
	struct dns_table *dns;
	const struct envelope *envelope;
	struct spf_ip ip;
	char ip_dotted[64]; /* %{i} */
	char ip_text[INET6_ADDRSTRLEN];
	char sender[SENDER_BYTES];
	char local[SENDER_BYTES];
	char domain[DOMAIN_BYTES];
	char timestamp[24];
	unsigned lookups;
	unsigned voids;
	char explainer[DOMAIN_BYTES]; /* whose record decided a fail, for exp= */
};

static enum spf_result check_host(struct eval *e, const char *domain);

const char *spf_result_name(enum spf_result r)
{
	static const char *const names[] = {
		[SPF_NONE] = "none",
		[SPF_NEUTRAL] = "neutral",
		[SPF_PASS] = "pass",
		[SPF_FAIL] = "fail",
		[SPF_SOFTFAIL] = "softfail",
		[SPF_TEMPERROR] = "temperror",
		[SPF_PERMERROR] = "permerror",
		[SPF_MORE] = "more",
	};
	return names[r];
}

static bool read_ip(const char *text, struct spf_ip *ip)
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

	memset(ip, 0, sizeof(*ip));
	ip->family = inet_pton(AF_INET, text, ip->bytes) == 1 ? AF_INET : AF_INET6;
	if (ip->family == AF_INET)
		return true;
	if (inet_pton(AF_INET6, text, ip->bytes) != 1)
		return false;
	if (memcmp(ip->bytes, mapped, sizeof(mapped)) == 0) { /* RFC 7208, section 5 */
		memmove(ip->bytes, ip->bytes + 12, 4);
		ip->family = AF_INET;
	}
	return true;
}

static void write_ip(struct eval *e)
{
	char *p = e->ip_dotted;

	inet_ntop(e->ip.family, e->ip.bytes, e->ip_text, sizeof(e->ip_text));
	if (e->ip.family == AF_INET) {
		strcpy(p, e->ip_text);
		return;
	}
	for (unsigned i = 0; i < 16; i++)
		p += sprintf(p, "%s%X.%X", i ? "." : "", e->ip.bytes[i] >> 4, e->ip.bytes[i] & 15u);
}

static bool is_ascii(const char *s)
{
	for (; *s; s++)
		if (*s & 0x80)
			return false;
	return true;
}

/* A domain that can have a policy: at least two labels, no address literal (section 4.3). */
static bool is_checkable(const char *domain)
{
	char lower[DOMAIN_BYTES];

	return *domain != '[' && is_ascii(domain) && domain_lower(domain, lower) &&
	       domain_labels(lower) >= 2;
}

/* %{p}: a validated name, at best the domain itself, else one below it, else any (section 7.3).
 * False: more. */
static bool find_validated(struct eval *e, const char *current, char ret[DNS_NAME_BYTES])
{
	char reverse[DNS_NAME_BYTES];
	const struct dns_answer *a;
	int best = 0;
	bool complete = true;

	strcpy(ret, "unknown");
	spf_ip_reverse_name(&e->ip, reverse);
	a = dns_ask(e->dns, reverse, DNS_PTR);
	for (unsigned i = 0; a && i < a->count && i < SPF_NAMES_MAX; i++) {
		const char *name = (const char *)a->records[i].p;
		char lower[DNS_NAME_BYTES];
		enum spf_match m = spf_ip_is_of(e->dns, &e->ip, name);
		complete &= m != SPF_MATCH_MORE;
		if (m != SPF_MATCH_YES || !domain_lower(name, lower))
			continue;
		int rank = !domain_is_within(lower, current)  ? 1
			   : strlen(lower) == strlen(current) ? 3
							      : 2;
		if (rank > best) {
			strcpy(ret, lower);
			best = rank;
		}
	}
	return a && complete;
}

/* SPF_PASS when expanded. */
static enum spf_result expand(
	struct eval *e, struct span spec, const char *current, char ret[SPF_EXPANSION_BYTES])
{
	char validated[DNS_NAME_BYTES] = "unknown";
	const struct spf_macro_values v = {
		.sender = e->sender,
		.local = e->local,
		.domain = e->domain,
		.current = current,
		.ip = e->ip_dotted,
		.validated = validated,
		.helo = e->envelope->helo,
		.reverse = e->ip.family == AF_INET ? "in-addr" : "ip6",
		.ip_text = e->ip_text,
		.receiver = e->envelope->receiver,
		.timestamp = e->timestamp,
	};

	if (spf_macro_uses_p(spec) && !find_validated(e, current, validated))
		return SPF_MORE;
	return spf_macro_expand(spec, &v, ret) ? SPF_PASS : SPF_PERMERROR;
}

/* The target of a term; a name over 253 bytes loses labels on the left (section 7.3). */
static enum spf_result term_target(struct eval *e, const struct spf_term *t, const char *current,
	char ret[SPF_EXPANSION_BYTES])
{
	enum spf_result r;

	if (t->domain_spec.n == 0) {
		strcpy(ret, current);
		return SPF_PASS;
	}
	r = expand(e, t->domain_spec, current, ret);
	if (r != SPF_PASS)
		return r;
	size_t n = strlen(ret);
	if (n && ret[n - 1] == '.')
		ret[--n] = 0;
	const char *p = ret;
	while (p && strlen(p) >= DNS_NAME_BYTES)
		p = domain_parent(p);
	memmove(ret, p ? p : "", p ? strlen(p) + 1 : 1);
	return SPF_PASS;
}

static enum spf_result qualified(char qualifier)
{
	switch (qualifier) {
	case '-':
		return SPF_FAIL;
	case '~':
		return SPF_SOFTFAIL;
	case '?':
		return SPF_NEUTRAL;
	default:
		return SPF_PASS;
	}
}

/* The outcome of check_host() of an include as the outcome of the mechanism (section 5.2). */
static enum spf_match match_include(struct eval *e, const char *target)
{
	switch (check_host(e, target)) {
	case SPF_PASS:
		return SPF_MATCH_YES;
	case SPF_MORE:
		return SPF_MATCH_MORE;
	case SPF_TEMPERROR:
		return SPF_MATCH_TEMPERROR;
	case SPF_NONE:
	case SPF_PERMERROR:
		return SPF_MATCH_PERMERROR;
	default:
		return SPF_MATCH_NO;
	}
}

static enum spf_match match(struct eval *e, const struct spf_term *t, const char *current)
{
	char target[SPF_EXPANSION_BYTES];
	bool asks = t->kind != SPF_ALL && t->kind != SPF_IP4 && t->kind != SPF_IP6;

	if (asks && ++e->lookups > SPF_LOOKUPS_MAX)
		return SPF_MATCH_PERMERROR;
	if (t->kind == SPF_ALL)
		return SPF_MATCH_YES;
	switch (term_target(e, t, current, target)) {
	case SPF_MORE:
		return SPF_MATCH_MORE;
	case SPF_PASS:
		break;
	default:
		return SPF_MATCH_PERMERROR;
	}
	if (t->kind == SPF_INCLUDE)
		return match_include(e, target);
	return spf_match_term(e->dns, &e->ip, t, target, &e->voids);
}

static enum spf_result redirect(struct eval *e, const struct spf_term *t, const char *current)
{
	char target[SPF_EXPANSION_BYTES];
	enum spf_result r;

	if (++e->lookups > SPF_LOOKUPS_MAX)
		return SPF_PERMERROR;
	r = term_target(e, t, current, target);
	if (r != SPF_PASS)
		return r;
	r = check_host(e, target);
	return r == SPF_NONE ? SPF_PERMERROR : r;
}

static enum spf_result walk(struct eval *e, struct span record, const char *current)
{
	struct spf_term t, redirection = {0};
	bool bad;

	while (spf_term_next(&record, &t, &bad)) {
		if (t.kind == SPF_REDIRECT)
			redirection = t;
		if (t.kind >= SPF_REDIRECT)
			continue;
		switch (match(e, &t, current)) {
		case SPF_MATCH_YES:
			domain_lower(current, e->explainer);
			return qualified(t.qualifier);
		case SPF_MATCH_MORE:
			return SPF_MORE;
		case SPF_MATCH_TEMPERROR:
			return SPF_TEMPERROR;
		case SPF_MATCH_PERMERROR:
			return SPF_PERMERROR;
		case SPF_MATCH_NO:
			break;
		}
	}
	return redirection.kind == SPF_REDIRECT ? redirect(e, &redirection, current) : SPF_NEUTRAL;
}

/* The one SPF record of the domain (section 4.5). SPF_PASS when there is one. */
static enum spf_result find_record(struct eval *e, const char *domain, struct span *ret)
{
	const struct dns_answer *a = dns_ask(e->dns, domain, DNS_TXT);
	unsigned found = 0;

	if (!a)
		return SPF_MORE;
	if (a->status == DNS_TEMPFAIL)
		return SPF_TEMPERROR;
	for (unsigned i = 0; i < a->count; i++) {
		if (!spf_record_is_spf(a->records[i]))
			continue;
		*ret = a->records[i];
		found++;
	}
	return found == 0 ? SPF_NONE : found == 1 ? SPF_PASS : SPF_PERMERROR;
}

/* Recursion ends by SPF_LOOKUPS_MAX: include and redirect count. */
static enum spf_result check_host(struct eval *e, const char *domain)
{
	struct span record;
	enum spf_result r;

	if (!is_checkable(domain))
		return SPF_NONE;
	r = find_record(e, domain, &record);
	if (r != SPF_PASS)
		return r;
	return spf_record_is_valid(record) ? walk(e, record, domain) : SPF_PERMERROR;
}

static const struct dns_answer *explanation_answer(struct eval *e, enum spf_result *r)
{
	char target[SPF_EXPANSION_BYTES];
	const struct dns_answer *a = NULL;
	struct span record;
	struct spf_term t;
	bool bad;

	if (find_record(e, e->explainer, &record) != SPF_PASS)
		return NULL;
	while (spf_term_next(&record, &t, &bad)) {
		if (t.kind != SPF_EXP)
			continue;
		*r = term_target(e, &t, e->explainer, target);
		if (*r == SPF_PASS)
			a = dns_ask(e->dns, target, DNS_TXT);
		if (*r == SPF_PASS && !a)
			*r = SPF_MORE;
	}
	return a;
}

/* Any error means no explanation (section 6.2). False: more. */
static bool explain(struct eval *e, char ret[SPF_EXPLANATION_BYTES])
{
	enum spf_result r = SPF_PASS;
	const struct dns_answer *a = explanation_answer(e, &r);
	char text[SPF_EXPANSION_BYTES];
	size_t literal;

	if (r == SPF_MORE)
		return false;
	if (!a || a->count != 1 || !spf_macro_is_valid(a->records[0], true, &literal))
		return true;
	r = expand(e, a->records[0], e->explainer, text);
	if (r == SPF_PASS && is_ascii(text) && strlen(text) < SPF_EXPLANATION_BYTES)
		strcpy(ret, text);
	return r != SPF_MORE;
}

/* The null sender is postmaster of the HELO name (section 2.4). False: no usable sender. */
static bool read_sender(struct eval *e, struct spf_judgement *ret)
{
	const char *from = e->envelope->mail_from, *at = strrchr(from, '@');
	const char *domain = at ? at + 1 : e->envelope->helo;
	size_t n = at ? (size_t)(at - from) : 0;
	char ascii[DOMAIN_BYTES];

	ret->is_helo = *from == 0;
	if (*from && !at)
		domain = from;
	/* U-labels of SMTPUTF8 are looked up as A-labels (section 4.3) */
	if (!is_ascii(domain) && domain_read(span_str(domain), ascii))
		domain = ascii;
	if (n >= sizeof(e->local) || strlen(domain) + 16 > sizeof(e->sender) - n ||
		!is_checkable(domain))
		return false;
	domain_lower(domain, ret->domain);
	snprintf(e->domain, sizeof(e->domain), "%s", domain);
	snprintf(e->local, sizeof(e->local), "%.*s", n ? (int)n : (int)strlen("postmaster"),
		n ? from : "postmaster");
	return snprintf(e->sender, sizeof(e->sender), "%s@%s", e->local, domain) <
	       (int)sizeof(e->sender);
}

void spf_check(struct dns_table *dns, const struct envelope *envelope, struct spf_judgement *ret)
{
	struct eval e = {.dns = dns, .envelope = envelope};

	*ret = (struct spf_judgement){.result = SPF_NONE};
	if (!read_ip(envelope->ip, &e.ip) || !read_sender(&e, ret))
		return;
	write_ip(&e);
	snprintf(e.timestamp, sizeof(e.timestamp), "%lld", (long long)envelope->now);
	ret->result = check_host(&e, e.domain);
	if (ret->result == SPF_FAIL && !explain(&e, ret->explanation))
		ret->result = SPF_MORE;
}
