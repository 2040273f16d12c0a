/* SPDX-License-Identifier: PostgreSQL */
/*
 * The planner against repositories of made WAL: archived by walpush's own way,
 * backups that are no more than their manifests.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup.h"
#include "clock.h"
#include "io.h"
#include "log.h"
#include "lsn.h"
#include "manifest.h"
#include "plan.h"
#include "planfile.h"
#include "push.h"
#include "storecheck.h"
#include "walmaker.h"

#define SEG    ((uint64_t)1 << 20)
#define SECOND INT64_C(1000000)
#define BEGIN  (INT64_C(848000000) * SECOND)
#define SYSID  UINT64_C(7431000000000000123)

static struct repository repo;
static struct identity identity = { SYSID, 1, 15, 1 << 20 };
static char pg_wal[600];
static struct index x;
static struct backup_list backups;
static struct plan p;
static bool planned;

static void
write_file(const char *path, const void *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	require(fd >= 0 && io_write(fd, bytes, len) == 0);
	(void)close(fd);
}

static void
make_repository(void)
{
	char url[600], top[64], home[520];
	struct fail f = { 0 };

	/* Each test is a process of its own. */
	(void)snprintf(top, sizeof top, "world-%ld", (long)getpid());
	(void)snprintf(home, sizeof home, "%s", temp_subdir(top));
	(void)snprintf(url, sizeof url, "file://%.500s/store", home);
	require(mkdir(url + strlen("file://"), 0700) == 0);
	(void)snprintf(pg_wal, sizeof pg_wal, "%.500s/pg_wal", home);
	require(mkdir(pg_wal, 0700) == 0);
	repo = (struct repository){ .store = open_url(url),
		.layout = {
		    .cluster = "main", .sysid = SYSID, .generation = 1 } };
	repository_new_id(repo.id);
	require(repository_create(&repo, &f) == 0);
	require(repository_add_identity(&repo, &identity, &f) == 0);
}

static void
clear(void)
{
	if (planned) {
		plan_clear(&p);
		backup_list_clear(&backups);
		index_clear(&x);
	}
	planned = false;
	store_free(repo.store);
}

/* Archive segment number i of what w holds, under its name and a suffix. */
static void
archive_one(struct walmaker *w, uint32_t tli, unsigned i, const char *suffix)
{
	struct push_args args = { .repos = &repo,
		.n_repos = 1,
		.generation = 1,
		.compress_level = 1 };
	struct walname name;
	struct fail f = { 0 };
	char path[700];
	int fd;

	walname_segment(tli, w->start / SEG + i, w->segsize, &name);
	(void)snprintf(path, sizeof path, "%s/%s%s", pg_wal, name.text, suffix);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	require(fd >= 0);
	require(io_write(fd, walmaker_segment(w, i), SEG) == 0);
	(void)close(fd);
	if (push_file(&args, path, &f) != 0)
		ck_abort_msg("%s: %s", f.object, f.cause);
}

/* Archive what w holds from segment number from on, n segments. */
static void
archive(struct walmaker *w, uint32_t tli, unsigned from, unsigned n)
{
	for (unsigned i = from; i < from + n; i++)
		archive_one(w, tli, i, "");
}

static void
archive_history(uint32_t tli, const char *text)
{
	struct push_args args = { .repos = &repo,
		.n_repos = 1,
		.generation = 1,
		.compress_level = 1 };
	struct fail f = { 0 };
	char path[700];
	char dir[700];
	int fd;
	uint8_t control[8192] = { 0 };

	/* A history says nothing of its cluster: pg_control does. */
	(void)snprintf(dir, sizeof dir, "%s/../global", pg_wal);
	(void)mkdir(dir, 0700);
	encode_u64(control, SYSID);
	(void)snprintf(path, sizeof path, "%s/../global/pg_control", pg_wal);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	require(fd >= 0 && io_write(fd, control, sizeof control) == 0);
	(void)close(fd);
	(void)snprintf(path, sizeof path, "%s/%08X.history", pg_wal, tli);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	require(fd >= 0 && io_write(fd, text, strlen(text)) == 0);
	(void)close(fd);
	if (push_file(&args, path, &f) != 0)
		ck_abort_msg("%s: %s", f.object, f.cause);
}

