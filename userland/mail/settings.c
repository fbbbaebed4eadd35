#include "mail/settings.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

void settings_defaults(struct settings *s)
{
	*s = (struct settings){
		.authserv_id = "sekisho.invalid",
		.max_sessions = 1000,
		.max_sessions_per_source = 100,
		.max_recipients = 1000,
		.max_message_bytes = 50u << 20,
		.max_header_bytes = 256u << 10,
		.max_header_fields = 1000,
		.max_line_bytes = 128u << 10,
		.spool_memory_bytes = 4u << 20,
		.spool_disk_bytes = 512u << 20,
		.idle_timeout_s = 300,
		.data_timeout_s = 180,
		.keep_alive_s = 60,
		.antivirus = true,
		.virus_reject = true,
		.dmarc_reject = true,
		.dmarc_quarantine = true,
		.unchecked_defer = true,
		.quarantine_max_megabytes = 1024,
		.quarantine_max_days = 30,
	};
}

static bool is_domain(const char *text)
{
	size_t n = text ? strlen(text) : 0;

	/* It is written into a header and into file names: letters, digits, dot and hyphen. */
	return n > 0 && n <= SETTINGS_NAME_BYTES && text[0] != '.' &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") ==
		       n;
}

#define DISPATCH(function) \
	static int function( \
		const char *name, sd_json_variant *v, sd_json_dispatch_flags_t flags, void *out)

DISPATCH(dispatch_domain)
{
	const char *text = sd_json_variant_string(v);

	(void)name;
	(void)flags;
	if (!is_domain(text))
		return -EINVAL;
	strcpy(out, text);
	return 0;
}

/* In the one spelling that sockets have too. */
DISPATCH(dispatch_address)
{
	const char *text = sd_json_variant_string(v);
	int family = text && strchr(text, ':') ? AF_INET6 : AF_INET;
	uint8_t binary[16];

	(void)name;
	(void)flags;
	if (!text || inet_pton(family, text, binary) != 1)
		return -EINVAL;
	return inet_ntop(family, binary, out, INET6_ADDRSTRLEN) ? 0 : -EINVAL;
}

DISPATCH(dispatch_destination_name)
{
	return dispatch_address(name, v, flags, out) == 0 ? 0
							  : dispatch_domain(name, v, flags, out);
}

static int dispatch_choice(sd_json_variant *v, const char *yes, const char *no, bool *out)
{
	const char *text = sd_json_variant_string(v);

	if (!text || (strcmp(text, yes) != 0 && strcmp(text, no) != 0))
		return -EINVAL;
	*out = strcmp(text, yes) == 0;
	return 0;
}

DISPATCH(dispatch_reject)
{
	(void)name;
	(void)flags;
	return dispatch_choice(v, "reject", "accept", out);
}

DISPATCH(dispatch_quarantine)
{
	(void)name;
	(void)flags;
	return dispatch_choice(v, "quarantine", "accept", out);
}

DISPATCH(dispatch_defer)
{
	(void)name;
	(void)flags;
	return dispatch_choice(v, "defer", "accept", out);
}

DISPATCH(dispatch_normalise)
{
	(void)name;
	(void)flags;
	return dispatch_choice(v, "normalise", "refuse", out);
}

DISPATCH(dispatch_pass_through)
{
	(void)name;
	(void)flags;
	return dispatch_choice(v, "pass-through", "withhold", out);
}

DISPATCH(dispatch_onward)
{
	static const char *const names[] = {
		[ONWARD_OPPORTUNISTIC] = "opportunistic",
		[ONWARD_REQUIRED] = "required",
		[ONWARD_NONE] = "none",
	};
	const char *text = sd_json_variant_string(v);

	(void)name;
	(void)flags;
	for (size_t i = 0; text && i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(text, names[i]) == 0) {
			*(enum onward_tls *)out = (enum onward_tls)i;
			return 0;
		}
	return -EINVAL;
}

