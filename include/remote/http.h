/* SPDX-License-Identifier: PostgreSQL */
/*
 * HTTP requests to one service, over one connection that is kept while it is
 * good.  A request that fits in memory, or in a spool, can be made again: an
 * exchange is a request, repeated until its answer is final or its time is
 * over.  All of the network's behaviour is here: TLS, proxies (from the
 * environment, as curl takes them), time-outs and repetitions.  libcurl is
 * used here (and in http_tell) alone.  Not thread-safe; each thread has its
 * own.  Who takes an answer may make requests of his own before he takes more
 * of it.
 */
#ifndef WALVAULT_REMOTE_HTTP_H
#define WALVAULT_REMOTE_HTTP_H

#include <limits.h>

#include "headers.h"
#include "spool.h"
#include "store.h"

/* What is kept in memory of an answer's body, at most. */
#define HTTP_BODY_MAX ((size_t)16 * 1024 * 1024)

struct http;

struct http_options {
	char ca_file[PATH_MAX]; /* empty: the system's authorities */
	bool verify;
	bool no_proxy; /* whatever the environment says */
	int64_t connect_ms, answer_ms, stall_ms;
	int64_t retry_ms;         /* for one exchange */
	struct deadline deadline; /* of the run; at_ms 0: none */
};

struct http_answer {
	int status;  /* 0: there was none */
	bool resent; /* libcurl had to begin anew, on another connection */
	struct headers headers;
	struct buf body; /* what was not given to the request's out */
};

struct http_request {
	const char *method;
	struct buf url; /* with a NUL at its end */
	struct headers headers;
	const void
	    *body; /* body_len bytes, or of the spool all from its from */
	size_t body_len;
	struct spool *spool;
	uint64_t from;
	const char *before, *after; /* texts around that; or NULL */
	/*
	 * Takes the body of an answer that accept says is the one asked for
	 * (0; 1: no, it is kept in the answer; -1).  NULL: all is kept.
	 */
	struct stream *out;
	int (*accept)(
	    void *arg, const struct http_answer *answer, struct fail *f);
	void *accept_arg;
	uint64_t *pushed; /* counts what out has been given */
};

enum http_verdict {
	HTTP_DONE,
	HTTP_NO,     /* the expected "no" */
	HTTP_AGAIN,  /* the failure given may heal */
	HTTP_NEXT,   /* another request belongs to it, made at once */
	HTTP_FAILED, /* it will not */
};

/* One exchange, as the driver of a service sees it. */
struct http_exchange {
	const char *object; /* for failures */
	/* Fill an empty request, also for a repetition.  0 or -1. */
	int (*make)(void *arg, struct http_request *r, struct fail *f);
	/* What the answer means; *f is filled unless it is DONE or NO. */
	enum http_verdict (*judge)(
	    void *arg, const struct http_answer *a, struct fail *f);
	int (*accept)(void *arg, const struct http_answer *a, struct fail *f);
	void *arg;
	bool once;      /* it is not worth a repetition */
	unsigned tries; /* how many requests were made: set by http_run */
};

/* The options that all stores on the network have.  0 or -1. */
int http_options_read(
    const struct store_args *args, struct http_options *o, struct fail *f);

/* Options are kept, not copied.  NULL without memory. */
struct http *http_new(const struct http_options *o);
void http_free(struct http *h);

/*
 * Make requests until one is judged final.  0 done, 1 no, -1; *a is the last
 * answer and the caller's to clear with http_answer_clear.
 */
int http_run(struct http *h, struct http_exchange *x, struct http_answer *a,
    struct fail *f);

/*
 * One request.  0 there is an answer, 1 the failure in *f may heal, -1 it
 * will not.
 */
int http_try(struct http *h, const struct http_request *r, const char *object,
    struct http_answer *a, struct fail *f);

void http_answer_clear(struct http_answer *a);

/* Seconds that this host's clock, at, is ahead of the Date of an answer. */
int64_t http_ahead(const struct http_answer *a, int64_t at);

/* The options given to http_new. */
const struct http_options *http_options_of(const struct http *h);

#endif
