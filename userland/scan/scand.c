/*
 * scand: the antivirus. This process answers on the control socket and sees to it that a keeper
 *serves (keeper.h); the keeper compiles the database and forks the workers, which alone read mail
 *(worker.h).
 *
 *	scand                    the daemon
 *	scand -T DIR [--sample]  try a database folder: prints "signatures: N", or why not, and says
 *	                         by its exit status whether it loads and, with --sample, finds the
 *EICAR file scand -T DIR MAIL...     scan mails from files with that database: one JSON line each
 *	scand -M MAIL...         show the parts that the MIME reader gives
 *
 * The database is what came with the image, on top what updated installed, and on top what the
 * administrator put into the local folder. Reload reads the settings and loads all of it again
 * (reload.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>

#include "lib/cleanup.h"
#include "lib/config.h"
#include "lib/control.h"
#include "lib/log.h"
#include "lib/path.h"
#include "scan/reload.h"
#include "scan/replay.h"
#include "scan/sandbox.h"

#define CALLERS_MAX 16

struct callers {
	sd_varlink *link[CALLERS_MAX];
	unsigned n;
};

struct scand {
	sd_event *event;
	struct keeper keeper;
	struct keeper_plan plan;
	struct scan_counters *counters;
	struct reload_outcome last; /* mode RELOAD_AUTO: none yet */
	bool ready;
	sd_event_source *report;
	struct reload *reload; /* while one runs */
	enum reload_mode reload_mode;
	struct callers answered, waiting; /* by this one; for the next one */
};

/* systemd's RuntimeDirectory=, or, run by hand, a folder beside the sockets. */
static const char *tmp_folder(void)
{
	const char *dir = getenv("RUNTIME_DIRECTORY");

	if (!dir || !*dir || strchr(dir, ':'))
		dir = path_run("scan");
	return mkdir(dir, 0700) < 0 && errno != EEXIST ? NULL : dir;
}

/* The settings as they are now, and the folder that `current` points to now. */
static int plan_make(const struct scand *d, struct keeper_plan *ret, char **ret_why)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *config = NULL;
	char target[PATH_MAX];

	*ret = d->plan;
	settings_defaults(&ret->settings);
	int r = config_load("scan", &config);
	if (r >= 0)
		r = settings_parse(config, &ret->settings, ret_why);
	else if (r == -ENOENT)
		r = 0; /* not rendered yet: the defaults */
	if (r < 0)
		return r;
	*ret->database = '\0';
	if (realpath(path_data("sig/clamav/current"), target))
		snprintf(ret->database, sizeof(ret->database), "%s", target);
	return 0;
}

static int reload_build(const struct scand *d, sd_json_variant **ret)
{
	const struct reload_outcome *o = &d->last;

	if (o->mode == RELOAD_AUTO)
		return sd_json_buildo(
			ret, SD_JSON_BUILD_PAIR_BOOLEAN("running", d->reload != NULL));
	return sd_json_buildo(ret, SD_JSON_BUILD_PAIR_BOOLEAN("running", d->reload != NULL),
		SD_JSON_BUILD_PAIR_STRING("mode", reload_mode_name(o->mode)),
		SD_JSON_BUILD_PAIR_BOOLEAN("good", o->good),
		SD_JSON_BUILD_PAIR_UNSIGNED("took_ms", o->took_ms),
		SD_JSON_BUILD_PAIR_UNSIGNED("gap_ms", o->gap_ms),
		SD_JSON_BUILD_PAIR_UNSIGNED("deferred", o->deferred));
}

