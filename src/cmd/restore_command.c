/* SPDX-License-Identifier: PostgreSQL */
/*
 * The restore_command of a restored server: walfetch by its full path, and all
 * that it needs to know on its command line, so that it depends on nothing
 * but the store.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "restore_job.h"

static const char plain[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/:._,-=+@%";

/* One character of a word: within quotes of sh, and % doubled for the server.
 */
static int
add_char(struct buf *b, char c)
{
	if (c == '%')
		return buf_append(b, "%%", 2);
	if (c == '\'')
		return buf_append(b, "'\\''", 4);
	return buf_append(b, &c, 1);
}

static int
add_word(struct buf *b, const char *word)
{
	bool quote = word[strspn(word, plain)] != '\0' || word[0] == '\0';

	if ((b->len > 0 && buf_append(b, " ", 1) != 0) ||
	    (quote && buf_append(b, "'", 1) != 0))
		return -1;
	for (const char *p = word; *p != '\0'; p++)
		if (add_char(b, *p) != 0)
			return -1;
	return quote ? buf_append(b, "'", 1) : 0;
}

static int
add_option(struct buf *b, const char *option, const char *value)
{
	return add_word(b, option) != 0 ? -1 : add_word(b, value);
}

/* It stands beside this program. */
static int
find_walfetch(char out[PATH_MAX], struct fail *f)
{
	char self[PATH_MAX], dir[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

	if (n < 0)
		return fail_errno(f, "/proc/self/exe", "read link");
	self[n] = '\0';
	io_above(self, 1, dir, sizeof dir);
	(void)snprintf(out, PATH_MAX, "%.4000s/walfetch", dir);
	if (access(out, X_OK) == 0)
		return 0;
	(void)fail_errno(f, out, "the server's restore_command");
	f->kind = FAIL_CONFIG;
	return -1;
}

/*
 * All stores, so that any one of them is enough.  A directory needs only its
 * URL; of what has options and credentials the name leads to them.
 */
static int
add_stores(const struct conf *c, struct buf *b)
{
	struct buf urls = { 0 };
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < conf_n_stores(c); i++) {
		const char *url = conf_store_text(c, i, OPT_URL, NULL);

		if (strncmp(url, "file://", 7) != 0)
			url = conf_store_name(c, i);
		if (i > 0)
			rc = buf_append(&urls, ",", 1);
		if (rc == 0)
			rc = buf_append(&urls, url, strlen(url));
	}
	if (rc == 0)
		rc = buf_append_u8(&urls, 0);
	if (rc == 0)
		rc = add_option(b, "--store", (const char *)urls.data);
	buf_clear(&urls);
	return rc;
}

static int
compose(const struct restore_job *j, const char *walfetch, struct buf *b)
{
	const struct conf *c = j->setup.conf;
	const struct layout *l = &j->repo.layout;
	const char *config = conf_text(c, OPT_CONFIG, NULL);
	char sysid[32] = "", generation[16] = "";

	if (config == NULL)
		config = getenv("WALVAULT_CONFIG");
	(void)snprintf(sysid, sizeof sysid, "%" PRIu64, l->sysid);
	(void)snprintf(
	    generation, sizeof generation, "%" PRIu32, l->generation);
	if (add_word(b, walfetch) != 0 ||
	    (config != NULL && add_option(b, "--config", config) != 0) ||
	    add_stores(c, b) != 0 ||
	    add_option(b, "--cluster", l->cluster) != 0 ||
	    add_option(b, "--sysid", sysid) != 0 ||
	    add_option(b, "--generation", generation) != 0)
		return -1;
	return buf_append(b, " %f %p", 7);
}

int
restore_compose_command(struct restore_job *j, struct fail *f)
{
	char walfetch[PATH_MAX] = "";
	struct buf b = { 0 };
	int rc;

	if (find_walfetch(walfetch, f) != 0)
		return -1;
	rc = compose(j, walfetch, &b);
	if (rc != 0) {
		(void)fail_errno(f, "restore_command", "memory");
	} else if (b.len > sizeof j->restore_command) {
		rc = fail_set(f, FAIL_CONFIG, "restore_command",
		    "it would be longer than the %d bytes that a server takes",
		    RESTORE_COMMAND);
		(void)fail_hint(f, "use shorter paths, or fewer stores");
	} else {
		memcpy(j->restore_command, b.data, b.len);
	}
	buf_clear(&b);
	return rc;
}
