#include "inspect/reader.h"

#include <stdio.h>
#include <stdlib.h>

#include "inspect/http.h"
#include "inspect/http2.h"
#include "inspect/tls.h"
#include "unit.h"

/* One line for each unit: what a row expects. */
struct seen {
	char text[2048];
	size_t n;
};

static void put(struct seen *s, const char *name, struct span value)
{
	if (value.p)
		s->n += (size_t)snprintf(s->text + s->n, sizeof(s->text) - s->n, " %s=%.*s", name,
			(int)(value.n < 64 ? value.n : 64), (const char *)value.p);
}

static void on_unit(void *ctx, const struct unit *u)
{
	struct seen *s = ctx;

	s->n += (size_t)snprintf(s->text + s->n, sizeof(s->text) - s->n, "%s%s%s",
		u->to_server ? ">" : "<", u->event ? " log:" : "", u->event ? u->event : "");
	if (u->file_done)
		put(s, "file", file_name(u->file));
	for (unsigned i = 0; i < u->events.n; i++)
		put(s, "odd", span_str(event_name(u->events.id[i])));
	put(s, "method", u->buffer[BUFFER_HTTP_METHOD]);
	put(s, "uri", u->buffer[BUFFER_HTTP_URI]);
	put(s, "host", u->buffer[BUFFER_HTTP_HOST]);
	put(s, "agent", u->buffer[BUFFER_HTTP_USER_AGENT]);
	put(s, "cookie", u->buffer[BUFFER_HTTP_COOKIE]);
	put(s, "body", u->buffer[BUFFER_HTTP_REQUEST_BODY]);
	put(s, "status", u->buffer[BUFFER_HTTP_STAT_CODE]);
	put(s, "page", u->buffer[BUFFER_FILE_DATA]);
	put(s, "sni", u->buffer[BUFFER_TLS_SNI]);
	put(s, "query", u->buffer[BUFFER_DNS_QUERY]);
	put(s, "version", u->buffer[BUFFER_TLS_VERSION]);
	put(s, "names", u->buffer[BUFFER_HTTP_HEADER_NAMES]);
	put(s, "ja3", u->buffer[BUFFER_JA3_STRING]);
	put(s, "ja3s", u->buffer[BUFFER_JA3S_STRING]);
	put(s, "ja4", u->buffer[BUFFER_JA4_HASH]);
	put(s, "subject", u->buffer[BUFFER_TLS_SUBJECT]);
	put(s, "proto", u->buffer[BUFFER_SSH_PROTO]);
	put(s, "software", u->buffer[BUFFER_SSH_SOFTWARE]);
	put(s, "helo", u->buffer[BUFFER_SMTP_HELO]);
	put(s, "from", u->buffer[BUFFER_SMTP_MAIL_FROM]);
	put(s, "rcpt", u->buffer[BUFFER_SMTP_RCPT_TO]);
	put(s, "command", u->buffer[BUFFER_FTP_COMMAND]);
	s->n += (size_t)snprintf(s->text + s->n, sizeof(s->text) - s->n, "\n");
}

static struct reader_env env = {.fn = on_unit, .wanted = ~BUFFER_BIT(BUFFER_HTTP_HEADER_NAMES)};

/* Feeds in pieces of `step` bytes. */
static enum reader_result feed(
	struct reader *r, struct seen *s, bool to_server, struct span data, size_t step)
{
	enum reader_result result = READER_OK;

	env.ctx = s;
	while (data.n && result == READER_OK) {
		struct span piece = span_take(data, step);
		result = r->ops->feed(r, to_server, piece);
		data = span_skip(data, piece.n);
	}
	return result;
}

#define HELLO_BODY \
	"\3\3" R32 "\0" \
	"\0\2\x13\1" \
	"\1\0" \
	"\0\x14" \
	"\0\0\0\x10\0\x0e\0\0\x0b" \
	"example.com"
#define R32 "0123456789abcdef0123456789abcdef"
#define HELLO_SEEN "version=1.2 ja3=771,4865,0,, ja4=t12d010100_0f2cb44170f4_000000000000"
#define CLIENT_HELLO "\x16\3\1\0\x43\1\0\0\x3f" HELLO_BODY
#define SERVER_HELLO "\x16\3\3\0\x32\2\0\0\x2e\3\3" R32 "\0\x13\1\0\0\6\0\x2b\0\2\3\4"
#define CCS "\x14\3\3\0\1\1"
#define APP "\x17\3\3\0\2xy"