static int on_status(void *ctx, sd_json_variant **ret)
{
	const struct scand *d = ctx;
	const struct scan_counters *c = d->counters;
	const struct keeper_report *k = &d->keeper.report;
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *reload = NULL;
	int r = reload_build(d, &reload);

	if (r < 0)
		return r;
	return sd_json_buildo(ret, SD_JSON_BUILD_PAIR_STRING("database", k->database),
		SD_JSON_BUILD_PAIR_UNSIGNED("signatures", k->signatures),
		SD_JSON_BUILD_PAIR_UNSIGNED("local_files", k->local_files),
		SD_JSON_BUILD_PAIR_UNSIGNED("local_refused", k->local_refused),
		SD_JSON_BUILD_PAIR_UNSIGNED("engine_bytes", k->bytes),
		SD_JSON_BUILD_PAIR_UNSIGNED("engine_peak_bytes", k->peak_bytes),
		SD_JSON_BUILD_PAIR_UNSIGNED("load_ms", k->load_ms),
		SD_JSON_BUILD_PAIR_UNSIGNED("workers", c->workers),
		SD_JSON_BUILD_PAIR_UNSIGNED("workers_wanted", k->workers),
		SD_JSON_BUILD_PAIR_UNSIGNED("clean", c->by_result[SCAN_CLEAN]),
		SD_JSON_BUILD_PAIR_UNSIGNED("infected", c->by_result[SCAN_INFECTED]),
		SD_JSON_BUILD_PAIR_UNSIGNED("limit", c->by_result[SCAN_LIMIT]),
		SD_JSON_BUILD_PAIR_UNSIGNED("ambiguous", c->by_result[SCAN_AMBIGUOUS]),
		SD_JSON_BUILD_PAIR_UNSIGNED("error", c->by_result[SCAN_ERROR]),
		SD_JSON_BUILD_PAIR_UNSIGNED("bytes", c->bytes),
		SD_JSON_BUILD_PAIR_UNSIGNED("parts", c->parts),
		SD_JSON_BUILD_PAIR_UNSIGNED("cached", c->cached),
		SD_JSON_BUILD_PAIR_UNSIGNED("passed_on", c->passed_on),
		SD_JSON_BUILD_PAIR_UNSIGNED("busy", c->busy),
		SD_JSON_BUILD_PAIR_UNSIGNED("refused", c->refused),
		SD_JSON_BUILD_PAIR_UNSIGNED("crashes", c->crashes),
		SD_JSON_BUILD_PAIR_VARIANT("reload", reload),
		SD_JSON_BUILD_PAIR_BOOLEAN("landlock", sandbox_has_landlock()));
}

static int on_check(void *ctx, sd_json_variant *config, char **ret_why)
{
	struct settings s;

	(void)ctx;
	return settings_parse(config, &s, ret_why);
}

static int keeper_begin(struct scand *d);
static void reload_next(struct scand *d);

static void callers_answer(struct callers *c, int r, const char *why)
{
	for (unsigned i = 0; i < c->n; i++) {
		control_reloaded(c->link[i], r, why);
		sd_varlink_unref(c->link[i]);
	}
	c->n = 0;
}

static void on_reloaded(void *ctx, const struct reload_outcome *o, int r, const char *why)
{
	struct scand *d = ctx;
	const struct keeper_report *k = &d->keeper.report;

	d->reload = NULL;
	d->last = *o;
	if (r < 0) {
		log_error("the new signatures are not used: %s", why ? why : strerror(-r));
	} else {
		d->plan = d->keeper.plan;
		log_info("database %s, %u signatures, loaded in %llu ms (%s, gap %llu ms, %llu "
			 "mails deferred)",
			k->database, k->signatures, (unsigned long long)k->load_ms,
			reload_mode_name(o->mode), (unsigned long long)o->gap_ms,
			(unsigned long long)o->deferred);
	}
	callers_answer(&d->answered, r, why);
	if (d->keeper.pid == 0 && keeper_begin(d) < 0)
		sd_event_exit(d->event, -ENODATA); /* systemd starts it again */
	reload_next(d);
}

