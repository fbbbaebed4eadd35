#include "update/download.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/x509_vfy.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>

#include "lib/cleanup.h"
#include "lib/span.h"
#include "update/redirect.h"
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
	CURL *curl;
	int fd;
	uint64_t resume_at; /* of the range that was asked for */
	uint64_t range_at;  /* of the range that the server sends */
	bool began;         /* the body has */
	bool enough;
	char *ca; /* PEM */
};

static void say(struct download_result *r, const char *why)
{
	if (!r->why[0])
		snprintf(r->why, sizeof(r->why), "%s", why);
}

void download_fail(struct download_result *r, const char *why)
{
	r->outcome = DOWNLOAD_FAILED;
	r->why[0] = '\0';
	say(r, why);
}

/* Stored, logged and sent back to a server: nothing but printable ASCII, or nothing. */
static void clean(char *s, size_t cap)
{
	s[cap - 1] = '\0';
	for (char *p = s; *p; p++)
		if (*p < ' ' || *p > '~') {
			*s = '\0';
			return;
		}
}

void download_clean(struct download_result *r)
{
	clean(r->etag, sizeof(r->etag));
	clean(r->modified, sizeof(r->modified));
	clean(r->validator, sizeof(r->validator));
	clean(r->why, sizeof(r->why));
}

/* Before the first byte: does it continue what we have, or begin anew? */
static bool body_begin(struct transfer *t)
{
	t->began = true;
	if (t->result->status == 206 && t->rq->head_bytes == 0) {
		if (t->range_at == t->resume_at && t->resume_at > 0)
			return lseek(t->fd, (off_t)t->resume_at, SEEK_SET) >= 0;
		say(t->result, "the server sends another part than the one asked for");
		return false;
	}
	t->result->bytes = 0;
	return ftruncate(t->fd, 0) == 0 && lseek(t->fd, 0, SEEK_SET) == 0;
}

static bool body_write(struct transfer *t, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t w = write(t->fd, p, n);
		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0) {
			say(t->result, errno == ENOSPC ? "no room left for the download"
						       : strerror(errno));
			t->result->validator[0] = '\0';
			return false;
		}
		p += w;
		n -= (size_t)w;
		t->result->bytes += (uint64_t)w;
		t->result->received += (uint64_t)w;
	}
	return true;
}

static size_t on_body(char *p, size_t size, size_t n, void *userdata)
{
	struct transfer *t = userdata;
	size_t take = size * n;

	if (t->result->status != 200 && t->result->status != 206)
		return take; /* the text of a redirection or of an error */
	if (!t->began && !body_begin(t))
		return CURL_WRITEFUNC_ERROR;
	if (t->rq->head_bytes) {
		uint64_t left = t->rq->head_bytes - t->result->bytes;
		t->enough = take >= left;
		take = t->enough ? (size_t)left : take;
	} else if (t->result->bytes + take > t->rq->limits->bytes) {
		return CURL_WRITEFUNC_ERROR; /* libcurl counts a resumed part alone */
	}
	if (!body_write(t, p, take) || t->enough)
		return CURL_WRITEFUNC_ERROR;
	return take;
}

static bool header_value(struct span line, struct span name, char *out, size_t cap)
{
	if (!span_casestarts(line, name))
		return false;
	struct span value = span_trim(span_skip(line, name.n));
	if (value.n >= cap)
		return false;
	memcpy(out, value.p, value.n);
	out[value.n] = '\0';
	clean(out, cap);
	return true;
}

/* "bytes 1000-1999/2000" */
static uint64_t range_start(const char *value)
{
	return strncasecmp(value, "bytes ", 6) == 0 ? strtoull(value + 6, NULL, 10) : 0;
}

static size_t on_header(char *p, size_t size, size_t n, void *userdata)
{
	struct transfer *t = userdata;
	struct download_result *r = t->result;
	struct span line = span_of(p, size * n);
	char range[64];
	long status = 0;

	/* Of several answers, the last one counts: a proxy and a redirection have headers too. */
	if (span_casestarts(line, SPAN_LIT("HTTP/"))) {
		curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
		r->status = (int)status;
		r->etag[0] = r->modified[0] = '\0';
		t->range_at = 0;
	}
	header_value(line, SPAN_LIT("ETag:"), r->etag, sizeof(r->etag));
	header_value(line, SPAN_LIT("Last-Modified:"), r->modified, sizeof(r->modified));
	if (header_value(line, SPAN_LIT("Content-Range:"), range, sizeof(range)))
		t->range_at = range_start(range);
	/* If-Range takes a strong tag or a date (RFC 9110, section 13.1.5). */
	const char *v = r->etag[0] == '"' ? r->etag : r->modified;
	snprintf(r->validator, sizeof(r->validator), "%s", v);
	return size * n;
}

