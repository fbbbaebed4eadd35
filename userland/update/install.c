#include "update/install.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include "lib/cleanup.h"
#include "lib/control.h"
#include "lib/log.h"
#include "lib/path.h"
#include "update/store.h"

struct call {
	const char *type_name;
	const char *source;
	const char *version;
	uint64_t count;
	sd_json_variant *names;
};

static const sd_json_dispatch_field fields[] = {
	{"type", SD_JSON_VARIANT_STRING, sd_json_dispatch_const_string,
		offsetof(struct call, type_name), SD_JSON_MANDATORY},
	{"source", SD_JSON_VARIANT_STRING, sd_json_dispatch_const_string,
		offsetof(struct call, source), SD_JSON_MANDATORY},
	{"version", SD_JSON_VARIANT_STRING, sd_json_dispatch_const_string,
		offsetof(struct call, version), SD_JSON_MANDATORY},
	{"count", _SD_JSON_VARIANT_TYPE_INVALID, sd_json_dispatch_uint64,
		offsetof(struct call, count), SD_JSON_MANDATORY},
	{"names", SD_JSON_VARIANT_ARRAY, sd_json_dispatch_variant_noref,
		offsetof(struct call, names), SD_JSON_MANDATORY},
	{0},
};

static int refuse(sd_varlink *link, const char *step, const char *why)
{
	log_warning("%s: %s", step, why);
	return sd_varlink_errorbo(link, "io.sekisho.UpdateInstall.Refused",
		SD_JSON_BUILD_PAIR_STRING("step", step), SD_JSON_BUILD_PAIR_STRING("why", why));
}

/* What an engine answers to Reload; one that is not there has nothing against it. */
static int engine_reload(void *ctx, char **ret_why)
{
	const struct signature_type *type = ctx;
	_cleanup_(sd_varlink_close_unrefp) sd_varlink *link = NULL;
	sd_json_variant *reply = NULL;
	const char *error = NULL;
	char name[64];

	snprintf(name, sizeof(name), "%s.varlink", type->engine);
	int r = sd_varlink_connect_address(&link, path_run(name));
	if (r == -ENOENT || r == -ECONNREFUSED) {
		log_info("%s is not running: it loads this when it starts", type->engine);
		return 0;
	}
	if (r < 0)
		return r;
	sd_varlink_set_relative_timeout(link, INSTALL_RELOAD_S * 1000000ull);
	r = sd_varlink_call(link, "io.sekisho.Daemon.Reload", NULL, &reply, &error);
	if (r >= 0 && !error)
		return 0;
	/* A connection that breaks is an engine that died of it. */
	sd_json_variant *why = sd_json_variant_by_key(reply, "why");
	const char *reason = r < 0 ? strerror(-r) : why ? sd_json_variant_string(why) : error;
	if (asprintf(ret_why, "%s keeps the old: %s", type->engine, reason) < 0)
		*ret_why = NULL;
	return -EBADMSG;
}

static int deliver(sd_varlink *link, const struct call *c, const struct signature_type *type)
{
	const char *names[DELIVERY_FILES];
	int fds[DELIVERY_FILES];
	size_t n = sd_json_variant_elements(c->names);
	_cleanup_free_ char *why = NULL;
	char folder[32];

	if (n > DELIVERY_FILES)
		return refuse(link, "install", "too many files");
	for (size_t i = 0; i < n; i++) {
		names[i] = sd_json_variant_string(sd_json_variant_by_index(c->names, i));
		fds[i] = sd_varlink_peek_fd(link, i);
	}
	struct delivery d = {.source = c->source,
		.version = c->version,
		.count = c->count,
		.n = (unsigned)n,
		.names = names,
		.fds = fds};
	const char *wrong = delivery_check(type, &d);
	if (wrong)
		return refuse(link, "install", wrong);
	snprintf(folder, sizeof(folder), "sig/%s", type->name);
	int r = store_install(path_data(folder), &d, engine_reload, (void *)type, &why);
	if (r < 0)
		return refuse(link, why ? "activate" : "install", why ? why : strerror(-r));
	log_info("%s: %s %s, %llu %s", c->source, type->name, c->version,
		(unsigned long long)c->count, type->unit);
	return sd_varlink_reply(link, NULL);
}

static int on_install(sd_varlink *link, sd_json_variant *parameters,
	sd_varlink_method_flags_t flags, void *userdata)
{
	struct call c = {0};

	(void)flags;
	(void)userdata;
	int r = sd_varlink_dispatch(link, parameters, fields, &c);
	if (r != 0)
		return r;
	const struct signature_type *type = type_find(c.type_name);
	return type ? deliver(link, &c, type)
		    : sd_varlink_error_invalid_parameter_name(link, "type");
}

int install_role(void)
{
	_cleanup_(sd_event_unrefp) sd_event *event = NULL;
	_cleanup_(sd_varlink_server_unrefp) sd_varlink_server *server = NULL;

	mkdir(path_data("sig"), 0755);
	int r = sd_event_default(&event);
	if (r >= 0)
		r = sd_event_set_signal_exit(event, true);
	if (r >= 0)
		r = control_listen(event, "install", NULL, &server);
	if (r >= 0)
		r = sd_varlink_server_bind_method(
			server, "io.sekisho.UpdateInstall.Install", on_install);
	if (r < 0)
		return r;
	sd_notify(0, "READY=1");
	return sd_event_loop(event);
}
