#include "inspect/pcap.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>

#include "lib/cleanup.h"
#include "lib/log.h"

static void pcap_close_p(pcap_t **p)
{
	if (*p)
		pcap_close(*p);
}

static int fail(char **ret_why, const char *file, const char *reason)
{
	if (asprintf(ret_why, "%s: %s", file, reason) < 0)
		*ret_why = NULL;
	return -EIO;
}

static void judge(struct engine *e, int link, const struct pcap_pkthdr *h, const u_char *bytes,
	uint64_t number)
{
	struct counters *c = engine_counters_mutable(e);
	struct packet p = {.at = h->ts, .number = number};
	enum decode_result r = decode_link(link, span_of(bytes, h->caplen), &p);
	struct verdict v = engine_packet(e, r, &p);

	counter_inc(c, COUNTER_QUEUE_RECEIVED);
	counter_inc(c, v.drop ? COUNTER_QUEUE_DROPPED : COUNTER_QUEUE_ACCEPTED);
}

int pcap_run(const char *file, struct engine *e, char **ret_why)
{
	char error[PCAP_ERRBUF_SIZE] = "";
	struct pcap_pkthdr *h;
	const u_char *bytes;
	_cleanup_(pcap_close_p) pcap_t *p = pcap_open_offline(file, error);
	uint64_t number = 0;
	int r;

	if (!p)
		return fail(ret_why, file, error);
	int link = pcap_datalink(p);
	if (!decode_link_is_known(link))
		return fail(ret_why, file,
			"link type is none of Ethernet, Linux cooked, loopback, PPP, raw IP");
	while ((r = pcap_next_ex(p, &h, &bytes)) == 1)
		judge(e, link, h, bytes, ++number);
	/* A capture that was cut off is read as far as it goes. */
	if (r == PCAP_ERROR && number == 0)
		return fail(ret_why, file, pcap_geterr(p));
	if (r == PCAP_ERROR)
		log_warning("%s: %s", file, pcap_geterr(p));
	return 0;
}
