/*
 * event: the daemons' EVE events (lib/eve.h) for a reader: the newest, merged by time, or as they
 * come.
 *
 * The command line only reads the files log/<daemon>/eve.json; a line that is no JSON object or has
 * no event_type and timestamp is passed over: it is cut, or being written.
 *
 * Limits: EVENT_TAIL_BYTES of each file; EVENTS_MAX held at once, more in the tails are not looked
 * at.
 */
#pragma once

#include <stdbool.h>
#include <systemd/sd-json.h>

#define EVENT_TAIL_BYTES (1u << 20)
#define EVENTS_MAX 8192

struct event {
	sd_json_variant *json;
	char *line;
};

struct events {
	struct event item[EVENTS_MAX];
	unsigned n;
	unsigned unreadable; /* files */
};

/* Folders below log/ that may hold events. */
extern const char *const event_sources[];

/* Of one daemon, or all (NULL); of these types (NULL-terminated), or all (NULL). Sorted. */
struct events *events_new(const char *daemon, const char *const *types);
void events_free(struct events *e);
static inline void events_freep(struct events **e)
{
	events_free(*e);
}
/* In one line. */
void event_print(sd_json_variant *json);
/* Calls each for every new event until it returns false or Ctrl-C. 0, -errno. */
int events_follow(const char *daemon, const char *const *types,
	bool (*each)(void *ctx, sd_json_variant *json, const char *line), void *ctx);
