/*
 * policy_tag: marks a message that goes on: a field of ours in front, and a prefix in the Subject.
 *
 * The field is X-Sekisho: <rule>; one that came with the message is a forgery and left out, also
 * when the message is not tagged. With a prefix every Subject field is left out and the first one
 * put in front again behind the prefix, which is an encoded word (RFC 2047) when it is not ASCII.
 * That changes a field that DKIM signs: the sender's signature does not hold after it, the results
 * of the checkpoint do.
 *
 * Works on the findings: their header and the ranges left out. Nothing else of the message changes.
 */
#pragma once

#include "lib/span.h"
#include "mail/findings.h"
#include "mail/policy_rule.h"

#define TAG_FIELD "X-Sekisho"

/* rule NULL: only forged fields go. -ENOMEM, or -E2BIG when there are more fields to leave out than
 * findings hold. */
int policy_tag(struct findings *f, struct span message, const struct policy_rule *rule);
