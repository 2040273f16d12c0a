/* SPDX-License-Identifier: PostgreSQL */
/* The table of options and the check of their values: see options.h. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "stores.h"
#include "units.h"

/* clang-format off */
static const struct option options[OPT_COUNT] = {
{ OPT_CONFIG, "config", OPTION_PATH, SCOPE_RUN, CMD_ALL, NULL, 0, 0,
  NULL, NULL, "FILE",
  "read FILE instead of /etc/walvault/walvault.conf and conf.d" },
{ OPT_CLUSTER, "cluster", OPTION_TEXT, SCOPE_RUN, CMD_ALL, NULL, 0, 0,
  NULL, NULL, "NAME",
  "the cluster; may be left out where the configuration has one" },
{ OPT_STORE, "store", OPTION_TEXT, SCOPE_CLUSTER, CMD_ALL, NULL, 0, 0,
  NULL, NULL, "LIST",
  "stores, by name or URL, separated by commas" },
{ OPT_REQUIRED, "required", OPTION_REQUIRED, SCOPE_CLUSTER,
  CMD_WALPUSH | CMD_BASEBACKUP | CMD_CHECK | CMD_RESCUE, NULL, 1, STORES_MAX, "all", NULL, "NUMBER",
  "how many of the stores must have it: all, any (one of them) or a number" },
{ OPT_GRACE, "grace", OPTION_MS, SCOPE_CLUSTER, CMD_WALPUSH, NULL, 1, 3600000,
  "1s", NULL, "DURATION",
  "how long the other stores may take when the required ones have the file" },
{ OPT_PGDATA, "pgdata", OPTION_PATH, SCOPE_CLUSTER, CMD_ALL, NULL, 0, 0,
  NULL, NULL, "DIR",
  "the cluster's data directory" },
{ OPT_SYSID, "sysid", OPTION_COUNT, SCOPE_RUN,
  CMD_WALFETCH | CMD_INFO | CMD_CHECK | CMD_FIND | CMD_CAT | CMD_PITR_RESTORE |
  CMD_EXPIRE | CMD_HOLD | CMD_RELEASE | CMD_VERIFY | CMD_SYNC | CMD_REPAIR,
  NULL, 1, UINT64_MAX,
  NULL, NULL, "NUMBER",
  "the cluster's system identifier, where there is no data directory" },
{ OPT_GENERATION, "generation", OPTION_COUNT, SCOPE_CLUSTER, CMD_ALL,
  NULL, 1, 999999, "1", NULL, "NUMBER",
  "which history of this system identifier is in force" },
{ OPT_STATE_DIR, "state-dir", OPTION_PATH, SCOPE_CLUSTER, CMD_ALL,
  NULL, 0, 0, "/var/lib/walvault", NULL, "DIR",
  "caches; may be deleted or unwritable at any moment" },
{ OPT_SPOOL_DIR, "spool-dir", OPTION_PATH, SCOPE_CLUSTER, CMD_ALL,
  NULL, 0, 0, NULL, NULL, "DIR",
  "where segments too large for memory wait (default TMPDIR or /var/tmp)" },
{ OPT_LOG_LEVEL, "log-level", OPTION_CHOICE, SCOPE_CLUSTER, CMD_ALL,
  "debug|info|warning|error", 0, 0, "info", NULL, "LEVEL",
  "the least important records to write" },
{ OPT_LOG_FORMAT, "log-format", OPTION_CHOICE, SCOPE_CLUSTER, CMD_ALL,
  "text|json", 0, 0, "text", NULL, "FORMAT",
  "how records are written to standard error" },
{ OPT_TIMEOUT, "timeout", OPTION_MS, SCOPE_CLUSTER,
  CMD_WALPUSH | CMD_WALFETCH | CMD_CHECK, NULL, 100, 86400000, "60s", "5min", "DURATION",
  "the deadline for the whole run" },
{ OPT_STANDBY_TIMEOUT, "standby-timeout", OPTION_MS, SCOPE_CLUSTER,
  CMD_WALFETCH, NULL, 100, 86400000, "5s", NULL, "DURATION",
  "the same on a standby, whose promotion waits for it" },
{ OPT_COMPRESS_LEVEL, "compress-level", OPTION_COUNT, SCOPE_CLUSTER,
  CMD_WALPUSH | CMD_BASEBACKUP | CMD_RESCUE, NULL, 1, 12, "1", NULL, "LEVEL",
  "lz4: 1 is the fastest, 12 the smallest" },
{ OPT_ON_DAMAGE, "on-damage", OPTION_CHOICE, SCOPE_CLUSTER, CMD_WALPUSH,
  "archive|refuse", 0, 0, "archive", NULL, "WHAT",
  "a segment whose records are damaged: archive it, marked, or refuse it" },
{ OPT_ALLOW_DAMAGED, "allow-damaged", OPTION_YESNO, SCOPE_CLUSTER,
  CMD_WALFETCH, NULL, 0, 0, "no", NULL, "YESNO",
  "hand out segments that were archived as damaged" },
{ OPT_CONNINFO, "conninfo", OPTION_TEXT, SCOPE_CLUSTER,
  CMD_CHECK | CMD_BASEBACKUP, NULL, 0, 0, NULL, NULL, "TEXT",
  "libpq connection string (default from PGDATA/postmaster.pid)" },
{ OPT_READY_WARNING, "ready-warning", OPTION_COUNT, SCOPE_CLUSTER, CMD_CHECK,
  NULL, 1, 1000000000, "8", NULL, "COUNT",
  "WAL files waiting to be archived from which check warns" },
{ OPT_READY_CRITICAL, "ready-critical", OPTION_COUNT, SCOPE_CLUSTER, CMD_CHECK,
  NULL, 1, 1000000000, "64", NULL, "COUNT",
  "... and from which it is critical" },
{ OPT_ARCHIVE_AGE_WARNING, "archive-age-warning", OPTION_MS, SCOPE_CLUSTER,
  CMD_CHECK, NULL, 1000, UINT64_C(31536000000), "15min", NULL, "DURATION",
  "age of the oldest waiting WAL file from which check warns" },
{ OPT_ARCHIVE_AGE_CRITICAL, "archive-age-critical", OPTION_MS, SCOPE_CLUSTER,
  CMD_CHECK, NULL, 1000, UINT64_C(31536000000), "1h", NULL, "DURATION",
  "... and from which it is critical" },
{ OPT_BACKUP_AGE_WARNING, "backup-age-warning", OPTION_MS, SCOPE_CLUSTER,
  CMD_CHECK, NULL, 60000, UINT64_C(31536000000), NULL, NULL, "DURATION",
  "age of the newest good backup from which check warns" },
{ OPT_BACKUP_AGE_CRITICAL, "backup-age-critical", OPTION_MS, SCOPE_CLUSTER,
  CMD_CHECK, NULL, 60000, UINT64_C(31536000000), NULL, NULL, "DURATION",
  "... and from which it is critical" },
{ OPT_NO_SERVER, "no-server", OPTION_FLAG, SCOPE_RUN, CMD_CHECK,
  NULL, 0, 0, NULL, NULL, NULL,
  "do not ask the server, only the store and the files" },
{ OPT_NEW_GENERATION, "new-generation", OPTION_FLAG, SCOPE_RUN, CMD_INIT,
  NULL, 0, 0, NULL, NULL, NULL,
  "begin a new history of the same system identifier" },
{ OPT_TIME, "time", OPTION_TEXT, SCOPE_RUN, CMD_FIND, NULL, 0, 0,
  NULL, NULL, "TIME", "'YYYY-MM-DD HH:MM:SS.ffffff+ZZ'" },
{ OPT_LSN, "lsn", OPTION_TEXT, SCOPE_RUN, CMD_FIND, NULL, 0, 0,
  NULL, NULL, "LSN", "a WAL position" },
{ OPT_XID, "xid", OPTION_COUNT, SCOPE_RUN, CMD_FIND, NULL, 1, UINT64_MAX,
  NULL, NULL, "XID", "a transaction, 32 or 64 bits" },
{ OPT_NAME, "name", OPTION_TEXT, SCOPE_RUN, CMD_FIND, NULL, 0, 0,
  NULL, NULL, "NAME", "a restore point" },
{ OPT_LATEST, "latest", OPTION_FLAG, SCOPE_RUN, CMD_FIND, NULL, 0, 0,
  NULL, NULL, NULL, "the last whole record in the archive" },
{ OPT_EXCLUSIVE, "exclusive", OPTION_FLAG, SCOPE_RUN,
  CMD_FIND | CMD_PITR_RESTORE, NULL, 0, 0, NULL, NULL, NULL, "stop just before the target instead of just behind it" },
{ OPT_TIMELINE, "timeline", OPTION_TEXT, SCOPE_RUN,
  CMD_FIND | CMD_PITR_RESTORE, NULL, 0, 0, NULL, NULL, "NUMBER",
  "the line of this timeline (decimal; pitr-restore also latest, current)" },
{ OPT_FROM, "from", OPTION_TEXT, SCOPE_RUN, CMD_FIND | CMD_SYNC | CMD_REPAIR, NULL, 0, 0,
  NULL, NULL, "WHERE", "find: search from this LSN on; sync, repair: bring from these stores alone" },
{ OPT_UTC, "utc", OPTION_FLAG, SCOPE_RUN,
  CMD_FIND | CMD_PITR_RESTORE | CMD_HOLD | CMD_VERIFY, NULL, 0, 0, NULL, NULL, NULL, "a time without a zone is UTC" },
{ OPT_JSON, "json", OPTION_FLAG, SCOPE_RUN,
  CMD_INFO | CMD_CHECK | CMD_FIND | CMD_LS | CMD_CONFIG | CMD_BASEBACKUP |
  CMD_PITR_RESTORE | CMD_EXPIRE | CMD_VERIFY, NULL, 0, 0,
  NULL, NULL, NULL, "results as JSON" },
{ OPT_JOBS, "jobs", OPTION_COUNT, SCOPE_CLUSTER, CMD_BASEBACKUP | CMD_PITR_RESTORE | CMD_VERIFY | CMD_REPAIR, NULL, 1, 64,
  "2", NULL, "NUMBER", "workers that read, compress and write at the same time" },
{ OPT_LABEL, "label", OPTION_TEXT, SCOPE_RUN, CMD_BASEBACKUP, NULL, 0, 0,
  NULL, NULL, "TEXT", "a name for people; PostgreSQL writes it into backup_label" },
{ OPT_FAST, "fast", OPTION_FLAG, SCOPE_RUN, CMD_BASEBACKUP, NULL, 0, 0,
  NULL, NULL, NULL, "begin with an immediate checkpoint, not a spread one" },
{ OPT_ANNOTATE, "annotate", OPTION_TEXT, SCOPE_RUN, CMD_BASEBACKUP, NULL, 0, 0,
  NULL, NULL, "KEY=VALUE", "a note kept with the backup; may be repeated" },
{ OPT_WAIT_LOCK, "wait-lock", OPTION_MS, SCOPE_RUN, CMD_BASEBACKUP, NULL, 0, 86400000,
  "0s", NULL, "DURATION", "wait so long for another backup of the cluster to end" },
{ OPT_ARCHIVE_WAIT, "archive-wait", OPTION_MS, SCOPE_CLUSTER, CMD_BASEBACKUP, NULL, 1000, 86400000,
  "10min", NULL, "DURATION", "wait so long for WAL that the backup needs to be archived" },
{ OPT_MAX_LAG, "max-lag", OPTION_MS, SCOPE_CLUSTER, CMD_BASEBACKUP | CMD_SYNC, NULL, 1000, 86400000,
  "10min", NULL, "DURATION", "how long one store may hold up the others before it is left out" },
{ OPT_TO_LATEST, "to-latest", OPTION_FLAG, SCOPE_RUN, CMD_PITR_RESTORE, NULL, 0, 0,
  NULL, NULL, NULL, "recover all that is archived (the default)" },
{ OPT_TO_TIME, "to-time", OPTION_TEXT, SCOPE_RUN, CMD_PITR_RESTORE, NULL, 0, 0,
  NULL, NULL, "TIME", "to a moment: 'YYYY-MM-DD HH:MM:SS.ffffff+ZZ'" },
{ OPT_TO_LSN, "to-lsn", OPTION_TEXT, SCOPE_RUN, CMD_PITR_RESTORE, NULL, 0, 0,
  NULL, NULL, "LSN", "to a WAL position" },
{ OPT_TO_XID, "to-xid", OPTION_COUNT, SCOPE_RUN, CMD_PITR_RESTORE, NULL, 1, UINT64_MAX,
  NULL, NULL, "XID", "to the end of a transaction, 32 or 64 bits" },
{ OPT_TO_NAME, "to-name", OPTION_TEXT, SCOPE_RUN, CMD_PITR_RESTORE, NULL, 0, 0,
  NULL, NULL, "NAME", "to a restore point" },
{ OPT_IMMEDIATE, "immediate", OPTION_FLAG, SCOPE_RUN, CMD_PITR_RESTORE, NULL, 0, 0,
  NULL, NULL, NULL, "to the backup's own end" },
{ OPT_BACKUP, "backup", OPTION_TEXT, SCOPE_RUN, CMD_PITR_RESTORE, NULL, 0, 0,
  NULL, NULL, "ID", "start from this backup" },
{ OPT_TABLESPACE, "tablespace", OPTION_TEXT, SCOPE_RUN, CMD_PITR_RESTORE, NULL, 0, 0,
  NULL, NULL, "OLD=NEW", "where a tablespace goes, by its old path or oid; may be repeated" },
{ OPT_TABLESPACE_DIR, "tablespace-dir", OPTION_PATH, SCOPE_RUN, CMD_PITR_RESTORE, NULL, 0, 0,
  NULL, NULL, "DIR", "all other tablespaces go below DIR, by oid" },
{ OPT_NEW_TABLESPACES, "new-tablespaces", OPTION_FLAG, SCOPE_RUN, CMD_PITR_RESTORE, NULL, 0, 0,
  NULL, NULL, NULL, "let recovery make tablespaces that the WAL creates, at their original paths" },
{ OPT_ACTION, "action", OPTION_CHOICE, SCOPE_RUN, CMD_PITR_RESTORE, "pause|promote|shutdown", 0, 0,
  NULL, NULL, "WHAT", "what the server does at the target" },
{ OPT_STANDBY, "standby", OPTION_FLAG, SCOPE_RUN, CMD_PITR_RESTORE, NULL, 0, 0,
  NULL, NULL, NULL, "restore as a standby: no target, archiving untouched" },
{ OPT_REJOIN_ARCHIVE, "rejoin-archive", OPTION_FLAG, SCOPE_RUN, CMD_PITR_RESTORE, NULL, 0, 0,
  NULL, NULL, NULL, "leave archiving on: this copy takes the place of the old cluster" },
{ OPT_PLAN, "plan", OPTION_FLAG, SCOPE_RUN, CMD_PITR_RESTORE, NULL, 0, 0,
  NULL, NULL, NULL, "print the plan and stop" },
{ OPT_START, "start", OPTION_FLAG, SCOPE_RUN, CMD_PITR_RESTORE, NULL, 0, 0,
  NULL, NULL, NULL, "start the server, wait for its recovery, compare it with the plan" },
{ OPT_BINDIR, "bindir", OPTION_PATH, SCOPE_CLUSTER, CMD_PITR_RESTORE, NULL, 0, 0,
  NULL, NULL, "DIR", "PostgreSQL's programs (default: by pg_config, then PATH)" },
{ OPT_LEASE, "lease", OPTION_MS, SCOPE_CLUSTER, CMD_PITR_RESTORE, NULL, 60000, UINT64_C(2592000000),
  "24h", NULL, "DURATION", "how long expire keeps what the recovery needs, from the end of this run" },
{ OPT_KEEP_FULL, "keep-full", OPTION_COUNT, SCOPE_BOTH, CMD_EXPIRE, NULL, 1, 1000000,
  NULL, NULL, "NUMBER", "keep the newest full backups" },
{ OPT_KEEP_DAYS, "keep-days", OPTION_COUNT, SCOPE_BOTH, CMD_EXPIRE, NULL, 1, 36500,
  NULL, NULL, "DAYS", "keep what is needed to reach any moment of the last days" },
{ OPT_KEEP_DAILY, "keep-daily", OPTION_COUNT, SCOPE_BOTH, CMD_EXPIRE, NULL, 1, 36500,
  NULL, NULL, "NUMBER", "keep the first backup of each of so many last days (UTC)" },
{ OPT_KEEP_WEEKLY, "keep-weekly", OPTION_COUNT, SCOPE_BOTH, CMD_EXPIRE, NULL, 1, 36500,
  NULL, NULL, "NUMBER", "keep the first backup of each of so many last weeks (UTC)" },
{ OPT_KEEP_MONTHLY, "keep-monthly", OPTION_COUNT, SCOPE_BOTH, CMD_EXPIRE, NULL, 1, 36500,
  NULL, NULL, "NUMBER", "keep the first backup of each of so many last months (UTC)" },
{ OPT_KEEP_YEARLY, "keep-yearly", OPTION_COUNT, SCOPE_BOTH, CMD_EXPIRE, NULL, 1, 36500,
  NULL, NULL, "NUMBER", "keep the first backup of each of so many last years (UTC)" },
{ OPT_KEEP_WAL, "keep-wal", OPTION_COUNT, SCOPE_BOTH, CMD_EXPIRE, NULL, 1, 1000000,
  NULL, NULL, "NUMBER", "only the newest so many full backups keep all WAL behind them" },
{ OPT_DRY_RUN, "dry-run", OPTION_FLAG, SCOPE_RUN, CMD_EXPIRE | CMD_SYNC | CMD_REPAIR, NULL, 0, 0,
  NULL, NULL, NULL, "say what would stay and go, and why" },
{ OPT_BROKEN, "broken", OPTION_FLAG, SCOPE_RUN, CMD_EXPIRE, NULL, 0, 0,
  NULL, NULL, NULL, "also remove what backups that broke off have left" },
{ OPT_BROKEN_AGE, "broken-age", OPTION_MS, SCOPE_CLUSTER, CMD_EXPIRE, NULL, 60000, UINT64_C(31536000000),
  "24h", NULL, "DURATION", "how long nothing was added to a backup before it counts as broken off" },
{ OPT_UNTIL, "until", OPTION_TEXT, SCOPE_RUN, CMD_HOLD, NULL, 0, 0,
  NULL, NULL, "TIME", "hold it until then (default: until it is released)" },
{ OPT_REASON, "reason", OPTION_TEXT, SCOPE_RUN, CMD_HOLD, NULL, 0, 0,
  NULL, NULL, "TEXT", "why, for whoever asks later" },
{ OPT_WAL, "wal", OPTION_FLAG, SCOPE_RUN, CMD_VERIFY | CMD_REPAIR, NULL, 0, 0,
  NULL, NULL, NULL, "verify the WAL, too" },
{ OPT_SAMPLE, "sample", OPTION_TEXT, SCOPE_RUN, CMD_VERIFY, NULL, 0, 0,
  NULL, NULL, "PERCENT", "verify a random part, at least one object" },
{ OPT_SINCE, "since", OPTION_TEXT, SCOPE_RUN, CMD_VERIFY, NULL, 0, 0,
  NULL, NULL, "TIME", "only objects that were not verified since then" },
{ OPT_SET_ASIDE, "set-aside", OPTION_FLAG, SCOPE_RUN, CMD_VERIFY, NULL, 0, 0,
  NULL, NULL, NULL, "move damaged WAL out of the way, so that it can be archived again" },
{ OPT_TO, "to", OPTION_TEXT, SCOPE_RUN, CMD_SYNC | CMD_REPAIR, NULL, 0, 0,
  NULL, NULL, "LIST", "bring into these stores alone" },
{ OPT_ALL, "all", OPTION_FLAG, SCOPE_RUN, CMD_SYNC, NULL, 0, 0,
  NULL, NULL, NULL, "also what the store's own rules would not keep" },
{ OPT_MAX_RATE, "max-rate", OPTION_SIZE, SCOPE_CLUSTER, CMD_SYNC | CMD_REPAIR, NULL, 1024, UINT64_C(1) << 40,
  NULL, NULL, "SIZE", "bytes a second that are copied at most" },
{ OPT_URL, "url", OPTION_TEXT, SCOPE_STORE, CMD_ALL, NULL, 0, 0,
  NULL, NULL, "URL",
  "where the store is: file:///absolute/path, s3://BUCKET/PREFIX, azure://CONTAINER/PREFIX, gs://BUCKET/PREFIX, "
  "sftp://USER@HOST/PATH, exec:COMMAND" },
{ OPT_DIR_MODE, "dir-mode", OPTION_MODE, SCOPE_STORE, CMD_ALL,
  NULL, 0700, 0777, "0700", NULL, "MODE", "mode of new directories" },
{ OPT_FILE_MODE, "file-mode", OPTION_MODE, SCOPE_STORE, CMD_ALL,
  NULL, 0400, 0666, "0600", NULL, "MODE", "mode of new files" },
{ OPT_ENDPOINT, "endpoint", OPTION_TEXT, SCOPE_STORE, CMD_ALL, NULL, 0, 0,
  NULL, NULL, "URL", "the service's address, where it is not the usual one" },
{ OPT_REGION, "region", OPTION_TEXT, SCOPE_STORE, CMD_ALL, NULL, 0, 0,
  NULL, NULL, "NAME", "the bucket's region" },
{ OPT_ADDRESSING, "addressing", OPTION_CHOICE, SCOPE_STORE, CMD_ALL,
  "auto|path|virtual", 0, 0, "auto", NULL, "STYLE",
  "the bucket in the path or in the host's name; auto: path with an endpoint" },
{ OPT_SINGLE_WRITER, "single-writer", OPTION_YESNO, SCOPE_STORE, CMD_ALL, NULL, 0, 0,
  "no", NULL, "YESNO", "use a service that cannot create conditionally" },
{ OPT_ACCESS_KEY_ID, "access-key-id", OPTION_TEXT, SCOPE_STORE, CMD_ALL, NULL, 0, 0,
  NULL, NULL, "TEXT", "the name of the key" },
{ OPT_SECRET_KEY, "secret-key", OPTION_SECRET, SCOPE_STORE, CMD_ALL, NULL, 0, 0,
  NULL, NULL, "TEXT", "the key; only in the environment" },
{ OPT_SECRET_KEY_FILE, "secret-key-file", OPTION_PATH, SCOPE_STORE, CMD_ALL, NULL, 0, 0,
  NULL, NULL, "FILE", "the file that holds the key" },
{ OPT_SESSION_TOKEN, "session-token", OPTION_SECRET, SCOPE_STORE, CMD_ALL, NULL, 0, 0,
  NULL, NULL, "TEXT", "what belongs to a temporary key; only in the environment" },
{ OPT_CREDENTIAL_COMMAND, "credential-command", OPTION_TEXT, SCOPE_STORE, CMD_ALL, NULL, 0, 0,
  NULL, NULL, "COMMAND", "a command that prints the credentials" },
{ OPT_CREDENTIALS_FILE, "credentials-file", OPTION_PATH, SCOPE_STORE, CMD_ALL, NULL, 0, 0,
  NULL, NULL, "FILE", "the key file of a service account of Google's" },
{ OPT_PROFILE, "profile", OPTION_TEXT, SCOPE_STORE, CMD_ALL, NULL, 0, 0,
  NULL, NULL, "NAME", "a profile of the AWS configuration files" },
{ OPT_ROLE_ARN, "role-arn", OPTION_TEXT, SCOPE_STORE, CMD_ALL, NULL, 0, 0,
  NULL, NULL, "ARN", "the role to assume with these credentials" },
{ OPT_ACCOUNT, "account", OPTION_TEXT, SCOPE_STORE, CMD_ALL, NULL, 0, 0,
  NULL, NULL, "NAME", "the Azure storage account" },
{ OPT_SAS_TOKEN, "sas-token", OPTION_SECRET, SCOPE_STORE, CMD_ALL, NULL, 0, 0,
  NULL, NULL, "TEXT", "a shared access signature; only in the environment" },
{ OPT_SAS_TOKEN_FILE, "sas-token-file", OPTION_PATH, SCOPE_STORE, CMD_ALL, NULL, 0, 0,
  NULL, NULL, "FILE", "the file that holds the shared access signature" },
{ OPT_CLIENT_ID, "client-id", OPTION_TEXT, SCOPE_STORE, CMD_ALL, NULL, 0, 0,
  NULL, NULL, "ID", "the client, or user-assigned identity, to act as" },
{ OPT_STORAGE_CLASS, "storage-class", OPTION_TEXT, SCOPE_STORE, CMD_ALL, NULL, 0, 0,
  NULL, NULL, "CLASS", "storage class of backups" },
{ OPT_WAL_STORAGE_CLASS, "wal-storage-class", OPTION_TEXT, SCOPE_STORE, CMD_ALL, NULL, 0, 0,
  NULL, NULL, "CLASS", "storage class of WAL" },
{ OPT_SSE, "sse", OPTION_CHOICE, SCOPE_STORE, CMD_ALL,
  "none|AES256|aws:kms|customer", 0, 0, NULL, NULL, "HOW",
  "how the service encrypts what it keeps" },
{ OPT_SSE_KEY_ID, "sse-key-id", OPTION_TEXT, SCOPE_STORE, CMD_ALL, NULL, 0, 0,
  NULL, NULL, "ID", "the key of sse = aws:kms" },
{ OPT_SSE_KEY_FILE, "sse-key-file", OPTION_PATH, SCOPE_STORE, CMD_ALL, NULL, 0, 0,
  NULL, NULL, "FILE", "the key of sse = customer: a file of 32 bytes" },
{ OPT_TAGS, "tags", OPTION_TEXT, SCOPE_STORE, CMD_ALL, NULL, 0, 0,
  NULL, NULL, "K=V&...", "tags of new objects" },
{ OPT_LOCK_MODE, "lock-mode", OPTION_CHOICE, SCOPE_STORE, CMD_ALL,
  "none|GOVERNANCE|COMPLIANCE", 0, 0, NULL, NULL, "MODE",
  "Object Lock of new objects" },
{ OPT_LOCK_FOR, "lock-for", OPTION_MS, SCOPE_STORE, CMD_ALL,
  NULL, 1000, UINT64_C(3153600000000), "7d", NULL, "DURATION", "how long they are locked" },
{ OPT_PART_SIZE, "part-size", OPTION_SIZE, SCOPE_STORE, CMD_ALL,
  NULL, UINT64_C(5) << 20, UINT64_C(1) << 30, "16MiB", NULL, "SIZE",
  "what is larger is put in parts of this size, each kept in memory" },
{ OPT_CA_FILE, "ca-file", OPTION_PATH, SCOPE_STORE, CMD_ALL, NULL, 0, 0,
  NULL, NULL, "FILE", "certificates (PEM) of the authorities to trust, instead of the system's" },
{ OPT_VERIFY_TLS, "verify-tls", OPTION_CHOICE, SCOPE_STORE, CMD_ALL, "off|on", 0, 0,
  "on", NULL, "ONOFF", "off: take any certificate, with a warning each time" },
{ OPT_IDENTITY_FILE, "identity-file", OPTION_PATH, SCOPE_STORE, CMD_ALL, NULL, 0, 0,
  NULL, NULL, "FILE", "the private key to log in with by SSH, instead of an agent's" },
{ OPT_PASSPHRASE_FILE, "passphrase-file", OPTION_PATH, SCOPE_STORE, CMD_ALL, NULL, 0, 0,
  NULL, NULL, "FILE", "the file that holds that key's passphrase" },
{ OPT_KNOWN_HOSTS, "known-hosts", OPTION_PATH, SCOPE_STORE, CMD_ALL, NULL, 0, 0,
  NULL, NULL, "FILE", "keys of SSH servers, instead of ~/.ssh/known_hosts" },
{ OPT_COMMAND_TIMEOUT, "command-timeout", OPTION_MS, SCOPE_STORE, CMD_ALL,
  NULL, 1000, 86400000, "10min", NULL, "DURATION", "how long one run of the command of exec: may take" },
{ OPT_CONNECT_TIMEOUT, "connect-timeout", OPTION_MS, SCOPE_STORE, CMD_ALL,
  NULL, 100, 3600000, "10s", NULL, "DURATION", "until a connection is made" },
{ OPT_ANSWER_TIMEOUT, "answer-timeout", OPTION_MS, SCOPE_STORE, CMD_ALL,
  NULL, 100, 3600000, "30s", NULL, "DURATION", "until the first byte of an answer" },
{ OPT_STALL_TIMEOUT, "stall-timeout", OPTION_MS, SCOPE_STORE, CMD_ALL,
  NULL, 100, 3600000, "20s", NULL, "DURATION", "without 1 KiB in either direction" },
{ OPT_RETRY_FOR, "retry-for", OPTION_MS, SCOPE_STORE, CMD_ALL,
  NULL, 1000, 86400000, "2min", NULL, "DURATION",
  "how long a request is tried again, within the deadline of the run" },
};
/* clang-format on */

