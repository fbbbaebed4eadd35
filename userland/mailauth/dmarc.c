#include "mailauth/dmarc.h"

#include <stdio.h>
#include <strings.h>

#include "mailauth/tags.h"

#define WALK_QUERIES 8

enum psd { PSD_UNKNOWN, PSD_YES, PSD_NO };

struct record {
	enum dns_status status; /* DNS_FOUND when there is exactly one record */
	enum dmarc_policy p, sp, np;
	bool is_broken; /* p, sp or np are there and wrong */
	bool has_rua;
	bool is_test; /* t=y */
	bool is_dkim_strict;
	bool is_spf_strict;
	enum psd psd;
	unsigned seen; /* bits of the tags there were, in the order of `tags` */
};

const char *dmarc_result_name(enum dmarc_result r)
{
	static const char *const names[] = {
		[DMARC_NONE] = "none",
		[DMARC_PASS] = "pass",
		[DMARC_FAIL] = "fail",
		[DMARC_TEMPERROR] = "temperror",
		[DMARC_PERMERROR] = "permerror",
	};
	return names[r];
}

const char *dmarc_policy_name(enum dmarc_policy p)
{
	static const char *const names[] = {
		[DMARC_POLICY_ABSENT] = "",
		[DMARC_POLICY_NONE] = "none",
		[DMARC_POLICY_QUARANTINE] = "quarantine",
		[DMARC_POLICY_REJECT] = "reject",
	};
	return names[p];
}

const char *disposition_name(enum disposition d)
{
	static const char *const names[] = {
		[DISPOSITION_NONE] = "none",
		[DISPOSITION_QUARANTINE] = "quarantine",
		[DISPOSITION_REJECT] = "reject",
		[DISPOSITION_TEMPERROR] = "temperror",
	};
	return names[d];
}

static bool value_is(struct span value, const char *word)
{
	return span_caseeq(value, span_str(word));
}

static enum dmarc_policy read_policy(struct record *r, struct span value)
{
	for (enum dmarc_policy p = DMARC_POLICY_NONE; p <= DMARC_POLICY_REJECT; p++)
		if (value_is(value, dmarc_policy_name(p)))
			return p;
	r->is_broken = true;
	return DMARC_POLICY_ABSENT;
}

static void read_p(struct record *r, struct span value)
{
	r->p = read_policy(r, value);
}

static void read_sp(struct record *r, struct span value)
{
	r->sp = read_policy(r, value);
}

static void read_np(struct record *r, struct span value)
{
	r->np = read_policy(r, value);
}

static void read_adkim(struct record *r, struct span value)
{
	r->is_dkim_strict = value_is(value, "s");
}

static void read_aspf(struct record *r, struct span value)
{
	r->is_spf_strict = value_is(value, "s");
}

static void read_t(struct record *r, struct span value)
{
	r->is_test = value_is(value, "y");
}

static void read_psd(struct record *r, struct span value)
{
	r->psd = value_is(value, "y") ? PSD_YES : value_is(value, "n") ? PSD_NO : PSD_UNKNOWN;
}

/* One URI with a scheme and something behind it is enough (section 4.10.1). */
static void read_rua(struct record *r, struct span value)
{
	while (value.n) {
		ptrdiff_t comma = span_chr(value, ',');
		size_t n = comma < 0 ? value.n : (size_t)comma;
		struct span uri = span_trim(span_take(value, n));
		ptrdiff_t colon = span_chr(uri, ':');
		r->has_rua |= colon > 0 && (size_t)colon + 1 < uri.n;
		value = span_skip(value, comma < 0 ? n : n + 1);
	}
}

/* Tags that are not here are ignored: those of no meaning to us (fo, ruf), the unknown, and those
 * that RFC 7489 had (pct, rf, ri). */
static const struct {
	const char *name;
	void (*read)(struct record *r, struct span value);
} tags[] = {
	{"p", read_p},
	{"sp", read_sp},
	{"np", read_np},
	{"adkim", read_adkim},
	{"aspf", read_aspf},
	{"t", read_t},
	{"psd", read_psd},
	{"rua", read_rua},
};

/* Values that are wrong count as not given, but for p, sp and np (sections 4.8 and 4.10.1); a tag
 * that comes again is such an error. */
static void read_tag(struct record *r, struct span name, struct span value)
{
	for (unsigned i = 0; i < sizeof(tags) / sizeof(*tags); i++) {
		if (!span_eq(name, span_str(tags[i].name)) || r->seen & 1u << i)
			continue;
		r->seen |= 1u << i;
		tags[i].read(r, value);
	}
}

/* "v=DMARC1" first, in this case (section 4.7). */
static bool is_dmarc(struct span txt)
{
	struct span name, value;
	bool bad;

	return txt.n && txt.p[0] == 'v' && tags_next(&txt, &name, &value, &bad) &&
	       span_eq(name, SPAN_LIT("v")) && span_eq(value, SPAN_LIT("DMARC1"));
}

