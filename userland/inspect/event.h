/*
 * event: what a decoder, the stream or a protocol reader found odd, by the name rules know it by.
 *
 * Names are Suricata's: decode-event:ipv6.frag_overlap is the event "ipv6.frag_overlap",
 * stream-event:est_invalid_ack is "stream.est_invalid_ack", app-layer-event:http.x is "http.x". A
 * new event is one row of events.def, raised where the oddity is seen. Whoever looks at a packet or
 * a unit gets the list of what was raised there; the log tells them as anomaly events.
 *
 * Limits: EVENTS_MAX of one packet or unit, the first stand: an attacker who piles up oddities is
 * known by those.
 */
#pragma once

#include "lib/span.h"

#define EVENTS_MAX 16

enum event_id {
	EVENT_ID_NONE,
#define EVENT(id, name) EVENT_##id,
#include "inspect/events.def"
#undef EVENT
	EVENT_ID_COUNT
};

struct event_list {
	uint8_t n;
	uint16_t id[EVENTS_MAX]; /* enum event_id */
};

void event_raise(struct event_list *l, enum event_id id);
/* Each time, where the number of times is told. */
void event_raise_again(struct event_list *l, enum event_id id);
bool event_has(const struct event_list *l, enum event_id id);
/* "ipv6.frag_overlap", or NULL. */
const char *event_name(enum event_id id);
/* EVENT_ID_NONE when there is none of that name. ASCII case does not matter. */
enum event_id event_by_name(struct span name);

/* Who saw it: the type of the anomaly event. */
enum event_layer { EVENT_LAYER_DECODE, EVENT_LAYER_STREAM, EVENT_LAYER_APP };
enum event_layer event_layer_of(enum event_id id);
