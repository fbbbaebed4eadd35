#include "inspect/tcp.h"

#include "unit.h"

struct step {
	bool from_server;
	uint8_t flags;
	uint32_t seq, ack;
	size_t payload_bytes;
	enum tcp_fate want;
	enum tcp_state state; /* after it */
	enum event_id event;  /* 0: none is looked for */
};

#define C(flags, seq, ack, n, state) {false, flags, seq, ack, n, TCP_TRACK, state, 0}
#define S(flags, seq, ack, n, state) {true, flags, seq, ack, n, TCP_TRACK, state, 0}
#define HANDSHAKE \
	C(TCP_SYN, 100, 0, 0, TCP_SYN_SENT), S(TCP_SYN | TCP_ACK, 500, 101, 0, TCP_SYN_RECV), \
		C(TCP_ACK, 101, 501, 0, TCP_ESTABLISHED)

static const struct {
	const char *name;
	struct tcp_options options;
	struct step step[10];
} rows[] = {
	{"open, talk, close", {},
		{HANDSHAKE, C(TCP_ACK, 101, 501, 10, TCP_ESTABLISHED),
			S(TCP_ACK, 501, 111, 20, TCP_ESTABLISHED),
			C(TCP_FIN | TCP_ACK, 111, 521, 0, TCP_FIN_WAIT1),
			S(TCP_ACK, 521, 112, 0, TCP_FIN_WAIT2),
			S(TCP_FIN | TCP_ACK, 521, 112, 0, TCP_TIME_WAIT),
			C(TCP_ACK, 112, 522, 0, TCP_CLOSED)}},
	{"reset within the window", {}, {HANDSHAKE, S(TCP_RST | TCP_ACK, 501, 101, 0, TCP_CLOSED)}},
	{"reset with a number from nowhere", {},
		{HANDSHAKE, {true, TCP_RST, 5000000, 0, 0, TCP_INVALID, TCP_ESTABLISHED,
				    EVENT_STREAM_SUSPECTED_RST_INJECT}}},
	{"SYN+ACK for another SYN", {},
		{C(TCP_SYN, 100, 0, 0, TCP_SYN_SENT),
			{true, TCP_SYN | TCP_ACK, 500, 999, 0, TCP_INVALID, TCP_SYN_SENT,
				EVENT_STREAM_3WHS_SYNACK_WITH_WRONG_ACK}}},
	{"last ACK of the handshake is wrong", {},
		{C(TCP_SYN, 100, 0, 0, TCP_SYN_SENT),
			S(TCP_SYN | TCP_ACK, 500, 101, 0, TCP_SYN_RECV),
			{false, TCP_ACK, 101, 777, 0, TCP_INVALID, TCP_SYN_RECV,
				EVENT_STREAM_3WHS_RIGHT_SEQ_WRONG_ACK_EVASION}}},
	{"acknowledges what was never sent", {},
		{HANDSHAKE, {false, TCP_ACK, 101, 99999, 5, TCP_INVALID, TCP_ESTABLISHED,
				    EVENT_STREAM_EST_INVALID_ACK}}},
	{"far beyond the window", {},
		{HANDSHAKE, {false, TCP_ACK, 9000000, 501, 5, TCP_INVALID, TCP_ESTABLISHED,
				    EVENT_STREAM_EST_PACKET_OUT_OF_WINDOW}}},
	{"a second SYN", {},
		{HANDSHAKE, {false, TCP_SYN, 100, 0, 0, TCP_INVALID, TCP_ESTABLISHED,
				    EVENT_STREAM_EST_SYN_RESEND}}},
	{"SYN and FIN", {},
		{{false, TCP_SYN | TCP_FIN, 1, 0, 0, TCP_INVALID, TCP_NONE, EVENT_STREAM_FIN_SYN}}},
	{"midway, not picked up", {}, {{false, TCP_ACK, 7, 8, 3, TCP_UNTRACKED, TCP_NONE, 0}}},
	{"midway, picked up", {.midstream = true},
		{C(TCP_ACK, 7, 8, 3, TCP_ESTABLISHED), S(TCP_ACK, 8, 10, 30, TCP_ESTABLISHED)}},
	{"one direction, not allowed", {},
		{C(TCP_SYN, 100, 0, 0, TCP_SYN_SENT),
			{false, TCP_ACK, 101, 501, 5, TCP_UNTRACKED, TCP_SYN_SENT, 0}}},
	{"one direction", {.async = true},
		{C(TCP_SYN, 100, 0, 0, TCP_SYN_SENT), C(TCP_ACK, 101, 501, 5, TCP_ESTABLISHED),
			C(TCP_ACK, 106, 9000, 5, TCP_ESTABLISHED)}},
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct tcp t = {};
		for (size_t j = 0; j < ARRAY_LEN(rows[i].step) && rows[i].step[j].flags; j++) {
			const struct step *s = &rows[i].step[j];
			struct event_list events = {};
			struct packet p = {.tcp_flags = s->flags,
				.seq = s->seq,
				.ack = s->ack,
				.payload = {NULL, s->payload_bytes},
				.tcp_wscale = TCP_NO_WSCALE,
				.tcp_window = 8192};
			enum tcp_fate fate =
				tcp_packet(&t, &rows[i].options, &p, s->from_server, &events);
			if (fate != s->want || t.state != s->state ||
				(s->event && !event_has(&events, s->event)))
				fail_msg("%s, packet %zu: fate %d, state %s, %u events, first %s",
					rows[i].name, j + 1, fate, tcp_state_name(t.state),
					events.n, events.n ? event_name(events.id[0]) : "-");
		}
	}
}

/* RFC 7323: an old timestamp on new bytes is an old duplicate, or an attempt to feed us. */
static void test_timestamp(void **state)
{
	static const struct tcp_options options;
	struct event_list events = {};
	struct tcp t = {};
	struct packet p = {.tcp_flags = TCP_SYN,
		.seq = 1,
		.has_tcp_timestamp = true,
		.tcp_tsval = 1000,
		.tcp_wscale = 0,
		.tcp_window = 8192};
	struct packet answer = {.tcp_flags = TCP_SYN | TCP_ACK,
		.seq = 9,
		.ack = 2,
		.tcp_wscale = 0,
		.tcp_window = 8192};

	(void)state;
	tcp_packet(&t, &options, &p, false, &events);
	tcp_packet(&t, &options, &answer, true, &events);
	p.tcp_flags = TCP_ACK;
	p.seq = 2;
	p.ack = 10;
	assert_int_equal(tcp_packet(&t, &options, &p, false, &events), TCP_TRACK);
	p.tcp_tsval = 10;
	p.payload.n = 4;
	assert_int_equal(tcp_packet(&t, &options, &p, false, &events), TCP_INVALID);
	assert_true(event_has(&events, EVENT_STREAM_PKT_INVALID_TIMESTAMP));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_timestamp),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
