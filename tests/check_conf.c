/* SPDX-License-Identifier: PostgreSQL */
/* The configuration: syntax, table of options, who overrides whom. */
#include <fcntl.h>

#include "conf.h"
#include "ini.h"
#include "io.h"
#include "settings.h"
#include "support.h"

#define MAX_WORDS 16

/* One run: a file's text, the environment, the command line. */
struct run {
	enum command command;
	const char *file; /* NULL: none is named */
	const char *environment[MAX_WORDS];
	const char *arguments[MAX_WORDS];
};

static char conf_path[512];

static void
write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(io_write(fd, text, strlen(text)), 0);
	(void)close(fd);
}

/* As main gets it; nobody writes into it. */
static char *mutable(const char *text)
{
	return (char *)(uintptr_t)text;
}

static struct conf *
try_load(const struct run *run, struct fail *f)
{
	char *argv[MAX_WORDS + 2], *environment[MAX_WORDS];
	struct conf_args args = { .command = run->command,
		.argv = argv,
		.environment = environment };
	int n = 0;

	(void)snprintf(
	    conf_path, sizeof conf_path, "%s/walvault.conf", temp_dir());
	if (run->file != NULL) {
		write_file(conf_path, run->file);
		argv[n++] = mutable("--config");
		argv[n++] = conf_path;
	}
	for (size_t i = 0; run->arguments[i] != NULL; i++)
		argv[n++] = mutable(run->arguments[i]);
	args.argc = n;
	argv[n] = NULL;
	n = 0;
	for (size_t i = 0; run->environment[i] != NULL; i++)
		environment[n++] = mutable(run->environment[i]);
	environment[n] = NULL;
	memset(f, 0, sizeof *f);
	return conf_load(&args, f);
}

static struct conf *
load(const struct run *run)
{
	struct fail f;
	struct conf *c = try_load(run, &f);

	if (c == NULL)
		ck_abort_msg("%s: %s", f.object, f.cause);
	return c;
}

/* It is refused, at this place, in words with these in them. */
static void
assert_refused(const struct run *run, const char *place, const char *words)
{
	struct fail f;
	struct conf *c = try_load(run, &f);

	ck_assert_msg(c == NULL, "taken, not refused: '%s', as cluster '%s'",
	    run->file, c != NULL ? conf_cluster(c) : "");
	assert_failed(&f, FAIL_CONFIG);
	ck_assert_msg(strstr(f.object, place) != NULL,
	    "'%s' does not name '%s'", f.object, place);
	ck_assert_msg(
	    strstr(f.cause, words) != NULL, "'%s' has no '%s'", f.cause, words);
}

static void
assert_text(
    const struct conf *c, enum option_id id, const char *want, const char *from)
{
	const char *origin = NULL, *text = conf_text(c, id, &origin);

	ck_assert_ptr_nonnull(text);
	ck_assert_str_eq(text, want);
	ck_assert_ptr_nonnull(strstr(origin, from));
}

#define SHORTEST                                 \
	"[cluster main]\n"                       \
	"pgdata = /var/lib/postgresql/15/main\n" \
	"store  = local\n"                       \
	"\n"                                     \
	"[store local]\n"                        \
	"url = file:///var/backups/walvault\n"

START_TEST(the_shortest_configuration_works)
{
	struct run run = { .command = CMD_WALPUSH,
		.file = SHORTEST,
		.arguments = { "pg_wal/000000010000000000000001" } };
	struct conf *c = load(&run);

	ck_assert_str_eq(conf_cluster(c), "main");
	ck_assert_uint_eq(conf_n_stores(c), 1);
	ck_assert_str_eq(conf_store_name(c, 0), "local");
	ck_assert_str_eq(conf_store_text(c, 0, OPT_URL, NULL),
	    "file:///var/backups/walvault");
	ck_assert_uint_eq(conf_store_number(c, 0, OPT_DIR_MODE), 0700);
	ck_assert_uint_eq(conf_store_number(c, 0, OPT_FILE_MODE), 0600);
	assert_text(c, OPT_PGDATA, "/var/lib/postgresql/15/main", ":2");
	assert_text(c, OPT_ON_DAMAGE, "archive", "default");
	ck_assert_uint_eq(conf_number(c, OPT_TIMEOUT), 60000);
	ck_assert_uint_eq(conf_number(c, OPT_GENERATION), 1);
	ck_assert_ptr_null(conf_text(c, OPT_SPOOL_DIR, NULL));
	ck_assert_uint_eq(conf_number(c, OPT_SPOOL_DIR), 0);
	ck_assert_uint_eq(conf_n_args(c), 1);
	ck_assert_str_eq(conf_arg(c, 0), "pg_wal/000000010000000000000001");
	ck_assert_ptr_null(conf_arg(c, 1));
	ck_assert_ptr_null(conf_warning(c, 0));
	conf_free(c);
	conf_free(NULL);
}
END_TEST

