/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parts of the kernel share: sizes, names of attributes, the buffers that MessagePack and
 * JSON are written to and read from. What must not be here: anything that keeps state between calls.
 */
#ifndef DOORSTEP_KERNEL_H
#define DOORSTEP_KERNEL_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define REPLICA_BYTES 16
#define COUNTER_BYTES 8
#define TAG_BYTES 4
#define DOT_BYTES (REPLICA_BYTES + COUNTER_BYTES + TAG_BYTES)
#define SALT_BYTES 16
#define DIGEST_BYTES 32
#define ID_CHARS 22

/* Names of attributes, made once. */
typedef struct {
    PyObject *change, *digest, *dot, *names, *record, *stamp_ms, *stamp_n, *values, *worker;
} Names;
extern Names kernel_names;

PyObject *kernel_births(PyObject *self, PyObject *args);
PyObject *kernel_chain(PyObject *self, PyObject *args);
PyObject *kernel_edit(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *kernel_place(PyObject *self, PyObject *args);
PyObject *kernel_sums(PyObject *self, PyObject *args);

/* Is this bytes, of this length where it is not negative? Sets TypeError. */
int expect_bytes(PyObject *one, Py_ssize_t length, const char *what);

/* What is written, growing as it must; ``failed`` where memory ran out. */
typedef struct {
    unsigned char *data;
    size_t used, room;
    int failed;
} Out;

void put(Out *out, const void *from, size_t count);
void put_byte(Out *out, unsigned char one);
void put_number(Out *out, unsigned char mark, uint64_t number, int count);
void put_int(Out *out, int64_t number);
void put_array(Out *out, size_t count);
void put_text(Out *out, const char *text, size_t count);
void put_bytes(Out *out, const void *bytes, size_t count);

/* What is read; ``odd`` where it is something else than was expected. */
typedef struct {
    const unsigned char *at, *end;
    int odd;
} In;

typedef struct {
    const unsigned char *data;
    size_t count;
} Span;

unsigned char take_mark(In *in);
size_t take_array(In *in);
Span take_text(In *in);
Span take_bytes(In *in);
int64_t take_int(In *in);

#endif
