/*
 * table: rows of JSON objects in columns, at most OUTPUT_COLUMNS wide.
 *
 * A column has a head, the key of its value, and a width; width 0 is the last one, which takes what
 * is left and is cut there. A value wider than its column pushes only its own row. --json has all.
 */
#pragma once

#include <stdio.h>
#include <systemd/sd-json.h>

struct column {
	const char *head,
		*key; /* "a.b": member of a member; "a+b": a, and ":b" when there is one */
	int width;    /* negative: to the right */
};

/* columns end with a row without head. rows may be NULL or empty. */
void table_print(FILE *out, const struct column *columns, sd_json_variant *rows);
void table_head(FILE *out, const struct column *columns);
void table_row(FILE *out, const struct column *columns, sd_json_variant *row);
