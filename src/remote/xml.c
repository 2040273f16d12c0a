/* SPDX-License-Identifier: PostgreSQL */
/* Leaves of an XML document: see xml.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <expat.h>

#include "buf.h"
#include "xml.h"

struct parse {
	XML_Parser expat;
	char path[XML_PATH_MAX];
	struct buf text;
	xml_fn *fn;
	void *arg;
	int rc;
	const char *why; /* why it was stopped here */
};

static void
stop(struct parse *p, int rc, const char *why)
{
	p->rc = rc;
	p->why = why;
	(void)XML_StopParser(p->expat, XML_FALSE);
}

static void
element_begin(void *arg, const XML_Char *name, const XML_Char **attributes)
{
	struct parse *p = arg;
	const char *colon = strrchr(name, ':');
	size_t len = strlen(p->path);

	(void)attributes;
	name = colon != NULL ? colon + 1 : name;
	p->text.len = 0;
	if (snprintf(p->path + len, sizeof p->path - len, "%s%s",
	        len > 0 ? "/" : "", name) >= (int)(sizeof p->path - len))
		stop(p, -1, "elements too deep");
}

static void
element_end(void *arg, const XML_Char *name)
{
	struct parse *p = arg;
	char *slash;
	int rc;

	(void)name;
	if (buf_append_u8(&p->text, 0) != 0) {
		stop(p, -1, "out of memory");
		return;
	}
	rc = p->fn(p->arg, p->path, (const char *)p->text.data);
	if (rc != 0)
		stop(p, rc, NULL);
	p->text.len = 0;
	slash = strrchr(p->path, '/');
	*(slash != NULL ? slash : p->path) = '\0';
}

static void
characters(void *arg, const XML_Char *text, int len)
{
	struct parse *p = arg;

	if (buf_append(&p->text, text, (size_t)len) != 0)
		stop(p, -1, "out of memory");
}

static void
document_type(void *arg, const XML_Char *name, const XML_Char *system_id,
    const XML_Char *public_id, int internal)
{
	(void)name;
	(void)system_id;
	(void)public_id;
	(void)internal;
	stop(arg, -1, "it has a document type");
}

int
xml_parse(const char *bytes, size_t len, const char *object, xml_fn *fn,
    void *arg, struct fail *f)
{
	struct parse p = { .fn = fn, .arg = arg };
	enum XML_Status status;

	p.expat = XML_ParserCreate(NULL);
	if (p.expat == NULL)
		return fail_set(f, FAIL_INTERNAL, object, "out of memory");
	XML_SetUserData(p.expat, &p);
	XML_SetElementHandler(p.expat, element_begin, element_end);
	XML_SetCharacterDataHandler(p.expat, characters);
	XML_SetStartDoctypeDeclHandler(p.expat, document_type);
	status = XML_Parse(p.expat, bytes, (int)len, XML_TRUE);
	if (status != XML_STATUS_OK && (p.rc == 0 || p.why != NULL))
		p.rc = fail_set(f, FAIL_TRANSIENT, object,
		    "the answer is not the XML it should be: %s (byte %ld)",
		    p.why != NULL ? p.why
		                  : XML_ErrorString(XML_GetErrorCode(p.expat)),
		    (long)XML_GetCurrentByteIndex(p.expat));
	XML_ParserFree(p.expat);
	buf_clear(&p.text);
	return p.rc;
}
