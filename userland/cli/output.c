#include "cli/output.h"

#include <errno.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/types.h>
#include <termios.h>
#include <unistd.h>

#include "cli/interrupt.h"
#include "cli/words.h"
#include "lib/cleanup.h"

enum filter_kind { FILTER_MATCH, FILTER_EXCEPT, FILTER_COUNT, FILTER_LAST };

struct filter {
	enum filter_kind kind;
	regex_t regex;
	unsigned long count; /* lines seen, or for last: kept at most */
	char **ring;
	unsigned long next; /* ring: lines taken so far */
};

const struct filter_help filter_helps[] = {
	{"count", "How many lines there are.", NULL},
	{"display", "Another form of the same.", NULL},
	{"except", "Only lines that the expression does not match.", "<regex>"},
	{"last", "Only the last lines.", "<1..1000>"},
	{"match", "Only lines that the expression matches, in capitals or not.", "<regex>"},
	{"no-more", "All at once, without waiting at the end of a page.", NULL},
	{NULL, NULL, NULL},
};

const char *const display_words[] = {"set", "json", "xml", NULL};

size_t output_bar(const char *line, size_t len)
{
	bool quoted = false, begins = true; /* a word would begin here */

	for (size_t i = 0; i < len; i++) {
		bool blank = line[i] == ' ' || line[i] == '\t';
		if (line[i] == '|' && begins && !quoted)
			return i;
		if (line[i] == '\\' && i + 1 < len)
			i++;
		else if (line[i] == '"')
			quoted = !quoted;
		begins = blank && !quoted;
	}
	return len;
}

static int bad(char **ret_error, const char *why, const char *word)
{
	if (asprintf(ret_error,
		    "%s%s%s%s\n  accepted: match, except, count, last, no-more, display", why,
		    word ? ": \"" : "", word ? word : "", word ? "\"" : "") < 0)
		*ret_error = NULL;
	return -EINVAL;
}

static int add_regex(struct filter *f, const char *text, char **ret_error)
{
	char why[128];
	int r = regcomp(&f->regex, text, REG_EXTENDED | REG_ICASE | REG_NOSUB);

	if (r == 0)
		return 0;
	regerror(r, &f->regex, why, sizeof(why));
	return bad(ret_error, why, text);
}

static int add_last(struct filter *f, const char *text, char **ret_error)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || n < 1 || n > OUTPUT_LAST_MAX)
		return bad(ret_error, "last takes a number, 1 to 1000", text);
	f->count = n;
	f->ring = calloc(n, sizeof(*f->ring));
	return f->ring ? 0 : bad(ret_error, "out of memory", NULL);
}

static int set_display(struct output *o, const char *word, char **ret_error)
{
	for (unsigned i = 0; display_words[i]; i++) {
		if (!word || strcmp(word, display_words[i]) != 0)
			continue;
		o->display = (enum display)(i + DISPLAY_SET);
		return 0;
	}
	if (asprintf(ret_error, "no such display%s%s\n  accepted: set | json | xml",
		    word ? ": " : "", word ? word : "") < 0)
		*ret_error = NULL;
	return -EINVAL;
}

static const char *full_word(const char *typed)
{
	const char *found = NULL;

	for (const struct filter_help *h = filter_helps; h->word; h++)
		if (strncmp(h->word, typed, strlen(typed)) == 0) {
			if (found)
				return NULL;
			found = h->word;
		}
	return found;
}

static int add_filter(struct output *o, char *const *words, unsigned n, char **ret_error)
{
	static const char *const kinds[] = {"match", "except", "count", "last"};
	const char *name = n ? full_word(words[0]) : NULL;

	if (!name)
		return bad(ret_error, "no such filter", n ? words[0] : NULL);
	if (strcmp(name, "no-more") == 0) {
		o->no_more = true;
		return n == 1 ? 0 : bad(ret_error, "not understood", words[1]);
	}
	if (strcmp(name, "display") == 0)
		return n > 2 ? bad(ret_error, "not understood", words[2])
			     : set_display(o, n == 2 ? words[1] : NULL, ret_error);
	bool takes = strcmp(name, "count") != 0;
	if (n != 1 + (unsigned)takes)
		return bad(ret_error,
			takes ? "a value is missing, or more than one is there"
			      : "count takes nothing",
			NULL);
	if (o->n == OUTPUT_FILTERS)
		return bad(ret_error, "too many filters", NULL);
	struct filter *f = &o->filters[o->n];
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strcmp(kinds[i], name) == 0)
			f->kind = (enum filter_kind)i;
	int r = 0;
	if (f->kind == FILTER_MATCH || f->kind == FILTER_EXCEPT)
		r = add_regex(f, words[1], ret_error);
	else if (f->kind == FILTER_LAST)
		r = add_last(f, words[1], ret_error);
	if (r == 0)
		o->n++;
	return r;
}

int output_parse(struct output *o, const char *text, char **ret_error)
{
	size_t len = strlen(text);

	if (!o->filters)
		o->filters = calloc(OUTPUT_FILTERS, sizeof(*o->filters));
	if (!o->filters)
		return bad(ret_error, "out of memory", NULL);
	for (;;) {
		struct words w;
		size_t n = output_bar(text, len);
		if (words_split(text, n, &w) < 0)
			return bad(ret_error, "the line is too long", NULL);
		int r = add_filter(o, w.word, w.n, ret_error);
		words_fini(&w);
		if (r < 0 || n == len)
			return r;
		text += n + 1;
		len -= n + 1;
	}
}