/* A list of the schema into an array of the settings: one row table an entry. */
static int list_read(sd_json_variant *v, const sd_json_dispatch_field *rows, void *array,
	size_t entry_bytes, size_t max, unsigned *ret_count)
{
	size_t n = sd_json_variant_elements(v);

	if (n > max)
		return -E2BIG;
	for (size_t i = 0; i < n; i++) {
		void *entry = (char *)array + i * entry_bytes;
		int r = sd_json_dispatch(
			sd_json_variant_by_index(v, i), rows, SD_JSON_ALLOW_EXTENSIONS, entry);
		if (r < 0)
			return r;
	}
	*ret_count = (unsigned)n;
	return 0;
}

#define FIELD(of, leaf, field, function) \
	{leaf, SD_JSON_VARIANT_STRING, function, offsetof(struct of, field), 0}
#define KEY(of, leaf, field, function) \
	{leaf, SD_JSON_VARIANT_STRING, function, offsetof(struct of, field), SD_JSON_MANDATORY}
#define END {NULL, 0, NULL, 0, 0}

DISPATCH(dispatch_destinations)
{
	static const sd_json_dispatch_field rows[] = {
		KEY(tls_destination, "name", name, dispatch_destination_name),
		FIELD(tls_destination, "onward", onward, dispatch_onward), END};
	struct settings *s = out;

	(void)name;
	(void)flags;
	return list_read(v, rows, s->tls.destinations, sizeof(*s->tls.destinations),
		SETTINGS_DESTINATIONS, &s->tls.destination_count);
}

DISPATCH(dispatch_servers)
{
	static const sd_json_dispatch_field rows[] = {
		KEY(tls_server, "address", address, dispatch_address),
		KEY(tls_server, "certificate", certificate, dispatch_domain), END};
	struct settings *s = out;

	(void)name;
	(void)flags;
	return list_read(v, rows, s->tls.servers, sizeof(*s->tls.servers), SETTINGS_SERVERS,
		&s->tls.server_count);
}

DISPATCH(dispatch_relays)
{
	static const sd_json_dispatch_field rows[] = {
		KEY(relay, "address", address, dispatch_address),
		KEY(relay, "server", server, dispatch_address), END};
	struct settings *s = out;

	(void)name;
	(void)flags;
	return list_read(v, rows, s->relays, sizeof(*s->relays), SETTINGS_RELAYS, &s->relay_count);
}

DISPATCH(dispatch_tls)
{
	static const sd_json_dispatch_field rows[] = {
		{"destination", SD_JSON_VARIANT_ARRAY, dispatch_destinations, 0, 0},
		FIELD(settings, "onward", tls.onward, dispatch_onward),
		{"server", SD_JSON_VARIANT_ARRAY, dispatch_servers, 0, 0},
		FIELD(settings, "without-certificate", tls.pass_through, dispatch_pass_through),
		END,
	};

	(void)name;
	(void)flags;
	return sd_json_dispatch(v, rows, SD_JSON_ALLOW_EXTENSIONS, out);
}

#define TEXT(leaf, field, function) FIELD(settings, leaf, field, function)
#define U16(leaf, field) \
	{leaf, SD_JSON_VARIANT_UNSIGNED, sd_json_dispatch_uint16, \
		offsetof(struct settings, field), 0}
#define U32(leaf, field) \
	{leaf, SD_JSON_VARIANT_UNSIGNED, sd_json_dispatch_uint32, \
		offsetof(struct settings, field), 0}

DISPATCH(dispatch_policy)
{
	struct settings *s = out;

	(void)name;
	(void)flags;
	return policy_parse(v, &s->policy);
}

DISPATCH(dispatch_kept)
{
	static const sd_json_dispatch_field rows[] = {
		U16("max-days", quarantine_max_days),
		U32("max-megabytes", quarantine_max_megabytes),
		END,
	};

	(void)name;
	(void)flags;
	return sd_json_dispatch(v, rows, SD_JSON_ALLOW_EXTENSIONS, out);
}