START_TEST(a_url_alone_is_enough)
{
	struct run run = { .command = CMD_WALFETCH,
		.file = "",
		.arguments = { "--store", "file:///x", "NAME", "DEST" } };
	struct conf *c = load(&run);

	ck_assert_str_eq(conf_cluster(c), "main");
	ck_assert_uint_eq(conf_n_stores(c), 1);
	ck_assert_str_eq(conf_store_text(c, 0, OPT_URL, NULL), "file:///x");
	ck_assert_uint_eq(conf_n_args(c), 2);
	/* Recovery waits longer than archiving. */
	ck_assert_uint_eq(conf_number(c, OPT_TIMEOUT), 300000);
	ck_assert_uint_eq(conf_number(c, OPT_STANDBY_TIMEOUT), 5000);
	conf_free(c);
}
END_TEST

START_TEST(the_command_line_beats_the_environment_beats_the_file)
{
	struct run run = { .command = CMD_WALPUSH,
		.file = "[defaults]\ntimeout = 1s\nlog_level = debug\n"
		        "on_damage = refuse\n" SHORTEST "[cluster main]\n"
		        "timeout = 2s\nlog_level = warning\n" };
	struct conf *c = load(&run);

	ck_assert_uint_eq(conf_number(c, OPT_TIMEOUT), 2000);
	assert_text(c, OPT_LOG_LEVEL, "warning", ":");
	assert_text(c, OPT_ON_DAMAGE, "refuse", ":4");
	conf_free(c);
	run.environment[0] = "WALVAULT_TIMEOUT=3s";
	c = load(&run);
	ck_assert_uint_eq(conf_number(c, OPT_TIMEOUT), 3000);
	assert_text(c, OPT_TIMEOUT, "3s", "WALVAULT_TIMEOUT");
	conf_free(c);
	run.arguments[0] = "--timeout=4s";
	c = load(&run);
	ck_assert_uint_eq(conf_number(c, OPT_TIMEOUT), 4000);
	assert_text(c, OPT_TIMEOUT, "4s", "--timeout");
	conf_free(c);
	/* The last one of equals counts. */
	run.arguments[1] = "--timeout";
	run.arguments[2] = "5";
	c = load(&run);
	ck_assert_uint_eq(conf_number(c, OPT_TIMEOUT), 5000);
	conf_free(c);
}
END_TEST

START_TEST(another_clusters_section_says_nothing)
{
	struct run run = { .command = CMD_WALPUSH,
		.file = "[defaults]\nstore = s\n[store s]\nurl = file:///s\n"
		        "[cluster a]\ntimeout = 1s\npgdata = /a\n"
		        "[cluster b]\ntimeout = 2s\n",
		.arguments = { "--cluster", "b" } };
	struct conf *c = load(&run);

	ck_assert_str_eq(conf_cluster(c), "b");
	ck_assert_uint_eq(conf_number(c, OPT_TIMEOUT), 2000);
	ck_assert_ptr_null(conf_text(c, OPT_PGDATA, NULL));
	conf_free(c);
	run.arguments[0] = NULL;
	assert_refused(&run, "--cluster", "a, b");
	run.environment[0] = "WALVAULT_CLUSTER=a";
	c = load(&run);
	ck_assert_uint_eq(conf_number(c, OPT_TIMEOUT), 1000);
	conf_free(c);
	run.environment[0] = "WALVAULT_CLUSTER=c";
	assert_refused(&run, "WALVAULT_CLUSTER", "no cluster 'c'");
}
END_TEST

