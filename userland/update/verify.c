#include "update/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include "lib/cleanup.h"
#include "lib/control.h"
#include "lib/log.h"
#include "lib/path.h"
#include "update/file.h"
#include "update/manifest.h"
#include "update/trial.h"
#include "update/unpack.h"

struct call {
	const char *source;
	const char *type_name;
	const char *file_name;
};

static const sd_json_dispatch_field fields[] = {
	{"source", SD_JSON_VARIANT_STRING, sd_json_dispatch_const_string,
		offsetof(struct call, source), SD_JSON_MANDATORY},
	{"type", SD_JSON_VARIANT_STRING, sd_json_dispatch_const_string,
		offsetof(struct call, type_name), SD_JSON_MANDATORY},
	{"file_name", SD_JSON_VARIANT_STRING, sd_json_dispatch_const_string,
		offsetof(struct call, file_name), SD_JSON_MANDATORY},
	{0},
};

/* One download on its way through. */
struct parcel {
	const struct signature_type *type;
	const char *source;
	const char *file_name;
	char folder[PATH_MAX]; /* private: the copy, files/, the engine's output */
	char files[PATH_MAX];
	char version[HASH_CHARS + 1];
	uint64_t count;
	bool changed;
	struct delivery_names names;
	const char *step;
	char *why; /* heap, when refused */
};

static void parcel_free(struct parcel **p)
{
	if (!*p)
		return;
	if ((*p)->folder[0])
		folder_remove((*p)->folder);
	free((*p)->why);
	free(*p);
}

static int refuse(struct parcel *p, int error, const char *why)
{
	if (!p->why)
		p->why = strdup(why ? why : strerror(-error));
	return error;
}

/* systemd's RuntimeDirectory=, or, run by hand, a folder beside the sockets. */
static int folder_make(struct parcel *p)
{
	const char *base = getenv("RUNTIME_DIRECTORY");

	if (!base || !*base || strchr(base, ':'))
		base = path_run("verify");
	if (mkdir(base, 0700) < 0 && errno != EEXIST)
		return -errno;
	snprintf(p->folder, sizeof(p->folder), "%s/parcel-XXXXXX", base);
	if (!mkdtemp(p->folder)) {
		p->folder[0] = '\0';
		return -errno;
	}
	if (snprintf(p->files, sizeof(p->files), "%s/files", p->folder) >= (int)sizeof(p->files))
		return -ENAMETOOLONG;
	return mkdir(p->files, 0700) < 0 ? -errno : 0;
}

static int copy_take(struct parcel *p, int from, int *ret)
{
	char path[PATH_MAX + 16];
	struct stat st;

	if (from < 0 || fstat(from, &st) < 0 || !S_ISREG(st.st_mode))
		return refuse(p, -EBADF, "no file came with the call");
	snprintf(path, sizeof(path), "%s/download", p->folder);
	_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : file_copy(from, fd, DELIVERY_BYTES);
	if (r == 0)
		r = file_hash(fd, p->version);
	if (r < 0)
		return refuse(p, r, r == -EFBIG ? "larger than 512 MiB" : NULL);
	*ret = take_fd(&fd);
	return 0;
}

