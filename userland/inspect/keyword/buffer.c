/* Which buffer: sticky buffers for what follows, and the older modifiers of the content before. A
 * name that means less than its buffer (a protocol, a direction) says so in limits[]. */
#include "inspect/keyword.h"

/* Names of buffers that are for one protocol or one direction of theirs. */
static const struct limit {
	const char *name;
	enum rule_proto app;
	unsigned directions;
} limits[] = {
	{"http.response_body", PROTO_HTTP, DIR_TO_CLIENT},
	{"http_server_body", PROTO_HTTP, DIR_TO_CLIENT},
	{"http.request_header", PROTO_HTTP, DIR_TO_SERVER},
	{"http.response_header", PROTO_HTTP, DIR_TO_CLIENT},
};

static int limit_apply(struct rule_build *b, const struct keyword *k)
{
	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++)
		if (strcmp(limits[i].name, k->name) == 0)
			return rule_bind(
				b, b->option, k->name, limits[i].app, limits[i].directions);
	return 0;
}

static int sticky_parse(struct rule_build *b, const struct keyword *k, struct span arg)
{
	(void)arg;
	b->buffer = (enum buffer)k->value;
	b->way = 0;
	b->transforms.n = 0;
	b->kept = NULL;
	b->content = NULL;
	return limit_apply(b, k);
}

/* The header of one protocol: rules for others are refused, ip is narrowed down. */
static int header_parse(struct rule_build *b, const struct keyword *k, struct span arg)
{
	struct check *c = rule_check(b);

	if (!c)
		return -EINVAL;
	header_check(c, k->name);
	return sticky_parse(b, k, arg);
}

/* file.data may say which way: file.data:to_client. */
static int file_parse(struct rule_build *b, const struct keyword *k, struct span arg)
{
	if (arg.n && !span_caseeq(arg, SPAN_LIT("to_client")) &&
		!span_caseeq(arg, SPAN_LIT("to_server")))
		return rule_fail(
			b, arg, "\"%.*s\": to_client or to_server is expected", SPAN_ARGS(arg));
	if (arg.n && rule_bind(b, arg, k->name, PROTO_IP,
			     span_caseeq(arg, SPAN_LIT("to_client")) ? DIR_TO_CLIENT
								     : DIR_TO_SERVER) < 0)
		return -EINVAL;
	if (sticky_parse(b, k, arg) < 0)
		return -EINVAL;
	if (arg.n)
		b->way = span_caseeq(arg, SPAN_LIT("to_client")) ? DIR_TO_CLIENT : DIR_TO_SERVER;
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
	return limit_apply(b, k);
}

