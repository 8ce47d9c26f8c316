/* SPDX-License-Identifier: Apache-2.0
 *
 * New records that are one plain change each: home, causal data, shown values as JSON.
 *
 * Invariant: JSON as the library writes it, or None for the library to write.
 */
#include "kernel.h"

#define JSON_DEPTH_MAX 8 /* Twice what a value may have (sync.change.Value). */

static void put_json_text(Out *out, const char *text, size_t count)
{
    static const char hex[] = "0123456789abcdef";
    size_t from = 0;
    put_byte(out, '"');
    for (size_t i = 0; i < count; i++) {
        unsigned char one = (unsigned char)text[i];
        if (one >= 32 && one != '"' && one != '\\')
            continue;
        put(out, text + from, i - from);
        from = i + 1;
        const char *plain = strchr("\"\"\\\\\bb\ff\nn\rr\tt", one ? one : 1);
        if (plain != NULL) {
            put_byte(out, '\\');
            put_byte(out, (unsigned char)plain[1]);
        } else {
            put(out, "\\u00", 4);
            put_byte(out, (unsigned char)hex[one >> 4]);
            put_byte(out, (unsigned char)hex[one & 15]);
        }
    }
    put(out, text + from, count - from);
    put_byte(out, '"');
}

/* One value as JSON, or 0 where its form is for the library to say (very large and small numbers,
 * what is no JSON). */
static int put_json(Out *out, PyObject *value, int depth)
{
    if (value == Py_None)
        put(out, "null", 4);
    else if (value == Py_True)
        put(out, "true", 4);
    else if (value == Py_False)
        put(out, "false", 5);
    else if (PyUnicode_CheckExact(value)) {
        Py_ssize_t length;
        const char *text = PyUnicode_AsUTF8AndSize(value, &length);
        if (text == NULL) {
            PyErr_Clear();
            return 0;
        }
        put_json_text(out, text, (size_t)length);
    } else if (PyLong_CheckExact(value)) {
        int beyond;
        char digits[24];
        long long number = PyLong_AsLongLongAndOverflow(value, &beyond);
        if (beyond)
            return 0;
        put(out, digits, (size_t)snprintf(digits, sizeof digits, "%lld", number));
    } else if (PyFloat_CheckExact(value)) {
        /* Within these bounds the shortest digits have one form; beyond them libraries differ. */
        double number = PyFloat_AS_DOUBLE(value), size = number < 0 ? -number : number;
        char *text = size >= 0.001 && size < 1e9
                         ? PyOS_double_to_string(number, 'r', 0, Py_DTSF_ADD_DOT_0, NULL)
                         : NULL;
        if (text == NULL) {
            PyErr_Clear();
            return 0;
        }
        put(out, text, strlen(text));
        PyMem_Free(text);
    } else if (PyList_CheckExact(value) && depth < JSON_DEPTH_MAX) {
        put_byte(out, '[');
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(value); i++) {
            if (i)
                put_byte(out, ',');
            if (!put_json(out, PyList_GET_ITEM(value, i), depth + 1))
                return 0;
        }
        put_byte(out, ']');
    } else if (PyDict_CheckExact(value) && depth < JSON_DEPTH_MAX) {
        PyObject *key, *inner;
        Py_ssize_t at = 0;
        int first = 1;
        put_byte(out, '{');
        while (PyDict_Next(value, &at, &key, &inner)) {
            if (!first)
                put_byte(out, ',');
            first = 0;
            if (!PyUnicode_CheckExact(key) || !put_json(out, key, depth + 1))
                return 0;
            put_byte(out, ':');
            if (!put_json(out, inner, depth + 1))
                return 0;
        }
        put_byte(out, '}');
    } else
        return 0;
    return 1;
}

/* The values of a change as one JSON object; None where its form is for the library to say. */
static PyObject *shown(Out *out, PyObject *names, PyObject *values)
{
    Py_ssize_t count = PyTuple_GET_SIZE(names);
    out->used = 0;
    put_byte(out, '{');
    for (Py_ssize_t i = 0; i < count; i++) {
        if (i)
            put_byte(out, ',');
        if (!put_json(out, PyTuple_GET_ITEM(names, i), 0))
            Py_RETURN_NONE;
        put_byte(out, ':');
        if (!put_json(out, PyList_GET_ITEM(values, i), 0))
            Py_RETURN_NONE;
    }
    put_byte(out, '}');
    return out->failed ? PyErr_NoMemory()
                       : PyUnicode_DecodeUTF8((char *)out->data, (Py_ssize_t)out->used, NULL);
}

