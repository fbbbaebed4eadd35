/* Calls to configd and the daemons, and how their errors read. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "lib/cleanup.h"
#include "lib/path.h"

#define TURN_US 200000 /* how soon Ctrl-C is seen */
#define QUIET_MS 1500  /* then a person is shown that work goes on */

const char *json_str(sd_json_variant *v, const char *key)
{
	sd_json_variant *m =
		v && sd_json_variant_is_object(v) ? sd_json_variant_by_key(v, key) : NULL;

	return m && sd_json_variant_is_string(m) ? sd_json_variant_string(m) : NULL;
}

uint64_t json_u64(sd_json_variant *v, const char *key)
{
	sd_json_variant *m =
		v && sd_json_variant_is_object(v) ? sd_json_variant_by_key(v, key) : NULL;

	return m && sd_json_variant_is_unsigned(m) ? sd_json_variant_unsigned(m) : 0;
}

static int dial(const char *daemon, sd_varlink **ret)
{
	char name[64];

	snprintf(name, sizeof(name), "%s.varlink", daemon);
	return sd_varlink_connect_address(ret, path_run(name));
}

static const char *reason(int r)
{
	switch (r) {
	case -ENOENT:
	case -ECONNREFUSED:
		return "it is not running";
	case -EACCES:
	case -EPERM:
		return "you may not talk to it (group sekisho-auditor)";
	case -ETIME:
	case -ETIMEDOUT:
		return "it does not answer";
	case -EINTR:
		return "interrupted; what it has begun it finishes";
	case -ECONNRESET:
		return "it closed the connection";
	default:
		return strerror(-r);
	}
}

/* Text of a Varlink error and its errno. */
static int refused(sd_json_variant *reply, const char *error, char **ret_error)
{
	static const struct {
		const char *error, *why;
		int r;
	} known[] = {
		{SD_VARLINK_ERROR_TIMEOUT, "it does not answer", -ETIMEDOUT},
		{SD_VARLINK_ERROR_DISCONNECTED, "it closed the connection", -ECONNRESET},
		{SD_VARLINK_ERROR_METHOD_NOT_FOUND, "it does not offer this, or not to your role",
			-ENOTSUP},
		{SD_VARLINK_ERROR_INTERFACE_NOT_FOUND,
			"it does not offer this, or not to your role", -ENOTSUP},
		{SD_VARLINK_ERROR_INVALID_PARAMETER, "it does not take this parameter", -EINVAL},
	};
	const char *why = json_str(reply, "why"), *path = json_str(reply, "path");
	const char *value = json_str(reply, "value"), *accepted = json_str(reply, "accepted");
	uint64_t line = json_u64(reply, "line");
	char at[32] = "";
	int r = -EINVAL;

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (strcmp(error, known[i].error) == 0) {
			why = known[i].why;
			r = known[i].r;
		}
	if (line)
		snprintf(at, sizeof(at), "line %lu: ", (unsigned long)line);
	if (asprintf(ret_error, "%s%s%s%s%s%s%s%s%s", at, path ? path : "", path ? ": " : "",
		    why ? why : error, value ? ": \"" : "", value ? value : "", value ? "\"" : "",
		    accepted ? "\n  accepted: " : "", accepted ? accepted : "") < 0)
		*ret_error = NULL;
	return r;
}

struct answer {
	bool done;
	sd_json_variant *reply;
	char *error; /* name of the Varlink error */
	int fd;      /* that came with it, or -1; belongs to the message until it is taken */
};

