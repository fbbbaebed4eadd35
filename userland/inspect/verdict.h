/*
 * verdict: from matched rules and known application to the fate of a flow.
 *
 * pass: the flow is not inspected any further. drop and reject (until resets are sent, the same):
 * this packet is dropped and the flow condemned, all its later packets fall to MARK_DROP. alert: an
 * event. An application whose policy row says drop condemns its flow once nDPI is sure. Each
 * condemned flow has one drop event that says why. Outside IPS mode nothing is condemned; a drop
 * rule alerts.
 *
 * Bypass is allowed when the application is final, TLS is past its handshake or both directions
 * have reached the stream depth, and no rule could still match.
 */
#pragma once

#include "inspect/engine.h"

/* What is being judged; the engine fills it for each packet. */
struct judgement {
	const struct generation *gen;
	struct out *out;
	struct counters *counters;
	struct app *app;
	const struct packet *packet;
	struct flow *flow;
	enum flow_side side;
	bool drop_packet; /* this one only */
	struct unit_seen
		packet_seen; /* sids of this packet's units that are bound to no transaction */
};

/* unit: the transaction they matched in, or NULL for a packet or (stream) a window of the stream.
 */
void verdict_rules(struct judgement *j, const struct detect_match *m, unsigned n,
	const struct unit *unit, bool stream);
void verdict_policy(struct judgement *j);
/* A segment that the stream would not keep. */
void verdict_segment(struct judgement *j);
void verdict_bypass(struct judgement *j);
struct verdict verdict_of(const struct judgement *j);
