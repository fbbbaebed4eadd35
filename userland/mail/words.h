/*
 * words: header text as a person reads it: encoded words (RFC 2047) and the charsets of Japanese
 * mail turned into UTF-8.
 *
 * Bytes outside encoded words are taken as UTF-8, else as ISO-2022-JP when they hold its escapes,
 * else as Shift_JIS. Control characters, and those that change the direction of writing, become
 * '?', so that a terminal is never told anything. A charset that this system does not know leaves
 * the word as it is written.
 *
 * Limits: out's size; the text is cut between characters.
 */
#pragma once

#include "lib/span.h"

/* out is always terminated; cap at least 1. */
void words_read(struct span text, char *out, size_t cap);
/* The trimmed value of the first field of this name ("Subject"), folds included; empty when there
 * is none. */
struct span words_field(struct span message, struct span name);
