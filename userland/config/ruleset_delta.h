/*
 * ruleset_delta: what has to be loaded so that one rendered ruleset becomes another. Pure: text in,
 * text out.
 *
 * A rendering is a row of parts, each with a line in front that names its kind (ruleset.h). Parts
 * without a name are compared by their place, sets by their name. A part that differs is loaded as
 * a whole, a set that is not there any more is removed at the end, when no rule names it. So one
 * address more among ten thousand costs the kernel one set.
 *
 * Everything is loaded when a base differs (other devices, another mode, the first policy), when
 * the parts do not pair up, or when there is no from.
 */
#pragma once

/* On the heap; "" when nothing differs, NULL when memory ran out. */
char *ruleset_delta(const char *from, const char *to);