static void line_add(struct curl_slist **list, const char *name, const char *value)
{
	char line[DOWNLOAD_TAG_CHARS + 32];

	if (!value[0])
		return;
	snprintf(line, sizeof(line), "%s: %s", name, value);
	struct curl_slist *more = curl_slist_append(*list, line);
	if (more)
		*list = more;
}

static struct curl_slist *conditions(const struct transfer *t)
{
	struct curl_slist *list = NULL;

	line_add(&list, "If-None-Match", t->rq->etag);
	line_add(&list, "If-Modified-Since", t->rq->modified);
	if (t->resume_at)
		line_add(&list, "If-Range", t->rq->validator);
	return list;
}

/* OpenSSL wants lines of 64 letters between its two marks. */
static char *pem_of(const char *base64)
{
	size_t n = strlen(base64);
	char *pem = NULL;
	size_t bytes;
	FILE *f = open_memstream(&pem, &bytes);

	if (!f)
		return NULL;
	fputs("-----BEGIN CERTIFICATE-----\n", f);
	for (size_t i = 0; i < n; i += 64)
		fprintf(f, "%.64s\n", base64 + i);
	fputs("-----END CERTIFICATE-----\n", f);
	fclose(f);
	return pem;
}

static void way_set(CURL *c, struct transfer *t)
{
	const struct download_way *w = t->rq->way;

	curl_easy_setopt(c, CURLOPT_USERAGENT, w->user_agent ? w->user_agent : "sekisho");
	/* "": none, whatever the environment says */
	curl_easy_setopt(c, CURLOPT_PROXY, w->proxy_url ? w->proxy_url : "");
	curl_easy_setopt(c, CURLOPT_PROXYUSERNAME, w->proxy_user);
	curl_easy_setopt(c, CURLOPT_PROXYPASSWORD, w->proxy_password);
	curl_easy_setopt(c, CURLOPT_MAX_RECV_SPEED_LARGE, (curl_off_t)w->bytes_s);
	/* A limit of ours is no slowness of the server's. */
	if (w->bytes_s && w->bytes_s < 2ull * t->rq->limits->slow_bytes_s)
		curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, (long)(w->bytes_s / 2));
	t->ca = w->ca_certificate ? pem_of(w->ca_certificate) : NULL;
	if (t->ca) {
		struct curl_blob blob = {
			.data = t->ca, .len = strlen(t->ca), .flags = CURL_BLOB_COPY};
		curl_easy_setopt(c, CURLOPT_CAINFO_BLOB, &blob);
	}
}

static void options_set(CURL *c, struct transfer *t, struct curl_slist *headers)
{
	const struct download_limits *l = t->rq->limits;
	char range[32];

	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(c, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)l->bytes);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)l->connect_s);
	curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)l->total_s);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, (long)l->slow_bytes_s);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)l->slow_s);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
	if (t->rq->head_bytes)
		snprintf(range, sizeof(range), "0-%u", t->rq->head_bytes - 1);
	else
		snprintf(range, sizeof(range), "%llu-", (unsigned long long)t->resume_at);
	if (t->rq->head_bytes || t->resume_at)
		curl_easy_setopt(c, CURLOPT_RANGE, range);
	way_set(c, t);
}

/* "certificate has expired" has two reasons, and one of them is on this side. */
static void say_clock(CURL *c, struct download_result *r)
{
	long verify = 0;
	char day[32];
	time_t now = time(NULL);
	struct tm tm = {0};

	curl_easy_getinfo(c, CURLINFO_SSL_VERIFYRESULT, &verify);
	if (verify != X509_V_ERR_CERT_NOT_YET_VALID && verify != X509_V_ERR_CERT_HAS_EXPIRED)
		return;
	gmtime_r(&now, &tm);
	strftime(day, sizeof(day), "%Y-%m-%d %H:%M", &tm);
	size_t n = strlen(r->why);
	snprintf(r->why + n, sizeof(r->why) - n,
		" (the clock of this box says %s UTC: is it right?)", day);
}

