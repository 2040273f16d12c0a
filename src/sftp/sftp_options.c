/* SPDX-License-Identifier: PostgreSQL */
/* The options of a store behind SSH: see sftp_options.h. */
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sftp_options.h"
#include "units.h"

static int
bad_url(const char *url, const char *why, struct fail *f)
{
	(void)fail_set(f, FAIL_CONFIG, url, "%s", why);
	return fail_hint(f,
	    "write sftp://USER@HOST/PATH or "
	    "sftp://USER@HOST:PORT/PATH");
}

/* len characters of from.  0, or -1: there is no room, or there are none. */
static int
take(char *out, size_t cap, const char *from, size_t len)
{
	if (len == 0 || len >= cap)
		return -1;
	memcpy(out, from, len);
	out[len] = '\0';
	return 0;
}

static int
parse_user(const char **p, size_t *len, const char *url, struct sftp_options *o,
    struct fail *f)
{
	const char *at = memrchr(*p, '@', *len);
	size_t n = at != NULL ? (size_t)(at - *p) : 0;

	if (at == NULL)
		return 0;
	if (memchr(*p, ':', n) != NULL) {
		(void)bad_url(url, "there is a password in it", f);
		return fail_hint(f,
		    "no passwords are used: log in by a key (identity_file, "
		    "or an agent)");
	}
	if (take(o->user, sizeof o->user, *p, n) != 0)
		return bad_url(url, "not the name of a user", f);
	*p += n + 1;
	*len -= n + 1;
	return 0;
}

static int
parse_port(const char *text, size_t len, unsigned *port)
{
	char number[8];
	const char *why;
	uint64_t v;

	if (take(number, sizeof number, text, len) != 0 ||
	    units_parse(number, UNITS_COUNT, &v, &why) != 0 || v < 1 ||
	    v > 65535)
		return -1;
	*port = (unsigned)v;
	return 0;
}

/* "HOST", "HOST:PORT", "[ADDRESS]:PORT" */
static int
parse_host(const char *p, size_t len, struct sftp_options *o)
{
	const char *end = memchr(p, ':', len), *from = p;
	size_t n;

	if (len > 0 && *p == '[') {
		end = memchr(p, ']', len);
		if (end == NULL)
			return -1;
		from++;
	}
	n = (size_t)((end != NULL ? end : p + len) - from);
	/* What begins with '-' would be an option where it is shown. */
	if (take(o->host, sizeof o->host, from, n) != 0 || o->host[0] == '-' ||
	    strpbrk(o->host, " /?#\\\"'") != NULL)
		return -1;
	if (end != NULL && *end == ']')
		end++;
	if (end == NULL || end == p + len)
		return 0;
	return *end == ':'
	    ? parse_port(end + 1, len - (size_t)(end + 1 - p), &o->port)
	    : -1;
}

int
sftp_parse_url(const char *url, struct sftp_options *o, struct fail *f)
{
	const char *p = url + strlen("sftp://"), *path;
	size_t len = strcspn(p, "/"), path_len;

	path = p + len;
	o->user[0] = '\0';
	o->port = 22;
	if (parse_user(&p, &len, url, o, f) != 0)
		return -1;
	if (parse_host(p, len, o) != 0)
		return bad_url(url, "not the address of a server", f);
	if (*path == '\0')
		return bad_url(url, "there is no directory in it", f);
	path_len = strlen(path);
	while (path_len > 0 && path[path_len - 1] == '/')
		path_len--;
	if (strncmp(path, "/~", 2) == 0 && (path[2] == '/' || path_len == 2)) {
		path += 2 + (path[2] == '/');
		path_len = path_len > 3 ? path_len - 3 : 0;
		if (path_len == 0) {
			path = ".";
			path_len = 1;
		}
	}
	if (path_len + STORE_KEY_MAX + 2 > sizeof o->root)
		return bad_url(url, "the directory's name is too long", f);
	memcpy(o->root, path, path_len);
	o->root[path_len] = '\0';
	return 0;
}

static int64_t
option_ms(const struct store_args *args, const char *name, const char *def)
{
	const char *why;
	uint64_t ms = 0;

	(void)units_parse(store_option(args, name, def), UNITS_MS, &ms, &why);
	return (int64_t)ms;
}

static int
copy_option(const struct store_args *args, const char *name, char *out,
    size_t cap, struct fail *f)
{
	const char *value = store_option(args, name, "");

	if (snprintf(out, cap, "%s", value) < (int)cap)
		return 0;
	return fail_set(
	    f, FAIL_CONFIG, args->name, "%s: the value is too long", name);
}

/* The user that runs this: ssh(1) does not believe $HOME, either. */
static int
read_self(struct sftp_options *o, struct fail *f)
{
	struct passwd pw, *found = NULL;
	char room[4096];

	if (getpwuid_r(geteuid(), &pw, room, sizeof room, &found) != 0 ||
	    found == NULL) {
		if (o->user[0] == '\0') {
			(void)fail_set(f, FAIL_CONFIG, o->host,
			    "the user %ld that runs this has no name",
			    (long)geteuid());
			return fail_hint(
			    f, "give a user in the URL: sftp://USER@HOST/PATH");
		}
		return 0;
	}
	if (o->user[0] == '\0')
		(void)snprintf(o->user, sizeof o->user, "%s", pw.pw_name);
	(void)snprintf(o->home, sizeof o->home, "%s", pw.pw_dir);
	return 0;
}

int
sftp_options_read(
    const struct store_args *args, struct sftp_options *o, struct fail *f)
{
	*o = (struct sftp_options){ .deadline = args->deadline,
		.dir_mode = args->dir_mode,
		.file_mode = args->file_mode };
	if (sftp_parse_url(args->url, o, f) != 0 || read_self(o, f) != 0)
		return -1;
	o->connect_ms = option_ms(args, "connect-timeout", "10s");
	o->answer_ms = option_ms(args, "answer-timeout", "30s");
	o->stall_ms = option_ms(args, "stall-timeout", "20s");
	o->retry_ms = option_ms(args, "retry-for", "2min");
	o->single_writer = strcmp(store_option(args, "single-writer", "no"),
	                       "yes") == 0;
	if (copy_option(args, "identity-file", o->identity_file,
	        sizeof o->identity_file, f) != 0 ||
	    copy_option(args, "passphrase-file", o->passphrase_file,
	        sizeof o->passphrase_file, f) != 0)
		return -1;
	o->only_known_hosts = store_option(args, "known-hosts", NULL) != NULL;
	if (o->only_known_hosts)
		return copy_option(args, "known-hosts", o->known_hosts,
		    sizeof o->known_hosts, f);
	if (snprintf(o->known_hosts, sizeof o->known_hosts,
	        "%s/.ssh/known_hosts", o->home) < (int)sizeof o->known_hosts)
		return 0;
	return fail_set(f, FAIL_CONFIG, args->name,
	    "the home directory's name is too long");
}
