#include "lib/eve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/retention.h"

#define BUFFER_BYTES (256u << 10)

struct eve {
	char *dir;
	int fd;
	uint64_t file_bytes;
	time_t file_begin;
	time_t checked; /* when what is kept was last looked after */
	struct retention keep;
	uint64_t lost;
	size_t used;
	time_t stamp_second; /* the second that stamp was made for */
	char stamp[32];
	char line[EVE_LINE_BYTES];
	char buffer[BUFFER_BYTES];
};

static int open_file(struct eve *e)
{
	char path[4096];
	struct stat st;

	snprintf(path, sizeof(path), "%s/eve.json", e->dir);
	e->fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (e->fd < 0)
		return -errno;
	e->file_bytes = fstat(e->fd, &st) == 0 ? (uint64_t)st.st_size : 0;
	e->file_begin = retention_begin(path, time(NULL));
	return 0;
}

int eve_open(const char *dir, struct eve **ret)
{
	struct eve *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->fd = -1;
	e->dir = strdup(dir);
	int r = e->dir ? open_file(e) : -ENOMEM;
	if (r < 0) {
		eve_free(e);
		return r;
	}
	*ret = e;
	return 0;
}

void eve_free(struct eve *e)
{
	if (!e)
		return;
	eve_flush(e);
	if (e->fd >= 0)
		close(e->fd);
	free(e->dir);
	free(e);
}

static void rotate(struct eve *e)
{
	char from[4096], to[4096];

	close(e->fd);
	for (int i = RETENTION_FILES - 1; i > 0; i--) {
		if (i == 1)
			snprintf(from, sizeof(from), "%s/eve.json", e->dir);
		else
			snprintf(from, sizeof(from), "%s/eve.json.%d", e->dir, i - 1);
		snprintf(to, sizeof(to), "%s/eve.json.%d", e->dir, i);
		if (rename(from, to) < 0 && errno != ENOENT)
			break; /* the file then goes on growing; the next flush tries again */
	}
	open_file(e);
}

static void keep(struct eve *e)
{
	time_t now = time(NULL);
	bool due = now - e->checked >= RETENTION_CHECK_S || now < e->checked;

	if (due) {
		retention_load(&e->keep);
		e->checked = now;
	}
	if (e->file_bytes && (e->file_bytes >= e->keep.file_bytes ||
				     (due && retention_is_over(&e->keep, e->file_begin, now))))
		rotate(e);
	if (due)
		retention_apply(&e->keep, e->dir, now);
}

void eve_flush(struct eve *e)
{
	size_t done = 0;

	if (e->fd < 0)
		open_file(e);
	while (done < e->used) {
		ssize_t n = write(e->fd, e->buffer + done, e->used - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			for (size_t i = done; i < e->used; i++)
				e->lost += e->buffer[i] == '\n';
			break;
		}
		done += (size_t)n;
	}
	e->file_bytes += done;
	e->used = 0;
	keep(e);
}

static void format_stamp(struct eve *e, const struct timeval *at)
{
	struct tm tm;

	if (e->stamp_second != at->tv_sec || !e->stamp[0]) {
		gmtime_r(&at->tv_sec, &tm);
		strftime(e->stamp, sizeof(e->stamp), "%Y-%m-%dT%H:%M:%S", &tm);
		e->stamp_second = at->tv_sec;
	}
}

void eve_begin(struct eve *e, struct jsonw *w, const char *event_type, const struct timeval *at)
{
	struct timeval now;

	if (!at) {
		gettimeofday(&now, NULL);
		at = &now;
	}
	format_stamp(e, at);
	jsonw_init(w, e->line, sizeof(e->line));
	jsonw_object(w, NULL);
	jsonw_fmt(w, "timestamp", "%s.%06ld+0000", e->stamp, (long)at->tv_usec);
	jsonw_str(w, "event_type", event_type);
}

bool eve_end(struct eve *e, struct jsonw *w)
{
	struct span line = jsonw_done(w);

	if (line.n == 0) {
		e->lost++;
		return false;
	}
	if (e->used + line.n + 1 > sizeof(e->buffer))
		eve_flush(e);
	memcpy(e->buffer + e->used, line.p, line.n);
	e->used += line.n;
	e->buffer[e->used++] = '\n';
	return true;
}

void eve_append(struct eve *e, struct span lines)
{
	while (lines.n) {
		struct span part = span_take(lines, sizeof(e->buffer) - e->used);
		while (part.n && part.p[part.n - 1] != '\n') /* a file ends with a whole line */
			part.n--;
		if (part.n == 0 && e->used == 0)
			return; /* longer than any line: not ours */
		if (part.n == 0) {
			eve_flush(e);
			continue;
		}
		memcpy(e->buffer + e->used, part.p, part.n);
		e->used += part.n;
		lines = span_skip(lines, part.n);
	}
}

uint64_t eve_lost(const struct eve *e)
{
	return e->lost;
}
