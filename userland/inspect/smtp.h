/*
 * smtp: a mail session as it goes by (RFC 5321), with its attachments.
 *
 * HELO, MAIL, RCPT are units as they come; the message's parts are decoded (mail_parts.h) and each
 * attachment is a file. The event of a transaction (from MAIL or the greeting to the end of the
 * message, RSET or QUIT) carries envelope and what the message says of itself. STARTTLS that the
 * server agrees to ends the reader: what follows is not readable.
 *
 * The mail proxy is another room: this reader is for mail that does not pass through it and for
 * rules that ask for SMTP.
 *
 * Limits: SMTP_RCPTS recipients kept, LINE_BYTES a line, SMTP_TEXT_BYTES of an address, those of
 * mail_parts.h.
 */
#pragma once

#include "inspect/mail_parts.h"
#include "inspect/reader.h"

#define SMTP_RCPTS 32
#define SMTP_TEXT_BYTES 256
