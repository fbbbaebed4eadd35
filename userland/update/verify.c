#include "update/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "lib/cleanup.h"
#include "lib/control.h"
#include "lib/log.h"
#include "lib/path.h"
#include "update/parcel.h"
#include "update/settings.h"

struct call {
	const char *source;
	sd_json_variant *files;
	bool confirmed;
	bool imported;
};

static const sd_json_dispatch_field fields[] = {
	{"source", SD_JSON_VARIANT_STRING, sd_json_dispatch_const_string,
		offsetof(struct call, source), SD_JSON_MANDATORY},
	{"files", SD_JSON_VARIANT_ARRAY, sd_json_dispatch_variant_noref,
		offsetof(struct call, files), SD_JSON_MANDATORY},
	{"confirmed", SD_JSON_VARIANT_BOOLEAN, sd_json_dispatch_stdbool,
		offsetof(struct call, confirmed), 0},
	{"imported", SD_JSON_VARIANT_BOOLEAN, sd_json_dispatch_stdbool,
		offsetof(struct call, imported), 0},
	{0},
};

static int install_connect(sd_varlink **ret)
{
	int r = sd_varlink_connect_address(ret, path_run("install.varlink"));

	if (r < 0)
		return r;
	sd_varlink_set_allow_fd_passing_output(*ret, true);
	return sd_varlink_set_relative_timeout(*ret, VERIFY_INSTALL_S * 1000000ull);
}

static int files_push(const struct parcel *p, sd_varlink *link, sd_json_variant **ret_names)
{
	char path[PATH_MAX + FILE_NAME_CHARS + 2];

	for (unsigned i = 0; i < p->names.n; i++) {
		snprintf(path, sizeof(path), "%s/%s", p->files, p->names.name[i]);
		_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		int r = fd < 0 ? -errno : sd_varlink_push_fd(link, fd);
		if (r < 0)
			return r;
		take_fd(&fd);
		r = sd_json_variant_append_arrayb(
			ret_names, SD_JSON_BUILD_STRING(p->names.name[i]));
		if (r < 0)
			return r;
	}
	return 0;
}

static const char *text_of(sd_json_variant *v, const char *key, const char *otherwise)
{
	sd_json_variant *t = sd_json_variant_by_key(v, key);

	return t && sd_json_variant_is_string(t) ? sd_json_variant_string(t) : otherwise;
}

static int pass_on(struct parcel *p, const char **ret_step)
{
	_cleanup_(sd_varlink_close_unrefp) sd_varlink *link = NULL;
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *names = NULL;
	sd_json_variant *reply = NULL;
	const char *error = NULL;

	*ret_step = "install";
	int r = install_connect(&link);
	if (r < 0)
		return parcel_refuse(p, r, "the installer does not answer");
	r = files_push(p, link, &names);
	if (r >= 0)
		r = sd_varlink_callbo(link, "io.sekisho.UpdateInstall.Install", &reply, &error,
			SD_JSON_BUILD_PAIR_STRING("type", p->source->type->name),
			SD_JSON_BUILD_PAIR_STRING("source", p->source->name),
			SD_JSON_BUILD_PAIR_STRING("version", p->version),
			SD_JSON_BUILD_PAIR_UNSIGNED("serial", p->serial),
			SD_JSON_BUILD_PAIR_UNSIGNED("count", p->count),
			SD_JSON_BUILD_PAIR_VARIANT("names", names));
	if (r < 0)
		return parcel_refuse(p, r, NULL);
	if (!error)
		return 0;
	if (strcmp(text_of(reply, "step", ""), "activate") == 0)
		*ret_step = "activate";
	return parcel_refuse(p, -EBADMSG, text_of(reply, "why", error));
}

static int reply(sd_varlink *link, const struct parcel *p)
{
	return sd_varlink_replybo(link, SD_JSON_BUILD_PAIR_STRING("version", p->version),
		SD_JSON_BUILD_PAIR_UNSIGNED("count", p->count),
		SD_JSON_BUILD_PAIR_BOOLEAN("changed", p->changed),
		SD_JSON_BUILD_PAIR_UNSIGNED("serial", p->serial),
		SD_JSON_BUILD_PAIR_UNSIGNED("released", p->released),
		SD_JSON_BUILD_PAIR_UNSIGNED("peak_kb", p->peak_kb),
		SD_JSON_BUILD_PAIR_BOOLEAN("cut_short", p->cut_short),
		SD_JSON_BUILD_PAIR_UNSIGNED("disabled", p->disabled),
		SD_JSON_BUILD_PAIR_UNSIGNED("enabled", p->enabled),
		SD_JSON_BUILD_PAIR_UNSIGNED("modified", p->modified));
}

