/* SPDX-License-Identifier: PostgreSQL */
/* Threads that work beside the one that starts them, and waiting for them. */
#ifndef WALVAULT_UTIL_THREAD_H
#define WALVAULT_UTIL_THREAD_H

#include <pthread.h>
#include <stdint.h>

/*
 * As pthread_create, with the thread on another processor than the caller's
 * if there is one: a program that runs for ten milliseconds ends before the
 * kernel notices that its two threads share one.  0 or an error number.
 */
int thread_start(pthread_t *thread, void *(*run)(void *arg), void *arg);

/* A condition whose waits end by a clock that nobody sets. */
void thread_cond_init(pthread_cond_t *cond);

/*
 * Under the lock: wait for a signal until then (clock_monotonic_ms).  0, or
 * ETIMEDOUT; of a condition that thread_cond_init has made.
 */
int
thread_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t at_ms);

#endif
