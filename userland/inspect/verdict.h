/*
 * verdict: from matched rules and known application to the fate of a flow.
 *
 * pass: the flow is not inspected any further. drop: this packet is dropped and the flow condemned,
 * all its later packets fall to MARK_DROP; reject: the same, and TCP is reset (reject.h). alert: an
 * event. An application whose policy row says drop condemns its flow once nDPI is sure. Each
 * condemned flow has one drop event that says why. Outside IPS mode nothing is condemned; a drop
 * rule alerts.
 *
 * Bypass is allowed when the application is final, TLS is past its handshake or both directions
 * have reached the stream depth, and no rule could still match. A direction that alone has reached
 * it is given up alone: the other goes on being inspected, only its bare acknowledgements do not
 * come any more (config/ruleset.c).
 */
#pragma once

#include "inspect/engine.h"
#include "inspect/reject.h"

/* What is being judged; the engine fills it for each packet. */
struct judgement {
	const struct generation *gen;
	struct out *out;
	struct counters *counters;
	struct app *app;
	const struct packet *packet;
	struct flow *flow;
	enum flow_side side;
	bool drop_packet;    /* this one only */
	bool pass_packet;    /* no further rule looks at this one */
	bool refuse;         /* with drop_packet: its sender is told */
	bool bypass_side;    /* the kernel may keep this direction to itself */
	bool bypass_flow;    /* a rule gives the flow up, when the packet is done with */
	unsigned alerts;     /* told of this packet */
	struct span payload; /* that the rules looked at */
	bool payload_is_stream;
	uint8_t instead[REJECT_BYTES]; /* what goes on in place of a rejected packet */
	struct unit_seen
		packet_seen; /* sids of this packet's units that are bound to no transaction */
};

/* unit: the transaction they matched in, or NULL for a packet or (stream) a window of the stream.
 */
void verdict_rules(
	struct judgement *j, struct detect_match *m, unsigned n, const struct unit *unit);
void verdict_policy(struct judgement *j);
/* What a unit names is looked up in the lists of domains. */
void verdict_domains(struct judgement *j, const struct unit *unit);
/* This packet is not to go on, in line; told once for each direction of a flow. */
void verdict_packet(struct judgement *j, const char *reason, const char *why);
/* A packet of a flow that was condemned before. */
void verdict_condemned(struct judgement *j);
/* TCP that was not seen from its start: the setting says what becomes of it. */
void verdict_midstream(struct judgement *j);
void verdict_bypass(struct judgement *j);
struct verdict verdict_of(struct judgement *j);