static int refuse(sd_varlink *link, const struct parcel *p, const char *step, int error)
{
	const char *why = p->why ? p->why : strerror(-error);

	log_warning("%s: %s: %s", p->source->name, step, why);
	return sd_varlink_errorbo(link, "io.sekisho.UpdateVerify.Refused",
		SD_JSON_BUILD_PAIR_STRING("step", step), SD_JSON_BUILD_PAIR_STRING("why", why),
		SD_JSON_BUILD_PAIR_BOOLEAN("steps", p->steps && strcmp(step, "verify") == 0),
		SD_JSON_BUILD_PAIR_BOOLEAN("unconfirmed", p->unconfirmed));
}

static int deliver(sd_varlink *link, const struct call *c, const struct source *s)
{
	struct parcel_file parts[PARCEL_FILES];
	size_t n = sd_json_variant_elements(c->files);
	const char *step = "verify";

	if (n == 0 || n > PARCEL_FILES)
		return sd_varlink_error_invalid_parameter_name(link, "files");
	for (size_t i = 0; i < n; i++) {
		sd_json_variant *v = sd_json_variant_by_index(c->files, i);
		if (!sd_json_variant_is_string(v))
			return sd_varlink_error_invalid_parameter_name(link, "files");
		parts[i] = (struct parcel_file){
			.name = sd_json_variant_string(v), .fd = sd_varlink_peek_fd(link, i)};
	}
	_cleanup_free_ struct parcel *p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->source = s;
	p->parts = parts;
	p->parts_n = (unsigned)n;
	p->confirmed = c->confirmed;
	p->imported = c->imported;
	int r = parcel_open(p);
	if (r == 0 && p->changed)
		r = pass_on(p, &step);
	r = r < 0 ? refuse(link, p, step, r) : reply(link, p);
	parcel_fini(p);
	return r;
}

static int on_verify(sd_varlink *link, sd_json_variant *parameters, sd_varlink_method_flags_t flags,
	void *userdata)
{
	struct call c = {0};
	_cleanup_(settings_free) struct settings settings = {0};
	_cleanup_free_ char *why = NULL;

	(void)flags;
	(void)userdata;
	int r = sd_varlink_dispatch(link, parameters, fields, &c);
	if (r != 0)
		return r;
	r = settings_load(&settings, NULL, &why);
	if (r < 0) {
		log_warning("configuration: %s", why ? why : strerror(-r));
		return sd_varlink_error_errno(link, r);
	}
	const struct source *s = source_find(&settings.sources, c.source);
	if (!s)
		return sd_varlink_errorbo(link, "io.sekisho.UpdateVerify.NoSuchSource",
			SD_JSON_BUILD_PAIR_STRING("source", c.source));
	return deliver(link, &c, s);
}

static int on_sweep(sd_varlink *link, sd_json_variant *parameters, sd_varlink_method_flags_t flags,
	void *userdata)
{
	_cleanup_(sd_varlink_close_unrefp) sd_varlink *install = NULL;
	sd_json_variant *answer = NULL;
	const char *error = NULL;

	(void)parameters;
	(void)flags;
	(void)userdata;
	int r = install_connect(&install);
	if (r >= 0)
		r = sd_varlink_call(
			install, "io.sekisho.UpdateInstall.Sweep", NULL, &answer, &error);
	if (r < 0)
		return sd_varlink_error_errno(link, r);
	return error ? sd_varlink_error(link, error, answer) : sd_varlink_reply(link, NULL);
}

int verify_role(void)
{
	_cleanup_(sd_event_unrefp) sd_event *event = NULL;
	_cleanup_(sd_varlink_server_unrefp) sd_varlink_server *server = NULL;
	int r = sd_event_default(&event);

	/* What an earlier run left when it was ended in the middle. */
	folder_remove(path_data("verify"));
	if (r >= 0)
		r = sd_event_set_signal_exit(event, true);
	if (r >= 0)
		r = control_listen(event, "verify", NULL, &server);
	if (r >= 0)
		r = sd_varlink_server_bind_method_many(server, "io.sekisho.UpdateVerify.Verify",
			on_verify, "io.sekisho.UpdateVerify.Sweep", on_sweep);
	if (r < 0)
		return r;
	sd_notify(0, "READY=1");
	return sd_event_loop(event);
}
