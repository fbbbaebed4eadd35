/*
 * queue: one NFQUEUE of the kernel, over netlink.
 *
 * queue_read() takes what has arrived, up to QUEUE_BATCH packets in one call, and queue_verdict()
 * answers them in the order they came: runs of plain accepts as one batch verdict up to the last
 * id, drops and marks singly, because a batch verdict covers every id below and carries one mark.
 * queue_answer() sends them all in one call. Packets arrive from the network header on,
 * unsegmented (GSO) and up to 64 KB whole.
 *
 * Needs CAP_NET_ADMIN. When the queue is full the kernel lets packets pass (FAIL_OPEN); when the
 * socket's buffer is full it drops the packet or passes it likewise, and we are not told by an
 * error (NETLINK_NO_ENOBUFS): queue_kernel_drops() reads both counts. The rules must be loaded
 * before it is opened.
 *
 * Limits: QUEUE_PACKETS waiting in the kernel, QUEUE_SOCKET_BYTES of socket buffer.
 */
#pragma once

#include "inspect/counter.h"
#include "inspect/engine.h"

#define QUEUE_BATCH 32
#define QUEUE_PACKETS 4096
#define QUEUE_SOCKET_BYTES (8u << 20)

struct queue;

struct queue_packet {
	uint32_t id;
	uint32_t mark;
	uint16_t vlan; /* 0: untagged */
	bool unsummed; /* checksums are not filled in yet (GSO, local senders) */
	struct span bytes;
};

int queue_open(uint16_t number, struct counters *counters, struct queue **ret);
void queue_free(struct queue *q);
/* Waits at most timeout_ms. Number of packets, 0, or -errno. They live until the next read. */
int queue_read(struct queue *q, int timeout_ms, struct queue_packet packets[static QUEUE_BATCH]);
void queue_verdict(struct queue *q, const struct queue_packet *p, struct verdict v);
void queue_answer(struct queue *q);
/* Packets the kernel has lost on queues first..first+n-1, from /proc. */
void queue_kernel_drops(uint16_t first, unsigned n, uint64_t *ret_queue, uint64_t *ret_user);
