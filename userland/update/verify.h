/*
 * verify: the role that looks into a download. It has no network and owns nothing.
 *
 *	interface io.sekisho.UpdateVerify
 *	method Verify(source: string, type: string, file_name: string)
 *		-> (version: string, count: int, changed: bool)
 *	error Refused (step: string, why: string)		step: verify, install, activate
 *
 * The download is the call's descriptor. It is copied first, so that it cannot change between check
 * and use; unpacked with limits; loaded by the engine (trial.h); compared with what is installed;
 *and the files that passed go by descriptor to install. Content that is installed already is not
 *tried again.
 *
 * Limits: DELIVERY_BYTES for the download, tar.h for what is in it.
 * Refuses: less than half of what the same source delivered before: that is an accident or an
 *attack.
 */
#pragma once

#define VERIFY_INSTALL_S 600 /* for install to answer, its engine included */

int verify_role(void);
