/* The connections to a check: kept, made again, and never an answer for another message. The other
 * side is played here, one step at a time. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "mail/check.h"
#include "mail/poller.h"
#include "unit.h"

#define ANSWER(result) \
	"{\"parameters\":{\"spf\":{\"result\":\"" result "\",\"domain\":\"a.example\"}," \
	"\"dkim\":[],\"dmarc\":{\"result\":\"none\",\"policy\":\"\",\"domain\":\"\"," \
	"\"disposition\":\"none\"},\"remove\":[],\"authentication_results\":" \
	"\"Authentication-Results: me; spf=" result "\\r\\n\"}}"

static sd_event *event;
static int listening = -1;
static struct spool_pool pool = {.max_bytes = 1 << 20, .memory_bytes = 1 << 20};
static struct envelope envelope = {.client = {.ip = "192.0.2.1"}, .helo = "h", .mail_from = "a@b"};

struct mail {
	struct checks checks;
	struct spool spool;
	bool done;
};

static void on_done(void *userdata)
{
	((struct mail *)userdata)->done = true;
}

static void mail_start(struct mail *m)
{
	*m = (struct mail){.checks = {.on_done = on_done, .userdata = m}};
	spool_open(&m->spool, &pool, 1 << 20);
	assert_int_equal(spool_write(&m->spool, SPAN_LIT("From: a@b\r\n\r\nx\r\n")), 0);
	assert_int_equal(spool_seal(&m->spool), 0);
	checks_start(&m->checks, &(struct check_question){.envelope = &envelope,
					 .authserv_id = "me",
					 .spool = &m->spool,
					 .no_scan = true});
}

static void mail_end(struct mail *m)
{
	checks_stop(&m->checks);
	spool_close(&m->spool);
}

static void turn(void)
{
	for (int i = 0; i < 10; i++)
		assert_true(sd_event_run(event, 1000) >= 0);
}

static int accepted(void)
{
	return accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

static void question_read(int fd)
{
	char text[4096];
	ssize_t n = recv(fd, text, sizeof(text), 0);

	assert_true(n > 0 && text[n - 1] == '\0');
	assert_non_null(strstr(text, "io.sekisho.MailAuth.Evaluate"));
	assert_non_null(strstr(text, "\"mail_from\":\"a@b\""));
}

static void answer_write(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text) + 1, MSG_NOSIGNAL), (ssize_t)strlen(text) + 1);
}

static bool is_closed(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, 0);

	return n == 0 || (n < 0 && errno == ECONNRESET); /* what was not read makes it a reset */
}

/* A whole message over a connection that is there (fd) or new (-1); the connection. */
static int mail_pass(int fd, const char *answer, const char *want)
{
	struct mail m;

	mail_start(&m);
	assert_int_equal(m.checks.pending, 1);
	if (fd < 0)
		fd = accepted();
	else
		assert_int_equal(accepted(), -1);
	assert_true(fd >= 0);
	question_read(fd);
	answer_write(fd, answer);
	turn();
	assert_true(m.done);
	assert_string_equal(m.checks.found.unchecked, "");
	assert_string_equal(m.checks.found.spf.result, want);
	mail_end(&m);
	return fd;
}

static void test_kept(void **state)
{
	(void)state;
	int fd = mail_pass(-1, ANSWER("pass"), "pass");
	assert_int_equal(mail_pass(fd, ANSWER("fail"), "fail"), fd);

	/* gone while it waited, unnoticed until the next message */
	close(fd);
	fd = mail_pass(-1, ANSWER("softfail"), "softfail");
	/* gone, and noticed */
	close(fd);
	turn();
	fd = mail_pass(-1, ANSWER("neutral"), "neutral");
	/* one that speaks unasked is not asked again */
	answer_write(fd, ANSWER("pass"));
	turn();
	assert_true(is_closed(fd));
	close(fd);
	fd = mail_pass(-1, ANSWER("fail"), "fail");
	close(fd);
	turn();
	checks_forget();
}

