/*
 * selftest: sends a forbidden request through the engine and sees that it is dropped.
 *
 * A bridge of its own between two pairs of veth lies beside the one in use; the ruleset's forward
 * hook holds for every bridge, so what passes here goes the way of all traffic: nftables, queue,
 * inspectd, verdict. A client and a server of one frame at a time play two connections over it (RFC
 * 5737 addresses): a harmless request must arrive, the one that the image's own rule
 * SELFTEST_SID drops must not. Everything is taken down at the end, whatever happened.
 *
 * Needs CAP_NET_ADMIN and CAP_NET_RAW. Touches no frame that is not its own.
 */
#pragma once

#include <stdbool.h>
#include <systemd/sd-json.h>

#define SELFTEST_SID 1000001
#define SELFTEST_WAIT_MS 4000 /* for what must come: emulated machines are slow */
#define SELFTEST_DROP_MS 1500 /* for what must not */

/* [{what, seen, ok}]; 0 or -errno when the wires cannot be laid. */
int selftest_run(bool *ret_passed, sd_json_variant **ret_steps);
