/*
 * boxd: acts on the machine itself for an administrator: off and on, the clock, packets to look at,
 * the self-test; and takes down who asked for what.
 *
 *	interface io.sekisho.Box
 *	method Record(command: string, from: ?string) -> ()		operator
 *	method ClearFlows() -> ()					operator
 *	method Reboot() -> (), Shutdown() -> (), FactoryReset() -> ()
 *	method SetClock(time: int) -> ()
 *	method Capture(interface: string) -> ()				with a packet socket
 *	method TestInspect() -> (passed: bool, steps: []object)
 *	error Failed (why: string)
 *
 * The command line has no privilege of its own and the image no set-user-id program: what needs one
 * is here, a method each, behind the role of the caller (lib/role.h). boxd reads nothing that comes
 * from the network: it opens the packet socket of a capture and hands it over unread.
 *
 * Every call but Status is a `cli` event: user from the kernel, source and command as the command
 * line gives them.
 *
 * Limits: a command is recorded up to RECORD_BYTES. One call at a time; the self-test takes
 *seconds.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/rtc.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "box/conntrack.h"
#include "box/selftest.h"
#include "lib/cleanup.h"
#include "lib/control.h"
#include "lib/eve.h"
#include "lib/log.h"
#include "lib/path.h"

#define INTERFACE "io.sekisho.Box."
#define RECORD_BYTES 1024
#define SIGNAL_POWEROFF 4 /* of SIGRTMIN, to PID 1: systemd(1), SIGNALS */
#define SIGNAL_REBOOT 5

struct box {
	struct eve *eve; /* NULL: the log folder is not writable */
	uint64_t recorded;
};

struct request {
	const char *command, *from, *interface;
	int64_t time;
};

static int request_read(sd_varlink *link, sd_json_variant *parameters, struct request *q)
{
	static const sd_json_dispatch_field fields[] = {
		{"command", SD_JSON_VARIANT_STRING, sd_json_dispatch_const_string,
			offsetof(struct request, command), 0},
		{"from", SD_JSON_VARIANT_STRING, sd_json_dispatch_const_string,
			offsetof(struct request, from), 0},
		{"interface", SD_JSON_VARIANT_STRING, sd_json_dispatch_const_string,
			offsetof(struct request, interface), 0},
		{"time", _SD_JSON_VARIANT_TYPE_INVALID, sd_json_dispatch_int64,
			offsetof(struct request, time), 0},
		{},
	};

	return sd_varlink_dispatch(link, parameters, fields, q);
}

static int reply(sd_varlink *link, int r, const char *what)
{
	char why[256];

	if (r >= 0)
		return sd_varlink_reply(link, NULL);
	snprintf(why, sizeof(why), "%s: %s", what, strerror(-r));
	return sd_varlink_errorbo(link, INTERFACE "Failed", SD_JSON_BUILD_PAIR_STRING("why", why));
}

static void record(struct box *b, sd_varlink *link, const char *command, const char *from)
{
	uid_t uid = (uid_t)-1;
	char user[64];
	struct jsonw w;

	sd_varlink_get_peer_uid(link, &uid);
	const struct passwd *account = getpwuid(uid);
	if (account)
		snprintf(user, sizeof(user), "%s", account->pw_name);
	else
		snprintf(user, sizeof(user), "uid %u", uid);
	b->recorded++;
	log_info("%s: %.200s", user, command);
	if (!b->eve)
		return;
	eve_begin(b->eve, &w, "cli", NULL);
	jsonw_object(&w, "cli");
	jsonw_str(&w, "user", user);
	if (from)
		jsonw_span(&w, "source", span_take(span_str(from), 128));
	jsonw_span(&w, "command", span_take(span_str(command), RECORD_BYTES));
	jsonw_end(&w);
	eve_end(b->eve, &w);
	eve_flush(b->eve);
}

