#include "update/attempt.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <systemd/sd-varlink.h>

#include "lib/cleanup.h"
#include "lib/path.h"

struct attempt {
	sd_event *event;
	struct source *source;
	attempt_done done;
	void *ctx;
	char *part; /* the download's file */
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

void attempt_free(struct attempt *a)
{
	if (!a)
		return;
	sd_event_source_disable_unref(a->child);
	if (a->pid > 0) {
		kill(a->pid, SIGKILL);
		waitpid(a->pid, NULL, 0);
	}
	if (a->pipe_fd >= 0)
		close(a->pipe_fd);
	sd_varlink_close_unref(a->verify);
	if (a->part)
		unlink(a->part);
	free(a->part);
	free(a);
}

static void finish(struct attempt *a, enum attempt_step step, const char *why)
{
	a->result.step = step;
	a->result.ok = !why;
	if (why)
		snprintf(a->result.why, sizeof(a->result.why), "%s", why);
	a->done(a->ctx, a->source, &a->result);
}

static const char *text_of(sd_json_variant *parameters, const char *key, const char *otherwise)
{
	sd_json_variant *v = sd_json_variant_by_key(parameters, key);

	return v && sd_json_variant_is_string(v) ? sd_json_variant_string(v) : otherwise;
}

static enum attempt_step step_of(const char *name)
{
	for (int i = 0; i < STEPS; i++)
		if (strcmp(step_names[i], name) == 0)
			return (enum attempt_step)i;
	return STEP_VERIFY;
}

static int on_verified(sd_varlink *link, sd_json_variant *parameters, const char *error,
	sd_varlink_reply_flags_t flags, void *userdata)
{
	struct attempt *a = userdata;
	sd_json_variant *count = sd_json_variant_by_key(parameters, "count");

	(void)link;
	(void)flags;
	if (error) {
		finish(a, step_of(text_of(parameters, "step", "verify")),
			text_of(parameters, "why", error));
		return 0;
	}
	snprintf(a->result.version, sizeof(a->result.version), "%s",
		text_of(parameters, "version", ""));
	a->result.count =
		count && sd_json_variant_is_unsigned(count) ? sd_json_variant_unsigned(count) : 0;
	a->result.changed = sd_json_variant_boolean(sd_json_variant_by_key(parameters, "changed"));
	finish(a, a->result.changed ? STEP_ACTIVATE : STEP_VERIFY, NULL);
	return 0;
}

static int verify_call(struct attempt *a)
{
	char file_name[FILE_NAME_CHARS + 1];
	_cleanup_close_ int fd = open(a->part, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int r = fd < 0 ? -errno
		       : sd_varlink_connect_address(&a->verify, path_run("verify.varlink"));

	if (r < 0)
		return r;
	source_file_name(a->source, file_name, sizeof(file_name));
	sd_varlink_set_userdata(a->verify, a);
	sd_varlink_set_allow_fd_passing_output(a->verify, true);
	sd_varlink_set_relative_timeout(a->verify, ATTEMPT_VERIFY_S * 1000000ull);
	r = sd_varlink_bind_reply(a->verify, on_verified);
	if (r >= 0)
		r = sd_varlink_attach_event(a->verify, a->event, SD_EVENT_PRIORITY_NORMAL);
	if (r >= 0)
		r = sd_varlink_push_fd(a->verify, fd);
	if (r < 0)
		return r;
	take_fd(&fd);
	return sd_varlink_invokebo(a->verify, "io.sekisho.UpdateVerify.Verify",
		SD_JSON_BUILD_PAIR_STRING("source", a->source->name),
		SD_JSON_BUILD_PAIR_STRING("type", a->source->type->name),
		SD_JSON_BUILD_PAIR_STRING("file_name", file_name));
}

static int on_downloaded(sd_event_source *s, const siginfo_t *si, void *userdata)
{
	struct attempt *a = userdata;
	struct download_result d;

	(void)s;
	(void)si;
	a->pid = 0;
	download_finish(a->pipe_fd, &d);
	a->result.bytes = d.bytes;
	memcpy(a->result.etag, d.etag, sizeof(d.etag));
	memcpy(a->result.modified, d.modified, sizeof(d.modified));
	if (d.outcome == DOWNLOAD_OK) {
		int r = verify_call(a);
		if (r < 0) {
			char why[128];
			snprintf(why, sizeof(why), "updated verify does not answer: %s",
				strerror(-r));
			finish(a, STEP_VERIFY, why);
		}
	} else {
		finish(a, STEP_DOWNLOAD, d.outcome == DOWNLOAD_UNCHANGED ? NULL : d.why);
	}
	return 0;
}

int attempt_start(
	sd_event *event, struct source *s, attempt_done done, void *ctx, struct attempt **ret)
{
	struct attempt *a = calloc(1, sizeof(*a));
	char name[SOURCE_NAME_CHARS + 16];

	if (!a)
		return -ENOMEM;
	*a = (struct attempt){.event = event, .source = s, .done = done, .ctx = ctx, .pipe_fd = -1};
	snprintf(name, sizeof(name), "update/%s.part", s->name);
	a->part = strdup(path_data(name));
	const struct download_request rq = {.url = s->url,
		.path = a->part,
		.etag = s->etag,
		.modified = s->modified,
		.limits = &download_limits};
	int r = a->part ? download_start(&rq, &a->pid, &a->pipe_fd) : -ENOMEM;
	if (r == 0)
		r = sd_event_add_child(event, &a->child, a->pid, WEXITED, on_downloaded, a);
	if (r < 0) {
		attempt_free(a);
		return r;
	}
	*ret = a;
	return 0;
}