struct made_backup {
	uint64_t start, stop;
	uint32_t tli;
	int64_t stop_time;
	char id[BACKUP_ID];
};

static void
add_backup(struct made_backup *m)
{
	struct manifest_head h = { .s = { .type = "full",
		                       .sysid = SYSID,
		                       .generation = 1,
		                       .major = 15,
		                       .version_num = 150018,
		                       .segsize = 1 << 20,
		                       .blcksz = 8192,
		                       .start_lsn = m->start,
		                       .stop_lsn = m->stop,
		                       .start_tli = m->tli,
		                       .stop_tli = m->tli,
		                       .start_time = m->stop_time - SECOND,
		                       .stop_time = m->stop_time } };
	struct backup_begin b = { .type = "full",
		.time = m->stop_time - SECOND,
		.from_lsn = m->start,
		.tli = m->tli };
	struct codec codec = { CODEC_LZ4, 1 };
	struct manifest_writer *w;
	struct fail f = { 0 };
	char ids[1][40];

	backup_new_id(m->stop_time, "full", m->id);
	memcpy(ids[0], m->id, BACKUP_ID);
	memcpy(h.s.id, m->id, BACKUP_ID);
	memcpy(b.id, m->id, BACKUP_ID);
	h.backups = ids;
	h.n_backups = 1;
	require(buf_append(&h.label_file, "label\n", 6) == 0);
	require(backup_write_begin(&repo, &b, &f) == 0);
	w = manifest_writer_new(backup_put_manifest(&repo, &h.s, &codec, &f));
	require(w != NULL);
	if (manifest_write_head(w, &h, &f) != 0 ||
	    manifest_write_end(w, &f) != 0)
		ck_abort_msg("%s: %s", f.object, f.cause);
	manifest_writer_free(w);
	buf_clear(&h.label_file);
}

/* The backup that is taken for one with damaged pages, if any. */
static const char *with_bad_pages;

static void
make_plan(const struct plan_target *t)
{
	struct fail f = { 0 };

	if (planned) {
		plan_clear(&p);
		backup_list_clear(&backups);
		index_clear(&x);
	}
	require(index_load(&repo, &identity, &x, &f) == 0);
	require(backup_list_load(&repo, &backups, &f) == 0);
	for (size_t i = 0; with_bad_pages != NULL && i < backups.n; i++)
		if (strcmp(backups.list[i].id, with_bad_pages) == 0)
			backups.list[i].info.bad_pages = 2;
	if (plan_make(&x, &backups, t, &p, &f) != 0)
		ck_abort_msg("%s: %s", f.object, f.cause);
	planned = true;
}

/* A world: segments 1 to 9, each with one commit a second, and a switch. */
struct world {
	struct walmaker w;
	uint64_t commit[10];
};

static void
fill(struct world *v, unsigned from, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		v->commit[from + i] = walmaker_commit(&v->w, 100 + from + i,
		    BEGIN + (int64_t)(from + i) * SECOND);
		(void)walmaker_switch(&v->w);
	}
}

static void
make_world(struct world *v)
{
	*v = (struct world){ .w = WALMAKER_DEFAULT };
	make_repository();
	walmaker_begin(&v->w, SEG, 9);
	fill(v, 0, 9);
	archive(&v->w, 1, 0, 9);
}

static struct made_backup
backup_in(const struct world *v, unsigned segment)
{
	struct made_backup m = { .start = v->commit[segment],
		.stop = v->commit[segment] + 8,
		.tli = 1,
		.stop_time = BEGIN + segment * SECOND + SECOND / 2 };

	add_backup(&m);
	return m;
}

