/*
 * source: where signatures come from: the administrator's settings, and what happened so far.
 *
 * Settings come from the configuration's list `update/source`; the password from the file of
 * secrets that only fetch may read (settings.h). What happened is in state.h; of a source whose
 * address or rule edits have changed only its history counts, not its ETag: it is fetched and
 * looked into anew.
 *
 * Limits: SOURCES_MAX sources. Refuses: a configuration with a source that is not complete, that is
 * named twice, or that carries a name and password in its address.
 */
#pragma once

#include <systemd/sd-json.h>

#include "update/checksum.h"
#include "update/download.h"
#include "update/type.h"

#define SOURCES_MAX 64

struct attempt;

struct source {
	/* settings */
	char *name;
	char *url;
	char *user, *password; /* NULL: none */
	char *public_key;      /* NULL: not signed */
	char *version_name;    /* NULL: DNS is not asked */
	char *ca_certificate;  /* NULL: the public authorities */
	const struct signature_type *type;
	enum checksum_kind checksum;
	unsigned interval_min;
	unsigned column;
	bool enabled;
	sd_json_variant *config; /* disable, enable and modify are read where they are used */
	char edits[17];          /* hash of what decides over the content; "" without edits */
	/* what happened */
	char etag[DOWNLOAD_TAG_CHARS + 1];
	char modified[64];
	char version[17];
	char result[16]; /* installed, unchanged, failed; "" when never tried */
	char why[256];   /* of the failure */
	uint64_t count;
	uint64_t serial;   /* number of the version, where the source counts: a .cvd, a signature */
	uint64_t released; /* seconds since 1970, by the source's own word; 0: not said */
	uint64_t failures; /* in a row */
	uint64_t first_seen;
	uint64_t last_try; /* seconds since 1970 */
	uint64_t last_success;
	uint64_t retry_at;  /* not before: the server said so */
	bool unconfirmed;   /* waits for Confirm */
	bool due;           /* its settings have changed: the next try is soon */
	uint64_t warned_at; /* of its age */
	bool busy;
	struct attempt *attempt; /* while busy; fetch owns it */
};

struct source_list {
	struct source *item[SOURCES_MAX];
	unsigned n;
};

void source_free(struct source *s);
void source_list_free(struct source_list *l);
struct source *source_find(const struct source_list *l, const char *name);
/* From the configuration object; it may lack the list. secrets is the same object with the secret
 * leaves, or NULL. -EINVAL with *ret_why (heap). */
int source_list_parse(
	sd_json_variant *config, sd_json_variant *secrets, struct source_list *ret, char **ret_why);
/* Takes what happened to each source of the same name and type from the old ones. */
void source_list_inherit(struct source_list *l, const struct source_list *old);
/* The last part of the address: the file's name. */
void source_file_name(const struct source *s, char *out, size_t cap);
/* The address to fetch: {password} replaced, and `suffix` put behind the path. NULL: no memory. */
char *source_url(const struct source *s, const char *suffix);
