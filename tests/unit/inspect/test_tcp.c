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

struct row {
	const char *name;
	struct tcp_options options;
	struct step step[10];
};

static const struct row rows[] = {
	{"open, talk, close", {},
		{HANDSHAKE, C(TCP_ACK, 101, 501, 10, TCP_ESTABLISHED),
			S(TCP_ACK, 501, 111, 20, TCP_ESTABLISHED),
			S(TCP_FIN | TCP_ACK, 521, 111, 0, TCP_FIN_WAIT1),
			C(TCP_ACK, 111, 522, 0, TCP_FIN_WAIT2),
			C(TCP_FIN | TCP_ACK, 111, 522, 0, TCP_TIME_WAIT),
			S(TCP_ACK, 522, 112, 0, TCP_CLOSED)}},
	{"the client closes first", {},
		{HANDSHAKE, C(TCP_FIN | TCP_ACK, 101, 501, 0, TCP_CLOSE_WAIT),
			S(TCP_ACK, 501, 102, 0, TCP_CLOSE_WAIT),
			S(TCP_FIN | TCP_ACK, 501, 102, 0, TCP_LAST_ACK),
			C(TCP_ACK, 102, 502, 0, TCP_CLOSED)}},
	{"the server answers the first of two SYNs", {},
		{C(TCP_SYN, 100, 0, 0, TCP_SYN_SENT), C(TCP_SYN, 7000, 0, 0, TCP_SYN_SENT),
			S(TCP_SYN | TCP_ACK, 500, 101, 0, TCP_SYN_RECV),
			C(TCP_ACK, 101, 501, 10, TCP_ESTABLISHED)}},
	{"a reset before there is an answer", {},
		{C(TCP_SYN, 100, 0, 0, TCP_SYN_SENT),
			{false, TCP_RST, 101, 0, 0, TCP_UNTRACKED, TCP_SYN_SENT, 0},
			S(TCP_SYN | TCP_ACK, 500, 101, 0, TCP_SYN_RECV)}},
	{"who resets goes on", {},
		{HANDSHAKE, C(TCP_RST | TCP_ACK, 101, 501, 0, TCP_CLOSED),
			{true, TCP_ACK, 501, 101, 9, TCP_UNTRACKED, TCP_CLOSED, 0},
			{false, TCP_ACK, 101, 501, 9, TCP_TRACK, TCP_ESTABLISHED,
				EVENT_STREAM_SUSPECTED_RST_INJECT}}},
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
	{"one side lies", {},
		{HANDSHAKE,
			{false, TCP_ACK, 101, 99999, 5, TCP_INVALID, TCP_ESTABLISHED,
				EVENT_STREAM_EST_INVALID_ACK},
			S(TCP_ACK, 501, 101, 20, TCP_ESTABLISHED),
			{false, TCP_ACK, 101, 99999, 5, TCP_INVALID, TCP_ESTABLISHED,
				EVENT_STREAM_EST_INVALID_ACK},
			C(TCP_ACK, 101, 521, 5, TCP_ESTABLISHED)}},
	{"both speak of what passed unseen", {},
		{HANDSHAKE,
			{false, TCP_ACK, 9001, 7001, 5, TCP_INVALID, TCP_ESTABLISHED,
				EVENT_STREAM_EST_INVALID_ACK},
			S(TCP_ACK, 6501, 9001, 500, TCP_ESTABLISHED),
			C(TCP_ACK, 9001, 7001, 5, TCP_ESTABLISHED),
			S(TCP_ACK, 7001, 9006, 9, TCP_ESTABLISHED)}},
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

/* Segments that only acknowledge are not shown. */
static const struct row bare_rows[] = {
	{"the client speaks first", {},
		{C(TCP_SYN, 100, 0, 0, TCP_SYN_SENT),
			S(TCP_SYN | TCP_ACK, 500, 101, 0, TCP_SYN_RECV),
			C(TCP_ACK, 101, 501, 10, TCP_ESTABLISHED),
			S(TCP_ACK, 501, 111, 20, TCP_ESTABLISHED),
			S(TCP_FIN | TCP_ACK, 521, 111, 0, TCP_FIN_WAIT1),
			C(TCP_FIN | TCP_ACK, 111, 522, 0, TCP_TIME_WAIT)}},
	{"the server speaks first", {},
		{C(TCP_SYN, 100, 0, 0, TCP_SYN_SENT),
			S(TCP_SYN | TCP_ACK, 500, 101, 0, TCP_SYN_RECV),
			S(TCP_ACK, 501, 101, 10, TCP_ESTABLISHED),
			C(TCP_ACK, 101, 511, 5, TCP_ESTABLISHED)}},
	{"the last ACK of the handshake is wrong", {},
		{C(TCP_SYN, 100, 0, 0, TCP_SYN_SENT),
			S(TCP_SYN | TCP_ACK, 500, 101, 0, TCP_SYN_RECV),
			{false, TCP_ACK, 101, 777, 5, TCP_INVALID, TCP_SYN_RECV,
				EVENT_STREAM_3WHS_RIGHT_SEQ_WRONG_ACK_EVASION}}},
	{"more than what was offered last, and more than any window", {},
		{C(TCP_SYN, 100, 0, 0, TCP_SYN_SENT),
			S(TCP_SYN | TCP_ACK, 500, 101, 0, TCP_SYN_RECV),
			C(TCP_ACK, 101, 501, 10, TCP_ESTABLISHED),
			S(TCP_ACK, 501, 111, 90000, TCP_ESTABLISHED),
			S(TCP_ACK, 90501, 111, 90000, TCP_ESTABLISHED),
			{true, TCP_ACK, 9000000, 111, 5, TCP_INVALID, TCP_ESTABLISHED,
				EVENT_STREAM_EST_PACKET_OUT_OF_WINDOW}}},
};

/* It is known that packets passed: what either side says next is where it is. */
static void test_pick_up_again(void **state)
{
	struct tcp t = {.state = TCP_ESTABLISHED};
	const struct tcp_options options = {};
	struct event_list events = {};
	struct packet p = {.tcp_flags = TCP_ACK, .tcp_wscale = TCP_NO_WSCALE, .tcp_window = 8192};

	(void)state;
	t.side[0] = (struct tcp_side){
		.isn = 100, .next = 101, .acked = 101, .window = 8192, .known = true};
	t.side[1] = (struct tcp_side){
		.isn = 500, .next = 501, .acked = 501, .window = 8192, .known = true};
	tcp_pick_up_again(&t);
	p.seq = 30000000, p.ack = 70000000, p.payload.n = 1400;
	assert_int_equal(tcp_packet(&t, &options, &p, false, &events), TCP_TRACK);
	p.seq = 70000000, p.ack = 30001400, p.payload.n = 100;
	assert_int_equal(tcp_packet(&t, &options, &p, true, &events), TCP_TRACK);
	assert_int_equal(events.n, 0);
	assert_true(t.side[0].behind && t.side[1].behind);
}

static void rows_check(const struct row *row, size_t n, bool bare)
{
	for (const struct row *end = row + n; row < end; row++) {
		struct tcp t = {.bare = bare};
		for (size_t j = 0; j < ARRAY_LEN(row->step) && row->step[j].flags; j++) {
			const struct step *s = &row->step[j];
			struct event_list events = {};
			struct packet p = {.tcp_flags = s->flags,
				.seq = s->seq,
				.ack = s->ack,
				.payload = {NULL, s->payload_bytes},
				.tcp_wscale = TCP_NO_WSCALE,
				.tcp_window = 8192};
			enum tcp_fate fate =
				tcp_packet(&t, &row->options, &p, s->from_server, &events);
			if (fate != s->want || t.state != s->state ||
				(s->event && !event_has(&events, s->event)))
				fail_msg("%s, packet %zu: fate %d, state %s, %u events, first %s",
					row->name, j + 1, fate, tcp_state_name(t.state), events.n,
					events.n ? event_name(events.id[0]) : "-");
		}
	}
}

static void test_rows(void **state)
{
	(void)state;
	rows_check(rows, ARRAY_LEN(rows), false);
	rows_check(bare_rows, ARRAY_LEN(bare_rows), true);
}

static void test_syn_flood(void **state)
{
	static const struct tcp_options options;
	unsigned raised = 0;
	struct tcp t = {};

	(void)state;
	for (uint32_t i = 0; i < TCP_SYNS_USUAL + 4; i++) {
		struct event_list events = {};
		struct packet p = {.tcp_flags = TCP_SYN,
			.seq = 1000 * i,
			.tcp_wscale = TCP_NO_WSCALE,
			.tcp_window = 8192};

		assert_int_equal(tcp_packet(&t, &options, &p, false, &events), TCP_TRACK);
		raised += event_has(&events, EVENT_STREAM_3WHS_SYN_FLOOD);
	}
	assert_int_equal(raised, 3);
}

/* A reset by who has not seen the SYN gives another timestamp back (RFC 7323, section 3.2). */
static void test_blind_reset(void **state)
{
	static const struct tcp_options options;
	static const struct {
		uint32_t echo;
		enum tcp_fate want;
	} rows_of_echo[] = {{999, TCP_INVALID}, {1000, TCP_TRACK}, {1005, TCP_TRACK},
		{1006, TCP_INVALID}, {0, TCP_TRACK}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows_of_echo); i++) {
		struct event_list events = {};
		struct tcp t = {};
		struct packet p = {.tcp_flags = TCP_SYN,
			.seq = 1,
			.has_tcp_timestamp = true,
			.tcp_tsval = 1000,
			.tcp_window = 8192};
		struct packet reset = {.tcp_flags = TCP_RST | TCP_ACK,
			.ack = 2,
			.has_tcp_timestamp = true,
			.tcp_tsval = 77,
			.tcp_tsecr = rows_of_echo[i].echo};

		tcp_packet(&t, &options, &p, false, &events);
		p.tcp_tsval = 1005; /* sent again */
		tcp_packet(&t, &options, &p, false, &events);
		assert_int_equal(
			tcp_packet(&t, &options, &reset, true, &events), rows_of_echo[i].want);
		assert_int_equal(event_has(&events, EVENT_STREAM_PKT_INVALID_TIMESTAMP),
			rows_of_echo[i].want == TCP_INVALID);
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
		cmocka_unit_test(test_pick_up_again),
		cmocka_unit_test(test_syn_flood),
		cmocka_unit_test(test_blind_reset),
		cmocka_unit_test(test_timestamp),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