#define DNS_QUERY "\x12\x34\1\0\0\1\0\0\0\0\0\0\3www\7example\3org\0\0\1\0\1"
#define DNS_ANSWER "\x12\x34\x81\x80\0\1\0\0\0\0\0\0\3www\7example\3org\0\0\1\0\1"
#define DNS_LOOP "\x12\x34\1\0\0\1\0\0\0\0\0\0\xc0\x0c\0\1\0\1"

/* Frames of HTTP/2: length, type, flags, stream. */
#define FRAME(n, type, flags, stream) "\0\0" n type flags "\0\0\0" stream
#define SETTINGS FRAME("\0", "\4", "\0", "\0")
#define HPACK_HOST \
	"\1\x0e" \
	"a.example:8443"

static const struct {
	const char *name;
	const struct reader_ops *ops;
	struct span request, response;
	enum reader_result want;
	const char *units;
} rows[] = {
	{"GET", &reader_http,
		SPAN_LIT("GET /a%20b/../c?x=1 HTTP/1.1\r\nHost: Example.COM:80\r\nUser-Agent: "
			 "t\r\nCookie: k=v\r\n\r\n"),
		SPAN_LIT("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"), READER_OK,
		"> method=GET uri=/c?x=1 host=example.com agent=t cookie=k=v\n"
		"< status=200\n"
		"< status=200 page=hi\n"
		"< file=/c\n"
		"> log:http\n"},
	{"POST", &reader_http,
		SPAN_LIT("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"),
		SPAN_LIT(""), READER_OK,
		"> method=POST uri=/p host=a\n"
		"> method=POST uri=/p host=a body=abc page=abc\n"
		"> file=/p\n"},
	{"two requests", &reader_http,
		SPAN_LIT("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n"),
		SPAN_LIT(""), READER_OK,
		"> method=GET uri=/1 host=a\n> method=GET uri=/2 host=a\n"},
	{"headers not complete", &reader_http, SPAN_LIT("GET /1 HTTP/1.1\r\nHost: a\r\n"),
		SPAN_LIT(""), READER_OK, ""},
	{"TLS 1.3", &reader_tls, SPAN_LIT(CLIENT_HELLO CCS APP), SPAN_LIT(SERVER_HELLO CCS APP),
		READER_DONE,
		"> sni=example.com " HELLO_SEEN "\n"
		"< version=1.3 ja3s=771,4865,43\n"
		"> log:tls version=1.3\n"},
	{"hello over two records", &reader_tls,
		SPAN_LIT("\x16\3\1\0\4\1\0\0\x3f\x16\3\1\0\x3f" HELLO_BODY), SPAN_LIT(""),
		READER_OK, "> sni=example.com " HELLO_SEEN "\n"},
	{"not TLS", &reader_tls, SPAN_LIT("GET / HTTP/1.1\r\n"), SPAN_LIT(""), READER_FAILED,
		"> odd=tls.invalid_tls_header\n"},
	{"record too long", &reader_tls, SPAN_LIT("\x16\3\1\xff\xff\1"), SPAN_LIT(""),
		READER_FAILED, "> odd=tls.invalid_ssl_record\n"},
	{"DNS over TCP", &reader_dns_tcp, SPAN_LIT("\0\x21" DNS_QUERY),
		SPAN_LIT("\0\x21" DNS_ANSWER), READER_OK,
		"> log:dns query=www.example.org\n< log:dns\n"},
	{"name in a circle", &reader_dns_tcp, SPAN_LIT("\0\x12" DNS_LOOP), SPAN_LIT(""),
		READER_FAILED, "> odd=dns.infinite_loop\n"},
	{"the second of two questions is cut off", &reader_dns_tcp,
		SPAN_LIT("\0\x1e\x12\x34\1\0\0\3\0\0\0\0\0\0\1a\0\0\1\0\1\1b\0\0\1\0\1\5cut"),
		SPAN_LIT(""), READER_FAILED, "> odd=dns.malformed_data query=a\n"},
	{"SSH", &reader_ssh, SPAN_LIT("SSH-2.0-OpenSSH_9.2 x\r\n"),
		SPAN_LIT("welcome\r\nSSH-1.99-d\r\n"), READER_DONE,
		"> proto=2.0 software=OpenSSH_9.2\n"
		"< proto=1.99 software=d\n"
		"< log:ssh\n"},
	{"mail with an attachment", &reader_smtp,
		SPAN_LIT("EHLO me\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"
			 "Subject: s\r\nContent-Type: multipart/mixed; boundary=\"X\"\r\n\r\n"
			 "--X\r\nContent-Disposition: attachment;\r\n filename=\"f.txt\"\r\n"
			 "Content-Transfer-Encoding: base64\r\n\r\naGVs\r\nbG8=\r\n--X--\r\n"
			 ".\r\nQUIT\r\n"),
		SPAN_LIT(""), READER_OK,
		"> helo=me\n"
		"> helo=me from=<a@b>\n"
		"> helo=me from=<a@b> rcpt=<c@d>\n"
		"> page=hel helo=me from=<a@b> rcpt=<c@d>\n"
		"> page=hello helo=me from=<a@b> rcpt=<c@d>\n"
		"> file=f.txt helo=me from=<a@b> rcpt=<c@d>\n"
		"> log:smtp helo=me from=<a@b> rcpt=<c@d>\n"},
	{"HTTP/2", &reader_http2,
		SPAN_LIT(HTTP2_PREFACE SETTINGS FRAME(
			"\x13", "\1", "\5", "\1") "\x82\x84\x86" HPACK_HOST SETTINGS),
		SPAN_LIT(SETTINGS FRAME("\1", "\1", "\4", "\1") "\x88" FRAME(
			"\4", "\0", "\1", "\1") "page"),
		READER_OK,
		"> method=GET uri=/ host=a.example\n"
		"< status=200\n"
		"< status=200 page=page\n"
		"< file=/\n"
		"> log:http\n"},
	{"HTTP/2: a body in padded frames, its header block in two", &reader_http2,
		SPAN_LIT(HTTP2_PREFACE FRAME(
			"\x13", "\1", "\0", "\1") "\x83\x84\x86" HPACK_HOST FRAME("\x16", "\x9",
			"\4", "\1") "\0\6cookie\3a=1"
				    "\0\6cookie\1z" FRAME("\6", "\0", "\x9", "\1") "\2abc\0\0"),
		SPAN_LIT(""), READER_OK,
		"> method=POST uri=/ host=a.example cookie=a=1; z\n"
		"> method=POST uri=/ host=a.example cookie=a=1; z body=abc page=abc\n"
		"> file=/\n"},
	{"HTTP/2: a line end in a value", &reader_http2,
		SPAN_LIT(HTTP2_PREFACE FRAME("\x22", "\1", "\5", "\1") "\x82\x84\x86" HPACK_HOST
								       "\0\1x\x0b"
								       "a\r\nHost: bc"),
		SPAN_LIT(""), READER_OK, "> method=GET uri=/ host=a.example\n"},
	{"HTTP/2: another frame within a header block", &reader_http2,
		SPAN_LIT(HTTP2_PREFACE FRAME("\1", "\1", "\0", "\1") "\x82" SETTINGS), SPAN_LIT(""),
		READER_FAILED, ""},
	{"HTTP/2: an index beyond the table", &reader_http2,
		SPAN_LIT(HTTP2_PREFACE FRAME("\1", "\1", "\5", "\1") "\xfe"), SPAN_LIT(""),
		READER_FAILED, ""},
	{"upgrade to HTTP/2", &reader_http,
		SPAN_LIT("GET /u HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: "
			 "h2c\r\n\r\n"),
		SPAN_LIT("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
			 "Upgrade: h2c\r\n\r\n" SETTINGS FRAME("\1", "\1", "\4", "\1") "\x88" FRAME(
				 "\5", "\0", "\1", "\1") "later"),
		READER_OK,
		"> method=GET uri=/u host=a\n"
		"< status=101\n"
		"> log:http\n"
		"< status=200\n"
		"< status=200 page=later\n"
		"< file=/u\n"
		"> log:http\n"},
	{"FTP", &reader_ftp, SPAN_LIT("USER a\r\n"), SPAN_LIT("331 go on\r\n"), READER_OK,
		"> command=USER\n<\n> log:ftp\n"},
};

