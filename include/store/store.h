/* SPDX-License-Identifier: PostgreSQL */
/*
 * A store is a place that keeps objects: immutable bytes under a key.  Keys
 * are relative paths of plain names ("main/7431.1/wal/00000001/..."); what
 * they mean is the archive layer's affair.  Stores hold no policy: they do not
 * log, do not try again, and know nothing of PostgreSQL.
 *
 * Invariants that every store keeps:
 *	- an object appears under its key whole and durable, or not at all;
 *	- a key is written once: of several writers at once exactly one wins,
 *	  and the others learn that it exists;
 *	- "no such object" is said only by a store that was reached; a missing
 *	  bucket or an unmounted directory is a failure.
 *
 * A store may be used by one thread at a time; who takes what it gives may
 * ask it for something else meanwhile.
 */
#ifndef WALVAULT_STORE_STORE_H
#define WALVAULT_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "stream.h"

#define STORE_KEY_MAX 512

/* To the end of the object. */
#define STORE_ALL UINT64_MAX

struct store;

/*
 * What an object is, as far as a store may treat it differently: storage
 * class, how it is put.  WAL is always put by one request.
 */
enum store_kind { STORE_NOTE, STORE_WAL, STORE_BACKUP };

/* What is known of an object before it is written. */
struct store_attrs {
	enum store_kind kind;
	uint64_t size_hint; /* bytes, or 0 if not known */
	/*
	 * Not NULL: an object found damaged is in the way under the key.  The
	 * new one takes the key and the old one goes to this key, in one step
	 * if the store can; there is no moment without an object.
	 */
	const char *set_aside;
	/*
	 * Bytes left free in front of what is written, to be filled by
	 * store_front before finish.  Only where store_has_front says so.
	 */
	size_t front;
};

struct store_info {
	uint64_t size;
	int64_t mtime; /* TimestampTz */
};

/* What a listing is to give. */
struct store_scan {
	const char *prefix; /* empty, or with a '/' at its end */
	const char *after;  /* only keys behind this one; NULL: all */
	bool shallow;       /* one level deep */
};

/* Not 0 ends the listing with that value. */
typedef int
store_list_fn(void *arg, const char *key, const struct store_info *info);

/* Keys to be deleted, and who is told of each that could not be. */
struct store_batch {
	const char *const *keys;
	size_t n; /* STORE_BATCH_MAX at most */
	void (*failed)(void *arg, size_t i, const struct fail *f); /* or NULL */
	void *arg;
};

#define STORE_BATCH_MAX 1000

struct store_ops {
	struct stream *(*put)(struct store *s, const char *key,
	    const struct store_attrs *attrs, struct fail *f);
	/* NULL where what comes first must be written first. */
	int (*front)(
	    struct stream *put, const void *bytes, size_t len, struct fail *f);
	int (*get)(struct store *s, const char *key, uint64_t off, uint64_t len,
	    struct stream *out, struct fail *f);
	int (*stat)(struct store *s, const char *key, struct store_info *info,
	    struct fail *f);
	int (*settle)(struct store *s, const char *key, struct fail *f);
	int (*list)(struct store *s, const struct store_scan *scan,
	    store_list_fn *fn, void *arg, struct fail *f);
	int (*del)(struct store *s, const char *key, struct fail *f);
	/* All by one request; 1: it cannot.  NULL where there is none such. */
	int (*del_many)(struct store *s, struct store_batch *b, struct fail *f);
	/* NULL where nothing is left behind. */
	int (*sweep)(struct store *s, const char *prefix, int64_t before,
	    size_t *n, struct fail *f);
	int (*prepare)(struct store *s, struct fail *f);
	/* NULL where a put that is begun tells it. */
	int (*probe)(struct store *s, struct fail *f);
	/* NULL where nobody knows. */
	int (*space)(struct store *s, uint64_t *bytes, struct fail *f);
	/* NULL where an object has one source. */
	int (*turn)(struct store *s, const char *key, const struct fail *why);
	/* NULL where nothing is known beforehand. */
	const void *(*head)(struct store *s, const char *key, size_t *len);
	/* NULL where one handle is all there can be. */
	struct store *(*again)(const struct store *s);
	void (*free)(struct store *s);
};

struct store {
	const struct store_ops *ops;
	char name[64];  /* as configured, for messages */
	char url[1024]; /* without secrets */
	uint64_t id;    /* a hash of where it is, for caches */
	bool far;       /* every request takes the network's time */
	/* The directory's device and inode, once it was opened; inode 0: not
	 * known, or it is none. */
	uint64_t device, inode;
};

