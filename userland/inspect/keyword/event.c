/* What decoder, stream or a protocol reader found odd (event.h). app-layer-event names its protocol
 * itself, the others are for one part. */
#include "inspect/keyword.h"

enum part { PART_APP, PART_DECODE, PART_STREAM };

static bool event_holds(const struct check *c, const struct detect_input *in)
{
	return in->events && event_has(in->events, (enum event_id)c->id);
}

/* The protocol of "http.request_field_too_long". */
static void app_bind(struct rule_build *b, struct span name)
{
	ptrdiff_t dot = span_chr(name, '.');

	for (unsigned i = 0; dot > 0 && i < PROTO_COUNT; i++)
		if (proto_info[i].is_app && b->rule.app == PROTO_IP &&
			span_caseeq(span_take(name, (size_t)dot), span_str(proto_info[i].name)))
			b->rule.app = (enum rule_proto)i;
}

static int event_parse(struct rule_build *b, const struct keyword *k, struct span arg)
{
	char name[96];
	struct check *c = rule_check(b);
	int n = snprintf(name, sizeof(name), "%s%.*s", k->value == PART_STREAM ? "stream." : "",
		SPAN_ARGS(arg));

	if (!c)
		return -EINVAL;
	c->holds = event_holds;
	c->id = (uint16_t)event_by_name(span_of(name, n > 0 ? (size_t)n : 0));
	if (c->id == EVENT_ID_NONE)
		return rule_fail(b, arg, "event \"%s\" is never raised here", name);
	b->rule.on_event = true;
	if (k->value == PART_APP)
		app_bind(b, arg);
	else
		b->rule.units = UNITS_PACKET;
	return 0;
}

const struct keyword keyword_event[] = {
	{"app-layer-event", ARG_NEEDED, PART_APP, event_parse},
	{"decode-event", ARG_NEEDED, PART_DECODE, event_parse},
	{"engine-event", ARG_NEEDED, PART_DECODE, event_parse},
	{"stream-event", ARG_NEEDED, PART_STREAM, event_parse},
	{0},
};
