/*
 * source: where signatures come from: the administrator's settings, and what happened so far.
 *
 * Settings come from the configuration's list `update/source`. What happened outlives a restart in
 * update/state.json; of a source whose address has changed only its history counts, not its ETag.
 *
 * Limits: SOURCES_MAX sources. A try follows the last by the interval, moved by up to a tenth so
 * that many boxes do not come at once; after failures sooner: SOURCE_RETRY_S, doubled each time, up
 * to the interval. Refuses: a configuration with a source that is not complete, or named twice.
 */
#pragma once

#include <systemd/sd-json.h>

#include "update/download.h"
#include "update/type.h"

#define SOURCES_MAX 64
#define SOURCE_RETRY_S 60
#define SOURCE_FIRST_S 10 /* after the start, at least: the network may still be coming up */

struct attempt;

struct source {
	/* settings */
	char *name;
	char *url;
	const struct signature_type *type;
	unsigned interval_min;
	bool enabled;
	/* what happened */
	char etag[DOWNLOAD_TAG_CHARS + 1];
	char modified[64];
	char version[17];
	char result[16]; /* installed, unchanged, failed; "" when never tried */
	char why[256];   /* of the failure */
	uint64_t count;
	uint64_t failures; /* in a row */
	uint64_t last_try; /* seconds since 1970 */
	uint64_t last_success;
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
/* From the configuration object; it may lack the list. -EINVAL with *ret_why (heap). */
int source_list_parse(sd_json_variant *config, struct source_list *ret, char **ret_why);
/* Takes what happened to each source of the same name and type from the old ones. */
void source_list_inherit(struct source_list *l, const struct source_list *old);
/* Seconds from now to the next try; random is any number. */
uint64_t source_delay_s(const struct source *s, uint64_t now, uint32_t random);
/* The last part of the address: the file's name. */
void source_file_name(const struct source *s, char *out, size_t cap);

/* What the state file holds, and Status shows: fields of one source. Empty texts are left out. */
int source_report(const struct source *s, uint64_t now, sd_json_variant **ret);
int source_list_save(const struct source_list *l, const char *path);
/* A missing or damaged file means that nothing has happened yet. */
void source_list_restore(struct source_list *l, const char *path);
