#include "update/attempt.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <systemd/sd-varlink.h>

#include "lib/cleanup.h"
#include "lib/path.h"
#include "update/file.h"
#include "update/pull.h"

struct attempt {
	struct attempt_request rq;
	char folder[PATH_MAX];
	bool whole; /* the steps did not fit */
	uint64_t first_cdiff, last_cdiff;
	int import_fds[2];
	pid_t pid;
	int pipe_fd;
	sd_event_source *child;
	sd_varlink *verify;
	struct attempt_result result;
};

static const char *const step_names[STEPS] = {
	[STEP_DOWNLOAD] = "download",
	[STEP_VERIFY] = "verify",
	[STEP_INSTALL] = "install",
	[STEP_ACTIVATE] = "activate",
};

const char *attempt_step_name(enum attempt_step step)
{
	return step_names[step];
}

static void child_end(struct attempt *a)
{
	a->child = sd_event_source_disable_unref(a->child);
	if (a->pid > 0) {
		kill(a->pid, SIGKILL);
		waitpid(a->pid, NULL, 0);
		a->pid = 0;
	}
	if (a->pipe_fd >= 0)
		close(take_fd(&a->pipe_fd));
}

void attempt_free(struct attempt *a)
{
	if (!a)
		return;
	child_end(a);
	for (int i = 0; i < 2; i++)
		if (a->import_fds[i] >= 0)
			close(a->import_fds[i]);
	sd_varlink_close_unref(a->verify);
	free(a);
}

/* A beginning that the next try continues stays; whatever verify has seen does not. */
static void files_drop(struct attempt *a)
{
	char path[PATH_MAX + 16];

	snprintf(path, sizeof(path), "%s/validator", a->folder);
	if (a->folder[0] && access(path, F_OK) < 0)
		folder_remove(a->folder);
}

static void finish(struct attempt *a, enum attempt_step step, const char *why)
{
	a->result.step = step;
	a->result.ok = !why;
	if (why)
		snprintf(a->result.why, sizeof(a->result.why), "%s", why);
	files_drop(a);
	a->rq.done(a->rq.ctx, a->rq.source, &a->result);
}

static const char *text_of(sd_json_variant *parameters, const char *key, const char *otherwise)
{
	sd_json_variant *v = sd_json_variant_by_key(parameters, key);

	return v && sd_json_variant_is_string(v) ? sd_json_variant_string(v) : otherwise;
}

static uint64_t number_of(sd_json_variant *parameters, const char *key)
{
	sd_json_variant *v = sd_json_variant_by_key(parameters, key);

	return v && sd_json_variant_is_unsigned(v) ? sd_json_variant_unsigned(v) : 0;
}

static bool flag_of(sd_json_variant *parameters, const char *key)
{
	sd_json_variant *v = sd_json_variant_by_key(parameters, key);

	return v && sd_json_variant_is_boolean(v) && sd_json_variant_boolean(v);
}

static enum attempt_step step_of(const char *name)
{
	for (int i = 0; i < STEPS; i++)
		if (strcmp(step_names[i], name) == 0)
			return (enum attempt_step)i;
	return STEP_VERIFY;
}

static int pull(struct attempt *a);

static int on_verified(sd_varlink *link, sd_json_variant *parameters, const char *error,
	sd_varlink_reply_flags_t flags, void *userdata)
{
	struct attempt *a = userdata;
	struct attempt_result *r = &a->result;

	(void)link;
	(void)flags;
	if (error && a->last_cdiff && !a->whole && flag_of(parameters, "steps")) {
		a->whole = true;
		a->first_cdiff = a->last_cdiff = 0;
		int e = pull(a);
		if (e < 0)
			finish(a, STEP_DOWNLOAD, strerror(-e));
		return 0;
	}
	if (error) {
		r->unconfirmed = flag_of(parameters, "unconfirmed");
		finish(a, step_of(text_of(parameters, "step", "verify")),
			text_of(parameters, "why", error));
		return 0;
	}
	snprintf(r->version, sizeof(r->version), "%s", text_of(parameters, "version", ""));
	r->count = number_of(parameters, "count");
	r->serial = number_of(parameters, "serial");
	if (number_of(parameters, "released"))
		r->released = number_of(parameters, "released");
	r->peak_kb = number_of(parameters, "peak_kb");
	r->cut_short = flag_of(parameters, "cut_short");
	r->steps = a->last_cdiff ? a->last_cdiff - a->first_cdiff + 1 : 0;
	r->changed = flag_of(parameters, "changed");
	finish(a, r->changed ? STEP_ACTIVATE : STEP_VERIFY, NULL);
	return 0;
}

/* Gives the descriptor away; the file's name goes into the call. */
static int fd_push(struct attempt *a, int fd, const char *name, sd_json_variant **names)
{
	int r = fd < 0 ? -errno : sd_varlink_push_fd(a->verify, fd);

	if (r < 0) {
		if (fd >= 0)
			close(fd);
		return r;
	}
	return sd_json_variant_append_arrayb(names, SD_JSON_BUILD_STRING(name));
}

static int file_push(struct attempt *a, const char *name, sd_json_variant **names)
{
	char path[PATH_MAX + 40];

	snprintf(path, sizeof(path), "%s/%s", a->folder, name);
	return fd_push(a, open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), name, names);
}

