/* SPDX-License-Identifier: PostgreSQL */
/* Small requests to services that give credentials. */
#ifndef WALVAULT_REMOTE_ASK_H
#define WALVAULT_REMOTE_ASK_H

#include "http.h"

#define ASK_TOKEN_MAX 16384

struct ask {
	const char *method;
	const char *url;
	const char *what; /* for messages: the URL may hold a secret */
	const char *body; /* a form, or NULL */
	struct headers headers;
	bool optional; /* 1 where nobody answers, at once */
	/* What the document of an error says, in words.  NULL: nothing. */
	void (*tell)(const struct buf *document, char *out, size_t cap);
	struct http_answer answer;
};

/* What such services are given: they are near, or not there at all. */
struct http_options ask_options(struct deadline deadline);

/* 0 answered with success, 1 nobody is there (optional), -1. */
int ask(struct http *h, struct ask *r, struct fail *f);

/* Also of a request that failed; what was answered is overwritten. */
void ask_clear(struct ask *r);

/*
 * A token in a file, without what is white around it; named is the option or
 * variable that names the file, for hints.  0 or -1.
 */
int ask_read_token(
    const char *named, const char *path, char *out, size_t cap, struct fail *f);

/* Would nobody on the way read what is sent to this URL? */
bool ask_is_private(const char *url);

#endif