static void test_rows(void **state)
{
	static const size_t steps[] = {100000, 7, 1};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t j = 0; j < ARRAY_LEN(steps); j++) {
			struct seen s = {};
			/* A body of HTTP comes in as many units as pieces: whole only. */
			if (steps[j] < 1000 && rows[i].ops != &reader_smtp &&
				strstr(rows[i].units, " page="))
				continue;
			struct reader *r = rows[i].ops->new(&env);
			enum reader_result got = feed(r, &s, true, rows[i].request, steps[j]);
			if (got == READER_OK)
				got = feed(r, &s, false, rows[i].response, steps[j]);
			r->ops->free(r);
			if (got != rows[i].want || strcmp(s.text, rows[i].units) != 0)
				fail_msg("%s in steps of %zu: result %d, units:\n%s", rows[i].name,
					steps[j], got, s.text);
		}
}

static void on_body(void *ctx, const struct unit *u)
{
	if (u->buffer[BUFFER_HTTP_REQUEST_BODY].p)
		*(size_t *)ctx = u->buffer[BUFFER_HTTP_REQUEST_BODY].n;
}

static void test_body_limit(void **state)
{
	static uint8_t piece[1000];
	static struct reader_env body_env = {.fn = on_body};
	struct span head =
		SPAN_LIT("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 400000\r\n\r\n");
	struct reader *r = reader_http.new(&body_env);
	size_t longest = 0;

	(void)state;
	body_env.ctx = &longest;
	r->ops->feed(r, true, head);
	for (unsigned i = 0; i < 200; i++)
		r->ops->feed(r, true, span_of(piece, sizeof(piece)));
	assert_int_equal(longest, FILE_DATA_BYTES);
	r->ops->free(r);
}

