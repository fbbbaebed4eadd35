/* A name that a client asks for, and the lists of domains: an alert, and a drop where the list says
 * so. The sids are ours: 9900001 to 9900004 by where the name stood (ADR 0020). */
#include <stdio.h>

#include "inspect/verdict.h"

#define SID_FIRST 9900001
#define SHOWN_BYTES 100

static const struct place {
	enum buffer buffer;
	const char *where;
	bool whole_flow; /* a dropped name takes its flow along; of DNS the question alone */
} places[] = {
	{BUFFER_DNS_QUERY, "DNS query", false},
	{BUFFER_TLS_SNI, "TLS server name", true},
	{BUFFER_HTTP_HOST, "HTTP host", true},
};

#define PLACES (sizeof(places) / sizeof(*places))

/* A unit that repeats its buffers does not repeat them. */
static bool is_told(struct unit_seen *seen, uint32_t sid)
{
	for (unsigned i = 0; seen && i < seen->n; i++)
		if (seen->sid[i] == sid)
			return true;
	if (seen && seen->n < UNIT_SIDS)
		seen->sid[seen->n++] = sid;
	return false;
}

/* Names come from the wire. */
static const char *shown(struct span name, char text[static SHOWN_BYTES + 1])
{
	size_t n = name.n < SHOWN_BYTES ? name.n : SHOWN_BYTES;

	for (size_t i = 0; i < n; i++)
		text[i] = name.p[i] > ' ' && name.p[i] < 0x7f ? (char)name.p[i] : '?';
	text[n] = '\0';
	return text;
}

static void judge(struct judgement *j, const struct unit *unit, unsigned place, struct span name)
{
	char msg[SHOWN_BYTES * 2 + 128], text[SHOWN_BYTES + 1];
	struct domain_match found;
	uint32_t sid = SID_FIRST + place;

	if (!domain_list_find(j->gen->domains, name, &found))
		return;
	if (is_told(unit->seen, sid))
		return;
	bool drop = found.list->rule.action == DOMAIN_DROP;
	snprintf(msg, sizeof(msg), "SEKISHO %s %s is in list %s", places[place].where,
		shown(name, text), found.list->rule.name);
	struct detect_match m = {.action = drop ? RULE_DROP : RULE_ALERT,
		.gid = 1,
		.sid = sid,
		.rev = 1,
		.priority = drop ? 1 : 2,
		.msg = msg,
		.class_desc = "Listed domain",
		.buffer = places[place].buffer,
		.whole_flow = places[place].whole_flow || j->packet->ip_proto == IPPROTO_TCP};
	verdict_rules(j, &m, 1, unit);
}

void verdict_domains(struct judgement *j, const struct unit *unit)
{
	if (!unit->to_server)
		return;
	for (unsigned i = 0; i < PLACES; i++) {
		if (unit->buffer[places[i].buffer].p)
			judge(j, unit, i, unit->buffer[places[i].buffer]);
		for (unsigned m = 0; m < unit->more_n; m++)
			if (unit->more[m].buffer == places[i].buffer)
				judge(j, unit, i, unit->more[m].value);
	}
}
