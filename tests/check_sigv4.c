/* SPDX-License-Identifier: PostgreSQL */
/*
 * Signatures against those that AWS publishes: the examples of "Signature
 * Calculations for the Authorization Header" in the Amazon S3 API Reference,
 * and the Signature Version 4 test suite.
 */
#include "keyed.h"
#include "sigv4.h"
#include "support.h"

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static const struct sigv4 s3 = { .access_key = "AKIAIOSFODNN7EXAMPLE",
	.secret_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
	.region = "us-east-1",
	.service = "s3",
	.time = "20130524T000000Z" };

static const struct sigv4 suite = { .access_key = "AKIDEXAMPLE",
	.secret_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
	.region = "us-east-1",
	.service = "service",
	.time = "20150830T123600Z" };

struct vector {
	const struct sigv4 *by;
	const char *method, *path, *query, *hash;
	const char *headers[6];
	const char *names, *signature;
};

static const struct vector vectors[] = {
	{ &s3, "GET", "/test.txt", "", EMPTY,
	    { "Host: examplebucket.s3.amazonaws.com", "Range: bytes=0-9",
	        "x-amz-content-sha256: " EMPTY,
	        "x-amz-date: 20130524T000000Z" },
	    "host;range;x-amz-content-sha256;x-amz-date",
	    "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb4"
	    "1" },
	{ &s3, "PUT", "/test%24file.text", "",
	    "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
	    { "Host: examplebucket.s3.amazonaws.com",
	        "Date: Fri, 24 May 2013 00:00:00 GMT",
	        "x-amz-date: 20130524T000000Z",
	        "x-amz-storage-class: REDUCED_REDUNDANCY",
	        "x-amz-content-sha256: "
	        "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8"
	        "b072" },
	    "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
	    "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108b"
	    "d" },
	{ &s3, "GET", "/", "lifecycle=", EMPTY,
	    { "Host: examplebucket.s3.amazonaws.com",
	        "x-amz-date: 20130524T000000Z",
	        "x-amz-content-sha256: " EMPTY },
	    "host;x-amz-content-sha256;x-amz-date",
	    "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a013678354"
	    "3" },
	{ &s3, "GET", "/", "max-keys=2&prefix=J", EMPTY,
	    { "Host: examplebucket.s3.amazonaws.com",
	        "x-amz-date: 20130524T000000Z",
	        "x-amz-content-sha256: " EMPTY },
	    "host;x-amz-content-sha256;x-amz-date",
	    "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f"
	    "7" },
	{ &suite, "GET", "/", "", EMPTY,
	    { "Host: example.amazonaws.com", "X-Amz-Date: 20150830T123600Z" },
	    "host;x-amz-date",
	    "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf3"
	    "1" },
	{ &suite, "GET", "/", "Param1=value1&Param2=value2", EMPTY,
	    { "X-Amz-Date: 20150830T123600Z", "Host:example.amazonaws.com" },
	    "host;x-amz-date",
	    "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf250"
	    "0" },
	{ &suite, "POST", "/", "", EMPTY,
	    { "Host: example.amazonaws.com", "X-Amz-Date: 20150830T123600Z" },
	    "host;x-amz-date",
	    "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6"
	    "b" },
};

START_TEST(published_requests_have_their_published_signatures)
{
	const struct vector *v = &vectors[_i];
	struct headers h = { 0 };
	struct sigv4_request r = { v->method, v->path, v->query, &h, v->hash };
	struct buf got = { 0 };
	char want[512];

	for (size_t i = 0; v->headers[i] != NULL; i++)
		headers_add_line(&h, v->headers[i], strlen(v->headers[i]));
	ck_assert_int_eq(sigv4_authorization(v->by, &r, &got), 0);
	(void)snprintf(want, sizeof want,
	    "AWS4-HMAC-SHA256 Credential=%s/%.8s/%s/%s/aws4_request, "
	    "SignedHeaders=%s, Signature=%s",
	    v->by->access_key, v->by->time, v->by->region, v->by->service,
	    v->names, v->signature);
	ck_assert_str_eq((const char *)got.data, want);
	headers_clear(&h);
	buf_clear(&got);
}
END_TEST

/* "Trimall": RFC 9110 blanks around a value and within it count as one. */
START_TEST(blanks_in_values_do_not_change_a_signature)
{
	static const char *const values[] = { "a  b   c", " a b c",
		"a b \t c  " };
	struct buf got[3] = { { 0 } };

	for (size_t i = 0; i < 3; i++) {
		struct headers h = { 0 };
		struct sigv4_request r = { "GET", "/", "", &h, EMPTY };

		headers_add(&h, "Host", "example.amazonaws.com");
		headers_add(&h, "My-Header1", "%s", values[i]);
		ck_assert_int_eq(sigv4_authorization(&suite, &r, &got[i]), 0);
		ck_assert_str_eq(
		    (const char *)got[i].data, (const char *)got[0].data);
		headers_clear(&h);
	}
	for (size_t i = 0; i < 3; i++)
		buf_clear(&got[i]);
}
END_TEST

START_TEST(a_time_is_written_as_a_signature_has_it)
{
	char out[SIGV4_TIME];

	sigv4_time(1369353600, out);
	ck_assert_str_eq(out, "20130524T000000Z");
}
END_TEST

/* RFC 4648, section 10. */
START_TEST(base64_goes_there_and_back)
{
	static const char *const pairs[][2] = { { "", "" }, { "f", "Zg==" },
		{ "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" } };
	static const char *const bad[] = { "Z",
		"Zg=", "Zg==Zg==", "Z*==", "=Zg=" };
	uint8_t back[8];
	char text[16];

	for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
		size_t len = strlen(pairs[i][0]);

		base64_text(pairs[i][0], len, text);
		ck_assert_str_eq(text, pairs[i][1]);
		ck_assert_int_eq(
		    base64_bytes(pairs[i][1], back, sizeof back), (int)len);
		if (len > 0)
			ck_assert_mem_eq(back, pairs[i][0], len);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		ck_assert_int_eq(base64_bytes(bad[i], back, sizeof back), -1);
	ck_assert_int_eq(base64_bytes("Zm9vYmFy", back, 5), -1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("sigv4");
	TCase *c = tcase_create("published");

	tcase_add_loop_test(c,
	    published_requests_have_their_published_signatures, 0,
	    sizeof vectors / sizeof vectors[0]);
	suite_add_tcase(s, c);
	add_tests(s, "signing",
	    TESTS(blanks_in_values_do_not_change_a_signature,
	        a_time_is_written_as_a_signature_has_it,
	        base64_goes_there_and_back));
	return run_suite(s);
}
