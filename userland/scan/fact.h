/*
 * fact: what a message contains that is no virus, for the mail policy to judge.
 *
 * A fact is a bit in a mask and a word in the reply. Facts come from the names and the bytes of
 * parts (here), and from what libclamav tells about archives and documents on its way (engine.h).
 *
 * Limits: names are judged by their last two extensions; the password notice is looked for in
 * the first FACT_TEXT_BYTES of a text.
 */
#pragma once

#include <stdint.h>

#include "lib/span.h"

#define FACT_TEXT_BYTES (64u << 10)

#define FACTS(X) \
	X(ENCRYPTED_ARCHIVE, "encrypted-archive") \
	X(ENCRYPTED_DOCUMENT, "encrypted-document") \
	X(MACRO, "macro") \
	X(DOUBLE_EXTENSION, "double-extension") \
	X(EXECUTABLE_NAME, "executable-name") \
	X(EXECUTABLE_CONTENT, "executable-content") \
	X(EXECUTABLE_IN_ARCHIVE, "executable-in-archive") \
	X(ARCHIVE, "archive") \
	X(PPAP, "ppap") \
	X(PASSWORD_NOTICE, "password-notice")

enum fact_bit {
#define X(name, word) FACT_BIT_##name,
	FACTS(X)
#undef X
		FACT_COUNT,
};

enum fact {
#define X(name, word) FACT_##name = 1u << FACT_BIT_##name,
	FACTS(X)
#undef X
};

const char *fact_name(unsigned bit);
/* Of a file's name as a reader would show it. */
uint32_t fact_of_name(const char *name);
/* Of libclamav's name for a type of file ("CL_TYPE_MSEXE"), at the top of a part or inside it. */
uint32_t fact_of_type(const char *type, bool inside);
/* Of an OLE2 file: an encrypted Office document of today is one with a stream "EncryptedPackage"
 * (MS-OFFCRYPTO, section 2.3.4), of yesterday a Word document with a flag in its first block
 * (MS-DOC, section 2.5.1). Excel's old encryption is not seen. */
uint32_t fact_of_ole2(struct span file);
/* A text that says that a password comes, in English or Japanese. */
uint32_t fact_of_text(struct span text);
