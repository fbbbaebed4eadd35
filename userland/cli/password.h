/*
 * password: asks for a new password of an account and has configd keep its yescrypt hash.
 *
 * The password itself never leaves this process; it is wiped as soon as it is hashed.
 * Limits: PASSWORD_MIN characters or more, PASSWORD_MAX bytes or less.
 */
#pragma once

#include "cli/cli.h"

#define PASSWORD_MIN 10
#define PASSWORD_MAX 256 /* CRYPT_MAX_PASSPHRASE_SIZE is 512 */

/* What the questions and complaints are in the language of the reader. */
struct password_texts {
	const char *ask, *again, *none, *differ, *short_, *done;
};
extern const struct password_texts password_english;

/* NULL: good enough; else what is wrong with it. */
const char *password_fault(const char *password, const struct password_texts *t);
/* Asks twice on this terminal; the exit code. */
int password_request(struct cli *c, const char *account, const struct password_texts *t);
/* Hashes and commits without asking; the exit code. */
int password_store(struct cli *c, const char *account, const char *password);
