/* Texts over one connection: whole, in pieces, two at once, too long, with descriptors. */
#include "lib/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit.h"

static void pair(struct wire *w, int *other)
{
	int fds[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	wire_take(w, fds[0]);
	*other = fds[1];
}

static void say(int fd, const char *bytes, size_t n)
{
	assert_int_equal(send(fd, bytes, n, 0), (ssize_t)n);
}

static void test_texts(void **state)
{
	static const struct {
		const char *first;
		size_t first_n;
		const char *second;
		size_t second_n;
		int want; /* of the last read */
		const char *text;
	} rows[] = {
		{"{}", 3, NULL, 0, 1, "{}"},
		{"{\"a\":", 5, "1}", 3, 1, "{\"a\":1}"},
		{"{}", 2, "", 1, 1, "{}"},
		{"{}\0{}", 6, NULL, 0, -EPROTO, NULL},
		{"{}\0{", 4, NULL, 0, -EPROTO, NULL},
		{"{", 1, NULL, 0, 0, NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct wire w;
		char *text = NULL;
		int other, r;

		pair(&w, &other);
		assert_int_equal(wire_receive(&w, &text), 0);
		say(other, rows[i].first, rows[i].first_n);
		r = wire_receive(&w, &text);
		if (rows[i].second) {
			assert_int_equal(r, 0);
			say(other, rows[i].second, rows[i].second_n);
			r = wire_receive(&w, &text);
		}
		assert_int_equal(r, rows[i].want);
		if (r == 1)
			assert_string_equal(text, rows[i].text);
		close(other);
		if (r == 1)
			assert_int_equal(wire_receive(&w, &text), -ECONNRESET);
		wire_close(&w);
	}
}

static void test_too_long(void **state)
{
	static char bytes[32768];
	struct wire w;
	char *text;
	int other, r = 0;

	(void)state;
	memset(bytes, 'x', sizeof(bytes));
	pair(&w, &other);
	for (size_t n = 0; n < WIRE_BYTES_MAX && r == 0; n += sizeof(bytes)) {
		say(other, bytes, sizeof(bytes));
		r = wire_receive(&w, &text);
	}
	assert_int_equal(r, 0);
	say(other, bytes, 1);
	assert_int_equal(wire_receive(&w, &text), -EMSGSIZE);
	wire_close(&w);
	close(other);
}

static void test_send(void **state)
{
	static char big[4 << 20];
	struct wire w;
	char got[16];
	int other;

	(void)state;
	pair(&w, &other);
	assert_int_equal(wire_send(&w, SPAN_LIT("{}"), -1), 0);
	assert_int_equal(recv(other, got, sizeof(got), 0), 3);
	assert_memory_equal(got, "{}", 3);
	/* what does not go at once does not go */
	assert_int_equal(wire_send(&w, span_of(big, sizeof(big)), -1), -EMSGSIZE);
	close(other);
	assert_int_equal(wire_send(&w, SPAN_LIT("{}"), -1), -EPIPE);
	wire_close(&w);
	assert_int_equal(wire_open(&w, "/nonexistent/socket"), -ENOENT);
}

/* One descriptor arrives with its text; nobody's are closed. */
static void test_descriptors(void **state)
{
	struct wire from, to;
	char *text;
	int fds[2], back[2];

	(void)state;
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	wire_take(&from, fds[0]);
	wire_take(&to, fds[1]);
	assert_int_equal(pipe(back), 0);
	assert_int_equal(wire_send(&from, SPAN_LIT("{}"), back[1]), 0);
	close(back[1]);
	assert_int_equal(wire_receive(&to, &text), 1);
	assert_true(to.passed >= 0);
	assert_int_equal(write(to.passed, "x", 1), 1);
	/* a second one, while the first is not fetched, is closed */
	int second[2];
	assert_int_equal(pipe(second), 0);
	assert_int_equal(wire_send(&from, SPAN_LIT("{}"), second[1]), 0);
	close(second[1]);
	int first = to.passed;
	assert_int_equal(wire_receive(&to, &text), 1);
	assert_int_equal(to.passed, first);
	char byte;
	assert_int_equal(read(second[0], &byte, 1), 0);
	/* the first goes with the connection */
	wire_close(&to);
	assert_int_equal(read(back[0], &byte, 1), 1);
	assert_int_equal(read(back[0], &byte, 1), 0);
	wire_close(&from);
	close(back[0]);
	close(second[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_texts),
		cmocka_unit_test(test_too_long), cmocka_unit_test(test_send),
		cmocka_unit_test(test_descriptors)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
