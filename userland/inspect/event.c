#include "inspect/event.h"

static const char *const names[EVENT_ID_COUNT] = {
#define EVENT(id, name) [EVENT_##id] = name,
#include "inspect/events.def"
#undef EVENT
};

void event_raise(struct event_list *l, enum event_id id)
{
	if (id != EVENT_ID_NONE && l->n < EVENTS_MAX && !event_has(l, id))
		l->id[l->n++] = (uint16_t)id;
}

void event_raise_again(struct event_list *l, enum event_id id)
{
	if (l->n < EVENTS_MAX)
		l->id[l->n++] = (uint16_t)id;
}

bool event_has(const struct event_list *l, enum event_id id)
{
	for (unsigned i = 0; i < l->n; i++)
		if (l->id[i] == id)
			return true;
	return false;
}

const char *event_name(enum event_id id)
{
	return id < EVENT_ID_COUNT ? names[id] : NULL;
}

enum event_id event_by_name(struct span name)
{
	for (unsigned i = 1; i < EVENT_ID_COUNT; i++)
		if (span_caseeq(span_str(names[i]), name))
			return (enum event_id)i;
	return EVENT_ID_NONE;
}

enum event_layer event_layer_of(enum event_id id)
{
	static const struct {
		const char *prefix;
		enum event_layer layer;
	} rows[] = {{"stream.", EVENT_LAYER_STREAM}, {"http.", EVENT_LAYER_APP},
		{"tls.", EVENT_LAYER_APP}, {"dns.", EVENT_LAYER_APP}, {"smtp.", EVENT_LAYER_APP},
		{"ftp.", EVENT_LAYER_APP}, {"smb.", EVENT_LAYER_APP}, {"ssh.", EVENT_LAYER_APP},
		{"applayer_", EVENT_LAYER_APP}};
	struct span name = span_str(event_name(id));

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (span_casestarts(name, span_str(rows[i].prefix)))
			return rows[i].layer;
	return EVENT_LAYER_DECODE;
}
