/*
 * session: one SMTP connection through the checkpoint, a state machine without a thread.
 *
 * A client is accepted (listener.c) and the server it meant is dialled with the client's own
 * address. The server's banner goes back, then commands go forth and replies come back unchanged
 * (command.c): lockstep, a group of commands at a time where both sides pipeline. TLS is ended here
 * on both legs (hello.c). DATA and BDAT are answered here; the message is spooled (intake.c),
 * checked and then either sent on, with the server's own final reply handed back, or refused or
 * deferred (transfer.c). The client hears a 2xx for a message only when the server has said it.
 *
 *	DIAL > CONNECT > BANNER > COMMAND <> AUTH
 *	COMMAND > STARTTLS > SERVER_TLS > COMMAND       to the server, before its EHLO is told
 *	COMMAND > CLIENT_TLS > COMMAND,  COMMAND > TUNNEL
 *	COMMAND > DATA | CHUNK > CHECK > DATA_REPLY > SEND > FINAL > COMMAND
 *			       any refusal: RESET > COMMAND
 *	every state > CLOSING > DEAD
 *
 * Whatever happens ends in session_pump(): steps until nothing moves, sends, asks for events, and
 * frees a dead session. Nothing may touch the session after it.
 *
 * Owns: both sockets, the message in flight, its checks.
 * Limits: SESSION_* below and the settings.
 * Refuses: clients that speak before the banner (554), commands that are not in command.c's table
 * (502), unterminated and over-long lines (500), a server that speaks out of turn (421).
 */
#pragma once

#include "lib/eve.h"
#include "mail/check.h"
#include "mail/data.h"
#include "mail/dial.h"
#include "mail/envelope.h"
#include "mail/esmtp.h"
#include "mail/leg.h"
#include "mail/outgoing.h"
#include "mail/policy.h"
#include "mail/quota.h"
#include "mail/settings.h"
#include "mail/smtp.h"
#include "mail/tls.h"

#define SESSION_CONNECT_S 30
#define SESSION_TLS_S 30      /* a handshake */
#define SESSION_FINAL_S 600   /* RFC 5321, section 4.5.3.2.6 */
#define SESSION_LINGER_S 5    /* for a client to read its last reply */
#define SESSION_ERRORS_MAX 50 /* commands refused here; then 421 */
#define SESSION_PIPELINE_MAX 16

enum session_state {
	SESSION_DIAL,
	SESSION_CONNECT,
	SESSION_BANNER,
	SESSION_COMMAND,
	SESSION_AUTH,
	SESSION_STARTTLS,
	SESSION_SERVER_TLS,
	SESSION_CLIENT_TLS,
	SESSION_TUNNEL,
	SESSION_DATA,
	SESSION_CHUNK,
	SESSION_CHECK,
	SESSION_DATA_REPLY,
	SESSION_SEND,
	SESSION_FINAL,
	SESSION_RESET,
	SESSION_CLOSING,
	SESSION_DEAD,
};

/* One message from DATA or its first BDAT to its reply. */
struct message {
	struct data_decoder decoder;
	struct spool spool;
	int error;               /* of the spool; the message is then deferred at its end */
	uint64_t received_bytes; /* as they came, also what was dropped */
	uint64_t start_us;
	bool chunked;  /* by BDAT, and so it goes on */
	bool complete; /* from here on there will be an event */
	struct checks checks;
	struct decision decision;
	struct outgoing outgoing;
};

/* A command whose reply is still to come: from the server, or, when own is set, from here. */
struct queued {
	enum smtp_verb verb;
	const char *own;
	char *text; /* the argument; of EHLO the whole line; heap or NULL */
};

struct queue {
	struct queued items[SESSION_PIPELINE_MAX];
	unsigned head, count;
};

struct counters {
	uint64_t sessions, turned_away, messages, accepted, refused, deferred, aborted;
	uint64_t tagged, quarantined;
	uint64_t tls_client, tls_server, tls_failed, tunnels;
};

struct session;

/* What all sessions share; belongs to maild.c. */
struct mail_shared {
	sd_event *event;
	struct settings settings;
	struct spool_pool pool;
	struct eve *eve;
	struct tls tls;
	struct quota quota;
	struct dialler dialler;
	struct quarantine *quarantine;
	struct counters count;
	unsigned sessions;
	struct session *first;
	bool draining;     /* no new transactions: the process is to end */
	bool has_upstream; /* by hand: every session goes there */
	struct endpoint upstream;
};