struct store_args {
	const char *name;
	const char *url;
	uint32_t dir_mode, file_mode; /* file stores */
	/*
	 * What else is set for the store, by the option's name as on a command
	 * line ("ca-file"): its value, checked, or NULL.  option is NULL where
	 * nothing is set.  It is asked while the store is opened and no more,
	 * so the values are copied.
	 */
	const char *(*option)(const void *arg, const char *name);
	const void *option_arg;
	const char *spool_dir;    /* for what memory does not hold, or NULL */
	struct deadline deadline; /* the program's; at_ms 0: it has none */
};

/*
 * Drivers of the network are modules, loaded when a URL asks for one (see
 * module.h).  NULL: the URL is not one that this version can open, or its
 * module or a library is not installed (FAIL_CONFIG).
 */
struct store *store_open(const struct store_args *args, struct fail *f);

/* An option of the store's section, or fallback. */
const char *store_option(
    const struct store_args *args, const char *name, const char *fallback);

/*
 * Another handle to the same place, for another thread.  It may outlive s.
 * NULL: none is to be had, go on with the one.
 */
struct store *store_again(const struct store *s);

/*
 * A stream that becomes the object when it is finished: 0 done, durable; 1
 * the key exists already (nothing was changed); -1 failed.  Freed without
 * finish, nothing is left behind.  NULL: it could not be begun.
 */
struct stream *store_put(struct store *s, const char *key,
    const struct store_attrs *attrs, struct fail *f);

/*
 * Can the beginning of an object be written last?  Then the rest is on its
 * way to the disk while the beginning is not yet known.
 */
static inline bool
store_has_front(const struct store *s)
{
	return s->ops->front != NULL;
}

/*
 * Fill the attrs.front bytes left free in front of a put, all of them at once.
 * Without it finish fails.  0 or -1.
 */
int store_front(struct store *s, struct stream *put, const void *bytes,
    size_t len, struct fail *f);

/*
 * Push len bytes from off (or as far as there are) into out, which is not
 * finished.  0 done, 1 no such object, -1 failed (out's failures too).
 */
int store_get(struct store *s, const char *key, uint64_t off, uint64_t len,
    struct stream *out, struct fail *f);

/*
 * What was got of the object is no good.  1: there is another source, and the
 * next get takes that one (the switch is logged); 0 there is none.
 */
int store_turn(struct store *s, const char *key, const struct fail *why);

/*
 * The frame at an object's beginning, if it is known without a request: it
 * stays the store's.  NULL: read it.
 */
const void *store_head(struct store *s, const char *key, size_t *len);

/* 0 it exists, 1 no such object, -1 failed. */
int store_stat(
    struct store *s, const char *key, struct store_info *info, struct fail *f);

/*
 * Make an object that another process may just have written as durable as
 * our own.  0, 1 no such object, -1.
 */
int store_settle(struct store *s, const char *key, struct fail *f);

/*
 * All keys that begin with prefix, in bytewise order.  prefix is empty or
 * ends with '/'.  0, what fn returned, or -1.  No object: no call, 0.
 */
int store_list(struct store *s, const char *prefix, store_list_fn *fn,
    void *arg, struct fail *f);

/* The same of the keys behind after, which need not be one. */
int store_list_after(struct store *s, const char *prefix, const char *after,
    store_list_fn *fn, void *arg, struct fail *f);

/*
 * All again, one level deep: what lies below a further '/' is given once, as
 * a key that ends with '/', with info NULL.
 */
int store_list_shallow(struct store *s, const char *prefix, store_list_fn *fn,
    void *arg, struct fail *f);

/* 0 deleted, 1 no such object, -1 failed. */
int store_del(struct store *s, const char *key, struct fail *f);

/*
 * How many keys store_del_many deletes by one request: 1 where they go one by
 * one.
 */
size_t store_batch_size(const struct store *s);

/*
 * Delete several objects, also if some cannot be deleted; those that were not
 * there do not count.  0, or -1: failed was told of each that is left, or of
 * none if that is not known; *f is the last.
 */
int store_del_many(struct store *s, struct store_batch *b, struct fail *f);

/*
 * Delete what writers that were killed have left below prefix without a key,
 * if it was last written before a moment (TimestampTz, the store's clock) and,
 * as far as is known, the writer does not live.  *n is how many; also in a
 * failure.  0 or -1.
 */
int store_sweep(struct store *s, const char *prefix, int64_t before, size_t *n,
    struct fail *f);

/* Make the place itself (a directory), for init.  0 (also if it is there). */
int store_prepare(struct store *s, struct fail *f);

/*
 * Can objects be created here, and only where there is none?  0 yes, -1; 1
 * the store does not ask: one begins a put, and abandons it.
 */
int store_probe(struct store *s, struct fail *f);

/* Bytes that may still be written.  0, 1 not known, -1. */
int store_space(struct store *s, uint64_t *bytes, struct fail *f);

/* Close it.  NULL is a no-op. */
void store_free(struct store *s);

/* "local (file:///var/backups/walvault): KEY", for failures. */
void store_object_name(
    const struct store *s, const char *key, char *out, size_t cap);

#endif