static int on_reply(sd_varlink *link, sd_json_variant *parameters, const char *error,
	sd_varlink_reply_flags_t flags, void *userdata)
{
	struct answer *a = userdata;

	(void)flags;
	a->done = true;
	a->reply = sd_json_variant_ref(parameters);
	a->error = error ? strdup(error) : NULL;
	a->fd = sd_varlink_take_fd(link, 0);
	return 0;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* A dot now and then while a person waits; the line ends with the waiting. */
struct progress {
	uint64_t start;
	unsigned dots;
};

static void progress_turn(struct progress *p)
{
	if (!isatty(STDERR_FILENO) || !isatty(STDIN_FILENO))
		return;
	if (now_ms() - p->start < QUIET_MS * (p->dots + 1ULL))
		return;
	fputs(p->dots++ ? "." : "working ...", stderr);
}

static int wait_for(sd_varlink *link, struct answer *a, bool firm)
{
	struct progress p = {now_ms(), 0};
	int r = 0;

	while (!a->done) {
		r = sd_varlink_process(link);
		if (r < 0 && !a->done)
			break;
		if (r > 0 || a->done)
			continue;
		if (!firm && interrupted()) {
			r = -EINTR;
			break;
		}
		r = sd_varlink_wait(link, TURN_US);
		if (r < 0 && r != -EINTR)
			break;
		progress_turn(&p);
	}
	if (p.dots)
		fputc('\n', stderr);
	return a->done ? 0 : r;
}

static int call(sd_varlink *link, const char *method, sd_json_variant *parameters, unsigned wait_ms,
	bool firm, sd_json_variant **ret, int *ret_fd, char **ret_error)
{
	struct answer a = {.fd = -1};

	sd_varlink_set_relative_timeout(link, wait_ms * 1000ULL);
	sd_varlink_set_userdata(link, &a);
	int r = sd_varlink_bind_reply(link, on_reply);
	if (r >= 0)
		r = sd_varlink_invoke(link, method, parameters);
	if (r >= 0)
		r = wait_for(link, &a, firm);
	sd_varlink_set_userdata(link, NULL);
	if (r < 0)
		*ret_error = strdup(reason(r));
	else if (a.error)
		r = refused(a.reply, a.error, ret_error);
	free(a.error);
	if (r < 0)
		sd_json_variant_unref(a.reply);
	else
		*ret = a.reply;
	if (r >= 0 && ret_fd)
		*ret_fd = a.fd;
	else if (a.fd >= 0)
		close(a.fd);
	return r < 0 ? r : 0;
}

static int ask(const char *daemon, const char *method, sd_json_variant *parameters,
	unsigned wait_ms, sd_json_variant **ret, int *ret_fd, char **ret_error)
{
	_cleanup_(sd_varlink_unrefp) sd_varlink *link = NULL;
	int r = dial(daemon, &link);

	if (r >= 0)
		r = sd_varlink_set_allow_fd_passing_input(link, true);
	if (r < 0) {
		*ret_error = strdup(reason(r));
		return r;
	}
	return call(link, method, parameters, wait_ms, false, ret, ret_fd, ret_error);
}

int daemon_call_with(const char *daemon, const char *method, sd_json_variant *parameters,
	unsigned wait_ms, const int *fds, unsigned n, sd_json_variant **ret)
{
	_cleanup_(sd_varlink_unrefp) sd_varlink *link = NULL;
	_cleanup_free_ char *error = NULL;
	int r = dial(daemon, &link);

	if (r >= 0)
		r = sd_varlink_set_allow_fd_passing_output(link, true);
	for (unsigned i = 0; i < n && r >= 0; i++)
		r = sd_varlink_push_dup_fd(link, fds[i]);
	if (r < 0)
		error = strdup(reason(r));
	else
		r = call(link, method, parameters, wait_ms, false, ret, NULL, &error);
	if (r < 0)
		fprintf(stderr, "error: %s: %s\n", daemon, error ? error : "no answer");
	return r;
}

int daemon_ask(const char *daemon, const char *method, sd_json_variant *parameters,
	unsigned wait_ms, sd_json_variant **ret, char **ret_error)
{
	return ask(daemon, method, parameters, wait_ms, ret, NULL, ret_error);
}

int daemon_ask_fd(const char *daemon, const char *method, sd_json_variant *parameters,
	unsigned wait_ms, int *ret_fd, char **ret_error)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *reply = NULL;
	int r = ask(daemon, method, parameters, wait_ms, &reply, ret_fd, ret_error);

	if (r >= 0 && *ret_fd < 0) {
		*ret_error = strdup("no descriptor came with the answer");
		r = -EPROTO;
	}
	return r;
}

int daemon_call(const char *daemon, const char *method, sd_json_variant *parameters,
	unsigned wait_ms, sd_json_variant **ret)
{
	_cleanup_free_ char *error = NULL;
	int r = daemon_ask(daemon, method, parameters, wait_ms, ret, &error);

	if (r < 0)
		fprintf(stderr, "error: %s: %s\n", daemon, error ? error : "no answer");
	return r;
}

static int config_call(struct cli *c, const char *method, sd_json_variant *parameters,
	sd_json_variant **ret, char **ret_error)
{
	char full[64];
	int r = c->config ? 0 : dial("configd", &c->config);

	if (r < 0) {
		*ret_error = strdup(reason(r));
		return r;
	}
	c->reply = sd_json_variant_unref(c->reply);
	snprintf(full, sizeof(full), "io.sekisho.Config.%s", method);
	r = call(c->config, full, parameters, CLI_WAIT_LONG_MS, true, &c->reply, NULL, ret_error);
	if (r < 0 && r != -EINVAL && r != -ENOTSUP)
		cli_config_close(c); /* the candidate is gone with configd */
	if (ret)
		*ret = c->reply;
	return r;
}

int cli_config(
	struct cli *c, const char *method, sd_json_variant *parameters, sd_json_variant **ret)
{
	_cleanup_free_ char *error = NULL;
	int r = config_call(c, method, parameters, ret, &error);

	if (r == -EINVAL)
		fprintf(stderr, "error: %s\n", error ? error : "refused");
	else if (r < 0)
		fprintf(stderr, "error: configd: %s\n", error ? error : "no answer");
	return r;
}

int cli_config_quietly(
	struct cli *c, const char *method, sd_json_variant *parameters, sd_json_variant **ret)
{
	_cleanup_free_ char *error = NULL;

	return config_call(c, method, parameters, ret, &error);
}

void cli_config_close(struct cli *c)
{
	c->reply = sd_json_variant_unref(c->reply);
	c->config = sd_varlink_close_unref(c->config);
}
