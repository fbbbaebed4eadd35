/*
 * pcap: the offline mode, a capture in front of the engine and no verdict behind.
 *
 * Refuses: a file that libpcap cannot open, and link types that decode.h does not know. A capture
 * that breaks off is read up to there.
 */
#pragma once

#include "inspect/engine.h"

/* 0, or -errno with *ret_why (heap). Counts the verdicts as the queue does. */
int pcap_run(const char *file, struct engine *e, char **ret_why);