START_TEST(the_newest_backup_that_ends_before_the_target_is_chosen)
{
	struct world v;
	struct made_backup a, b;

	make_world(&v);
	a = backup_in(&v, 1);
	b = backup_in(&v, 5);
	make_plan(
	    &(struct plan_target){ .type = PLAN_LSN, .lsn = v.commit[4] });
	require(p.reachable && strcmp(p.backup.id, a.id) == 0);
	make_plan(
	    &(struct plan_target){ .type = PLAN_LSN, .lsn = v.commit[7] });
	require(p.reachable && strcmp(p.backup.id, b.id) == 0);
	require(p.stop_lsn == v.commit[7] && p.inclusive);
	require(p.first_segno == 6 && p.last_segno == 8 && p.segments == 3);
	make_plan(&(struct plan_target){
	    .type = PLAN_TIME, .time = BEGIN + 4 * SECOND });
	require(p.reachable && strcmp(p.backup.id, a.id) == 0);
	require(p.stop_lsn == v.commit[5] && !p.inclusive);
	require(p.has_before && p.last.xid == 104 && p.first_not.xid == 105);
	clear();
	walmaker_end(&v.w);
}
END_TEST

START_TEST(a_time_before_the_backups_end_is_not_reached_from_it)
{
	struct world v;
	struct made_backup b;

	make_world(&v);
	b = backup_in(&v, 5);
	make_plan(&(struct plan_target){
	    .type = PLAN_TIME, .time = BEGIN + 4 * SECOND });
	require(!p.reachable && !p.before.known && p.after.known);
	require(p.after.lsn == b.stop && strstr(p.after.options, b.id) != NULL);
	clear();
	walmaker_end(&v.w);
}
END_TEST

START_TEST(a_stamp_from_the_future_before_the_backup_counts_for_nothing)
{
	struct world v = { .w = WALMAKER_DEFAULT };
	struct made_backup b;

	make_repository();
	walmaker_begin(&v.w, SEG, 9);
	(void)walmaker_commit(&v.w, 99, BEGIN + INT64_C(400000000) * SECOND);
	fill(&v, 0, 9);
	archive(&v.w, 1, 0, 9);
	b = backup_in(&v, 2);
	make_plan(&(struct plan_target){
	    .type = PLAN_TIME, .time = BEGIN + 6 * SECOND });
	require(p.reachable && strcmp(p.backup.id, b.id) == 0);
	require(p.stop_lsn == v.commit[7]);
	clear();
	walmaker_end(&v.w);
}
END_TEST

START_TEST(a_missing_segment_is_named_with_the_moments_on_both_sides)
{
	struct world v = { .w = WALMAKER_DEFAULT };
	struct made_backup a, b;

	make_repository();
	walmaker_begin(&v.w, SEG, 9);
	fill(&v, 0, 9);
	archive(&v.w, 1, 0, 4);
	archive(&v.w, 1, 5, 4);
	a = backup_in(&v, 1);
	make_plan(&(struct plan_target){ .type = PLAN_LATEST });
	require(!p.reachable);
	require(strcmp(p.missing, "000000010000000000000005") == 0);
	require(p.before.known && !p.after.known);
	b = backup_in(&v, 7);
	make_plan(
	    &(struct plan_target){ .type = PLAN_LSN, .lsn = v.commit[6] });
	require(!p.reachable && strcmp(p.backup.id, a.id) == 0);
	require(strcmp(p.missing, "000000010000000000000005") == 0);
	require(p.before.known && p.before.lsn > v.commit[3] &&
	    p.before.lsn < 5 * SEG);
	require(p.after.known && p.after.lsn == b.stop);
	make_plan(&(struct plan_target){ .type = PLAN_LATEST });
	require(p.reachable && strcmp(p.backup.id, b.id) == 0);
	clear();
	walmaker_end(&v.w);
}
END_TEST

