/* Calls to configd and the daemons, and how their errors read. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "lib/cleanup.h"
#include "lib/path.h"

const char *json_str(sd_json_variant *v, const char *key)
{
	sd_json_variant *m =
		v && sd_json_variant_is_object(v) ? sd_json_variant_by_key(v, key) : NULL;

	return m && sd_json_variant_is_string(m) ? sd_json_variant_string(m) : NULL;
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
		return "you may not talk to it (group sekisho-admin)";
	case -ETIME:
	case -ETIMEDOUT:
		return "it does not answer";
	default:
		return strerror(-r);
	}
}

static int refused(sd_json_variant *reply, const char *error, char **ret_error)
{
	const char *why = json_str(reply, "why"), *path = json_str(reply, "path");
	const char *value = json_str(reply, "value"), *accepted = json_str(reply, "accepted");

	if (strcmp(error, SD_VARLINK_ERROR_TIMEOUT) == 0 ||
		strcmp(error, SD_VARLINK_ERROR_DISCONNECTED) == 0)
		why = "it does not answer";
	if (asprintf(ret_error, "%s%s%s%s%s%s%s%s", path ? path : "", path ? ": " : "",
		    why ? why : error, value ? ": \"" : "", value ? value : "", value ? "\"" : "",
		    accepted ? "\n  accepted: " : "", accepted ? accepted : "") < 0)
		*ret_error = NULL;
	return -EINVAL;
}

static int call(sd_varlink *link, const char *method, sd_json_variant *parameters, unsigned wait_ms,
	sd_json_variant **ret, char **ret_error)
{
	const char *error = NULL;

	sd_varlink_set_relative_timeout(link, wait_ms * 1000ULL);
	int r = sd_varlink_call(link, method, parameters, ret, &error);
	if (r < 0) {
		*ret_error = strdup(reason(r));
		return r;
	}
	return error ? refused(*ret, error, ret_error) : 0;
}

int daemon_ask(const char *daemon, const char *method, sd_json_variant *parameters,
	unsigned wait_ms, sd_json_variant **ret, char **ret_error)
{
	_cleanup_(sd_varlink_unrefp) sd_varlink *link = NULL;
	sd_json_variant *reply = NULL;
	int r = dial(daemon, &link);

	if (r < 0) {
		*ret_error = strdup(reason(r));
		return r;
	}
	r = call(link, method, parameters, wait_ms, &reply, ret_error);
	if (r >= 0)
		*ret = sd_json_variant_ref(reply);
	return r;
}

static int config_call(struct cli *c, const char *method, sd_json_variant *parameters,
	sd_json_variant **ret, char **ret_error)
{
	char full[64];
	sd_json_variant *reply = NULL;
	int r = c->config ? 0 : dial("configd", &c->config);

	if (r < 0) {
		*ret_error = strdup(reason(r));
		return r;
	}
	snprintf(full, sizeof(full), "io.sekisho.Config.%s", method);
	r = call(c->config, full, parameters, CLI_WAIT_LONG_MS, &reply, ret_error);
	if (r < 0 && r != -EINVAL)
		cli_config_close(c); /* the candidate is gone with configd */
	if (ret)
		*ret = reply;
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
	c->config = sd_varlink_close_unref(c->config);
}
