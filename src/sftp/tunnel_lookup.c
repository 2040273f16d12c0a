/* SPDX-License-Identifier: PostgreSQL */
/*
 * The addresses of a host, within a time.  getaddrinfo(3) has none: a server
 * of names that is gone is asked for as long as resolv.conf(5) says, of each
 * search domain.  So a thread asks, and is left behind when the time is over.
 */
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "thread.h"
#include "tunnel_session.h"

/* Lives until the thread has its answer and the caller has gone. */
struct lookup {
	pthread_mutex_t lock;
	pthread_cond_t answered;
	unsigned users;
	bool done;
	char host[256], port[8];
	int rc;
	struct addrinfo *list;
};

static struct lookup *
lookup_new(const char *host, const char *port)
{
	struct lookup *l = calloc(1, sizeof *l);

	if (l == NULL)
		return NULL;
	(void)pthread_mutex_init(&l->lock, NULL);
	thread_cond_init(&l->answered);
	l->users = 2;
	(void)snprintf(l->host, sizeof l->host, "%s", host);
	(void)snprintf(l->port, sizeof l->port, "%s", port);
	return l;
}

/* Unlocks it, and frees it behind the last user. */
static void
leave(struct lookup *l)
{
	bool last = --l->users == 0;

	(void)pthread_mutex_unlock(&l->lock);
	if (!last)
		return;
	if (l->list != NULL)
		freeaddrinfo(l->list);
	(void)pthread_mutex_destroy(&l->lock);
	(void)pthread_cond_destroy(&l->answered);
	free(l);
}

static int
resolve(const char *host, const char *port, int flags, struct addrinfo **list)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = flags };

	return getaddrinfo(host, port, &hints, list);
}

static void *
run(void *arg)
{
	struct lookup *l = arg;
	struct addrinfo *list = NULL;
	int rc = resolve(l->host, l->port, 0, &list);

	(void)pthread_mutex_lock(&l->lock);
	l->rc = rc;
	l->list = rc == 0 ? list : NULL;
	l->done = true;
	(void)pthread_cond_signal(&l->answered);
	leave(l);
	return NULL;
}

/* What was found is the caller's, if it is there in time. */
static int
wait_for(struct lookup *l, struct deadline end, struct addrinfo **list)
{
	int late = 0, rc;

	(void)pthread_mutex_lock(&l->lock);
	while (!l->done && late == 0)
		late = thread_wait_until(&l->answered, &l->lock, end.at_ms);
	rc = l->done ? l->rc : TUNNEL_LATE;
	*list = l->list;
	l->list = NULL;
	leave(l);
	return rc;
}

int
tunnel_lookup(const char *host, const char *port, struct deadline end,
    struct addrinfo **list)
{
	struct lookup *l;
	pthread_t thread;

	/* Nobody is asked what an address is. */
	if (resolve(host, port, AI_NUMERICHOST, list) == 0)
		return 0;
	l = lookup_new(host, port);
	if (l == NULL)
		return EAI_MEMORY;
	if (pthread_create(&thread, NULL, run, l) != 0) {
		l->users = 1;
		(void)pthread_mutex_lock(&l->lock);
		leave(l);
		return EAI_MEMORY;
	}
	(void)pthread_detach(thread);
	return wait_for(l, end, list);
}