START_TEST(a_good_backup_is_preferred_to_a_newer_one_with_damaged_pages)
{
	struct world v;
	struct made_backup good, bad;

	make_world(&v);
	good = backup_in(&v, 1);
	bad = backup_in(&v, 5);
	with_bad_pages = bad.id;
	make_plan(&(struct plan_target){ .type = PLAN_LATEST });
	require(p.reachable && strcmp(p.backup.id, good.id) == 0);
	make_plan(
	    &(struct plan_target){ .type = PLAN_LSN, .lsn = v.commit[7] });
	require(p.reachable && strcmp(p.backup.id, good.id) == 0);
	make_plan(
	    &(struct plan_target){ .type = PLAN_LATEST, .backup = bad.id });
	require(p.reachable && strcmp(p.backup.id, bad.id) == 0);
	make_plan(&(struct plan_target){ .type = PLAN_IMMEDIATE });
	require(p.reachable && strcmp(p.backup.id, bad.id) == 0);
	with_bad_pages = NULL;
	clear();
	walmaker_end(&v.w);
}
END_TEST

START_TEST(latest_is_no_end_that_a_newer_backup_lies_behind)
{
	struct world v = { .w = WALMAKER_DEFAULT };
	struct made_backup a;

	make_repository();
	walmaker_begin(&v.w, SEG, 9);
	fill(&v, 0, 9);
	archive(&v.w, 1, 0, 4);
	a = backup_in(&v, 1);
	make_plan(&(struct plan_target){ .type = PLAN_LATEST });
	require(p.reachable);
	(void)backup_in(&v, 7);
	make_plan(&(struct plan_target){ .type = PLAN_LATEST });
	require(!p.reachable && p.before.known);
	make_plan(&(struct plan_target){ .type = PLAN_LATEST, .backup = a.id });
	require(!p.reachable && p.before.known);
	require(strcmp(p.missing, "000000010000000000000005") == 0);
	require(strstr(p.why, "a newer backup shows") != NULL);
	make_plan(
	    &(struct plan_target){ .type = PLAN_LSN, .lsn = p.before.lsn });
	require(p.reachable && strcmp(p.backup.id, a.id) == 0);
	clear();
	walmaker_end(&v.w);
}
END_TEST

START_TEST(latest_is_no_end_that_a_partial_segment_lies_behind)
{
	struct world v = { .w = WALMAKER_DEFAULT };

	make_repository();
	walmaker_begin(&v.w, SEG, 9);
	fill(&v, 0, 9);
	archive(&v.w, 1, 0, 4);
	(void)backup_in(&v, 1);
	archive_one(&v.w, 1, 4, ".partial");
	make_plan(&(struct plan_target){ .type = PLAN_LATEST });
	require(p.reachable && p.partial_key[0] != '\0');
	archive_one(&v.w, 1, 5, ".partial");
	make_plan(&(struct plan_target){ .type = PLAN_LATEST });
	require(!p.reachable && p.before.known);
	require(strcmp(p.missing, "000000010000000000000005") == 0);
	clear();
	walmaker_end(&v.w);
}
END_TEST

START_TEST(neighbours_by_name_that_do_not_join_are_no_chain)
{
	struct world v = { .w = WALMAKER_DEFAULT }, other;

	make_repository();
	walmaker_begin(&v.w, SEG, 9);
	fill(&v, 0, 9);
	archive(&v.w, 1, 0, 4);
	other = (struct world){ .w = WALMAKER_DEFAULT };
	walmaker_begin(&other.w, SEG, 9);
	fill(&other, 0, 3);
	(void)walmaker_commit(&other.w, 7, BEGIN);
	fill(&other, 3, 6);
	archive(&other.w, 1, 4, 5);
	(void)backup_in(&v, 1);
	make_plan(&(struct plan_target){ .type = PLAN_LATEST });
	require(!p.reachable);
	require(strcmp(p.missing, "000000010000000000000005") == 0);
	require(strstr(p.why, "does not follow") != NULL);
	clear();
	walmaker_end(&v.w);
	walmaker_end(&other.w);
}
END_TEST