static int files_push(struct attempt *a, sd_json_variant **names)
{
	char name[32];
	int r = 0;

	if (a->result.imported) {
		r = fd_push(a, take_fd(&a->import_fds[0]), "main", names);
		return r >= 0 && a->import_fds[1] >= 0
			       ? fd_push(a, take_fd(&a->import_fds[1]), "signature", names)
			       : r;
	}
	for (uint64_t v = a->first_cdiff; a->last_cdiff && v <= a->last_cdiff && r >= 0; v++) {
		snprintf(name, sizeof(name), "cdiff-%llu", (unsigned long long)v);
		r = file_push(a, name, names);
	}
	if (a->last_cdiff)
		return r;
	r = file_push(a, "main", names);
	if (r >= 0 && a->rq.source->checksum != CHECKSUM_NONE)
		r = file_push(a, "checksum", names);
	if (r >= 0 && a->rq.source->public_key)
		r = file_push(a, "signature", names);
	return r;
}

static int verify_call(struct attempt *a)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *names = NULL;

	a->verify = sd_varlink_close_unref(a->verify);
	int r = sd_varlink_connect_address(&a->verify, path_run("verify.varlink"));
	if (r < 0)
		return r;
	sd_varlink_set_userdata(a->verify, a);
	sd_varlink_set_allow_fd_passing_output(a->verify, true);
	sd_varlink_set_relative_timeout(a->verify, ATTEMPT_VERIFY_S * 1000000ull);
	r = sd_varlink_bind_reply(a->verify, on_verified);
	if (r >= 0)
		r = sd_varlink_attach_event(a->verify, a->rq.event, SD_EVENT_PRIORITY_NORMAL);
	if (r >= 0)
		r = files_push(a, &names);
	if (r < 0)
		return r;
	return sd_varlink_invokebo(a->verify, "io.sekisho.UpdateVerify.Verify",
		SD_JSON_BUILD_PAIR_STRING("source", a->rq.source->name),
		SD_JSON_BUILD_PAIR_BOOLEAN("confirmed", a->rq.confirmed),
		SD_JSON_BUILD_PAIR_BOOLEAN("imported", a->result.imported),
		SD_JSON_BUILD_PAIR_VARIANT("files", names));
}

static void verify_or_finish(struct attempt *a)
{
	char why[128];
	int r = verify_call(a);

	if (r >= 0)
		return;
	snprintf(why, sizeof(why), "updated verify does not answer: %s", strerror(-r));
	finish(a, STEP_VERIFY, why);
}

static int on_pulled(sd_event_source *s, const siginfo_t *si, void *userdata)
{
	struct attempt *a = userdata;
	struct attempt_result *r = &a->result;
	struct pull_result p;

	(void)s;
	(void)si;
	a->pid = 0;
	pull_finish(a->pipe_fd, &p);
	child_end(a);
	r->bytes += p.bytes;
	r->retry_after_s = p.download.retry_after_s;
	r->unconfirmed = p.unconfirmed;
	r->released = p.released;
	a->first_cdiff = p.first_cdiff;
	a->last_cdiff = p.last_cdiff;
	memcpy(r->etag, p.download.etag, sizeof(r->etag));
	memcpy(r->modified, p.download.modified, sizeof(r->modified));
	if (p.download.outcome == DOWNLOAD_OK)
		verify_or_finish(a);
	else
		finish(a, STEP_DOWNLOAD,
			p.download.outcome == DOWNLOAD_UNCHANGED ? NULL : p.download.why);
	return 0;
}

static int pull(struct attempt *a)
{
	const struct pull_request rq = {.source = a->rq.source,
		.settings = a->rq.settings,
		.limits = &download_limits,
		.folder = a->folder,
		.whole = a->whole,
		.confirmed = a->rq.confirmed};
	int r = pull_start(&rq, &a->pid, &a->pipe_fd);

	return r < 0 ? r
		     : sd_event_add_child(a->rq.event, &a->child, a->pid, WEXITED, on_pulled, a);
}

static struct attempt *attempt_new(const struct attempt_request *rq)
{
	struct attempt *a = calloc(1, sizeof(*a));

	if (a)
		*a = (struct attempt){.rq = *rq, .pipe_fd = -1, .import_fds = {-1, -1}};
	return a;
}

int attempt_start(const struct attempt_request *rq, struct attempt **ret)
{
	struct attempt *a = attempt_new(rq);
	char name[SOURCE_NAME_CHARS + 16];

	if (!a)
		return -ENOMEM;
	snprintf(name, sizeof(name), "update/%s.part", rq->source->name);
	snprintf(a->folder, sizeof(a->folder), "%s", path_data(name));
	int r = mkdir(a->folder, 0700) < 0 && errno != EEXIST ? -errno : pull(a);
	if (r < 0) {
		attempt_free(a);
		return r;
	}
	*ret = a;
	return 0;
}

int attempt_import(const struct attempt_request *rq, int fd, int signature_fd, struct attempt **ret)
{
	struct attempt *a = attempt_new(rq);

	if (!a) {
		close(fd);
		if (signature_fd >= 0)
			close(signature_fd);
		return -ENOMEM;
	}
	a->import_fds[0] = fd;
	a->import_fds[1] = signature_fd;
	a->result.imported = true;
	int r = verify_call(a);
	if (r < 0) {
		attempt_free(a);
		return r;
	}
	*ret = a;
	return 0;
}