/* For all who have asked until now: what they have changed is read from here on. */
static void reload_next(struct scand *d)
{
	_cleanup_free_ char *why = NULL;
	struct keeper_plan plan;

	if (d->reload || d->waiting.n == 0)
		return;
	d->answered = d->waiting;
	d->waiting.n = 0;
	int r = d->ready ? plan_make(d, &plan, &why) : -EBUSY;
	if (r >= 0) {
		d->reload_mode = reload_choose(plan.settings.reload, d->keeper.report.peak_bytes);
		r = reload_start(
			d->event, &d->keeper, &plan, d->reload_mode, on_reloaded, d, &d->reload);
	}
	if (r < 0)
		callers_answer(&d->answered, r, why);
}

static void on_reload(void *ctx, sd_varlink *link)
{
	struct scand *d = ctx;

	if (d->waiting.n == CALLERS_MAX) {
		control_reloaded(link, -EBUSY, "too many wait for the next reload");
		return;
	}
	d->waiting.link[d->waiting.n++] = sd_varlink_ref(link);
	reload_next(d);
}

static int on_report(sd_event_source *s, int fd, uint32_t events, void *userdata)
{
	struct scand *d = userdata;
	const struct keeper_report *k = &d->keeper.report;

	(void)s;
	(void)fd;
	(void)events;
	d->report = sd_event_source_disable_unref(d->report);
	keeper_read(&d->keeper);
	if (!k->good) {
		log_error("no database: %s", k->why);
		return sd_event_exit(d->event, -ENODATA);
	}
	log_info("database %s, %u signatures, %u workers", k->database, k->signatures, k->workers);
	if (k->local_refused)
		log_warning("%u files of local signatures are left out", k->local_refused);
	d->ready = true;
	sd_notify(0, "READY=1");
	return 0;
}

static int keeper_begin(struct scand *d)
{
	if (d->keeper.pid > 0)
		close(d->keeper.report_fd);
	int r = keeper_start(&d->keeper, &d->plan);

	d->ready = false;
	if (r < 0)
		return r;
	return sd_event_add_io(d->event, &d->report, d->keeper.report_fd, EPOLLIN, on_report, d);
}

/* While a reload runs: serially, it sees to it itself; otherwise what comes of it decides. */
static void keeper_gone(struct scand *d)
{
	if (d->reload_mode == RELOAD_SERIAL)
		return;
	close(d->keeper.report_fd);
	d->keeper.report_fd = -1;
	d->keeper.pid = 0;
}

/* An old keeper that has drained, or the present one, which must not end by itself. */
static int on_child(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata)
{
	struct scand *d = userdata;
	pid_t pid;

	(void)s;
	(void)si;
	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
		if (pid != d->keeper.pid || !d->ready)
			continue; /* without a report its descriptor tells */
		if (d->reload) {
			keeper_gone(d);
			continue;
		}
		log_error("the process with the engine ended: a new one loads the database");
		int r = keeper_begin(d);
		if (r < 0)
			return sd_event_exit(d->event, r);
	}
	return 0;
}

static int listen_by_hand(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const char *path = path_run("scan.varlink");
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (strlen(path) >= sizeof(address.sun_path)) {
		close(fd);
		return -ENAMETOOLONG;
	}
	strcpy(address.sun_path, path);
	unlink(path);
	mode_t old = umask(0177);
	int r = bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
				listen(fd, SOMAXCONN) < 0
			? -errno
			: fd;
	umask(old);
	if (r < 0)
		close(fd);
	return r;
}

/* Non-blocking: several workers wake for one connection, and all but one find nothing. */
static int listen_socket(void)
{
	int fd;

	if (control_sockets("scan", &fd, 1) != 1)
		fd = listen_by_hand();
	if (fd >= 0 && fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)
		return -errno;
	return fd;
}

