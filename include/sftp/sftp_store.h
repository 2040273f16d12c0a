/* SPDX-License-Identifier: PostgreSQL */
/*
 * A directory on a server of SFTP as a store: sftp://USER@HOST/PATH.  Objects
 * are files, as in a directory of our own.  A file is written under a name
 * that no key has, made durable there, and gets its key as a hard link, which
 * is the only thing that SFTP has that neither overwrites nor shows a file
 * half written: an exclusive create of the key would show it from its first
 * byte on, posix-rename@openssh.com overwrites, and what rename does where the
 * name is taken is the server's affair.  A server without hard links is
 * refused, or (single_writer) looks before it renames.
 */
#ifndef WALVAULT_SFTP_SFTP_STORE_H
#define WALVAULT_SFTP_SFTP_STORE_H

#include "sftp_options.h"
#include "wire.h"

/*
 * ".walvault-s0123456789abcdef": where the server sees it as a directory of
 * its own, there is no number of a process in it (see file_sweep.h).
 */
#define SFTP_TEMP_PREFIX ".walvault-"

struct sftp_store {
	struct store store;
	struct sftp_options options;
	struct wire *wire;   /* NULL before the first, and after the last */
	unsigned connection; /* which one it is */
	bool no_dir_sync;    /* the server opens no directories for fsync */
};

/* As store_open. */
struct store *sftp_store_open(const struct store_args *args, struct fail *f);

/* An attempt failed by what may heal on another connection. */
#define SFTP_AGAIN 2

/*
 * Make attempts of an operation until one does not answer SFTP_AGAIN, each
 * with a connection, or until the time is over.  What the attempt gave, or -1.
 */
int sftp_run(struct sftp_store *s, const char *key,
    int (*attempt)(void *arg, struct fail *f), void *arg, struct fail *f);

/* What a key, a prefix, or "" is called on the server. */
void
sftp_path(const struct sftp_store *s, const char *key, char out[SFTP_PATH_MAX]);

/* The key's directory, as a prefix: "a/b/" or "". */
void sftp_dir_of(const char *key, char out[STORE_KEY_MAX]);

/* A key has no "", "." or ".." in it, and fits.  0 or -1. */
int sftp_check_key(const struct sftp_store *s, const char *key, struct fail *f);

/* Wait for an answer.  0 or SFTP_AGAIN. */
int sftp_wait(struct sftp_store *s, struct wire_call *call, const char *key,
    struct fail *f);

/* The same in the middle of bytes. */
int sftp_wait_bytes(struct sftp_store *s, struct wire_call *call,
    const char *key, struct fail *f);

/* One thing that was tried with a key. */
struct sftp_ask {
	struct sftp_store *store;
	const char *key;
	const char *what; /* "write", for failures */
	struct fail *f;
};

/*
 * Wait for an answer that is a status, or of the type wanted.  0, 1 there is
 * no such file, SFTP_AGAIN, -1.
 */
int sftp_answer(
    const struct sftp_ask *ask, struct wire_call *call, enum wire_type want);

/* What the status of an answer means, if it is not OK.  As sftp_answer. */
int sftp_judge(const struct sftp_ask *ask, struct wire_call *call);

/* A file that something is done with. */
struct sftp_handle {
	uint8_t bytes[256];
	size_t len;
};

/* OPEN with a mode, or OPENDIR (flags 0).  As sftp_answer. */
int sftp_open(
    const struct sftp_ask *ask, uint32_t flags, struct sftp_handle *handle);

/* Nobody waits for it. */
void sftp_close(struct sftp_store *s, const struct sftp_handle *handle);

struct sftp_attrs {
	uint32_t known; /* WIRE_ATTR_ bits */
	uint32_t mode;
	struct store_info info;
};

/* Read on in an answer. */
void sftp_read_attrs(struct wire_call *call, struct sftp_attrs *attrs);

/* LSTAT, or STAT.  As sftp_answer. */
int sftp_lstat(const struct sftp_ask *ask, struct sftp_attrs *attrs);
int
sftp_stat_root(struct sftp_store *s, struct sftp_attrs *attrs, struct fail *f);

/*
 * A name is not there.  But is the store?  1 it is, so the name is absent;
 * SFTP_AGAIN, -1.
 */
int sftp_absent(struct sftp_store *s, struct fail *f);

/* fsync of a directory, a prefix.  0 (also where there is none), ... */
int sftp_sync_dir(struct sftp_store *s, const char *prefix, struct fail *f);

/* The same of it and of those above it up to the root. */
int sftp_sync_dirs(struct sftp_store *s, const char *prefix, struct fail *f);

/* Make the directories of a key that are not there. */
int sftp_make_dirs(struct sftp_store *s, const char *key, struct fail *f);

/* Tell that there are no hard links, and what to do.  -1. */
int sftp_no_links(struct sftp_store *s, const char *why, struct fail *f);

/* A name in a directory. */
struct sftp_entry {
	char *name; /* of a directory with a '/' at its end */
	struct store_info info;
};

struct sftp_entries {
	struct sftp_entry *list;
	size_t n;
};

enum sftp_which {
	SFTP_KEYS,     /* the files and directories that keys consist of */
	SFTP_TEMPS,    /* the temporary files, and those directories */
	SFTP_ANY_FILE, /* as SFTP_KEYS, but it is enough to have one file */
};

/* What is in a prefix, sorted.  As sftp_answer, on the connection at hand. */
int sftp_read_dir(struct sftp_store *s, const char *prefix,
    enum sftp_which which, struct sftp_entries *entries, struct fail *f);
void sftp_entries_clear(struct sftp_entries *entries);

/* The ops, by file. */
struct stream *sftp_store_put(struct store *store, const char *key,
    const struct store_attrs *attrs, struct fail *f);
int sftp_store_get(struct store *store, const char *key, uint64_t off,
    uint64_t len, struct stream *out, struct fail *f);
int sftp_store_list(struct store *store, const struct store_scan *scan,
    store_list_fn *fn, void *arg, struct fail *f);
int sftp_store_sweep(struct store *store, const char *prefix, int64_t before,
    size_t *n, struct fail *f);
int sftp_store_prepare(struct store *store, struct fail *f);
int sftp_store_probe(struct store *store, struct fail *f);
int sftp_store_space(struct store *store, uint64_t *bytes, struct fail *f);

#endif
