/* Against a server in a child process that says what it was asked for, or dies of it. */
#include "unit.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "update/file.h"
#include "update/pull.h"

#define HEAD "ClamAV-VDB:22 Jun 2021 14-58 -0400:%d:2:81:X:X:builder:1624388302"

static char folder[] = "/tmp/test-pull-XXXXXX";
static char url[64];
static unsigned port;
static pid_t server;

static const struct download_limits limits = {
	.bytes = 65536, .connect_s = 5, .total_s = 8, .slow_bytes_s = 100, .slow_s = 1};
static const struct settings settings = {.user_agent = (char *)"test"};

static void say(int fd, const char *status, const char *body, size_t n)
{
	dprintf(fd,
		"HTTP/1.1 %s\r\nLast-Modified: Tue, 24 Nov 2026 09:00:00 GMT\r\nContent-Length: "
		"%zu\r\n\r\n",
		status, n);
	if (write(fd, body, n) < 0)
		_exit(1);
}

/* /v7/daily.cvd is version 7, of which the steps up to 6 are there. */
static void answer(int fd)
{
	char rq[2048], body[600];
	int version, step;
	ssize_t n = read(fd, rq, sizeof(rq) - 1);

	rq[n > 0 ? n : 0] = '\0';
	if (sscanf(rq, "GET /v%d/daily-%d.cdiff", &version, &step) == 2) {
		say(fd, step <= 6 ? "200 OK" : "404 Gone", "step", 4);
	} else if (sscanf(rq, "GET /v%d/daily.cvd", &version) == 1) {
		memset(body, ' ', sizeof(body));
		body[snprintf(body, sizeof(body), HEAD, version)] = ' ';
		say(fd, "200 OK", body, sizeof(body));
	} else if (strncmp(rq, "GET /file.minisig", 17) == 0) {
		say(fd, "404 Gone", "", 0);
	} else if (strncmp(rq, "GET /file", 9) == 0) {
		say(fd, "200 OK", "hello", 5);
	} else {
		pause();
	}
}

static void serve(int listen_fd)
{
	for (;;) {
		int fd = accept(listen_fd, NULL, NULL);
		if (fork() == 0) {
			alarm(20);
			answer(fd);
			_exit(0);
		}
		close(fd);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}

static bool has(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return access(path, F_OK) == 0;
}

static void pull(const struct source *s, bool confirmed, struct pull_result *ret)
{
	const struct pull_request rq = {.source = s,
		.settings = &settings,
		.limits = &limits,
		.folder = folder,
		.confirmed = confirmed};

	folder_remove(folder);
	assert_int_equal(mkdir(folder, 0700), 0);
	pull_perform(&rq, ret);
}

static void test_steps(void **state)
{
	static const struct {
		const char *path;
		uint64_t serial;
		enum download_outcome want;
		uint64_t first, last; /* steps; 0: the whole file */
		const char *why;
		bool unconfirmed;
	} rows[] = {
		{"v6/daily.cvd", 0, DOWNLOAD_OK, 0, 0, "", false},
		{"v6/daily.cvd", 5, DOWNLOAD_OK, 6, 6, "", false},
		{"v6/daily.cvd", 2, DOWNLOAD_OK, 3, 6, "", false},
		{"v6/daily.cvd", 6, DOWNLOAD_UNCHANGED, 0, 0, "", false},
		{"v5/daily.cvd", 6, DOWNLOAD_FAILED, 0, 0,
			"the server has version 5, older than 6, which is installed", true},
		{"v7/daily.cvd", 5, DOWNLOAD_OK, 0, 0, "", false},  /* no such step */
		{"v90/daily.cvd", 5, DOWNLOAD_OK, 0, 0, "", false}, /* too many */
		{"file/daily.cvd", 5, DOWNLOAD_FAILED, 0, 0,
			"what the server has is not a ClamAV database", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct source s = {
			.url = url, .type = type_find("clamav"), .serial = rows[i].serial};
		struct pull_result r;
		snprintf(url, sizeof(url), "http://127.0.0.1:%u/%s", port, rows[i].path);
		pull(&s, false, &r);
		if (r.download.outcome != rows[i].want || r.first_cdiff != rows[i].first ||
			r.last_cdiff != rows[i].last || r.unconfirmed != rows[i].unconfirmed ||
			strcmp(r.download.why, rows[i].why) != 0)
			fail_msg("row %zu: %d %s %d-%d", i, (int)r.download.outcome, r.download.why,
				(int)r.first_cdiff, (int)r.last_cdiff);
		assert_int_equal(has("main"), rows[i].want == DOWNLOAD_OK && !rows[i].last);
		if (rows[i].last)
			assert_true(has("cdiff-6"));
	}
}

static void test_older(void **state)
{
	struct source s = {.url = url,
		.type = type_find("rules"),
		.version = "0123456789abcdef",
		.modified = "Thu, 26 Nov 2026 09:00:00 GMT"};
	struct pull_result r;

	(void)state;
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/file", port);
	pull(&s, false, &r);
	assert_int_equal(r.download.outcome, DOWNLOAD_FAILED);
	assert_true(r.unconfirmed);
	assert_string_equal(r.download.why, "the server's file is of Tue, 24 Nov 2026 09:00:00 "
					    "GMT, older than what is installed "
					    "(Thu, 26 Nov 2026 09:00:00 GMT)");
	pull(&s, true, &r);
	assert_int_equal(r.download.outcome, DOWNLOAD_OK);
	/* The servers behind one name differ by minutes. */
	strcpy(s.modified, "Tue, 24 Nov 2026 09:20:00 GMT");
	pull(&s, false, &r);
	assert_int_equal(r.download.outcome, DOWNLOAD_OK);
	strcpy(s.modified, "Mon, 23 Nov 2026 09:00:00 GMT");
	pull(&s, false, &r);
	assert_int_equal(r.download.outcome, DOWNLOAD_OK);
	assert_int_equal(r.released, 1795510800);
}

static void test_vouchers(void **state)
{
	struct source s = {.url = url, .type = type_find("rules"), .checksum = CHECKSUM_SHA256};
	struct pull_result r;

	(void)state;
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/file", port);
	pull(&s, false, &r);
	assert_int_equal(r.download.outcome, DOWNLOAD_OK);
	assert_true(has("main") && has("checksum") && !has("signature"));
	s.public_key = (char *)"x";
	pull(&s, false, &r);
	assert_int_equal(r.download.outcome, DOWNLOAD_FAILED);
	assert_string_equal(r.download.why, "signature: the server answers 404");
}

/* A child that ends without a word is a failure, not a hang. */
static void test_killed(void **state)
{
	struct source s = {.url = url, .type = type_find("rules")};
	const struct pull_request rq = {
		.source = &s, .settings = &settings, .limits = &limits, .folder = folder};
	struct pull_result r;
	pid_t pid;
	int fd;

	(void)state;
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/hang", port);
	assert_int_equal(pull_start(&rq, &pid, &fd), 0);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	pull_finish(fd, &r);
	close(fd);
	assert_int_equal(r.download.outcome, DOWNLOAD_FAILED);
	assert_string_equal(r.download.why, "the download was ended");
}

static int setup(void **state)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	if (!mkdtemp(folder) || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
		listen(fd, 16) < 0 || getsockname(fd, (struct sockaddr *)&a, &n) < 0)
		return -1;
	port = ntohs(a.sin_port);
	server = fork();
	if (server == 0)
		serve(fd);
	close(fd);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	folder_remove(folder);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_older),
		cmocka_unit_test(test_vouchers),
		cmocka_unit_test(test_killed),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
