#include "mailauth/spf_match.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

// clang-format off: spf.h declares what the others use
#include <spf2/spf.h>
#include <spf2/spf_dns.h>
// clang-format on

#include "mailauth/domain.h"

#define TARGET "target.invalid"
#define ELSEWHERE "elsewhere.invalid"

/* What the DNS layer under libspf2 answers from. */
struct query {
	struct dns_table *dns;
	const struct spf_ip *ip;
	const struct spf_term *term;
	const char *target;
	unsigned *voids;
	const struct dns_answer *names; /* of the mx or ptr, once looked up */
	bool is_missing;
	bool is_over; /* a limit of section 4.6.4 */
};

static enum dns_type address_type(const struct spf_ip *ip)
{
	return ip->family == AF_INET ? DNS_A : DNS_AAAA;
}

static size_t address_bytes(const struct spf_ip *ip)
{
	return ip->family == AF_INET ? 4 : 16;
}

void spf_ip_reverse_name(const struct spf_ip *ip, char ret[DNS_NAME_BYTES])
{
	char *p = ret;

	if (ip->family == AF_INET) {
		snprintf(ret, DNS_NAME_BYTES, "%u.%u.%u.%u.in-addr.arpa", ip->bytes[3],
			ip->bytes[2], ip->bytes[1], ip->bytes[0]);
		return;
	}
	for (int i = 15; i >= 0; i--)
		p += sprintf(p, "%x.%x.", ip->bytes[i] & 15u, ip->bytes[i] >> 4);
	strcpy(p, "ip6.arpa");
}

enum spf_match spf_ip_is_of(struct dns_table *dns, const struct spf_ip *ip, const char *name)
{
	const struct dns_answer *a = dns_ask(dns, name, address_type(ip));

	if (!a)
		return SPF_MATCH_MORE;
	for (unsigned i = 0; i < a->count; i++)
		if (span_eq(a->records[i], span_of(ip->bytes, address_bytes(ip))))
			return SPF_MATCH_YES;
	return SPF_MATCH_NO;
}

/* /0 covers every address of the family, which libspf2 takes for "no length given". */
static bool covers_all(const struct query *q)
{
	return (q->ip->family == AF_INET ? q->term->cidr4 : q->term->cidr6) == 0;
}

/* libspf2's name for the i-th name of an mx or ptr. */
static void stand_in(const struct query *q, unsigned i, char *ret, size_t n)
{
	const char *name = (const char *)q->names->records[i].p;
	bool within = q->term->kind == SPF_MX || domain_is_within(name, q->target);

	snprintf(ret, n, "n%u.%s", i, within ? TARGET : ELSEWHERE);
}

/* The real name behind a stand-in. */
static const char *real_name(struct query *q, const char *stand_in_name)
{
	unsigned i;

	if (strcmp(stand_in_name, TARGET) == 0)
		return q->target;
	if (q->names && sscanf(stand_in_name, "n%u.", &i) == 1 && i < q->names->count &&
		i < SPF_NAMES_MAX)
		return (const char *)q->names->records[i].p;
	return NULL;
}

static SPF_dns_rr_t *rr_new(SPF_dns_server_t *layer, const char *name, ns_type type, int herrno)
{
	return SPF_dns_rr_new_init(layer, name, type, 0, herrno);
}

static void rr_put(SPF_dns_rr_t *rr, const void *data, size_t n)
{
	if (SPF_dns_rr_buf_realloc(rr, rr->num_rr, n + 1) != SPF_E_SUCCESS)
		return;
	memcpy(rr->rr[rr->num_rr], data, n);
	rr->num_rr++;
}

static void put_names(struct query *q, SPF_dns_rr_t *rr)
{
	for (unsigned i = 0; i < q->names->count && i < SPF_NAMES_MAX; i++) {
		char name[64];
		stand_in(q, i, name, sizeof(name));
		rr_put(rr, name, strlen(name) + 1);
	}
}

static void put_addresses(struct query *q, SPF_dns_rr_t *rr, const struct dns_answer *a)
{
	for (unsigned i = 0; i < a->count; i++) {
		bool own = covers_all(q) && q->term->kind != SPF_EXISTS;
		rr_put(rr, own ? q->ip->bytes : a->records[i].p, a->records[i].n);
	}
}

static SPF_dns_rr_t *answer(struct query *q, SPF_dns_server_t *layer, const char *name,
	ns_type type, const struct dns_answer *a)
{
	bool is_names = type == ns_t_mx || type == ns_t_ptr;
	SPF_dns_rr_t *rr;

	q->is_missing |= !a;
	if (!a ||
		a->status == DNS_TEMPFAIL) /* a ptr that DNS does not answer just does not match */
		return rr_new(
			layer, name, type, q->term->kind == SPF_PTR && a ? NO_DATA : TRY_AGAIN);
	if (a->status != DNS_FOUND) {
		q->is_over |= ++*q->voids > SPF_VOIDS_MAX;
		return rr_new(
			layer, name, type, a->status == DNS_NODATA ? NO_DATA : HOST_NOT_FOUND);
	}
	rr = rr_new(layer, name, type, NETDB_SUCCESS);
	if (!rr)
		return NULL;
	if (is_names) {
		q->names = a;
		q->is_over |= type == ns_t_mx && a->count > SPF_NAMES_MAX;
		put_names(q, rr);
	} else {
		put_addresses(q, rr, a);
	}
	return rr;
}

