/*
 * twin: configd in a child process, with twins in place of the appliers that need the kernel or
 * systemd.
 *
 * The twins write what they were given to the file `applied` in the run folder, so that a test sees
 * what the box would do, and refuse when the shared page says so. All folders are below one
 * temporary folder, which is left for whoever wants to know why a test failed.
 */
#pragma once

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <systemd/sd-varlink.h>
#include <unistd.h>

#include "config/applier.h"
#include "config/commit.h"
#include "config/file.h"
#include "config/service.h"
#include "lib/cleanup.h"
#include "lib/control.h"
#include "lib/path.h"
#include "unit.h"

struct twin {
	bool refuse_prepare, refuse_apply, refuse_probe;
	unsigned applied; /* calls of apply */
};

static struct twin *twin; /* shared with the child */
static struct schema schema;
static pid_t server;

static int refuse(bool yes, const char *what, char **ret_why)
{
	if (yes)
		*ret_why = strdup(what);
	return yes ? -EINVAL : 0;
}

static int twin_prepare(const struct snapshot *old, const struct snapshot *new, char **ret_why)
{
	(void)old;
	(void)new;
	return refuse(twin->refuse_prepare, "the test refuses to prepare", ret_why);
}

static int twin_apply(const struct snapshot *old, const struct snapshot *new, char **ret_why)
{
	_cleanup_free_ char *text = tree_diff(NULL, new->tree, false);

	(void)old;
	twin->applied++;
	int r = file_replace(path_run("applied"), text, 0600, false);
	return r < 0 ? r : refuse(twin->refuse_apply, "the test refuses to apply", ret_why);
}

static int twin_probe(const struct snapshot *old, const struct snapshot *new, char **ret_why)
{
	(void)old;
	(void)new;
	return refuse(twin->refuse_probe, "the test finds it dead", ret_why);
}

static const char *const twin_containers[] = {"interfaces", "inspection", "mail", "zones", "nat",
	"dhcp", "routing", "system", "update", "logging", "scan", NULL};

const struct applier applier_nftables = {
	.name = "nftables",
	.containers = twin_containers,
	.prepare = twin_prepare,
	.apply = twin_apply,
	.probe = twin_probe,
};

const struct applier applier_network = {
	.name = "network",
	.containers = twin_containers,
	.apply = twin_apply,
};

const struct applier applier_lists = {
	.name = "address lists",
	.containers = twin_containers,
	.apply = twin_apply,
};

static inline void server_main(void)
{
	static struct service s;
	sd_varlink_server *varlink = NULL;
	static const struct control_ops ops = {.daemon = "configd"};

	if (sd_event_default(&s.event) < 0 ||
		schema_load("userland/config/sekisho.yang", &s.schema) < 0)
		_exit(2);
	sd_event_set_signal_exit(s.event, true);
	audit_open(&s.audit);
	if (store_load(&s.schema, &s.now) < 0)
		_exit(3);
	commit_start(s.now.running);
	service_resume(&s);
	if (control_new(s.event, &ops, &s, &varlink) < 0 || service_bind(&s, varlink) < 0)
		_exit(4);
	sd_event_loop(s.event);
	sd_varlink_server_unref(varlink);
	service_fini(&s);
	_exit(0);
}

static inline void server_stop(int sig)
{
	int status;

	if (server > 0) {
		kill(server, sig);
		waitpid(server, &status, 0);
		if (sig == SIGTERM)
			assert_int_equal(status, 0);
	}
	server = 0;
}

static inline sd_varlink *server_connect(void)
{
	sd_varlink *link = NULL;

	for (int i = 0; i < 2000; i++) {
		int status;
		if (sd_varlink_connect_address(&link, path_run("configd.varlink")) >= 0)
			return link;
		if (waitpid(server, &status, WNOHANG) > 0)
			fail_msg("configd has ended: status 0x%x", (unsigned)status);
		usleep(5000); /* it is not listening yet: there is no event to wait for */
	}
	fail_msg("configd does not listen");
	return NULL;
}

static inline void server_start(void)
{
	server = fork();
	assert_true(server >= 0);
	if (server == 0)
		server_main();
	sd_varlink_unref(server_connect());
}

/* Not every test calls all of them: hence inline. The reply is borrowed from the link; *ret_error
 * is the error's last word or NULL. Without ret_error there must be none. */
static inline sd_json_variant *call_with(
	sd_varlink *link, const char *method, sd_json_variant *parameters, const char **ret_error)
{
	sd_json_variant *reply = NULL;
	char name[64];
	const char *error = NULL;

	snprintf(name, sizeof(name), "io.sekisho.Config.%s", method);
	assert_true(sd_varlink_call(link, name, parameters, &reply, &error) >= 0);
	if (!ret_error && error)
		fail_msg("%s: %s: %s", method, error,
			config_str(reply, "why") ? config_str(reply, "why") : "");
	if (ret_error)
		*ret_error = error ? strrchr(error, '.') + 1 : NULL;
	return reply;
}

static inline sd_json_variant *call(
	sd_varlink *link, const char *method, const char *parameters, const char **ret_error)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *v = NULL;

	if (parameters)
		assert_int_equal(sd_json_parse(parameters, 0, &v, NULL, NULL), 0);
	return call_with(link, method, v, ret_error);
}

/* A whole file, or "". */
static inline char *read_whole(const char *path)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	char *text = calloc(1, 1 << 20);

	if (f && fread(text, 1, (1 << 20) - 1, f) == 0)
		*text = 0;
	return text;
}

static inline void write_whole(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static inline int twin_prepare_folders(void **state)
{
	static char folder[256];
	const char *where = getenv("TWIN_FOLDER");
	static char name[3][300];
	static const char *const variables[] = {"SEKISHO_RUN", "SEKISHO_DATA", "SEKISHO_SHARE"};

	(void)state;
	/* In memory, unless asked for: hundreds of commits, each of which is synced. */
	snprintf(folder, sizeof(folder), "%s/sekisho-config-XXXXXX", where ? where : "/dev/shm");
	if (!mkdtemp(folder))
		return -1;
	for (int i = 0; i < 3; i++) {
		snprintf(name[i], sizeof(name[i]), "%s/%d", folder, i);
		mkdir(name[i], 0700);
		setenv(variables[i], name[i], 1);
	}
	mkdir(path_data("config"), 0700);
	write_whole(path_share("factory.json"), "{\"sekisho:interfaces\":{\"port\":["
						"{\"name\":\"eth0\",\"side\":\"lan\"},"
						"{\"name\":\"eth1\",\"side\":\"wan\"}]}}");
	twin = mmap(NULL, sizeof(*twin), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return twin == MAP_FAILED ? -1 : schema_load("userland/config/sekisho.yang", &schema);
}

static inline int twin_finish(void **state)
{
	(void)state;
	schema_fini(&schema);
	return 0;
}