const struct option *
option_of(enum option_id id)
{
	return &options[id];
}

static bool
same_char(char a, char b, bool ignore_case)
{
	if (a == '_')
		a = '-';
	if (ignore_case)
		a = (char)tolower((unsigned char)a);
	return a == b;
}

const struct option *
option_find(const char *name, size_t len, bool ignore_case)
{
	for (size_t i = 0; i < OPT_COUNT; i++) {
		const char *known = options[i].name;
		size_t n = 0;

		while (n < len && known[n] != '\0' &&
		    same_char(name[n], known[n], ignore_case))
			n++;
		if (n == len && known[n] == '\0')
			return &options[i];
	}
	return NULL;
}

const char *
option_default(const struct option *o, enum command command)
{
	if (command == CMD_WALFETCH && o->fetch_def != NULL)
		return o->fetch_def;
	return o->def;
}

/* The place of text in "a|b|c", or -1. */
static int
choice(const char *choices, const char *text)
{
	size_t len = strlen(text);
	int i = 0;

	for (const char *p = choices;; i++) {
		size_t n = strcspn(p, "|");

		if (n == len && strncmp(p, text, n) == 0)
			return i;
		if (p[n] == '\0')
			return -1;
		p += n + 1;
	}
}

static enum units_kind
units_of(const struct option *o)
{
	return o->type == OPTION_MS  ? UNITS_MS
	    : o->type == OPTION_SIZE ? UNITS_BYTES
	                             : UNITS_COUNT;
}

