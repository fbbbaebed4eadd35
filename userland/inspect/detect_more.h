/*
 * detect_more: what of a flow may pass unseen because no rule can match it (ADR 0018).
 *
 * Two questions. detect_needs_more(): may the rest of a flow, or of one of its directions, pass?
 * detect_needs_empty(): may the TCP segments that carry nothing pass, those that only acknowledge?
 *
 * The rest holds no match for
 * - a rule bound to another application, or to any while the application is unknown: protocols are
 *   recognised by the beginning of a stream;
 * - a rule about addresses, ports and application alone: the packets before have answered it;
 * - a rule whose ports do not hold the flow's server port, or that looks the other way;
 * - a rule that must find a content in the first bytes of a TCP stream, once those are seen;
 * - a rule for TLS, past the handshake: tls.sni is part of it, and what follows is ciphertext;
 * - past the depth of the stream: any rule for streams or for what protocol readers make of them.
 *   Nothing is put in order behind the depth, and readers are fed nothing.
 * What is left past the depth are rules for single packets (tcp-pkt, no_stream, dsize, flags).
 * Those that name the server's port, by a list of at most NAMED_PORTS, or the application, hold
 * their flows; those for any port see every packet before the depth, and hold flows only with
 * hold_all: else nothing of such a ruleset could ever be bypassed. detect_limited() counts them.
 *
 * An empty segment matches a rule that looks at packets without asking for bytes: flags, ack,
 * window, ttl, the header buffers, stream events. Numbers that are the same for each such segment
 * are tried (struct check, fixed); any other is taken to hold.
 */
#pragma once

#include "inspect/detect.h"

#define NAMED_PORTS 256

struct detect_rest {
	enum rule_proto app; /* PROTO_IP: unknown */
	uint16_t server_port;
	bool to_server, to_client; /* what would pass unseen */
	uint64_t bytes;            /* of the stream that rules have seen; the lesser of both */
	bool past_depth;           /* and they will not see more of it */
	bool hold_all;
};

bool detect_needs_more(const struct ruleset *rs, const struct detect_rest *rest);
bool detect_needs_empty(const struct ruleset *rs, uint16_t server_port);
/* Rules that see packets up to the depth only, unless hold_all. */
uint32_t detect_limited(const struct ruleset *rs);
