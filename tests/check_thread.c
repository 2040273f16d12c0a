/* SPDX-License-Identifier: PostgreSQL */
/* wrap: pthread_create sched_getcpu sched_getaffinity pthread_setaffinity_np */
/* Starting threads, on machines of several kinds. */
#include <errno.h>
#include <sched.h>

#include "clock.h"
#include "thread.h"
#include "threadcheck.h"

/* The machine: what the library is told, and what it asks for. */
static struct {
	int cpu;       /* the caller's; -1 nobody knows */
	unsigned cpus; /* on which it may run, from 0 on; 0 nobody knows */
	int set_error;
	unsigned sets;
	cpu_set_t set[4];
} machine;

int __wrap_sched_getcpu(void);

int
__wrap_sched_getcpu(void)
{
	return machine.cpu;
}

int __wrap_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set);

int
__wrap_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set)
{
	require(pid == 0 && size == sizeof *set);
	CPU_ZERO(set);
	for (unsigned i = 0; i < machine.cpus; i++)
		CPU_SET(i, set);
	return machine.cpus > 0 ? 0 : -1;
}

int __wrap_pthread_setaffinity_np(
    pthread_t thread, size_t size, const cpu_set_t *set);

int
__wrap_pthread_setaffinity_np(
    pthread_t thread, size_t size, const cpu_set_t *set)
{
	require(size == sizeof *set && machine.sets < 4);
	require(!pthread_equal(thread, pthread_self()));
	machine.set[machine.sets++] = *set;
	return machine.set_error;
}

/* Adds one to what it is given. */
static void *
add_one(void *arg)
{
	++*(int *)arg;
	return arg;
}

/* Start one, and see it to its end. */
static void
start_and_join(void)
{
	pthread_t thread;
	int number = 41;
	void *result = NULL;

	ck_assert_int_eq(thread_start(&thread, add_one, &number), 0);
	ck_assert_int_eq(pthread_join(thread, &result), 0);
	ck_assert_int_eq(number, 42);
	ck_assert_ptr_eq(result, &number);
}

START_TEST(a_thread_goes_to_another_processor_and_is_free_then)
{
	for (int cpu = 0; cpu < 4; cpu++) {
		machine.cpu = cpu;
		machine.cpus = 4;
		machine.sets = 0;
		start_and_join();
		ck_assert_uint_eq(machine.sets, 2);
		ck_assert(!CPU_ISSET((size_t)cpu, &machine.set[0]));
		ck_assert_int_eq(CPU_COUNT(&machine.set[0]), 3);
		ck_assert_int_eq(CPU_COUNT(&machine.set[1]), 4);
	}
}
END_TEST

START_TEST(a_thread_runs_where_it_can_if_there_is_no_other_place)
{
	static const struct {
		int cpu;
		unsigned cpus;
	} places[] = { { 0, 1 }, { -1, 4 }, { 0, 0 }, { CPU_SETSIZE, 4 } };

	for (size_t i = 0; i < 4; i++) {
		machine.cpu = places[i].cpu;
		machine.cpus = places[i].cpus;
		start_and_join();
		ck_assert_uint_eq(machine.sets, 0);
	}
	/* What it asks for is refused. */
	machine.cpu = 1;
	machine.cpus = 2;
	machine.set_error = EINVAL;
	start_and_join();
	ck_assert_uint_eq(machine.sets, 1);
}
END_TEST

START_TEST(a_thread_that_is_not_to_be_had_is_told_and_not_moved)
{
	pthread_t thread;
	int number = 41;

	machine.cpus = 2;
	threads.error = EAGAIN;
	ck_assert_int_eq(thread_start(&thread, add_one, &number), EAGAIN);
	ck_assert_int_eq(number, 41);
	ck_assert_uint_eq(machine.sets, 0);
}
END_TEST

/* By a clock that is set such a moment is long over, or far away. */
START_TEST(a_wait_ends_by_the_clock_that_nobody_sets)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t cond;
	int64_t until = clock_monotonic_ms() + 50;

	thread_cond_init(&cond);
	(void)pthread_mutex_lock(&lock);
	ck_assert_int_eq(thread_wait_until(&cond, &lock, until), ETIMEDOUT);
	ck_assert_int_ge(clock_monotonic_ms(), until);
	(void)pthread_mutex_unlock(&lock);
	(void)pthread_cond_destroy(&cond);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("thread");

	add_tests(s, "start",
	    TESTS(a_thread_goes_to_another_processor_and_is_free_then,
	        a_thread_runs_where_it_can_if_there_is_no_other_place,
	        a_thread_that_is_not_to_be_had_is_told_and_not_moved));
	add_tests(s, "wait", TESTS(a_wait_ends_by_the_clock_that_nobody_sets));
	return run_suite(s);
}
