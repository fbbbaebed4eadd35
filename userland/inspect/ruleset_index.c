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
	[PROTO_FTP_DATA] = {"ftp-data", IPPROTO_TCP, true},
	[PROTO_HTTP2] = {"http2", IPPROTO_TCP, true},
	[PROTO_DCERPC] = {"dcerpc", 0, true},
	[PROTO_KRB5] = {"krb5", 0, true},
	[PROTO_SNMP] = {"snmp", IPPROTO_UDP, true},
	[PROTO_TFTP] = {"tftp", IPPROTO_UDP, true},
	[PROTO_NTP] = {"ntp", IPPROTO_UDP, true},
	[PROTO_DHCP] = {"dhcp", IPPROTO_UDP, true},
	[PROTO_SIP] = {"sip", 0, true},
	[PROTO_RDP] = {"rdp", IPPROTO_TCP, true},
	[PROTO_RFB] = {"rfb", IPPROTO_TCP, true},
	[PROTO_MQTT] = {"mqtt", IPPROTO_TCP, true},
	[PROTO_IMAP] = {"imap", IPPROTO_TCP, true},
	[PROTO_POP3] = {"pop3", IPPROTO_TCP, true},
	[PROTO_NFS] = {"nfs", 0, true},
	[PROTO_IKE] = {"ike", IPPROTO_UDP, true},
	[PROTO_QUIC] = {"quic", IPPROTO_UDP, true},
	[PROTO_TELNET] = {"telnet", IPPROTO_TCP, true},
};

#define BOTH (DIR_TO_CLIENT | DIR_TO_SERVER)