START_TEST(stores_are_a_list_in_its_order)
{
	struct run run = { .command = CMD_WALPUSH,
		.file = "[defaults]\nstore = b, a,file:///c\n"
		        "[store a]\nurl = file:///a\nfile_mode = 0640\n"
		        "[store b]\nurl = file:///b\n" };
	struct conf *c = load(&run);

	ck_assert_uint_eq(conf_n_stores(c), 3);
	ck_assert_str_eq(conf_store_text(c, 0, OPT_URL, NULL), "file:///b");
	ck_assert_str_eq(conf_store_text(c, 1, OPT_URL, NULL), "file:///a");
	ck_assert_str_eq(conf_store_text(c, 2, OPT_URL, NULL), "file:///c");
	ck_assert_uint_eq(conf_store_number(c, 0, OPT_FILE_MODE), 0600);
	ck_assert_uint_eq(conf_store_number(c, 1, OPT_FILE_MODE), 0640);
	conf_free(c);
	run.environment[0] = "WALVAULT_STORE_B_FILE_MODE=0660";
	run.environment[1] = "WALVAULT_STORE_A_URL=file:///moved";
	c = load(&run);
	ck_assert_uint_eq(conf_store_number(c, 0, OPT_FILE_MODE), 0660);
	ck_assert_uint_eq(conf_store_number(c, 1, OPT_FILE_MODE), 0640);
	ck_assert_str_eq(conf_store_text(c, 1, OPT_URL, NULL), "file:///moved");
	conf_free(c);
}
END_TEST

START_TEST(required_is_all_any_or_a_number_of_the_stores)
{
	struct run run = { .command = CMD_WALPUSH,
		.file = "[defaults]\nstore = file:///a, file:///b,file:///c\n",
		.arguments = { NULL, NULL } };
	static const struct {
		const char *text;
		size_t n;
	} known[] = { { "--required=all", 3 }, { "--required=any", 1 },
		{ "--required=1", 1 }, { "--required=2", 2 },
		{ "--required=3", 3 } };
	struct conf *c = load(&run);

	ck_assert_uint_eq(conf_n_required(c), 3);
	conf_free(c);
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		run.arguments[0] = known[i].text;
		c = load(&run);
		ck_assert_uint_eq(conf_n_required(c), known[i].n);
		conf_free(c);
	}
	run.arguments[0] = "--required=0";
	assert_refused(&run, "--required", "all, any or a number");
	run.arguments[0] = "--required=most";
	assert_refused(&run, "--required", "all, any or a number");
	run.arguments[0] = "--required=4";
	assert_refused(&run, "--required", "the stores are 3");
}
END_TEST

/* What only writes count does not keep a reader from leaving a store out. */
START_TEST(a_reader_may_name_fewer_stores_than_are_required)
{
	struct run run = { .command = CMD_WALFETCH,
		.file = "[defaults]\nstore = file:///a, file:///b\n"
		        "required = 2\n",
		.arguments = { "--store", "file:///b" } };
	struct conf *c = load(&run);

	ck_assert_uint_eq(conf_n_stores(c), 1);
	ck_assert_uint_eq(conf_n_required(c), 1);
	conf_free(c);
}
END_TEST

/* Also where a store and the cluster have one name. */
START_TEST(a_store_may_have_its_own_rules_of_retention)
{
	struct run run = { .command = CMD_EXPIRE,
		.file = "[defaults]\nkeep_full = 2\nkeep_wal = 9\n"
		        "[cluster a]\nstore = a, b\nkeep_full = 3\n"
		        "[store a]\nurl = file:///a\nkeep_full = 5\n"
		        "keep_days = 7\n"
		        "[store b]\nurl = file:///b\n" };
	struct conf *c = load(&run);

	ck_assert_uint_eq(conf_store_number(c, 0, OPT_KEEP_FULL), 5);
	ck_assert_uint_eq(conf_store_number(c, 1, OPT_KEEP_FULL), 3);
	ck_assert_uint_eq(conf_store_number(c, 0, OPT_KEEP_DAYS), 7);
	ck_assert_uint_eq(conf_store_number(c, 1, OPT_KEEP_DAYS), 0);
	ck_assert_uint_eq(conf_store_number(c, 0, OPT_KEEP_WAL), 9);
	ck_assert_uint_eq(conf_number(c, OPT_KEEP_FULL), 3);
	ck_assert_uint_eq(conf_number(c, OPT_KEEP_DAYS), 0);
	conf_free(c);
	run.environment[0] = "WALVAULT_STORE_B_KEEP_FULL=6";
	c = load(&run);
	ck_assert_uint_eq(conf_store_number(c, 0, OPT_KEEP_FULL), 5);
	ck_assert_uint_eq(conf_store_number(c, 1, OPT_KEEP_FULL), 6);
	conf_free(c);
	run.arguments[0] = "--keep-full=1";
	c = load(&run);
	ck_assert_uint_eq(conf_store_number(c, 0, OPT_KEEP_FULL), 1);
	ck_assert_uint_eq(conf_store_number(c, 1, OPT_KEEP_FULL), 1);
	conf_free(c);
}
END_TEST