/* One key, unechoed and at once; 0 at the end of input. */
static int read_key(void)
{
	struct termios before, raw;
	unsigned char key = 0;

	if (tcgetattr(STDIN_FILENO, &before) < 0)
		return 0;
	raw = before;
	raw.c_lflag &= ~(tcflag_t)(ECHO | ICANON | ISIG);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
	ssize_t n = read(STDIN_FILENO, &key, 1);
	tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
	return n == 1 ? key : 0;
}

static void wait_for_reader(struct output *o)
{
	static const char ask[] = "--More-- (space, enter, q)",
			  wipe[] = "\r                          \r";

	fputs(ask, o->terminal);
	fflush(o->terminal);
	int key = read_key();
	fputs(wipe, o->terminal);
	if (key == 'q' || key == 'Q' || key == 0 || key == 3) {
		o->stopped = true;
		if (key == 3)
			interrupt_raise();
	}
	o->row = key == '\r' || key == '\n' ? o->rows - 2 : 0;
}

static void put(struct output *o, const char *text, size_t n)
{
	for (size_t i = 0; i < n && !o->stopped; i++) {
		unsigned char ch = (unsigned char)text[i];
		/* Before a row begins that would push the first one off the screen. */
		if (o->paged && o->column == 0 && o->row + 1 >= o->rows)
			wait_for_reader(o);
		if (o->stopped)
			break;
		fputc(ch, o->terminal);
		if (ch == '\n') {
			o->row++;
			o->column = 0;
		} else if ((ch & 0xC0) != 0x80 && ++o->column == o->columns) {
			o->row++;
			o->column = 0;
		}
	}
}

/* Gives a line without its newline to filter i and those after it. */
static void filter_line(struct output *o, unsigned i, const char *line)
{
	for (; i < o->n; i++) {
		struct filter *f = &o->filters[i];
		if (f->kind == FILTER_COUNT) {
			f->count++;
			return;
		}
		if (f->kind == FILTER_LAST) {
			char **slot = &f->ring[f->next++ % f->count];
			free(*slot);
			*slot = strdup(line);
			return;
		}
		bool found = regexec(&f->regex, line, 0, NULL, 0) == 0;
		if (found != (f->kind == FILTER_MATCH))
			return;
	}
	put(o, line, strlen(line));
	put(o, "\n", 1);
}

/* What the filters held back until the end. */
static void filters_flush(struct output *o)
{
	char text[32];

	if (o->len) {
		o->line[o->len] = 0;
		filter_line(o, 0, o->line);
		o->len = 0;
	}
	for (unsigned i = 0; i < o->n; i++) {
		struct filter *f = &o->filters[i];
		if (f->kind == FILTER_COUNT) {
			snprintf(text, sizeof(text), "%lu lines", f->count);
			filter_line(o, i + 1, text);
		}
		if (f->kind != FILTER_LAST)
			continue;
		for (unsigned long k = f->next > f->count ? f->next - f->count : 0; k < f->next;
			k++) {
			const char *line = f->ring[k % f->count];
			if (line)
				filter_line(o, i + 1, line);
		}
	}
}

static ssize_t on_write(void *cookie, const char *buf, size_t n)
{
	struct output *o = cookie;

	if (o->n == 0) {
		put(o, buf, n);
		fflush(o->terminal);
		return (ssize_t)n;
	}
	for (size_t i = 0; i < n; i++) {
		if (buf[i] == '\n') {
			o->line[o->len] = 0;
			o->len = 0;
			filter_line(o, 0, o->line);
		} else if (o->len < OUTPUT_LINE_BYTES) {
			o->line[o->len++] = buf[i] ? buf[i] : '?';
		}
	}
	fflush(o->terminal);
	return (ssize_t)n;
}

static void read_size(struct output *o)
{
	struct winsize size = {0};

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0)
		size = (struct winsize){0};
	o->rows = size.ws_row ? size.ws_row : OUTPUT_ROWS;
	o->columns = size.ws_col ? size.ws_col : OUTPUT_COLUMNS;
	if (o->rows < 3)
		o->rows = 3;
}

void output_begin(struct output *o, bool paged)
{
	o->terminal = NULL;
	o->paged = paged && !o->no_more;
	o->stopped = false;
	o->row = o->column = 0;
	o->len = 0;
	fflush(stdout);
	if (!o->paged && o->n == 0)
		return;
	read_size(o);
	if (!o->line)
		o->line = malloc(OUTPUT_LINE_BYTES + 1);
	o->stream =
		o->line ? fopencookie(o, "w", (cookie_io_functions_t){.write = on_write}) : NULL;
	if (!o->stream)
		return;
	setvbuf(o->stream, NULL, _IOLBF, 4096);
	o->terminal = stdout;
	stdout = o->stream;
}

void output_end(struct output *o)
{
	if (!o->terminal)
		return;
	fflush(o->stream);
	filters_flush(o);
	stdout = o->terminal;
	fclose(o->stream);
	fflush(stdout);
	o->terminal = NULL;
	o->stream = NULL;
}

void output_fini(struct output *o)
{
	for (unsigned i = 0; i < o->n; i++) {
		struct filter *f = &o->filters[i];
		if (f->kind == FILTER_MATCH || f->kind == FILTER_EXCEPT)
			regfree(&f->regex);
		for (unsigned long k = 0; f->ring && k < f->count; k++)
			free(f->ring[k]);
		free(f->ring);
	}
	free(o->filters);
	free(o->line);
	*o = (struct output){0};
}
