/* SPDX-License-Identifier: PostgreSQL */
/* The parts that remote stores are made of, without a network. */
#include <time.h>

#include "ask.h"
#include "bearer.h"
#include "headers.h"
#include "retry.h"
#include "support.h"
#include "uri.h"
#include "xml.h"

START_TEST(waits_grow_and_have_full_jitter)
{
	int64_t top = RETRY_FIRST_MS;

	for (unsigned again = 1; again < 100; again++) {
		int64_t least = INT64_MAX, most = 0;

		for (uint32_t r = 0; r < 2000; r++) {
			int64_t ms = retry_delay(again, 0, r * 2147483u);

			least = ms < least ? ms : least;
			most = ms > most ? ms : most;
		}
		ck_assert_int_ge(least, 0);
		ck_assert_int_lt(least, top / 20);
		ck_assert_int_lt(most, top);
		ck_assert_int_gt(most, top - top / 20);
		top = top * 2 < RETRY_MAX_MS ? top * 2 : RETRY_MAX_MS;
	}
}
END_TEST

START_TEST(nobody_comes_back_before_he_is_asked_to)
{
	for (uint32_t r = 0; r < 100; r++) {
		ck_assert_int_ge(retry_delay(1, 3000, r), 3000);
		ck_assert_int_le(retry_delay(9, 3000, r), 4000);
	}
}
END_TEST

START_TEST(retry_after_is_seconds_or_a_date)
{
	static const struct {
		const char *text;
		int64_t ms;
	} tries[] = { { "0", 0 }, { "7", 7000 },
		{ "Sun, 06 Nov 1994 08:49:37 GMT", 7000 },
		{ "Sun, 06 Nov 1994 08:49:00 GMT", 0 }, { "soon", 0 },
		{ "", 0 }, { "-5", 0 }, { "99999999999999999999", 0 },
		{ "1000000", 86400000 },
		{ "Fri, 06 Nov 2099 08:49:37 GMT", 86400000 } };

	for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++)
		ck_assert_int_eq(
		    retry_after_ms(tries[i].text, 784111770), tries[i].ms);
}
END_TEST

START_TEST(what_is_encoded_is_decoded)
{
	char text[256], all[256];
	struct buf b = { 0 };

	for (int c = 1; c < 256; c++)
		all[c - 1] = (char)c;
	all[255] = '\0';
	ck_assert_int_eq(uri_encode(&b, all, false), 0);
	ck_assert_int_eq(buf_append_u8(&b, 0), 0);
	ck_assert_ptr_null(strchr((char *)b.data, '/'));
	uri_decode((char *)b.data);
	ck_assert_str_eq((char *)b.data, all);
	b.len = 0;
	ck_assert_int_eq(uri_encode(&b, "a b/c+~%\xc3\xa9", true), 0);
	ck_assert_int_eq(buf_append_u8(&b, 0), 0);
	ck_assert_str_eq((char *)b.data, "a%20b/c%2B~%25%C3%A9");
	(void)snprintf(text, sizeof text, "%%zz%%4");
	uri_decode(text);
	ck_assert_str_eq(text, "%zz%4");
	buf_clear(&b);
}
END_TEST

struct leaves {
	char text[512];
	int stop_at;
};

static int
add_leaf(void *arg, const char *path, const char *text)
{
	struct leaves *x = arg;
	size_t len = strlen(x->text);

	(void)snprintf(
	    x->text + len, sizeof x->text - len, "%s=%s;", path, text);
	return x->stop_at > 0 && --x->stop_at == 0 ? 42 : 0;
}

static int
parse(const char *document, struct leaves *x, struct fail *f)
{
	return xml_parse(document, strlen(document), "answer", add_leaf, x, f);
}

START_TEST(a_document_gives_its_leaves)
{
	struct leaves x = { .text = "" }, y = { .stop_at = 1 };
	struct fail f = { 0 };

	ck_assert_int_eq(
	    parse("<?xml version='1.0'?><s3:A xmlns:s3='u'> <B>x&amp;<!-- -->"
	          "y&#39;</B><C/></s3:A>",
	        &x, &f),
	    0);
	ck_assert_str_eq(x.text, "A/B=x&y';A/C=;A=;");
	ck_assert_int_eq(parse("<A><B>1</B><C>2</C></A>", &y, &f), 42);
	ck_assert_str_eq(y.text, "A/B=1;");
}
END_TEST

START_TEST(what_is_no_xml_is_told)
{
	static const char *const bad[] = { "", "<", "<A>", "<A></B>", "text",
		"<html><body><br></body></html>",
		"<!DOCTYPE a [<!ENTITY b 'c'>]><A>&b;</A>" };
	char deep[4096] = "";

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct leaves x = { .text = "" };
		struct fail f = { 0 };

		ck_assert_int_eq(parse(bad[i], &x, &f), -1);
		assert_failed(&f, FAIL_TRANSIENT);
		ck_assert_str_eq(f.object, "answer");
	}
	for (int i = 0; i < 200; i++)
		(void)strcat(deep, "<Element>");
	ck_assert_int_eq(
	    parse(deep, &(struct leaves){ .text = "" }, &(struct fail){ 0 }),
	    -1);
}
END_TEST

