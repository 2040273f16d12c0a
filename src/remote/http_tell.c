/* SPDX-License-Identifier: PostgreSQL */
/* Failures of the network, in words: see http_tell.h. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "http_tell.h"

#define PLAIN     "http://"
#define OVER_TLS  "https://"
#define PROBE_MS  2000L
#define ASTRAY_AT 400 /* what services answer that notice it themselves */

/* "HOST:PORT" of a URL. */
static const char *
host_of(const char *url, char out[300])
{
	const char *host = strstr(url, "://");

	host = host != NULL ? host + 3 : url;
	(void)snprintf(out, 300, "%.*s", (int)strcspn(host, "/?"), host);
	return out;
}

/*
 * Ask the port itself: does it take a greeting of TLS?  Nothing is sent behind
 * that, so it does not matter whose certificate it has.
 */
static bool
speaks_tls(const char *host, const struct http_options *o)
{
	char url[320];
	CURL *curl = curl_easy_init();
	CURLcode code = CURLE_FAILED_INIT;
	int64_t left = o->deadline.at_ms != 0 ? deadline_left(o->deadline)
	                                      : PROBE_MS;

	(void)snprintf(url, sizeof url, OVER_TLS "%s/", host);
	if (curl != NULL) {
		(void)curl_easy_setopt(curl, CURLOPT_URL, url);
		(void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
		(void)curl_easy_setopt(curl, CURLOPT_CONNECT_ONLY, 1L);
		(void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
		(void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
		if (o->no_proxy)
			(void)curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
		(void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS,
		    left < PROBE_MS ? (long)left + 1 : PROBE_MS);
		code = curl_easy_perform(curl);
	}
	curl_easy_cleanup(curl);
	return code == CURLE_OK;
}

static bool
is_plain(const struct http_failure *x)
{
	return strncasecmp(x->url, PLAIN, strlen(PLAIN)) == 0;
}

static int
wants_tls(const struct http_failure *x, struct fail *f)
{
	char host[300];

	(void)fail_set(f, FAIL_CONFIG, x->object,
	    "%s speaks TLS, and was asked in plain HTTP",
	    host_of(x->url, host));
	return fail_hint(f, "endpoint = " OVER_TLS "%s", host);
}

/* What OpenSSL and GnuTLS say of a first byte that is not TLS's. */
static bool
is_no_tls(const struct http_failure *x)
{
	static const char *const words[] = { "wrong version number",
		"unknown protocol", "packet length too long",
		"unexpected TLS packet" };

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strcasestr(x->detail, words[i]) != NULL)
			return true;
	return false;
}

static int
speaks_no_tls(const struct http_failure *x, struct fail *f)
{
	char host[300];

	(void)fail_set(f, FAIL_CONFIG, x->object,
	    "%s does not speak TLS, but plain HTTP or something else (%s)",
	    host_of(x->url, host), x->detail);
	return fail_hint(f,
	    "is the port right? If it is meant to be without TLS, and nobody "
	    "else sees the way there: endpoint = " PLAIN "%s",
	    host);
}

/* It may heal; 1. */
static int
heals(struct fail *f, const char *hint)
{
	(void)fail_hint(f, "%s", hint);
	return 1;
}

static int
never_heals(struct fail *f, enum fail_kind kind, const char *hint)
{
	f->kind = kind;
	return fail_hint(f, "%s", hint);
}

int
http_tell(const struct http_failure *x, struct fail *f)
{
	char host[300];

	(void)fail_set(f, FAIL_TRANSIENT, x->object, "%s", x->detail);
	switch (x->code) {
	case CURLE_OUT_OF_MEMORY:
		return never_heals(f, FAIL_INTERNAL, "");
	case CURLE_GOT_NOTHING:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_WEIRD_SERVER_REPLY:
		if (x->stranger && is_plain(x) &&
		    speaks_tls(host_of(x->url, host), x->options))
			return wants_tls(x, f);
		return x->code == CURLE_UNSUPPORTED_PROTOCOL
		    ? never_heals(f, FAIL_CONFIG, "is the endpoint right?")
		    : 1;
	case CURLE_URL_MALFORMAT:
		return never_heals(f, FAIL_CONFIG, "is the endpoint right?");
	case CURLE_SSL_CONNECT_ERROR:
		return x->stranger && is_no_tls(x) ? speaks_no_tls(x, f) : 1;
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_PEER_FAILED_VERIFICATION:
		return never_heals(f, FAIL_CONFIG,
		    "the server's certificate must be for the endpoint's "
		    "name and of an authority in ca_file (or the system's)");
	case CURLE_COULDNT_RESOLVE_PROXY:
		return heals(f,
		    "a proxy is set in the environment (https_proxy, "
		    "http_proxy, all_proxy)");
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
		return heals(f, "is the service up, and the endpoint right?");
	default:
		return 1;
	}
}

/* "... sent to HTTPS port": so say nginx, Apache and Go's services. */
bool
http_is_astray(
    const struct http_failure *x, const struct http_answer *a, struct fail *f)
{
	static const char word[] = "https";
	char host[300];

	if (a->status != ASTRAY_AT || !is_plain(x))
		return false;
	for (size_t i = 0; i + sizeof word - 1 <= a->body.len; i++)
		if (strncasecmp((const char *)a->body.data + i, word,
		        sizeof word - 1) == 0 &&
		    speaks_tls(host_of(x->url, host), x->options)) {
			(void)wants_tls(x, f);
			return true;
		}
	return false;
}