/* Only names that differ in more than '-', '.', and '_' can be told apart. */
START_TEST(a_stores_name_is_found_in_a_variables_name)
{
	struct run run = { .command = CMD_WALPUSH,
		.file = "[defaults]\nstore = my-site.2\n"
		        "[store my-site.2]\nurl = file:///a\n"
		        "[store my]\nurl = file:///b\n",
		.environment = { "WALVAULT_STORE_MY_SITE_2_DIR_MODE=0750" } };
	struct conf *c = load(&run);

	ck_assert_uint_eq(conf_store_number(c, 0, OPT_DIR_MODE), 0750);
	ck_assert_ptr_null(conf_warning(c, 0));
	conf_free(c);
}
END_TEST

START_TEST(an_unknown_variable_is_a_warning)
{
	struct run run = { .command = CMD_WALPUSH,
		.file = SHORTEST,
		.environment = { "WALVAULT_TIMEUOT=3s", "WALVAULTX=1",
		    "OTHER=x", "WALVAULT_STORE_NOWHERE_URL=file:///x",
		    "WALVAULT_URL=file:///x", "NOEQUALS" } };
	struct conf *c = load(&run);

	ck_assert_ptr_nonnull(conf_warning(c, 0));
	ck_assert_ptr_nonnull(strstr(conf_warning(c, 0), "WALVAULT_TIMEUOT"));
	ck_assert_ptr_nonnull(
	    strstr(conf_warning(c, 1), "WALVAULT_STORE_NOWHERE_URL"));
	ck_assert_ptr_nonnull(strstr(conf_warning(c, 2), "WALVAULT_URL"));
	ck_assert_ptr_null(conf_warning(c, 3));
	conf_free(c);
}
END_TEST

START_TEST(a_bad_line_is_named_by_file_and_number)
{
	static const struct {
		const char *file, *place, *words;
	} cases[] = {
		{ "\n# x\nnonsense\n", "walvault.conf:3", "key = value" },
		{ "key = 1\n", ":1", "section" },
		{ "[defaults]\nno_such = 1\n", ":2", "unknown option" },
		{ "[defaults]\nurl = file:///x\n", ":2", "unknown option" },
		{ "[store a]\ntimeout = 1s\n", ":2", "unknown option" },
		{ "[defaults]\nconfig = /x\n", ":2", "unknown option" },
		{ "[defaults]\njson = yes\n", ":2", "unknown option" },
		{ "[nowhere]\n", ":1", "unknown section" },
		{ "[defaults x]\n", ":1", "" },
		{ "[cluster]\n", ":1", "no name" },
		{ "[cluster a/b]\n", ":1", "no name" },
		{ "[cluster .a]\n", ":1", "no name" },
		{ "[cluster a b]\n", ":1", "no name" },
		{ "[]\n", ":1", "section" },
		{ "[cluster x\n", ":1", "section" },
		{ "[cluster x] y\n", ":1", "section" },
		{ "[defaults]\n= 1\n", ":2", "no key" },
		{ "[defaults]\ntimeout =\n", ":2", "no value" },
		{ "[defaults]\ntimeout = 1s # soon\n", ":2", "duration" },
		{ "[defaults]\ntimeout = 50ms\n", ":2", "100ms" },
		{ "[defaults]\ntimeout = 2d\n", ":2", "1d" },
		{ "[defaults]\ntimeout = -1\n", ":2", "duration" },
		{ "[defaults]\non_damage = ignore\n", ":2", "archive|refuse" },
		{ "[defaults]\non_damage = arch\n", ":2", "archive|refuse" },
		{ "[defaults]\nallow_damaged = 1\n", ":2", "yes or no" },
		{ "[defaults]\npgdata = data\n", ":2", "absolute" },
		{ "[defaults]\ncompress_level = 13\n", ":2", "12" },
		{ "[defaults]\ngeneration = 0\n", ":2", "from 1" },
		{ "[store a]\nfile_mode = 0999\n", ":2", "octal" },
		{ "[store a]\nfile_mode = 0777\n", ":2", "octal" },
		{ "[store a]\nfile_mode = 0040\n", ":2", "octal" },
		{ "[store a]\ndir_mode = 700x\n", ":2", "octal" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct run run = { .command = CMD_WALPUSH,
			.file = cases[i].file,
			.arguments = { "--store", "file:///x" } };

		assert_refused(&run, cases[i].place, cases[i].words);
	}
}
END_TEST

START_TEST(a_bad_argument_names_its_option)
{
	static const struct {
		const char *argument, *words;
	} cases[] = { { "--no-such", "no such option" },
		{ "-t", "no such option" }, { "--url=file:///x", "no such" },
		{ "--timeout", "argument" }, { "--timeout=", "no value" },
		{ "--timeout=x", "duration" }, { "--json", "no such" },
		{ "--standby-timeout=5s", "no such" }, { "--time", "no such" },
		{ "--=x", "no such" } };

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct run run = { .command = CMD_WALPUSH,
			.file = SHORTEST,
			.arguments = { cases[i].argument } };
		char place[64];

		(void)snprintf(place, sizeof place, "%.*s",
		    (int)strcspn(cases[i].argument, "="), cases[i].argument);
		assert_refused(&run, place, cases[i].words);
	}
}
END_TEST

