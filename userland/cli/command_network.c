/* Looking at the network from the appliance: ping, traceroute, capture. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/capture.h"
#include "cli/command.h"
#include "cli/file.h"
#include "cli/reach.h"
#include "lib/cleanup.h"

static void freeaddrinfo_p(struct addrinfo **a)
{
	if (*a)
		freeaddrinfo(*a);
}

enum { PING_HOST, PING_COUNT, PING_INTERFACE };

static int run_ping(struct cli *c, const struct args *a)
{
	_cleanup_(freeaddrinfo_p) struct addrinfo *to = reach_resolve(a->value[PING_HOST]);
	unsigned long count = a->value[PING_COUNT] ? a->number[PING_COUNT] : 5, got = 0, sent = 0;

	(void)c;
	if (!to)
		return CLI_FAILED;
	_cleanup_close_ int fd = reach_ping_socket(to, a->value[PING_INTERFACE]);
	if (fd < 0) {
		fprintf(stderr, "error: %s: %s\n", a->value[PING_HOST], strerror(-fd));
		return CLI_FAILED;
	}
	for (; sent < count && !interrupted(); sent++) {
		int64_t us = reach_ping(fd, to, (uint16_t)(sent + 1));
		if (us >= 0)
			printf("%lu: %.1f ms\n", sent + 1, (double)us / 1000);
		else if (!interrupted())
			printf("%lu: %s\n", sent + 1,
				us == -ETIMEDOUT ? "no answer" : strerror((int)-us));
		got += us >= 0;
		fflush(stdout);
		if (us >= 0 && sent + 1 < count)
			poll(NULL, 0, 1000);
	}
	printf("%lu sent, %lu answered\n", sent, got);
	return got ? 0 : CLI_FAILED;
}

static int run_traceroute(struct cli *c, const struct args *a)
{
	_cleanup_(freeaddrinfo_p) struct addrinfo *to = reach_resolve(a->value[0]);
	char address[INET6_ADDRSTRLEN];
	int64_t us = 0;

	(void)c;
	for (int hops = 1; to && hops <= REACH_HOPS && !interrupted(); hops++) {
		int r = reach_hop(to, hops, address, sizeof(address), &us);
		if (r >= 0)
			printf("%2d  %s  %.1f ms\n", hops, address, (double)us / 1000);
		else
			printf("%2d  %s\n", hops, r == -ETIMEDOUT ? "no answer" : strerror(-r));
		fflush(stdout);
		if (r == 1)
			return 0;
		if (r < 0 && r != -ETIMEDOUT)
			return CLI_FAILED;
	}
	return CLI_FAILED;
}

enum {
	CAPTURE_INTERFACE,
	CAPTURE_COUNT,
	CAPTURE_SECONDS,
	CAPTURE_ADDRESS,
	CAPTURE_PORT,
	CAPTURE_FILE
};

static int open_capture(const struct args *a, int *ret)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *parameters = NULL;
	_cleanup_free_ char *error = NULL;

	if (sd_json_buildo(&parameters,
		    SD_JSON_BUILD_PAIR_STRING("interface", a->value[CAPTURE_INTERFACE])) < 0)
		return -ENOMEM;
	int r = daemon_ask_fd(
		"boxd", "io.sekisho.Box.Capture", parameters, CLI_WAIT_MS, ret, &error);
	if (r < 0)
		fprintf(stderr, "error: boxd: %s\n", error ? error : "no answer");
	return r;
}

static int run_capture(struct cli *c, const struct args *a)
{
	struct capture want = {
		.pkts_max = a->value[CAPTURE_COUNT] ? a->number[CAPTURE_COUNT] : CAPTURE_PKTS,
		.seconds_max = a->value[CAPTURE_SECONDS] ? a->number[CAPTURE_SECONDS]
							 : CAPTURE_SECONDS_MAX,
		.port = (uint16_t)a->number[CAPTURE_PORT],
	};
	_cleanup_close_ int fd = -1;
	_cleanup_fclose_ FILE *file = NULL;

	if (a->value[CAPTURE_ADDRESS] && !capture_address(&want, a->value[CAPTURE_ADDRESS])) {
		fprintf(stderr, "error: not an address: \"%s\"\n  accepted: IPv4 or IPv6\n",
			a->value[CAPTURE_ADDRESS]);
		return CLI_USAGE;
	}
	if (a->value[CAPTURE_FILE] && !(file = file_open(a->value[CAPTURE_FILE], "we")))
		return CLI_FAILED;
	/* Into a pipe: `ssh box capture eth0 > x.pcap`. */
	want.pcap = file ? file : c->interactive || isatty(STDOUT_FILENO) ? NULL : stdout;
	if (open_capture(a, &fd) < 0)
		return CLI_FAILED;
	if (c->interactive)
		puts("Ctrl-C ends it.");
	int r = capture_run(fd, &want);
	fprintf(stderr, "%lu packets, %" PRIu64 " bytes%s%s\n", want.pkts, want.bytes,
		file ? " in " : "", file ? a->value[CAPTURE_FILE] : "");
	if (r < 0)
		fprintf(stderr, "error: %s\n", strerror(-r));
	return r < 0 ? CLI_FAILED : 0;
}

