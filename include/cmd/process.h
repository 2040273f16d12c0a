/* SPDX-License-Identifier: PostgreSQL */
/*
 * The process itself: what it inherits, its deadline, its signals.  Signal
 * dispositions, descriptors and exit belong to the cmd layer alone.
 */
#ifndef WALVAULT_CMD_PROCESS_H
#define WALVAULT_CMD_PROCESS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/*
 * First thing in main.  PostgreSQL's archiver and startup process leave
 * signals ignored (SIGPIPE, SIGALRM, SIGINT) and descriptors open: default
 * dispositions, nothing above descriptor 2, 0 to 2 open, umask 0 (all modes
 * are given explicitly).
 */
void process_begin(void);

/*
 * From now on SIGINT, SIGTERM and SIGHUP are only noted: the work ends where it
 * can say what it leaves behind.  The last one of them; 0: none.
 */
void process_catch_stop(void);
int process_stopped(void);

enum process_end {
	PROCESS_EXITED,  /* value is the work's result */
	PROCESS_CRASHED, /* value is the signal that killed it */
	PROCESS_STOPPED, /* value is the signal that asked us to stop */
	PROCESS_TIMEOUT,
	PROCESS_FAILED, /* no process could be started; value is errno */
};

struct process_result {
	enum process_end end;
	int value;
};

/*
 * Do the work in a child, and leave it behind at the deadline: I/O on a dead
 * NFS mount cannot be interrupted, but the server must get its answer.  The
 * child dies with its parent.
 */
struct process_result
process_supervise(int64_t timeout_ms, int (*work)(void *arg), void *arg);

/*
 * What work that may last for days shows of itself to who watches it: that it
 * moves, and what it is at.
 */
struct process_pulse {
	_Atomic uint64_t beats;
	char at[512]; /* what to say of it if it does not go on */
};

/* In memory that both see.  NULL without; never freed. */
struct process_pulse *process_pulse_new(void);

/* Something has moved.  NULL is a no-op. */
void process_beat(struct process_pulse *p);

/*
 * The same as process_supervise, but the work is left behind only when nothing
 * has moved for idle_ms (at most twice as long).
 */
struct process_result process_supervise_pulse(struct process_pulse *p,
    int64_t idle_ms, int (*work)(void *arg), void *arg);

/*
 * Of the work: answer now, as if it had ended with value.  Threads of it that
 * hang in the kernel would keep the process from ending.  It must not return
 * before the answer matters no more: whoever watches kills it.
 */
_Noreturn void process_answer(int value);

/* "deadline of 60s passed", "killed by signal 9", ...; "" for EXITED. */
void process_describe(
    const struct process_result *r, int64_t timeout_ms, char *out, size_t cap);

#endif