static void test_sniff(void **state)
{
	static const struct {
		const char *name;
		struct span in;
		bool to_server;
		uint16_t port;
		enum sniff want;
		enum rule_proto proto;
	} sniffs[] = {
		{"GET", SPAN_LIT("GET / HTTP/1.1\r\n"), true, 8080, SNIFF_YES, PROTO_HTTP},
		{"half a method", SPAN_LIT("GE"), true, 80, SNIFF_MORE, PROTO_IP},
		{"TLS", SPAN_LIT("\x16\3\1\0"), true, 443, SNIFF_YES, PROTO_TLS},
		{"SMTP greeting", SPAN_LIT("220 mx ESMTP\r\n"), false, 25, SNIFF_YES, PROTO_SMTP},
		{"FTP greeting", SPAN_LIT("220 ftp\r\n"), false, 21, SNIFF_YES, PROTO_FTP},
		{"SSH", SPAN_LIT("SSH-2.0-x"), false, 22, SNIFF_YES, PROTO_SSH},
		{"SMB", SPAN_LIT("\0\0\0\x50\xfeSMB"), true, 445, SNIFF_YES, PROTO_SMB},
		{"DNS", SPAN_LIT("\0\x21" DNS_QUERY), true, 53, SNIFF_YES, PROTO_DNS},
		{"HTTP/2", SPAN_LIT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), true, 80, SNIFF_YES,
			PROTO_HTTP2},
		{"HTTP/2, server first", SPAN_LIT(SETTINGS), false, 80, SNIFF_YES, PROTO_HTTP2},
		{"nothing known",
			SPAN_LIT("\x13"
				 "BitTorrent protocol"),
			true, 6881, SNIFF_NO, PROTO_IP},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sniffs); i++) {
		enum rule_proto proto = PROTO_IP;
		enum sniff r =
			sniff_stream(sniffs[i].in, sniffs[i].to_server, sniffs[i].port, &proto);

		if (r != sniffs[i].want || proto != sniffs[i].proto)
			fail_msg("%s: %d, protocol %d", sniffs[i].name, r, proto);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_body_limit),
		cmocka_unit_test(test_sniff),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