static int
check_number(const struct option *o, const char *text, const char *origin,
    struct fail *f)
{
	char min[UNITS_TEXT], max[UNITS_TEXT];
	const char *why;
	uint64_t v;

	if (units_parse(text, units_of(o), &v, &why) != 0)
		return fail_set(
		    f, FAIL_CONFIG, origin, "%s = %s: %s", o->name, text, why);
	if (v >= o->min && v <= o->max)
		return 0;
	units_format(o->min, units_of(o), min);
	units_format(o->max, units_of(o), max);
	return fail_set(f, FAIL_CONFIG, origin,
	    "%s = %s: must be from %s to %s", o->name, text, min, max);
}

static int
check_mode(const struct option *o, const char *text, const char *origin,
    struct fail *f)
{
	uint64_t v = option_number(o, text);

	if (text[strspn(text, "01234567")] == '\0' && strlen(text) <= 5 &&
	    v >= o->min && v <= o->max && (v & o->min) == o->min)
		return 0;
	return fail_set(f, FAIL_CONFIG, origin,
	    "%s = %s: must be an octal mode from 0%llo to 0%llo", o->name, text,
	    (unsigned long long)o->min, (unsigned long long)o->max);
}

int
option_check(const struct option *o, const char *text, const char *origin,
    struct fail *f)
{
	if (text[0] == '\0')
		return fail_set(
		    f, FAIL_CONFIG, origin, "%s: no value", o->name);
	switch (o->type) {
	case OPTION_TEXT:
	case OPTION_SECRET:
		return 0;
	case OPTION_PATH:
		if (text[0] == '/')
			return 0;
		return fail_set(f, FAIL_CONFIG, origin,
		    "%s = %s: must be an absolute path", o->name, text);
	case OPTION_FLAG:
	case OPTION_YESNO:
		if (choice("no|yes", text) >= 0)
			return 0;
		return fail_set(f, FAIL_CONFIG, origin,
		    "%s = %s: must be yes or no", o->name, text);
	case OPTION_CHOICE:
		if (choice(o->choices, text) >= 0)
			return 0;
		return fail_set(f, FAIL_CONFIG, origin,
		    "%s = %s: must be one of %s", o->name, text, o->choices);
	case OPTION_COUNT:
	case OPTION_MS:
	case OPTION_SIZE:
		return check_number(o, text, origin, f);
	case OPTION_REQUIRED:
		if (choice("all|any", text) >= 0 ||
		    check_number(o, text, origin, f) == 0)
			return 0;
		return fail_set(f, FAIL_CONFIG, origin,
		    "%s = %s: must be all, any or a number of stores", o->name,
		    text);
	case OPTION_MODE:
		return check_mode(o, text, origin, f);
	}
	return 0;
}

uint64_t
option_number(const struct option *o, const char *text)
{
	const char *why;
	uint64_t v = 0;

	switch (o->type) {
	case OPTION_FLAG:
	case OPTION_YESNO:
		return strcmp(text, "yes") == 0;
	case OPTION_CHOICE:
		return (uint64_t)choice(o->choices, text);
	case OPTION_MODE:
		return strtoul(text, NULL, 8);
	case OPTION_REQUIRED:
		if (choice("all|any", text) >= 0)
			return (uint64_t)choice("all|any", text);
		(void)units_parse(text, UNITS_COUNT, &v, &why);
		return v;
	default:
		(void)units_parse(text, units_of(o), &v, &why);
		return v;
	}
}
