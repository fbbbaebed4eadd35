#include "scan/call.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"

#define FDS_MAX 4

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static int wait_for(int fd, short events, uint64_t deadline)
{
	struct pollfd p = {.fd = fd, .events = events};
	uint64_t now = now_ms();

	if (now >= deadline)
		return -ETIMEDOUT;
	int r = poll(&p, 1, (int)(deadline - now));
	if (r < 0)
		return errno == EINTR ? 0 : -errno;
	return r == 0 ? -ETIMEDOUT : 0;
}

/* Keeps the first descriptor that ever came, closes the others. */
static void descriptors_take(struct msghdr *h, int *message)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			if (*message < 0)
				*message = fd;
			else
				close(fd);
		}
	}
}

static ssize_t some_read(int connection, char *out, size_t cap, int *message)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control;
	struct iovec v = {out, cap};
	struct msghdr h = {.msg_iov = &v,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(connection, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? -EAGAIN : -errno;
	descriptors_take(&h, message);
	return n == 0 ? -ECONNRESET : n;
}

static const char *text_of(sd_json_variant *object, const char *key)
{
	sd_json_variant *v = sd_json_variant_by_key(object, key);

	return v && sd_json_variant_is_string(v) ? sd_json_variant_string(v) : "?";
}

static void mark_set(struct call *c, sd_json_variant *parameters)
{
	snprintf(c->mark, sizeof(c->mark), "mail %.64s from <%.200s> at %.46s",
		text_of(parameters, "queue_id"), text_of(parameters, "mail_from"),
		text_of(parameters, "ip"));
	for (char *p = c->mark; *p; p++)
		if (*p < ' ' || *p == 0x7f)
			*p = '?';
}

static int call_parse(struct call *c, const char *text)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *call = NULL;
	int r = sd_json_parse(text, 0, &call, NULL, NULL);

	if (r < 0)
		return r;
	c->is_scan = strcmp(text_of(call, "method"), "io.sekisho.Scan.Scan") == 0;
	mark_set(c, sd_json_variant_by_key(call, "parameters"));
	return 0;
}

int call_read(int connection, struct call *ret)
{
	static char text[CALL_BYTES_MAX];
	uint64_t deadline = now_ms() + CALL_WAIT_MS;
	size_t n = 0;

	*ret = (struct call){.connection = connection, .message = -1};
	for (;;) {
		if (n == sizeof(text))
			return -EMSGSIZE;
		ssize_t got = some_read(connection, text + n, sizeof(text) - n, &ret->message);
		if (got == -EAGAIN) {
			int r = wait_for(connection, POLLIN, deadline);
			if (r < 0)
				return r;
			continue;
		}
		if (got < 0)
			return (int)got;
		bool whole = memchr(text + n, '\0', (size_t)got) != NULL;
		n += (size_t)got;
		if (whole)
			return call_parse(ret, text);
	}
}

static int object_send(const struct call *c, sd_json_variant *object)
{
	_cleanup_free_ char *text = NULL;
	uint64_t deadline = now_ms() + CALL_WAIT_MS;
	int r = sd_json_variant_format(object, 0, &text);

	if (r < 0)
		return r;
	size_t n = strlen(text) + 1, sent = 0; /* the NUL ends the message */
	while (sent < n) {
		ssize_t k = send(c->connection, text + sent, n - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (k >= 0) {
			sent += (size_t)k;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		r = wait_for(c->connection, POLLOUT, deadline);
		if (r < 0)
			return r;
	}
	return 0;
}

int call_reply(const struct call *c, sd_json_variant *parameters)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *object = NULL;
	int r = sd_json_buildo(&object, SD_JSON_BUILD_PAIR_VARIANT("parameters", parameters));

	return r < 0 ? r : object_send(c, object);
}

int call_error(const struct call *c, const char *error, const char *why)
{
	_cleanup_(sd_json_variant_unrefp) sd_json_variant *object = NULL;
	int r = sd_json_buildo(&object, SD_JSON_BUILD_PAIR_STRING("error", error),
		SD_JSON_BUILD_PAIR(
			"parameters", SD_JSON_BUILD_OBJECT(SD_JSON_BUILD_PAIR_STRING("why", why))));

	return r < 0 ? r : object_send(c, object);
}

void call_close(struct call *c)
{
	if (c->message >= 0)
		close(c->message);
	close(c->connection);
	c->message = c->connection = -1;
}
