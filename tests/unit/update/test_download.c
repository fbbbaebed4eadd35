/* Against a server in a child process that answers each request as its path says. */
#include "unit.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "update/download.h"

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
		say(fd, "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
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

static void test_answers(void **state)
{
	static const struct {
		const char *name, *etag;
		enum download_outcome want;
		const char *why; /* the beginning */
	} rows[] = {
		{"ok", "", DOWNLOAD_OK, ""},
		{"ok", "\"1\"", DOWNLOAD_UNCHANGED, ""},
		{"404", "", DOWNLOAD_FAILED, "the server answers 404"},
		{"503", "", DOWNLOAD_FAILED, "the server answers 503"},
		{"empty", "", DOWNLOAD_FAILED, "the file is empty"},
		{"short", "", DOWNLOAD_FAILED, "end of response with 95 bytes missing"},
		{"large", "", DOWNLOAD_FAILED, "Maximum file size exceeded"},
		{"endless", "", DOWNLOAD_FAILED, "Exceeded the maximum allowed file size"},
		{"slow", "", DOWNLOAD_FAILED, "Operation too slow"},
		{"headers", "", DOWNLOAD_FAILED, ""},
		{"loop", "", DOWNLOAD_FAILED, "Maximum (5) redirects followed"},
		{"file", "", DOWNLOAD_FAILED, "Protocol \"file\""},
		{"tag", "", DOWNLOAD_OK, ""},
		{"garbage", "", DOWNLOAD_FAILED, ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char url[64];
		struct download_result r;
		pid_t pid;
		int fd, status;
		snprintf(url, sizeof(url), "http://127.0.0.1:%u/%s", port, rows[i].name);
		const struct download_request rq = {.url = url,
			.path = path,
			.etag = rows[i].etag,
			.modified = "",
			.limits = &limits};
		assert_int_equal(download_start(&rq, &pid, &fd), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		download_finish(fd, &r);
		close(fd);
		if (r.outcome != rows[i].want ||
			strncmp(r.why, rows[i].why, strlen(rows[i].why)) != 0)
			fail_msg("%s: %d %s", rows[i].name, (int)r.outcome, r.why);
		if (r.outcome == DOWNLOAD_FAILED)
			assert_true(r.why[0]);
		if (strcmp(rows[i].name, "ok") == 0)
			assert_string_equal(r.etag, "\"1\"");
		if (strcmp(rows[i].name, "tag") == 0)
			assert_string_equal(r.etag, ""); /* no control character reaches the log */
	}
}

/* A child that ends without a word is a failure, not a hang. */
static void test_killed(void **state)
{
	char url[64];
	struct download_result r;
	const struct download_request rq = {
		.url = url, .path = path, .etag = "", .modified = "", .limits = &limits};
	pid_t pid;
	int fd;

	(void)state;
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/slow", port);
	assert_int_equal(download_start(&rq, &pid, &fd), 0);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	download_finish(fd, &r);
	close(fd);
	assert_int_equal(r.outcome, DOWNLOAD_FAILED);
	assert_string_equal(r.why, "the download was ended");
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
		cmocka_unit_test(test_killed),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
