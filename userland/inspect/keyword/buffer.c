/* Which buffer: sticky buffers for what follows, and the older modifiers of the content before. */
#include "inspect/keyword.h"

static int sticky_parse(struct rule_build *b, const struct keyword *k, struct span arg)
{
	(void)arg;
	b->buffer = (enum buffer)k->value;
	b->dotprefix = false;
	b->content = NULL;
	return 0;
}

static int dotprefix_parse(struct rule_build *b, const struct keyword *k, struct span arg)
{
	(void)k;
	if (b->buffer == BUFFER_PAYLOAD)
		return rule_fail(
			b, arg, "dotprefix needs a sticky buffer before it, such as dns.query");
	b->dotprefix = true;
	return 0;
}

static int modifier_parse(struct rule_build *b, const struct keyword *k, struct span arg)
{
	if (!b->content)
		return rule_fail(b, arg, "%s needs a content before it", k->name);
	if (b->content->buffer != BUFFER_PAYLOAD)
		return rule_fail(b, arg, "%s: the content is already for %s", k->name,
			buffer_info[b->content->buffer].name);
	b->content->buffer = (enum buffer)k->value;
	return 0;
}

const struct keyword keyword_buffer[] = {
	{"dns.query", ARG_NONE, BUFFER_DNS_QUERY, sticky_parse},
	{"dns_query", ARG_NONE, BUFFER_DNS_QUERY, sticky_parse},
	{"dotprefix", ARG_NONE, 0, dotprefix_parse},
	{"file.data", ARG_NONE, BUFFER_HTTP_RESPONSE_BODY, sticky_parse},
	{"file_data", ARG_NONE, BUFFER_HTTP_RESPONSE_BODY, sticky_parse},
	{"http.cookie", ARG_NONE, BUFFER_HTTP_COOKIE, sticky_parse},
	{"http.header", ARG_NONE, BUFFER_HTTP_HEADER, sticky_parse},
	{"http.host", ARG_NONE, BUFFER_HTTP_HOST, sticky_parse},
	{"http.method", ARG_NONE, BUFFER_HTTP_METHOD, sticky_parse},
	{"http.request_body", ARG_NONE, BUFFER_HTTP_REQUEST_BODY, sticky_parse},
	{"http.response_body", ARG_NONE, BUFFER_HTTP_RESPONSE_BODY, sticky_parse},
	{"http.stat_code", ARG_NONE, BUFFER_HTTP_STAT_CODE, sticky_parse},
	{"http.uri", ARG_NONE, BUFFER_HTTP_URI, sticky_parse},
	{"http.uri.raw", ARG_NONE, BUFFER_HTTP_URI_RAW, sticky_parse},
	{"http.user_agent", ARG_NONE, BUFFER_HTTP_USER_AGENT, sticky_parse},
	{"http_client_body", ARG_NONE, BUFFER_HTTP_REQUEST_BODY, modifier_parse},
	{"http_cookie", ARG_NONE, BUFFER_HTTP_COOKIE, modifier_parse},
	{"http_header", ARG_NONE, BUFFER_HTTP_HEADER, modifier_parse},
	{"http_host", ARG_NONE, BUFFER_HTTP_HOST, modifier_parse},
	{"http_method", ARG_NONE, BUFFER_HTTP_METHOD, modifier_parse},
	{"http_raw_uri", ARG_NONE, BUFFER_HTTP_URI_RAW, modifier_parse},
	{"http_server_body", ARG_NONE, BUFFER_HTTP_RESPONSE_BODY, modifier_parse},
	{"http_stat_code", ARG_NONE, BUFFER_HTTP_STAT_CODE, modifier_parse},
	{"http_uri", ARG_NONE, BUFFER_HTTP_URI, modifier_parse},
	{"http_user_agent", ARG_NONE, BUFFER_HTTP_USER_AGENT, modifier_parse},
	{"pkt_data", ARG_NONE, BUFFER_PAYLOAD, sticky_parse},
	{"tls.sni", ARG_NONE, BUFFER_TLS_SNI, sticky_parse},
	{"tls_sni", ARG_NONE, BUFFER_TLS_SNI, sticky_parse},
	{0},
};
