/* SPDX-License-Identifier: PostgreSQL */
/* Several stores, here directories, read as one. */
#include <sys/stat.h>

#include "merged.h"
#include "storecheck.h"

#define N 3

struct world {
	char path[N][300];
	struct store *stores[N];
	struct store *all;
};

static void
world_new(struct world *w)
{
	struct fail f = { 0 };

	for (size_t i = 0; i < N; i++) {
		char url[320];

		(void)snprintf(
		    w->path[i], sizeof w->path[i], "%s/%zu", temp_dir(), i);
		ck_assert_int_eq(mkdir(w->path[i], 0700), 0);
		(void)snprintf(url, sizeof url, "file://%s", w->path[i]);
		w->stores[i] = open_url(url);
	}
	w->all = merged_new(w->stores, N, &f);
	ck_assert_ptr_nonnull(w->all);
}

static void
world_clear(struct world *w)
{
	store_free(w->all);
	for (size_t i = 0; i < N; i++)
		store_free(w->stores[i]);
}

/* The store fails from now on: its directory is gone. */
static void
break_store(const struct world *w, size_t i)
{
	char away[320];

	(void)snprintf(away, sizeof away, "%s.away", w->path[i]);
	ck_assert_int_eq(rename(w->path[i], away), 0);
}

START_TEST(a_listing_has_what_any_of_them_has_once_and_in_order)
{
	struct world w;

	world_new(&w);
	put_text(w.stores[0], "a/2", "x");
	put_text(w.stores[0], "a/5", "x");
	put_text(w.stores[1], "a/1", "x");
	put_text(w.stores[1], "a/2", "x");
	put_text(w.stores[1], "a/b/9", "x");
	put_text(w.stores[2], "a/7", "x");
	assert_listing(w.all, "a/", "a/1 a/2 a/5 a/7 a/b/9 ");
	assert_shallow_listing(w.all, "a/", "a/1 a/2 a/5 a/7 a/b/ ");
	assert_listing(w.all, "c/", "");
	world_clear(&w);
}
END_TEST

START_TEST(an_object_comes_from_the_first_that_has_it)
{
	struct world w;
	struct store_info info;
	struct fail f = { 0 };

	world_new(&w);
	put_text(w.stores[1], "k", "second");
	put_text(w.stores[2], "k", "third!");
	assert_object(w.all, "k", "second", 6);
	ck_assert_int_eq(store_stat(w.all, "none", &info, &f), 1);
	world_clear(&w);
}
END_TEST

START_TEST(an_object_comes_from_elsewhere_if_a_store_fails)
{
	struct world w;

	world_new(&w);
	put_text(w.stores[0], "k", "first");
	put_text(w.stores[1], "k", "second");
	break_store(&w, 0);
	assert_object(w.all, "k", "second", 6);
	world_clear(&w);
}
END_TEST

START_TEST(absence_and_a_listing_are_the_word_of_all)
{
	struct world w;
	struct listed l = { 0 };
	struct store_info info;
	struct fail f = { 0 };
	struct buf got;

	world_new(&w);
	put_text(w.stores[0], "k", "first");
	break_store(&w, 2);
	ck_assert_int_eq(store_stat(w.all, "none", &info, &f), -1);
	ck_assert_int_eq(get_range(w.all, "none", 0, STORE_ALL, &got, &f), -1);
	ck_assert_int_eq(store_list(w.all, "", listed_add, &l, &f), -1);
	buf_clear(&l.text);
	assert_object(w.all, "k", "first", 5);
	world_clear(&w);
}
END_TEST

START_TEST(what_is_no_good_is_taken_from_the_next)
{
	const struct fail why = { .kind = FAIL_DAMAGED, .cause = "as asked" };
	struct world w;

	world_new(&w);
	put_text(w.stores[0], "k", "first");
	put_text(w.stores[2], "k", "third!");
	put_text(w.stores[0], "other", "first");
	assert_object(w.all, "k", "first", 5);
	ck_assert_int_eq(store_turn(w.all, "k", &why), 1);
	assert_object(w.all, "k", "third!", 6);
	/* Of other objects nothing is said. */
	assert_object(w.all, "other", "first", 5);
	assert_object(w.all, "k", "third!", 6);
	world_clear(&w);
}
END_TEST

START_TEST(when_all_were_no_good_there_is_no_other_source)
{
	const struct fail why = { .kind = FAIL_DAMAGED, .cause = "as asked" };
	struct world w;
	size_t turns = 0;

	world_new(&w);
	for (size_t i = 0; i < N; i++)
		put_text(w.stores[i], "k", "bytes");
	do {
		assert_object(w.all, "k", "bytes", 5);
		turns++;
	} while (store_turn(w.all, "k", &why) == 1);
	ck_assert_uint_eq(turns, N);
	/* One store alone has no other from the start. */
	ck_assert_int_eq(store_turn(w.stores[0], "k", &why), 0);
	world_clear(&w);
}
END_TEST

START_TEST(another_handle_reads_the_same)
{
	struct world w;
	struct store *again;

	world_new(&w);
	put_text(w.stores[2], "k", "third!");
	again = store_again(w.all);
	ck_assert_ptr_nonnull(again);
	assert_object(again, "k", "third!", 6);
	store_free(again);
	world_clear(&w);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("merged");

	add_tests(s, "reads",
	    TESTS(a_listing_has_what_any_of_them_has_once_and_in_order,
	        an_object_comes_from_the_first_that_has_it,
	        an_object_comes_from_elsewhere_if_a_store_fails,
	        absence_and_a_listing_are_the_word_of_all,
	        what_is_no_good_is_taken_from_the_next,
	        when_all_were_no_good_there_is_no_other_source,
	        another_handle_reads_the_same));
	return run_suite(s);
}
