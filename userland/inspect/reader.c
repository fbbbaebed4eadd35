#include "inspect/reader.h"

#include "inspect/dns.h"
#include "inspect/http2.h"

#define DNS_PORT 53

static const char *const names[PROTO_COUNT] = {
	[PROTO_HTTP] = "http",
	[PROTO_TLS] = "tls",
	[PROTO_DNS] = "dns",
	[PROTO_SMTP] = "smtp",
	[PROTO_FTP] = "ftp",
	[PROTO_SSH] = "ssh",
	[PROTO_SMB] = "smb",
	[PROTO_FTP_DATA] = "ftp-data",
	[PROTO_HTTP2] = "http2",
	[PROTO_DCERPC] = "dcerpc",
	[PROTO_KRB5] = "krb5",
	[PROTO_SNMP] = "snmp",
	[PROTO_TFTP] = "tftp",
	[PROTO_NTP] = "ntp",
	[PROTO_DHCP] = "dhcp",
	[PROTO_SIP] = "sip",
	[PROTO_RDP] = "rdp",
	[PROTO_RFB] = "rfb",
	[PROTO_MQTT] = "mqtt",
	[PROTO_IMAP] = "imap",
	[PROTO_POP3] = "pop3",
	[PROTO_NFS] = "nfs",
	[PROTO_IKE] = "ike",
	[PROTO_QUIC] = "quic",
	[PROTO_TELNET] = "telnet",
};

const char *app_proto_name(enum rule_proto proto)
{
	return names[proto];
}

const struct reader_ops *reader_for(enum rule_proto proto, uint8_t ip_proto)
{
	switch (proto) {
	case PROTO_HTTP:
		return &reader_http;
	case PROTO_HTTP2:
		return &reader_http2;
	case PROTO_TLS:
		return &reader_tls;
	case PROTO_DNS:
		return ip_proto == IPPROTO_UDP ? &reader_dns_udp : &reader_dns_tcp;
	case PROTO_SSH:
		return &reader_ssh;
	case PROTO_SMTP:
		return &reader_smtp;
	case PROTO_FTP:
		return &reader_ftp;
	default:
		return NULL;
	}
}

static uint16_t dns_port_too;

void sniff_dns_port(uint16_t port)
{
	dns_port_too = port;
}

static bool is_dns_port(uint16_t port)
{
	return port == DNS_PORT || (port && port == dns_port_too);
}

/* A direction that begins with these bytes speaks this protocol. `any` is a byte that may be
 * anything. */
struct magic {
	enum rule_proto proto;
	bool to_server, to_client;
	const char *bytes;
	uint8_t n, skip; /* skip: bytes before that may be anything */
};

#define MAGIC(proto, server, client, text) {proto, server, client, text, sizeof(text) - 1, 0}

static const struct magic magics[] = {
	MAGIC(PROTO_HTTP, true, false, "GET "),
	MAGIC(PROTO_HTTP, true, false, "POST "),
	MAGIC(PROTO_HTTP, true, false, "HEAD "),
	MAGIC(PROTO_HTTP, true, false, "PUT "),
	MAGIC(PROTO_HTTP, true, false, "DELETE "),
	MAGIC(PROTO_HTTP, true, false, "OPTIONS "),
	MAGIC(PROTO_HTTP, true, false, "CONNECT "),
	MAGIC(PROTO_HTTP, true, false, "TRACE "),
	MAGIC(PROTO_HTTP, true, false, "PATCH "),
	MAGIC(PROTO_HTTP, true, false, "PROPFIND "),
	MAGIC(PROTO_HTTP, true, false, "PROPPATCH "),
	MAGIC(PROTO_HTTP, true, false, "MKCOL "),
	MAGIC(PROTO_HTTP, true, false, "COPY "),
	MAGIC(PROTO_HTTP, true, false, "MOVE "),
	MAGIC(PROTO_HTTP, true, false, "LOCK "),
	MAGIC(PROTO_HTTP, true, false, "UNLOCK "),
	MAGIC(PROTO_HTTP, true, false, "REPORT "),
	MAGIC(PROTO_HTTP, false, true, "HTTP/1."),
	MAGIC(PROTO_HTTP2, true, false, HTTP2_PREFACE),
	MAGIC(PROTO_TLS, true, true, "\x16\x03"),
	MAGIC(PROTO_SSH, true, true, "SSH-"),
	MAGIC(PROTO_SMTP, true, false, "EHLO "),
	MAGIC(PROTO_SMTP, true, false, "HELO "),
	MAGIC(PROTO_FTP, true, false, "USER "),
	MAGIC(PROTO_FTP, true, false, "AUTH TLS"),
	{PROTO_SMB, true, true, "\xffSMB", 4, 4},
	{PROTO_SMB, true, true, "\xfeSMB", 4, 4},
};

static enum sniff magic_match(const struct magic *m, struct span start)
{
	struct span rest = span_skip(start, m->skip);
	struct span have = span_take(rest, m->n);

	if (!span_caseeq(have, span_of(m->bytes, have.n)))
		return SNIFF_NO;
	return have.n == m->n ? SNIFF_YES : SNIFF_MORE;
}

/* A greeting is SMTP's or FTP's by its words or by the port. */
static enum sniff sniff_greeting(struct span start, uint16_t port, enum rule_proto *ret)
{
	struct span line = span_take(start, 512);

	if (!span_casestarts(line, SPAN_LIT("220")))
		return SNIFF_NO;
	if (port == 25 || port == 587 || span_find(line, SPAN_LIT("SMTP")) >= 0)
		*ret = PROTO_SMTP;
	else if (port == 21 || span_find(line, SPAN_LIT("FTP")) >= 0)
		*ret = PROTO_FTP;
	else
		return SNIFF_NO;
	return SNIFF_YES;
}

enum sniff sniff_stream(
	struct span start, bool to_server, uint16_t server_port, enum rule_proto *ret)
{
	enum sniff answer = SNIFF_NO;

	if (is_dns_port(server_port) && start.n >= 2) {
		enum sniff dns = dns_sniff(span_skip(start, 2), false);
		if (dns == SNIFF_YES)
			*ret = PROTO_DNS;
		if (dns != SNIFF_NO)
			return dns;
	}
	for (size_t i = 0; i < sizeof(magics) / sizeof(*magics); i++) {
		if (!(to_server ? magics[i].to_server : magics[i].to_client))
			continue;
		enum sniff r = magic_match(&magics[i], start);
		if (r == SNIFF_YES) {
			*ret = magics[i].proto;
			return SNIFF_YES;
		}
		if (r == SNIFF_MORE)
			answer = SNIFF_MORE;
	}
	if (!to_server && http2_sniff_server(start) == SNIFF_YES) {
		*ret = PROTO_HTTP2;
		return SNIFF_YES;
	}
	if (!to_server && answer != SNIFF_MORE)
		answer = sniff_greeting(start, server_port, ret);
	return answer == SNIFF_MORE && start.n >= SNIFF_BYTES ? SNIFF_NO : answer;
}

enum sniff sniff_datagram(struct span data, uint16_t server_port, enum rule_proto *ret)
{
	if (dns_sniff(data, !is_dns_port(server_port)) != SNIFF_YES)
		return SNIFF_NO;
	*ret = PROTO_DNS;
	return SNIFF_YES;
}