START_TEST(headers_are_found_in_any_case_and_hold_one_line)
{
	struct headers h = { 0 };

	headers_add(&h, "One", "%d", 1);
	headers_add(&h, "Two", "a\r\nThree: injected");
	headers_add_line(&h, "Four:   spaced", 14);
	ck_assert(!h.failed);
	ck_assert_uint_eq(h.n, 3);
	ck_assert_str_eq(headers_get(&h, "oNe"), "1");
	ck_assert_str_eq(headers_get(&h, "two"), "a");
	ck_assert_str_eq(headers_get(&h, "FOUR"), "spaced");
	ck_assert_ptr_null(headers_get(&h, "Three"));
	ck_assert_ptr_null(headers_get(&h, "On"));
	headers_clear(&h);
	ck_assert_uint_eq(h.n, 0);
}
END_TEST

START_TEST(a_token_goes_where_nobody_reads_it_on_the_way)
{
	static const char *const private[] = { "https://example.com/x",
		"http://127.0.0.1:8080/x", "http://127.1.2.3",
		"http://localhost/", "http://localhost:50342/oauth2",
		"http://[::1]:1/x", "http://169.254.169.254/latest",
		"http://169.254.170.2/v2" };
	static const char *const open[] = { "http://example.com/x",
		"http://127.0.0.1.example.com/", "http://127.example.com",
		"http://localhost.example.com", "http://169.254.169.2540/",
		"http://10.0.0.1/", "ftp://127.0.0.1/", "127.0.0.1", "" };

	for (size_t i = 0; i < sizeof private / sizeof private[0]; i++)
		ck_assert_msg(ask_is_private(private[i]), "%s", private[i]);
	for (size_t i = 0; i < sizeof open / sizeof open[0]; i++)
		ck_assert_msg(!ask_is_private(open[i]), "%s", open[i]);
}
END_TEST

START_TEST(a_token_is_found_in_what_services_and_programs_give)
{
	static const struct {
		const char *text, *token;
		int64_t from, in;
	} tries[] = { { "{\"access_token\":\"a.b\",\"expires_in\":\"3599\","
		        "\"expires_on\":\"1900000000\"}",
		          "a.b", 1900000000, 0 },
		{ "{\"access_token\":\"a.b\",\"expires_in\":3599}", "a.b", 0,
		    3599 },
		{ "{\"accessToken\":\"c\",\"expires_on\":1900000000,"
		  "\"expiresOn\":\"2030-03-17 18:46:40.000000\"}",
		    "c", 1900000000, 0 },
		{ "ya29.alone-_~+/=\n", "ya29.alone-_~+/=", 0, 0 },
		{ "{\"access_token\":\"a b\"}", NULL, 0, 0 },
		{ "{\"error\":\"no\"}", NULL, 0, 0 }, { "", NULL, 0, 0 },
		{ "<html>log in</html> please", NULL, 0, 0 },
		{ "\n", NULL, 0, 0 } };
	static struct bearer b;

	for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
		struct buf text = { 0 };
		struct fail f = { 0 };
		int64_t now = time(NULL);
		int rc;

		ck_assert_int_eq(
		    buf_append(&text, tries[i].text, strlen(tries[i].text)), 0);
		rc = bearer_parse(&text, "giver", &b, &f);
		buf_clear(&text);
		if (tries[i].token == NULL) {
			ck_assert_int_eq(rc, -1);
			assert_failed(&f, FAIL_DENIED);
			continue;
		}
		ck_assert_int_eq(rc, 0);
		ck_assert_str_eq(b.token, tries[i].token);
		if (tries[i].in > 0)
			b.expires -= now;
		ck_assert_int_ge(b.expires, tries[i].from + tries[i].in);
		ck_assert_int_le(b.expires, tries[i].from + tries[i].in + 10);
		if (tries[i].from + tries[i].in == 0)
			ck_assert_int_eq(b.expires, 0);
	}
}
END_TEST

START_TEST(what_a_token_service_refuses_is_told_in_its_words)
{
	static const char *const tries[][2] = {
		{ "{\"error\":\"invalid_client\",\"error_description\":"
		  "\"AADSTS700024: expired.\\r\\nTrace ID: x\"}",
		    "invalid_client: AADSTS700024: expired." },
		{ "{\"error\":{\"code\":403,\"message\":\"not yours\"}}",
		    "not yours" },
		{ "{\"error\":\"invalid_grant\"}", "invalid_grant" },
		{ "<html></html>", "" }, { "[]", "" }
	};

	for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
		struct buf text = { 0 };
		char out[64];

		ck_assert_int_eq(
		    buf_append(&text, tries[i][0], strlen(tries[i][0])), 0);
		bearer_tell(&text, out, sizeof out);
		ck_assert_str_eq(out, tries[i][1]);
		buf_clear(&text);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("remote");

	add_tests(s, "retry",
	    TESTS(waits_grow_and_have_full_jitter,
	        nobody_comes_back_before_he_is_asked_to,
	        retry_after_is_seconds_or_a_date));
	add_tests(s, "text",
	    TESTS(what_is_encoded_is_decoded, a_document_gives_its_leaves,
	        what_is_no_xml_is_told,
	        headers_are_found_in_any_case_and_hold_one_line,
	        a_token_goes_where_nobody_reads_it_on_the_way,
	        a_token_is_found_in_what_services_and_programs_give,
	        what_a_token_service_refuses_is_told_in_its_words));
	return run_suite(s);
}
