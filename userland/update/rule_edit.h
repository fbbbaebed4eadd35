/*
 * rule_edit: the administrator's changes to the rules of a source: some left out, some that come
 * commented out put in, some modified, in that order, as suricata-update does it.
 *
 * A rule is a line, or several that end in a backslash; "#" before the action comments it out. What
 * is disabled becomes a comment, so that the file still tells. A modification replaces every place
 * that its expression finds; \1 to \9 in the replacement are its groups.
 *
 * Limits: RULE_EDITS_MAX entries; a rule may become RULE_BYTES long: one that would is refused with
 * the delivery. Refuses: entries that cannot be read, at the commit already (rule_edit_check).
 */
#pragma once

#include <stdint.h>
#include <systemd/sd-json.h>

#include "update/unpack.h"

#define RULE_EDITS_MAX 10000
#define RULE_BYTES 65536

struct rule_edit_counts {
	uint64_t disabled, enabled, modified;
};

/* Of a source's settings. -EINVAL with *ret_why (heap). */
int rule_edit_check(sd_json_variant *source, char **ret_why);
/* Rewrites the files of the folder; nothing is touched when there is nothing to change. */
int rule_edit_files(sd_json_variant *source, int dir_fd, const struct delivery_names *names,
	struct rule_edit_counts *ret, char **ret_why);