static void read_record(struct record *r, struct span txt)
{
	struct span name, value;
	bool bad;

	do {
		while (tags_next(&txt, &name, &value, &bad))
			read_tag(r, name, value);
	} while (bad); /* a malformed tag is skipped */
	/* section 4.10.1: with a place to report to it is p=none, else it is no policy at all */
	if (r->is_broken || r->p == DMARC_POLICY_ABSENT)
		r->p = r->sp = r->np = r->has_rua ? DMARC_POLICY_NONE : DMARC_POLICY_ABSENT;
}

static const struct dns_answer *record_answer(struct dns_table *dns, const char *domain)
{
	char name[DNS_NAME_BYTES + 8];

	snprintf(name, sizeof(name), "_dmarc.%s", domain);
	return dns_ask(dns, name, DNS_TXT);
}

static void fetch(struct dns_table *dns, const char *domain, struct record *r)
{
	const struct dns_answer *a = record_answer(dns, domain);
	struct span found = {0};
	unsigned n = 0;

	*r = (struct record){.status = a ? DNS_NODATA : DNS_OPEN};
	if (a && a->status == DNS_TEMPFAIL)
		r->status = DNS_TEMPFAIL;
	for (unsigned i = 0; a && i < a->count; i++) {
		if (!is_dmarc(a->records[i]))
			continue;
		found = a->records[i];
		n++;
	}
	if (n != 1)
		return;
	r->status = DNS_FOUND;
	read_record(r, found);
}

/* The names of a tree walk; at most WALK_QUERIES (section 4.10, steps 3 to 7). */
static unsigned walk_names(const char *start, const char *ret[WALK_QUERIES])
{
	const char *name = start;
	unsigned n = 0;

	ret[n++] = name;
	for (name = domain_parent(name); name; name = domain_parent(name))
		if (domain_labels(name) < WALK_QUERIES)
			ret[n++] = name;
	return n;
}

struct walk {
	const char *organizational;
	const char *suffix; /* where psd=y was found, or NULL */
	bool has_tempfail;
	bool is_open; /* not all answers are there yet */
};

/* Section 4.10.2: from the longest name to the shortest. */
static void find_organizational(struct dns_table *dns, const char *start, struct walk *ret)
{
	const char *names[WALK_QUERIES];
	unsigned n = walk_names(start, names);

	*ret = (struct walk){.organizational = start};
	for (unsigned i = 0; i < n; i++) {
		struct record r;
		fetch(dns, names[i], &r);
		ret->has_tempfail |= r.status == DNS_TEMPFAIL;
		ret->is_open |= r.status == DNS_OPEN;
		if (r.status != DNS_FOUND)
			continue;
		if (r.psd == PSD_YES && i > 0) {
			ret->suffix = names[i];
			/* one label below; a walk that skipped labels has not looked at that name
			 */
			for (const char *p = start; p && p != names[i]; p = domain_parent(p))
				ret->organizational = p;
			return;
		}
		ret->organizational = names[i];
		if (r.psd != PSD_UNKNOWN)
			return;
	}
}

static void ask_walk(struct dns_table *dns, const char *start)
{
	const char *names[WALK_QUERIES];
	unsigned n = walk_names(start, names);

	for (unsigned i = 0; i < n; i++)
		record_answer(dns, names[i]);
}

/* Section 3.2.13: a domain does not exist when DNS says NXDOMAIN, whatever the type. */
static enum dns_status existence(struct dns_table *dns, const char *domain)
{
	const struct dns_answer *a = dns_ask(dns, domain, DNS_A);

	return a ? a->status : DNS_TEMPFAIL;
}

/* Can the Organizational Domain of the identifier be the author's? It is the identifier or above
 * it, so no walk is needed for one that is not below the author's. */
static bool may_align(const struct walk *author, const char *identifier)
{
	return author->has_tempfail || domain_is_within(identifier, author->organizational);
}

void dmarc_ask(struct dns_table *dns, const char *author, const struct dmarc_evidence *e)
{
	struct record own;
	struct walk w;

	ask_walk(dns, author);
	fetch(dns, author, &own);
	if (own.status ==
		DNS_NODATA) /* an inherited policy may differ for a domain that does not exist */
		existence(dns, author);
	find_organizational(dns, author, &w);
	if (w.is_open)
		return;
	if (e->spf->result == SPF_PASS && may_align(&w, e->spf->domain))
		ask_walk(dns, e->spf->domain);
	for (unsigned i = 0; i < e->dkim_count; i++) {
		const char *domain = e->dkim[i].signature.domain;
		if (*domain && !e->dkim[i].reason && may_align(&w, domain))
			ask_walk(dns, domain);
	}
}

