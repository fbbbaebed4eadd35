/*
 * session: one SMTP connection through the checkpoint, a state machine without a thread.
 *
 * A client is accepted (listener.c) and the server it meant is dialled with the client's own
 * address. The server's banner goes back, then commands go forth one at a time and replies come
 * back unchanged (command.c): lockstep. DATA is answered here; the message is spooled, checked and
 * then either sent on, with the server's own final reply handed back, or refused or deferred
 * (transfer.c). The client hears a 2xx for a message only when the server has said it.
 *
 *	DIAL > CONNECT > REPLY (the banner) > COMMAND <> REPLY <> AUTH
 *	COMMAND > DATA > CHECK > DATA_REPLY > SEND > FINAL > COMMAND
 *		       any refusal: RESET > COMMAND
 *	every state > CLOSING > DEAD
 *
 * Whatever happens ends in session_pump(): steps until nothing moves, sends, asks for events, and
 * frees a dead session. Nothing may touch the session after it.
 *
 * Owns: both sockets, the message in flight, its checks.
 * Limits: SESSION_* below and the settings max-sessions, idle-timeout, max-message-bytes.
 * Refuses: commands that are not in smtp.c's table (502), unterminated and over-long lines (500), a
 * server that speaks out of turn (421).
 */
#pragma once

#include "lib/eve.h"
#include "mail/check.h"
#include "mail/data.h"
#include "mail/dial.h"
#include "mail/envelope.h"
#include "mail/leg.h"
#include "mail/policy.h"
#include "mail/settings.h"
#include "mail/smtp.h"

#define SESSION_CONNECT_S 30
#define SESSION_FINAL_S 600   /* RFC 5321, section 4.5.3.2.6 */
#define SESSION_LINGER_S 5    /* for a client to read its last reply */
#define SESSION_ERRORS_MAX 50 /* commands refused here; then 421 */

enum session_state {
	SESSION_DIAL,
	SESSION_CONNECT,
	SESSION_COMMAND,
	SESSION_REPLY,
	SESSION_AUTH,
	SESSION_DATA,
	SESSION_CHECK,
	SESSION_DATA_REPLY,
	SESSION_SEND,
	SESSION_FINAL,
	SESSION_RESET,
	SESSION_CLOSING,
	SESSION_DEAD,
};

/* One message from DATA to its reply. */
struct message {
	struct data_decoder decoder;
	struct spool spool;
	int error;               /* of the spool; the message is then deferred at its end */
	uint64_t received_bytes; /* as they came, also what was dropped */
	uint64_t start_us;
	bool complete; /* from here on there will be an event */
	struct checks checks;
	struct decision decision;
	struct data_encoder encoder;
	size_t header_sent, text_sent; /* bytes taken by the encoder */
	unsigned removed;              /* ranges left out so far */
	bool sent;                     /* all of it and the final dot are in the leg */
};

struct counters {
	uint64_t sessions, messages, accepted, refused, deferred, aborted;
};

/* What all sessions share; belongs to maild.c. */
struct mail_shared {
	sd_event *event;
	struct settings settings;
	struct spool_pool pool;
	struct eve *eve;
	struct counters count;
	unsigned sessions;
	bool has_upstream; /* by hand: every session goes there */
	struct endpoint upstream;
};

struct session {
	struct mail_shared *shared;
	enum session_state state;
	struct leg client, server;
	struct envelope envelope;
	struct dial dial;
	enum smtp_verb verb;  /* the command that awaits its reply; SMTP_UNKNOWN: the banner */
	struct span argument; /* of it, in pending */
	uint8_t pending[SMTP_COMMAND_BYTES];
	unsigned errors;
	bool skipping; /* the rest of an over-long command line */
	bool shut;     /* our side of the client's connection */
	struct message *message;
	sd_event_source *timer;
	uint64_t deadline_us, armed_us;
};

/* Takes fd over; its addresses say who and where to. -errno when the session cannot begin (fd is
 * closed). */
int session_new(struct mail_shared *shared, int fd);
void session_pump(struct session *s);

/* The rest is between session.c, command.c and transfer.c. */

uint64_t session_now_us(const struct session *s);
/* Tells the client (NULL: nothing more) and closes both legs. */
void session_end(struct session *s, const char *reply);
/* Sends to the client; what does not fit ends the session. */
void session_tell(struct session *s, struct span reply);
/* Sends to the server; the same. */
void session_ask(struct session *s, struct span command);
/* Takes the server's next reply. On OK it is still at the front of leg_in(&s->server). Everything
 * else than OK and MORE has ended the session. */
enum smtp_parse session_reply(struct session *s, struct smtp_reply *ret);
/* True, and the session is ended, when the server sends or closes without being asked. */
bool session_is_interrupted(struct session *s);

/* Refuses a command here; too many, and the session ends. */
void session_refuse(struct session *s, const char *reply);

/* Steps: true when something moved. */
bool command_step(struct session *s);
bool command_reply_step(struct session *s);
bool command_auth_step(struct session *s);

void message_begin(struct session *s);
void message_free(struct session *s);
/* The session ends with a message in flight: the client was told nothing, so it is deferred. */
void message_lost(struct session *s);
bool message_data_step(struct session *s);
bool message_check_step(struct session *s);
bool message_data_reply_step(struct session *s);
bool message_send_step(struct session *s);
bool message_final_step(struct session *s);
bool message_reset_step(struct session *s);
