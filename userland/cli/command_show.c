/* What the appliance says of itself: status, version, interfaces, updates; and help. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <ifaddrs.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "cli/command.h"
#include "lib/cleanup.h"

const char *const daemon_names[] = {
	"inspectd", "maild", "maildial", "mailauthd", "scand", "updated", "configd", NULL};

static int ask_status(const char *daemon, sd_json_variant **ret, char **ret_error)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *reply = NULL;
	int r = daemon_ask(
		daemon, "io.sekisho.Daemon.Status", NULL, CLI_WAIT_MS, &reply, ret_error);

	if (r < 0)
		return r;
	*ret = sd_json_variant_ref(sd_json_variant_by_key(reply, "status"));
	return *ret ? 0 : -EPROTO;
}

static void print_daemon(const char *daemon, sd_json_variant *status)
{
	char up[64];

	duration_format(sd_json_variant_unsigned(sd_json_variant_by_key(status, "uptime_s")), up,
		sizeof(up));
	printf("%-10s running for %s: ", daemon, up);
	json_print_line(stdout, status);
	putchar('\n');
}

/* Exit code 1 when one of them is down: a script's health check. */
static int run_show_status(struct cli *c, char *const *args)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *all = NULL;
	int code = 0;

	for (const char *const *d = daemon_names; *d; d++) {
		_cleanup_(sd_json_variant_unrefp) sd_json_variant *status = NULL;
		_cleanup_free_ char *error = NULL;
		if (args[0] && strcmp(args[0], *d) != 0)
			continue;
		if (ask_status(*d, &status, &error) < 0) {
			code = CLI_FAILED;
			sd_json_variant_set_fieldbo(&all, *d,
				SD_JSON_BUILD_PAIR_STRING("error", error ? error : "no answer"));
			if (!c->json)
				printf("%-10s DOWN: %s\n", *d, error ? error : "no answer");
			continue;
		}
		sd_json_variant_set_field(&all, *d, status);
		if (!c->json && args[0])
			json_print_tree(stdout, status, 0);
		else if (!c->json)
			print_daemon(*d, status);
	}
	if (!all) {
		fprintf(stderr, "error: there is no daemon '%s'\n", args[0]);
		return CLI_FAILED;
	}
	if (c->json)
		json_dump(all);
	return code;
}

static int run_show_update(struct cli *c, char *const *args)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *status = NULL;
	_cleanup_free_ char *error = NULL;

	(void)args;
	if (ask_status("updated", &status, &error) < 0) {
		fprintf(stderr, "error: updated: %s\n", error ? error : "no answer");
		return CLI_FAILED;
	}
	if (c->json)
		json_dump(status);
	else
		json_print_tree(stdout, status, 0);
	return 0;
}

/* Value of a KEY="value" line of os-release(5). */
static void read_release(const char *key, char *out, size_t cap)
{
	char line[512];
	size_t n = strlen(key);
	_cleanup_fclose_ FILE *f = fopen("/etc/os-release", "re");

	snprintf(out, cap, "unknown");
	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, key, n) != 0 || line[n] != '=')
			continue;
		char *value = line + n + 1 + (line[n + 1] == '"');
		value[strcspn(value, "\"\n")] = 0;
		snprintf(out, cap, "%s", value);
	}
}

static int run_show_version(struct cli *c, char *const *args)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *v = NULL;
	char release[256], up[64];
	struct utsname kernel = {0};
	struct sysinfo info = {0};

	(void)args;
	read_release("PRETTY_NAME", release, sizeof(release));
	uname(&kernel);
	sysinfo(&info);
	duration_format((uint64_t)info.uptime, up, sizeof(up));
	if (c->json) {
		if (sd_json_buildo(&v, SD_JSON_BUILD_PAIR_STRING("release", release),
			    SD_JSON_BUILD_PAIR_STRING("kernel", kernel.release),
			    SD_JSON_BUILD_PAIR_STRING("machine", kernel.machine),
			    SD_JSON_BUILD_PAIR_UNSIGNED("uptime_s", (uint64_t)info.uptime)) < 0)
			return CLI_FAILED;
		json_dump(v);
		return 0;
	}
	printf("%s\nkernel %s, %s\nrunning for %s\n", release, kernel.release, kernel.machine, up);
	return 0;
}