/* The files that the engine will see, in p->files. */
static int files_make(struct parcel *p, int copy_fd)
{
	const char *why = NULL;
	_cleanup_close_ int dir_fd = open(p->files, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir_fd < 0)
		return refuse(p, -errno, NULL);
	if (p->type->archive) {
		int r = unpack(copy_fd, p->type, dir_fd, &p->names, &why);
		return r < 0 ? refuse(p, r, why) : 0;
	}
	if (!type_accepts(p->type, p->file_name))
		return refuse(p, -EINVAL, "the file's name is not that of such a file");
	_cleanup_close_ int fd =
		openat(dir_fd, p->file_name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : file_copy(copy_fd, fd, DELIVERY_BYTES);
	if (r < 0)
		return refuse(p, r, NULL);
	strcpy(p->names.name[p->names.n++], p->file_name);
	return 0;
}

static int engine_try(struct parcel *p, uint64_t before)
{
	char out[PATH_MAX + 16];

	snprintf(out, sizeof(out), "%s/output", p->folder);
	setenv("TMPDIR", p->folder, 1);
	int r = trial_run(p->type, p->files, out, &p->count, &p->why);
	if (r < 0)
		return refuse(p, r, NULL);
	if (p->count >= before / 2)
		return 0;
	if (asprintf(&p->why, "only %llu %s, where %llu are installed",
		    (unsigned long long)p->count, p->type->unit, (unsigned long long)before) < 0)
		p->why = NULL;
	return -ENODATA;
}

static int files_push(struct parcel *p, sd_varlink *link, sd_json_variant **ret_names)
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

static int pass_on(struct parcel *p)
{
	_cleanup_(sd_varlink_close_unrefp) sd_varlink *link = NULL;
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *names = NULL;
	sd_json_variant *reply = NULL;
	const char *error = NULL;

	p->step = "install";
	int r = sd_varlink_connect_address(&link, path_run("install.varlink"));
	if (r < 0)
		return refuse(p, r, "the installer does not answer");
	sd_varlink_set_allow_fd_passing_output(link, true);
	sd_varlink_set_relative_timeout(link, VERIFY_INSTALL_S * 1000000ull);
	r = files_push(p, link, &names);
	if (r >= 0)
		r = sd_varlink_callbo(link, "io.sekisho.UpdateInstall.Install", &reply, &error,
			SD_JSON_BUILD_PAIR_STRING("type", p->type->name),
			SD_JSON_BUILD_PAIR_STRING("source", p->source),
			SD_JSON_BUILD_PAIR_STRING("version", p->version),
			SD_JSON_BUILD_PAIR_UNSIGNED("count", p->count),
			SD_JSON_BUILD_PAIR_VARIANT("names", names));
	if (r < 0)
		return refuse(p, r, NULL);
	if (!error)
		return 0;
	sd_json_variant *why = sd_json_variant_by_key(reply, "why"),
			*step = sd_json_variant_by_key(reply, "step");
	if (step && sd_json_variant_is_string(step) &&
		strcmp(sd_json_variant_string(step), "activate") == 0)
		p->step = "activate";
	return refuse(p, -EBADMSG, why ? sd_json_variant_string(why) : error);
}

static int parcel_run(struct parcel *p, int from)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *installed = NULL;
	_cleanup_close_ int copy_fd = -1;
	char sig[32];

	p->step = "verify";
	int r = folder_make(p);
	if (r < 0)
		return refuse(p, r, NULL);
	r = copy_take(p, from, &copy_fd);
	if (r < 0)
		return r;
	snprintf(sig, sizeof(sig), "sig/%s", p->type->name);
	r = manifest_load(path_data(sig), &installed);
	if (r < 0)
		return refuse(p, r, "what is installed cannot be read");
	p->count = manifest_count(installed, p->source);
	if (strcmp(manifest_version(installed, p->source), p->version) == 0)
		return 0;
	p->changed = true;
	r = files_make(p, copy_fd);
	if (r == 0)
		r = engine_try(p, p->count);
	return r < 0 ? r : pass_on(p);
}

static int on_verify(sd_varlink *link, sd_json_variant *parameters, sd_varlink_method_flags_t flags,
	void *userdata)
{
	struct call c = {0};
	_cleanup_(parcel_free) struct parcel *p = calloc(1, sizeof(*p));
	_cleanup_close_ int from = sd_varlink_take_fd(link, 0);

	(void)flags;
	(void)userdata;
	if (!p)
		return -ENOMEM;
	int r = sd_varlink_dispatch(link, parameters, fields, &c);
	if (r != 0)
		return r;
	p->type = type_find(c.type_name);
	if (!p->type)
		return sd_varlink_error_invalid_parameter_name(link, "type");
	if (!source_name_ok(c.source))
		return sd_varlink_error_invalid_parameter_name(link, "source");
	p->source = c.source;
	p->file_name = c.file_name;
	r = parcel_run(p, from);
	if (r < 0) {
		log_warning("%s: %s: %s", p->source, p->step, p->why ? p->why : strerror(-r));
		return sd_varlink_errorbo(link, "io.sekisho.UpdateVerify.Refused",
			SD_JSON_BUILD_PAIR_STRING("step", p->step),
			SD_JSON_BUILD_PAIR_STRING("why", p->why ? p->why : strerror(-r)));
	}
	return sd_varlink_replybo(link, SD_JSON_BUILD_PAIR_STRING("version", p->version),
		SD_JSON_BUILD_PAIR_UNSIGNED("count", p->count),
		SD_JSON_BUILD_PAIR_BOOLEAN("changed", p->changed));
}

int verify_role(void)
{
	_cleanup_(sd_event_unrefp) sd_event *event = NULL;
	_cleanup_(sd_varlink_server_unrefp) sd_varlink_server *server = NULL;
	int r = sd_event_default(&event);

	if (r >= 0)
		r = sd_event_set_signal_exit(event, true);
	if (r >= 0)
		r = control_listen(event, "verify", NULL, &server);
	if (r >= 0)
		r = sd_varlink_server_bind_method(
			server, "io.sekisho.UpdateVerify.Verify", on_verify);
	if (r < 0)
		return r;
	sd_notify(0, "READY=1");
	return sd_event_loop(event);
}
