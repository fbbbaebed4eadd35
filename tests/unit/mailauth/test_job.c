/* A job of mailauthd against a name server that lives in the same event loop. */
#include "mailauth/job.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit.h"

#define MESSAGE "From: a@example.com\r\nSubject: x\r\n\r\nbody\r\n"
#define HEADER_BYTES 12

struct reply {
	const char *name;
	enum dns_type type;
	uint8_t rcode;
	const char *rdata; /* NULL: no record */
	size_t n;
};

#define RDATA(s) (s), sizeof(s) - 1

static const struct reply replies[] = {
	{"example.com", DNS_TXT, 0, RDATA("\x07v=spf1 \x12ip4:192.0.2.1 -all")},
	{"_dmarc.example.com", DNS_TXT, 0, RDATA("\x13v=DMARC1; p=reject;")},
	{"mx.example", DNS_MX, 0,
		RDATA("\0\x0a\x04mail\x07"
		      "example\0")},
	{"a.example", DNS_A, 0, RDATA("\xc0\0\x02\x01")},
	{"broken.example", DNS_A, 0, RDATA("\xc0\0\x02")},
	{"dotted.example", DNS_PTR, 0,
		RDATA("\x03"
		      "a.b\x07"
		      "example\0")},
	{"servfail.example", DNS_TXT, 2, NULL, 0},
	{"refused.example", DNS_TXT, 5, NULL, 0},
	{"nodata.example", DNS_TXT, 0, NULL, 0},
};

/* The question's name as text; its wire form takes *ret_n bytes. */
static bool read_question(const uint8_t *p, size_t n, char *ret, size_t *ret_n)
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

/* Turns a query into its reply; 0: say nothing. */
static size_t make_reply(uint8_t *p, size_t n)
{
	char name[DNS_NAME_BYTES];
	size_t name_n, at;
	const struct reply *r = NULL;

	if (n < HEADER_BYTES || !read_question(p + HEADER_BYTES, n - HEADER_BYTES, name, &name_n))
		return 0;
	if (strcmp(name, "slow.example") == 0)
		return 0;
	at = HEADER_BYTES + name_n;
	for (size_t i = 0; i < ARRAY_LEN(replies); i++)
		if (strcasecmp(replies[i].name, name) == 0 &&
			(int)replies[i].type == (p[at] << 8 | p[at + 1]))
			r = &replies[i];
	p[2] = 0x85; /* a reply, authoritative, recursion as asked */
	p[3] = (uint8_t)(0x80 | (r ? r->rcode : 3));
	memset(p + 6, 0, 6);
	at += 4;
	if (!r || !r->rdata)
		return at;
	p[7] = 1;
	uint8_t head[] = {
		0xc0, HEADER_BYTES, 0, (uint8_t)r->type, 0, 1, 0, 0, 0, 60, 0, (uint8_t)r->n};
	memcpy(p + at, head, sizeof(head));
	memcpy(p + at + sizeof(head), r->rdata, r->n);
	return at + sizeof(head) + r->n;
}

static int on_query(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
	uint8_t buf[1024];
	struct sockaddr_in from;
	socklen_t from_n = sizeof(from);
	ssize_t n = recvfrom(fd, buf, 512, MSG_DONTWAIT, (struct sockaddr *)&from, &from_n);
	size_t reply_n = n > 0 ? make_reply(buf, (size_t)n) : 0;

	(void)s;
	(void)revents;
	(void)userdata;
	if (reply_n)
		sendto(fd, buf, reply_n, 0, (struct sockaddr *)&from, from_n);
	return 0;
}

static sd_event *event;
static struct resolver *resolver;
static struct resolve_counters counters;

static int setup(void **state)
{
	/* resolv.conf knows no ports: 53, at a loopback address of this process's own */
	struct sockaddr_in a = {.sin_family = AF_INET,
		.sin_port = htons(53),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 0x10000u + arc4random_uniform(0xffff))};
	char path[] = "/tmp/sekisho-resolv-XXXXXX";
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), file = mkstemp(path);

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	dprintf(file, "nameserver %s\n", inet_ntoa(a.sin_addr));
	close(file);
	assert_true(sd_event_new(&event) >= 0);
	assert_true(sd_event_add_io(event, NULL, fd, EPOLLIN, on_query, NULL) >= 0);
	setenv("SEKISHO_RESOLV_CONF", path, 1);
	assert_int_equal(resolver_new(event, &counters, &resolver), 0);
	unlink(path);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	resolver_unref(resolver);
	sd_event_unref(event);
	return 0;
}

static void set_flag(void *ctx)
{
	*(bool *)ctx = true;
}

