/* SPDX-License-Identifier: PostgreSQL */
/* Failures as values: see fail.h.  Nothing here allocates or logs. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "fail.h"

int
fail_set(struct fail *f, enum fail_kind kind, const char *object,
    const char *cause_fmt, ...)
{
	int saved = errno;
	va_list ap;

	f->kind = kind;
	f->hint[0] = '\0';
	(void)snprintf(
	    f->object, sizeof f->object, "%s", object != NULL ? object : "");
	va_start(ap, cause_fmt);
	(void)vsnprintf(f->cause, sizeof f->cause, cause_fmt, ap);
	va_end(ap);
	errno = saved;
	return -1;
}

static enum fail_kind
kind_of_errno(int error)
{
	switch (error) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return FAIL_SPACE;
	case EACCES:
	case EPERM:
	case EROFS:
		return FAIL_DENIED;
	case ENOENT:
	case ENOTDIR:
		return FAIL_ABSENT;
	case ENOMEM:
		return FAIL_INTERNAL;
	default:
		return FAIL_TRANSIENT;
	}
}

/* What helps whatever the program was doing; callers may know better. */
static const char *
hint_of_errno(int error)
{
	switch (error) {
	case ENOSPC:
		return "make room there";
	case EDQUOT:
		return "make room there, or raise the quota";
	case EFBIG:
		return "raise the limit on the size of a file: ulimit -f";
	case EIO:
	case ESTALE:
		return "look at the disk or the mount it is on, and at the "
		       "kernel's log; then try again";
	default:
		return "";
	}
}

int
fail_errno(struct fail *f, const char *object, const char *what)
{
	int error = errno;

	(void)fail_set(
	    f, kind_of_errno(error), object, "%s: %s", what, strerror(error));
	(void)fail_hint(f, "%s", hint_of_errno(error));
	errno = error;
	return -1;
}

int
fail_hint(struct fail *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(f->hint, sizeof f->hint, fmt, ap);
	va_end(ap);
	return -1;
}

int
fail_add(struct fail *f, const char *fmt, ...)
{
	char before[sizeof f->cause];
	char fact[sizeof f->cause];
	va_list ap;

	(void)snprintf(before, sizeof before, "%s", f->cause);
	va_start(ap, fmt);
	(void)vsnprintf(fact, sizeof fact, fmt, ap);
	va_end(ap);
	(void)snprintf(
	    f->cause, sizeof f->cause, "%.200s: %.300s", fact, before);
	return -1;
}

const char *
fail_kind_name(enum fail_kind kind)
{
	switch (kind) {
	case FAIL_NONE:
		return "none";
	case FAIL_TRANSIENT:
		return "transient";
	case FAIL_SPACE:
		return "no space";
	case FAIL_ABSENT:
		return "absent";
	case FAIL_REFUSED:
		return "refused";
	case FAIL_DAMAGED:
		return "damaged";
	case FAIL_DENIED:
		return "denied";
	case FAIL_CONFIG:
		return "configuration";
	case FAIL_INTERNAL:
		return "internal";
	}
	return "unknown";
}
