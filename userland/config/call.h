/*
 * call: one call of io.sekisho.Config while it is answered: who asks, for what, in which session.
 *
 * Each method begins with call_begin(), which reads the parameters and finds the session, and has
 * itself answered when that fails; who may call it at all has been decided by control_allow()
 * (lib/control.h). The methods are in service_change.c, service_show.c and service_commit.c.
 */
#pragma once

#include "config/service.h"
#include "lib/role.h"

#define INTERFACE "io.sekisho.Config."
#define CALL_ROLLBACK_NONE UINT32_MAX

struct call {
	struct service *s;
	sd_varlink *link;
	enum role role;
	struct session *session; /* NULL when the method did not ask for one */
	struct fault f;
	char user[RECORD_USER_BYTES];
	char **path;
	const char *value, *source, *comment, *before, *after, *text, *mode, *format, *from;
	uint32_t rollback, number, confirm_minutes;
	int defaults, secrets;
};

#define _cleanup_call_ _cleanup_(call_end)

/* True to go on; otherwise it has been answered and *ret is to be returned. */
bool call_begin(struct call *c, sd_varlink *link, sd_json_variant *parameters, void *userdata,
	bool wants_session, int *ret);
void call_end(struct call *c);

/* The words of the path with the value behind, NULL-terminated. */
char *const *call_words(struct call *c);
/* Answers with the fault. */
int call_refuse(struct call *c, const char *error);
int call_refuse_why(struct call *c, const char *error, const char *why);
int call_invalid(struct call *c, const char *parameter, const char *value, const char *accepted);

/* Methods, by file; each an sd_varlink_method_t. */
#define METHOD(name, function, role) \
	int function(sd_varlink *, sd_json_variant *, sd_varlink_method_flags_t, void *);
#include "config/methods.def"
#undef METHOD

/* What a rollback number means: 0 is running. *ret is to be freed. -ENOENT, -EBADMSG with the
 * fault. */
int service_rollback_tree(
	struct service *s, uint32_t number, struct lyd_node **ret, struct fault *f);
/* Running, then older commits; on the heap. */
int service_history(struct service *s, struct record **ret, unsigned *ret_n);
/* Names the account behind uid. */
void service_name(uid_t uid, char *out, size_t cap);
/* The commit that waits, or NULL. */
const struct record *service_pending(const struct service *s);