START_TEST(a_position_behind_the_last_record_is_the_last_record)
{
	struct world v;

	make_world(&v);
	(void)backup_in(&v, 1);
	make_plan(&(struct plan_target){ .type = PLAN_LSN, .lsn = 10 * SEG });
	require(p.reachable && p.inclusive && p.stop_lsn > v.commit[8]);
	require(p.end_lsn == 10 * SEG && p.last_segno == 9);
	make_plan(
	    &(struct plan_target){ .type = PLAN_LSN, .lsn = 10 * SEG + 8 });
	require(!p.reachable && p.before.known);
	clear();
	walmaker_end(&v.w);
}
END_TEST

START_TEST(a_restore_point_given_twice_is_not_guessed)
{
	struct world v = { .w = WALMAKER_DEFAULT };
	struct made_backup b;

	make_repository();
	walmaker_begin(&v.w, SEG, 9);
	fill(&v, 0, 3);
	(void)walmaker_restore_point(&v.w, "twice", BEGIN);
	fill(&v, 3, 3);
	(void)walmaker_restore_point(&v.w, "twice", BEGIN);
	(void)walmaker_restore_point(&v.w, "once", BEGIN);
	fill(&v, 6, 3);
	archive(&v.w, 1, 0, 9);
	(void)backup_in(&v, 1);
	b = backup_in(&v, 4);
	make_plan(&(struct plan_target){ .type = PLAN_NAME, .name = "twice" });
	require(!p.reachable && strstr(p.why, "several") != NULL);
	make_plan(&(struct plan_target){ .type = PLAN_NAME, .name = "once" });
	require(p.reachable && p.inclusive);
	/* From a backup behind the first one there is no doubt. */
	make_plan(&(struct plan_target){
	    .type = PLAN_NAME, .name = "twice", .backup = b.id });
	require(p.reachable && p.stop_lsn > v.commit[5]);
	clear();
	walmaker_end(&v.w);
}
END_TEST

START_TEST(an_xid_before_the_newest_backup_is_reached_from_an_older_one)
{
	struct world v;
	struct made_backup a, b;

	make_world(&v);
	a = backup_in(&v, 1);
	b = backup_in(&v, 5);
	make_plan(&(struct plan_target){ .type = PLAN_XID, .xid = 103 });
	require(p.reachable && strcmp(p.backup.id, a.id) == 0);
	make_plan(&(struct plan_target){ .type = PLAN_XID, .xid = 107 });
	require(p.reachable && strcmp(p.backup.id, b.id) == 0);
	make_plan(&(struct plan_target){ .type = PLAN_XID, .xid = 900 });
	require(!p.reachable);
	clear();
	walmaker_end(&v.w);
}
END_TEST

/* Timeline 2 leaves 1 inside segment 5; both go on. */
static void
make_fork(struct world *one, struct world *two)
{
	uint64_t fork;
	char text[64], lsn[LSN_TEXT];

	*one = (struct world){ .w = WALMAKER_DEFAULT };
	make_repository();
	walmaker_begin(&one->w, SEG, 9);
	fill(one, 0, 4);
	one->commit[4] = walmaker_commit(&one->w, 104, BEGIN + 4 * SECOND);
	fork = walmaker_next(&one->w);
	*two = *one;
	two->w.bytes = malloc(one->w.len);
	require(two->w.bytes != NULL);
	memcpy(two->w.bytes, one->w.bytes, one->w.len);
	two->w.tli = 2;
	(void)walmaker_switch(&one->w);
	fill(one, 5, 4);
	archive(&one->w, 1, 0, 9);
	(void)walmaker_commit(&two->w, 1000, BEGIN + 100 * SECOND);
	(void)walmaker_switch(&two->w);
	fill(two, 5, 4);
	lsn_format(fork, lsn);
	(void)snprintf(text, sizeof text, "1\t%s\ttest\n", lsn);
	archive_history(2, text);
	archive(&two->w, 2, 4, 5);
}

