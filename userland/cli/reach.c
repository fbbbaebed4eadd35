#include "cli/reach.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/interrupt.h"
#include "lib/cleanup.h"

#define TRACE_PORT 33434 /* as traceroute(8) since 1987: nobody listens there */

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

struct addrinfo *reach_resolve(const char *host)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_ADDRCONFIG};
	struct addrinfo *list = NULL;
	int r = getaddrinfo(host, NULL, &hints, &list);

	if (r == 0)
		return list;
	fprintf(stderr, "error: %s: %s\n", host, gai_strerror(r));
	return NULL;
}

int reach_ping_socket(const struct addrinfo *to, const char *interface)
{
	bool six = to->ai_family == AF_INET6;
	_cleanup_close_ int fd = socket(to->ai_family, SOCK_DGRAM | SOCK_CLOEXEC,
		six ? (int)IPPROTO_ICMPV6 : (int)IPPROTO_ICMP);

	if (fd < 0)
		return -errno;
	if (interface && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface,
				 (socklen_t)strlen(interface)) < 0)
		return -errno;
	if (connect(fd, to->ai_addr, to->ai_addrlen) < 0)
		return -errno;
	return take_fd(&fd);
}

/* Identifier and checksum are the kernel's business. */
static size_t echo_make(bool six, uint16_t seq, uint8_t *out)
{
	memset(out, 0, 64);
	out[0] = six ? ICMP6_ECHO_REQUEST : ICMP_ECHO;
	out[6] = (uint8_t)(seq >> 8);
	out[7] = (uint8_t)seq;
	return 64;
}

static bool is_answer(bool six, uint16_t seq, const uint8_t *in, ssize_t n)
{
	return n >= 8 && in[0] == (six ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY) &&
	       in[6] == (uint8_t)(seq >> 8) && in[7] == (uint8_t)seq;
}

/* Until the socket has something; false at the end of the time or after Ctrl-C. */
static bool wait_until(int fd, int64_t end)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int64_t left = end - now_us();

	return left > 0 && !interrupted() && poll(&p, 1, (int)(left / 1000) + 1) > 0;
}

int64_t reach_ping(int fd, const struct addrinfo *to, uint16_t seq)
{
	bool six = to->ai_family == AF_INET6;
	uint8_t packet[512];
	int64_t start = now_us();

	if (send(fd, packet, echo_make(six, seq, packet), 0) < 0)
		return -errno;
	while (wait_until(fd, start + REACH_WAIT_MS * 1000)) {
		ssize_t n = recv(fd, packet, sizeof(packet), MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN)
			return -errno;
		if (is_answer(six, seq, packet, n))
			return now_us() - start;
	}
	return -ETIMEDOUT;
}

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

static void address_text(const struct sockaddr *sa, char *out, size_t cap)
{
	const void *a =
		sa->sa_family == AF_INET6
			? (const void *)&((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr
			: (const void *)&((const struct sockaddr_in *)(const void *)sa)->sin_addr;

	if (sa->sa_family == AF_UNSPEC || !inet_ntop(sa->sa_family, a, out, (socklen_t)cap))
		snprintf(out, cap, "?");
}

/* The error that came back: 1 from the host itself, 0 from a router; -EAGAIN when it is of no use.
 */
static int read_error(int fd, bool six, char *address, size_t cap)
{
	char control[512], data[64];
	struct iovec iov = {data, sizeof(data)};
	struct msghdr m = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control)};

	if (recvmsg(fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
		return -EAGAIN;
	for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
		struct sock_extended_err e;
		if (h->cmsg_len < CMSG_LEN(sizeof(e) + sizeof(struct sockaddr_in)))
			continue;
		memcpy(&e, CMSG_DATA(h), sizeof(e));
		if (e.ee_origin == SO_EE_ORIGIN_LOCAL)
			return -(int)e.ee_errno;
		if (e.ee_origin != SO_EE_ORIGIN_ICMP && e.ee_origin != SO_EE_ORIGIN_ICMP6)
			continue;
		address_text((const struct sockaddr *)(const void *)(CMSG_DATA(h) + sizeof(e)),
			address, cap);
		return e.ee_type == (six ? ICMP6_TIME_EXCEEDED : ICMP_TIME_EXCEEDED) ? 0 : 1;
	}
	return -EAGAIN;
}

static int probe_socket(const struct addrinfo *to, int hops)
{
	bool six = to->ai_family == AF_INET6;
	struct sockaddr_storage where;
	_cleanup_close_ int fd = socket(to->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	int r = six ? set_int(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, hops)
		    : set_int(fd, IPPROTO_IP, IP_TTL, hops);
	if (r >= 0)
		r = six ? set_int(fd, IPPROTO_IPV6, IPV6_RECVERR, 1)
			: set_int(fd, IPPROTO_IP, IP_RECVERR, 1);
	if (r < 0)
		return r;
	memcpy(&where, to->ai_addr, to->ai_addrlen);
	if (six)
		((struct sockaddr_in6 *)&where)->sin6_port = htons((uint16_t)(TRACE_PORT + hops));
	else
		((struct sockaddr_in *)&where)->sin_port = htons((uint16_t)(TRACE_PORT + hops));
	if (connect(fd, (struct sockaddr *)&where, to->ai_addrlen) < 0)
		return -errno;
	return take_fd(&fd);
}

int reach_hop(const struct addrinfo *to, int hops, char *address, size_t cap, int64_t *ret_us)
{
	int64_t start = now_us();
	_cleanup_close_ int fd = probe_socket(to, hops);

	if (fd < 0)
		return fd;
	if (send(fd, "sekisho", 7, 0) < 0)
		return -errno;
	while (wait_until(fd, start + REACH_WAIT_MS * 1000)) {
		int r = read_error(fd, to->ai_family == AF_INET6, address, cap);
		*ret_us = now_us() - start;
		if (r != -EAGAIN)
			return r;
		char drop[64];
		if (recv(fd, drop, sizeof(drop), MSG_DONTWAIT) >= 0) {
			address_text(to->ai_addr, address, cap);
			return 1; /* somebody does listen there */
		}
	}
	return -ETIMEDOUT;
}
