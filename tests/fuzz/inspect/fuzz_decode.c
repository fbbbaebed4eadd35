/* Frames of any link type; then the same bytes as HTTP, TLS and DNS, in pieces. The first byte
 * chooses. */
#include "inspect/decode.h"
#include "inspect/reader.h"

#include <pcap/dlt.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t unit_bytes;

static void on_unit(void *ctx, const struct unit *u)
{
	(void)ctx;
	for (unsigned i = 0; i < BUFFER_COUNT; i++)
		for (size_t j = 0; j < u->buffer[i].n; j++)
			unit_bytes += u->buffer[i].p[j];
}

static void feed(const struct reader_ops *ops, struct span data)
{
	static struct reader_env env = {.fn = on_unit, .wanted = UINT64_MAX};
	struct reader *r = ops->new(&env);
	bool to_server = true;

	while (r && data.n) {
		/* The piece's size and direction come from the data, so that a fuzzer can steer
		 * them. */
		struct span piece = span_take(data, 1 + (data.p[0] & 63u) * 4);
		to_server = data.p[0] & 64 ? !to_server : to_server;
		data = span_skip(data, piece.n);
		if (ops->feed(r, to_server, piece) != READER_OK)
			break;
	}
	if (r && ops->end) {
		ops->end(r, true, false);
		ops->end(r, false, false);
	}
	if (r)
		r->ops->free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int links[] = {DLT_EN10MB, DLT_LINUX_SLL, DLT_LINUX_SLL2, DLT_NULL, DLT_LOOP,
		DLT_PPP, DLT_RAW, DLT_IPV4, DLT_IPV6};
	static const struct reader_ops *const readers[] = {&reader_http, &reader_tls,
		&reader_dns_udp, &reader_dns_tcp, &reader_ssh, &reader_ftp, &reader_smtp};
	enum {
		LINKS = sizeof(links) / sizeof(*links),
		READERS = sizeof(readers) / sizeof(*readers)
	};
	struct packet p = {};

	if (size == 0)
		return 0;
	struct span rest = span_of(data + 1, size - 1);
	unsigned choice = data[0] % (LINKS + READERS);
	if (choice >= LINKS) {
		feed(readers[choice - LINKS], rest);
		return 0;
	}
	if (decode_link(links[choice], rest, &p) == DECODE_OK)
		for (size_t i = 0; i < p.payload.n; i++)
			unit_bytes += p.payload.p[i];
	return 0;
}
