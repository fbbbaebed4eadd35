#include "inspect/heartbeat.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <net/ethernet.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "lib/log.h"
#include "lib/mark.h"
#include "lib/nftset.h"

struct heartbeat {
	pthread_t thread;
	struct nftset *set;
	bool routed; /* the set is in the table of mode route: configd renders one of the two */
	const struct worker *worker[QUEUES_MAX];
	uint64_t beats[QUEUES_MAX];
	unsigned workers;
	pthread_mutex_t lock; /* of the workers */
	atomic_bool stop, armed;
	atomic_uint_fast64_t progress_ms; /* when all had made progress */
};

static atomic_uint lapses;

static uint64_t clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static bool all_progressed(struct heartbeat *h)
{
	pthread_mutex_lock(&h->lock);
	bool all = h->workers > 0;
	for (unsigned i = 0; i < h->workers; i++) {
		uint64_t beats = worker_beats(h->worker[i]);
		all &= beats != h->beats[i];
		h->beats[i] = beats;
	}
	pthread_mutex_unlock(&h->lock);
	return all;
}

static void renew(struct heartbeat *h)
{
	const uint16_t keys[] = {htons(ETHERTYPE_IP), htons(ETHERTYPE_IPV6)};
	int r = h->set ? 0
		       : nftset_open(h->routed ? ALIVE_ROUTE_FAMILY : ALIVE_INSPECT_FAMILY,
				 h->routed ? ALIVE_ROUTE_TABLE : ALIVE_INSPECT_TABLE,
				 ALIVE_INSPECT_SET, &h->set);

	if (r >= 0)
		r = nftset_renew(h->set, keys, 2, ALIVE_INSPECT_MS);
	if (r == -ENOENT) { /* the next beat looks in the other table */
		nftset_free(h->set);
		h->set = NULL;
		h->routed = !h->routed;
	}
	if (r < 0 && h->armed)
		log_warning("heartbeat: the set %s is not renewed: %s", ALIVE_INSPECT_SET,
			strerror(-r));
	if (r >= 0 && !h->armed)
		log_info("heartbeat: packets are being queued");
	h->armed = r >= 0;
}

static void *heartbeat_main(void *arg)
{
	struct heartbeat *h = arg;
	const struct timespec pause = {.tv_nsec = HEARTBEAT_MS * 1000000L};

	while (!h->stop) {
		if (all_progressed(h)) {
			uint64_t now = clock_ms();
			if (now - h->progress_ms >= ALIVE_INSPECT_MS && h->armed) {
				lapses++;
				log_warning("heartbeat: late by %llu ms, packets may have passed "
					    "unseen",
					(unsigned long long)(now - h->progress_ms));
			}
			h->progress_ms = now;
			renew(h);
			sd_notify(0, "WATCHDOG=1");
		}
		nanosleep(&pause, NULL);
	}
	return NULL;
}

int heartbeat_new(struct heartbeat **ret)
{
	struct heartbeat *h = calloc(1, sizeof(*h));
	sigset_t all, old;

	if (!h)
		return -ENOMEM;
	h->progress_ms = clock_ms();
	pthread_mutex_init(&h->lock, NULL);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int r = pthread_create(&h->thread, NULL, heartbeat_main, h);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r) {
		pthread_mutex_destroy(&h->lock);
		free(h);
		return -r;
	}
	*ret = h;
	return 0;
}

void heartbeat_watch(struct heartbeat *h, const struct worker *w)
{
	pthread_mutex_lock(&h->lock);
	if (h->workers < QUEUES_MAX) {
		h->beats[h->workers] = 0;
		h->worker[h->workers++] = w;
	}
	pthread_mutex_unlock(&h->lock);
}

void heartbeat_forget(struct heartbeat *h)
{
	if (!h)
		return;
	pthread_mutex_lock(&h->lock);
	h->workers -= h->workers > 0;
	pthread_mutex_unlock(&h->lock);
}

void heartbeat_free(struct heartbeat *h)
{
	if (!h)
		return;
	h->stop = true;
	pthread_join(h->thread, NULL);
	pthread_mutex_destroy(&h->lock);
	nftset_free(h->set);
	free(h);
}

unsigned heartbeat_lapses(void)
{
	return lapses;
}

bool heartbeat_is_alive(const struct heartbeat *h)
{
	return clock_ms() - h->progress_ms < ALIVE_INSPECT_MS;
}

bool heartbeat_is_armed(const struct heartbeat *h)
{
	return h->armed;
}
