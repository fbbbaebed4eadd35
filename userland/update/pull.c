#include "update/pull.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "lib/cleanup.h"
#include "update/cvd.h"
#include "update/dns_version.h"
#include "update/file.h"

struct pull {
	const struct pull_request *rq;
	struct pull_result *result;
	struct download_way way;
};

static void path_of(const struct pull *p, const char *name, char out[PATH_MAX])
{
	snprintf(out, PATH_MAX, "%s/%s", p->rq->folder, name);
}

static void part_remove(const struct pull *p, const char *name)
{
	char path[PATH_MAX];

	path_of(p, name, path);
	unlink(path);
}

/* A small file beside the main one. */
static void small_get(
	struct pull *p, const char *url, const char *name, struct download_result *ret)
{
	char path[PATH_MAX];
	struct download_limits limits = *p->rq->limits;

	path_of(p, name, path);
	if (limits.bytes > PULL_SMALL_BYTES)
		limits.bytes = PULL_SMALL_BYTES;
	const struct download_request rq = {.url = url,
		.path = path,
		.etag = "",
		.modified = "",
		.validator = "",
		.limits = &limits,
		.way = &p->way};
	download_perform(&rq, ret);
	p->result->bytes += ret->received;
}

/* Check sum or signature: a try without the one that the settings ask for has failed. */
static bool voucher_get(struct pull *p, const char *suffix, const char *name)
{
	_cleanup_free_ char *url = source_url(p->rq->source, suffix);
	struct download_result r = {0};
	char why[192];

	if (!url)
		return false;
	small_get(p, url, name, &r);
	if (r.outcome == DOWNLOAD_OK)
		return true;
	snprintf(why, sizeof(why), "%s: %.150s", name, r.why);
	download_fail(&p->result->download, why);
	p->result->download.retry_after_s = r.retry_after_s;
	p->result->download.resumable = false;
	return false;
}

static bool vouchers_get(struct pull *p)
{
	const struct source *s = p->rq->source;

	if (s->checksum != CHECKSUM_NONE &&
		!voucher_get(p, checksum_suffix(s->checksum), "checksum"))
		return false;
	return !s->public_key || voucher_get(p, ".minisig", "signature");
}

static void validator_load(const struct pull *p, char out[DOWNLOAD_TAG_CHARS + 1])
{
	char path[PATH_MAX];
	size_t n = 0;

	path_of(p, "validator", path);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || file_slurp(fd, out, DOWNLOAD_TAG_CHARS + 1, &n) < 0)
		n = 0;
	out[n] = '\0';
}

/* Kept for the next try, or nothing is kept: a full disk gets its room back. */
static void validator_save(const struct pull *p, const struct download_result *r)
{
	char path[PATH_MAX];

	path_of(p, "validator", path);
	if (!r->resumable || file_replace(path, r->validator) < 0) {
		unlink(path);
		part_remove(p, "main");
	}
}

static bool is_older(const char *modified, const char *than)
{
	time_t a = modified[0] ? curl_getdate(modified, NULL) : -1;
	time_t b = than[0] ? curl_getdate(than, NULL) : -1;

	return a >= 0 && b >= 0 && a + PULL_OLDER_S < b;
}

static bool age_refuse(struct pull *p, const struct download_result *r)
{
	const struct source *s = p->rq->source;
	char why[200];

	if (p->rq->confirmed || r->outcome != DOWNLOAD_OK || !s->version[0] ||
		!is_older(r->modified, s->modified))
		return false;
	snprintf(why, sizeof(why),
		"the server's file is of %.60s, older than what is installed (%.60s)", r->modified,
		s->modified);
	download_fail(&p->result->download, why);
	p->result->unconfirmed = true;
	return true;
}

