/* SPDX-License-Identifier: PostgreSQL */
/* Threads: see thread.h. */
#include <sched.h>
#include <stddef.h>

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
