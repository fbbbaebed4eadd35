#include "inspect/out.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "inspect/out_line.h"

/* Two halves: the owner fills one, the writer empties the other. */
struct half {
	size_t n;
	char bytes[OUT_BUFFER_BYTES / 2];
};

struct log {
	struct eve *eve;
	pthread_mutex_t write_lock; /* of the file: one writer at a time */
	pthread_mutex_t list_lock;
	struct out *members;
	pthread_t thread;
	bool threaded, stop;
	const char *capture; /* NULL: live */
	pthread_mutex_t wake_lock;
	pthread_cond_t wake;
};

struct out {
	struct log *log;
	struct out *next;
	pthread_mutex_t lock; /* held for a copy or a swap, never for the disk */
	struct half *filling, *emptying;
	atomic_uint_fast64_t lost;
	time_t stamp_second; /* the second that stamp was made for */
	char stamp[32];
	char line[EVE_LINE_BYTES];
};

static void out_release(struct out *o)
{
	free(o->filling);
	free(o->emptying);
	pthread_mutex_destroy(&o->lock);
	free(o);
}

static int member_new(struct log *log, struct out **ret)
{
	struct out *o = calloc(1, sizeof(*o));

	if (!o)
		return -ENOMEM;
	pthread_mutex_init(&o->lock, NULL);
	o->log = log;
	o->filling = malloc(sizeof(*o->filling)); /* pages come with use */
	o->emptying = malloc(sizeof(*o->emptying));
	if (!o->filling || !o->emptying) {
		out_release(o);
		return -ENOMEM;
	}
	o->filling->n = o->emptying->n = 0;
	pthread_mutex_lock(&log->list_lock);
	o->next = log->members;
	log->members = o;
	pthread_mutex_unlock(&log->list_lock);
	*ret = o;
	return 0;
}

int out_fork(struct out *o, struct out **ret)
{
	return member_new(o->log, ret);
}

static void member_flush(struct out *o)
{
	struct log *log = o->log;

	pthread_mutex_lock(&log->write_lock);
	pthread_mutex_lock(&o->lock);
	struct half *full = o->filling;
	o->filling = o->emptying;
	o->emptying = full;
	pthread_mutex_unlock(&o->lock);
	if (full->n)
		eve_append(log->eve, span_of(full->bytes, full->n));
	full->n = 0;
	pthread_mutex_unlock(&log->write_lock);
}

static void log_flush(struct log *log)
{
	pthread_mutex_lock(&log->list_lock);
	for (struct out *o = log->members; o; o = o->next)
		member_flush(o);
	pthread_mutex_unlock(&log->list_lock);
	pthread_mutex_lock(&log->write_lock);
	eve_flush(log->eve);
	pthread_mutex_unlock(&log->write_lock);
}

void out_flush(struct out *o)
{
	log_flush(o->log);
}

static void *writer_main(void *arg)
{
	struct log *log = arg;
	bool stop = false;

	while (!stop) {
		struct timespec until;
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += OUT_VISIT_MS * 1000000L;
		if (until.tv_nsec >= 1000000000L) {
			until.tv_sec++;
			until.tv_nsec -= 1000000000L;
		}
		pthread_mutex_lock(&log->wake_lock);
		if (!log->stop)
			pthread_cond_timedwait(&log->wake, &log->wake_lock, &until);
		stop = log->stop;
		pthread_mutex_unlock(&log->wake_lock);
		log_flush(log);
	}
	return NULL;
}

int out_start_writer(struct out *o)
{
	struct log *log = o->log;

	if (log->threaded)
		return 0;
	int r = pthread_create(&log->thread, NULL, writer_main, log);
	log->threaded = r == 0;
	return -r;
}

static void writer_wake(struct log *log, bool stop)
{
	pthread_mutex_lock(&log->wake_lock);
	log->stop |= stop;
	pthread_cond_signal(&log->wake);
	pthread_mutex_unlock(&log->wake_lock);
}