const struct buffer_info buffer_info[BUFFER_COUNT] = {
	[BUFFER_PAYLOAD] = {"payload", PROTO_IP, BOTH},
	[BUFFER_HTTP_METHOD] = {"http.method", PROTO_HTTP, DIR_TO_SERVER},
	[BUFFER_HTTP_URI] = {"http.uri", PROTO_HTTP, DIR_TO_SERVER},
	[BUFFER_HTTP_URI_RAW] = {"http.uri.raw", PROTO_HTTP, DIR_TO_SERVER},
	[BUFFER_HTTP_HOST] = {"http.host", PROTO_HTTP, DIR_TO_SERVER},
	[BUFFER_HTTP_HOST_RAW] = {"http.host.raw", PROTO_HTTP, DIR_TO_SERVER},
	[BUFFER_HTTP_USER_AGENT] = {"http.user_agent", PROTO_HTTP, DIR_TO_SERVER},
	[BUFFER_HTTP_HEADER] = {"http.header", PROTO_HTTP, BOTH},
	[BUFFER_HTTP_HEADER_RAW] = {"http.header.raw", PROTO_HTTP, BOTH},
	[BUFFER_HTTP_HEADER_NAMES] = {"http.header_names", PROTO_HTTP, BOTH},
	[BUFFER_HTTP_START] = {"http.start", PROTO_HTTP, BOTH},
	[BUFFER_HTTP_COOKIE] = {"http.cookie", PROTO_HTTP, BOTH},
	[BUFFER_HTTP_REFERER] = {"http.referer", PROTO_HTTP, DIR_TO_SERVER},
	[BUFFER_HTTP_ACCEPT] = {"http.accept", PROTO_HTTP, DIR_TO_SERVER},
	[BUFFER_HTTP_ACCEPT_ENC] = {"http.accept_enc", PROTO_HTTP, DIR_TO_SERVER},
	[BUFFER_HTTP_ACCEPT_LANG] = {"http.accept_lang", PROTO_HTTP, DIR_TO_SERVER},
	[BUFFER_HTTP_CONNECTION] = {"http.connection", PROTO_HTTP, BOTH},
	[BUFFER_HTTP_CONTENT_TYPE] = {"http.content_type", PROTO_HTTP, BOTH},
	[BUFFER_HTTP_CONTENT_LEN] = {"http.content_len", PROTO_HTTP, BOTH},
	[BUFFER_HTTP_PROTOCOL] = {"http.protocol", PROTO_HTTP, BOTH},
	[BUFFER_HTTP_REQUEST_LINE] = {"http.request_line", PROTO_HTTP, DIR_TO_SERVER},
	[BUFFER_HTTP_REQUEST_HEADER] = {"http.request_header", PROTO_HTTP, DIR_TO_SERVER},
	[BUFFER_HTTP_REQUEST_BODY] = {"http.request_body", PROTO_HTTP, DIR_TO_SERVER},
	[BUFFER_HTTP_RESPONSE_LINE] = {"http.response_line", PROTO_HTTP, DIR_TO_CLIENT},
	[BUFFER_HTTP_STAT_CODE] = {"http.stat_code", PROTO_HTTP, DIR_TO_CLIENT},
	[BUFFER_HTTP_STAT_MSG] = {"http.stat_msg", PROTO_HTTP, DIR_TO_CLIENT},
	[BUFFER_HTTP_LOCATION] = {"http.location", PROTO_HTTP, DIR_TO_CLIENT},
	[BUFFER_HTTP_SERVER] = {"http.server", PROTO_HTTP, DIR_TO_CLIENT},
	[BUFFER_HTTP_RESPONSE_HEADER] = {"http.response_header", PROTO_HTTP, DIR_TO_CLIENT},
	[BUFFER_FILE_DATA] = {"file.data", PROTO_IP, BOTH},
	[BUFFER_FILE_NAME] = {"file.name", PROTO_IP, BOTH},
	[BUFFER_TLS_SNI] = {"tls.sni", PROTO_TLS, DIR_TO_SERVER},
	[BUFFER_TLS_CERTS] = {"tls.certs", PROTO_TLS, BOTH},
	[BUFFER_TLS_SUBJECT] = {"tls.cert_subject", PROTO_TLS, BOTH},
	[BUFFER_TLS_ISSUER] = {"tls.cert_issuer", PROTO_TLS, BOTH},
	[BUFFER_TLS_SERIAL] = {"tls.cert_serial", PROTO_TLS, BOTH},
	[BUFFER_TLS_FINGERPRINT] = {"tls.cert_fingerprint", PROTO_TLS, BOTH},
	[BUFFER_TLS_ALPN] = {"tls.alpn", PROTO_TLS, BOTH},
	[BUFFER_TLS_VERSION] = {"tls.version", PROTO_TLS, BOTH},
	[BUFFER_JA3_HASH] = {"ja3.hash", PROTO_TLS, DIR_TO_SERVER},
	[BUFFER_JA3_STRING] = {"ja3.string", PROTO_TLS, DIR_TO_SERVER},
	[BUFFER_JA3S_HASH] = {"ja3s.hash", PROTO_TLS, DIR_TO_CLIENT},
	[BUFFER_JA3S_STRING] = {"ja3s.string", PROTO_TLS, DIR_TO_CLIENT},
	[BUFFER_JA4_HASH] = {"ja4.hash", PROTO_TLS, DIR_TO_SERVER},
	[BUFFER_DNS_QUERY] = {"dns.query", PROTO_DNS, BOTH},
	[BUFFER_SSH_PROTO] = {"ssh.proto", PROTO_SSH, BOTH},
	[BUFFER_SSH_SOFTWARE] = {"ssh.software", PROTO_SSH, BOTH},
	[BUFFER_SMTP_HELO] = {"smtp.helo", PROTO_SMTP, DIR_TO_SERVER},
	[BUFFER_SMTP_MAIL_FROM] = {"smtp.mail_from", PROTO_SMTP, DIR_TO_SERVER},
	[BUFFER_SMTP_RCPT_TO] = {"smtp.rcpt_to", PROTO_SMTP, DIR_TO_SERVER},
	[BUFFER_FTP_COMMAND] = {"ftp.command", PROTO_FTP, DIR_TO_SERVER},
	[BUFFER_FTP_COMMAND_DATA] = {"ftp.command_data", PROTO_FTP, DIR_TO_SERVER},
	[BUFFER_SMB_NAMED_PIPE] = {"smb.named_pipe", PROTO_SMB, BOTH},
	[BUFFER_SMB_SHARE] = {"smb.share", PROTO_SMB, BOTH},
	[BUFFER_SMB_NTLMSSP_USER] = {"smb.ntlmssp_user", PROTO_SMB, BOTH},
	[BUFFER_SMB_NTLMSSP_DOMAIN] = {"smb.ntlmssp_domain", PROTO_SMB, BOTH},
	[BUFFER_KRB5_CNAME] = {"krb5.cname", PROTO_KRB5, BOTH},
	[BUFFER_KRB5_SNAME] = {"krb5.sname", PROTO_KRB5, BOTH},
	[BUFFER_SNMP_COMMUNITY] = {"snmp.community", PROTO_SNMP, BOTH},
	[BUFFER_IP_HEADER] = {"ip.hdr", PROTO_IP, BOTH},
	[BUFFER_TRANSPORT_HEADER] = {"transport.hdr", PROTO_IP, BOTH},
	[BUFFER_BASE64] = {"base64_data", PROTO_IP, BOTH},
};

