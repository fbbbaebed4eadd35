#include "cli/table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "lib/cleanup.h"

static sd_json_variant *member(sd_json_variant *row, const char *key, size_t n)
{
	char name[64];

	if (!row || !sd_json_variant_is_object(row) || n >= sizeof(name))
		return NULL;
	memcpy(name, key, n);
	name[n] = 0;
	return sd_json_variant_by_key(row, name);
}

static sd_json_variant *find(sd_json_variant *row, const char *key, size_t n)
{
	const char *dot = memchr(key, '.', n);

	if (!dot)
		return member(row, key, n);
	size_t head = (size_t)(dot - key);
	return find(member(row, key, head), dot + 1, n - head - 1);
}

static void put_value(FILE *out, sd_json_variant *v)
{
	if (!v)
		fputs("-", out);
	else if (sd_json_variant_is_string(v))
		print_safe(out, sd_json_variant_string(v));
	else if (sd_json_variant_is_boolean(v))
		fputs(sd_json_variant_boolean(v) ? "yes" : "no", out);
	else if (sd_json_variant_is_unsigned(v))
		fprintf(out, "%" PRIu64, sd_json_variant_unsigned(v));
	else if (sd_json_variant_is_integer(v))
		fprintf(out, "%" PRId64, sd_json_variant_integer(v));
	else if (sd_json_variant_is_array(v))
		for (size_t i = 0; i < sd_json_variant_elements(v); i++) {
			fputs(i ? "," : "", out);
			put_value(out, sd_json_variant_by_index(v, i));
		}
	else
		fputs("-", out);
}

static char *cell(sd_json_variant *row, const char *key)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	const char *plus = strchr(key, '+');

	if (!out)
		return NULL;
	put_value(out, find(row, key, plus ? (size_t)(plus - key) : strlen(key)));
	sd_json_variant *second = plus ? find(row, plus + 1, strlen(plus + 1)) : NULL;
	if (second) {
		fputc(':', out);
		put_value(out, second);
	}
	fclose(out);
	return text;
}

static size_t characters(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xC0) != 0x80;
	return n;
}

/* Bytes of the first n characters. */
static size_t bytes_of(const char *text, size_t n)
{
	const char *p = text;

	while (*p && (n || ((unsigned char)*p & 0xC0) == 0x80))
		n -= ((unsigned char)*p++ & 0xC0) != 0x80;
	return (size_t)(p - text);
}

static size_t put_cell(FILE *out, const struct column *col, const char *text, size_t used)
{
	size_t n = characters(text), width = (size_t)abs(col->width);

	if (width == 0) {
		size_t left = used < OUTPUT_COLUMNS - 1 ? OUTPUT_COLUMNS - 1 - used : 8;
		fprintf(out, "%.*s", (int)bytes_of(text, left), text);
		return used + (n < left ? n : left);
	}
	int pad = n < width ? (int)(width - n) : 0;
	if (col->width < 0)
		fprintf(out, "%*s%s", pad, "", text);
	else
		fprintf(out, "%s%*s", text, pad, "");
	return used + n + (size_t)pad;
}

void table_head(FILE *out, const struct column *columns)
{
	size_t used = 0;

	for (; columns->head; columns++) {
		used = put_cell(out, columns, columns->head, used);
		fputs(columns[1].head ? "  " : "\n", out);
		used += 2;
	}
}

void table_row(FILE *out, const struct column *columns, sd_json_variant *row)
{
	size_t used = 0;

	for (; columns->head; columns++) {
		_cleanup_free_ char *text = cell(row, columns->key);
		used = put_cell(out, columns, text ? text : "-", used);
		fputs(columns[1].head ? "  " : "\n", out);
		used += 2;
	}
}

void table_print(FILE *out, const struct column *columns, sd_json_variant *rows)
{
	size_t n = rows && sd_json_variant_is_array(rows) ? sd_json_variant_elements(rows) : 0;

	table_head(out, columns);
	for (size_t i = 0; i < n && !interrupted(); i++)
		table_row(out, columns, sd_json_variant_by_index(rows, i));
}
