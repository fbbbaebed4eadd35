#include "update/download.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>

#include "lib/cleanup.h"
#include "lib/span.h"
#include "update/type.h"

const struct download_limits download_limits = {
	.bytes = DELIVERY_BYTES,
	.connect_s = 20,
	.total_s = 1800,
	.slow_bytes_s = 1024,
	.slow_s = 30,
};

struct transfer {
	const struct download_request *rq;
	struct download_result *result;
	int fd;
};

static void say(struct download_result *r, const char *why)
{
	if (!r->why[0])
		snprintf(r->why, sizeof(r->why), "%s", why);
}

/* Stored, logged and sent back to a server: nothing but printable ASCII, or nothing. */
static void clean(char *s)
{
	for (char *p = s; *p; p++)
		if (*p < ' ' || *p > '~') {
			*s = '\0';
			return;
		}
}

static size_t on_body(char *p, size_t size, size_t n, void *userdata)
{
	struct transfer *t = userdata;

	n *= size;
	for (size_t done = 0; done < n;) {
		ssize_t w = write(t->fd, p + done, n - done);
		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0) {
			say(t->result, strerror(errno));
			return CURL_WRITEFUNC_ERROR;
		}
		done += (size_t)w;
	}
	t->result->bytes += n;
	return n;
}

static void header_keep(struct span line, struct span name, char *out, size_t cap)
{
	if (!span_casestarts(line, name))
		return;
	struct span value = span_trim(span_skip(line, name.n));
	if (value.n < cap) {
		memcpy(out, value.p, value.n);
		out[value.n] = '\0';
		clean(out);
	}
}

static size_t on_header(char *p, size_t size, size_t n, void *userdata)
{
	struct transfer *t = userdata;
	struct span line = span_of(p, size * n);

	/* Of several answers, the last one counts: a redirection has headers too. */
	if (span_casestarts(line, SPAN_LIT("HTTP/")))
		t->result->etag[0] = t->result->modified[0] = '\0';
	header_keep(line, SPAN_LIT("ETag:"), t->result->etag, sizeof(t->result->etag));
	header_keep(
		line, SPAN_LIT("Last-Modified:"), t->result->modified, sizeof(t->result->modified));
	return size * n;
}

static struct curl_slist *condition(const struct download_request *rq)
{
	char line[DOWNLOAD_TAG_CHARS + 32];
	struct curl_slist *list = NULL;

	if (rq->etag[0]) {
		snprintf(line, sizeof(line), "If-None-Match: %s", rq->etag);
		list = curl_slist_append(list, line);
	}
	if (rq->modified[0]) {
		snprintf(line, sizeof(line), "If-Modified-Since: %s", rq->modified);
		list = curl_slist_append(list, line);
	}
	return list;
}

static void options_set(CURL *c, struct transfer *t, struct curl_slist *headers)
{
	const struct download_limits *l = t->rq->limits;
	bool secure = strncasecmp(t->rq->url, "https:", 6) == 0;

	curl_easy_setopt(c, CURLOPT_URL, t->rq->url);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, secure ? "https" : "http,https");
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(c, CURLOPT_MAXREDIRS, (long)DOWNLOAD_REDIRECTS);
	curl_easy_setopt(c, CURLOPT_FAILONERROR, 1L);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "sekisho");
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
	/* Holds for answers without a length too; the child's RLIMIT_FSIZE stands behind it. */
	curl_easy_setopt(c, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)l->bytes);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)l->connect_s);
	curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)l->total_s);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, (long)l->slow_bytes_s);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)l->slow_s);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
}

static void transfer_run(CURL *c, struct transfer *t)
{
	char error[CURL_ERROR_SIZE] = "";
	struct download_result *r = t->result;
	struct curl_slist *headers = condition(t->rq);
	long status = 0;

	options_set(c, t, headers);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, error);
	CURLcode code = curl_easy_perform(c);
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	curl_slist_free_all(headers);
	if (code == CURLE_HTTP_RETURNED_ERROR)
		snprintf(r->why, sizeof(r->why), "the server answers %ld", status);
	else if (code != CURLE_OK)
		say(r, error[0] ? error : curl_easy_strerror(code));
	else if (status == 304)
		r->outcome = DOWNLOAD_UNCHANGED;
	else if (status != 200)
		snprintf(r->why, sizeof(r->why), "the server answers %ld", status);
	else if (r->bytes == 0)
		say(r, "the file is empty");
	else
		r->outcome = DOWNLOAD_OK;
}

void download_perform(const struct download_request *rq, struct download_result *ret)
{
	struct transfer t = {.rq = rq, .result = ret};

	*ret = (struct download_result){.outcome = DOWNLOAD_FAILED};
	_cleanup_close_ int fd =
		open(rq->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		say(ret, strerror(errno));
		return;
	}
	t.fd = fd;
	CURL *c = curl_easy_init();
	if (!c) {
		say(ret, "libcurl does not start");
		return;
	}
	transfer_run(c, &t);
	curl_easy_cleanup(c);
}

static void child(const struct download_request *rq, int pipe_fd)
{
	const struct rlimit size = {rq->limits->bytes + 65536, rq->limits->bytes + 65536};
	struct download_result r;
	sigset_t none;

	for (int s = 1; s < SIGRTMIN; s++)
		signal(s, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(pipe_fd, 3);
	close_range(4, ~0u, 0);
	setrlimit(RLIMIT_FSIZE, &size);
	/* Whatever libcurl waits for, a name server included. */
	alarm(rq->limits->total_s + rq->limits->connect_s);
	download_perform(rq, &r);
	_exit(write(3, &r, sizeof(r)) == sizeof(r) ? EXIT_SUCCESS : EXIT_FAILURE);
}

int download_start(const struct download_request *rq, pid_t *ret_pid, int *ret_fd)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	pid_t pid = fork();
	if (pid == 0)
		child(rq, fds[1]);
	close(fds[1]);
	if (pid < 0) {
		int r = -errno;
		close(fds[0]);
		return r;
	}
	*ret_pid = pid;
	*ret_fd = fds[0];
	return 0;
}

void download_finish(int fd, struct download_result *ret)
{
	if (read(fd, ret, sizeof(*ret)) != sizeof(*ret) || ret->outcome > DOWNLOAD_UNCHANGED) {
		*ret = (struct download_result){.outcome = DOWNLOAD_FAILED};
		say(ret, "the download was ended");
	}
	ret->etag[sizeof(ret->etag) - 1] = '\0';
	ret->modified[sizeof(ret->modified) - 1] = '\0';
	ret->why[sizeof(ret->why) - 1] = '\0';
	clean(ret->etag);
	clean(ret->modified);
	clean(ret->why);
}
