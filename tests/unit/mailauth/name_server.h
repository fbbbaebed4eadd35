/*
 * name_server: a name server for tests, on the loopback address of this process, in the test's own
 * event loop.
 *
 * It is authoritative for whatever is in server_add()'s table, so it serves as a forwarder and as
 * the root alike. Names below slow.example get no answer at all; what is too long for UDP is sent
 * by TCP. server_sign() adds a DNSSEC signature (Ed25519, RFC 8080).
 */
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>
#include <time.h>
#include <unistd.h>

#include "mailauth/dns.h"
#include "unit.h"

#define SERVER_REPLIES_MAX 64
#define SERVER_HEADER_BYTES 12
#define SERVER_UDP_BYTES 1200
#define SERVER_TTL 300
#define TYPE_RRSIG 46
#define TYPE_DNSKEY 48
#define KEY_BYTES 36

struct server_reply {
	const char *name;
	int type;
	uint8_t rcode;
	const uint8_t *rdata; /* NULL: no record */
	size_t n;
	uint8_t signature[256];
	size_t signature_n; /* 0: none */
};

static struct {
	struct server_reply replies[SERVER_REPLIES_MAX];
	unsigned count;
	struct in_addr address;
	unsigned asked; /* questions, silence included */
	EVP_PKEY *key;
	uint8_t dnskey[KEY_BYTES];
	char zone[64];
} server;

static inline struct server_reply *server_add(
	const char *name, int type, uint8_t rcode, const void *rdata, size_t n)
{
	struct server_reply *r = &server.replies[server.count++];

	assert_true(server.count <= SERVER_REPLIES_MAX);
	*r = (struct server_reply){name, type, rcode, rdata, n, {0}, 0};
	return r;
}

/* The question's name as text; its wire form takes *ret_n bytes. */
static inline bool server_read_name(const uint8_t *p, size_t n, char *ret, size_t *ret_n)
{
	struct cursor c = cursor_of(span_of(p, n));
	size_t out = 0;
	uint8_t length;

	while ((length = cursor_u8(&c)) != 0) {
		struct span label = cursor_take(&c, length);
		if (!cursor_ok(&c) || out + label.n + 2 > DNS_NAME_BYTES)
			return false;
		if (out)
			ret[out++] = '.';
		memcpy(ret + out, label.p, label.n);
		out += label.n;
	}
	ret[out] = 0;
	*ret_n = (size_t)(c.p - p);
	return cursor_ok(&c);
}

static inline bool server_is_silent(const char *name)
{
	static const char end[] = "slow.example";
	size_t n = strlen(name), e = sizeof(end) - 1;

	return n >= e && strcasecmp(name + n - e, end) == 0;
}

static inline size_t server_put(uint8_t *p, int type, const uint8_t *rdata, size_t n)
{
	const uint8_t head[] = {0xc0, SERVER_HEADER_BYTES, 0, (uint8_t)type, 0, 1, 0, 0,
		SERVER_TTL >> 8, SERVER_TTL & 0xff, (uint8_t)(n >> 8), (uint8_t)n};

	memcpy(p, head, sizeof(head));
	memcpy(p + sizeof(head), rdata, n);
	return sizeof(head) + n;
}

/* Turns a query into its reply; 0: say nothing. */
static inline size_t server_answer(uint8_t *p, size_t n, size_t most)
{
	static const uint8_t opt[] = {0, 0, 41, 4, 208, 0, 0, 0x80, 0, 0, 0};
	const struct server_reply *r = NULL;
	char name[DNS_NAME_BYTES];
	size_t name_n, at;

	if (n < SERVER_HEADER_BYTES ||
		!server_read_name(p + SERVER_HEADER_BYTES, n - SERVER_HEADER_BYTES, name, &name_n))
		return 0;
	server.asked++;
	if (server_is_silent(name))
		return 0;
	at = SERVER_HEADER_BYTES + name_n;
	for (unsigned i = 0; i < server.count; i++)
		if (strcasecmp(server.replies[i].name, name) == 0 &&
			server.replies[i].type == (p[at] << 8 | p[at + 1]))
			r = &server.replies[i];
	p[2] = 0x85; /* a reply, authoritative, recursion as asked */
	p[3] = (uint8_t)(0x80 | (r ? r->rcode : 3));
	memset(p + 6, 0, 5);
	p[11] = 1; /* the OPT record at the end */
	at += 4;
	if (r && r->rdata && at + r->n + r->signature_n + 64 > most) {
		p[2] |= 2; /* truncated */
	} else if (r && r->rdata) {
		p[7] = r->signature_n ? 2 : 1;
		at += server_put(p + at, r->type, r->rdata, r->n);
		if (r->signature_n)
			at += server_put(p + at, TYPE_RRSIG, r->signature, r->signature_n);
	}
	memcpy(p + at, opt, sizeof(opt));
	return at + sizeof(opt);
}

static inline int server_on_query(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
	uint8_t buf[2 * SERVER_UDP_BYTES];
	struct sockaddr_in from;
	socklen_t from_n = sizeof(from);
	ssize_t n = recvfrom(fd, buf, 512, MSG_DONTWAIT, (struct sockaddr *)&from, &from_n);
	size_t reply_n = n > 0 ? server_answer(buf, (size_t)n, SERVER_UDP_BYTES) : 0;

	(void)s;
	(void)revents;
	(void)userdata;
	if (reply_n)
		sendto(fd, buf, reply_n, 0, (struct sockaddr *)&from, from_n);
	return 0;
}

