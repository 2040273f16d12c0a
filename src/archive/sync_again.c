/* SPDX-License-Identifier: PostgreSQL */
/* What no store has, but pg_wal: see sync.h. */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "control.h"
#include "io.h"
#include "log.h"
#include "push_one.h"
#include "sync_job.h"

#define DONE  ".done"
#define READY ".ready"

/* "NAME.done" or "NAME.ready" of a segment or a history.  0, 1 another. */
static int
parse_status(const char *text, struct walname *name)
{
	size_t len = strlen(text), cut = 0;
	char copy[WALNAME_TEXT];

	if (len > sizeof DONE && strcmp(text + len - 5, DONE) == 0)
		cut = len - 5;
	else if (len > sizeof READY && strcmp(text + len - 6, READY) == 0)
		cut = len - 6;
	if (cut == 0 || cut >= sizeof copy)
		return 1;
	memcpy(copy, text, cut);
	copy[cut] = '\0';
	return walname_parse(copy, name) == 0 &&
	        (name->kind == WALNAME_SEGMENT || name->kind == WALNAME_HISTORY)
	    ? 0
	    : 1;
}

struct again {
	const struct push_args *push;
	struct sync_place *places;
	const struct sync_args *args;
	struct sync_report *out;
	struct control control;
	struct fail *f;
};

static bool
has_any(const struct again *a, const struct walname *name)
{
	char key[LAYOUT_KEY_MAX];

	for (size_t i = 0; i < a->push->n_repos; i++) {
		layout_wal(&a->places[i].repo->layout, name, NULL, key);
		if (sync_place_has(&a->places[i], key))
			return true;
	}
	return false;
}

static void
push_file_again(const struct again *a, const struct walname *name)
{
	struct push p = { .args = a->push,
		.name = *name,
		.sysid = a->control.sysid,
		.in_recovery = a->control.state ==
		    CONTROL_IN_ARCHIVE_RECOVERY };
	char path[PATH_MAX], key[LAYOUT_KEY_MAX];
	struct fail f = { .kind = FAIL_NONE };

	(void)snprintf(
	    p.pg_wal, sizeof p.pg_wal, "%.4000s/pg_wal", a->push->pgdata);
	(void)snprintf(path, sizeof path, "%.4000s/%s", p.pg_wal, name->text);
	p.path = path;
	if (io_exists(path) != 1)
		return;
	if (a->args->dry_run) {
		log_info("would push: %s: no store has it", name->text);
	} else if (push_one(&p, &f) != 0) {
		log_fail(LOG_ERROR, "not archived", &f);
		a->out->failed++;
		*a->f = f;
		return;
	}
	a->out->again++;
	for (size_t i = 0; i < a->push->n_repos && !a->args->dry_run; i++) {
		layout_wal(&a->places[i].repo->layout, name, NULL, key);
		(void)sync_place_add(&a->places[i], key, 0);
	}
}

int
sync_again(const struct push_args *push, struct sync_place *places,
    const struct sync_args *args, struct sync_report *out, struct fail *f)
{
	struct again a = { push, places, args, out, .f = f };
	char path[PATH_MAX];
	struct dirent *e;
	DIR *dir;
	int rc = control_read(push->pgdata, &a.control, f);

	/* Another cluster's data directory, or none. */
	if (rc != 0 || a.control.sysid != places[0].repo->layout.sysid)
		return rc < 0 ? -1 : 0;
	(void)snprintf(
	    path, sizeof path, "%.4000s/pg_wal/archive_status", push->pgdata);
	dir = opendir(path);
	if (dir == NULL)
		return fail_errno(f, path, "read");
	while ((e = readdir(dir)) != NULL) {
		struct walname name;

		if (parse_status(e->d_name, &name) == 0 && !has_any(&a, &name))
			push_file_again(&a, &name);
	}
	(void)closedir(dir);
	return 0;
}
