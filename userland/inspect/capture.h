/*
 * capture: what a group of a rule's expression matched, kept by name for the events.
 *
 * pcre:"/(?P<flow_agent>...)/" or pcre:"/(...)/, flow:agent" names a group. Of kind alert it stands
 * in the alert (alert.context), of kind pkt beside it (metadata.pktvars), of kind flow in this and
 * all later alerts of the flow and in its flow event (metadata.flowvars). The rule's match brings
 * its captures (detect_match); those of the flow are copied to the flow.
 *
 * A flowbit of the name traffic/id/NAME or traffic/label/NAME is shown too: as traffic.id and
 * traffic.label.
 *
 * Limits: CAPTURE_BYTES of a group and CAPTURE_NAME_BYTES of a name, cut; CAPTURE_GROUPS groups of
 * an expression, refused; CAPTURES of a unit and FLOW_VARS of a flow, FLOW_VARS_ALL of a thread:
 * further ones are not kept.
 */
#pragma once

#include <stdbool.h>

#include "lib/span.h"

#define CAPTURE_BYTES 64
#define CAPTURE_NAME_BYTES 32
#define CAPTURE_GROUPS 8
#define CAPTURES 16
#define FLOW_VARS 8
#define FLOW_VARS_ALL 4096

enum capture_kind {
	CAPTURE_ALERT,
	CAPTURE_FLOW,
	CAPTURE_PKT,
	CAPTURE_TRAFFIC_ID, /* a flowbit that says what the flow is, without a value */
	CAPTURE_TRAFFIC_LABEL
};

/* A group of an expression; lives with its ruleset. */
struct capture_name {
	enum capture_kind kind;
	uint8_t group; /* from 1 */
	uint8_t n;
	char text[CAPTURE_NAME_BYTES];
};

struct capture {
	const struct capture_name *name;
	uint8_t n;
	uint8_t bytes[CAPTURE_BYTES];
};

struct flow_var {
	struct flow_var *next;
	enum capture_kind kind;
	uint8_t name_n, n;
	char name[CAPTURE_NAME_BYTES];
	uint8_t bytes[CAPTURE_BYTES];
};

/* "alert_x", "flow_x" or "pkt_x": false when it is none of these. */
bool capture_name_read(struct span text, uint8_t sep, struct capture_name *ret);
/* "traffic/id/x", "traffic/label/x": likewise. */
bool capture_traffic_read(struct span text, struct capture_name *ret);
/* It goes with the flow. */
static inline bool capture_is_of_flow(const struct capture_name *name)
{
	return name->kind != CAPTURE_ALERT && name->kind != CAPTURE_PKT;
}
/* Sets the flow's variable; *all counts those of the thread. */
void flow_var_set(struct flow_var **vars, unsigned *all, const struct capture *c);
void flow_vars_free(struct flow_var **vars, unsigned *all);