/* Those that set bits come before those that ask for them. */
static int bit_rank(const struct rule *r)
{
	bool asks = r->n_asks, sets = r->n_ops > r->n_asks;

	return asks ? (sets ? 2 : 3) : (sets ? 1 : 2);
}

static int rule_compare(const void *x, const void *y)
{
	const struct rule *a = *(struct rule *const *)x, *b = *(struct rule *const *)y;

	if (a->rank != b->rank)
		return a->rank - b->rank;
	if (bit_rank(a) != bit_rank(b))
		return bit_rank(a) - bit_rank(b);
	if (a->priority != b->priority)
		return a->priority < b->priority ? -1 : 1;
	if (a->sid != b->sid)
		return a->sid < b->sid ? -1 : 1;
	return a->gid < b->gid ? -1 : a->gid > b->gid;
}

static unsigned group_without_buffer(const struct rule *r)
{
	uint8_t transport = proto_info[r->proto].transport;

	if (r->on_event)
		return GROUP_EVENT;
	if (r->app != PROTO_IP)
		return GROUP_APP;
	if (r->address_only)
		return GROUP_ADDRESS;
	if (r->first_packet)
		return GROUP_SYN;
	if (transport == IPPROTO_TCP)
		return GROUP_TCP;
	return transport == IPPROTO_UDP ? GROUP_UDP : GROUP_OTHER;
}

bool rule_in_group(const struct rule *r, unsigned group)
{
	uint8_t transport = proto_info[r->proto].transport;
	bool tcp = !transport || transport == IPPROTO_TCP;

	if ((unsigned)r->entry == ENTRY_NONE)
		return group == group_without_buffer(r);
	if (r->entry != BUFFER_PAYLOAD)
		return group == (unsigned)r->entry;
	switch (group) {
	case BUFFER_PAYLOAD:
		return tcp && r->units != UNITS_PACKET;
	case GROUP_PACKET_TCP:
		return tcp && (r->units == UNITS_PACKET || r->also_packet);
	case GROUP_DATAGRAM:
		return transport != IPPROTO_TCP && r->units != UNITS_STREAM;
	default:
		return false;
	}
}

static bool is_in_list(const struct rule *r, unsigned group)
{
	return !r->fast.n && rule_in_group(r, group);
}

static bool is_later(const struct rule *r, unsigned arg)
{
	(void)arg;
	return rule_is_later(r);
}

static bool is_for_packets(const struct rule *r, unsigned arg)
{
	(void)arg;
	return rule_is_for_packets(r);
}

static bool is_for_empty(const struct rule *r, unsigned arg)
{
	(void)arg;
	return rule_is_for_empty(r);
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

static int group_build(struct ruleset *rs, unsigned group, const char *cache_dir)
{
	int err = list_build(rs, &rs->always[group], group, is_in_list);

	if (!err && group < GROUP_SCANNED)
		return prefilter_build(rs, group, cache_dir);
	if (!err)
		err = addr_index_build(rs, group, false);
	return err ? err : addr_index_build(rs, group, true);
}

int ruleset_finish(struct ruleset *rs, const char *cache_dir)
{
	int err = 0;

	if (rs->n_rules)
		qsort(rs->rules, rs->n_rules, sizeof(struct rule *), rule_compare);
	for (uint32_t i = 0; i < rs->n_rules; i++)
		rs->buffers |= rs->rules[i]->buffers;
	for (unsigned g = 0; !err && g < GROUP_COUNT; g++)
		err = group_build(rs, g, cache_dir);
	if (!err)
		err = list_build(rs, &rs->later, 0, is_later);
	if (!err)
		err = list_build(rs, &rs->packets, 0, is_for_packets);
	return err ? err : list_build(rs, &rs->empties, 0, is_for_empty);
}

uint64_t detect_buffers(const struct ruleset *rs)
{
	return rs->buffers;
}
