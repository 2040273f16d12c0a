/* SPDX-License-Identifier: PostgreSQL */
/*
 * A failure is a value.  The function that detects one fills a struct fail
 * and returns -1; callers may add a fact; only the caller that decides what to
 * do (try again, ask the next store, give up) logs it.  Exit codes follow from
 * the kind, in cmd/process.c alone.
 */
#ifndef WALVAULT_UTIL_FAIL_H
#define WALVAULT_UTIL_FAIL_H

enum fail_kind {
	FAIL_NONE,      /* nothing has failed */
	FAIL_TRANSIENT, /* worth trying again: network, I/O, time-out, lock */
	FAIL_SPACE,  /* no room left (ENOSPC, EDQUOT, EFBIG): try again later */
	FAIL_ABSENT, /* something that must be there is not */
	FAIL_REFUSED, /* other content under that name, another cluster's WAL */
	FAIL_DAMAGED, /* bytes that do not match their checksum or their format
	               */
	FAIL_DENIED,  /* permission or credentials */
	FAIL_CONFIG, /* an option, a configuration file, a missing repository */
	FAIL_INTERNAL, /* out of memory, or a bug */
};

struct fail {
	enum fail_kind kind;
	char object[256]; /* what it happened to: a path, key, option */
	char cause[512];  /* why, without a final full stop */
	char hint[512];   /* what to do next; may be empty */
};

#define FAIL_PRINTF(a, b) __attribute__((format(printf, a, b)))

/*
 * Fill *f (object is copied and may be NULL) and drop an older hint.  Always
 * returns -1, so that "return fail_set(...)" reads as what it does.
 */
int fail_set(struct fail *f, enum fail_kind kind, const char *object,
    const char *cause_fmt, ...) FAIL_PRINTF(4, 5);

/*
 * The same from errno: the cause is "WHAT: strerror", the kind follows from
 * the number (ENOSPC, EDQUOT and EFBIG are SPACE, EACCES, EPERM and EROFS are
 * DENIED, ENOENT and ENOTDIR are ABSENT, ENOMEM is INTERNAL, all else is
 * TRANSIENT).  Where the number alone says what to do, so does the hint.
 * Keeps errno.
 */
int fail_errno(struct fail *f, const char *object, const char *what);

/* Set the hint of a failure.  Always returns -1. */
int fail_hint(struct fail *f, const char *fmt, ...) FAIL_PRINTF(2, 3);

/* Put a fact in front of the cause: "FACT: cause".  Always returns -1. */
int fail_add(struct fail *f, const char *fmt, ...) FAIL_PRINTF(2, 3);

/* A word for the kind, for messages and JSON: "transient", "refused", ... */
const char *fail_kind_name(enum fail_kind kind);

#endif
