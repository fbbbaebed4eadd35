/* box: calls of boxd (io.sekisho.Box), which acts on the machine for an administrator. */
#pragma once

#include "cli/cli.h"

/* Has the event log take down who does what, before it is done. Without boxd it is only warned. */
void box_record(struct cli *c, const char *line);
/* A method without reply; the exit code, with the failure printed. */
int box_act(const char *method, sd_json_variant *parameters);