/* The causal data of a record that is one plain change (sync.packing.birth). */
static PyObject *born(Out *out, PyObject *dot, PyObject *ms, PyObject *n, PyObject *worker)
{
    Py_ssize_t length;
    long long at = PyLong_AsLongLong(ms), turn = PyLong_AsLongLong(n);
    const char *by = PyUnicode_AsUTF8AndSize(worker, &length);
    if (by == NULL || PyErr_Occurred())
        return NULL;
    out->used = 0;
    put_array(out, 4);
    put_bytes(out, PyBytes_AS_STRING(dot), DOT_BYTES);
    put_int(out, at);
    put_int(out, turn);
    put(out, "\x91\x95\x00\x00", 4);
    put_int(out, turn);
    put_text(out, by, (size_t)length);
    put_byte(out, 0xc3);
    return out->failed ? PyErr_NoMemory()
                       : PyBytes_FromStringAndSize((char *)out->data, (Py_ssize_t)out->used);
}

/* The home that a new record names (sync.session.home_of): a borrowed reference. */
static PyObject *home(PyObject *field, PyObject *record, PyObject *names, PyObject *values)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); i++) {
        PyObject *name = PyTuple_GET_ITEM(names, i), *value = PyList_GET_ITEM(values, i);
        if (name == field || (PyUnicode_Check(name) && PyUnicode_Compare(name, field) == 0)) {
            if (PyUnicode_CheckExact(value) && PyUnicode_GET_LENGTH(value))
                record = value;
            break;
        }
    }
    return record;
}

static PyObject *birth_of(Out *out, PyObject *field, PyObject *entry)
{
    PyObject *got[8] = {NULL}, *found = NULL;
    PyObject *dot = got[0] = PyObject_GetAttr(entry, kernel_names.dot);
    PyObject *record = got[1] = PyObject_GetAttr(entry, kernel_names.record);
    PyObject *change = got[2] = PyObject_GetAttr(entry, kernel_names.change);
    PyObject *names = got[3] = change ? PyObject_GetAttr(change, kernel_names.names) : NULL;
    PyObject *values = got[4] = names ? PyObject_GetAttr(change, kernel_names.values) : NULL;
    PyObject *ms = got[5] = values ? PyObject_GetAttr(change, kernel_names.stamp_ms) : NULL;
    PyObject *n = got[6] = ms ? PyObject_GetAttr(change, kernel_names.stamp_n) : NULL;
    PyObject *worker = got[7] = n ? PyObject_GetAttr(change, kernel_names.worker) : NULL;
    if (dot && record && worker) {
        if (!PyTuple_Check(names) || !PyList_Check(values) || !PyUnicode_Check(record)
            || PyTuple_GET_SIZE(names) != PyList_GET_SIZE(values))
            PyErr_SetString(PyExc_TypeError, "names and values");
        else if (expect_bytes(dot, DOT_BYTES, "dot")) {
            PyObject *causal = born(out, dot, ms, n, worker);
            PyObject *text = causal ? shown(out, names, values) : NULL;
            if (text)
                found = PyTuple_Pack(3, home(field, record, names, values), causal, text);
            Py_XDECREF(causal);
            Py_XDECREF(text);
        }
    }
    for (int i = 0; i < 8; i++)
        Py_XDECREF(got[i]);
    return found;
}

PyObject *kernel_births(PyObject *self, PyObject *args)
{
    PyObject *field, *entries;
    (void)self;
    if (!PyArg_ParseTuple(args, "UO!", &field, &PyList_Type, &entries))
        return NULL;
    Out out = {NULL, 0, 0, 0};
    PyObject *found = PyList_New(PyList_GET_SIZE(entries));
    for (Py_ssize_t i = 0; found != NULL && i < PyList_GET_SIZE(entries); i++) {
        PyObject *one = birth_of(&out, field, PyList_GET_ITEM(entries, i));
        if (one == NULL)
            Py_CLEAR(found);
        else
            PyList_SET_ITEM(found, i, one);
    }
    PyMem_Free(out.data);
    return found;
}
