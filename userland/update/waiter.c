#include "update/waiter.h"

#include <string.h>

#include "lib/cleanup.h"

bool waiters_add(struct waiters *w, sd_varlink *link, const char *source)
{
	for (unsigned i = 0; i < WAITERS_MAX; i++) {
		struct waiter *one = &w->item[i];
		if (one->link)
			continue;
		one->source = source ? strdup(source) : NULL;
		if (source && !one->source)
			return false;
		one->link = sd_varlink_ref(link);
		return true;
	}
	return false;
}

void waiters_serve(struct waiters *w, bool (*is_pending)(void *ctx, const char *source),
	int (*results)(void *ctx, const char *source, sd_json_variant **ret), void *ctx)
{
	for (unsigned i = 0; i < WAITERS_MAX; i++) {
		struct waiter *one = &w->item[i];
		_cleanup_(sd_json_variant_unrefp) sd_json_variant *all = NULL;
		if (!one->link || is_pending(ctx, one->source))
			continue;
		if (results(ctx, one->source, &all) >= 0)
			sd_varlink_replybo(one->link, SD_JSON_BUILD_PAIR_VARIANT("results", all));
		one->link = sd_varlink_unref(one->link);
		free(take_ptr(one->source));
	}
}
