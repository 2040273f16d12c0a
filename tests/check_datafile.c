/* SPDX-License-Identifier: PostgreSQL */
/*
 * Which files of a data directory are what, and page checksums.  That they are
 * PostgreSQL's is shown on real clusters (e2e/test_server_facts.py).
 */
#include "../src/pg/pagesum.c"

#include "support.h"

START_TEST(what_a_backup_leaves_out)
{
	static const char *const out[] = { "postmaster.pid", "postmaster.opts",
		"backup_label", "tablespace_map", "backup_manifest",
		"postgresql.auto.conf.tmp", "current_logfiles.tmp",
		"pg_internal.init", "global/pg_internal.init",
		"global/pg_internal.init.1234", "base/5/pg_internal.init",
		"base/pgsql_tmp", "base/pgsql_tmp/pgsql_tmp123.0",
		"pg_tblspc/16400/PG_15_202209061/pgsql_tmp", "base/5/t3_16384",
		"base/5/t3_16384_fsm", "base/5/t3_16384.2",
		"base/5/t3_16384_vm.1",
		"pg_tblspc/16400/PG_15_202209061/5/t12_16384",
		"recovery.signal", "standby.signal", "recovery.conf" };
	static const char *const in[] = { "PG_VERSION", "global/pg_control",
		"base/5/16384", "base/5/16384_init", "base/5/pg_filenode.map",
		"base/5/PG_VERSION", "postgresql.auto.conf", "postgresql.conf",
		"backup_label.old", "tablespace_map.old", "pg_xact/0000",
		"base/5/t3_", "base/5/t_16384", "base/5/t3_16384x", "t3_16384",
		"t_notes", "base/t3_16384", "conf.d/recovery.signal",
		"log/t3_16384", "current_logfiles", "pg_internal",
		"my_pgsql_tmp", "base/5/table", "" };

	for (size_t i = 0; i < sizeof out / sizeof *out; i++)
		ck_assert_msg(datafile_is_excluded(out[i]), "%s", out[i]);
	for (size_t i = 0; i < sizeof in / sizeof *in; i++)
		ck_assert_msg(!datafile_is_excluded(in[i]), "%s", in[i]);
}
END_TEST

START_TEST(what_the_server_may_need)
{
	static const char *const needed[] = { "base", "base/5", "base/5/16384",
		"base/unknown", "global/pg_control", "PG_VERSION",
		"pg_tblspc/16400/PG_15_202209061/5/16384", "pg_xact/0000",
		"pg_hba.conf", "postgresql.conf", "postgresql.auto.conf" };
	static const char *const not_needed[] = { "lost+found",
		"base/lost+found", "pg_tblspc/16400/PG_15_202209061/lost+found",
		"bases", "bas", "log", "log/base", "notes", "server.key",
		"postgresql.conf.orig", "PG_VERSION.bak", "" };

	for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
		ck_assert_msg(datafile_is_servers(needed[i]), "%s", needed[i]);
	for (size_t i = 0; i < sizeof not_needed / sizeof *not_needed; i++)
		ck_assert_msg(
		    !datafile_is_servers(not_needed[i]), "%s", not_needed[i]);
}
END_TEST

START_TEST(directories_that_stay_empty)
{
	static const char *const empty[] = { "pg_wal", "pg_replslot",
		"pg_dynshmem", "pg_notify", "pg_serial", "pg_snapshots",
		"pg_subtrans", "pg_stat_tmp" };
	static const char *const full[] = { "pg_xact", "pg_multixact",
		"pg_commit_ts", "pg_logical", "pg_stat", "pg_twophase",
		"pg_tblspc", "base", "global", "pg_wal2", "base/pg_wal", "" };

	for (size_t i = 0; i < sizeof empty / sizeof *empty; i++)
		ck_assert(datafile_skips_content(empty[i]));
	for (size_t i = 0; i < sizeof full / sizeof *full; i++)
		ck_assert_msg(!datafile_skips_content(full[i]), "%s", full[i]);
}
END_TEST

static void
assert_relation(const char *path, const char *node, const char *fork,
    uint32_t segno, bool temporary)
{
	struct datafile_relation r;

	ck_assert_msg(datafile_relation(path, &r), "%s", path);
	ck_assert_str_eq(r.node, node);
	ck_assert_str_eq(r.fork, fork);
	ck_assert_uint_eq(r.segno, segno);
	ck_assert(r.temporary == temporary);
}

START_TEST(relations_are_known_by_their_names)
{
	assert_relation("base/5/16384", "16384", "", 0, false);
	assert_relation("base/5/16384.3", "16384", "", 3, false);
	assert_relation("base/5/16384_fsm", "16384", "fsm", 0, false);
	assert_relation("base/5/16384_vm.12", "16384", "vm", 12, false);
	assert_relation("base/5/16384_init", "16384", "init", 0, false);
	assert_relation("global/1260", "1260", "", 0, false);
	assert_relation("global/1260_fsm", "1260", "fsm", 0, false);
	assert_relation("base/4294967295/4294967295.4294967295", "4294967295",
	    "", UINT32_MAX, false);
	assert_relation(
	    "pg_tblspc/16400/PG_15_202209061/5/16384.1", "16384", "", 1, false);
	assert_relation("base/5/t3_16384_fsm.1", "16384", "fsm", 1, true);
}
END_TEST

