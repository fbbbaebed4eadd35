#include "update/redirect.h"

#include <curl/curl.h>
#include <string.h>
#include <strings.h>

struct place {
	char *scheme, *host, *port;
};

static void place_free(struct place *p)
{
	curl_free(p->scheme);
	curl_free(p->host);
	curl_free(p->port);
}

static bool place_read(const char *url, struct place *ret)
{
	CURLU *u = curl_url();
	bool ok = u && curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
		  curl_url_get(u, CURLUPART_SCHEME, &ret->scheme, 0) == CURLUE_OK &&
		  curl_url_get(u, CURLUPART_HOST, &ret->host, 0) == CURLUE_OK &&
		  curl_url_get(u, CURLUPART_PORT, &ret->port, CURLU_DEFAULT_PORT) == CURLUE_OK;

	curl_url_cleanup(u);
	return ok;
}

static const char *refuse(const struct place *from, const struct place *to)
{
	bool secure = strcmp(to->scheme, "https") == 0;

	if (!secure && strcmp(to->scheme, "http") != 0)
		return "the server redirects to another scheme than http and https";
	if (!secure && strcmp(from->scheme, "https") == 0)
		return "the server redirects from https to http";
	if (!secure && strcasecmp(from->host, to->host) != 0)
		return "the server redirects to another host, without https";
	return NULL;
}

const char *redirect_refuse(const char *from, const char *to)
{
	struct place a = {0}, b = {0};
	/* What has no host or no known port is no web address. */
	const char *why = "the server redirects to another scheme than http and https";

	if (place_read(from, &a) && place_read(to, &b))
		why = refuse(&a, &b);
	place_free(&a);
	place_free(&b);
	return why;
}

bool redirect_is_same_host(const char *from, const char *to)
{
	struct place a = {0}, b = {0};
	bool same = place_read(from, &a) && place_read(to, &b) && strcmp(a.scheme, b.scheme) == 0 &&
		    strcasecmp(a.host, b.host) == 0 && strcmp(a.port, b.port) == 0;

	place_free(&a);
	place_free(&b);
	return same;
}