/* One question a connection; whoever asks is another thread and reads what we write. */
static inline int server_on_connect(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
	static uint8_t buf[2 + 65535 + 1024];
	int c = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	ssize_t n = c < 0 ? -1 : recv(c, buf, 2, MSG_WAITALL);

	(void)s;
	(void)revents;
	(void)userdata;
	if (n == 2)
		n = recv(c, buf + 2, (size_t)(buf[0] << 8 | buf[1]), MSG_WAITALL);
	size_t reply_n = n > 0 ? server_answer(buf + 2, (size_t)n, 65535) : 0;
	buf[0] = (uint8_t)(reply_n >> 8);
	buf[1] = (uint8_t)reply_n;
	if (reply_n)
		assert_true(send(c, buf, reply_n + 2, MSG_NOSIGNAL) == (ssize_t)reply_n + 2);
	if (c >= 0)
		close(c);
	return 0;
}

static inline void server_start(sd_event *event)
{
	/* resolv.conf knows no ports: 53, at a loopback address of this process's own */
	struct sockaddr_in a = {.sin_family = AF_INET,
		.sin_port = htons(53),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 0x10000u + arc4random_uniform(0xffff))};
	int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(udp, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(bind(tcp, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(tcp, 8), 0);
	server.address = a.sin_addr;
	assert_true(sd_event_add_io(event, NULL, udp, EPOLLIN, server_on_query, NULL) >= 0);
	assert_true(sd_event_add_io(event, NULL, tcp, EPOLLIN, server_on_connect, NULL) >= 0);
}

/* Writes text to a new file; the path is good until the process ends. */
static inline char *server_file(const char *text)
{
	char path[] = "/tmp/sekisho-dns-XXXXXX";
	int fd = mkstemp(path);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	return strdup(path);
}

static inline size_t server_name_to_wire(const char *name, uint8_t *p)
{
	size_t n = 0;

	while (*name) {
		size_t label = strcspn(name, ".");
		p[n++] = (uint8_t)label;
		memcpy(p + n, name, label);
		n += label;
		name += label + (name[label] == '.');
	}
	p[n++] = 0;
	return n;
}

/* A key for this zone and the record with which it is trusted (RFC 4034, section 2). */
static inline void server_make_key(const char *zone, char *ret_anchor, size_t size)
{
	static const uint8_t head[] = {1, 1, 3, 15}; /* a key-signing key, Ed25519 */
	unsigned char text[64];
	size_t n = 32;

	snprintf(server.zone, sizeof(server.zone), "%s", zone);
	server.key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	memcpy(server.dnskey, head, sizeof(head));
	assert_int_equal(EVP_PKEY_get_raw_public_key(server.key, server.dnskey + 4, &n), 1);
	EVP_EncodeBlock(text, server.dnskey + 4, 32);
	snprintf(ret_anchor, size, "%s. IN DNSKEY 257 3 15 %s\n", zone, text);
}

static inline uint16_t server_key_tag(void)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < KEY_BYTES; i++)
		sum += i & 1 ? server.dnskey[i] : (uint32_t)server.dnskey[i] << 8;
	return (uint16_t)(sum + (sum >> 16));
}

static inline size_t put_be(uint8_t *p, uint32_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		p[i] = (uint8_t)(v >> 8 * (bytes - 1 - i));
	return bytes;
}

/* RFC 4034, section 3.1.8.1. */
static inline void server_sign(struct server_reply *r)
{
	uint8_t data[1024], *s = r->signature;
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	uint32_t now = (uint32_t)time(NULL);
	size_t n = 0, data_n, signature_n = 64;

	n += put_be(s + n, (uint32_t)r->type, 2);
	s[n++] = 15;
	s[n] = 1;
	for (const char *p = r->name; *p; p++)
		s[n] = (uint8_t)(s[n] + (*p == '.'));
	n++;
	n += put_be(s + n, SERVER_TTL, 4);
	n += put_be(s + n, now + 86400, 4);
	n += put_be(s + n, now - 86400, 4);
	n += put_be(s + n, server_key_tag(), 2);
	n += server_name_to_wire(server.zone, s + n);
	memcpy(data, s, n);
	data_n = n;
	data_n += server_name_to_wire(r->name, data + data_n);
	data_n += put_be(data + data_n, (uint32_t)r->type, 2);
	data_n += put_be(data + data_n, 1, 2);
	data_n += put_be(data + data_n, SERVER_TTL, 4);
	data_n += put_be(data + data_n, (uint32_t)r->n, 2);
	assert_true(data_n + r->n <= sizeof(data));
	memcpy(data + data_n, r->rdata, r->n);
	assert_int_equal(EVP_DigestSignInit(c, NULL, NULL, NULL, server.key), 1);
	assert_int_equal(EVP_DigestSign(c, s + n, &signature_n, data, data_n + r->n), 1);
	r->signature_n = n + signature_n;
	EVP_MD_CTX_free(c);
}
