/* SPDX-License-Identifier: PostgreSQL */
/* Inheritance, deadline, signals: see process.h. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "process.h"
#include "units.h"

/* How long a killed child may take to go before it is left behind. */
#define REAP_MS 200

static void
reset_signals(void)
{
	struct sigaction sa = { .sa_handler = SIG_DFL };
	sigset_t none;

	/* SIGKILL, SIGSTOP and libc's own cannot be set: no matter. */
	for (int signo = 1; signo < NSIG; signo++)
		(void)sigaction(signo, &sa, NULL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

void
process_begin(void)
{
	int fd;

	reset_signals();
	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	closefrom(STDERR_FILENO + 1);
	(void)umask(0);
}

static volatile sig_atomic_t asked_to_stop;

static void
on_stop(int signo)
{
	asked_to_stop = signo;
}

void
process_catch_stop(void)
{
	struct sigaction act = { .sa_handler = on_stop,
		.sa_flags = SA_RESTART };

	(void)sigaction(SIGINT, &act, NULL);
	(void)sigaction(SIGTERM, &act, NULL);
	(void)sigaction(SIGHUP, &act, NULL);
}

int
process_stopped(void)
{
	return (int)asked_to_stop;
}

/* The signals that the supervising parent waits for. */
static void
supervised_signals(sigset_t *set)
{
	(void)sigemptyset(set);
	(void)sigaddset(set, SIGCHLD);
	(void)sigaddset(set, SIGUSR1);
	(void)sigaddset(set, SIGTERM);
	(void)sigaddset(set, SIGINT);
	(void)sigaddset(set, SIGQUIT);
	(void)sigaddset(set, SIGHUP);
}

/* The next of the signals within ms; 0 at the end of the time. */
static int
wait_signal(const sigset_t *set, int64_t ms, siginfo_t *info)
{
	struct timespec ts = { .tv_sec = ms / 1000,
		.tv_nsec = ms % 1000 * 1000000 };
	int signo = sigtimedwait(set, info, &ts);

	return signo > 0 ? signo : 0;
}

/* Kill the child; one that hangs in the kernel is left behind. */
static void
abandon(pid_t child, const sigset_t *set)
{
	struct deadline d = deadline_in(REAP_MS);

	(void)kill(child, SIGKILL);
	while (waitpid(child, NULL, WNOHANG) == 0 && deadline_left(d) > 0)
		(void)wait_signal(set, deadline_left(d), NULL);
}

static struct process_result
ended(int status)
{
	if (WIFEXITED(status))
		return (struct process_result){ PROCESS_EXITED,
			WEXITSTATUS(status) };
	return (struct process_result){ PROCESS_CRASHED, WTERMSIG(status) };
}

/* Has it moved since beats were seen? */
static bool
has_moved(struct process_pulse *p, uint64_t *beats)
{
	uint64_t seen = *beats;

	if (p != NULL)
		*beats = atomic_load(&p->beats);
	return *beats != seen;
}

static struct process_result
watch(pid_t child, const sigset_t *set, int64_t timeout_ms,
    struct process_pulse *pulse)
{
	struct deadline d = deadline_in(timeout_ms);
	uint64_t beats = 0;

	for (;;) {
		int64_t left = deadline_left(d);
		siginfo_t info = { 0 };
		int signo = wait_signal(set, left, &info);
		int status;

		if (signo == SIGUSR1) {
			if (info.si_pid != child)
				continue;
			abandon(child, set);
			return (struct process_result){ PROCESS_EXITED,
				info.si_value.sival_int };
		}
		if (waitpid(child, &status, WNOHANG) == child)
			return ended(status);
		if (signo != 0 && signo != SIGCHLD) {
			abandon(child, set);
			return (
			    struct process_result){ PROCESS_STOPPED, signo };
		}
		if (left == 0 && has_moved(pulse, &beats)) {
			d = deadline_in(timeout_ms);
		} else if (left == 0) {
			abandon(child, set);
			return (struct process_result){ PROCESS_TIMEOUT, 0 };
		}
	}
}

static struct process_result
supervise(struct process_pulse *pulse, int64_t timeout_ms,
    int (*work)(void *arg), void *arg)
{
	sigset_t set, none;
	pid_t parent = getpid(), child;

	supervised_signals(&set);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &set, NULL);
	child = fork();
	if (child < 0)
		return (struct process_result){ PROCESS_FAILED, errno };
	if (child == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		(void)sigprocmask(SIG_SETMASK, &none, NULL);
		_exit(work(arg));
	}
	return watch(child, &set, timeout_ms, pulse);
}

struct process_result
process_supervise(int64_t timeout_ms, int (*work)(void *arg), void *arg)
{
	return supervise(NULL, timeout_ms, work, arg);
}

struct process_result
process_supervise_pulse(
    struct process_pulse *p, int64_t idle_ms, int (*work)(void *arg), void *arg)
{
	return supervise(p, idle_ms, work, arg);
}

struct process_pulse *
process_pulse_new(void)
{
	void *p = mmap(NULL, sizeof(struct process_pulse),
	    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return p != MAP_FAILED ? p : NULL;
}

void
process_beat(struct process_pulse *p)
{
	if (p != NULL)
		(void)atomic_fetch_add(&p->beats, 1);
}

void
process_answer(int value)
{
	union sigval v = { .sival_int = value };

	(void)sigqueue(getppid(), SIGUSR1, v);
	for (;;)
		(void)pause();
}

void
process_describe(
    const struct process_result *r, int64_t timeout_ms, char *out, size_t cap)
{
	char time[UNITS_TEXT];

	units_format((uint64_t)timeout_ms, UNITS_MS, time);
	switch (r->end) {
	case PROCESS_EXITED:
		(void)snprintf(out, cap, "%s", "");
		break;
	case PROCESS_CRASHED:
		(void)snprintf(
		    out, cap, "its worker was killed by signal %d", r->value);
		break;
	case PROCESS_STOPPED:
		(void)snprintf(out, cap, "stopped by signal %d", r->value);
		break;
	case PROCESS_TIMEOUT:
		(void)snprintf(out, cap,
		    "the deadline of %s passed (option timeout)", time);
		break;
	case PROCESS_FAILED:
		(void)snprintf(
		    out, cap, "cannot start a process: %s", strerror(r->value));
		break;
	}
}
