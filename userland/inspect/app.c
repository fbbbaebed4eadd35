#include "inspect/app.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wstrict-prototypes"
#include <ndpi/ndpi_api.h>
#pragma GCC diagnostic pop

#define APP_SEGMENT_BYTES 6000

struct app {
	struct ndpi_detection_module_struct *ndpi;
};

static const uint16_t carriers[] = {NDPI_PROTOCOL_HTTP, NDPI_PROTOCOL_TLS, NDPI_PROTOCOL_QUIC,
	NDPI_PROTOCOL_DTLS, NDPI_PROTOCOL_HTTP_PROXY, NDPI_PROTOCOL_HTTP_CONNECT,
	NDPI_PROTOCOL_SOCKS, NDPI_PROTOCOL_DNS};

int app_new(struct app **ret)
{
	NDPI_PROTOCOL_BITMASK all;
	struct app *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	a->ndpi = ndpi_init_detection_module(ndpi_no_prefs);
	if (!a->ndpi) {
		free(a);
		return -ENOMEM;
	}
	NDPI_BITMASK_SET_ALL(all);
	ndpi_set_protocol_detection_bitmask2(a->ndpi, &all);
	ndpi_finalize_initialization(a->ndpi);
	*ret = a;
	return 0;
}

void app_free(struct app *a)
{
	if (!a)
		return;
	ndpi_exit_detection_module(a->ndpi);
	free(a);
}

static void take_answer(struct app_flow *f, ndpi_protocol proto)
{
	f->id = proto.app_protocol;
	f->carrier = proto.master_protocol;
	if (f->id == NDPI_PROTOCOL_UNKNOWN) {
		f->id = f->carrier;
		f->carrier = 0;
	}
	f->confidence = (uint8_t)f->ndpi->confidence;
	if (f->id >= APP_MAX || f->carrier >= APP_MAX)
		f->id = f->carrier = 0;
}

static void finish(struct app_flow *f)
{
	ndpi_free_flow(f->ndpi);
	f->ndpi = NULL;
	f->final = true;
}

static void give_up(struct app *a, struct app_flow *f)
{
	uint8_t guessed;

	if (f->id == NDPI_PROTOCOL_UNKNOWN)
		take_answer(f, ndpi_detection_giveup(a->ndpi, f->ndpi, 1, &guessed));
	finish(f);
}

/* The kernel gives us many segments as one packet (GSO), nDPI looks through all of it for lines:
 * it gets the first ones: enough for a hello with its certificates. */
static struct span segment_of(const struct packet *p, uint8_t buf[static APP_SEGMENT_BYTES])
{
	bool v6 = p->ip.n && p->ip.p[0] >> 4 == 6;
	size_t n = APP_SEGMENT_BYTES - (v6 ? 40 : 0); /* RFC 8200, section 3: of the payload */

	if (p->ip_proto != IPPROTO_TCP || p->ip.n <= APP_SEGMENT_BYTES)
		return span_take(p->ip, UINT16_MAX);
	memcpy(buf, p->ip.p, APP_SEGMENT_BYTES);
	buf[v6 ? 4 : 2] = (uint8_t)(n >> 8);
	buf[v6 ? 5 : 3] = (uint8_t)n;
	return span_of(buf, APP_SEGMENT_BYTES);
}

bool app_packet(struct app *a, struct app_flow *f, const struct packet *p)
{
	uint8_t buf[APP_SEGMENT_BYTES];
	uint16_t before = f->id;

	if (f->final)
		return false;
	if (!f->ndpi) {
		f->ndpi = ndpi_calloc(1, sizeof(*f->ndpi));
		if (!f->ndpi) { /* out of memory: stays unknown */
			f->final = true;
			return true;
		}
	}
	struct span ip = segment_of(p, buf);
	uint64_t at_ms = (uint64_t)p->at.tv_sec * 1000 + (uint64_t)p->at.tv_usec / 1000;
	take_answer(f,
		ndpi_detection_process_packet(a->ndpi, f->ndpi, ip.p, (unsigned short)ip.n, at_ms));
	f->pkts++;
	if (f->pkts >= (p->ip_proto == IPPROTO_TCP ? APP_TCP_PKTS : APP_UDP_PKTS))
		give_up(a, f);
	else if (f->id != NDPI_PROTOCOL_UNKNOWN &&
		 !ndpi_extra_dissection_possible(a->ndpi, f->ndpi))
		finish(f);
	return f->final || f->id != before;
}

void app_end(struct app *a, struct app_flow *f)
{
	if (f->ndpi)
		give_up(a, f);
}

/* Measured with 4.2: a BitTorrent handshake enters nDPI's own cache of peers and is found there
 * before the answer is given, so it is reported as DPI (cache), never as DPI. */
bool app_is_dpi(const struct app_flow *f)
{
	if (f->id == NDPI_PROTOCOL_BITTORRENT && f->confidence == NDPI_CONFIDENCE_DPI_CACHE)
		return true;
	return f->id != NDPI_PROTOCOL_UNKNOWN && f->confidence == NDPI_CONFIDENCE_DPI;
}

bool app_is_carrier(uint16_t id)
{
	for (size_t i = 0; i < sizeof(carriers) / sizeof(*carriers); i++)
		if (carriers[i] == id)
			return true;
	return false;
}

const char *app_confidence(const struct app_flow *f)
{
	return ndpi_confidence_get_name((ndpi_confidence_t)f->confidence);
}

const char *app_name(struct app *a, uint16_t id)
{
	return ndpi_get_proto_name(a->ndpi, id);
}

uint16_t app_by_name(struct app *a, const char *name)
{
	unsigned n = ndpi_get_num_supported_protocols(a->ndpi);

	for (unsigned i = 1; i < n && i < APP_MAX; i++)
		if (strcasecmp(ndpi_get_proto_name(a->ndpi, (uint16_t)i), name) == 0)
			return (uint16_t)i;
	return 0;
}

bool app_by_category(struct app *a, const char *name, uint64_t apps[static APP_MAX / 64])
{
	unsigned n = ndpi_get_num_supported_protocols(a->ndpi), category = 0;
	const char *other = "";

	while (category < NDPI_PROTOCOL_NUM_CATEGORIES) {
		other = ndpi_category_get_name(a->ndpi, (ndpi_protocol_category_t)category);
		if (other && strcasecmp(other, name) == 0)
			break;
		category++;
	}
	if (category == NDPI_PROTOCOL_NUM_CATEGORIES)
		return false;
	for (unsigned i = 1; i < n && i < APP_MAX; i++) {
		ndpi_protocol proto = {.app_protocol = (uint16_t)i};
		if ((unsigned)ndpi_get_proto_category(a->ndpi, proto) == category)
			apps[i / 64] |= UINT64_C(1) << (i % 64);
	}
	return true;
}
