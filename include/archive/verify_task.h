/* SPDX-License-Identifier: PostgreSQL */
/* What the parts of verify.h share; for verify*.c alone. */
#ifndef WALVAULT_ARCHIVE_VERIFY_TASK_H
#define WALVAULT_ARCHIVE_VERIFY_TASK_H

#include "verify.h"

enum verify_result {
	VERIFY_LEFT_OUT,
	VERIFY_TO_DO,
	VERIFY_GOOD,
	VERIFY_BAD,
	VERIFY_GONE,
};

/* An object to be read back. */
struct verify_task {
	char *key;
	uint64_t stored;
	int64_t mtime; /* of WAL; packs are known by their sum */
	bool is_wal;
	enum layout_kind kind; /* of WAL */
	struct walname name;   /* of WAL */
	size_t backup;         /* of packs: place in the survey's backups */
	uint32_t pack;
	struct sum128 sum; /* of packs, as their manifest says */
	enum verify_result result;
	char why[512]; /* BAD */
	bool damaged;  /* BAD by its content: the store could read it */
};

/* A line of memory: what was verified when. */
struct verify_memory {
	char *key;
	uint64_t stored;
	int64_t mtime, time;
};

struct verify_state {
	struct repository *repo;
	const struct verify_args *args;
	struct verify_report *out;
	struct survey survey;
	struct retain_plan plan;
	struct verify_task *tasks;
	size_t n_tasks, cap_tasks;
	bool any_bad;                 /* some task was read back and is BAD */
	struct verify_memory *memory; /* by key */
	size_t n_memory;
};

/* Append a task; its key is copied.  NULL without memory. */
struct verify_task *
verify_add_task(struct verify_state *v, const char *key, uint64_t stored);

/* Append a finding, cost empty.  NULL without memory. */
struct verify_finding *verify_add_finding(struct verify_state *v,
    const char *object, const char *fmt, ...) FAIL_PRINTF(3, 4);

/* The finding about an object, or NULL. */
struct verify_finding *
verify_told(const struct verify_state *v, const char *object);

/* Is this backup asked about? */
bool verify_is_asked(const struct verify_state *v, const char *id);

/* Is backup i (of the survey) asked about?  Complete ones only. */
bool verify_is_selected(const struct verify_state *v, size_t i);

/* verify_backup.c: manifests; their packs become tasks.  0 or -1. */
int verify_manifests(struct verify_state *v, struct fail *f);
/* Findings of packs that are bad.  0 or -1. */
int verify_packs(struct verify_state *v, struct fail *f);

/* verify_read.c: read all tasks TO_DO back.  0 or -1. */
int verify_read(struct verify_state *v, struct fail *f);

/* verify_list.c: WAL's tasks; setting damaged ones aside.  0 or -1. */
int verify_list_wal(struct verify_state *v, struct fail *f);
int verify_set_aside(struct verify_state *v, struct fail *f);

/* verify_wal.c: the findings of WAL.  0 or -1. */
int verify_wal(struct verify_state *v, struct fail *f);

/* verify_memory.c: choose by sample and since; remember what was done. */
int verify_choose(struct verify_state *v, struct fail *f);
void verify_remember(struct verify_state *v);

#endif