START_TEST(what_looks_like_a_relation_is_none)
{
	static const char *const none[] = { "", "base", "base/", "base/5",
		"base/5/", "base/16384", "16384", "base/x/16384",
		"base/5/16384_", "base/5/16384_fsmx", "base/5/16384_xx",
		"base/5/16384.", "base/5/16384.x", "base/5/16384.1x",
		"base/5/16384.4294967296", "base/5/16384.1.2",
		"base/5/16384_fsm_vm", "base/5/12345678901",
		"base/5/99999999999999999999", "base/5/16384/1", "base/5/6/7",
		"base/5/pg_filenode.map", "base/5/PG_VERSION",
		"base/5/pgsql_tmp12.0", "base/5/t16384", "base/5/t_1",
		"global/pg_control", "global/5/1260", "globals/1260",
		"pg_tblspc/16400", "pg_tblspc/16400/PG_15/16384",
		"pg_tblspc/16400/5/16384", "pg_tblspc/x/PG_15_2/5/16384",
		"pg_tblspc/16400/PG_15_2/x/16384",
		"pg_tblspc/16400/PG_15_2/5/6/16384", "pg_xact/0000",
		"pg_wal/5/16384", "base/5/-1", "base/5/+1", "base/5/ 1" };
	struct datafile_relation r;

	for (size_t i = 0; i < sizeof none / sizeof *none; i++)
		ck_assert_msg(!datafile_relation(none[i], &r), "%s", none[i]);
}
END_TEST

/* A page of random bytes with LSN 1/0 and its right checksum. */
static void
make_page(uint64_t *random, uint8_t *page, size_t blcksz, uint32_t block)
{
	uint16_t sum;

	fill_random(random, page, blcksz);
	encode_u32(page + PD_LSN, 1);
	encode_u32(page + PD_LSN + 4, 0);
	page[PD_UPPER] |= 1;
	sum = checksum(page, blcksz, block);
	page[PD_CHECKSUM] = (uint8_t)sum;
	page[PD_CHECKSUM + 1] = (uint8_t)(sum >> 8);
}

#define YOUNGER (UINT64_C(1) << 32 | 1)

/* All but a few: a sum of 16 bits misses one change in 65535. */
START_TEST(flipped_bits_are_found)
{
	unsigned missed = 0;
	uint64_t random = test_seed();
	uint8_t page[8192];

	make_page(&random, page, sizeof page, 7);
	ck_assert(datafile_page_ok(page, sizeof page, 7, YOUNGER));
	/* The LSN's bits say whether the page is judged at all. */
	for (size_t bit = (size_t)PD_CHECKSUM * 8; bit < sizeof page * 8;
	     bit++) {
		page[bit / 8] ^= (uint8_t)(1 << bit % 8);
		missed += datafile_page_ok(page, sizeof page, 7, YOUNGER);
		page[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	ck_assert(datafile_page_ok(page, sizeof page, 7, YOUNGER));
	ck_assert_uint_lt(missed, 15);
}
END_TEST

START_TEST(pages_from_the_start_on_are_not_judged)
{
	uint64_t random = test_seed();
	uint8_t page[8192];

	make_page(&random, page, sizeof page, 0);
	page[PD_CHECKSUM] ^= 1;
	ck_assert(!datafile_page_ok(page, sizeof page, 0, YOUNGER));
	ck_assert(datafile_page_ok(page, sizeof page, 0, YOUNGER - 1));
}
END_TEST

START_TEST(a_new_page_is_all_zero)
{
	uint8_t page[8192] = { 0 };

	ck_assert(datafile_page_ok(page, sizeof page, 3, YOUNGER));
	for (size_t i = 0; i < sizeof page; i++) {
		if (i == PD_UPPER || i == PD_UPPER + 1)
			continue;
		page[i] = 1;
		require(!datafile_page_ok(page, sizeof page, 3, UINT64_MAX));
		page[i] = 0;
	}
}
END_TEST

START_TEST(all_sizes_of_pages_and_all_processors_agree)
{
	static uint8_t page[32768];
	uint64_t random = test_seed();

	for (size_t blcksz = 1024; blcksz <= sizeof page; blcksz *= 2)
		for (uint32_t i = 0; i < 50; i++) {
			make_page(&random, page, blcksz, i);
			require(datafile_page_ok(page, blcksz, i, YOUNGER));
#ifdef __x86_64__
			if (__builtin_cpu_supports("avx2"))
				require(hash_page(page, blcksz) ==
				    hash_page_avx2(page, blcksz));
#endif
		}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("datafile");

	add_tests(s, "names",
	    TESTS(what_a_backup_leaves_out, what_the_server_may_need,
	        directories_that_stay_empty, relations_are_known_by_their_names,
	        what_looks_like_a_relation_is_none));
	add_tests(s, "pages",
	    TESTS(flipped_bits_are_found,
	        pages_from_the_start_on_are_not_judged, a_new_page_is_all_zero,
	        all_sizes_of_pages_and_all_processors_agree));
	return run_suite(s);
}
