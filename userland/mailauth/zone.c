#include "mailauth/zone.h"

#include <arpa/inet.h>
#include <strings.h>

#include "mailauth/domain.h"

#define CNAMES_MAX 8

static const struct {
	const char *key;
	enum dns_type type;
} types[] = {{"A", DNS_A}, {"AAAA", DNS_AAAA}, {"MX", DNS_MX}, {"PTR", DNS_PTR}, {"TXT", DNS_TXT}};

static const char *type_key(enum dns_type type)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (types[i].type == type)
			return types[i].key;
	return "";
}

static sd_json_variant *find_name(sd_json_variant *zone, const char *name)
{
	size_t n = sd_json_variant_is_object(zone) ? sd_json_variant_elements(zone) : 0;

	for (size_t i = 0; i + 1 < n; i += 2) {
		char lower[DOMAIN_BYTES];
		const char *key = sd_json_variant_string(sd_json_variant_by_index(zone, i));
		if (domain_lower(key, lower) && strcmp(lower, name) == 0)
			return sd_json_variant_by_index(zone, i + 1);
	}
	return NULL;
}

static bool is_timeout(sd_json_variant *v)
{
	return sd_json_variant_is_string(v) && strcmp(sd_json_variant_string(v), "TIMEOUT") == 0;
}

static void add_text(struct dns_answer *a, sd_json_variant *v)
{
	char joined[8192];
	size_t n = 0;

	if (sd_json_variant_is_string(v)) {
		dns_answer_add(a, span_str(sd_json_variant_string(v)));
		return;
	}
	for (size_t i = 0; sd_json_variant_is_array(v) && i < sd_json_variant_elements(v); i++) {
		sd_json_variant *part = sd_json_variant_by_index(v, i);
		struct span s = span_str(
			sd_json_variant_is_string(part) ? sd_json_variant_string(part) : "");
		if (s.n > sizeof(joined) - n)
			return;
		memcpy(joined + n, s.p, s.n);
		n += s.n;
	}
	dns_answer_add(a, span_of(joined, n));
}

static void add_record(struct dns_answer *a, sd_json_variant *v)
{
	uint8_t address[16];
	const char *text;

	if (a->type == DNS_TXT) {
		add_text(a, v);
		return;
	}
	if (a->type == DNS_MX && sd_json_variant_is_array(v) && sd_json_variant_elements(v) == 2)
		v = sd_json_variant_by_index(v, 1);
	if (!sd_json_variant_is_string(v))
		return;
	text = sd_json_variant_string(v);
	if (a->type == DNS_MX || a->type == DNS_PTR)
		dns_answer_add(a, span_str(text));
	else if (inet_pton(a->type == DNS_A ? AF_INET : AF_INET6, text, address) == 1)
		dns_answer_add(a, span_of(address, a->type == DNS_A ? 4 : 16));
}

/* The target of a CNAME, or NULL: then the answer is ended. */
static const char *answer_from(sd_json_variant *records, struct dns_answer *a)
{
	size_t n = sd_json_variant_is_array(records) ? sd_json_variant_elements(records) : 0;

	for (size_t i = 0; i < n; i++) {
		sd_json_variant *r = sd_json_variant_by_index(records, i);
		sd_json_variant *cname = sd_json_variant_by_key(r, "CNAME");
		sd_json_variant *v = sd_json_variant_by_key(r, type_key(a->type));
		if (cname && sd_json_variant_is_string(cname))
			return sd_json_variant_string(cname);
		if ((is_timeout(r) || (v && is_timeout(v))) && a->count == 0) {
			dns_answer_end(a, DNS_TEMPFAIL);
			return NULL;
		}
		if (v && !is_timeout(v))
			add_record(a, v);
	}
	dns_answer_end(a, DNS_NODATA);
	return NULL;
}

static void answer(sd_json_variant *zone, struct dns_answer *a)
{
	char name[DOMAIN_BYTES];
	const char *next = a->name;

	for (unsigned i = 0; next && i < CNAMES_MAX; i++) {
		sd_json_variant *records = domain_lower(next, name) ? find_name(zone, name) : NULL;
		if (!records)
			break;
		next = answer_from(records, a);
	}
	if (next)
		dns_answer_end(a, DNS_NXDOMAIN);
}

void zone_answer(sd_json_variant *zone, struct dns_table *t)
{
	struct dns_answer *a;

	for (unsigned i = 0; (a = dns_question(t, i)); i++)
		if (a->status == DNS_OPEN)
			answer(zone, a);
}
