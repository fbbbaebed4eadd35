/*
 * report: the reply to Scan, as JSON.
 *
 *	result      clean | infected | limit | ambiguous | error; only "clean" means that all was
 *read signature   what was found, or why it failed; else "" database    name of the signatures part
 *where: number of the part and the name a reader shows, "whole", or "" limit       size | files |
 *depth | time | parts | header | work | memory; else "" reason      for ambiguous: why nobody can
 *say what a reader would show; else "" facts       words of fact.h, each once details     for each
 *part with facts: {part, facts, name}; at most REPORT_DETAILS_MAX parts, cached, bytes   readings
 *scanned, known by hash, bytes decoded
 */
#pragma once

#include <systemd/sd-json.h>

#include "scan/message.h"

int report_build(const struct report *r, const char *database, sd_json_variant **ret);