static void test_answers(void **state)
{
	static const struct {
		const char *name;
		enum dns_type type;
		enum dns_status status;
		struct span record;
	} rows[] = {
		{"example.com", DNS_TXT, DNS_FOUND, SPAN_LIT("v=spf1 ip4:192.0.2.1 -all")},
		{"MX.example", DNS_MX, DNS_FOUND, SPAN_LIT("mail.example")},
		{"a.example", DNS_A, DNS_FOUND, SPAN_LIT("\xc0\0\x02\x01")},
		{"dotted.example", DNS_PTR, DNS_NODATA, {0}},
		{"servfail.example", DNS_TXT, DNS_TEMPFAIL, {0}},
		{"refused.example", DNS_TXT, DNS_TEMPFAIL, {0}},
		{"nodata.example", DNS_TXT, DNS_NODATA, {0}},
		{"nothing.example", DNS_TXT, DNS_NXDOMAIN, {0}},
		{"name.test", DNS_TXT, DNS_NXDOMAIN, {0}},
	};
	struct dns_table *t = dns_table_new();
	struct resolve_batch *b;
	bool done = false;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_null(dns_ask(t, rows[i].name, rows[i].type));
	assert_int_equal(resolve_start(resolver, t, set_flag, &done, &b), 1);
	while (!done)
		assert_true(sd_event_run(event, UINT64_MAX) >= 0);
	resolve_cancel(b);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct dns_answer *a = dns_ask(t, rows[i].name, rows[i].type);
		if (!a || a->status != rows[i].status)
			fail_msg("%s: status %d", rows[i].name, a ? (int)a->status : -1);
		if (rows[i].status == DNS_FOUND)
			assert_true(span_eq(a->records[0], rows[i].record));
	}
	assert_int_equal(counters.queries, ARRAY_LEN(rows));
	assert_int_equal(counters.tempfails, 2);
	dns_table_free(t);
}

/* A batch may end before its answers; nothing comes after. */
static void test_cancel(void **state)
{
	struct dns_table *t = dns_table_new();
	struct resolve_batch *b;
	bool done = false;

	(void)state;
	dns_ask(t, "slow.example", DNS_TXT);
	assert_int_equal(resolve_start(resolver, t, set_flag, &done, &b), 1);
	assert_true(sd_event_run(event, 20000) >= 0);
	resolve_cancel(b);
	dns_table_free(t);
	assert_true(sd_event_run(event, 20000) >= 0);
	assert_false(done);
}

static int memfd_new(const char *text, int seals)
{
	int fd = memfd_create("message", MFD_ALLOW_SEALING | MFD_CLOEXEC);

	assert_true(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

struct outcome {
	bool is_done;
	struct evaluation evaluation;
};

static void on_done(struct job *j, const struct evaluation *e, void *ctx)
{
	struct outcome *o = ctx;

	o->is_done = true;
	o->evaluation = *e;
	job_free(j);
}

static int start(struct resolver *r, int fd, struct outcome *o, struct job **ret)
{
	const struct job_request request = {
		.envelope = {.ip = "192.0.2.1",
			.helo = "h",
			.mail_from = "a@example.com",
			.receiver = "mx.example",
			.now = 1},
		.authserv_id = "mx.example",
		.fd = fd,
		.done = on_done,
		.ctx = o,
	};

	*o = (struct outcome){0};
	return job_start(event, r, &request, ret);
}

static void test_job(void **state)
{
	struct outcome *o = malloc(sizeof(*o));
	int fd = memfd_new(MESSAGE, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW);
	struct job *j;

	(void)state;
	assert_int_equal(start(resolver, fd, o, &j), 0);
	assert_false(o->is_done);
	while (!o->is_done)
		assert_true(sd_event_run(event, UINT64_MAX) >= 0);
	assert_int_equal(o->evaluation.spf.result, SPF_PASS);
	assert_int_equal(o->evaluation.dmarc.result, DMARC_PASS);

	/* without name servers every DNS answer is a failure */
	assert_int_equal(start(NULL, fd, o, &j), 0);
	while (!o->is_done)
		assert_true(sd_event_run(event, UINT64_MAX) >= 0);
	assert_int_equal(o->evaluation.spf.result, SPF_TEMPERROR);
	assert_int_equal(o->evaluation.dmarc.disposition, DISPOSITION_TEMPERROR);

	/* a job may be given up while it waits */
	assert_int_equal(start(resolver, fd, o, &j), 0);
	assert_true(sd_event_run(event, UINT64_MAX) >= 0);
	job_free(j);
	close(fd);
	free(o);
}

static void test_seals(void **state)
{
	static const int seals[] = {0, F_SEAL_WRITE, F_SEAL_SHRINK, F_SEAL_GROW};
	struct outcome *o = malloc(sizeof(*o));
	struct job *j;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(seals); i++) {
		int fd = memfd_new(MESSAGE, seals[i]);
		assert_int_equal(start(resolver, fd, o, &j), -EBADF);
		close(fd);
	}
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(start(resolver, fd, o, &j), -EBADF);
	close(fd);
	free(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_job),
		cmocka_unit_test(test_seals),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
