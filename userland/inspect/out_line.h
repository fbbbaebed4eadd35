/*
 * out_line: one event between its beginning and its end. Private to out*.c.
 */
#pragma once

#include "inspect/out.h"
#include "lib/eve.h"

void out_begin(struct out *o, struct jsonw *w, const char *type, const struct timeval *at);
void out_end(struct out *o, struct jsonw *w);

/* Pieces of events. */
void out_put_time(struct jsonw *w, const char *key, const struct timeval *at);
void out_put_packet(struct jsonw *w, const struct scene *s);
void out_put_flow_ends(struct jsonw *w, const struct scene *s);
void out_put_flow_addresses(struct jsonw *w, const struct scene *s);
void out_put_app_proto(struct jsonw *w, const struct flow *f);
void out_put_capture(
	struct jsonw *w, const char *name, size_t name_n, const uint8_t *bytes, size_t n);
/* The variables of flow and packet that rules have captured. f, m: NULL without. */
void out_put_vars(struct jsonw *w, const struct flow *f, const struct detect_match *m);
void out_put_app(struct jsonw *w, const struct scene *s);