static int scand_start(struct scand *d, sd_varlink_server **ret_control)
{
	static const struct control_ops ops = {.daemon = "scand",
		.status = on_status,
		.check = on_check,
		.reload_begin = on_reload};
	_cleanup_free_ char *why = NULL;

	d->counters = mmap(NULL, sizeof(*d->counters), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (d->counters == MAP_FAILED)
		return -errno;
	d->plan.counters = d->counters;
	d->plan.tmp = tmp_folder();
	if (!d->plan.tmp)
		return -errno;
	d->plan.listen_fd = listen_socket();
	if (d->plan.listen_fd < 0)
		return d->plan.listen_fd;
	int r = plan_make(d, &d->plan, &why);
	if (r < 0) {
		log_error("%s", why ? why : "the settings cannot be read");
		return r;
	}
	r = sd_event_add_signal(d->event, NULL, SIGCHLD | SD_EVENT_SIGNAL_PROCMASK, on_child, d);
	if (r >= 0)
		r = keeper_begin(d);
	return r < 0 ? r : control_new(d->event, &ops, d, ret_control);
}

static int serve(void)
{
	_cleanup_(sd_event_unrefp) sd_event *event = NULL;
	_cleanup_(sd_varlink_server_unrefp) sd_varlink_server *control = NULL;
	static struct scand d;

	if (!sandbox_has_landlock())
		log_warning("this kernel has no Landlock: workers are bounded by the unit and "
			    "seccomp alone");
	int r = sd_event_default(&event);
	if (r >= 0)
		r = sd_event_set_signal_exit(event, true);
	d.event = event;
	if (r >= 0)
		r = scand_start(&d, &control);
	if (r < 0) {
		log_error("start: %s", strerror(-r));
		return r;
	}
	sd_event_set_watchdog(event, true);
	r = sd_event_loop(event);
	sd_event_source_disable_unref(d.report);
	reload_cancel(d.reload);
	callers_answer(&d.answered, -ECANCELED, "scand ends");
	callers_answer(&d.waiting, -ECANCELED, "scand ends");
	/* What is being scanned gets its verdict. */
	keeper_stop(&d.keeper);
	keeper_wait(&d.keeper);
	return r;
}

static int try_folder(const char *dir, bool sample, char *const *mails)
{
	char tmp[PATH_MAX];
	const char *base = getenv("TMPDIR");
	_cleanup_free_ char *why = NULL;
	struct engine_limits limits;
	struct engine *e = NULL;

	if (engine_init() < 0) {
		log_error("libclamav does not start");
		return EXIT_FAILURE;
	}
	snprintf(tmp, sizeof(tmp), "%s/scand-XXXXXX", base && *base ? base : "/tmp");
	if (!mkdtemp(tmp)) {
		fprintf(stderr, "scand: %s: %s\n", tmp, strerror(errno));
		return EXIT_FAILURE;
	}
	engine_limits_defaults(&limits);
	int r = engine_load(&dir, 1, 1, tmp, &limits, &e, &why);
	if (r < 0)
		printf("%s\n", why ? why : strerror(-r));
	else if (sample && !engine_finds_sample(e))
		r = printf("%s: the EICAR test file is not found\n", dir) > 0 ? -ENOENT : -EIO;
	else if (*mails)
		r = replay_scan(e, dir, mails) ? -EIO : 0;
	else
		printf("signatures: %u\n", engine_signatures(e));
	engine_free(e);
	rmdir(tmp);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int usage(void)
{
	fprintf(stderr, "usage: scand [-T DIR [--sample | MAIL...] | -M MAIL...]\n");
	return 2;
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {{"sample", no_argument, NULL, 's'}, {0}};
	const char *dir = NULL;
	bool sample = false, mime = false;
	int c;

	while ((c = getopt_long(argc, argv, "T:M", options, NULL)) != -1) {
		if (c == 'T')
			dir = optarg;
		else if (c == 's')
			sample = true;
		else if (c == 'M')
			mime = true;
		else
			return usage();
	}
	bool mails = optind < argc;
	if ((mime && (dir || !mails)) || (sample && (!dir || mails)) || (!mime && !dir && mails))
		return usage();
	if (mime)
		return replay_mime(argv + optind);
	prctl(PR_SET_DUMPABLE, 0);
	if (dir)
		return try_folder(dir, sample, argv + optind);
	return serve() < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
