#include "scan/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <systemd/sd-varlink.h>

#include "lib/cleanup.h"
#include "lib/log.h"
#include "scan/sandbox.h"

#define SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW)

static int refuse(struct worker *w, sd_varlink *link, const char *why)
{
	w->answered = true;
	return sd_varlink_errorbo(
		link, "io.sekisho.Scan.Refused", SD_JSON_BUILD_PAIR_STRING("why", why));
}

static int on_scan(sd_varlink *link, sd_json_variant *parameters, sd_varlink_method_flags_t flags,
	void *userdata)
{
	struct worker *w = userdata;
	struct scan_verdict v;
	_cleanup_close_ int fd = sd_varlink_take_fd(link, 0);

	(void)parameters;
	(void)flags;
	if (fd < 0)
		return refuse(w, link, "no message descriptor came with the call");
	int seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0 || (seals & SEALS) != SEALS)
		return refuse(w, link, "the message is not a sealed memfd");
	alarm(WORKER_SCAN_S);
	engine_scan(w->engine, fd, &v);
	alarm(0);
	w->answered = true;
	atomic_fetch_add(&w->counters->by_result[v.result], 1);
	return sd_varlink_replybo(link,
		SD_JSON_BUILD_PAIR_STRING("result", scan_result_name(v.result)),
		SD_JSON_BUILD_PAIR_STRING("signature", v.signature),
		SD_JSON_BUILD_PAIR_STRING("database", w->database));
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Takes the call that comes first and sends its reply away. */
static void connection_serve(struct worker *w, sd_varlink_server *server, int fd)
{
	sd_varlink *link = NULL;
	uint64_t deadline = now_ms() + WORKER_CALL_MS;

	if (sd_varlink_server_add_connection(server, fd, &link) < 0) {
		close(fd);
		return;
	}
	sd_varlink_ref(link);
	sd_varlink_set_allow_fd_passing_input(link, true);
	w->answered = false;
	while (!w->answered) {
		int r = sd_varlink_process(link);
		uint64_t now = now_ms();
		if (r < 0 || now >= deadline)
			break;
		if (r == 0 && sd_varlink_wait(link, (deadline - now) * 1000) <= 0)
			break;
	}
	sd_varlink_flush_close_unref(link);
}

/* Waits for a connection; SIGTERM, blocked everywhere else, ends the process here. */
static int next_connection(int listen_fd)
{
	struct pollfd p = {.fd = listen_fd, .events = POLLIN};
	sigset_t none;

	sigemptyset(&none);
	for (;;) {
		if (ppoll(&p, 1, NULL, &none) < 0 && errno != EINTR)
			return -errno;
		int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0)
			return fd;
		/* Another worker was faster, or the client is gone already. */
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			return -errno;
	}
}

static bool is_worn(void)
{
	struct rusage u;

	return getrusage(RUSAGE_SELF, &u) == 0 &&
	       u.ru_utime.tv_sec + u.ru_stime.tv_sec >= WORKER_RETIRE_CPU_S;
}

static void signals_set(void)
{
	sigset_t term;

	for (int s = 1; s < SIGRTMIN; s++)
		signal(s, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_SETMASK, &term, NULL);
}

int worker_run(struct worker *w)
{
	_cleanup_(sd_varlink_server_unrefp) sd_varlink_server *server = NULL;
	int r;

	signals_set();
	/* Without its parent a worker would never be replaced by one with fresh signatures. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	r = sd_varlink_server_new(&server, SD_VARLINK_SERVER_INHERIT_USERDATA);
	if (r >= 0)
		r = sd_varlink_server_bind_method(server, "io.sekisho.Scan.Scan", on_scan);
	if (r >= 0)
		r = engine_set_tmp(w->engine, w->tmp);
	if (r >= 0)
		r = sandbox_enter(w->listen_fd, w->tmp);
	if (r < 0) {
		log_error("worker: %s", strerror(-r));
		return EXIT_FAILURE;
	}
	sd_varlink_server_set_userdata(server, w);
	while (!is_worn()) {
		int fd = next_connection(w->listen_fd);
		if (fd < 0)
			return EXIT_FAILURE;
		connection_serve(w, server, fd);
	}
	return EXIT_SUCCESS;
}
