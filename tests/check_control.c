/* SPDX-License-Identifier: PostgreSQL */
/*
 * pg_control.  That its fields stand where PostgreSQL has them is shown on
 * servers of all majors (e2e/test_server_facts.py); here, what becomes of
 * files that are not whole, and of one that is being written.
 */
#include <fcntl.h>
#include <pthread.h>

#include "control.h"
#include "io.h"
#include "sum.h"
#include "support.h"

#define SIZE 8192

static const struct {
	uint32_t version;
	size_t crc;
} versions[] = { { 1300, 288 }, { 1700, 288 }, { 1800, 292 } };

#define N_VERSIONS (sizeof versions / sizeof *versions)

static void
seal(uint8_t *p, size_t crc)
{
	encode_u32(p + crc, crc32c(~0u, p, crc) ^ ~0u);
}

static void
make(uint8_t p[SIZE], size_t i)
{
	memset(p, 0, SIZE);
	for (size_t j = 0; j < versions[i].crc; j++)
		p[j] = (uint8_t)(j * 7 + 1);
	encode_u32(p + 8, versions[i].version);
	encode_u64(p + 32, UINT64_C(0x2A1000060));
	encode_u32(p + 228, 1 << 24);
	seal(p, versions[i].crc);
}

static int
decode(const uint8_t *p, size_t len, struct control *c, struct fail *f)
{
	struct control_details d;

	return control_decode(p, len, c, &d, "test", f);
}

START_TEST(known_versions_are_read)
{
	uint8_t p[SIZE];
	struct control c;
	struct control_details d;
	struct fail f = { 0 };

	for (size_t i = 0; i < N_VERSIONS; i++) {
		make(p, i);
		ck_assert_int_eq(
		    control_decode(p, SIZE, &c, &d, "test", &f), 0);
		ck_assert(c.crc_ok);
		ck_assert_uint_eq(c.segsize, 1 << 24);
		ck_assert_uint_eq(d.checkpoint, UINT64_C(0x2A1000060));
		ck_assert_uint_eq(d.checksum_version, decode_u32(p + 252));
	}
}
END_TEST

START_TEST(a_flipped_bit_is_damage)
{
	uint8_t p[SIZE];
	struct control c;
	struct fail f = { 0 };

	for (size_t i = 0; i < N_VERSIONS; i++) {
		make(p, i);
		for (size_t bit = 0; bit < (versions[i].crc + 4) * 8; bit++) {
			if (bit / 32 == 2) /* the version: another test */
				continue;
			p[bit / 8] ^= (uint8_t)(1 << bit % 8);
			require(decode(p, SIZE, &c, &f) == -1);
			require(f.kind == FAIL_DAMAGED);
			require(control_invalidate(p, 299) == 1);
			p[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		ck_assert_int_eq(decode(p, SIZE, &c, &f), 0);
	}
}
END_TEST

START_TEST(what_is_not_known_is_left_alone)
{
	uint8_t p[SIZE], before[SIZE];
	struct control c;
	struct fail f = { 0 };

	make(p, 0);
	encode_u32(p + 8, 1900);
	memcpy(before, p, SIZE);
	ck_assert_int_eq(decode(p, SIZE, &c, &f), -1);
	assert_failed(&f, FAIL_CONFIG);
	ck_assert_int_eq(control_invalidate(p, SIZE), 1);
	ck_assert_mem_eq(p, before, SIZE);
	/* Who it belongs to is known all the same. */
	ck_assert_uint_eq(c.sysid, decode_u64(p));
}
END_TEST

START_TEST(a_short_file_is_damage)
{
	uint8_t p[SIZE];
	struct control c;
	struct fail f = { 0 };

	make(p, 0);
	for (size_t len = 0; len < 300; len++) {
		ck_assert_int_eq(decode(p, len, &c, &f), -1);
		assert_failed(&f, FAIL_DAMAGED);
		ck_assert_int_eq(control_invalidate(p, len), 1);
	}
}
END_TEST

START_TEST(an_invalidated_file_differs_in_its_checkpoint_alone)
{
	uint8_t p[SIZE], before[SIZE];
	struct control c;
	struct control_details d;
	struct fail f = { 0 };

	for (size_t i = 0; i < N_VERSIONS; i++) {
		make(p, i);
		memcpy(before, p, SIZE);
		ck_assert_int_eq(control_invalidate(p, SIZE), 0);
		ck_assert_int_eq(
		    control_decode(p, SIZE, &c, &d, "test", &f), 0);
		ck_assert_uint_eq(d.checkpoint, 0xDEAD);
		encode_u64(p + 32, UINT64_C(0x2A1000060));
		seal(p, versions[i].crc);
		ck_assert_mem_eq(p, before, SIZE);
	}
}
END_TEST

static char path[512];

/* The server's write, in two steps that are far apart. */
static void *
finish_writing(void *arg)
{
	int fd = open(path, O_WRONLY);

	(void)usleep(100000);
	require(fd >= 0 && io_pwrite(fd, arg, SIZE, 0) == 0);
	(void)close(fd);
	return NULL;
}

START_TEST(a_file_that_is_being_written_is_waited_for)
{
	const char *dir = temp_subdir("torn");
	uint8_t p[SIZE], torn[SIZE];
	struct control c;
	struct control_details d;
	struct buf b = { 0 };
	struct fail f = { 0 };
	pthread_t thread;
	char data[512];
	int fd;

	(void)snprintf(data, sizeof data, "%s", dir);
	(void)snprintf(path, sizeof path, "%.400s/global", data);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_eq(control_read_whole(data, &b, &c, &d, &f), -1);
	assert_failed(&f, FAIL_ABSENT);
	(void)snprintf(path, sizeof path, "%.400s/global/pg_control", data);
	make(p, 2);
	memcpy(torn, p, SIZE);
	torn[40] ^= 1;
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	ck_assert_int_eq(io_write(fd, torn, SIZE), 0);
	(void)close(fd);
	ck_assert_int_eq(pthread_create(&thread, NULL, finish_writing, p), 0);
	ck_assert_int_eq(control_read_whole(data, &b, &c, &d, &f), 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_uint_eq(b.len, SIZE);
	ck_assert_mem_eq(b.data, p, SIZE);
	buf_clear(&b);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("control");

	(void)temp_dir();
	add_tests(s, "control",
	    TESTS(known_versions_are_read, a_flipped_bit_is_damage,
	        what_is_not_known_is_left_alone, a_short_file_is_damage,
	        an_invalidated_file_differs_in_its_checkpoint_alone,
	        a_file_that_is_being_written_is_waited_for));
	return run_suite(s);
}
