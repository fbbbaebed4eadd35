/*
 * inquiry: what a person asks of the running engine, as methods of inspectd's control socket.
 *
 *	interface io.sekisho.Inspect
 *	method Flows(limit: ?int) -> (flows: []object, active: int)
 *	method Why(id: int) -> (flow: ?object, rule: ?object)
 *	method Applications() -> (applications: []object)
 *
 * All are for auditors. A flow is {flow_id, proto, src_ip, src_port, dest_ip, dest_port, app_proto,
 * application, carrier, confidence, bytes_toserver, bytes_toclient, pkts_toserver, pkts_toclient,
 * state, start, end, alerted, action, why, decided_by, decided_packet, signature_id}; what is not
 * known is left out. Why takes a flow_id or a signature_id, as events have them: the flow if it is
 * live, and the rule if it is loaded, with the file and line it was read from, the action that is
 * written there and the one that policy gave it. What has ended is in the event log.
 *
 * The threads that serve packets make the copies themselves, between two batches (worker.h): no
 * lock, and no thread reads another's flows. Limits: INQUIRY_FLOWS copies an answer, the newest of
 * each thread first; Applications adds up no more than these.
 */
#pragma once

#include <systemd/sd-varlink.h>

#include "inspect/app.h"
#include "inspect/generation.h"
#include "inspect/worker.h"

#define INQUIRY_FLOWS 8192
#define INQUIRY_FLOWS_USUAL 100

struct inquiry {
	struct worker *const *workers;
	const unsigned *workers_n;
	struct app *const *names;
	struct generation *const *gen;
};

/* q must outlive the server. */
int inquiry_bind(sd_varlink_server *control, const struct inquiry *q);