static const struct arg args_of_ping[] = {[PING_HOST] = {.name = "<host>",
						  .help = "Name or address.",
						  .kind = ARG_WORD,
						  .needed = true},
	[PING_COUNT] = {.keyword = "count",
		.name = "<number>",
		.help = "How many; 5 by itself.",
		.kind = ARG_NUMBER,
		.min = 1,
		.max = 65535},
	[PING_INTERFACE] = {.keyword = "interface",
		.name = "<interface>",
		.help = "Through this one.",
		.kind = ARG_INTERFACE},
	{0}};
static const struct arg args_of_traceroute[] = {
	{.name = "<host>", .help = "Name or address.", .kind = ARG_WORD, .needed = true}, {0}};
static const struct arg args_of_capture[] = {[CAPTURE_INTERFACE] = {.name = "<interface>",
						     .help = "Where to listen.",
						     .kind = ARG_INTERFACE,
						     .needed = true},
	[CAPTURE_COUNT] = {.keyword = "count",
		.name = "<packets>",
		.help = "End after so many; 100 by itself.",
		.kind = ARG_NUMBER,
		.min = 1,
		.max = CAPTURE_PKTS_MAX},
	[CAPTURE_SECONDS] = {.keyword = "seconds",
		.name = "<seconds>",
		.help = "End after so long; 60 by itself.",
		.kind = ARG_NUMBER,
		.min = 1,
		.max = 3600},
	[CAPTURE_ADDRESS] = {.keyword = "address",
		.name = "<address>",
		.help = "Only from or to this one.",
		.kind = ARG_WORD},
	[CAPTURE_PORT] = {.keyword = "port",
		.name = "<port>",
		.help = "Only TCP or UDP from or to this port.",
		.kind = ARG_NUMBER,
		.min = 1,
		.max = 65535},
	[CAPTURE_FILE] = {.keyword = "file",
		.name = "<file>",
		.help = "Keep the packets in a file, form pcap.",
		.kind = ARG_FILE},
	{0}};

const struct command command_capture = {"capture",
	"Packets of one interface; a pcap into a file or a pipe.", run_capture, args_of_capture,
	MODE_OPERATION, ROLE_ADMIN, COMMAND_LIVE | COMMAND_CHANGES};
const struct command command_ping = {"ping", "Does a host answer?", run_ping, args_of_ping,
	MODE_OPERATION, ROLE_OPERATOR, COMMAND_LIVE};
const struct command command_traceroute = {"traceroute", "Which way to a host?", run_traceroute,
	args_of_traceroute, MODE_OPERATION, ROLE_OPERATOR, COMMAND_LIVE};
