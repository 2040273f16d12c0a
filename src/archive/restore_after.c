/* SPDX-License-Identifier: PostgreSQL */
/* What changes in postgresql.auto.conf once recovery runs: see restore.h. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "planfile.h"
#include "restore_files.h"

#define SETTINGS_MAX ((size_t)16 * 1024 * 1024)

static const char begins[] = RESTORE_BEGINS, ends[] = RESTORE_ENDS;

static int
add_text(struct buf *b, const char *text)
{
	return buf_append(b, text, strlen(text));
}

/* In one step. */
static int
replace_file(const char *path, const struct buf *b, struct fail *f)
{
	char temp[PATH_MAX];
	int fd, rc;

	(void)snprintf(temp, sizeof temp, "%.4080s.walvault", path);
	fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail_errno(f, temp, "create");
	rc = io_write(fd, b->data, b->len);
	if (rc == 0)
		rc = fsync(fd);
	if (close(fd) != 0 || rc != 0 || rename(temp, path) != 0)
		return fail_errno(f, path, "write");
	return 0;
}

int
restore_raise_limit(
    const char *dest, const char *name, uint32_t value, struct fail *f)
{
	struct buf b = { 0 }, new = { 0 };
	char path[PATH_MAX], line[96];
	uint8_t *at;
	int rc;

	(void)snprintf(
	    path, sizeof path, "%.4000s/%s", dest, PLANFILE_SETTINGS);
	rc = io_read_file(AT_FDCWD, path, SETTINGS_MAX, &b, f);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	at = memmem(b.data, b.len, ends, strlen(ends));
	if (at != NULL) {
		size_t head = (size_t)(at - b.data);

		(void)snprintf(line, sizeof line, "%s = %u\n", name, value);
		rc = buf_append(&new, b.data, head) == 0 &&
		        add_text(&new, line) == 0 &&
		        buf_append(&new, at, b.len - head) == 0
		    ? replace_file(path, &new, f)
		    : fail_errno(f, path, "memory");
	}
	buf_clear(&new);
	buf_clear(&b);
	return rc;
}

int
restore_forget_settings(const char *dest, struct fail *f)
{
	struct buf b = { 0 };
	char path[PATH_MAX];
	uint8_t *from, *to;
	int rc;

	(void)snprintf(
	    path, sizeof path, "%.4000s/%s", dest, PLANFILE_SETTINGS);
	rc = io_read_file(AT_FDCWD, path, SETTINGS_MAX, &b, f);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	from = memmem(b.data, b.len, begins, strlen(begins));
	to = memmem(b.data, b.len, ends, strlen(ends));
	if (from != NULL && to != NULL && from < to) {
		size_t head = (size_t)(from - b.data);
		size_t tail = b.len - (size_t)(to - b.data) - (strlen(ends));

		memmove(from, to + strlen(ends), tail);
		b.len = head + tail;
		rc = add_text(&b,
		         "# Since pitr-restore: this copy must not "
		         "archive where the original does.\n"
		         "archive_mode = off\n") == 0
		    ? replace_file(path, &b, f)
		    : fail_errno(f, path, "memory");
	}
	buf_clear(&b);
	return rc;
}