START_TEST(two_dashes_end_the_options)
{
	struct run run = { .command = CMD_LS,
		.file = SHORTEST,
		.arguments = { "--json", "--", "--json", "-" } };
	struct conf *c = load(&run);

	ck_assert_uint_eq(conf_number(c, OPT_JSON), 1);
	ck_assert_uint_eq(conf_n_args(c), 2);
	ck_assert_str_eq(conf_arg(c, 0), "--json");
	ck_assert_str_eq(conf_arg(c, 1), "-");
	conf_free(c);
}
END_TEST

START_TEST(a_store_must_have_a_place)
{
	struct run run = { .command = CMD_WALPUSH, .file = "[defaults]\n" };

	assert_refused(&run, "main", "no store");
	run.file = "[defaults]\nstore = nowhere\n";
	assert_refused(&run, ":2", "no url");
	run.file = "[defaults]\nstore = ,, ,\n";
	assert_refused(&run, ":2", "no store");
	run.file = "[defaults]\nstore = a,a\n[store a]\nurl = file:///a\n";
	assert_refused(&run, ":2", "twice");
	run.file = "[defaults]\nstore = "
	           "x://1 x://2 x://3 x://4 x://5 x://6 x://7 x://8 x://9 "
	           "x://10 x://11 x://12 x://13 x://14 x://15 x://16 x://17\n";
	assert_refused(&run, ":2", "more than 16");
}
END_TEST

START_TEST(a_place_has_one_name)
{
	static const char *const same[][2] = {
		{ "url = file:///a/b", "url = file:///a//b/" },
		{ "url = file:///a", "url = file:///./a/." },
		{ "url = sftp://u@Host/a", "url = sftp://u@host:22/a" },
		{ "url = s3://b/p\nendpoint = https://h",
		    "url = s3://b/p/\n"
		    "endpoint = "
		    "https://H:443/" },
	};
	static const char *const other[][2] = {
		{ "url = file:///a/b", "url = file:///a/bc" },
		{ "url = file:///a/.b", "url = file:///a/b" },
		{ "url = sftp://u@h:22/a", "url = sftp://u@h:23/a" },
		{ "url = sftp://u@h/a", "url = sftp://U@h/a" },
		{ "url = sftp://a@B@h/a", "url = sftp://a@b@h/a" },
		{ "url = sftp://u@h/a", "url = sftp://h/a" },
		{ "url = s3://b/p", "url = s3://B/p" },
		{ "url = gs://b/p", "url = gs://B/p" },
		{ "url = s3://b/p\nendpoint = https://h",
		    "url = s3://b/p\nendpoint = https://h:444" },
		{ "url = s3://b/p", "url = s3://b/p\nendpoint = https://h" },
		{ "url = azure://c/p\naccount = a",
		    "url = azure://c/p\naccount = b" },
		{ "url = exec:x", "url = exec:x" },
	};
	struct run run = { .command = CMD_WALPUSH };
	char text[512];

	for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
		(void)snprintf(text, sizeof text,
		    "[defaults]\nstore = x, y\n[store x]\n%s\n[store y]\n%s\n",
		    same[i][0], same[i][1]);
		run.file = text;
		assert_refused(&run, ":2", "are one place");
	}
	for (size_t i = 0; i < sizeof other / sizeof other[0]; i++) {
		(void)snprintf(text, sizeof text,
		    "[defaults]\nstore = x, y\n[store x]\n%s\n[store y]\n%s\n",
		    other[i][0], other[i][1]);
		run.file = text;
		conf_free(load(&run));
	}
}
END_TEST

