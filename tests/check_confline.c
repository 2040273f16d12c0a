/* SPDX-License-Identifier: PostgreSQL */
/* Lines of configuration files, as guc-file.l reads them. */
#include "confline.h"
#include "support.h"

static const struct {
	const char *line, *name, *value;
} lines[] = {
	{ "data_directory = '/x'", "data_directory", "/x" },
	{ "  DATA_directory='/x' # c", "data_directory", "/x" },
	{ "\tinclude '/it''s'", "include", "/it's" },
	{ "include_dir 'a\\'b\\\\c\\101\\n'", "include_dir", "a'b\\cA\n" },
	{ "work_mem=7MB#c", "work_mem", "7MB" },
	{ "\r fsync\toff", "fsync", "off" },
	{ "a.b = 'open", "a.b", "open" },
	{ "x = '", "x", "" },
	{ "x = '\\", "x", "\\" },
	{ "x", "x", "" },
};

static void
take_apart(size_t i)
{
	struct confline l;
	size_t len = strlen(lines[i].line);
	char *line = malloc(len > 0 ? len : 1);

	/* No byte behind its end is looked at. */
	memcpy(line, lines[i].line, len);
	ck_assert(confline_parse(line, len, &l));
	ck_assert_msg(confline_sets(&l, lines[i].name), "%s", l.name);
	ck_assert_str_eq(l.value, lines[i].value);
	free(line);
}

START_TEST(a_line_is_taken_apart_as_the_server_does)
{
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
		take_apart(i);
}
END_TEST

START_TEST(comments_and_blanks_set_nothing)
{
	static const char *const empty[] = { "", " \t\r", "# x = 1",
		"  #data_directory = '/x'" };
	struct confline l;

	for (size_t i = 0; i < sizeof empty / sizeof *empty; i++)
		ck_assert(!confline_parse(empty[i], strlen(empty[i]), &l));
}
END_TEST

START_TEST(another_name_is_another_setting)
{
	struct confline l;

	ck_assert(confline_parse("include_dir 'x'", 15, &l));
	ck_assert(!confline_sets(&l, "include"));
	ck_assert(!confline_sets(&l, "include_dirs"));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("confline");

	add_tests(s, "line",
	    TESTS(a_line_is_taken_apart_as_the_server_does,
	        comments_and_blanks_set_nothing,
	        another_name_is_another_setting));
	return run_suite(s);
}
