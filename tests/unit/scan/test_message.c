/* A whole mail through reader and engine. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sample.h"
#include "scan/message.h"

static char folder[] = "/tmp/test-message-XXXXXX";
static struct engine *engine;
static struct scanner scanner;
static char last_part[MESSAGE_PART_BYTES];

static void on_part(void *ctx, const char *part)
{
	(void)ctx;
	snprintf(last_part, sizeof(last_part), "%s", part);
}

static struct report *scan(const char *p, size_t n)
{
	static struct report r;

	message_scan(&scanner, span_of(p, n), &r);
	return &r;
}

static void test_where(void **state)
{
	char mail[4096];
	size_t n = sample_mail(mail, sizeof(mail), EICAR);

	(void)state;
	struct report *r = scan(mail, n);
	assert_int_equal(r->verdict.result, SCAN_INFECTED);
	assert_non_null(strstr(r->verdict.signature, "Eicar"));
	assert_string_equal(r->part, "2 invoice.zip");
	assert_string_equal(last_part, "2 invoice.zip");
	assert_true(r->verdict.facts & FACT_EXECUTABLE_IN_ARCHIVE);
}

static void test_cached(void **state)
{
	char mail[4096];
	size_t n = sample_mail(mail, sizeof(mail), "nothing here");

	(void)state;
	struct report *r = scan(mail, n);
	assert_int_equal(r->verdict.result, SCAN_CLEAN);
	unsigned parts = r->parts;
	uint32_t facts = r->verdict.facts;
	r = scan(mail, n);
	assert_int_equal(r->verdict.result, SCAN_CLEAN);
	assert_int_equal(r->cached, parts);
	assert_int_equal(r->verdict.facts, facts);
}

/* A mail in an archive is read like any other, also where libclamav's reader would not. */
static void test_mail_in_archive(void **state)
{
	static const char inner[] =
		"Subject: x\r\nContent-Type: multipart/mixed; bou\\ndary=b\r\n\r\n"
		"--b\r\nContent-Transfer-Encoding: ba(x)se64\r\n\r\n%s\r\n--b--\r\n";
	char text[256], body[512], mail[4096];

	(void)state;
	base64(text, (const uint8_t *)EICAR, sizeof(EICAR) - 1);
	snprintf(body, sizeof(body), inner, text);
	struct report *r = scan(mail, sample_mail(mail, sizeof(mail), body));
	assert_int_equal(r->verdict.result, SCAN_INFECTED);
}

static void test_outcomes(void **state)
{
	static const struct {
		const char *mail;
		enum scan_result want;
		const char *limit;
	} rows[] = {
		{"Subject: x\r\n\r\nhello\r\n", SCAN_CLEAN, ""},
		{"Subject: x\r\nContent-Type: message/partial; id=1\r\n\r\nhello\r\n",
			SCAN_AMBIGUOUS, ""},
		{"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n1\r\n--b\r\n\r\n2\r\n"
		 "--b\r\n\r\n3\r\n--b\r\n\r\n4\r\n--b\r\n\r\n5\r\n--b--\r\n",
			SCAN_LIMIT, "parts"},
	};

	(void)state;
	scanner.limits.mime.parts = 4;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct report *r = scan(rows[i].mail, strlen(rows[i].mail));
		assert_int_equal(r->verdict.result, rows[i].want);
		assert_string_equal(r->verdict.limit, rows[i].limit);
		assert_int_equal(r->reason != NULL, rows[i].want == SCAN_AMBIGUOUS);
	}
	message_limits_defaults(&scanner.limits);
}

/* A limit does not hide a virus in what was read before it. */
static void test_virus_beats_limit(void **state)
{
	char mail[1024];

	(void)state;
	scanner.limits.mime.parts = 2;
	int n = snprintf(mail, sizeof(mail),
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n1\r\n--b\r\n\r\n%s\r\n"
		"--b\r\n\r\n3\r\n--b--\r\n",
		EICAR);
	assert_int_equal(scan(mail, (size_t)n)->verdict.result, SCAN_INFECTED);
	message_limits_defaults(&scanner.limits);
}

static void test_time(void **state)
{
	char mail[4096];
	size_t n = sample_mail(mail, sizeof(mail), "another thing");

	(void)state;
	scanner.limits.time_ms = 0;
	struct report *r = NULL;
	/* The clock ticks in milliseconds: one of these comes after the first tick. */
	for (int i = 0; i < 1000 && (!r || r->verdict.result != SCAN_LIMIT); i++)
		r = scan(mail, n);
	assert_int_equal(r->verdict.result, SCAN_LIMIT);
	assert_string_equal(r->verdict.limit, "time");
	message_limits_defaults(&scanner.limits);
}

static int setup(void **state)
{
	const char *dirs[] = {folder};
	char path[64], *why = NULL;
	struct engine_limits limits;

	(void)state;
	if (!mkdtemp(folder) || engine_init() < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/test.ndb", folder);
	FILE *f = fopen(path, "w");
	fprintf(f, "Eicar-Test-Signature:0:*:");
	for (const char *p = EICAR; *p; p++)
		fprintf(f, "%02x", (unsigned char)*p);
	fprintf(f, "\n");
	fclose(f);
	engine_limits_defaults(&limits);
	int r = engine_load(dirs, 1, 1, "/tmp", &limits, &engine, &why);
	unlink(path);
	scanner = (struct scanner){.engine = engine, .cache = cache_new(), .on_part = on_part};
	message_limits_defaults(&scanner.limits);
	return r;
}

static int teardown(void **state)
{
	(void)state;
	cache_free(scanner.cache);
	engine_free(engine);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_where),
		cmocka_unit_test(test_cached),
		cmocka_unit_test(test_mail_in_archive),
		cmocka_unit_test(test_outcomes),
		cmocka_unit_test(test_virus_beats_limit),
		cmocka_unit_test(test_time),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