static void log_free(struct log *log)
{
	if (log->threaded) {
		writer_wake(log, true);
		pthread_join(log->thread, NULL);
	}
	log_flush(log);
	eve_free(log->eve);
	pthread_mutex_destroy(&log->write_lock);
	pthread_mutex_destroy(&log->list_lock);
	pthread_mutex_destroy(&log->wake_lock);
	pthread_cond_destroy(&log->wake);
}

int out_open(const char *dir, struct out **ret)
{
	struct log *log = calloc(1, sizeof(*log));

	if (!log)
		return -ENOMEM;
	int r = eve_open(dir, &log->eve);
	if (r < 0) {
		free(log);
		return r;
	}
	pthread_mutex_init(&log->write_lock, NULL);
	pthread_mutex_init(&log->list_lock, NULL);
	pthread_mutex_init(&log->wake_lock, NULL);
	pthread_cond_init(&log->wake, NULL);
	r = member_new(log, ret);
	if (r < 0) {
		log_free(log);
		free(log);
	}
	return r;
}

/* The last one closes the log. */
void out_free(struct out *o)
{
	if (!o)
		return;
	struct log *log = o->log;
	struct out **at = &log->members;

	if (log->members == o && !o->next) {
		log_free(log);
		free(log);
		out_release(o);
		return;
	}
	pthread_mutex_lock(&log->list_lock);
	while (*at != o)
		at = &(*at)->next;
	*at = o->next;
	member_flush(o);
	pthread_mutex_unlock(&log->list_lock);
	out_release(o);
}

uint64_t out_lost(struct out *o)
{
	struct log *log = o->log;
	uint64_t n = 0;

	pthread_mutex_lock(&log->list_lock);
	for (struct out *m = log->members; m; m = m->next)
		n += m->lost;
	pthread_mutex_unlock(&log->list_lock);
	pthread_mutex_lock(&log->write_lock);
	n += eve_lost(log->eve);
	pthread_mutex_unlock(&log->write_lock);
	return n;
}

void out_set_evidence(struct out *o, const char *capture)
{
	o->log->capture = capture;
}

bool out_has_evidence(const struct out *o)
{
	return o->log->capture != NULL;
}

static void format_stamp(struct out *o, const struct timeval *at)
{
	struct tm tm;

	if (o->stamp_second == at->tv_sec && o->stamp[0])
		return;
	gmtime_r(&at->tv_sec, &tm);
	strftime(o->stamp, sizeof(o->stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	o->stamp_second = at->tv_sec;
}

void out_begin(struct out *o, struct jsonw *w, const char *type, const struct timeval *at)
{
	struct timeval now;

	if (!at) {
		gettimeofday(&now, NULL);
		at = &now;
	}
	format_stamp(o, at);
	jsonw_init(w, o->line, sizeof(o->line));
	jsonw_object(w, NULL);
	jsonw_fmt(w, "timestamp", "%s.%06ld+0000", o->stamp, (long)at->tv_usec);
	jsonw_str(w, "event_type", type);
	if (o->log->capture)
		jsonw_str(w, "pcap_filename", o->log->capture);
}

static bool half_add(struct half *h, struct span line)
{
	if (h->n + line.n + 1 > sizeof(h->bytes))
		return false;
	memcpy(h->bytes + h->n, line.p, line.n);
	h->n += line.n;
	h->bytes[h->n++] = '\n';
	return true;
}

void out_end(struct out *o, struct jsonw *w)
{
	struct span line = jsonw_done(w);
	struct log *log = o->log;

	if (line.n == 0) {
		o->lost++;
		return;
	}
	pthread_mutex_lock(&o->lock);
	bool kept = half_add(o->filling, line);
	bool much = o->filling->n > sizeof(o->filling->bytes) / 2;
	pthread_mutex_unlock(&o->lock);
	if (!log->threaded && (much || !kept)) {
		member_flush(o);
		kept = kept || half_add(o->filling, line);
	} else if (much) {
		pthread_cond_signal(&log->wake); /* a signal that is missed: it looks anyway */
	}
	if (!kept)
		o->lost++;
}
