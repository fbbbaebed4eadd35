/*
 * app_policy: which applications may be used by whom and when.
 *
 * Rows in the order of the configuration; the first that fits a flow decides, and what none fits is
 * left to the list of applications. A row names applications or categories (nDPI's), the networks
 * of the clients it is for, and hours of the week in the appliance's time zone; what it does not
 * name it does not ask for. verdict_policy() asks when nDPI is sure, so once a flow.
 *
 * Limits: APP_POLICIES rows, APP_SOURCES networks each.
 */
#pragma once

#include <time.h>

#include "inspect/app.h"

#define APP_POLICIES 64
#define APP_SOURCES 64
#define DAY_MINUTES 1440

struct app_source {
	uint8_t family, bits;
	uint8_t bytes[16];
};

struct app_policy {
	char name[64];
	uint64_t apps[APP_MAX / 64]; /* bits; none: any */
	bool any_app;
	struct app_source source[APP_SOURCES];
	unsigned sources;
	uint8_t days;      /* bit 0: Monday; 0: every day */
	uint16_t from, to; /* minutes; to before from: the next day */
	bool drop;
};

/* "192.168.1.0/24", "fd00::/8", or one address. */
bool app_source_parse(const char *text, struct app_source *ret);
/* "monday" to "sunday": 0 to 6. */
bool app_day_parse(const char *text, unsigned *ret);
/* "00:00" to "24:00" */
bool app_time_parse(const char *text, uint16_t *ret);

bool app_policy_is_due(const struct app_policy *p, const struct tm *now);
/* The row that decides, or NULL. */
const struct app_policy *app_policy_find(const struct app_policy *rows, unsigned n,
	const struct app_flow *f, const struct detect_addr *client, time_t now);