START_TEST(stores_that_a_run_leaves_out_can_be_had_all_the_same)
{
	struct run run = { .command = CMD_INIT,
		.file = "[defaults]\nstore = a, b, c\n"
		        "[store a]\nurl = file:///a\n"
		        "[store b]\nurl = file:///b\n"
		        "[store c]\nurl = file:///c\n",
		.arguments = { "--store", "file:///b/,c" } };
	struct conf *c = load(&run);
	struct fail f;

	ck_assert_uint_eq(conf_n_stores(c), 2);
	ck_assert_int_eq(conf_add_left_out(c, &f), 0);
	ck_assert_uint_eq(conf_n_stores(c), 3);
	ck_assert_str_eq(conf_store_name(c, 2), "a");
	ck_assert_str_eq(conf_store_text(c, 2, OPT_URL, NULL), "file:///a");
	conf_free(c);
}
END_TEST

static void
assert_hint(const struct run *run, const char *words)
{
	struct fail f;

	ck_assert_ptr_null(try_load(run, &f));
	ck_assert_msg(
	    strstr(f.hint, words) != NULL, "'%s' has no '%s'", f.hint, words);
}

START_TEST(an_unknown_store_is_told_what_there_is)
{
	struct run run = { .command = CMD_WALPUSH,
		.file = SHORTEST "[store offsite]\nurl = s3://bucket/x\n",
		.arguments = { "--store", "offside" } };

	assert_refused(&run, "--store", "local, offsite");
	assert_hint(&run, "s3://BUCKET/PREFIX");
	assert_hint(&run, "exec:COMMAND");
	run.arguments[1] = "/var/backups";
	assert_hint(&run, "file:///var/backups");
	run.file = "[cluster main]\nstore = here\n[store here]\n";
	run.arguments[0] = NULL;
	assert_refused(&run, ":2", "does not say where");
	run.file = NULL;
	assert_hint(&run, "sftp://USER@HOST/PATH");
}
END_TEST

/* Who asks for a lock is not to believe that there is one. */
START_TEST(an_option_of_another_kind_of_store_is_refused)
{
	struct run run = { .command = CMD_WALPUSH,
		.file = SHORTEST "lock_mode = COMPLIANCE\n" };
	struct conf *c;

	assert_refused(&run, ":7", "lock-mode is an option of other stores");
	assert_refused(&run, ":7", "s3 azure gs");
	assert_refused(&run, ":7", "file:///var/backups/walvault");
	/* Also of a store that this run does not use. */
	run.file = SHORTEST "[store x]\nknown_hosts = /x\nurl = s3://b/x\n";
	assert_refused(&run, ":8", "(sftp)");
	run.file = SHORTEST;
	run.environment[0] = "WALVAULT_STORE_LOCAL_REGION=here";
	assert_refused(&run, "WALVAULT_STORE_LOCAL_REGION", "(s3)");
	run.environment[1] = "WALVAULT_STORE_LOCAL_URL=s3://bucket/x";
	c = load(&run);
	ck_assert_str_eq(conf_store_text(c, 0, OPT_REGION, NULL), "here");
	conf_free(c);
}
END_TEST

START_TEST(a_url_leads_to_the_section_that_has_it)
{
	struct run run = { .command = CMD_WALPUSH,
		.file = SHORTEST "[store offsite]\nurl = s3://bucket/x\n"
		                 "region = here\n",
		.arguments = { "--store", "s3://bucket/x" } };
	struct conf *c = load(&run);

	ck_assert_str_eq(conf_store_name(c, 0), "offsite");
	ck_assert_str_eq(conf_store_text(c, 0, OPT_REGION, NULL), "here");
	conf_free(c);
	run.arguments[1] = "offsite,s3://bucket/x";
	assert_refused(&run, "--store", "twice");
	run.arguments[1] = "s3://bucket/y";
	c = load(&run);
	ck_assert_str_eq(conf_store_name(c, 0), "s3://bucket/y");
	ck_assert_ptr_null(conf_store_text(c, 0, OPT_REGION, NULL));
	conf_free(c);
}
END_TEST

#define TWO_OF_ONE_URL "[store a]\nurl = s3://b/x\n[store b]\nurl = s3://b/x\n"

START_TEST(a_url_of_two_sections_must_not_be_a_choice)
{
	struct run run = { .command = CMD_WALPUSH,
		.file = TWO_OF_ONE_URL "region = here\n",
		.arguments = { "--store", "s3://b/x" } };

	assert_refused(&run, "--store", "a and b");
	assert_hint(&run, "name of one");
	run.file = TWO_OF_ONE_URL;
	conf_free(load(&run));
	/* What only expire reads is nothing to walpush. */
	run.file = TWO_OF_ONE_URL "keep_full = 3\n";
	conf_free(load(&run));
	run.command = CMD_EXPIRE;
	assert_refused(&run, "--store", "a and b");
}
END_TEST