const struct keyword keyword_buffer[] = {
	{"base64_data", ARG_NONE, BUFFER_BASE64, sticky_parse},
	{"dns.queries.rrname", ARG_NONE, BUFFER_DNS_QUERY, sticky_parse},
	{"dns.query", ARG_NONE, BUFFER_DNS_QUERY, sticky_parse},
	{"dns_query", ARG_NONE, BUFFER_DNS_QUERY, sticky_parse},
	{"file.data", ARG_OPTIONAL, BUFFER_FILE_DATA, file_parse},
	{"file.name", ARG_NONE, BUFFER_FILE_NAME, sticky_parse},
	{"file_data", ARG_OPTIONAL, BUFFER_FILE_DATA, file_parse},
	{"ftp.command", ARG_NONE, BUFFER_FTP_COMMAND, sticky_parse},
	{"ftp.command_data", ARG_NONE, BUFFER_FTP_COMMAND_DATA, sticky_parse},
	{"http.accept", ARG_NONE, BUFFER_HTTP_ACCEPT, sticky_parse},
	{"http.accept_enc", ARG_NONE, BUFFER_HTTP_ACCEPT_ENC, sticky_parse},
	{"http.accept_lang", ARG_NONE, BUFFER_HTTP_ACCEPT_LANG, sticky_parse},
	{"http.connection", ARG_NONE, BUFFER_HTTP_CONNECTION, sticky_parse},
	{"http.content_len", ARG_NONE, BUFFER_HTTP_CONTENT_LEN, sticky_parse},
	{"http.content_type", ARG_NONE, BUFFER_HTTP_CONTENT_TYPE, sticky_parse},
	{"http.cookie", ARG_NONE, BUFFER_HTTP_COOKIE, sticky_parse},
	{"http.header", ARG_NONE, BUFFER_HTTP_HEADER, sticky_parse},
	{"http.header.raw", ARG_NONE, BUFFER_HTTP_HEADER_RAW, sticky_parse},
	{"http.header_names", ARG_NONE, BUFFER_HTTP_HEADER_NAMES, sticky_parse},
	{"http.host", ARG_NONE, BUFFER_HTTP_HOST, sticky_parse},
	{"http.host.raw", ARG_NONE, BUFFER_HTTP_HOST_RAW, sticky_parse},
	{"http.location", ARG_NONE, BUFFER_HTTP_LOCATION, sticky_parse},
	{"http.method", ARG_NONE, BUFFER_HTTP_METHOD, sticky_parse},
	{"http.protocol", ARG_NONE, BUFFER_HTTP_PROTOCOL, sticky_parse},
	{"http.referer", ARG_NONE, BUFFER_HTTP_REFERER, sticky_parse},
	{"http.request_body", ARG_NONE, BUFFER_HTTP_REQUEST_BODY, sticky_parse},
	{"http.request_header", ARG_NONE, BUFFER_HTTP_REQUEST_HEADER, sticky_parse},
	{"http.request_line", ARG_NONE, BUFFER_HTTP_REQUEST_LINE, sticky_parse},
	{"http.response_body", ARG_NONE, BUFFER_FILE_DATA, sticky_parse},
	{"http.response_header", ARG_NONE, BUFFER_HTTP_RESPONSE_HEADER, sticky_parse},
	{"http.response_line", ARG_NONE, BUFFER_HTTP_RESPONSE_LINE, sticky_parse},
	{"http.server", ARG_NONE, BUFFER_HTTP_SERVER, sticky_parse},
	{"http.start", ARG_NONE, BUFFER_HTTP_START, sticky_parse},
	{"http.stat_code", ARG_NONE, BUFFER_HTTP_STAT_CODE, sticky_parse},
	{"http.stat_msg", ARG_NONE, BUFFER_HTTP_STAT_MSG, sticky_parse},
	{"http.uri", ARG_NONE, BUFFER_HTTP_URI, sticky_parse},
	{"http.uri.raw", ARG_NONE, BUFFER_HTTP_URI_RAW, sticky_parse},
	{"http.user_agent", ARG_NONE, BUFFER_HTTP_USER_AGENT, sticky_parse},
	{"http_accept", ARG_NONE, BUFFER_HTTP_ACCEPT, sticky_parse},
	{"http_accept_enc", ARG_NONE, BUFFER_HTTP_ACCEPT_ENC, sticky_parse},
	{"http_accept_lang", ARG_NONE, BUFFER_HTTP_ACCEPT_LANG, sticky_parse},
	{"http_client_body", ARG_NONE, BUFFER_HTTP_REQUEST_BODY, modifier_parse},
	{"http_connection", ARG_NONE, BUFFER_HTTP_CONNECTION, sticky_parse},
	{"http_content_len", ARG_NONE, BUFFER_HTTP_CONTENT_LEN, sticky_parse},
	{"http_content_type", ARG_NONE, BUFFER_HTTP_CONTENT_TYPE, sticky_parse},
	{"http_cookie", ARG_NONE, BUFFER_HTTP_COOKIE, modifier_parse},
	{"http_header", ARG_NONE, BUFFER_HTTP_HEADER, modifier_parse},
	{"http_header_names", ARG_NONE, BUFFER_HTTP_HEADER_NAMES, sticky_parse},
	{"http_host", ARG_NONE, BUFFER_HTTP_HOST, modifier_parse},
	{"http_method", ARG_NONE, BUFFER_HTTP_METHOD, modifier_parse},
	{"http_protocol", ARG_NONE, BUFFER_HTTP_PROTOCOL, sticky_parse},
	{"http_raw_header", ARG_NONE, BUFFER_HTTP_HEADER_RAW, modifier_parse},
	{"http_raw_host", ARG_NONE, BUFFER_HTTP_HOST_RAW, modifier_parse},
	{"http_raw_uri", ARG_NONE, BUFFER_HTTP_URI_RAW, modifier_parse},
	{"http_referer", ARG_NONE, BUFFER_HTTP_REFERER, sticky_parse},
	{"http_request_line", ARG_NONE, BUFFER_HTTP_REQUEST_LINE, sticky_parse},
	{"http_response_line", ARG_NONE, BUFFER_HTTP_RESPONSE_LINE, sticky_parse},
	{"http_server_body", ARG_NONE, BUFFER_FILE_DATA, modifier_parse},
	{"http_start", ARG_NONE, BUFFER_HTTP_START, sticky_parse},
	{"http_stat_code", ARG_NONE, BUFFER_HTTP_STAT_CODE, modifier_parse},
	{"http_stat_msg", ARG_NONE, BUFFER_HTTP_STAT_MSG, modifier_parse},
	{"http_uri", ARG_NONE, BUFFER_HTTP_URI, modifier_parse},
	{"http_user_agent", ARG_NONE, BUFFER_HTTP_USER_AGENT, modifier_parse},
	{"icmpv4.hdr", ARG_NONE, BUFFER_TRANSPORT_HEADER, header_parse},
	{"icmpv6.hdr", ARG_NONE, BUFFER_TRANSPORT_HEADER, header_parse},
	{"ipv4.hdr", ARG_NONE, BUFFER_IP_HEADER, header_parse},
	{"ipv6.hdr", ARG_NONE, BUFFER_IP_HEADER, header_parse},
	{"ja3.hash", ARG_NONE, BUFFER_JA3_HASH, sticky_parse},
	{"ja3.string", ARG_NONE, BUFFER_JA3_STRING, sticky_parse},
	{"ja3_hash", ARG_NONE, BUFFER_JA3_HASH, sticky_parse},
	{"ja3_string", ARG_NONE, BUFFER_JA3_STRING, sticky_parse},
	{"ja3s.hash", ARG_NONE, BUFFER_JA3S_HASH, sticky_parse},
	{"ja3s.string", ARG_NONE, BUFFER_JA3S_STRING, sticky_parse},
	{"ja4.hash", ARG_NONE, BUFFER_JA4_HASH, sticky_parse},
	{"krb5.cname", ARG_NONE, BUFFER_KRB5_CNAME, sticky_parse},
	{"krb5.sname", ARG_NONE, BUFFER_KRB5_SNAME, sticky_parse},
	{"pkt_data", ARG_NONE, BUFFER_PAYLOAD, sticky_parse},
	{"smb.named_pipe", ARG_NONE, BUFFER_SMB_NAMED_PIPE, sticky_parse},
	{"smb.ntlmssp_domain", ARG_NONE, BUFFER_SMB_NTLMSSP_DOMAIN, sticky_parse},
	{"smb.ntlmssp_user", ARG_NONE, BUFFER_SMB_NTLMSSP_USER, sticky_parse},
	{"smb.share", ARG_NONE, BUFFER_SMB_SHARE, sticky_parse},
	{"smtp.helo", ARG_NONE, BUFFER_SMTP_HELO, sticky_parse},
	{"smtp.mail_from", ARG_NONE, BUFFER_SMTP_MAIL_FROM, sticky_parse},
	{"smtp.rcpt_to", ARG_NONE, BUFFER_SMTP_RCPT_TO, sticky_parse},
	{"snmp.community", ARG_NONE, BUFFER_SNMP_COMMUNITY, sticky_parse},
	{"ssh.proto", ARG_NONE, BUFFER_SSH_PROTO, sticky_parse},
	{"ssh.software", ARG_NONE, BUFFER_SSH_SOFTWARE, sticky_parse},
	{"ssh_proto", ARG_NONE, BUFFER_SSH_PROTO, sticky_parse},
	{"ssh_software", ARG_NONE, BUFFER_SSH_SOFTWARE, sticky_parse},
	{"tcp.hdr", ARG_NONE, BUFFER_TRANSPORT_HEADER, header_parse},
	{"tls.alpn", ARG_NONE, BUFFER_TLS_ALPN, sticky_parse},
	{"tls.cert_fingerprint", ARG_NONE, BUFFER_TLS_FINGERPRINT, sticky_parse},
	{"tls.cert_issuer", ARG_NONE, BUFFER_TLS_ISSUER, sticky_parse},
	{"tls.cert_serial", ARG_NONE, BUFFER_TLS_SERIAL, sticky_parse},
	{"tls.cert_subject", ARG_NONE, BUFFER_TLS_SUBJECT, sticky_parse},
	{"tls.certs", ARG_NONE, BUFFER_TLS_CERTS, sticky_parse},
	{"tls.sni", ARG_NONE, BUFFER_TLS_SNI, sticky_parse},
	{"tls_cert_fingerprint", ARG_NONE, BUFFER_TLS_FINGERPRINT, sticky_parse},
	{"tls_cert_issuer", ARG_NONE, BUFFER_TLS_ISSUER, sticky_parse},
	{"tls_cert_serial", ARG_NONE, BUFFER_TLS_SERIAL, sticky_parse},
	{"tls_cert_subject", ARG_NONE, BUFFER_TLS_SUBJECT, sticky_parse},
	{"tls_sni", ARG_NONE, BUFFER_TLS_SNI, sticky_parse},
	{"udp.hdr", ARG_NONE, BUFFER_TRANSPORT_HEADER, header_parse},
	{0},
};
