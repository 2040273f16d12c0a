/* SPDX-License-Identifier: PostgreSQL */
/* Credentials that are asked for over the network: see aws_source.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws_source.h"

int
aws_from_web_identity(
    struct aws *a, struct aws_credentials *out, struct fail *f)
{
	(void)a;
	(void)out;
	(void)f;
	return 1;
}

int
aws_from_container(struct aws *a, struct aws_credentials *out, struct fail *f)
{
	(void)a;
	(void)out;
	(void)f;
	return 1;
}

int
aws_from_machine(struct aws *a, struct aws_credentials *out, struct fail *f)
{
	(void)a;
	(void)out;
	(void)f;
	return 1;
}

int
aws_assume_role(struct aws *a, const char *role,
    const struct aws_credentials *own, struct aws_credentials *out,
    struct fail *f)
{
	(void)role;
	(void)own;
	(void)out;
	return fail_set(
	    f, FAIL_CONFIG, a->name, "roles are not assumed in this version");
}
