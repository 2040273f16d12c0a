/* SPDX-License-Identifier: PostgreSQL */
/* Starting a thread that works beside the one that starts it. */
#ifndef WALVAULT_UTIL_THREAD_H
#define WALVAULT_UTIL_THREAD_H

#include <pthread.h>

/*
 * As pthread_create, with the thread on another processor than the caller's
 * if there is one: a program that runs for ten milliseconds ends before the
 * kernel notices that its two threads share one.  0 or an error number.
 */
int thread_start(pthread_t *thread, void *(*run)(void *arg), void *arg);

#endif
