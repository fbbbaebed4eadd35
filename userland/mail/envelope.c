#include "mail/envelope.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "lib/mark.h"

static void text_copy(char *out, size_t cap, struct span text)
{
	text = span_take(text, cap - 1);
	if (text.n)
		memcpy(out, text.p, text.n);
	out[text.n] = '\0';
}

unsigned envelope_vlan(uint32_t mark)
{
	return mark & MARK_BRIDGED ? (mark & MARK_VLAN_MASK) >> MARK_VLAN_SHIFT : 0;
}

uint32_t envelope_mark(unsigned vlan)
{
	return vlan ? vlan << MARK_VLAN_SHIFT | MARK_BRIDGED : 0;
}

void envelope_helo(struct envelope *e, struct span name)
{
	text_copy(e->helo, sizeof(e->helo), name);
}

void envelope_mail(struct envelope *e, struct span address)
{
	envelope_reset(e);
	e->has_mail = true;
	text_copy(e->mail_from, sizeof(e->mail_from), address);
}

bool envelope_rcpt(struct envelope *e, struct span address)
{
	if (e->rcpt_count == e->rcpt_cap) {
		unsigned cap = e->rcpt_cap ? 2 * e->rcpt_cap : 4;
		char **rcpt = reallocarray(e->rcpt, cap, sizeof(*rcpt));
		if (!rcpt)
			return false;
		e->rcpt = rcpt;
		e->rcpt_cap = cap;
	}
	e->rcpt[e->rcpt_count] = span_dup(address);
	if (!e->rcpt[e->rcpt_count])
		return false;
	e->rcpt_count++;
	return true;
}

void envelope_reset(struct envelope *e)
{
	for (unsigned i = 0; i < e->rcpt_count; i++)
		free(e->rcpt[i]);
	free(e->rcpt);
	e->rcpt = NULL;
	e->rcpt_count = e->rcpt_cap = 0;
	e->has_mail = false;
	e->mail_from[0] = '\0';
}

bool endpoint_of(const struct sockaddr_storage *address, struct endpoint *ret)
{
	if (address->ss_family == AF_INET) {
		const struct sockaddr_in *in4 = (const struct sockaddr_in *)address;
		ret->port = ntohs(in4->sin_port);
		return inet_ntop(AF_INET, &in4->sin_addr, ret->ip, sizeof(ret->ip)) != NULL;
	}
	if (address->ss_family != AF_INET6)
		return false;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
	ret->port = ntohs(in6->sin6_port);
	if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
		return inet_ntop(AF_INET, in6->sin6_addr.s6_addr + 12, ret->ip, sizeof(ret->ip)) !=
		       NULL;
	return inet_ntop(AF_INET6, &in6->sin6_addr, ret->ip, sizeof(ret->ip)) != NULL;
}

bool endpoint_parse(const char *text, struct endpoint *ret)
{
	const char *colon = strrchr(text, ':');
	struct sockaddr_storage any;
	socklen_t len;
	uint64_t port;

	if (!colon || !span_u64(span_str(colon + 1), UINT16_MAX, &port))
		return false;
	struct span ip = span_of(text, (size_t)(colon - text));
	if (ip.n >= 2 && ip.p[0] == '[' && ip.p[ip.n - 1] == ']')
		ip = span_take(span_skip(ip, 1), ip.n - 2);
	if (ip.n >= sizeof(ret->ip))
		return false;
	text_copy(ret->ip, sizeof(ret->ip), ip);
	ret->port = (uint16_t)port;
	return endpoint_sockaddr(ret->ip, ret->port, &any, &len) != 0;
}

int endpoint_sockaddr(
	const char *ip, uint16_t port, struct sockaddr_storage *ret, socklen_t *ret_len)
{
	struct sockaddr_in *in4 = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;

	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, ip, &in4->sin_addr) == 1) {
		in4->sin_family = AF_INET;
		in4->sin_port = htons(port);
		*ret_len = sizeof(*in4);
		return AF_INET;
	}
	if (inet_pton(AF_INET6, ip, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		*ret_len = sizeof(*in6);
		return AF_INET6;
	}
	return 0;
}
