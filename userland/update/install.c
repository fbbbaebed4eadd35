#include "update/install.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/control.h"
#include "lib/log.h"
#include "lib/path.h"
#include "update/engine.h"
#include "update/settings.h"
#include "update/store.h"

struct call {
	const char *type_name;
	const char *source;
	const char *version;
	uint64_t serial;
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
	{"serial", _SD_JSON_VARIANT_TYPE_INVALID, sd_json_dispatch_uint64,
		offsetof(struct call, serial), 0},
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

/* What the settings say, as long as one change of a store lasts. */
struct keeper {
	const struct signature_type *type;
	struct settings settings;
	bool found;
};

static int keeper_init(struct keeper *k, const struct signature_type *type)
{
	_cleanup_free_ char *why = NULL;

	*k = (struct keeper){.type = type};
	int r = settings_load(&k->settings, &k->found, &why);
	if (r < 0)
		log_warning("configuration: %s", why ? why : strerror(-r));
	return r;
}

static bool keeper_wants(void *ctx, const char *source)
{
	const struct keeper *k = ctx;
	const struct source *s = source_find(&k->settings.sources, source);

	return !k->found || (s && s->type == k->type);
}

static int keeper_reload(void *ctx, const char *id, char **ret_why)
{
	const struct keeper *k = ctx;

	return engine_reload(k->type->engine, id, ret_why);
}

static void engine_settle(const struct signature_type *type)
{
	_cleanup_free_ char *why = NULL;

	if (engine_reload(type->engine, "", &why) < 0)
		log_warning("going back: %s", why ? why : "the engine does not answer");
}

static struct store_ops ops_of(struct keeper *k)
{
	return (struct store_ops){.reload = keeper_reload, .wants = keeper_wants, .ctx = k};
}

static int store_deliver(
	sd_varlink *link, const struct delivery *d, const struct signature_type *type)
{
	_cleanup_free_ char *why = NULL;
	struct keeper k;
	char folder[32];

	int r = keeper_init(&k, type);
	const struct store_ops ops = ops_of(&k);
	snprintf(folder, sizeof(folder), "sig/%s", type->name);
	if (r == 0)
		r = store_install(path_data(folder), d, &ops, &why);
	/* Back to what was current: an engine that has the new loaded all the same lets go of it.
	 */
	if (r == -ESTALE)
		engine_settle(type);
	settings_free(&k.settings);
	if (r < 0)
		return refuse(link, why ? "activate" : "install",
			why            ? why
			: r == -ENOSPC ? "no room left to install it"
				       : strerror(-r));
	log_info("%s: %s %s, %llu %s", d->source, type->name, d->version,
		(unsigned long long)d->count, type->unit);
	return sd_varlink_reply(link, NULL);
}

static int deliver(sd_varlink *link, const struct call *c, const struct signature_type *type)
{
	const char *names[DELIVERY_FILES];
	int fds[DELIVERY_FILES];
	size_t n = sd_json_variant_elements(c->names);

	if (n > DELIVERY_FILES)
		return refuse(link, "install", "too many files");
	for (size_t i = 0; i < n; i++) {
		names[i] = sd_json_variant_string(sd_json_variant_by_index(c->names, i));
		fds[i] = sd_varlink_peek_fd(link, i);
	}
	struct delivery d = {.source = c->source,
		.version = c->version,
		.serial = c->serial,
		.count = c->count,
		.n = (unsigned)n,
		.names = names,
		.fds = fds};
	const char *wrong = delivery_check(type, &d);
	if (wrong)
		return refuse(link, "install", wrong);
	return store_deliver(link, &d, type);
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

static int on_sweep(sd_varlink *link, sd_json_variant *parameters, sd_varlink_method_flags_t flags,
	void *userdata)
{
	const struct signature_type *type;

	(void)parameters;
	(void)flags;
	(void)userdata;
	for (unsigned i = 0; (type = type_at(i)); i++) {
		_cleanup_free_ char *why = NULL;
		struct keeper k;
		char folder[32];
		snprintf(folder, sizeof(folder), "sig/%s", type->name);
		if (access(path_data(folder), F_OK) < 0 || keeper_init(&k, type) < 0)
			continue;
		const struct store_ops ops = ops_of(&k);
		int r = store_sweep(path_data(folder), &ops, &why);
		settings_free(&k.settings);
		if (r > 0)
			log_info("%s: what sources that are gone had left is out", type->name);
		if (r < 0)
			return refuse(link, why ? "activate" : "install", why ? why : strerror(-r));
	}
	return sd_varlink_reply(link, NULL);
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
		r = sd_varlink_server_bind_method_many(server, "io.sekisho.UpdateInstall.Install",
			on_install, "io.sekisho.UpdateInstall.Sweep", on_sweep);
	if (r < 0)
		return r;
	sd_notify(0, "READY=1");
	return sd_event_loop(event);
}
