/*
 * scand: the antivirus. This process compiles the database, answers on the control socket and keeps
 * the workers going; it never reads a byte of a message. The workers do (worker.h).
 *
 *	scand                  the daemon
 *	scand -T DIR [--sample]  try a database folder: prints "signatures: N", or why not, and says
 *by its exit status whether it loads and, with --sample, finds the EICAR file
 *
 * The database is what came with the image and, on top, what updated installed. Reload builds a
 * second engine beside the first, lets it find the EICAR file, and only then changes over: both are
 *in memory for that while.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "lib/cleanup.h"
#include "lib/control.h"
#include "lib/log.h"
#include "lib/path.h"
#include "scan/pool.h"
#include "scan/sandbox.h"

/* systemd's RuntimeDirectory=, or, run by hand, a folder beside the sockets. */
static const char *tmp_folder(void)
{
	const char *dir = getenv("RUNTIME_DIRECTORY");

	if (!dir || !*dir || strchr(dir, ':'))
		dir = path_run("scan");
	return mkdir(dir, 0700) < 0 && errno != EEXIST ? NULL : dir;
}

static void watchdog_feed(void)
{
	static time_t last;
	time_t now = time(NULL);

	if (now != last)
		sd_notify(0, "WATCHDOG=1");
	last = now;
}

/* The folder that `current` points to gives the database its name. */
static char *database_name(const char *current)
{
	char target[PATH_MAX];
	ssize_t n = readlink(current, target, sizeof(target) - 1);

	if (n <= 0)
		return strdup("image");
	target[n] = '\0';
	const char *slash = strrchr(target, '/');
	return strdup(slash ? slash + 1 : target);
}

static int database_load(const char *tmp, struct engine **ret, char **ret_name, char **ret_why)
{
	const char *dirs[2];
	unsigned n = 0;
	const char *current = path_data("sig/clamav/current");

	if (access(path_share("clamav"), R_OK) == 0)
		dirs[n++] = path_share("clamav");
	if (access(current, R_OK) == 0)
		dirs[n++] = current;
	struct engine *e = NULL;
	int r = engine_load(dirs, n, tmp, watchdog_feed, &e, ret_why);
	if (r < 0)
		return r;
	if (!engine_finds_sample(e)) {
		engine_free(e);
		*ret_why = strdup("the database does not find the EICAR test file");
		return -EBADMSG;
	}
	*ret = e;
	*ret_name = database_name(current);
	return 0;
}

static int on_status(void *ctx, sd_json_variant **ret)
{
	const struct pool *p = ctx;
	const struct scan_counters *c = p->worker.counters;

	return sd_json_buildo(ret, SD_JSON_BUILD_PAIR_STRING("database", p->database),
		SD_JSON_BUILD_PAIR_UNSIGNED("signatures", engine_signatures(p->worker.engine)),
		SD_JSON_BUILD_PAIR_UNSIGNED("workers", pool_workers(p)),
		SD_JSON_BUILD_PAIR_UNSIGNED("workers_wanted", p->wanted),
		SD_JSON_BUILD_PAIR_UNSIGNED("clean", c->by_result[SCAN_CLEAN]),
		SD_JSON_BUILD_PAIR_UNSIGNED("infected", c->by_result[SCAN_INFECTED]),
		SD_JSON_BUILD_PAIR_UNSIGNED("limit", c->by_result[SCAN_LIMIT]),
		SD_JSON_BUILD_PAIR_UNSIGNED("error", c->by_result[SCAN_ERROR]),
		SD_JSON_BUILD_PAIR_UNSIGNED("crashes", p->crashes),
		SD_JSON_BUILD_PAIR_BOOLEAN("landlock", sandbox_has_landlock()));
}

static int on_reload(void *ctx, char **ret_why)
{
	struct pool *p = ctx;
	struct engine *engine;
	char *name;
	int r = database_load(p->tmp, &engine, &name, ret_why);

	if (r < 0) {
		log_error("the new database is not used: %s", *ret_why ? *ret_why : strerror(-r));
		return r;
	}
	pool_change(p, engine, name);
	log_info("database %s, %u signatures", p->database, engine_signatures(engine));
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
	int r = bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 128) < 0
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

static int serve(void)
{
	static const struct control_ops ops = {
		.daemon = "scand", .status = on_status, .reload = on_reload};
	_cleanup_(sd_event_unrefp) sd_event *event = NULL;
	_cleanup_(sd_varlink_server_unrefp) sd_varlink_server *control = NULL;
	_cleanup_free_ char *why = NULL;
	static struct pool pool;
	sigset_t child;
	struct engine *engine;
	char *name;

	const char *tmp = tmp_folder();
	int r = tmp ? database_load(tmp, &engine, &name, &why) : -errno;
	if (r < 0) {
		log_error("no database: %s", why ? why : strerror(-r));
		return r;
	}
	if (!sandbox_has_landlock())
		log_warning("this kernel has no Landlock: workers are bounded by the unit and "
			    "seccomp alone");
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	r = sd_event_default(&event);
	if (r >= 0)
		r = sd_event_set_signal_exit(event, true);
	int listen_fd = listen_socket();
	if (r >= 0)
		r = listen_fd;
	if (r >= 0)
		r = pool_start(&pool, event, listen_fd, tmp, engine, name);
	if (r >= 0)
		r = control_new(event, &ops, &pool, &control);
	if (r < 0) {
		log_error("start: %s", strerror(-r));
		return r;
	}
	sd_event_set_watchdog(event, true);
	log_info("database %s, %u signatures, %u workers", name, engine_signatures(engine),
		pool_workers(&pool));
	sd_notify(0, "READY=1");
	r = sd_event_loop(event);
	pool_stop(&pool);
	pool_fini(&pool);
	return r;
}

static int try_folder(const char *dir, bool sample)
{
	char tmp[PATH_MAX];
	const char *base = getenv("TMPDIR");
	_cleanup_free_ char *why = NULL;
	struct engine *e = NULL;

	snprintf(tmp, sizeof(tmp), "%s/scand-XXXXXX", base && *base ? base : "/tmp");
	if (!mkdtemp(tmp)) {
		fprintf(stderr, "scand: %s: %s\n", tmp, strerror(errno));
		return EXIT_FAILURE;
	}
	int r = engine_load(&dir, 1, tmp, NULL, &e, &why);
	if (r < 0)
		printf("%s\n", why ? why : strerror(-r));
	else if (sample && !engine_finds_sample(e))
		r = printf("%s: the EICAR test file is not found\n", dir) > 0 ? -ENOENT : -EIO;
	else
		printf("signatures: %u\n", engine_signatures(e));
	engine_free(e);
	rmdir(tmp);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int usage(void)
{
	fprintf(stderr, "usage: scand [-T DIR [--sample]]\n");
	return 2;
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {{"sample", no_argument, NULL, 's'}, {0}};
	const char *dir = NULL;
	bool sample = false;
	int c;

	while ((c = getopt_long(argc, argv, "T:", options, NULL)) != -1) {
		if (c == 'T')
			dir = optarg;
		else if (c == 's')
			sample = true;
		else
			return usage();
	}
	if (optind < argc || (sample && !dir))
		return usage();
	prctl(PR_SET_DUMPABLE, 0);
	if (engine_init() < 0) {
		log_error("libclamav does not start");
		return EXIT_FAILURE;
	}
	if (dir)
		return try_folder(dir, sample);
	return serve() < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
