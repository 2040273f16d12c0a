/* SPDX-License-Identifier: PostgreSQL */
/* Which of several stores are in: see mirror.h.  The puts: mirror_put.c. */
#include <pthread.h>
#include <stdlib.h>

#include "log.h"
#include "mirror_put.h"

struct mirror {
	struct mirror_args args;
	pthread_mutex_t lock;
	size_t left;
	bool left_behind;
	bool out[];
};

struct mirror *
mirror_new(const struct mirror_args *args)
{
	struct mirror *m = calloc(1, sizeof *m + args->n * sizeof *m->out);

	if (m == NULL)
		return NULL;
	m->args = *args;
	m->left = args->n;
	(void)pthread_mutex_init(&m->lock, NULL);
	return m;
}

void
mirror_free(struct mirror *m)
{
	if (m == NULL)
		return;
	(void)pthread_mutex_destroy(&m->lock);
	free(m);
}

const struct mirror_args *
mirror_args_of(const struct mirror *m)
{
	return &m->args;
}

bool
mirror_has(struct mirror *m, size_t i)
{
	bool in;

	(void)pthread_mutex_lock(&m->lock);
	in = !m->out[i];
	(void)pthread_mutex_unlock(&m->lock);
	return in;
}

bool
mirror_can_spare(struct mirror *m)
{
	bool can;

	(void)pthread_mutex_lock(&m->lock);
	can = m->left > m->args.required;
	(void)pthread_mutex_unlock(&m->lock);
	return can;
}

bool
mirror_left_behind(struct mirror *m)
{
	bool left;

	(void)pthread_mutex_lock(&m->lock);
	left = m->left_behind;
	(void)pthread_mutex_unlock(&m->lock);
	return left;
}

void
mirror_leave_behind(struct mirror *m)
{
	(void)pthread_mutex_lock(&m->lock);
	m->left_behind = true;
	(void)pthread_mutex_unlock(&m->lock);
}

int
mirror_drop(struct mirror *m, size_t i, const struct fail *why, struct fail *f)
{
	const char *name = m->args.stores[i].name;
	bool first, can;

	(void)pthread_mutex_lock(&m->lock);
	first = !m->out[i];
	can = !first || m->left > m->args.required;
	if (first && can) {
		m->out[i] = true;
		m->left--;
	}
	(void)pthread_mutex_unlock(&m->lock);
	if (first && can) {
		log_fail(LOG_ERROR, "store left out", why);
		log_warning("backup: it goes on without store %s: %s (hint: "
		            "walvault check --store %s shows what is wrong; "
		            "walvault sync brings the backup when it answers)",
		    name, why->cause, name);
	}
	if (!can && f != why)
		*f = *why;
	return can ? 0 : -1;
}

/* Open store i; NULL in *out if it is left out for that.  0 or -1. */
static int
open_one(struct mirror *m, size_t i, struct store **out, struct fail *f)
{
	*out = NULL;
	if (!mirror_has(m, i))
		return 0;
	*out = store_open(&m->args.stores[i], f);
	return *out != NULL ? 0 : mirror_drop(m, i, f, f);
}

struct store *
mirror_open(struct mirror *m, struct fail *f)
{
	struct store **stores, *s = NULL;
	int rc = 0;

	if (m->args.n == 1)
		return store_open(&m->args.stores[0], f);
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): pointers it is */
	stores = calloc(m->args.n, sizeof *stores);
	if (stores == NULL) {
		(void)fail_errno(f, "backup", "memory");
		return NULL;
	}
	for (size_t i = 0; rc == 0 && i < m->args.n; i++)
		rc = open_one(m, i, &stores[i], f);
	if (rc == 0)
		s = mirror_put_store(m, stores, f);
	if (s == NULL) {
		for (size_t i = 0; i < m->args.n; i++)
			store_free(stores[i]);
		free(stores);
	}
	return s;
}