START_TEST(two_lines_that_differ_are_ambiguous_until_one_is_named)
{
	struct world one, two;

	make_fork(&one, &two);
	(void)backup_in(&one, 1);
	make_plan(&(struct plan_target){ .type = PLAN_LATEST });
	require(!p.reachable && strstr(p.why, "--timeline") != NULL);
	make_plan(&(struct plan_target){
	    .type = PLAN_LATEST, .line = PLAN_NUMBER, .tli = 1 });
	require(p.reachable && p.tli == 1 && p.history.n == 0);
	make_plan(
	    &(struct plan_target){ .type = PLAN_LATEST, .line = PLAN_NEWEST });
	require(p.reachable && p.tli == 2 && p.history.n == 1);
	make_plan(
	    &(struct plan_target){ .type = PLAN_LATEST, .line = PLAN_CURRENT });
	require(p.reachable && p.tli == 1);
	clear();
	walmaker_end(&one.w);
	walmaker_end(&two.w);
}
END_TEST

START_TEST(a_target_before_the_fork_is_no_ambiguity_and_follows_the_older_line)
{
	struct world one, two;

	make_fork(&one, &two);
	(void)backup_in(&one, 1);
	make_plan(&(struct plan_target){ .type = PLAN_XID, .xid = 103 });
	require(p.reachable && p.stop_tli == 1 && p.tli == 1);
	require(p.history.n == 0 && p.n_newer == 1 && p.newer[0] == 2);
	clear();
	walmaker_end(&one.w);
	walmaker_end(&two.w);
}
END_TEST

START_TEST(a_backup_behind_the_fork_is_not_on_the_other_line)
{
	struct world one, two;
	struct made_backup b;

	make_fork(&one, &two);
	(void)backup_in(&one, 1);
	b = backup_in(&one, 6);
	make_plan(&(struct plan_target){
	    .type = PLAN_LATEST, .line = PLAN_NUMBER, .tli = 2 });
	require(p.reachable && strcmp(p.backup.id, b.id) != 0);
	make_plan(&(struct plan_target){ .type = PLAN_LATEST,
	    .line = PLAN_NUMBER,
	    .tli = 2,
	    .backup = b.id });
	require(!p.reachable);
	clear();
	walmaker_end(&one.w);
	walmaker_end(&two.w);
}
END_TEST

START_TEST(a_backup_that_does_not_exist_leads_nowhere)
{
	struct world v;

	make_world(&v);
	make_plan(&(struct plan_target){ .type = PLAN_LATEST });
	require(!p.reachable && strstr(p.why, "no complete backup") != NULL);
	make_plan(&(struct plan_target){
	    .type = PLAN_LATEST, .backup = "20261120T020003Z-full-4f2a9c1e" });
	require(!p.reachable && strstr(p.why, "does not exist") != NULL);
	clear();
	walmaker_end(&v.w);
}
END_TEST

START_TEST(the_wal_of_a_backup_is_its_own_line_and_all_lines_behind)
{
	struct world one, two;
	struct manifest_summary s = { .start_tli = 1, .stop_tli = 1 };
	struct wal_ranges r;
	struct fail f = { 0 };

	make_fork(&one, &two);
	(void)backup_in(&one, 1);
	make_plan(&(struct plan_target){ .type = PLAN_IMMEDIATE });
	s.start_lsn = one.commit[1];
	s.stop_lsn = one.commit[2] + 8;
	require(plan_wal(&x, &s, LSN_NONE, &r, &f) == 0 && r.n == 1);
	require(wal_ranges_have(&r, 1, 2) && wal_ranges_have(&r, 1, 3));
	require(!wal_ranges_have(&r, 1, 1) && !wal_ranges_have(&r, 1, 4));
	wal_ranges_clear(&r);
	require(plan_wal(&x, &s, UINT64_MAX, &r, &f) == 0);
	require(wal_ranges_have(&r, 1, 9) && wal_ranges_have(&r, 1, 1000));
	require(wal_ranges_have(&r, 2, 5) && wal_ranges_have(&r, 2, 1000));
	require(!wal_ranges_have(&r, 2, 4) && !wal_ranges_have(&r, 1, 1));
	wal_ranges_clear(&r);
	clear();
	walmaker_end(&one.w);
	walmaker_end(&two.w);
}
END_TEST