static void main_get(struct pull *p)
{
	const struct source *s = p->rq->source;
	struct download_result *r = &p->result->download;
	char path[PATH_MAX], validator[DOWNLOAD_TAG_CHARS + 1];
	_cleanup_free_ char *url = source_url(s, "");

	path_of(p, "main", path);
	validator_load(p, validator);
	part_remove(p, "validator");
	bool conditional = !p->rq->confirmed && !p->rq->whole;
	const struct download_request rq = {.url = url ? url : "",
		.path = path,
		.etag = conditional ? s->etag : "",
		.modified = conditional ? s->modified : "",
		.validator = validator,
		.limits = p->rq->limits,
		.way = &p->way};
	download_perform(&rq, r);
	p->result->bytes += r->received;
	if (r->outcome == DOWNLOAD_FAILED)
		validator_save(p, r);
	if (r->outcome == DOWNLOAD_OK && !age_refuse(p, r))
		vouchers_get(p);
}

/* The version at the server, from the first bytes of its .cvd. */
static bool head_get(struct pull *p, struct cvd_header *ret)
{
	const struct source *s = p->rq->source;
	struct download_result *r = &p->result->download;
	char path[PATH_MAX];
	_cleanup_free_ char *url = source_url(s, "");

	path_of(p, "head", path);
	const struct download_request rq = {.url = url ? url : "",
		.path = path,
		.etag = s->etag,
		.modified = s->modified,
		.validator = "",
		.head_bytes = CVD_HEADER_BYTES,
		.limits = p->rq->limits,
		.way = &p->way};
	download_perform(&rq, r);
	p->result->bytes += r->received;
	if (r->outcome != DOWNLOAD_OK)
		return false;
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0 && cvd_header_load(fd, ret) == 0)
		return true;
	download_fail(r, "what the server has is not a ClamAV database");
	return false;
}

/* The address of a step: the database's own, with daily.cvd become daily-<version>.cdiff. */
static char *cdiff_url(const char *url, uint64_t version)
{
	size_t path = strcspn(url, "?#"), stem = path;
	char *out = NULL;

	while (stem > 0 && url[stem - 1] != '.' && url[stem - 1] != '/')
		stem--;
	if (stem == 0 || url[stem - 1] != '.')
		return NULL;
	return asprintf(&out, "%.*s-%llu.cdiff%s", (int)(stem - 1), url,
		       (unsigned long long)version, url + path) < 0
		       ? NULL
		       : out;
}

enum steps {
	STEPS_OK,
	STEPS_MISSING, /* the whole file is the way */
	STEPS_FAILED,
};

static enum steps cdiffs_get(struct pull *p, uint64_t last)
{
	_cleanup_free_ char *url = source_url(p->rq->source, "");
	char name[32];

	for (uint64_t v = p->rq->source->serial + 1; v <= last; v++) {
		_cleanup_free_ char *step = url ? cdiff_url(url, v) : NULL;
		struct download_result r = {0};
		if (!step)
			return STEPS_MISSING;
		snprintf(name, sizeof(name), "cdiff-%llu", (unsigned long long)v);
		small_get(p, step, name, &r);
		if (r.outcome == DOWNLOAD_OK)
			continue;
		if (r.status == 404 || r.status == 410)
			return STEPS_MISSING;
		snprintf(p->result->download.why, sizeof(p->result->download.why), "%s: %.200s",
			name, r.why);
		p->result->download.outcome = DOWNLOAD_FAILED;
		p->result->download.retry_after_s = r.retry_after_s;
		return STEPS_FAILED;
	}
	return STEPS_OK;
}

static bool dns_says_same(const struct pull *p)
{
	const struct source *s = p->rq->source;
	char stem[FILE_NAME_CHARS + 1];
	uint64_t version;

	if (!s->version_name)
		return false;
	source_file_name(s, stem, sizeof(stem));
	*strrchr(stem, '.') = '\0'; /* cvd_name_ok() has seen it */
	return dns_version_get(s->version_name, stem, (uint64_t)time(NULL), &version) &&
	       version == s->serial;
}

