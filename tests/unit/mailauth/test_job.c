/* Jobs of mailauthd against a name server that lives in the same event loop. */
#include "mailauth/job.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "name_server.h"

#define MESSAGE "From: a@example.com\r\nSubject: x\r\n\r\nbody\r\n"
#define RDATA(s) (s), sizeof(s) - 1
#define ALL_SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW)

static sd_event *event;
static struct resolver *resolver;
static struct resolve_counters counters;
static struct judge judge;
static const struct resolver_settings plain = {.dnssec = false};

static int setup(void **state)
{
	char text[64], *file;

	(void)state;
	server_add("example.com", DNS_TXT, 0, RDATA("\x07v=spf1 \x12ip4:192.0.2.1 -all"));
	server_add("_dmarc.example.com", DNS_TXT, 0, RDATA("\x13v=DMARC1; p=reject;"));
	assert_true(sd_event_new(&event) >= 0);
	server_start(event);
	snprintf(text, sizeof(text), "nameserver %s\n", inet_ntoa(server.address));
	file = server_file(text);
	setenv("SEKISHO_RESOLV_CONF", file, 1);
	assert_int_equal(resolver_new(event, &plain, &counters, &resolver), 0);
	unlink(file);
	free(file);
	judge.keys = key_cache_new();
	assert_non_null(judge.keys);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	resolver_unref(resolver);
	key_cache_free(judge.keys);
	sd_event_unref(event);
	return 0;
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
	enum spf_result spf;
	struct dmarc_judgement dmarc;
	enum dkim_result dkim;
};

static void on_done(struct job *j, const struct evaluation *e, void *ctx)
{
	struct outcome *o = ctx;

	o->is_done = true;
	o->spf = e->spf.result;
	o->dmarc = e->dmarc;
	o->dkim = e->dkim_count ? e->dkim[0].result : DKIM_NONE;
	job_free(j);
}

static int start(
	struct resolver *r, int fd, const char *sender, struct outcome *o, struct job **ret)
{
	const struct job_request request = {
		.envelope = {.ip = "192.0.2.1",
			.helo = "h",
			.mail_from = sender,
			.receiver = "mx.example",
			.now = 1},
		.authserv_id = "mx.example",
		.judge = &judge,
		.fd = fd,
		.done = on_done,
		.ctx = o,
	};

	*o = (struct outcome){0};
	return job_start(event, r, &request, ret);
}

static void wait_for(const struct outcome *o)
{
	while (!o->is_done)
		assert_true(sd_event_run(event, UINT64_MAX) >= 0);
}

static void test_job(void **state)
{
	int fd = memfd_new(MESSAGE, ALL_SEALS);
	struct outcome o;
	struct job *j;

	(void)state;
	assert_int_equal(start(resolver, fd, "a@example.com", &o, &j), 0);
	assert_false(o.is_done); /* nothing is known yet */
	wait_for(&o);
	assert_int_equal(o.spf, SPF_PASS);
	assert_int_equal(o.dmarc.result, DMARC_PASS);

	/* now everything is, and it ends at once */
	assert_int_equal(start(resolver, fd, "a@example.com", &o, &j), 0);
	assert_true(o.is_done);
	assert_int_equal(o.dmarc.result, DMARC_PASS);

	/* without name servers every DNS answer is a failure */
	assert_int_equal(start(NULL, fd, "a@example.com", &o, &j), 0);
	assert_true(o.is_done);
	assert_int_equal(o.spf, SPF_TEMPERROR);
	assert_int_equal(o.dmarc.disposition, DISPOSITION_TEMPERROR);

	/* a job may be given up while it waits */
	assert_int_equal(start(resolver, fd, "a@slow.example", &o, &j), 0);
	assert_true(sd_event_run(event, 10000) >= 0);
	job_free(j);

	/* or be told to end with what it has: SPF is not known, and DMARC fails for sure without it
	 */
	assert_int_equal(start(resolver, fd, "a@slow.example", &o, &j), 0);
	for (int i = 0; i < 20; i++) /* its other questions are answered meanwhile */
		assert_true(sd_event_run(event, 10000) >= 0);
	assert_false(o.is_done);
	assert_true(job_hurry(j));
	assert_false(job_hurry(j));
	assert_false(o.is_done);
	wait_for(&o);
	assert_int_equal(o.spf, SPF_TEMPERROR);
	assert_int_equal(o.dmarc.result, DMARC_FAIL);
	close(fd);
}

/* A message of 64 MB is hashed while others come and go. */
static void test_large(void **state)
{
	static const char head[] =
		"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.com; s=sel;\r\n"
		" h=from; bh=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=; b=AAAA\r\n"
		"From: a@example.com\r\n\r\n";
	const size_t bytes = 64u << 20;
	char *text = malloc(bytes + 1);
	struct outcome large, small;
	unsigned meanwhile = 0;
	struct job *j;

	(void)state;
	memcpy(text, head, sizeof(head) - 1);
	for (size_t i = sizeof(head) - 1; i < bytes; i++)
		text[i] = i % 70 == 68 ? '\r' : i % 70 == 69 ? '\n' : i % 7 ? 'x' : ' ';
	text[bytes] = 0;
	int fd = memfd_new(text, ALL_SEALS), small_fd = memfd_new(MESSAGE, ALL_SEALS);
	free(text);
	assert_int_equal(start(resolver, fd, "a@example.com", &large, &j), 0);
	while (!large.is_done) {
		assert_int_equal(start(resolver, small_fd, "a@example.com", &small, &j), 0);
		assert_true(small.is_done);
		meanwhile++;
		assert_true(sd_event_run(event, UINT64_MAX) >= 0);
	}
	assert_true(meanwhile > 100);
	assert_int_equal(large.dkim, DKIM_PERMERROR); /* there is no key */
	assert_int_equal(large.dmarc.result, DMARC_PASS);
	close(small_fd);
	close(fd);
}

static void test_seals(void **state)
{
	static const int seals[] = {0, F_SEAL_WRITE, F_SEAL_SHRINK, F_SEAL_GROW};
	struct outcome o;
	struct job *j;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(seals); i++) {
		int fd = memfd_new(MESSAGE, seals[i]);
		assert_int_equal(start(resolver, fd, "a@example.com", &o, &j), -EBADF);
		close(fd);
	}
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(start(resolver, fd, "a@example.com", &o, &j), -EBADF);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_job),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_seals),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