static int on_record(sd_varlink *link, sd_json_variant *parameters, sd_varlink_method_flags_t flags,
	void *userdata)
{
	struct request q = {0};
	int r = request_read(link, parameters, &q);

	(void)flags;
	if (r != 0)
		return r;
	if (!q.command)
		return sd_varlink_error_invalid_parameter_name(link, "command");
	record(userdata, link, q.command, q.from);
	return sd_varlink_reply(link, NULL);
}

static int on_clear_flows(sd_varlink *link, sd_json_variant *parameters,
	sd_varlink_method_flags_t flags, void *userdata)
{
	(void)parameters;
	(void)flags;
	record(userdata, link, "ClearFlows", NULL);
	return reply(link, conntrack_flush(), "connection tracking");
}

/* PID 1 takes everything down in order. */
static int signal_init(int number)
{
	return kill(1, SIGRTMIN + number) < 0 ? -errno : 0;
}

static int on_reboot(sd_varlink *link, sd_json_variant *parameters, sd_varlink_method_flags_t flags,
	void *userdata)
{
	(void)parameters;
	(void)flags;
	record(userdata, link, "Reboot", NULL);
	return reply(link, signal_init(SIGNAL_REBOOT), "PID 1");
}

static int on_shutdown(sd_varlink *link, sd_json_variant *parameters,
	sd_varlink_method_flags_t flags, void *userdata)
{
	(void)parameters;
	(void)flags;
	record(userdata, link, "Shutdown", NULL);
	return reply(link, signal_init(SIGNAL_POWEROFF), "PID 1");
}

