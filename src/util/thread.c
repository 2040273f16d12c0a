/* SPDX-License-Identifier: PostgreSQL */
/* Threads: see thread.h. */
#include <sched.h>
#include <stddef.h>
#include <time.h>

#include "thread.h"

/* Away from this processor, then free to go where the kernel likes. */
static void
move_away(pthread_t thread)
{
	cpu_set_t all, others;
	int cpu = sched_getcpu();

	if (cpu < 0 || cpu >= CPU_SETSIZE ||
	    sched_getaffinity(0, sizeof all, &all) != 0)
		return;
	others = all;
	CPU_CLR((size_t)cpu, &others);
	if (CPU_COUNT(&others) > 0 &&
	    pthread_setaffinity_np(thread, sizeof others, &others) == 0)
		(void)pthread_setaffinity_np(thread, sizeof all, &all);
}

int
thread_start(pthread_t *thread, void *(*run)(void *arg), void *arg)
{
	int rc = pthread_create(thread, NULL, run, arg);

	if (rc == 0)
		move_away(*thread);
	return rc;
}

void
thread_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(cond, &attr);
	(void)pthread_condattr_destroy(&attr);
}

int
thread_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t at_ms)
{
	struct timespec ts = { .tv_sec = at_ms / 1000,
		.tv_nsec = at_ms % 1000 * 1000000 };

	return pthread_cond_timedwait(cond, lock, &ts);
}
