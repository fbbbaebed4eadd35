/*
 * eve: the one path of an event from a daemon to log, command line and syslog.
 *
 * A daemon appends EVE JSON lines (the schema of Suricata's eve.json) to log/<daemon>/eve.json on
 * the data partition; `sekisho` reads and follows those files. When it is large or old enough
 * (lib/retention.h) the file becomes eve.json.1 and so on. A line that cannot be written is
 *counted, never waited for.
 *
 *	struct jsonw w;
 *	eve_begin(e, &w, "alert", NULL);
 *	jsonw_str(&w, "src_ip", ...);
 *	eve_end(e, &w);
 *
 * One writer per struct eve; a thread that emits has its own or takes the owner's lock.
 */
#pragma once

#include <stdint.h>
#include <sys/time.h>

#include "lib/jsonw.h"

#define EVE_LINE_BYTES 65536

struct eve;

/* Opens dir/eve.json for appending. -errno on failure. */
int eve_open(const char *dir, struct eve **ret);
/* Flushes and closes; NULL is allowed. */
void eve_free(struct eve *e);
/* Starts a line with timestamp (now when NULL) and event_type; the object stays open. */
void eve_begin(struct eve *e, struct jsonw *w, const char *event_type, const struct timeval *at);
/* Ends the line and buffers it. False when it was lost (too long, disk full): counted. */
bool eve_end(struct eve *e, struct jsonw *w);
/* Appends whole lines that were formatted elsewhere, each with its line end. */
void eve_append(struct eve *e, struct span lines);
/* Writes out what is buffered: at every turn of the daemon's loop, or by a timer. */
void eve_flush(struct eve *e);
uint64_t eve_lost(const struct eve *e);
