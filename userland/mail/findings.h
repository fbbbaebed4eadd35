/*
 * findings: what the checks found out about one message. Plain data: checks fill it, policy reads
 * it, the event tells it.
 *
 * Texts come from other processes of this box that have read hostile bytes, so they are cut to
 * these sizes and held to printable ASCII before they are put into a reply or an event.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FINDINGS_DKIM_MAX 8        /* signatures told in the event; the check itself sees all */
#define FINDINGS_REMOVE_MAX 1024   /* fields left out; with more the message is unchecked */
#define FINDINGS_HEADER_BYTES 8192 /* Authentication-Results with its folds */

struct finding_dkim {
	char result[16];
	char domain[256];
	char selector[64];
};

struct findings {
	struct {
		char result[16];
		char domain[256];
	} spf;
	struct finding_dkim dkim[FINDINGS_DKIM_MAX];
	unsigned dkim_count;
	struct {
		char result[16];
		char domain[256];
		char policy[16];
		char disposition[16];
		char voucher[256]; /* trusted ARC sealer that made the disposition none */
	} dmarc;
	struct {
		char result[16];
		char sealer[256]; /* of the newest seal */
	} arc;
	struct {
		char domain[256]; /* A-labels; empty when refused */
		char address[512];
		char display_name[256]; /* printable UTF-8 */
	} from;
	char refusal[64]; /* why no result could protect the reader; empty when there is none */
	struct {
		char result[16];
		char signature[128];
		char database[64];
		char part[128];   /* where in the message */
		char limit[16];   /* of result "limit": which one */
		char reason[128]; /* of result "ambiguous": why */
		char facts[256];  /* words of scan's reply, a blank between two */
	} scan;
	char *header; /* to put in front of the message; heap, NULL when there is none */
	struct {
		size_t offset, bytes;
	} remove[FINDINGS_REMOVE_MAX]; /* whole lines of the message, ascending */
	unsigned remove_count;
	char unchecked[128]; /* why a check did not happen; empty when all did */
};