static void say_status(CURL *c, struct download_result *r)
{
	curl_off_t after = 0;

	curl_easy_getinfo(c, CURLINFO_RETRY_AFTER, &after);
	if (after > DOWNLOAD_RETRY_MAX_S)
		after = DOWNLOAD_RETRY_MAX_S;
	if (after <= 0 && (r->status == 403 || r->status == 429))
		after = DOWNLOAD_COOL_S;
	r->retry_after_s = after > 0 ? (unsigned)after : 0;
	snprintf(r->why, sizeof(r->why), "the server answers %d%s", r->status,
		r->status == 403   ? ": we may not have it"
		: r->status == 429 ? ": too many requests"
				   : "");
}

static bool is_success(const struct transfer *t)
{
	const struct download_result *r = t->result;

	return r->status == 200 || (r->status == 206 && (t->resume_at || t->rq->head_bytes));
}

static void transfer_judge(struct transfer *t, CURLcode code, const char *error)
{
	struct download_result *r = t->result;

	if (code == CURLE_WRITE_ERROR && t->enough)
		code = CURLE_OK;
	if (code != CURLE_OK) {
		say(r, error[0] ? error : curl_easy_strerror(code));
		say_clock(t->curl, r);
		r->resumable = is_success(t) && r->bytes > 0 && r->validator[0] &&
			       r->bytes < t->rq->limits->bytes && code != CURLE_FILESIZE_EXCEEDED;
	} else if (r->status == 304) {
		r->outcome = DOWNLOAD_UNCHANGED;
	} else if (!is_success(t)) {
		say_status(t->curl, r);
	} else if (r->bytes == 0) {
		say(r, "the file is empty");
	} else {
		r->outcome = DOWNLOAD_OK;
	}
}

/* One request and its answer; the address of a redirection in *ret_next (libcurl's). */
static CURLcode transfer_once(
	struct transfer *t, const char *url, char error[CURL_ERROR_SIZE], const char **ret_next)
{
	error[0] = '\0';
	t->began = false;
	curl_easy_setopt(t->curl, CURLOPT_URL, url);
	curl_easy_setopt(t->curl, CURLOPT_ERRORBUFFER, error);
	CURLcode code = curl_easy_perform(t->curl);
	*ret_next = NULL;
	if (code == CURLE_OK && t->result->status / 100 == 3 && t->result->status != 304)
		curl_easy_getinfo(t->curl, CURLINFO_REDIRECT_URL, ret_next);
	return code;
}

static void transfer_run(struct transfer *t)
{
	char error[CURL_ERROR_SIZE];
	_cleanup_free_ char *url = strdup(t->rq->url);
	const char *next = NULL, *why;

	curl_easy_setopt(t->curl, CURLOPT_USERNAME, t->rq->way->user);
	curl_easy_setopt(t->curl, CURLOPT_PASSWORD, t->rq->way->password);
	for (unsigned i = 0; url; i++) {
		CURLcode code = transfer_once(t, url, error, &next);
		if (!next) {
			transfer_judge(t, code, error);
			return;
		}
		why = i == DOWNLOAD_REDIRECTS ? "more than 5 redirections"
					      : redirect_refuse(url, next);
		if (why) {
			say(t->result, why);
			return;
		}
		if (!redirect_is_same_host(url, next)) {
			curl_easy_setopt(t->curl, CURLOPT_USERNAME, NULL);
			curl_easy_setopt(t->curl, CURLOPT_PASSWORD, NULL);
		}
		char *copy = strdup(next);
		free(url);
		url = copy;
	}
	say(t->result, strerror(ENOMEM));
}

static int file_open(struct transfer *t)
{
	struct stat st;

	t->fd = open(t->rq->path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (t->fd < 0 || fstat(t->fd, &st) < 0)
		return -errno;
	if (t->rq->validator[0] && (uint64_t)st.st_size < t->rq->limits->bytes)
		t->resume_at = (uint64_t)st.st_size;
	t->result->bytes = t->resume_at;
	return 0;
}

void download_perform(const struct download_request *rq, struct download_result *ret)
{
	struct transfer t = {.rq = rq, .result = ret, .fd = -1};

	*ret = (struct download_result){.outcome = DOWNLOAD_FAILED};
	int r = file_open(&t);
	t.curl = r < 0 ? NULL : curl_easy_init();
	if (t.curl) {
		struct curl_slist *headers = conditions(&t);
		options_set(t.curl, &t, headers);
		transfer_run(&t);
		curl_easy_cleanup(t.curl);
		curl_slist_free_all(headers);
	} else {
		say(ret, r < 0 ? strerror(-r) : "libcurl does not start");
	}
	if (t.fd >= 0)
		close(t.fd);
	free(t.ca);
}
