/*
 * message: the texts of the first-boot dialogue in the language of the reader.
 *
 * English stands in messages.def. Other languages come from one file of the image,
 * path_share("messages"): lines `NAME LANGUAGE TEXT` in UTF-8. A text that is not there is English;
 * without the file everything is, and nobody is asked for a language.
 *
 * Limits: MESSAGE_BYTES_MAX of the file.
 */
#pragma once

#include <stdbool.h>

#define MESSAGE_BYTES_MAX 65536
#define MESSAGE_LANGUAGES_MAX 8

enum message {
#define MESSAGE(name, text) MESSAGE_##name,
#include "cli/messages.def"
#undef MESSAGE
	MESSAGES
};

/* Reads the file; the languages it has, and their own names for themselves. */
struct message_language {
	char code[8];
	char name[32];
};
unsigned messages_load(struct message_language *ret, unsigned max);
/* False when there is no such language; "en" is always there. */
bool messages_choose(const char *code);
const char *message(enum message m);
/* In this language and no other: NULL when it is not translated. */
const char *message_in(enum message m, const char *code);
