/* SPDX-License-Identifier: PostgreSQL */
/*
 * The one table of options: names, types, ranges, defaults, who takes them,
 * and the words of --help.  The same name serves the command line
 * (--on-damage), the configuration file (on_damage) and the environment
 * (WALVAULT_ON_DAMAGE).
 */
#ifndef WALVAULT_CONF_OPTIONS_H
#define WALVAULT_CONF_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fail.h"

/* The commands, as bits, so that an option can name those that take it. */
enum command {
	CMD_WALPUSH = 1,
	CMD_WALFETCH = 2,
	CMD_INIT = 4,
	CMD_INFO = 8,
	CMD_CHECK = 16,
	CMD_FIND = 32,
	CMD_LS = 64,
	CMD_CAT = 128,
	CMD_CONFIG = 256,
	CMD_BASEBACKUP = 512,
	CMD_PITR_RESTORE = 1024,
	CMD_EXPIRE = 2048,
	CMD_HOLD = 4096,
	CMD_RELEASE = 8192,
	CMD_VERIFY = 16384,
	CMD_RESCUE = 32768,
	CMD_SYNC = 65536,
	CMD_REPAIR = 131072,
};

#define CMD_ALL 0x3FFFF

enum option_id {
	OPT_CONFIG,
	OPT_CLUSTER,
	OPT_STORE,
	OPT_REQUIRED,
	OPT_GRACE,
	OPT_PGDATA,
	OPT_SYSID,
	OPT_GENERATION,
	OPT_STATE_DIR,
	OPT_SPOOL_DIR,
	OPT_LOG_LEVEL,
	OPT_LOG_FORMAT,
	OPT_TIMEOUT,
	OPT_STANDBY_TIMEOUT,
	OPT_COMPRESS_LEVEL,
	OPT_ON_DAMAGE,
	OPT_ALLOW_DAMAGED,
	OPT_CONNINFO,
	OPT_READY_WARNING,
	OPT_READY_CRITICAL,
	OPT_ARCHIVE_AGE_WARNING,
	OPT_ARCHIVE_AGE_CRITICAL,
	OPT_BACKUP_AGE_WARNING,
	OPT_BACKUP_AGE_CRITICAL,
	OPT_NO_SERVER,
	OPT_NEW_GENERATION,
	OPT_TIME,
	OPT_LSN,
	OPT_XID,
	OPT_NAME,
	OPT_LATEST,
	OPT_EXCLUSIVE,
	OPT_TIMELINE,
	OPT_FROM,
	OPT_UTC,
	OPT_JSON,
	OPT_JOBS,
	OPT_LABEL,
	OPT_FAST,
	OPT_ANNOTATE,
	OPT_WAIT_LOCK,
	OPT_ARCHIVE_WAIT,
	OPT_MAX_LAG,
	OPT_TO_LATEST,
	OPT_TO_TIME,
	OPT_TO_LSN,
	OPT_TO_XID,
	OPT_TO_NAME,
	OPT_IMMEDIATE,
	OPT_BACKUP,
	OPT_TABLESPACE,
	OPT_TABLESPACE_DIR,
	OPT_NEW_TABLESPACES,
	OPT_ACTION,
	OPT_STANDBY,
	OPT_REJOIN_ARCHIVE,
	OPT_PLAN,
	OPT_START,
	OPT_BINDIR,
	OPT_LEASE,
	OPT_KEEP_FULL,
	OPT_KEEP_DAYS,
	OPT_KEEP_DAILY,
	OPT_KEEP_WEEKLY,
	OPT_KEEP_MONTHLY,
	OPT_KEEP_YEARLY,
	OPT_KEEP_WAL,
	OPT_DRY_RUN,
	OPT_BROKEN,
	OPT_BROKEN_AGE,
	OPT_UNTIL,
	OPT_REASON,
	OPT_WAL,
	OPT_SAMPLE,
	OPT_SINCE,
	OPT_SET_ASIDE,
	OPT_TO,
	OPT_ALL,
	OPT_MAX_RATE,
	OPT_URL,
	OPT_DIR_MODE,
	OPT_FILE_MODE,
	OPT_ENDPOINT,
	OPT_REGION,
	OPT_ADDRESSING,
	OPT_SINGLE_WRITER,
	OPT_ACCESS_KEY_ID,
	OPT_SECRET_KEY,
	OPT_SECRET_KEY_FILE,
	OPT_SESSION_TOKEN,
	OPT_CREDENTIAL_COMMAND,
	OPT_CREDENTIALS_FILE,
	OPT_PROFILE,
	OPT_ROLE_ARN,
	OPT_ACCOUNT,
	OPT_SAS_TOKEN,
	OPT_SAS_TOKEN_FILE,
	OPT_CLIENT_ID,
	OPT_STORAGE_CLASS,
	OPT_WAL_STORAGE_CLASS,
	OPT_SSE,
	OPT_SSE_KEY_ID,
	OPT_SSE_KEY_FILE,
	OPT_TAGS,
	OPT_LOCK_MODE,
	OPT_LOCK_FOR,
	OPT_PART_SIZE,
	OPT_CA_FILE,
	OPT_VERIFY_TLS,
	OPT_IDENTITY_FILE,
	OPT_PASSPHRASE_FILE,
	OPT_KNOWN_HOSTS,
	OPT_COMMAND_TIMEOUT,
	OPT_CONNECT_TIMEOUT,
	OPT_ANSWER_TIMEOUT,
	OPT_STALL_TIMEOUT,
	OPT_RETRY_FOR,
	OPT_COUNT
};

