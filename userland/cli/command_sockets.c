/* What listens on this appliance: the kernel's own list, behind the firewall or not. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/table.h"
#include "lib/cleanup.h"

#define SOCKETS_MAX 512 /* more are not shown */
#define LISTENING 0x0a  /* TCP_LISTEN */
#define UNCONNECTED 7   /* TCP_CLOSE: a datagram socket that anybody may send to */

static const struct kind {
	const char *file, *protocol;
	unsigned state;
} kinds[] = {
	{"/proc/net/tcp", "tcp", LISTENING},
	{"/proc/net/tcp6", "tcp", LISTENING},
	{"/proc/net/udp", "udp", UNCONNECTED},
	{"/proc/net/udp6", "udp", UNCONNECTED},
};

/* "0100007F": words of the address as this processor reads them. */
static bool read_address(const char *hex, char *out, size_t cap)
{
	uint32_t words[4];
	size_t n = strlen(hex) / 8;

	if (n != 1 && n != 4)
		return false;
	for (size_t i = 0; i < n; i++) {
		char one[9];
		snprintf(one, sizeof(one), "%.8s", hex + i * 8);
		words[i] = (uint32_t)strtoul(one, NULL, 16);
	}
	return inet_ntop(n == 1 ? AF_INET : AF_INET6, words, out, (socklen_t)cap) != NULL;
}

static void read_line(const struct kind *kind, const char *line, sd_json_variant **all)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *one = NULL;
	char hex[33], address[INET6_ADDRSTRLEN], number[16];
	unsigned port, state, uid;

	if (sscanf(line, " %*u: %32[0-9A-F]:%x %*s %x %*s %*s %*s %u", hex, &port, &state, &uid) !=
			4 ||
		state != kind->state || !read_address(hex, address, sizeof(address)))
		return;
	const struct passwd *account = getpwuid(uid);
	snprintf(number, sizeof(number), "%u", uid);
	if (sd_json_buildo(&one, SD_JSON_BUILD_PAIR_STRING("protocol", kind->protocol),
		    SD_JSON_BUILD_PAIR_STRING("address", address),
		    SD_JSON_BUILD_PAIR_UNSIGNED("port", port),
		    SD_JSON_BUILD_PAIR_STRING("user", account ? account->pw_name : number)) >= 0)
		sd_json_variant_append_array(all, one);
}

static int run_show_sockets(struct cli *c, const struct args *a)
{
	static const struct column columns[] = {{"protocol", "protocol", 8},
		{"address", "address", 40}, {"port", "port", -5}, {"user", "user", 0}, {0}};
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *all = NULL;
	char line[512];

	(void)a;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		_cleanup_fclose_ FILE *f = fopen(kinds[i].file, "re");
		while (f && fgets(line, sizeof(line), f) &&
			sd_json_variant_elements(all) < SOCKETS_MAX)
			read_line(&kinds[i], line, &all);
	}
	if (!all && sd_json_variant_new_array(&all, NULL, 0) < 0)
		return CLI_FAILED;
	if (c->json)
		json_dump(all);
	else
		table_print(stdout, columns, all);
	return 0;
}

const struct command command_show_sockets = {"show sockets",
	"What listens on this appliance, and as which user.", run_show_sockets, NULL,
	MODE_OPERATION, ROLE_AUDITOR, 0};