struct session {
	struct mail_shared *shared;
	struct session *next, *previous;
	enum session_state state;
	struct leg client, server;
	struct envelope envelope;
	struct dial dial;
	bool is_relay; /* the box's own address was meant: relay_from, and not the client's */
	struct endpoint relay_from;
	struct quota_source *source;
	struct queue queue;
	unsigned offers;       /* of the server, in the EHLO reply that holds */
	unsigned plain_offers; /* the same before TLS */
	char *greeting;        /* the server's name, as it says */
	bool no_tls;           /* this server does not manage TLS: on in the clear */
	bool redialled;        /* banner and EHLO are said again, unseen by the client */
	bool authenticated;
	bool must_hello;   /* since STARTTLS */
	bool hello_again;  /* a server that takes no second EHLO was dialled again for it */
	unsigned noops;    /* keep-alives whose replies are still to come */
	uint64_t asked_us; /* when the server last heard something */
	unsigned errors;
	bool skipping;        /* the rest of an over-long command line */
	bool shut;            /* our side of the client's connection */
	uint64_t chunk_bytes; /* of this BDAT, still to come */
	bool chunk_last;
	const char *chunk_refusal; /* the chunk is read and dropped */
	struct message *message;
	sd_event_source *timer;
	uint64_t deadline_us, armed_us;
};

/* Takes fd over; its addresses say who and where to. -errno when the session cannot begin (fd is
 * closed). */
int session_new(struct mail_shared *shared, int fd);
void session_pump(struct session *s);
/* The process is to end: those who wait for nothing are told so; with `now`, all. */
void session_drain_all(struct mail_shared *shared, bool now);

/* The rest is between session.c, session_begin.c, command.c, hello.c, intake.c and transfer.c. */

void session_free(struct session *s);
void session_on_dialled(void *userdata, int fd);
void session_on_client(void *userdata, uint32_t events);
int session_on_timer(sd_event_source *timer, uint64_t usec, void *userdata);

uint64_t session_now_us(const struct session *s);
/* Tells the client (NULL: nothing more) and closes both legs. */
void session_end(struct session *s, const char *reply);
/* Sends to the client; what does not fit ends the session. */
void session_tell(struct session *s, struct span reply);
/* Sends to the server; the same. */
void session_ask(struct session *s, struct span command);
/* Takes the server's next reply, other than those to keep-alives. On OK it is still at the front of
 * leg_in(&s->server). Everything else than OK and MORE has ended the session. */
enum smtp_parse session_reply(struct session *s, struct smtp_reply *ret);
/* True, and the session is ended, when the server sends or closes without being asked. */
bool session_is_interrupted(struct session *s);
void session_makes_no_sense(struct session *s);
/* Closes the server's leg and dials again; the client does not see it. */
void session_redial(struct session *s);

/* Refuses a command here; too many, and the session ends. */
void session_refuse(struct session *s, const char *reply);

/* The queue of commands. text may be NULL; false when out of memory (the session is ended). */
bool queue_put(struct session *s, enum smtp_verb verb, const char *own, struct span text);
struct queued *queue_head(struct session *s);
void queue_pop(struct session *s);
void queue_clear(struct session *s);

/* Steps: true when something moved. */
bool command_step(struct session *s);
bool command_auth_step(struct session *s);

bool hello_banner_step(struct session *s);
/* The server's 2xx to EHLO is at the front of its leg: told to the client, or kept until TLS
 * stands. */
void hello_reply(struct session *s, const struct smtp_reply *reply);
/* True, once: the client says EHLO for the second time because of a STARTTLS that the server knows
 * nothing of; one that refuses it (OpenSMTPD: 503) is dialled again. */
bool hello_is_second(struct session *s);
/* A reply that refuses the transaction, when TLS to the server is required and there is none. */
const char *hello_check_required(struct session *s);
const char *hello_check_required_domain(struct session *s, struct span address);
/* The client's STARTTLS. */
void hello_starttls(struct session *s, const struct smtp_command *command);
void hello_tunnel(struct session *s);
bool hello_starttls_step(struct session *s);
bool hello_server_tls_step(struct session *s);
/* Once more without TLS. */
void hello_tls_failed(struct session *s);
bool hello_client_tls_step(struct session *s);
bool hello_tunnel_step(struct session *s);

/* DATA and BDAT: the command has been taken from the client's leg. */
void intake_data(struct session *s);
void intake_chunk(struct session *s, struct span argument);
bool intake_data_step(struct session *s);
bool intake_chunk_step(struct session *s);

void message_free(struct session *s);
/* The session ends with a message in flight: the client was told nothing, so it is deferred. */
void message_lost(struct session *s);
/* All of it is spooled: refused for what it is, or checked. */
void message_complete(struct session *s);
void message_refuse(struct session *s, enum action action, const char *why, const char *reply);
bool message_check_step(struct session *s);
bool message_data_reply_step(struct session *s);
bool message_send_step(struct session *s);
bool message_final_step(struct session *s);
bool message_reset_step(struct session *s);
