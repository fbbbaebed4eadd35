/* The links of this machine: state, addresses, counters, and the rate of traffic as it flows. */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <inttypes.h>
#include <net/if.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "lib/cleanup.h"

#define TURN_MS 2000
#define LINKS_MAX 64 /* more are not shown */

struct link {
	char name[IF_NAMESIZE];
	char state[16], mac[24];
	uint64_t rx_bytes, tx_bytes, rx_pkts, tx_pkts, errors, drops;
};

static void read_text(const char *link, const char *name, char *out, size_t cap)
{
	char path[256];

	out[0] = 0;
	snprintf(path, sizeof(path), "/sys/class/net/%s/%s", link, name);
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	if (f && fgets(out, (int)cap, f))
		out[strcspn(out, "\n")] = 0;
}

static uint64_t read_number(const char *link, const char *name)
{
	char path[64], text[32];

	snprintf(path, sizeof(path), "statistics/%s", name);
	read_text(link, path, text, sizeof(text));
	return strtoull(text, NULL, 10);
}

static void link_read(struct link *l)
{
	read_text(l->name, "operstate", l->state, sizeof(l->state));
	read_text(l->name, "address", l->mac, sizeof(l->mac));
	l->rx_bytes = read_number(l->name, "rx_bytes");
	l->tx_bytes = read_number(l->name, "tx_bytes");
	l->rx_pkts = read_number(l->name, "rx_packets");
	l->tx_pkts = read_number(l->name, "tx_packets");
	l->errors = read_number(l->name, "rx_errors") + read_number(l->name, "tx_errors");
	l->drops = read_number(l->name, "rx_dropped") + read_number(l->name, "tx_dropped");
}

/* All but the loopback, or the one that is asked for. */
static unsigned links_list(const char *only, struct link *out)
{
	struct if_nameindex *all = if_nameindex();
	unsigned n = 0;

	for (struct if_nameindex *l = all; l && l->if_index && n < LINKS_MAX; l++)
		if (only ? strcmp(l->if_name, only) == 0 : strcmp(l->if_name, "lo") != 0)
			snprintf(out[n++].name, IF_NAMESIZE, "%s", l->if_name);
	if_freenameindex(all);
	return n;
}

static sd_json_variant *addresses_read(const char *link)
{
	sd_json_variant *list = NULL;
	struct ifaddrs *all = NULL;
	char text[INET6_ADDRSTRLEN];

	if (getifaddrs(&all) < 0)
		return NULL;
	for (struct ifaddrs *a = all; a; a = a->ifa_next) {
		const void *address = NULL;
		_cleanup_(sd_json_variant_unrefp) sd_json_variant *one = NULL;
		if (strcmp(a->ifa_name, link) != 0 || !a->ifa_addr)
			continue;
		if (a->ifa_addr->sa_family == AF_INET)
			address = &((struct sockaddr_in *)a->ifa_addr)->sin_addr;
		else if (a->ifa_addr->sa_family == AF_INET6)
			address = &((struct sockaddr_in6 *)a->ifa_addr)->sin6_addr;
		if (address && inet_ntop(a->ifa_addr->sa_family, address, text, sizeof(text)) &&
			sd_json_variant_new_string(&one, text) >= 0)
			sd_json_variant_append_array(&list, one);
	}
	freeifaddrs(all);
	return list;
}

static void link_json(const struct link *l, sd_json_variant *addresses, sd_json_variant **all)
{
	sd_json_variant_set_fieldbo(all, l->name, SD_JSON_BUILD_PAIR_STRING("state", l->state),
		SD_JSON_BUILD_PAIR_STRING("mac", l->mac),
		SD_JSON_BUILD_PAIR_UNSIGNED("rx_bytes", l->rx_bytes),
		SD_JSON_BUILD_PAIR_UNSIGNED("tx_bytes", l->tx_bytes),
		SD_JSON_BUILD_PAIR_UNSIGNED("rx_packets", l->rx_pkts),
		SD_JSON_BUILD_PAIR_UNSIGNED("tx_packets", l->tx_pkts),
		SD_JSON_BUILD_PAIR_UNSIGNED("errors", l->errors),
		SD_JSON_BUILD_PAIR_UNSIGNED("drops", l->drops),
		SD_JSON_BUILD_PAIR_CONDITION(
			!!addresses, "addresses", SD_JSON_BUILD_VARIANT(addresses)));
}

