/*
 * engine: what install says to the daemon that uses the signatures, over its control socket.
 *
 * After Reload the daemon is looked at again, ENGINE_HEALTH_MS later: it must answer Status, must
 * not have been started anew in between, and, when it names its database, it must be the new one.
 *
 * Limits: ENGINE_RELOAD_S for Reload, ENGINE_STATUS_S for Status; later counts as a refusal. One
 * that is not running has nothing against anything: it loads what is current when it starts.
 */
#pragma once

#define ENGINE_RELOAD_S 300
#define ENGINE_STATUS_S 10
#define ENGINE_HEALTH_MS 1000

/* id: the folder that became current, or "". 0, or with *ret_why (heap) -EBADMSG: it has kept the
 * old; -ESTALE: it is not well. */
int engine_reload(const char *daemon, const char *id, char **ret_why);
