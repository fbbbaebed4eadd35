/*
 * settings: container `mail` of the schema, as maild uses it.
 *
 * One row of the dispatch table per leaf. What the schema renders and maild does not use (enabled
 * and on-failure are the ruleset's) is ignored; what is missing keeps its default. A limit of 0 is
 * none where the schema says so.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-json.h>

#include "mail/policy_rule.h"

#define SETTINGS_AUTHSERV_ID_BYTES 253
#define SETTINGS_NAME_BYTES 253
#define SETTINGS_DESTINATIONS 64
#define SETTINGS_SERVERS 32
#define SETTINGS_RELAYS 8

enum onward_tls { ONWARD_OPPORTUNISTIC, ONWARD_REQUIRED, ONWARD_NONE };

/* A server's address or a recipient's domain, and what holds for it. */
struct tls_destination {
	char name[SETTINGS_NAME_BYTES + 1];
	enum onward_tls onward;
};

/* Whose certificate clients of a server are shown. */
struct tls_server {
	char address[INET6_ADDRSTRLEN];
	char certificate[SETTINGS_NAME_BYTES + 1];
};

/* An address of the box that is an ordinary mail relay. */
struct relay {
	char address[INET6_ADDRSTRLEN];
	char server[INET6_ADDRSTRLEN];
};

struct settings {
	char authserv_id[SETTINGS_AUTHSERV_ID_BYTES + 1];
	uint16_t max_sessions, max_sessions_per_source;
	uint32_t max_sessions_per_minute;
	uint16_t max_recipients;
	uint32_t max_message_bytes, max_header_bytes, max_line_bytes;
	uint16_t max_header_fields;
	uint32_t spool_memory_bytes, spool_disk_bytes;
	uint16_t idle_timeout_s, data_timeout_s, keep_alive_s;
	bool normalise;
	bool antivirus;
	bool virus_reject;
	bool dmarc_reject;
	bool dmarc_quarantine;
	bool unchecked_defer;
	uint32_t quarantine_max_megabytes;
	uint16_t quarantine_max_days;
	struct policy policy;
	struct {
		bool pass_through;
		enum onward_tls onward;
		struct tls_destination destinations[SETTINGS_DESTINATIONS];
		unsigned destination_count;
		struct tls_server servers[SETTINGS_SERVERS];
		unsigned server_count;
	} tls;
	struct relay relays[SETTINGS_RELAYS];
	unsigned relay_count;
};

void settings_defaults(struct settings *s);
/* 0, or -EINVAL with *ret_why (heap). s is changed only on success. */
int settings_parse(sd_json_variant *config, struct settings *s, char **ret_why);

/* What holds for a server's address, or for a recipient's domain (a name of the list covers the
 * names under it). */
enum onward_tls settings_onward(const struct settings *s, const char *address);
enum onward_tls settings_onward_domain(const struct settings *s, const char *domain);
/* Of this address: the certificate's host or NULL; the relay or NULL. */
const char *settings_certificate(const struct settings *s, const char *address);
const struct relay *settings_relay(const struct settings *s, const char *address);