static const sd_json_dispatch_field rows_of_mail[] = {
	{"antivirus", SD_JSON_VARIANT_BOOLEAN, sd_json_dispatch_stdbool,
		offsetof(struct settings, antivirus), 0},
	TEXT("authserv-id", authserv_id, dispatch_domain),
	U16("data-timeout", data_timeout_s),
	TEXT("dmarc-quarantine", dmarc_quarantine, dispatch_quarantine),
	TEXT("dmarc-reject", dmarc_reject, dispatch_reject),
	U16("idle-timeout", idle_timeout_s),
	U16("keep-alive", keep_alive_s),
	TEXT("line-ends", normalise, dispatch_normalise),
	U32("max-header-bytes", max_header_bytes),
	U16("max-header-fields", max_header_fields),
	U32("max-line-bytes", max_line_bytes),
	U32("max-message-bytes", max_message_bytes),
	U16("max-recipients", max_recipients),
	U16("max-sessions", max_sessions),
	U32("max-sessions-per-minute", max_sessions_per_minute),
	U16("max-sessions-per-source", max_sessions_per_source),
	{"policy", SD_JSON_VARIANT_OBJECT, dispatch_policy, 0, 0},
	{"quarantine", SD_JSON_VARIANT_OBJECT, dispatch_kept, 0, 0},
	{"relay", SD_JSON_VARIANT_ARRAY, dispatch_relays, 0, 0},
	U32("spool-disk-bytes", spool_disk_bytes),
	U32("spool-memory-bytes", spool_memory_bytes),
	{"tls", SD_JSON_VARIANT_OBJECT, dispatch_tls, 0, 0},
	TEXT("unchecked", unchecked_defer, dispatch_defer),
	TEXT("virus", virus_reject, dispatch_reject),
	END,
};

static int refuse(char **ret_why, const char *what, const char *why)
{
	if (asprintf(ret_why, "mail: %s %s", what, why) < 0)
		*ret_why = NULL;
	return -EINVAL;
}

int settings_parse(sd_json_variant *config, struct settings *s, char **ret_why)
{
	struct settings out;
	const char *bad = NULL;

	settings_defaults(&out);
	if (sd_json_dispatch_full(
		    config, rows_of_mail, NULL, SD_JSON_ALLOW_EXTENSIONS, &out, &bad) < 0)
		return refuse(ret_why, bad ? bad : "the object", "has no usable value");
	if (out.max_sessions == 0 || out.max_recipients == 0 || out.idle_timeout_s == 0 ||
		out.data_timeout_s == 0 || out.keep_alive_s == 0)
		return refuse(ret_why,
			"max-sessions, max-recipients, idle-timeout, data-timeout and keep-alive",
			"are at least 1");
	*s = out;
	return 0;
}

enum onward_tls settings_onward(const struct settings *s, const char *address)
{
	for (unsigned i = 0; i < s->tls.destination_count; i++)
		if (strcmp(s->tls.destinations[i].name, address) == 0)
			return s->tls.destinations[i].onward;
	return s->tls.onward;
}

static bool is_under(const char *domain, const char *name)
{
	size_t n = strlen(domain), m = strlen(name);

	return n >= m && strcasecmp(domain + n - m, name) == 0 &&
	       (n == m || domain[n - m - 1] == '.');
}

enum onward_tls settings_onward_domain(const struct settings *s, const char *domain)
{
	for (unsigned i = 0; i < s->tls.destination_count; i++)
		if (is_under(domain, s->tls.destinations[i].name))
			return s->tls.destinations[i].onward;
	return ONWARD_OPPORTUNISTIC;
}

const char *settings_certificate(const struct settings *s, const char *address)
{
	for (unsigned i = 0; i < s->tls.server_count; i++)
		if (strcmp(s->tls.servers[i].address, address) == 0)
			return s->tls.servers[i].certificate;
	return NULL;
}

const struct relay *settings_relay(const struct settings *s, const char *address)
{
	for (unsigned i = 0; i < s->relay_count; i++)
		if (strcmp(s->relays[i].address, address) == 0)
			return &s->relays[i];
	return NULL;
}
