/* Against a server in a child process that answers each request as its path says. */
#include "unit.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "update/download.h"
#include "update/redirect.h"

static char path[] = "/tmp/test-download-XXXXXX";
static unsigned port;
static pid_t server;

static const struct download_limits limits = {
	.bytes = 4096, .connect_s = 5, .total_s = 8, .slow_bytes_s = 100, .slow_s = 1};

static void say(int fd, const char *text)
{
	if (write(fd, text, strlen(text)) < 0)
		_exit(1);
}

static void endless(int fd, const char *piece, unsigned pause_us)
{
	signal(SIGPIPE, SIG_IGN);
	while (write(fd, piece, strlen(piece)) > 0)
		usleep(pause_us);
}

static void answer(int fd)
{
	char rq[2048];
	ssize_t n = read(fd, rq, sizeof(rq) - 1);

	rq[n > 0 ? n : 0] = '\0';
	if (strncmp(rq, "GET /ok", 7) == 0)
		say(fd, strstr(rq, "If-None-Match: \"1\"\r\n")
				? "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n"
				: "HTTP/1.1 200 OK\r\nETag: \"1\"\r\nLast-Modified: Tue, 24 Nov "
				  "2026 09:00:00 GMT\r\n"
				  "Content-Length: 5\r\n\r\nhello");
	else if (strncmp(rq, "GET /404", 8) == 0)
		say(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone");
	else if (strncmp(rq, "GET /503", 8) == 0)
		say(fd, "HTTP/1.1 503 Busy\r\nRetry-After: 99999999\r\nContent-Length: 0\r\n\r\n");
	else if (strncmp(rq, "GET /403", 8) == 0)
		say(fd, "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n");
	else if (strncmp(rq, "GET /429", 8) == 0)
		say(fd, "HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n");
	else if (strncmp(rq, "GET /broken", 11) == 0)
		say(fd, strstr(rq, "If-Range: \"7\"\r\n")
				? "HTTP/1.1 206 Partial\r\nETag: \"7\"\r\nContent-Range: bytes "
				  "4-9/10\r\nContent-Length: 6\r\n\r\n456789"
				: "HTTP/1.1 200 OK\r\nETag: \"7\"\r\nContent-Length: "
				  "10\r\n\r\n0123");
	else if (strncmp(rq, "GET /weak", 9) == 0)
		say(fd, "HTTP/1.1 200 OK\r\nETag: W/\"7\"\r\nContent-Length: 10\r\n\r\n0123");
	else if (strncmp(rq, "GET /range", 10) == 0)
		say(fd, strstr(rq, "Range: bytes=0-3\r\n")
				? "HTTP/1.1 206 Partial\r\nContent-Range: bytes "
				  "0-3/10\r\nContent-Length: 4\r\n\r\n0123"
				: "HTTP/1.1 400 What\r\nContent-Length: 0\r\n\r\n");
	else if (strncmp(rq, "GET /moved", 10) == 0)
		say(fd, "HTTP/1.1 301 Moved\r\nConnection: close\r\nLocation: "
			"/ok\r\nContent-Length: 5\r\n\r\nthere");
	else if (strncmp(rq, "GET /elsewhere", 14) == 0)
		say(fd, "HTTP/1.1 302 Found\r\nConnection: close\r\nLocation: "
			"http://127.0.0.2/ok\r\nContent-Length: 0\r\n\r\n");
	else if (strncmp(rq, "GET /empty", 10) == 0)
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	else if (strncmp(rq, "GET /short", 10) == 0)
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello");
	else if (strncmp(rq, "GET /large", 10) == 0)
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\nhello");
	else if (strncmp(rq, "GET /endless", 12) == 0) {
		say(fd, "HTTP/1.1 200 OK\r\n\r\n");
		endless(fd, "more and more and more", 0);
	} else if (strncmp(rq, "GET /slow", 9) == 0) {
		say(fd, "HTTP/1.1 200 OK\r\n\r\n");
		endless(fd, ".", 200000);
	} else if (strncmp(rq, "GET /headers", 12) == 0) {
		say(fd, "HTTP/1.1 200 OK\r\n");
		endless(fd,
			"X-More: "
			"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n",
			0);
	} else if (strncmp(rq, "GET /loop", 9) == 0)
		say(fd, "HTTP/1.1 302 Found\r\nConnection: close\r\nLocation: "
			"/loop\r\nContent-Length: 0\r\n\r\n");
	else if (strncmp(rq, "GET /file", 9) == 0)
		say(fd, "HTTP/1.1 302 Found\r\nConnection: close\r\nLocation: "
			"file:///etc/passwd\r\nContent-Length: 0\r\n\r\n");
	else if (strncmp(rq, "GET /tag", 8) == 0)
		say(fd, "HTTP/1.1 200 OK\r\nETag: \"a\x1b[2J\"\r\nContent-Length: 5\r\n\r\nhello");
	else
		say(fd, "what?\r\n");
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

static const struct download_way way;

static void get(const char *name, const char *etag, const char *validator, unsigned head_bytes,
	struct download_result *ret)
{
	char url[64];
	const struct download_request rq = {.url = url,
		.path = path,
		.etag = etag,
		.modified = "",
		.validator = validator,
		.head_bytes = head_bytes,
		.limits = &limits,
		.way = &way};

	snprintf(url, sizeof(url), "http://127.0.0.1:%u/%s", port, name);
	download_perform(&rq, ret);
	download_clean(ret);
}

static void file_is(const char *want)
{
	char text[64];
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	close(fd);
	text[n > 0 ? n : 0] = '\0';
	assert_string_equal(text, want);
}

static void file_set(const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void test_answers(void **state)
{
	static const struct {
		const char *name, *etag;
		enum download_outcome want;
		const char *why; /* the beginning */
		unsigned retry_after_s;
	} rows[] = {
		{"ok", "", DOWNLOAD_OK, "", 0},
		{"ok", "\"1\"", DOWNLOAD_UNCHANGED, "", 0},
		{"404", "", DOWNLOAD_FAILED, "the server answers 404", 0},
		{"403", "", DOWNLOAD_FAILED, "the server answers 403: we may not have it",
			DOWNLOAD_COOL_S},
		{"429", "", DOWNLOAD_FAILED, "the server answers 429: too many requests", 7},
		{"503", "", DOWNLOAD_FAILED, "the server answers 503", DOWNLOAD_RETRY_MAX_S},
		{"empty", "", DOWNLOAD_FAILED, "the file is empty", 0},
		{"short", "", DOWNLOAD_FAILED, "end of response with 95 bytes missing", 0},
		{"large", "", DOWNLOAD_FAILED, "Maximum file size exceeded", 0},
		{"endless", "", DOWNLOAD_FAILED, "Exceeded the maximum allowed file size (4096)",
			0},
		{"slow", "", DOWNLOAD_FAILED, "Operation too slow", 0},
		{"headers", "", DOWNLOAD_FAILED, "", 0},
		{"loop", "", DOWNLOAD_FAILED, "more than 5 redirections", 0},
		{"moved", "", DOWNLOAD_OK, "", 0},
		{"file", "", DOWNLOAD_FAILED,
			"the server redirects to another scheme than http and https", 0},
		{"elsewhere", "", DOWNLOAD_FAILED,
			"the server redirects to another host, without https", 0},
		{"tag", "", DOWNLOAD_OK, "", 0},
		{"garbage", "", DOWNLOAD_FAILED, "", 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct download_result r;
		get(rows[i].name, rows[i].etag, "", 0, &r);
		if (r.outcome != rows[i].want || r.retry_after_s != rows[i].retry_after_s ||
			strncmp(r.why, rows[i].why, strlen(rows[i].why)) != 0)
			fail_msg("%s: %d %s %u", rows[i].name, (int)r.outcome, r.why,
				r.retry_after_s);
		if (r.outcome == DOWNLOAD_FAILED)
			assert_true(r.why[0]);
		if (strcmp(rows[i].name, "ok") == 0)
			assert_string_equal(r.etag, "\"1\"");
		if (strcmp(rows[i].name, "tag") == 0)
			assert_string_equal(r.etag, ""); /* no control character reaches the log */
	}
}

/* A transfer that broke off goes on where it stopped, if it is still the same file. */
static void test_resume(void **state)
{
	struct download_result r;

	(void)state;
	get("broken", "", "", 0, &r);
	assert_int_equal(r.outcome, DOWNLOAD_FAILED);
	assert_true(r.resumable);
	assert_string_equal(r.validator, "\"7\"");
	file_is("0123");
	get("broken", "", "\"7\"", 0, &r);
	assert_int_equal(r.outcome, DOWNLOAD_OK);
	assert_int_equal(r.bytes, 10);
	assert_int_equal(r.received, 6);
	file_is("0123456789");
	/* Another file by now: from the start. */
	file_set("0123");
	get("ok", "", "\"7\"", 0, &r);
	assert_int_equal(r.outcome, DOWNLOAD_OK);
	assert_int_equal(r.bytes, 5);
	file_is("hello");
	/* A server that sends another part than it was asked for. */
	file_set("01");
	get("broken", "", "\"7\"", 0, &r);
	assert_int_equal(r.outcome, DOWNLOAD_FAILED);
	assert_string_equal(r.why, "the server sends another part than the one asked for");
	/* Not worth continuing: what is over the limit, a weak tag, an answer that is an error. */
	get("endless", "", "", 0, &r);
	assert_false(r.resumable);
	get("weak", "", "", 0, &r);
	assert_int_equal(r.outcome, DOWNLOAD_FAILED);
	assert_false(r.resumable);
	get("404", "", "", 0, &r);
	assert_false(r.resumable);
}

static void test_head(void **state)
{
	struct download_result r;

	(void)state;
	get("range", "", "", 4, &r);
	assert_int_equal(r.outcome, DOWNLOAD_OK);
	file_is("0123");
	/* A server that knows no ranges. */
	get("ok", "", "", 4, &r);
	assert_int_equal(r.outcome, DOWNLOAD_OK);
	assert_int_equal(r.bytes, 4);
	file_is("hell");
	get("endless", "", "", 4, &r);
	assert_int_equal(r.outcome, DOWNLOAD_OK);
	file_is("more");
}

static void test_nobody(void **state)
{
	static const struct {
		const char *url, *why, *other; /* beginnings */
	} rows[] = {
		{"http://127.0.0.1:1/", "Failed to connect to 127.0.0.1 port 1", "?"},
		{"http://no-such-host.invalid/", "Could not resolve host: no-such-host.invalid",
			"Resolving timed out"},
		{"gopher://127.0.0.1/", "Protocol \"gopher\"", "?"},
		{"http://", "", "?"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct download_result r;
		const struct download_request rq = {.url = rows[i].url,
			.path = path,
			.etag = "",
			.modified = "",
			.validator = "",
			.limits = &limits,
			.way = &way};
		download_perform(&rq, &r);
		if (r.outcome != DOWNLOAD_FAILED || !r.why[0] ||
			(strncmp(r.why, rows[i].why, strlen(rows[i].why)) != 0 &&
				strncmp(r.why, rows[i].other, strlen(rows[i].other)) != 0))
			fail_msg("%s: %s", rows[i].url, r.why);
	}
}

static void test_redirect(void **state)
{
	static const struct {
		const char *from, *to;
		bool allowed, same;
	} rows[] = {
		{"http://a/x", "http://a/y", true, true},
		{"http://a/x", "http://A:80/y", true, true},
		{"http://a/x", "http://a:8080/y", true, false},
		{"http://a/x", "https://a/x", true, false},
		{"http://a/x", "https://b/x", true, false},
		{"https://a/x", "https://b/x", true, false},
		{"http://a/x", "http://b/x", false, false},
		{"https://a/x", "http://a/x", false, false},
		{"https://a/x", "ftp://a/x", false, false},
		{"https://a/x", "file:///etc/shadow", false, false},
		{"https://a/x", "nonsense://", false, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if ((redirect_refuse(rows[i].from, rows[i].to) == NULL) != rows[i].allowed ||
			redirect_is_same_host(rows[i].from, rows[i].to) != rows[i].same)
			fail_msg("%s %s", rows[i].from, rows[i].to);
}

static int setup(void **state)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	close(mkstemp(path));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 16) < 0 ||
		getsockname(fd, (struct sockaddr *)&a, &n) < 0)
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
	unlink(path);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_resume),
		cmocka_unit_test(test_head),
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_redirect),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
