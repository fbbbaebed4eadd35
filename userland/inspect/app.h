/*
 * app: which application a flow carries, by nDPI.
 *
 * The only file that knows nDPI. A struct app is one detection module: it belongs to one thread. A
 * flow holds a struct app_flow; app_packet() is called for each of its packets until the answer is
 * final, after which nDPI's own state of the flow is given back. Until then `id` may hold a
 * provisional answer.
 *
 * Policy acts only on an answer with confidence DPI (app_is_dpi): guesses by port or by address are
 * reported, not acted on. Carriers (HTTP, TLS, QUIC) are acted on only when final: what they carry
 * may have a row of its own.
 *
 * Limits: APP_TCP_PKTS and APP_UDP_PKTS packets, then nDPI is asked for its best guess and that is
 * final.
 */
#pragma once

#include "inspect/decode.h"

#define APP_MAX 512 /* ids are below; 0 is unknown */
#define APP_TCP_PKTS 80
#define APP_UDP_PKTS 24

struct app;
struct ndpi_flow_struct;

struct app_flow {
	struct ndpi_flow_struct *ndpi; /* NULL before the first packet and after the final answer */
	uint16_t id;                   /* the application, such as BitTorrent */
	uint16_t carrier;              /* what it runs over, such as TLS; 0 when nothing */
	uint16_t pkts;
	uint8_t confidence; /* nDPI's scale */
	bool final;
};

int app_new(struct app **ret);
void app_free(struct app *a);

/* True when the answer changed or became final with this packet. */
bool app_packet(struct app *a, struct app_flow *f, const struct packet *p);
/* At the end of a flow: the best guess becomes final. Allowed at any time. */
void app_end(struct app *a, struct app_flow *f);

bool app_is_dpi(const struct app_flow *f);
/* HTTP, TLS, QUIC and their like, whose content may still name another application. */
bool app_is_carrier(uint16_t id);
const char *app_confidence(const struct app_flow *f);
/* Names do not change after app_new(): any thread may ask. */
const char *app_name(struct app *a, uint16_t id);
/* Sets the bits of the applications of nDPI's category, such as SocialNetwork; false: no such one.
 */
bool app_by_category(struct app *a, const char *name, uint64_t apps[static APP_MAX / 64]);
/* 0 when there is no such application. ASCII case does not matter. */
uint16_t app_by_name(struct app *a, const char *name);
