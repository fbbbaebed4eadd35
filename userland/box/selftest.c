#include "box/selftest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "box/frame.h"
#include "box/link.h"
#include "lib/cleanup.h"

#define BRIDGE "skt-br"
#define LAN "skt-lan"
#define WAN "skt-wan"

static const char harmless[] = "GET /sekisho-test-ok HTTP/1.1\r\nHost: test.invalid\r\n\r\n";
static const char forbidden[] = "GET /sekisho-test-drop HTTP/1.1\r\nHost: test.invalid\r\n\r\n";

struct wires {
	int lan, wan; /* packet sockets on the outer ends */
};

static int open_end(const char *name)
{
	struct sockaddr_ll where = {.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_IP),
		.sll_ifindex = (int)if_nametoindex(name)};
	_cleanup_close_ int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_IP));

	if (fd < 0 || bind(fd, (struct sockaddr *)&where, sizeof(where)) < 0)
		return -errno;
	return take_fd(&fd);
}

static void wires_down(struct wires *w)
{
	close_p(&w->lan);
	close_p(&w->wan);
	link_delete(LAN);
	link_delete(WAN);
	link_delete(BRIDGE);
}

static int wires_up(struct wires *w)
{
	*w = (struct wires){-1, -1};
	wires_down(w); /* what a killed run may have left */
	int r = link_add_bridge(BRIDGE);
	if (r >= 0)
		r = link_add_wire(LAN, LAN "-b", BRIDGE);
	if (r >= 0)
		r = link_add_wire(WAN, WAN "-b", BRIDGE);
	if (r >= 0)
		r = w->lan = open_end(LAN);
	if (r >= 0)
		r = w->wan = open_end(WAN);
	return r < 0 ? r : 0;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Does the frame come out at the other end? */
static bool passes(const struct wires *w, const struct frame *f, int wait_ms)
{
	uint8_t buf[FRAME_BYTES];
	int from = f->from_client ? w->lan : w->wan, to = f->from_client ? w->wan : w->lan;
	int64_t end = now_ms() + wait_ms, left;
	size_t n = frame_make(f, buf);

	if (send(from, buf, n, 0) < 0)
		return false;
	while ((left = end - now_ms()) > 0) {
		struct pollfd p = {.fd = to, .events = POLLIN};
		if (poll(&p, 1, (int)left) <= 0)
			continue;
		struct sockaddr_ll where;
		socklen_t len = sizeof(where);
		ssize_t got = recvfrom(
			to, buf, sizeof(buf), MSG_DONTWAIT, (struct sockaddr *)&where, &len);
		/* A packet socket sees what it has sent itself too. */
		if (got > 0 && where.sll_pkttype != PACKET_OUTGOING &&
			frame_is(span_of(buf, (size_t)got), f))
			return true;
	}
	return false;
}

/* Opens a connection and asks; true when the request came through. *ret_open: the handshake did. */
static bool ask(
	const struct wires *w, uint16_t port, const char *request, int wait_ms, bool *ret_open)
{
	const struct frame syn = {true, port, 1000, 0, FRAME_SYN, NULL};
	const struct frame syn_ack = {false, port, 5000, 1001, FRAME_SYN | FRAME_ACK, NULL};
	const struct frame ack = {true, port, 1001, 5001, FRAME_ACK, NULL};
	const struct frame get = {true, port, 1001, 5001, FRAME_PSH | FRAME_ACK, request};
	const struct frame reset = {
		true, port, 1001 + (uint32_t)strlen(request), 5001, FRAME_RST | FRAME_ACK, NULL};

	/* The first frames of a new bridge may be lost. */
	*ret_open = passes(w, &syn, SELFTEST_WAIT_MS / 2) || passes(w, &syn, SELFTEST_WAIT_MS);
	*ret_open = *ret_open && passes(w, &syn_ack, SELFTEST_WAIT_MS) &&
		    passes(w, &ack, SELFTEST_WAIT_MS);
	bool passed = *ret_open && passes(w, &get, wait_ms);
	passes(w, &reset, 1);
	return passed;
}

static int step(sd_json_variant **steps, bool *all, const char *what, const char *seen, bool ok)
{
	*all = *all && ok;
	return sd_json_variant_append_arraybo(steps, SD_JSON_BUILD_PAIR_STRING("what", what),
		SD_JSON_BUILD_PAIR_STRING("seen", seen), SD_JSON_BUILD_PAIR_BOOLEAN("ok", ok));
}

int selftest_run(bool *ret_passed, sd_json_variant **ret_steps)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *steps = NULL;
	_cleanup_(wires_down) struct wires w;
	/* A port that no earlier run has used: the kernel remembers connections. */
	uint16_t port = (uint16_t)(20000 + 2 * (now_ms() / 1000 % 20000));
	bool open, all = true;
	int r = wires_up(&w);

	if (r < 0)
		return r;
	bool passed = ask(&w, port, harmless, SELFTEST_WAIT_MS, &open);
	r = step(&steps, &all, "a harmless request passes",
		passed ? "it came through"
		: open ? "the connection opened, the request did not come through"
		       : "the connection did not open",
		passed);
	if (r < 0)
		return r;
	passed = ask(&w, (uint16_t)(port + 1), forbidden, SELFTEST_DROP_MS, &open);
	r = step(&steps, &all, "a forbidden request is dropped",
		!open    ? "the connection did not open"
		: passed ? "it came through: inspectd is not in the path, only monitors, or its "
			   "rules "
			   "lack sid 1000001"
			 : "it did not come through",
		open && !passed);
	if (r < 0)
		return r;
	*ret_passed = all;
	*ret_steps = take_ptr(steps);
	return 0;
}
