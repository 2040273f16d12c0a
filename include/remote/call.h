/* SPDX-License-Identifier: PostgreSQL */
/*
 * One request to a service: made, repeated, and its answer judged.  What is
 * the same of all services is here; what is not is in struct call_ops.
 */
#ifndef WALVAULT_REMOTE_CALL_H
#define WALVAULT_REMOTE_CALL_H

#include "range.h"
#include "service.h"

/* What an error document says; texts are cut where they are too long. */
struct call_error {
	char code[64], message[400];
	char region[64]; /* of the bucket, where it is another */
	bool document;   /* it is one of the service's own */
};

struct call {
	struct service *at;
	const char *method;
	const char *right; /* what the credentials must permit, for hints */
	const char *key;   /* without the prefix; NULL: the place itself */
	const char *query; /* encoded, as the service signs it; NULL: none */
	struct buf made;   /* for call_run_made */
	const void *body;
	size_t body_len;
	struct spool *spool; /* instead: all from its from */
	uint64_t from;
	const char *before, *after; /* texts around it, or NULL */
	const char *hash;           /* of the spool, if that is signed */
	struct headers headers;     /* besides those of every request */
	/* Of a GET whose body is pushed: */
	struct stream *out;
	struct range range;
	/* A success that is none: 0 it is one, 1 it may heal, -1. */
	int (*check)(
	    struct call *c, const struct http_answer *a, struct fail *f);
	void *arg; /* of the caller */
	bool once; /* what fails is not tried again */
	/* The result: */
	struct http_answer answer;
	struct call_error error;
	unsigned tries;
	int64_t sent_at;
	unsigned credentials; /* the number of those that signed */
	bool refreshed;       /* credentials were asked for once more */
	char object[STORE_KEY_MAX + 1024];
};

struct call_ops {
	/* Change it for the next try.  0 or -1.  NULL: it stays. */
	int (*ready)(struct call *c, struct fail *f);
	/* Add the URL, and what shows who asks.  0, or -1 with *f. */
	int (*make)(struct call *c, struct http_request *r, struct fail *f);
	/* Is a success none of the service's?  0, 1 it is.  NULL: no. */
	int (*doubt)(
	    struct call *c, const struct http_answer *a, struct fail *f);
	/* Do an object's bytes come?  0, 1 they do not. */
	int (*accept)(struct call *c, const struct http_answer *a);
	/* Before all: is it judged otherwise?  NULL: never. */
	bool (*judge)(struct call *c, const struct http_answer *a,
	    enum http_verdict *v, struct fail *f);
	/* An answer that is no success. */
	enum http_verdict (*judge_error)(
	    struct call *c, const struct http_answer *a, struct fail *f);
	/* It has failed: another hint?  NULL: never. */
	void (*hint)(const struct call *c, struct fail *f);
};

/*
 * Make the request.  0 done, 1 the answer was the expected "no" (no such key,
 * precondition failed: answer.status tells), -1.  call_clear is always called.
 */
int call_run(struct call *c, struct fail *f);
void call_clear(struct call *c);

/*
 * The same with the query that is in c->made, unless rc, of its making, says
 * that there was no memory.
 */
int call_run_made(struct call *c, int rc, struct fail *f);

/* The same of one page of a listing; and clear it.  0 or -1. */
int call_page(struct call *c, int rc, struct fail *f);

/* Could an earlier try, whose answer was lost, have had its effect? */
bool call_was_repeated(const struct call *c);

/* "the answer says success, but WHY".  1: it may heal. */
int call_no_success(const struct call *c, const char *why, struct fail *f);

/* The same, with the hint that somebody else may have answered.  1. */
int call_not_theirs(const struct call *c, const char *why, struct fail *f);

/* "PUT: answered 503 SlowDown: message", as the words of a cause. */
void call_describe(const struct call *c, const struct http_answer *a,
    enum fail_kind kind, struct fail *f);

/* A denial by a clock that is wrong: true, and the hint. */
bool call_hint_clock(
    const struct call *c, const struct http_answer *a, struct fail *f);

/* One of a list that ends with NULL? */
bool call_among(const char *code, const char *const *list);

/* Statuses after which a repetition may succeed. */
bool call_may_heal(int status);

/*
 * Append a text (NULL: nothing); the place's prefix and a key, encoded, all
 * but their slashes where these are kept.  0 or -1.
 */
int call_add(struct buf *b, const char *text);
int call_add_key(
    const struct service *at, const char *key, bool slashes, struct buf *b);

/* "&NAME=", without the '&' if it is the first, and both texts encoded. */
int call_add_parameter(
    struct buf *b, const char *name, const char *prefix, const char *value);

#endif