/* The mark for factory-reset.service of the next start, on disk before anything else happens. */
static int mark_reset(void)
{
	mkdir(path_data(".reset"), 0700);
	_cleanup_close_ int fd =
		open(path_data(".reset/requested"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	_cleanup_close_ int dir = open(path_data(".reset"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || dir < 0 || fsync(fd) < 0 || fsync(dir) < 0)
		return -errno;
	return 0;
}

static int on_factory_reset(sd_varlink *link, sd_json_variant *parameters,
	sd_varlink_method_flags_t flags, void *userdata)
{
	(void)parameters;
	(void)flags;
	record(userdata, link, "FactoryReset", NULL);
	int r = mark_reset();
	if (r < 0)
		return reply(link, r, "the mark cannot be written");
	return reply(link, signal_init(SIGNAL_REBOOT), "PID 1");
}

/* Where there is one, the battery's clock keeps it over a power cut. */
static void set_rtc(time_t at)
{
	struct tm tm;
	_cleanup_close_ int fd = open("/dev/rtc0", O_RDONLY | O_CLOEXEC);

	gmtime_r(&at, &tm);
	const struct rtc_time rtc = {.tm_sec = tm.tm_sec,
		.tm_min = tm.tm_min,
		.tm_hour = tm.tm_hour,
		.tm_mday = tm.tm_mday,
		.tm_mon = tm.tm_mon,
		.tm_year = tm.tm_year};
	if (fd >= 0 && ioctl(fd, RTC_SET_TIME, &rtc) < 0)
		log_warning("the hardware clock is not set: %s", strerror(errno));
}

static int on_set_clock(sd_varlink *link, sd_json_variant *parameters,
	sd_varlink_method_flags_t flags, void *userdata)
{
	struct request q = {.time = -1};
	int r = request_read(link, parameters, &q);

	(void)flags;
	if (r != 0)
		return r;
	if (q.time < 0 || q.time > UINT32_MAX)
		return sd_varlink_error_invalid_parameter_name(link, "time");
	record(userdata, link, "SetClock", NULL);
	const struct timespec at = {.tv_sec = q.time};
	r = clock_settime(CLOCK_REALTIME, &at) < 0 ? -errno : 0;
	if (r >= 0)
		set_rtc(at.tv_sec);
	return reply(link, r, "the clock");
}

static int open_packets(const char *interface)
{
	struct sockaddr_ll where = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	/* Without a protocol it hears nothing before it is bound to the interface. */
	_cleanup_close_ int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	where.sll_ifindex = (int)if_nametoindex(interface);
	if (!where.sll_ifindex || bind(fd, (struct sockaddr *)&where, sizeof(where)) < 0)
		return -errno;
	return take_fd(&fd);
}

static int on_capture(sd_varlink *link, sd_json_variant *parameters,
	sd_varlink_method_flags_t flags, void *userdata)
{
	struct request q = {0};
	int r = request_read(link, parameters, &q);

	(void)flags;
	if (r != 0)
		return r;
	if (!q.interface)
		return sd_varlink_error_invalid_parameter_name(link, "interface");
	record(userdata, link, "Capture", NULL);
	int fd = open_packets(q.interface);
	if (fd < 0)
		return reply(link, fd, q.interface);
	r = sd_varlink_push_fd(link, fd);
	if (r < 0) {
		close(fd);
		return reply(link, r, "the descriptor");
	}
	return sd_varlink_reply(link, NULL);
}

static int on_test_inspect(sd_varlink *link, sd_json_variant *parameters,
	sd_varlink_method_flags_t flags, void *userdata)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *steps = NULL;
	bool passed = false;

	(void)parameters;
	(void)flags;
	record(userdata, link, "TestInspect", NULL);
	int r = selftest_run(&passed, &steps);
	if (r < 0)
		return reply(link, r, "the test's own bridge cannot be made");
	return sd_varlink_replybo(link, SD_JSON_BUILD_PAIR_BOOLEAN("passed", passed),
		SD_JSON_BUILD_PAIR_VARIANT("steps", steps));
}

static int status(void *ctx, sd_json_variant **ret)
{
	const struct box *b = ctx;

	return sd_json_buildo(ret, SD_JSON_BUILD_PAIR_UNSIGNED("recorded", b->recorded),
		SD_JSON_BUILD_PAIR_UNSIGNED(
			"events_lost", b->eve ? eve_lost(b->eve) : b->recorded));
}

static int bind_methods(sd_varlink_server *server)
{
	static const struct {
		const char *method;
		enum role least;
		sd_varlink_method_t run;
	} methods[] = {
		{INTERFACE "Record", ROLE_OPERATOR, on_record},
		{INTERFACE "ClearFlows", ROLE_OPERATOR, on_clear_flows},
		{INTERFACE "Reboot", ROLE_ADMIN, on_reboot},
		{INTERFACE "Shutdown", ROLE_ADMIN, on_shutdown},
		{INTERFACE "FactoryReset", ROLE_ADMIN, on_factory_reset},
		{INTERFACE "SetClock", ROLE_ADMIN, on_set_clock},
		{INTERFACE "Capture", ROLE_ADMIN, on_capture},
		{INTERFACE "TestInspect", ROLE_ADMIN, on_test_inspect},
	};
	int r = 0;

	for (size_t i = 0; i < sizeof(methods) / sizeof(*methods) && r >= 0; i++)
		r = control_allow(server, methods[i].least, methods[i].method, methods[i].run);
	return r;
}

int main(void)
{
	static const struct control_ops ops = {.daemon = "boxd", .status = status};
	_cleanup_(sd_event_unrefp) sd_event *event = NULL;
	sd_varlink_server *server = NULL;
	struct box b = {0};

	umask(027);
	signal(SIGPIPE, SIG_IGN);
	if (sd_event_default(&event) < 0)
		return EXIT_FAILURE;
	sd_event_set_signal_exit(event, true);
	sd_event_set_watchdog(event, true);
	mkdir(path_data("log"), 0755);
	mkdir(path_data("log/boxd"), 0750);
	int r = eve_open(path_data("log/boxd"), &b.eve);
	if (r < 0)
		log_warning("acts are only in the journal: log/boxd: %s", strerror(-r));
	r = control_new(event, &ops, &b, &server);
	if (r >= 0)
		r = bind_methods(server);
	if (r < 0) {
		log_error("the control socket: %s", strerror(-r));
		return EXIT_FAILURE;
	}
	sd_notify(0, "READY=1");
	r = sd_event_loop(event);
	eve_free(b.eve);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
