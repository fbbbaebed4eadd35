#include "config/schedule.h"

#include <stdlib.h>
#include <string.h>

#include "config/applier.h"

/* "08:30" to minutes; the schema has seen to the form. */
static int minutes_of(sd_json_variant *schedule, const char *key, int standard)
{
	const char *text = config_str(schedule, key);

	return text && strlen(text) == 5 ? atoi(text) * 60 + atoi(text + 3) : standard;
}

static bool begins_on(sd_json_variant *schedule, int weekday)
{
	static const char *const names[] = {
		"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"};
	sd_json_variant *day;
	bool any = false;

	config_foreach(day, schedule, "day")
	{
		any = true;
		if (strcmp(sd_json_variant_string(day), names[weekday % 7]) == 0)
			return true;
	}
	return !any;
}

bool schedule_is_active(sd_json_variant *schedule, const struct tm *now)
{
	int from = minutes_of(schedule, "from", 0), to = minutes_of(schedule, "to", 24 * 60);
	int minute = now->tm_hour * 60 + now->tm_min;
	bool today = begins_on(schedule, now->tm_wday),
	     yesterday = begins_on(schedule, now->tm_wday + 6);

	if (from < to)
		return today && minute >= from && minute < to;
	return (today && minute >= from) || (yesterday && minute < to);
}