/* 64 bytes, one more than a name may have. */
#define EIGHT     "abcdefgh"
#define LONG_NAME EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT

/* It becomes a part of every key. */
START_TEST(a_clusters_name_is_checked_wherever_it_comes_from)
{
	static const char *const bad[] = { "a/b", "..", ".", "a b", "a\nb",
		"a\tb", "", "a\\b", "a:b", "-\x7f", LONG_NAME };

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct run run = { .command = CMD_WALPUSH,
			.file = "",
			.arguments = {
			    "--store", "file:///x", "--cluster", bad[i] } };

		assert_refused(&run, "--cluster", "");
	}
}
END_TEST

START_TEST(a_named_file_must_exist)
{
	struct run run = { .command = CMD_WALPUSH,
		.arguments = { "--config", "/nonexistent/walvault.conf" } };

	assert_refused(&run, "/nonexistent/walvault.conf", "no such file");
	run.arguments[0] = NULL;
	run.environment[0] = "WALVAULT_CONFIG=/nonexistent/other.conf";
	assert_refused(&run, "/nonexistent/other.conf", "no such file");
}
END_TEST

/* Kubernetes mounts every file as a link. */
START_TEST(a_configuration_file_may_be_a_symbolic_link)
{
	char target[600], path[600];
	struct run run = { .command = CMD_WALPUSH,
		.arguments = { "--config", path } };
	struct conf *c;

	(void)snprintf(target, sizeof target, "%s/target", temp_dir());
	(void)snprintf(path, sizeof path, "%s/link.conf", temp_dir());
	write_file(target, SHORTEST);
	ck_assert_int_eq(symlink(target, path), 0);
	c = load(&run);
	ck_assert_uint_eq(conf_n_stores(c), 1);
	conf_free(c);
}
END_TEST

START_TEST(files_of_a_directory_are_read_in_the_order_of_their_names)
{
	char dir[512], path[600];
	struct settings s = { 0 };
	struct fail f = { 0 };
	const struct setting *found;

	(void)snprintf(dir, sizeof dir, "%s", temp_subdir("conf.d"));
	(void)snprintf(path, sizeof path, "%s/20.conf", dir);
	write_file(path, "[defaults]\ntimeout = 2s\n");
	(void)snprintf(path, sizeof path, "%s/10.conf", dir);
	write_file(path, "[defaults]\ntimeout = 1s\n");
	(void)snprintf(path, sizeof path, "%s/30.conf.bak", dir);
	write_file(path, "nonsense\n");
	(void)snprintf(path, sizeof path, "%s/.40.conf", dir);
	write_file(path, "nonsense\n");
	ck_assert_int_eq(settings_read_dir(&s, dir, &f), 0);
	found = settings_find(&s, OPT_TIMEOUT, "main");
	ck_assert_ptr_nonnull(found);
	ck_assert_str_eq(found->value, "2s");
	settings_clear(&s);
	(void)snprintf(path, sizeof path, "%s/missing", dir);
	memset(&s, 0, sizeof s);
	ck_assert_int_eq(settings_read_dir(&s, path, &f), 0);
	(void)snprintf(path, sizeof path, "%s/50.conf", dir);
	write_file(path, "nonsense\n");
	ck_assert_int_eq(settings_read_dir(&s, dir, &f), -1);
	assert_failed(&f, FAIL_CONFIG);
	ck_assert_ptr_nonnull(strstr(f.object, "50.conf:1"));
	settings_clear(&s);
}
END_TEST

static int
join_line(void *arg, const struct ini_line *l, struct fail *f)
{
	char text[256];

	(void)f;
	(void)snprintf(text, sizeof text, "%s|%s|%s|%s;", l->section, l->name,
	    l->key != NULL ? l->key : "-", l->value != NULL ? l->value : "-");
	return buf_append(arg, text, strlen(text));
}

START_TEST(the_syntax_is_what_the_manual_says)
{
	static const char text[] = "\xef# not at the beginning = 1\n"
	                           " [store  a b ] \r\n"
	                           "  key=value = more # kept \n"
	                           "; comment\n\t# comment\n\n"
	                           "empty =\n"
	                           "[x]\nlast = line";
	struct buf b = { 0 };
	struct fail f = { 0 };

	ck_assert_int_eq(
	    ini_parse(text, strlen(text), "f", join_line, &b, &f), 0);
	ck_assert_int_eq(buf_append_u8(&b, 0), 0);
	ck_assert_str_eq((const char *)b.data,
	    "||\xef# not at the beginning|1;"
	    "store|a b|-|-;store|a b|key|value = more # kept;"
	    "store|a b|empty|;x||-|-;x||last|line;");
	buf_clear(&b);
}
END_TEST

