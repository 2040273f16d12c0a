/* SPDX-License-Identifier: PostgreSQL */
/*
 * Answers of object stores in XML, as their leaves: each element that holds
 * text alone, by its path.  libexpat is used here alone.
 */
#ifndef WALVAULT_REMOTE_XML_H
#define WALVAULT_REMOTE_XML_H

#include <stddef.h>

#include "fail.h"

#define XML_PATH_MAX 256

/*
 * An element has ended: path is "Root/Element/..." without name spaces, text
 * is what stood directly in it, entities resolved (empty for those that hold
 * elements).  Not 0 ends the parse with that value.
 */
typedef int xml_fn(void *arg, const char *path, const char *text);

/*
 * Parse a document.  0, what fn returned, or -1 with FAIL_TRANSIENT: it is no
 * XML, or it has a document type, which no answer needs.  A document that
 * breaks off has given some of its elements before that.
 */
int xml_parse(const char *bytes, size_t len, const char *object, xml_fn *fn,
    void *arg, struct fail *f);

#endif
