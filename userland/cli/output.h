/*
 * output: what happens to a command's lines between the command and the terminal.
 *
 * A line may end in `| match REGEX`, `| except REGEX`, `| count`, `| last N`, `| no-more` and
 * `| display FORMAT`. While the command runs, stdout is a stream of ours: its lines go through the
 * filters in their order, then to the pager, then to the terminal. The pager counts the rows of the
 * terminal, wrapped lines included, and waits for a key: it never repaints, so that it also works
 * at 9600 baud. On a terminal that does not know its size there are OUTPUT_ROWS rows.
 *
 * Without filter and pager stdout is left alone.
 *
 * Limits: OUTPUT_FILTERS filters; a line over OUTPUT_LINE_BYTES is cut for the filters;
 * `last` keeps OUTPUT_LAST_MAX lines.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#define OUTPUT_FILTERS 8
#define OUTPUT_LINE_BYTES 65536
#define OUTPUT_LAST_MAX 1000
#define OUTPUT_ROWS 24
#define OUTPUT_COLUMNS 80

enum display { DISPLAY_TEXT, DISPLAY_SET, DISPLAY_JSON, DISPLAY_XML };

struct filter;

struct output {
	struct filter *filters;
	unsigned n;
	enum display display;
	bool no_more;
	/* while it runs */
	FILE *terminal, *stream;
	bool paged;
	bool stopped; /* the reader has seen enough */
	unsigned rows, columns, row, column;
	char *line;
	size_t len;
};

/* Words of the filters, in help and completion. */
struct filter_help {
	const char *word, *help, *value; /* value: placeholder, or NULL */
};
extern const struct filter_help filter_helps[]; /* ends with a row without word */
extern const char *const display_words[];       /* after `display`, NULL-terminated */

/* Length of the command in front of the first bar that stands alone and outside quotes; len when
 * there is none. */
size_t output_bar(const char *line, size_t len);
/* Reads "match x | count". 0, or -EINVAL with *ret_error (heap). */
int output_parse(struct output *o, const char *text, char **ret_error);
void output_begin(struct output *o, bool paged);
/* Puts out what the filters held back; stdout is the terminal's again. */
void output_end(struct output *o);
void output_fini(struct output *o);
