/*
 * The rule reader and the engine: the input is rule text up to a NUL, then the bytes that every
 * buffer of a unit holds. The text is an administrator's or a download's, the rest a stranger's.
 */
#include "inspect/detect.h"
#include "inspect/detect_memory.h"
#include "inspect/detect_more.h"
#include "inspect/ruleset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool in_app(enum rule_proto app)
{
	return app != PROTO_IP;
}

static void unit_run(const struct ruleset *rs, struct span bytes)
{
	static const enum rule_proto apps[] = {PROTO_IP, PROTO_HTTP, PROTO_TLS, PROTO_DNS};
	struct detect_match matches[DETECT_MATCHES];
	const struct buffer_more more[] = {
		{BUFFER_FILE_DATA, bytes}, {BUFFER_TLS_CERTS, span_skip(bytes, bytes.n / 2)}};
	struct detect_flow flow = {0};
	struct detect_memory *memory;
	struct detect_scratch *s;

	if (detect_memory_new(&memory) < 0)
		return;
	if (detect_scratch_new(rs, &s) < 0) {
		detect_memory_free(memory);
		return;
	}
	detect_scratch_bind(s, memory);
	for (unsigned i = 0; i < 16; i++) {
		struct detect_input in = {
			.src = {4, {10, 0, 0, 1}},
			.dst = {6, {0x20, 0x01, 0x0d, 0xb8}},
			.src_port = 40000,
			.dst_port = 80,
			.ip_proto = i & 8 ? IPPROTO_UDP : IPPROTO_TCP,
			.app = apps[i % 4],
			.to_server = i & 4,
			.established = true,
			.stream = i & 1,
			.stream_old = i & 1 ? bytes.n / 2 : 0,
			.transaction = in_app(apps[i % 4]),
			.more = more,
			.more_n = 2,
			.now.tv_sec = i,
		};

		for (unsigned b = 0; b < (in.app == PROTO_IP ? 1 : BUFFER_COUNT); b++)
			in.buffer[b] = bytes;
		(void)detect_run(rs, s, &in, &flow, matches);
		const struct detect_rest rest = {.app = in.app,
			.server_port = 80,
			.to_server = i & 2,
			.to_client = !(i & 2),
			.bytes = i * 100,
			.past_depth = i & 1};
		(void)detect_needs_more(rs, &rest);
		(void)detect_needs_empty(rs, 80);
	}
	detect_scratch_free(s);
	detect_memory_free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span all = span_of(data, size), bytes = {data, 0};
	ptrdiff_t nul = span_chr(all, 0);
	struct rule_load_stats stats = {0};
	struct ruleset *rs = ruleset_new();

	if (!rs)
		return 0;
	if (nul >= 0) {
		bytes = span_skip(all, (size_t)nul + 1);
		all = span_take(all, (size_t)nul);
	}
	if (ruleset_add(rs, "fuzz.rules", all, NULL, NULL, NULL, &stats) == 0 &&
		ruleset_finish(rs, NULL) == 0)
		unit_run(rs, bytes);
	ruleset_put(rs);
	return 0;
}