/* The process ends with the question in its hands: it is asked again, once. */
static void test_restart(void **state)
{
	struct mail m;
	int fd = mail_pass(-1, ANSWER("pass"), "pass");

	(void)state;
	mail_start(&m);
	question_read(fd);
	close(fd);
	turn();
	assert_false(m.done);
	fd = accepted();
	assert_true(fd >= 0);
	question_read(fd);
	close(fd);
	turn();
	assert_true(m.done);
	assert_string_equal(m.checks.found.unchecked, "auth: the connection was closed");
	assert_int_equal(accepted(), -1);
	mail_end(&m);
}

/* The message is given up, its answer comes: nobody hears it, the next one least of all. */
static void test_late(void **state)
{
	struct mail m, next;

	(void)state;
	mail_start(&m);
	int fd = accepted();
	question_read(fd);
	mail_end(&m);
	mail_start(&next);
	int other = accepted();
	assert_true(other >= 0);
	send(fd, ANSWER("pass"), sizeof(ANSWER("pass")), MSG_NOSIGNAL);
	turn();
	assert_false(next.done);
	assert_false(m.done);
	question_read(other);
	answer_write(other, ANSWER("fail"));
	turn();
	assert_string_equal(next.checks.found.spf.result, "fail");
	mail_end(&next);
	close(fd);
	close(other);
	turn();
}

static void test_time_out(void **state)
{
	struct mail m;

	(void)state;
	mail_start(&m);
	int fd = accepted();
	checks_give_up(&m.checks);
	assert_int_equal(m.checks.pending, 0);
	assert_false(m.done);
	assert_string_equal(m.checks.found.unchecked, "auth: no answer in time");
	question_read(fd);
	assert_true(is_closed(fd));
	mail_end(&m);
	close(fd);
}

static void test_answers(void **state)
{
	static const struct {
		const char *answer, *unchecked;
	} rows[] = {
		{"{\"error\":\"io.sekisho.MailAuth.Busy\",\"parameters\":{}}",
			"auth: io.sekisho.MailAuth.Busy"},
		{"{\"error\":\"a\\r\\nb\"}", "auth: a??b"},
		{"{}", "auth: unusable answer"},
		{"[]", "auth: unusable answer"},
		{"7", "auth: unusable answer"},
		{"\"", "auth: unusable answer"},
		{"", "auth: unusable answer"},
		{"{\"parameters\":7}", "auth: unusable answer"},
		{"{\"parameters\":{\"spf\":7}}", "auth: unusable answer"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct mail m;

		checks_forget();
		mail_start(&m);
		int fd = accepted();
		answer_write(fd, rows[i].answer);
		turn();
		assert_true(m.done);
		assert_string_equal(m.checks.found.unchecked, rows[i].unchecked);
		mail_end(&m);
		close(fd);
	}
	turn();
}

static void test_absent(void **state)
{
	struct mail m;

	(void)state;
	checks_forget();
	close(listening);
	mail_start(&m);
	assert_int_equal(m.checks.pending, 0);
	assert_string_equal(m.checks.found.unchecked, "auth: Connection refused");
	mail_end(&m);
}

static int setup(void **state)
{
	static char folder[] = "/tmp/sekisho-check-XXXXXX";
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	(void)state;
	assert_non_null(mkdtemp(folder));
	setenv("SEKISHO_RUN", folder, 1);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s/mailauth.varlink", folder);
	listening = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listening, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(listening, 8), 0);
	assert_true(sd_event_new(&event) >= 0);
	assert_true(poller_start(event) >= 0);
	return 0;
}

static int teardown(void **state)
{
	char path[128];

	(void)state;
	checks_forget();
	poller_stop();
	sd_event_unref(event);
	snprintf(path, sizeof(path), "%s/mailauth.varlink", getenv("SEKISHO_RUN"));
	unlink(path);
	rmdir(getenv("SEKISHO_RUN"));
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_kept),
		cmocka_unit_test(test_restart), cmocka_unit_test(test_late),
		cmocka_unit_test(test_time_out), cmocka_unit_test(test_answers),
		cmocka_unit_test(test_absent)};

	return cmocka_run_group_tests(tests, setup, teardown);
}
