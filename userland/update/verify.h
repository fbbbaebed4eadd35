/*
 * verify: the role that looks into a download. It has no network and owns nothing.
 *
 *	interface io.sekisho.UpdateVerify
 *	method Verify(source: string, files: []string, confirmed: ?bool, imported: ?bool)
 *		-> (version: string, count: int, changed: bool, serial: int, released: int,
 *		    peak_kb: int, cut_short: bool, disabled: int, enabled: int, modified: int)
 *	method Sweep() -> ()
 *	error Refused (step: string, why: string, steps: bool, unconfirmed: bool)
 *		step: verify, install, activate
 *	error NoSuchSource (source: string)
 *
 * The download is the call's descriptors, in the order of files: "main" with what vouches for it,
 *or "cdiff-<version>"s. What is looked for in it is in parcel.h. How it is checked is decided by
 *the settings, which this role reads itself. What passed goes by descriptor to install. Content
 *that is installed already is not tried again. `steps` says that the whole file may do better,
 *`unconfirmed` that Confirm would let it pass. Sweep has install drop what sources that are gone
 *from the settings have left.
 *
 * One call at a time: of two updates at once, the second engine starts when the first has ended, so
 * that they never need memory for both.
 */
#pragma once

#define VERIFY_INSTALL_S 600 /* for install to answer, its engine included */

int verify_role(void);
