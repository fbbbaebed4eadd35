#include "cli/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/path.h"

static const char *const names[] = {
#define MESSAGE(name, text) #name,
#include "cli/messages.def"
#undef MESSAGE
};
static const char *const english[] = {
#define MESSAGE(name, text) text,
#include "cli/messages.def"
#undef MESSAGE
};

static char text[MESSAGE_BYTES_MAX + 1]; /* the file, its lines cut at blanks and ends */
static struct {
	char language[8];
	char *value[MESSAGES];
} tables[MESSAGE_LANGUAGES_MAX];
static unsigned languages, chosen; /* chosen: 0 English, else index + 1 */

static unsigned table_of(const char *code, bool make)
{
	for (unsigned i = 0; i < languages; i++)
		if (strcmp(tables[i].language, code) == 0)
			return i + 1;
	if (!make || languages == MESSAGE_LANGUAGES_MAX || strlen(code) >= sizeof(tables->language))
		return 0;
	strcpy(tables[languages++].language, code);
	return languages;
}

static void take_line(char *line, struct message_language *ret, unsigned max)
{
	char *code = strchr(line, ' '), *value = code ? strchr(code + 1, ' ') : NULL;

	if (*line == '#' || !value)
		return;
	*code++ = 0;
	*value++ = 0;
	unsigned table = table_of(code, true);
	if (!table)
		return;
	if (strcmp(line, "LANGUAGE") == 0 && table <= max) {
		snprintf(ret[table - 1].code, sizeof(ret->code), "%s", code);
		snprintf(ret[table - 1].name, sizeof(ret->name), "%s", value);
	}
	for (unsigned m = 0; m < MESSAGES; m++)
		if (strcmp(names[m], line) == 0)
			tables[table - 1].value[m] = value;
}

unsigned messages_load(struct message_language *ret, unsigned max)
{
	_cleanup_fclose_ FILE *f = fopen(path_share("messages"), "re");
	char *save = NULL;

	languages = chosen = 0;
	memset(tables, 0, sizeof(tables));
	text[f ? fread(text, 1, sizeof(text) - 1, f) : 0] = 0;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		take_line(line, ret, max);
	return languages < max ? languages : max;
}

bool messages_choose(const char *code)
{
	unsigned table = table_of(code, false);

	chosen = table;
	return table || strcmp(code, "en") == 0;
}

const char *message_in(enum message m, const char *code)
{
	unsigned table = table_of(code, false);

	return table ? tables[table - 1].value[m] : strcmp(code, "en") == 0 ? english[m] : NULL;
}

const char *message(enum message m)
{
	const char *own = chosen ? tables[chosen - 1].value[m] : NULL;

	return own ? own : english[m];
}
