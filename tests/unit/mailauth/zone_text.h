/* zone_text: a DNS table that a test's zone answers. */
#pragma once

#include "mailauth/zone.h"

static inline sd_json_variant *zone_parse(const char *text)
{
	sd_json_variant *v = NULL;
	unsigned line, column;

	return sd_json_parse(text, 0, &v, &line, &column) < 0 ? NULL : v;
}