/* The record that applies, its policy for the author, or a status that says there is none. */
static void discover(struct dns_table *dns, const char *author, const struct walk *w,
	struct record *r, enum dmarc_policy *policy)
{
	enum dns_status exists;

	fetch(dns, author, r);
	*policy = r->p;
	if (r->status == DNS_FOUND || r->status == DNS_TEMPFAIL)
		return;
	fetch(dns, w->organizational, r);
	if (r->status != DNS_FOUND && w->suffix)
		fetch(dns, w->suffix, r);
	if (r->status != DNS_FOUND) {
		r->status = w->has_tempfail ? DNS_TEMPFAIL : DNS_NODATA;
		return;
	}
	exists = r->np != r->sp ? existence(dns, author) : DNS_FOUND;
	*policy = r->p;
	if (r->sp != DMARC_POLICY_ABSENT)
		*policy = r->sp;
	if (r->np != DMARC_POLICY_ABSENT && exists == DNS_NXDOMAIN)
		*policy = r->np;
	if (exists == DNS_TEMPFAIL)
		r->status = DNS_TEMPFAIL;
}

enum alignment { ALIGNED_NO, ALIGNED_YES, ALIGNED_UNKNOWN };

static enum alignment align(struct dns_table *dns, const char *author, const struct walk *w,
	const char *identifier, bool is_strict)
{
	struct walk other;

	if (strcasecmp(author, identifier) == 0)
		return ALIGNED_YES;
	if (is_strict || !may_align(w, identifier))
		return ALIGNED_NO;
	find_organizational(dns, identifier, &other);
	if (strcasecmp(w->organizational, other.organizational) == 0)
		return w->has_tempfail || other.has_tempfail ? ALIGNED_UNKNOWN : ALIGNED_YES;
	return w->has_tempfail || other.has_tempfail ? ALIGNED_UNKNOWN : ALIGNED_NO;
}

/* ALIGNED_YES: something authenticated is the author's. ALIGNED_UNKNOWN: DNS errors hide whether.
 */
static enum alignment align_any(struct dns_table *dns, const char *author, const struct walk *w,
	const struct record *r, const struct dmarc_evidence *e)
{
	enum alignment best = ALIGNED_NO;

	for (unsigned i = 0; i <= e->dkim_count; i++) {
		bool is_spf = i == e->dkim_count;
		bool passed = is_spf ? e->spf->result == SPF_PASS : e->dkim[i].result == DKIM_PASS;
		bool unknown = is_spf ? e->spf->result == SPF_TEMPERROR
				      : e->dkim[i].result == DKIM_TEMPERROR;
		const char *identifier = is_spf ? e->spf->domain : e->dkim[i].signature.domain;
		enum alignment a;

		if (!passed && !unknown)
			continue;
		a = align(
			dns, author, w, identifier, is_spf ? r->is_spf_strict : r->is_dkim_strict);
		if (a == ALIGNED_YES && passed)
			return ALIGNED_YES;
		if (a != ALIGNED_NO)
			best = ALIGNED_UNKNOWN;
	}
	return best;
}

static enum disposition policy_disposition(enum dmarc_policy p, bool is_test)
{
	switch (p) {
	case DMARC_POLICY_REJECT:
		return is_test ? DISPOSITION_QUARANTINE : DISPOSITION_REJECT;
	case DMARC_POLICY_QUARANTINE:
		return is_test ? DISPOSITION_NONE : DISPOSITION_QUARANTINE;
	default:
		return DISPOSITION_NONE;
	}
}

void dmarc_judge(struct dns_table *dns, const char *author, const struct dmarc_evidence *e,
	struct dmarc_judgement *ret)
{
	struct record r;
	struct walk w;

	*ret = (struct dmarc_judgement){.result = DMARC_NONE};
	snprintf(ret->domain, sizeof(ret->domain), "%s", author);
	find_organizational(dns, author, &w);
	discover(dns, author, &w, &r, &ret->policy);
	if (r.status == DNS_TEMPFAIL) {
		ret->result = DMARC_TEMPERROR;
		ret->disposition = DISPOSITION_TEMPERROR;
		ret->reason = "no answer about the policy";
		return;
	}
	if (r.status != DNS_FOUND || ret->policy == DMARC_POLICY_ABSENT)
		return;
	ret->is_test = r.is_test;
	switch (align_any(dns, author, &w, &r, e)) {
	case ALIGNED_YES:
		ret->result = DMARC_PASS;
		return;
	case ALIGNED_UNKNOWN:
		ret->result = DMARC_TEMPERROR;
		ret->reason = "no answer about an aligned identifier";
		if (policy_disposition(ret->policy, r.is_test) != DISPOSITION_NONE)
			ret->disposition = DISPOSITION_TEMPERROR;
		return;
	case ALIGNED_NO:
		ret->result = DMARC_FAIL;
		ret->disposition = policy_disposition(ret->policy, r.is_test);
		return;
	}
}
