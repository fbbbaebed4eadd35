/* What the engine needs beside the rules: their order, and which of them to look at for which
 * buffer. */
#include "inspect/keyword.h"

const struct proto_info proto_info[PROTO_COUNT] = {
	[PROTO_IP] = {"ip", 0, false},
	[PROTO_TCP] = {"tcp", IPPROTO_TCP, false},
	[PROTO_UDP] = {"udp", IPPROTO_UDP, false},
	[PROTO_ICMP] = {"icmp", IPPROTO_ICMP, false},
	[PROTO_HTTP] = {"http", IPPROTO_TCP, true},
	[PROTO_TLS] = {"tls", IPPROTO_TCP, true},
	[PROTO_DNS] = {"dns", 0, true},
	[PROTO_SMTP] = {"smtp", IPPROTO_TCP, true},
	[PROTO_FTP] = {"ftp", IPPROTO_TCP, true},
	[PROTO_SSH] = {"ssh", IPPROTO_TCP, true},
	[PROTO_SMB] = {"smb", IPPROTO_TCP, true},
};

#define BOTH (DIR_TO_CLIENT | DIR_TO_SERVER)

const struct buffer_info buffer_info[BUFFER_COUNT] = {
	[BUFFER_PAYLOAD] = {"payload", PROTO_IP, BOTH},
	[BUFFER_HTTP_METHOD] = {"http.method", PROTO_HTTP, DIR_TO_SERVER},
	[BUFFER_HTTP_URI] = {"http.uri", PROTO_HTTP, DIR_TO_SERVER},
	[BUFFER_HTTP_URI_RAW] = {"http.uri.raw", PROTO_HTTP, DIR_TO_SERVER},
	[BUFFER_HTTP_HOST] = {"http.host", PROTO_HTTP, DIR_TO_SERVER},
	[BUFFER_HTTP_USER_AGENT] = {"http.user_agent", PROTO_HTTP, DIR_TO_SERVER},
	[BUFFER_HTTP_HEADER] = {"http.header", PROTO_HTTP, BOTH},
	[BUFFER_HTTP_COOKIE] = {"http.cookie", PROTO_HTTP, BOTH},
	[BUFFER_HTTP_REQUEST_BODY] = {"http.request_body", PROTO_HTTP, DIR_TO_SERVER},
	[BUFFER_HTTP_STAT_CODE] = {"http.stat_code", PROTO_HTTP, DIR_TO_CLIENT},
	[BUFFER_HTTP_RESPONSE_BODY] = {"http.response_body", PROTO_HTTP, DIR_TO_CLIENT},
	[BUFFER_TLS_SNI] = {"tls.sni", PROTO_TLS, DIR_TO_SERVER},
	[BUFFER_DNS_QUERY] = {"dns.query", PROTO_DNS, DIR_TO_SERVER},
};

static int rule_compare(const void *x, const void *y)
{
	const struct rule *a = *(struct rule *const *)x, *b = *(struct rule *const *)y;

	if (a->action != b->action)
		return a->action < b->action ? -1 : 1;
	if (a->priority != b->priority)
		return a->priority < b->priority ? -1 : 1;
	if (a->sid != b->sid)
		return a->sid < b->sid ? -1 : 1;
	return a->gid < b->gid ? -1 : a->gid > b->gid;
}

static int list_build(struct ruleset *rs, struct rule_list *list, unsigned arg,
	bool (*belongs)(const struct rule *r, unsigned arg))
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < rs->n_rules; i++)
		n += belongs(rs->rules[i], arg);
	list->rules = ruleset_alloc(rs, n * sizeof(*list->rules));
	if (!list->rules)
		return -ENOMEM;
	for (uint32_t i = 0; i < rs->n_rules; i++)
		if (belongs(rs->rules[i], arg))
			list->rules[list->n++] = i;
	return 0;
}

static bool enters_without_pattern(const struct rule *r, unsigned entry)
{
	return !r->fast.n && (unsigned)r->entry == entry;
}

/* detect_needs_more() asks only these. */
static bool is_later(const struct rule *r, unsigned arg)
{
	(void)arg;
	return !r->first_packet;
}

int ruleset_finish(struct ruleset *rs, const char *cache_dir)
{
	int err = 0;

	if (rs->n_rules)
		qsort(rs->rules, rs->n_rules, sizeof(struct rule *), rule_compare);
	for (uint32_t i = 0; i < rs->n_rules; i++)
		rs->buffers |= rs->rules[i]->buffers;
	for (unsigned e = 0; !err && e <= BUFFER_COUNT; e++)
		err = list_build(rs, &rs->always[e], e, enters_without_pattern);
	if (!err)
		err = list_build(rs, &rs->later, 0, is_later);
	for (unsigned i = 0; !err && i < BUFFER_COUNT; i++)
		err = prefilter_build(rs, (enum buffer)i, cache_dir);
	return err;
}

uint32_t detect_buffers(const struct ruleset *rs)
{
	return rs->buffers;
}