/* True when the whole file is to be fetched after all. */
static bool steps_get(struct pull *p)
{
	uint64_t have = p->rq->source->serial;
	struct pull_result *r = p->result;
	struct cvd_header head;
	char why[128];

	if (dns_says_same(p)) {
		r->download.outcome = DOWNLOAD_UNCHANGED;
		return false;
	}
	if (!head_get(p, &head))
		return false;
	if (head.version == have) {
		r->download.outcome = DOWNLOAD_UNCHANGED;
		return false;
	}
	if (head.version < have) {
		snprintf(why, sizeof(why),
			"the server has version %llu, older than %llu, which is installed",
			(unsigned long long)head.version, (unsigned long long)have);
		download_fail(&r->download, why);
		r->unconfirmed = true;
		return false;
	}
	if (head.version - have > PULL_CDIFFS_MAX)
		return true;
	enum steps got = cdiffs_get(p, head.version);
	if (got == STEPS_OK) {
		r->first_cdiff = have + 1;
		r->last_cdiff = head.version;
	}
	return got == STEPS_MISSING;
}

static bool has_steps(const struct pull_request *rq)
{
	char name[FILE_NAME_CHARS + 1];

	source_file_name(rq->source, name, sizeof(name));
	return !rq->whole && !rq->confirmed && rq->source->serial > 0 && !rq->source->public_key &&
	       rq->source->checksum == CHECKSUM_NONE && cvd_name_ok(name) &&
	       strcmp(rq->source->type->name, "clamav") == 0;
}

void pull_perform(const struct pull_request *rq, struct pull_result *ret)
{
	const struct source *s = rq->source;
	struct pull p = {.rq = rq,
		.result = ret,
		.way = {.user_agent = rq->settings->user_agent,
			.proxy_url = rq->settings->proxy_url,
			.proxy_user = rq->settings->proxy_user,
			.proxy_password = rq->settings->proxy_password,
			.user = s->user,
			.password = s->user ? s->password : NULL,
			.ca_certificate = s->ca_certificate,
			.bytes_s = (uint64_t)rq->settings->bandwidth_kbit * 125}};

	*ret = (struct pull_result){.download.outcome = DOWNLOAD_FAILED};
	if (!has_steps(rq) || steps_get(&p)) {
		/* The tags were asked for with the head: what is wanted now is the file. */
		struct pull_request whole = *rq;
		whole.whole = rq->whole || has_steps(rq);
		p.rq = &whole;
		main_get(&p);
	}
	download_clean(&ret->download);
	time_t t = ret->download.modified[0] ? curl_getdate(ret->download.modified, NULL) : -1;
	ret->released = t > 0 ? (uint64_t)t : 0;
}

static void child(const struct pull_request *rq, int pipe_fd)
{
	const struct rlimit size = {rq->limits->bytes + 65536, rq->limits->bytes + 65536};
	struct pull_result r;
	sigset_t none;

	for (int s = 1; s < SIGRTMIN; s++)
		signal(s, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(pipe_fd, 3);
	close_range(4, ~0u, 0);
	setrlimit(RLIMIT_FSIZE, &size);
	/* Whatever libcurl waits for, a name server included, and however many steps there are. */
	alarm(2 * (rq->limits->total_s + rq->limits->connect_s));
	pull_perform(rq, &r);
	_exit(write(3, &r, sizeof(r)) == sizeof(r) ? EXIT_SUCCESS : EXIT_FAILURE);
}

int pull_start(const struct pull_request *rq, pid_t *ret_pid, int *ret_fd)
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

void pull_finish(int fd, struct pull_result *ret)
{
	if (read(fd, ret, sizeof(*ret)) != sizeof(*ret) ||
		ret->download.outcome > DOWNLOAD_UNCHANGED ||
		ret->last_cdiff - ret->first_cdiff > PULL_CDIFFS_MAX) {
		*ret = (struct pull_result){0};
		download_fail(&ret->download, "the download was ended");
	}
	download_clean(&ret->download);
}