static void link_print(const struct link *l, sd_json_variant *addresses)
{
	char rx[24], tx[24];

	bytes_format(l->rx_bytes, rx, sizeof(rx));
	bytes_format(l->tx_bytes, tx, sizeof(tx));
	printf("%-15s %-8s %-17s %9s %9s %7" PRIu64 " %7" PRIu64 "\n", l->name, l->state, l->mac,
		rx, tx, l->errors, l->drops);
	for (size_t i = 0; addresses && i < sd_json_variant_elements(addresses); i++)
		printf("%-15s %s\n", "",
			sd_json_variant_string(sd_json_variant_by_index(addresses, i)));
}

static int run_show_interfaces(struct cli *c, const struct args *a)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *all = NULL;
	struct link links[LINKS_MAX];
	unsigned n = links_list(a->value[0], links);

	if (!c->json)
		printf("%-15s %-8s %-17s %9s %9s %7s %7s\n", "interface", "state", "mac",
			"received", "sent", "errors", "drops");
	for (unsigned i = 0; i < n; i++) {
		_cleanup_(sd_json_variant_unrefp) sd_json_variant *addresses =
			addresses_read(links[i].name);
		link_read(&links[i]);
		if (c->json)
			link_json(&links[i], addresses, &all);
		else
			link_print(&links[i], addresses);
	}
	if (c->json && all)
		json_dump(all);
	return 0;
}

static uint64_t rate(uint64_t before, uint64_t after)
{
	return after > before ? (after - before) * 1000 / TURN_MS : 0;
}

/* One line a turn and link; nothing is painted over, so it is the same on paper. */
static int run_monitor_traffic(struct cli *c, const struct args *a)
{
	struct link links[LINKS_MAX];
	unsigned n = links_list(a->value[0], links);
	unsigned long turns = a->value[1] ? a->number[1] : 0;
	char rx[24], tx[24];

	if (c->interactive && !turns)
		puts("Ctrl-C ends it.");
	printf("%-15s %11s %11s %9s %9s\n", "interface", "rx bytes/s", "tx bytes/s", "rx pkt/s",
		"tx pkt/s");
	for (unsigned i = 0; i < n; i++)
		link_read(&links[i]);
	for (unsigned long turn = 0; !turns || turn < turns; turn++) {
		fflush(stdout);
		poll(NULL, 0, TURN_MS);
		for (unsigned i = 0; i < n && !interrupted(); i++) {
			struct link before = links[i];
			link_read(&links[i]);
			bytes_format(rate(before.rx_bytes, links[i].rx_bytes), rx, sizeof(rx));
			bytes_format(rate(before.tx_bytes, links[i].tx_bytes), tx, sizeof(tx));
			printf("%-15s %11s %11s %9" PRIu64 " %9" PRIu64 "\n", links[i].name, rx, tx,
				rate(before.rx_pkts, links[i].rx_pkts),
				rate(before.tx_pkts, links[i].tx_pkts));
		}
		if (interrupted())
			break;
	}
	return 0;
}

static const struct arg args_of_interfaces[] = {
	{.name = "<interface>", .help = "Only this one.", .kind = ARG_INTERFACE}, {0}};
static const struct arg args_of_traffic[] = {
	{.name = "<interface>", .help = "Only this one.", .kind = ARG_INTERFACE},
	{.keyword = "count",
		.name = "<number>",
		.help = "End after so many turns.",
		.kind = ARG_NUMBER,
		.min = 1,
		.max = 1000000},
	{0}};

const struct command command_monitor_traffic = {"monitor traffic",
	"Bytes and packets a second, every two seconds.", run_monitor_traffic, args_of_traffic,
	MODE_OPERATION, ROLE_AUDITOR, COMMAND_LIVE};
const struct command command_show_interfaces = {"show interfaces", "Ports, addresses and traffic.",
	run_show_interfaces, args_of_interfaces, MODE_OPERATION, ROLE_AUDITOR, 0};