START_TEST(long_lines_and_nul_bytes_are_refused)
{
	static char text[INI_LINE_MAX + 100];
	struct buf b = { 0 };
	struct fail f = { 0 };

	memset(text, 'x', sizeof text);
	memcpy(text, "\nkey =", 6);
	ck_assert_int_eq(
	    ini_parse(text, sizeof text, "f", join_line, &b, &f), -1);
	assert_failed(&f, FAIL_CONFIG);
	ck_assert_str_eq(f.object, "f:2");
	ck_assert_int_eq(
	    ini_parse(text, INI_LINE_MAX, "f", join_line, &b, &f), 0);
	ck_assert_int_eq(
	    ini_parse("[a]\nb = \0c\n", 11, "f", join_line, &b, &f), -1);
	ck_assert_str_eq(f.object, "f:2");
	buf_clear(&b);
}
END_TEST

START_TEST(the_table_of_options_is_sound)
{
	for (int i = 0; i < OPT_COUNT; i++) {
		const struct option *o = option_of((enum option_id)i);
		struct fail f = { 0 };

		ck_assert_int_eq(o->id, i);
		ck_assert_int_eq(
		    o->name[strspn(o->name, "abcdefghijklmnopqrstuvwxyz-")],
		    '\0');
		ck_assert_ptr_eq(
		    option_find(o->name, strlen(o->name), false), o);
		ck_assert_ptr_nonnull(o->help);
		ck_assert_uint_ne(o->commands, 0);
		ck_assert(o->type == OPTION_FLAG || o->arg != NULL);
		ck_assert(o->type != OPTION_CHOICE || o->choices != NULL);
		/* Defaults pass the option's own check. */
		if (o->def != NULL)
			ck_assert_int_eq(
			    option_check(o, o->def, "default", &f), 0);
		if (o->fetch_def != NULL)
			ck_assert_int_eq(
			    option_check(o, o->fetch_def, "default", &f), 0);
	}
	ck_assert_ptr_null(option_find("timeou", 6, false));
	ck_assert_ptr_null(option_find("timeouts", 8, false));
	ck_assert_ptr_null(option_find("", 0, false));
	ck_assert_ptr_null(option_find("TIMEOUT", 7, false));
	ck_assert_ptr_eq(
	    option_find("ON_DAMAGE", 9, true), option_of(OPT_ON_DAMAGE));
	ck_assert_ptr_eq(
	    option_find("on_damage=x", 9, false), option_of(OPT_ON_DAMAGE));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("conf");

	(void)temp_dir();
	add_tests(s, "runs",
	    TESTS(the_shortest_configuration_works, a_url_alone_is_enough,
	        the_command_line_beats_the_environment_beats_the_file,
	        another_clusters_section_says_nothing,
	        stores_are_a_list_in_its_order,
	        required_is_all_any_or_a_number_of_the_stores,
	        a_reader_may_name_fewer_stores_than_are_required,
	        a_url_leads_to_the_section_that_has_it,
	        a_store_may_have_its_own_rules_of_retention,
	        a_stores_name_is_found_in_a_variables_name,
	        an_unknown_variable_is_a_warning, two_dashes_end_the_options));
	add_tests(s, "refusals",
	    TESTS(a_bad_line_is_named_by_file_and_number,
	        a_bad_argument_names_its_option, a_store_must_have_a_place,
	        an_unknown_store_is_told_what_there_is,
	        an_option_of_another_kind_of_store_is_refused,
	        a_url_of_two_sections_must_not_be_a_choice,
	        a_place_has_one_name,
	        stores_that_a_run_leaves_out_can_be_had_all_the_same,
	        a_clusters_name_is_checked_wherever_it_comes_from,
	        a_named_file_must_exist));
	add_tests(s, "files",
	    TESTS(a_configuration_file_may_be_a_symbolic_link,
	        files_of_a_directory_are_read_in_the_order_of_their_names,
	        the_syntax_is_what_the_manual_says,
	        long_lines_and_nul_bytes_are_refused));
	add_tests(s, "options", TESTS(the_table_of_options_is_sound));
	return run_suite(s);
}