static SPF_dns_rr_t *lookup(
	SPF_dns_server_t *layer, const char *name, ns_type type, int should_cache)
{
	struct query *q = layer->hook;
	char reverse[DNS_NAME_BYTES];
	const char *real = type == ns_t_ptr ? reverse : real_name(q, name);

	(void)should_cache;
	spf_ip_reverse_name(q->ip, reverse);
	if (!real)
		return rr_new(layer, name, type, HOST_NOT_FOUND);
	return answer(q, layer, name, type, dns_ask(q->dns, real, (enum dns_type)type));
}

/* The record of this one mechanism. */
static void write_record(const struct query *q, char *ret, size_t n)
{
	static const char *const names[] = {
		[SPF_A] = "a", [SPF_MX] = "mx", [SPF_PTR] = "ptr", [SPF_EXISTS] = "exists"};
	const struct spf_term *t = q->term;
	const uint8_t *w = t->network;
	char cidr4[8] = "", cidr6[8] = "";

	if (t->cidr4 != 32 && t->cidr4 != 0)
		snprintf(cidr4, sizeof(cidr4), "/%u", t->cidr4);
	if (t->cidr6 != 128 && t->cidr6 != 0)
		snprintf(cidr6, sizeof(cidr6), "/%u", t->cidr6);
	if (t->kind == SPF_IP4)
		snprintf(ret, n, "v=spf1 ip4:%u.%u.%u.%u%s", w[0], w[1], w[2], w[3], cidr4);
	else if (t->kind == SPF_IP6)
		snprintf(ret, n,
			"v=spf1 "
			"ip6:%02x%02x:%02x%02x:%02x%02x:%02x%02x:%02x%02x:%02x%02x:%02x%02x:%02x%"
			"02x%s",
			w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7], w[8], w[9], w[10], w[11],
			w[12], w[13], w[14], w[15], cidr6);
	else
		snprintf(ret, n, "v=spf1 %s:" TARGET "%s%s%s", names[t->kind], cidr4,
			*cidr6 ? "/" : "", cidr6);
}

/* Asks for the addresses of all names of an mx or ptr at once: libspf2 would ask one by one. */
static bool ask_ahead(struct query *q)
{
	char reverse[DNS_NAME_BYTES];
	const struct dns_answer *names;

	if (q->term->kind != SPF_MX && q->term->kind != SPF_PTR)
		return true;
	spf_ip_reverse_name(q->ip, reverse);
	names = q->term->kind == SPF_MX ? dns_ask(q->dns, q->target, DNS_MX)
					: dns_ask(q->dns, reverse, DNS_PTR);
	if (!names)
		return false;
	for (unsigned i = 0; i < names->count && i < SPF_NAMES_MAX; i++)
		if (!dns_ask(q->dns, (const char *)names->records[i].p, address_type(q->ip)))
			q->is_missing = true;
	return !q->is_missing;
}

static SPF_result_t interpret(SPF_server_t *server, const struct query *q)
{
	SPF_result_t result = SPF_RESULT_INVALID;
	SPF_request_t *request = SPF_request_new(server);
	SPF_response_t *response = request ? SPF_response_new(request) : NULL;
	SPF_record_t *record = NULL;
	struct in_addr in;
	struct in6_addr in6;
	char text[160];

	if (!response)
		goto out;
	memcpy(&in, q->ip->bytes, sizeof(in));
	memcpy(&in6, q->ip->bytes, sizeof(in6));
	if (q->ip->family == AF_INET)
		SPF_request_set_ipv4(request, in);
	else
		SPF_request_set_ipv6(request, in6);
	request->cur_dom = TARGET;
	write_record(q, text, sizeof(text));
	if (SPF_record_compile(server, response, &record, text) != SPF_E_SUCCESS)
		goto out;
	response->spf_record_exp = record; /* it writes a comment from it */
	SPF_record_interpret(record, request, response, 0);
	result = SPF_response_result(response);
out:
	if (record)
		SPF_record_free(record);
	if (response)
		SPF_response_free(response);
	if (request)
		SPF_request_free(request);
	return result;
}

/* The library's server object holds no more than how DNS is asked; to make one costs system calls,
 * so there is one a process, and the query it answers from is exchanged. */
static SPF_dns_server_t layer = {.lookup = lookup, .name = "table"};

static SPF_server_t *server_get(void)
{
	static SPF_server_t *server;

	if (!server) {
		server = SPF_server_new_dns(&layer, 0);
		if (server)
			SPF_server_set_rec_dom(server, TARGET);
	}
	return server;
}

enum spf_match spf_match_term(struct dns_table *dns, const struct spf_ip *ip,
	const struct spf_term *t, const char *target, unsigned *voids)
{
	struct query q = {.dns = dns, .ip = ip, .term = t, .target = target, .voids = voids};
	SPF_server_t *server = server_get();
	SPF_result_t result;

	if ((t->kind == SPF_IP4 || t->kind == SPF_IP6) && covers_all(&q))
		return (t->kind == SPF_IP4) == (ip->family == AF_INET) ? SPF_MATCH_YES
								       : SPF_MATCH_NO;
	if (!ask_ahead(&q))
		return SPF_MATCH_MORE;
	if (!server)
		return SPF_MATCH_TEMPERROR;
	layer.hook = &q;
	result = interpret(server, &q);
	layer.hook = NULL;
	if (q.is_missing)
		return SPF_MATCH_MORE;
	if (q.is_over)
		return SPF_MATCH_PERMERROR;
	switch (result) {
	case SPF_RESULT_PASS:
		return SPF_MATCH_YES;
	case SPF_RESULT_NEUTRAL:
		return SPF_MATCH_NO;
	case SPF_RESULT_TEMPERROR:
		return SPF_MATCH_TEMPERROR;
	default:
		return SPF_MATCH_PERMERROR;
	}
}
