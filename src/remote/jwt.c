/* SPDX-License-Identifier: PostgreSQL */
/* JSON Web Tokens: see jwt.h. */
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "jwt.h"
#include "keyed.h"
#include "rsa.h"

int
jwt_base64(const void *bytes, size_t len, struct buf *out)
{
	char *text = malloc(BASE64_CAP(len));
	int rc;

	if (text == NULL)
		return -1;
	base64_text(bytes, len, text);
	text[strcspn(text, "=")] = '\0';
	for (char *p = text; *p != '\0'; p++)
		*p = *p == '+' ? '-' : *p == '/' ? '_' : *p;
	rc = buf_append(out, text, strlen(text));
	free(text);
	return rc;
}

static int
add_header(const char *key_id, struct buf *out)
{
	struct json j = { 0 };
	int rc = -1;

	json_object(&j, NULL);
	json_string(&j, "alg", "RS256");
	json_string(&j, "typ", "JWT");
	if (key_id[0] != '\0')
		json_string(&j, "kid", key_id);
	json_end_object(&j);
	if (!j.failed)
		rc = jwt_base64(j.text.data, j.text.len, out);
	buf_clear(&j.text);
	return rc;
}

int
jwt_sign(
    const char *claims, const char *key_id, const char *pem, struct buf *out)
{
	uint8_t signature[RSA_SIGNATURE_MAX];
	size_t begin = out->len;
	int len;

	if (add_header(key_id, out) != 0 || buf_append_u8(out, '.') != 0 ||
	    jwt_base64(claims, strlen(claims), out) != 0)
		return -1;
	len = rsa_sha256_sign(
	    pem, out->data + begin, out->len - begin, signature);
	if (len < 0)
		return 1;
	if (buf_append_u8(out, '.') != 0)
		return -1;
	return jwt_base64(signature, (size_t)len, out);
}
