/*
 * reach: is a host there, and which way: ping and traceroute without privileges.
 *
 * ping sends ICMP echo over the kernel's datagram sockets (net.ipv4.ping_group_range has the
 * administrators' groups); traceroute sends UDP with a growing hop limit and reads the errors that
 * routers send back (IP_RECVERR). Both ask for IPv6 or IPv4 by what the name has.
 *
 * Limits: REACH_HOPS hops; one probe in flight.
 */
#pragma once

#include <netdb.h>
#include <stdbool.h>
#include <stdint.h>

#define REACH_HOPS 30
#define REACH_WAIT_MS 2000

/* The first address of a host; NULL after having said why there is none. */
struct addrinfo *reach_resolve(const char *host);
/* A socket for ping(8)-like echoes to one peer, or -errno. */
int reach_ping_socket(const struct addrinfo *to, const char *interface);
/* Sends echo number seq and waits for its answer: round trip in microseconds, -ETIMEDOUT, -errno.
 */
int64_t reach_ping(int fd, const struct addrinfo *to, uint16_t seq);
/* One probe with this hop limit. 0 with the router's address and time, 1 when it is the host
 * itself, -ETIMEDOUT, -errno. */
int reach_hop(const struct addrinfo *to, int hops, char *address, size_t cap, int64_t *ret_us);