static enum planfile_word
ask(const struct planfile *file, const char *text)
{
	struct walname name;

	require(walname_parse(text, &name) == 0);
	return planfile_ask(file, &name);
}

START_TEST(a_plan_file_says_what_exists_and_what_is_behind_its_end)
{
	struct world one, two;
	struct planfile file;
	struct buf b = { 0 };
	struct fail f = { 0 };
	char dir[600], path[700], setting[PLANFILE_SETTING + 2];

	make_fork(&one, &two);
	(void)backup_in(&one, 1);
	make_plan(&(struct plan_target){
	    .type = PLAN_LSN, .lsn = two.commit[6], .line = PLAN_NEWEST });
	require(p.reachable && planfile_format(&p, &b) == 0);
	(void)snprintf(dir, sizeof dir, "%s", pg_wal);
	(void)snprintf(path, sizeof path, "%s/" PLANFILE_NAME, dir);
	write_file(path, b.data, b.len);
	require(planfile_read(dir, &file, &f) == 1);
	setting[0] = '\n';
	planfile_setting(&p, setting + 1);
	strcat(setting, "\n");
	(void)snprintf(path, sizeof path, "%s/" PLANFILE_SETTINGS, dir);
	write_file(path, setting, strlen(setting));
	require(planfile_read(dir, &file, &f) == 0);
	require(ask(&file, "000000010000000000000003") == PLANFILE_MUST);
	require(ask(&file, "000000020000000000000005") == PLANFILE_MUST);
	require(ask(&file, "000000010000000000000005") == PLANFILE_SILENT);
	require(ask(&file, "000000010000000000000001") == PLANFILE_SILENT);
	require(ask(&file, "000000020000000000000008") == PLANFILE_ABSENT);
	require(ask(&file, "000000010000000000000008") == PLANFILE_ABSENT);
	require(ask(&file, "00000002.history") == PLANFILE_MUST);
	require(ask(&file, "00000003.history") == PLANFILE_ABSENT);
	planfile_clear(&file);
	b.data[b.len / 2] ^= 1;
	(void)snprintf(path, sizeof path, "%s/" PLANFILE_NAME, dir);
	write_file(path, b.data, b.len);
	require(planfile_read(dir, &file, &f) == -1);
	require(f.kind == FAIL_DAMAGED);
	buf_clear(&b);
	clear();
	walmaker_end(&one.w);
	walmaker_end(&two.w);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("plan");

	(void)temp_dir();
	log_setup("check_plan", LOG_WARNING, false);
	add_tests(s, "plan",
	    TESTS(the_newest_backup_that_ends_before_the_target_is_chosen,
	        a_time_before_the_backups_end_is_not_reached_from_it,
	        a_stamp_from_the_future_before_the_backup_counts_for_nothing,
	        a_missing_segment_is_named_with_the_moments_on_both_sides,
	        a_good_backup_is_preferred_to_a_newer_one_with_damaged_pages,
	        latest_is_no_end_that_a_newer_backup_lies_behind,
	        latest_is_no_end_that_a_partial_segment_lies_behind,
	        neighbours_by_name_that_do_not_join_are_no_chain,
	        a_position_behind_the_last_record_is_the_last_record,
	        a_restore_point_given_twice_is_not_guessed,
	        an_xid_before_the_newest_backup_is_reached_from_an_older_one,
	        two_lines_that_differ_are_ambiguous_until_one_is_named,
	        a_target_before_the_fork_is_no_ambiguity_and_follows_the_older_line,
	        a_backup_behind_the_fork_is_not_on_the_other_line,
	        a_backup_that_does_not_exist_leads_nowhere,
	        the_wal_of_a_backup_is_its_own_line_and_all_lines_behind,
	        a_plan_file_says_what_exists_and_what_is_behind_its_end));
	return run_suite(s);
}
