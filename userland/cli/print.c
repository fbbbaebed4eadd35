/* How JSON from a daemon reads on a terminal. */
#include <inttypes.h>
#include <string.h>

#include "cli/cli.h"

#define LINE_MEMBERS_MAX 12 /* of a status in one line; `show <daemon>` or --json has all */

void print_safe(FILE *out, const char *text)
{
	for (; *text; text++) {
		unsigned char ch = (unsigned char)*text;
		if (ch == '\n') {
			fputs(text[1] ? "; " : "", out);
			continue;
		}
		/* C0 and DEL; the C1 controls are two bytes in UTF-8, 0xC2 0x80..0x9F. */
		if (ch < 0x20 || ch == 0x7F ||
			(ch == 0xC2 && (unsigned char)text[1] < 0xA0 && text[1]))
			fputc('?', out);
		else
			fputc(ch, out);
	}
}

void duration_format(uint64_t seconds, char *out, size_t cap)
{
	if (seconds >= 86400)
		snprintf(out, cap, "%" PRIu64 " d %" PRIu64 " h", seconds / 86400,
			seconds % 86400 / 3600);
	else if (seconds >= 3600)
		snprintf(out, cap, "%" PRIu64 " h %" PRIu64 " min", seconds / 3600,
			seconds % 3600 / 60);
	else if (seconds >= 60)
		snprintf(out, cap, "%" PRIu64 " min %" PRIu64 " s", seconds / 60, seconds % 60);
	else
		snprintf(out, cap, "%" PRIu64 " s", seconds);
}

void bytes_format(uint64_t bytes, char *out, size_t cap)
{
	static const char units[] = " KMGTPE";
	double v = (double)bytes;
	unsigned i = 0;

	for (; v >= 1024 && units[i + 1]; i++)
		v /= 1024;
	if (i)
		snprintf(out, cap, "%.1f %c", v, units[i]);
	else
		snprintf(out, cap, "%.0f", v);
}

static void print_scalar(FILE *out, sd_json_variant *v)
{
	if (sd_json_variant_is_string(v))
		print_safe(out, sd_json_variant_string(v));
	else if (sd_json_variant_is_boolean(v))
		fputs(sd_json_variant_boolean(v) ? "yes" : "no", out);
	else if (sd_json_variant_is_unsigned(v))
		fprintf(out, "%" PRIu64, sd_json_variant_unsigned(v));
	else if (sd_json_variant_is_integer(v))
		fprintf(out, "%" PRId64, sd_json_variant_integer(v));
	else if (sd_json_variant_is_real(v))
		fprintf(out, "%.2f", sd_json_variant_real(v));
	else
		fputs("-", out);
}

static void print_key(FILE *out, const char *key)
{
	for (; *key; key++)
		fputc(*key == '_' ? ' ' : *key, out);
}

static bool is_nested(sd_json_variant *v)
{
	return sd_json_variant_is_object(v) || sd_json_variant_is_array(v);
}

void json_print_line(FILE *out, sd_json_variant *v)
{
	unsigned shown = 0;

	for (size_t i = 0; i + 1 < sd_json_variant_elements(v) && shown < LINE_MEMBERS_MAX;
		i += 2) {
		const char *key = sd_json_variant_string(sd_json_variant_by_index(v, i));
		sd_json_variant *value = sd_json_variant_by_index(v, i + 1);
		if (is_nested(value) || strcmp(key, "daemon") == 0 || strcmp(key, "uptime_s") == 0)
			continue;
		fputs(shown++ ? ", " : "", out);
		print_key(out, key);
		fputc(' ', out);
		print_scalar(out, value);
	}
}

void json_print_tree(FILE *out, sd_json_variant *v, int indent)
{
	bool object = sd_json_variant_is_object(v);
	size_t step = object ? 2 : 1;

	for (size_t i = 0; i + step <= sd_json_variant_elements(v); i += step) {
		sd_json_variant *value = sd_json_variant_by_index(v, i + step - 1);
		fprintf(out, "%*s", indent, "");
		if (object)
			print_key(out, sd_json_variant_string(sd_json_variant_by_index(v, i)));
		else
			fputc('-', out);
		if (is_nested(value)) {
			fputc('\n', out);
			json_print_tree(out, value, indent + 2);
			continue;
		}
		fputs(object ? ": " : " ", out);
		print_scalar(out, value);
		fputc('\n', out);
	}
}

void json_dump(sd_json_variant *v)
{
	sd_json_variant_dump(v, SD_JSON_FORMAT_NEWLINE, stdout, NULL);
}

void print_help(FILE *out, size_t width, const char *word, const char *help)
{
	size_t length = strlen(word), indent = 2 + width + 2;
	size_t column = indent + (length > width ? length - width : 0);
	const char *gap = "";

	fprintf(out, "  %-*s  ", (int)width, word);
	while (*help) {
		char one[OUTPUT_COLUMNS]; /* a longer word is cut, and goes on in the next line */
		snprintf(one, sizeof(one), "%.*s", (int)strcspn(help, " "), help);
		if (*gap && column + 1 + strlen(one) >= OUTPUT_COLUMNS) {
			fprintf(out, "\n%*s", (int)indent, "");
			column = indent;
			gap = "";
		}
		fputs(gap, out);
		print_safe(out, one);
		column += strlen(gap) + strlen(one);
		help += strlen(one);
		help += strspn(help, " ");
		gap = " ";
	}
	fputc('\n', out);
}
