/*
 * smtp: reads one command line of a client and one reply of a server. Pure: bytes in, result out.
 *
 * A client's bytes are cut at LF; a line that does not end in CRLF, or that holds any other control
 * byte, is BAD and never reaches the server, so both legs agree on where a command ends. The verb
 * is looked up in a table: what is not in it is not passed on. A server's reply is one or more
 * lines with the same code (RFC 5321, section 4.2.1). What EHLO offers and MAIL asks for is
 * esmtp.h's.
 *
 * Limits: the line lengths below; a longer line is TOOLONG (command) or BAD (reply).
 * Refuses: bare CR and bare LF, control bytes, replies whose lines disagree.
 */
#pragma once

#include "lib/span.h"

#define SMTP_COMMAND_BYTES 2048    /* with CRLF; RFC 5321 asks for 512, extensions add to it */
#define SMTP_AUTH_BYTES 12288      /* an AUTH continuation line, RFC 4954 section 4 */
#define SMTP_REPLY_LINE_BYTES 2048 /* with CRLF */
#define SMTP_REPLY_BYTES 8192      /* all lines of one reply */

enum smtp_parse { SMTP_OK, SMTP_MORE, SMTP_BAD, SMTP_TOOLONG };

enum smtp_verb {
	SMTP_UNKNOWN, /* refused with 502 */
	SMTP_AUTH,
	SMTP_BDAT,
	SMTP_DATA,
	SMTP_EHLO,
	SMTP_ETRN,
	SMTP_EXPN,
	SMTP_HELO,
	SMTP_HELP,
	SMTP_MAIL,
	SMTP_NOOP,
	SMTP_QUIT,
	SMTP_RCPT,
	SMTP_RSET,
	SMTP_STARTTLS,
	SMTP_VRFY,
	SMTP_VERBS,
};

struct smtp_command {
	enum smtp_verb verb;
	struct span argument; /* without the blanks around it */
	size_t bytes;         /* of the input, CRLF included; also set for SMTP_BAD */
};

/* Cuts the first line: its length with CRLF. On BAD the length is that of the refused line. */
enum smtp_parse smtp_line(struct span in, size_t max, size_t *ret_bytes);
enum smtp_parse smtp_command_parse(struct span in, struct smtp_command *ret);

/* The address of "FROM:<a@b> SIZE=1", with prefix "FROM:"; empty for <>. A source route is cut off
 * (RFC 5321, appendix C). *ret_parameters: what follows. False when there is none to be read. */
bool smtp_path(
	struct span argument, struct span prefix, struct span *ret, struct span *ret_parameters);

/* "86 LAST": RFC 3030, section 2. */
bool smtp_chunk(struct span argument, uint64_t *ret_bytes, bool *ret_last);

/* RFC 3629: what JSON and the checks can take. ASCII is. */
bool smtp_is_utf8(struct span text);

struct smtp_reply {
	unsigned code;
	size_t bytes; /* of the input, all lines */
};

enum smtp_parse smtp_reply_parse(struct span in, struct smtp_reply *ret);
