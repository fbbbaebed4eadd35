/*
 * checksum: the one's complement sum of the Internet protocols (RFC 1071).
 *
 * checksum_add() sums bytes onto a sum, each call from an even place on; checksum_fold() makes the
 * field's value of it. Over a header that holds its right checksum the value is 0.
 *
 * Limits: 64 KB in all, far from where the sum would overflow.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

static inline uint32_t checksum_add(uint32_t sum, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i + 1 < n; i += 2)
		sum += (uint32_t)(p[i] << 8 | p[i + 1]);
	return n % 2 ? sum + (uint32_t)(p[n - 1] << 8) : sum;
}

static inline uint16_t checksum_fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}
