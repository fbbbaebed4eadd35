#include "inspect/settings.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"

#define HOME_NET_MAX 256

/* What the dispatch table fills in; arrays are read by hand afterwards. */
struct raw {
	uint64_t queues;
	int bypass;
	sd_json_variant *home_net;
	sd_json_variant *application;
};

static const sd_json_dispatch_field fields[] = {
	{"queues", _SD_JSON_VARIANT_TYPE_INVALID, sd_json_dispatch_uint64,
		offsetof(struct raw, queues), 0},
	{"bypass", SD_JSON_VARIANT_BOOLEAN, sd_json_dispatch_intbool, offsetof(struct raw, bypass),
		0},
	{"home-net", SD_JSON_VARIANT_ARRAY, sd_json_dispatch_variant_noref,
		offsetof(struct raw, home_net), 0},
	{"application", SD_JSON_VARIANT_ARRAY, sd_json_dispatch_variant_noref,
		offsetof(struct raw, application), 0},
	{},
};

void settings_init(struct settings *s)
{
	*s = (struct settings){.queues = 1, .bypass = true};
}

void settings_fini(struct settings *s)
{
	free(s->home_net);
	s->home_net = NULL;
}

static int refuse(char **ret_why, const char *format, const char *what)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	if (asprintf(ret_why, format, what) < 0)
		*ret_why = NULL;
#pragma GCC diagnostic pop
	return -EINVAL;
}

static bool is_prefix(const char *text)
{
	char addr[INET6_ADDRSTRLEN];
	uint8_t bytes[16];
	uint64_t bits;
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);

	if (n >= sizeof(addr))
		return false;
	memcpy(addr, text, n);
	addr[n] = '\0';
	int family = strchr(addr, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(family, addr, bytes) != 1)
		return false;
	return !slash || span_u64(span_str(slash + 1), family == AF_INET ? 32 : 128, &bits);
}

/* ["10.0.0.0/8", "fd00::/8"] -> [10.0.0.0/8,fd00::/8] */
static int read_home_net(struct settings *s, sd_json_variant *list, char **ret_why)
{
	size_t n = list ? sd_json_variant_elements(list) : 0;
	size_t size = n * (INET6_ADDRSTRLEN + 5) + 3;

	if (n == 0)
		return 0;
	if (n > HOME_NET_MAX)
		return refuse(ret_why, "home-net: more than %s networks", "256");
	_cleanup_free_ char *text = calloc(1, size);
	if (!text)
		return -ENOMEM;
	size_t used = 0;
	for (size_t i = 0; i < n; i++) {
		sd_json_variant *v = sd_json_variant_by_index(list, i);
		const char *net = sd_json_variant_is_string(v) ? sd_json_variant_string(v) : "";
		if (!is_prefix(net))
			return refuse(ret_why,
				"home-net: \"%s\" is not a network such as 192.168.0.0/16", net);
		used += (size_t)snprintf(text + used, size - used, "%c%s", i ? ',' : '[', net);
	}
	snprintf(text + used, size - used, "]");
	free(s->home_net);
	s->home_net = take_ptr(text);
	return 0;
}

static int read_application(
	struct settings *s, sd_json_variant *row, struct app *names, char **ret_why)
{
	sd_json_variant *name =
		sd_json_variant_is_object(row) ? sd_json_variant_by_key(row, "name") : NULL;
	sd_json_variant *action = name ? sd_json_variant_by_key(row, "action") : NULL;

	if (!name || !sd_json_variant_is_string(name))
		return refuse(ret_why, "application: a row has no %s", "name");
	const char *what = action && sd_json_variant_is_string(action)
				   ? sd_json_variant_string(action)
				   : "drop";
	bool drop = strcmp(what, "drop") == 0;
	if (!drop && strcmp(what, "accept") != 0)
		return refuse(
			ret_why, "application: action \"%s\" is neither accept nor drop", what);
	uint16_t id = app_by_name(names, sd_json_variant_string(name));
	if (!id)
		return refuse(ret_why,
			"application \"%s\" is not known; names are nDPI's, such as BitTorrent",
			sd_json_variant_string(name));
	s->app_action[id] = drop ? APP_ACTION_DROP : APP_ACTION_ACCEPT;
	s->has_app_rows = true;
	return 0;
}

int settings_read(struct settings *s, sd_json_variant *config, struct app *names, char **ret_why)
{
	struct raw raw = {.queues = s->queues, .bypass = s->bypass};
	const char *bad = NULL;
	int r = sd_json_dispatch_full(config, fields, NULL, SD_JSON_ALLOW_EXTENSIONS, &raw, &bad);

	if (r < 0)
		return refuse(ret_why, "%s: wrong type of value", bad ? bad : "inspection");
	if (raw.queues < 1 || raw.queues > QUEUES_MAX)
		return refuse(ret_why, "queues: 1 to %s", "16");
	s->queues = (unsigned)raw.queues;
	s->bypass = raw.bypass;
	r = read_home_net(s, raw.home_net, ret_why);
	for (size_t i = 0;
		r >= 0 && raw.application && i < sd_json_variant_elements(raw.application); i++)
		r = read_application(
			s, sd_json_variant_by_index(raw.application, i), names, ret_why);
	return r;
}