static void read_link(const char *link, const char *name, char *out, size_t cap)
{
	char path[256];

	out[0] = 0;
	snprintf(path, sizeof(path), "/sys/class/net/%s/%s", link, name);
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	if (f && fgets(out, (int)cap, f))
		out[strcspn(out, "\n")] = 0;
}

static sd_json_variant *read_addresses(const char *link)
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

static void show_link(const char *name, sd_json_variant **json)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *addresses = read_addresses(name);
	char state[32], mac[32], rx[32], tx[32];

	read_link(name, "operstate", state, sizeof(state));
	read_link(name, "address", mac, sizeof(mac));
	read_link(name, "statistics/rx_bytes", rx, sizeof(rx));
	read_link(name, "statistics/tx_bytes", tx, sizeof(tx));
	if (json) {
		sd_json_variant_set_fieldbo(json, name, SD_JSON_BUILD_PAIR_STRING("state", state),
			SD_JSON_BUILD_PAIR_STRING("mac", mac),
			SD_JSON_BUILD_PAIR_UNSIGNED("rx_bytes", strtoull(rx, NULL, 10)),
			SD_JSON_BUILD_PAIR_UNSIGNED("tx_bytes", strtoull(tx, NULL, 10)),
			SD_JSON_BUILD_PAIR_CONDITION(
				!!addresses, "addresses", SD_JSON_BUILD_VARIANT(addresses)));
		return;
	}
	printf("%-10s %-8s %s  received %s, sent %s bytes", name, state, mac, rx, tx);
	for (size_t i = 0; addresses && i < sd_json_variant_elements(addresses); i++)
		printf("%s%s", i ? ", " : "  ",
			sd_json_variant_string(sd_json_variant_by_index(addresses, i)));
	putchar('\n');
}

static int run_show_interfaces(struct cli *c, char *const *args)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *all = NULL;
	struct if_nameindex *links = if_nameindex();

	(void)args;
	if (!links)
		return CLI_FAILED;
	for (struct if_nameindex *l = links; l->if_index; l++)
		if (strcmp(l->if_name, "lo") != 0)
			show_link(l->if_name, c->json ? &all : NULL);
	if_freenameindex(links);
	if (c->json && all)
		json_dump(all);
	return 0;
}

static int run_help(struct cli *c, char *const *args)
{
	unsigned mode = c->configuring ? MODE_CONFIGURE : MODE_OPERATION;

	(void)args;
	for (const struct command *const *cmd = commands; *cmd; cmd++)
		if ((*cmd)->modes & mode)
			printf("  %-22s %s\n", (*cmd)->words, (*cmd)->help);
	if (c->interactive)
		puts("'?' says what may stand at the cursor, TAB completes, words may be "
		     "shortened.");
	return 0;
}

const struct command command_help = {
	"help", "This list.", MODE_OPERATION | MODE_CONFIGURE, ARGS_NONE, run_help};
const struct command command_show_interfaces = {"show interfaces", "Ports, addresses and traffic.",
	MODE_OPERATION, ARGS_NONE, run_show_interfaces};
const struct command command_show_status = {"show status",
	"Is everything running? One daemon: all it says.", MODE_OPERATION, ARGS_DAEMON,
	run_show_status};
const struct command command_show_update = {"show update",
	"Signatures and rules: what is in force, what was tried.", MODE_OPERATION, ARGS_NONE,
	run_show_update};
const struct command command_show_version = {
	"show version", "Release and kernel.", MODE_OPERATION, ARGS_NONE, run_show_version};
