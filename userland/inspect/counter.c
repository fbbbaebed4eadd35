#include "inspect/counter.h"

const struct counter_name counter_names[COUNTER_COUNT] = {
#define X(id, group, name) {group, name},
	COUNTERS(X)
#undef X
};

void counters_sum(struct counters *sum, const struct counters *c)
{
	for (unsigned i = 0; i < COUNTER_COUNT; i++)
		sum->value[i] += __atomic_load_n(&c->value[i], __ATOMIC_RELAXED);
	for (unsigned i = 0; i < EVENT_ID_COUNT; i++)
		sum->event[i] += __atomic_load_n(&c->event[i], __ATOMIC_RELAXED);
}