enum option_type {
	OPTION_FLAG,  /* no argument on the command line; yes or no elsewhere */
	OPTION_YESNO, /* yes or no */
	OPTION_TEXT,  /* anything but empty */
	OPTION_PATH,  /* an absolute path */
	OPTION_CHOICE,   /* one word of choices */
	OPTION_COUNT,    /* a whole number */
	OPTION_MS,       /* a duration */
	OPTION_MODE,     /* an octal mode */
	OPTION_SIZE,     /* bytes */
	OPTION_REQUIRED, /* all, any or a number of stores */
	OPTION_SECRET,   /* a text that only the environment may hold */
};

enum option_scope {
	SCOPE_RUN,     /* command line (and environment) only */
	SCOPE_CLUSTER, /* also [defaults] and [cluster NAME] */
	SCOPE_STORE,   /* [store NAME] and WALVAULT_STORE_NAME_... */
	SCOPE_BOTH,    /* a cluster's, and a store may have its own */
};

struct option {
	enum option_id id;
	const char *name; /* with dashes */
	enum option_type type;
	enum option_scope scope;
	unsigned commands;     /* CMD_ bits of those that take it */
	const char *choices;   /* "a|b|c" */
	uint64_t min, max;     /* of numbers and durations */
	const char *def;       /* NULL: none, or see fetch_def */
	const char *fetch_def; /* where walfetch's default differs */
	const char *arg;       /* the argument's name in --help */
	const char *help;
};

/* The table, in the order of enum option_id. */
const struct option *option_of(enum option_id id);

/*
 * Look an option up by name; '-' and '_' are the same.  len is the name's
 * length, ignore_case is for the environment.  NULL if there is none.
 */
const struct option *
option_find(const char *name, size_t len, bool ignore_case);

/* Default of an option for a command, or NULL. */
const char *option_default(const struct option *o, enum command command);

/* Is text a value of o?  0, or -1 with the accepted values in the cause. */
int option_check(const struct option *o, const char *text, const char *origin,
    struct fail *f);

/*
 * A checked value as a number: ms, count, mode, yes = 1, place in choices;
 * required = all is 0.
 */
uint64_t option_number(const struct option *o, const char *text);

#endif
