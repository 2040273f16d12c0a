/* SPDX-License-Identifier: PostgreSQL */
/*
 * Data files: see datafile.h.  PostgreSQL's own lists stand in
 * backup/basebackup.c, the names of relation files in common/relpath.c.
 */
#include <string.h>

#include "buf.h"
#include "datafile.h"

/* Digits of an OID or of a segment's number. */
#define DIGITS_MAX 10

bool
datafile_skips_content(const char *path)
{
	static const char *const names[] = { "pg_dynshmem", "pg_notify",
		"pg_replslot", "pg_serial", "pg_snapshots", "pg_stat_tmp",
		"pg_subtrans", "pg_wal" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(path, names[i]) == 0)
			return true;
	return false;
}

/* Move *p behind the number it points to.  Is there one? */
static bool
skip_number(const char **p)
{
	size_t n = strspn(*p, "0123456789");

	*p += n;
	return n > 0 && n <= DIGITS_MAX;
}

/* Is a path component a number, and which component follows? */
static bool
skip_component(const char **p)
{
	if (!skip_number(p) || **p != '/')
		return false;
	(*p)++;
	return true;
}

/* The name of a file in a directory that holds relations, or NULL. */
static const char *
name_in_relation_directory(const char *path)
{
	const char *p = path;

	if (strncmp(p, "global/", 7) == 0)
		p += 7;
	else if (strncmp(p, "base/", 5) == 0) {
		p += 5;
		if (!skip_component(&p))
			return NULL;
	} else if (strncmp(p, "pg_tblspc/", 10) == 0) {
		p += 10;
		if (!skip_component(&p) || strncmp(p, "PG_", 3) != 0)
			return NULL;
		p = strchr(p, '/');
		if (p == NULL || (p++, !skip_component(&p)))
			return NULL;
	} else
		return NULL;
	return strchr(p, '/') == NULL ? p : NULL;
}

static bool
parse_fork(const char **p, char fork[8])
{
	static const char *const names[] = { "fsm", "vm", "init" };

	fork[0] = '\0';
	if (**p != '_')
		return true;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		size_t len = strlen(names[i]);

		if (strncmp(*p + 1, names[i], len) == 0) {
			memcpy(fork, names[i], len + 1);
			*p += 1 + len;
			return true;
		}
	}
	return false;
}

static bool
parse_segno(const char *p, uint32_t *segno)
{
	uint64_t n = 0;

	*segno = 0;
	if (*p == '\0')
		return true;
	if (*p++ != '.')
		return false;
	for (const char *q = p; *q >= '0' && *q <= '9' && q - p < DIGITS_MAX;
	     q++)
		n = n * 10 + (uint64_t)(*q - '0');
	*segno = (uint32_t)n;
	return skip_number(&p) && *p == '\0' && n <= UINT32_MAX;
}

bool
datafile_relation(const char *path, struct datafile_relation *out)
{
	const char *p = name_in_relation_directory(path), *node;

	if (p == NULL)
		return false;
	*out = (struct datafile_relation){ .temporary = *p == 't' };
	if (out->temporary && (p++, !skip_number(&p) || *p++ != '_'))
		return false;
	node = p;
	if (!skip_number(&p))
		return false;
	memcpy(out->node, node, (size_t)(p - node));
	return parse_fork(&p, out->fork) && parse_segno(p, &out->segno);
}

/* Names that PostgreSQL leaves out in whatever directory they are. */
static bool
is_excluded_anywhere(const char *name)
{
	static const char *const names[] = { "postmaster.pid",
		"postmaster.opts", "backup_label", "tablespace_map",
		"backup_manifest", "postgresql.auto.conf.tmp",
		"current_logfiles.tmp" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return strncmp(name, "pg_internal.init", 16) == 0 ||
	    strncmp(name, "pgsql_tmp", 9) == 0;
}

bool
datafile_is_excluded(const char *path)
{
	const char *slash = strrchr(path, '/');
	struct datafile_relation relation;

	/*
	 * A standby's own signal file would win over the one that a restore
	 * writes; with a recovery.conf no server from 12 on starts.
	 */
	if (strcmp(path, "recovery.signal") == 0 ||
	    strcmp(path, "standby.signal") == 0 ||
	    strcmp(path, "recovery.conf") == 0)
		return true;
	if (is_excluded_anywhere(slash != NULL ? slash + 1 : path))
		return true;
	return datafile_relation(path, &relation) && relation.temporary;
}

bool
datafile_is_servers(const char *path)
{
	static const char *const names[] = { "base", "global", "PG_VERSION",
		"postgresql.conf", "postgresql.auto.conf" };
	const char *slash = strrchr(path, '/');
	size_t len = strcspn(path, "/");

	if (strcmp(slash != NULL ? slash + 1 : path, "lost+found") == 0)
		return false;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strlen(names[i]) == len &&
		    strncmp(path, names[i], len) == 0)
			return true;
	return strncmp(path, "pg_", 3) == 0;
}
