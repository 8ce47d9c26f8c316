/* SPDX-License-Identifier: Apache-2.0
 *
 * Loops that hash: the place of each change in its feed, the head after a run, the sums of records.
 */
#define OPENSSL_SUPPRESS_DEPRECATED /* The one-shot interface costs three times as much a call. */
#include "kernel.h"
#include <openssl/sha.h>

/* Base64 over an alphabet in ASCII order: texts sort as the bytes do (sync.change.sortable_text). */
static const char SORTABLE[65] = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";

static void write_counter(unsigned char *at, uint64_t counter)
{
    for (int i = 0; i < 8; i++)
        at[i] = (unsigned char)(counter >> (56 - 8 * i));
}

static void begin(SHA256_CTX *hash, const Py_buffer *purpose)
{
    SHA256_Init(hash);
    SHA256_Update(hash, purpose->buf, (size_t)purpose->len);
}

static PyObject *sortable_id(const unsigned char raw[16])
{
    PyObject *text = PyUnicode_New(ID_CHARS, 127);
    if (text == NULL)
        return NULL;
    Py_UCS1 *out = PyUnicode_1BYTE_DATA(text);
    for (int i = 0; i < 15; i += 3, out += 4) {
        uint32_t three = (uint32_t)raw[i] << 16 | (uint32_t)raw[i + 1] << 8 | raw[i + 2];
        out[0] = (Py_UCS1)SORTABLE[three >> 18];
        out[1] = (Py_UCS1)SORTABLE[three >> 12 & 63];
        out[2] = (Py_UCS1)SORTABLE[three >> 6 & 63];
        out[3] = (Py_UCS1)SORTABLE[three & 63];
    }
    out[0] = (Py_UCS1)SORTABLE[raw[15] >> 2];
    out[1] = (Py_UCS1)SORTABLE[(raw[15] & 3) << 4];
    return text;
}

/* The id of a record that this change makes: sync.change.new_record_id. */
static PyObject *new_id(const SHA256_CTX *begun, const unsigned char *place, const char *replica,
                        PyObject *change)
{
    PyObject *stamp = PyObject_GetAttr(change, kernel_names.stamp_ms);
    if (stamp == NULL)
        return NULL;
    long long ms = PyLong_AsLongLong(stamp);
    Py_DECREF(stamp);
    if (ms == -1 && PyErr_Occurred())
        return NULL;
    unsigned char raw[16], digest[DIGEST_BYTES];
    SHA256_CTX hash = *begun;
    SHA256_Update(&hash, place, COUNTER_BYTES + SALT_BYTES);
    SHA256_Final(digest, &hash);
    memcpy(raw, replica, 4);
    for (int i = 0; i < 6; i++)
        raw[4 + i] = (unsigned char)((uint64_t)ms >> (40 - 8 * i));
    memcpy(raw + 10, digest, 6);
    return sortable_id(raw);
}

static PyObject *place_one(PyObject *type, const SHA256_CTX *begun, const SHA256_CTX *begun_id,
                           const char *replica, uint64_t counter, PyObject *salt, PyObject *raw,
                           PyObject *change)
{
    unsigned char place[COUNTER_BYTES + SALT_BYTES], out[DIGEST_BYTES];
    if (!expect_bytes(salt, SALT_BYTES, "salt") || !expect_bytes(raw, -1, "change"))
        return NULL;
    write_counter(place, counter);
    memcpy(place + COUNTER_BYTES, PyBytes_AS_STRING(salt), SALT_BYTES);
    SHA256_CTX hash = *begun;
    SHA256_Update(&hash, place, sizeof place);
    SHA256_Update(&hash, PyBytes_AS_STRING(raw), (size_t)PyBytes_GET_SIZE(raw));
    SHA256_Final(out, &hash);
    PyObject *record = PyObject_GetAttr(change, kernel_names.record);
    if (record == Py_None) {
        Py_DECREF(record);
        record = new_id(begun_id, place, replica, change);
    }
    PyObject *digest = PyBytes_FromStringAndSize((char *)out, DIGEST_BYTES);
    PyObject *dot = PyBytes_FromStringAndSize(NULL, DOT_BYTES);
    PyObject *entry = NULL;
    if (record != NULL && digest != NULL && dot != NULL) {
        char *at = PyBytes_AS_STRING(dot);
        memcpy(at, replica, REPLICA_BYTES);
        memcpy(at + REPLICA_BYTES, place, COUNTER_BYTES);
        memcpy(at + REPLICA_BYTES + COUNTER_BYTES, out, TAG_BYTES);
        PyObject *parts[] = {dot, record, change, digest, salt, raw};
        entry = PyObject_Vectorcall(type, parts, 6, NULL);
    }
    Py_XDECREF(record);
    Py_XDECREF(digest);
    Py_XDECREF(dot);
    return entry;
}

PyObject *kernel_place(PyObject *self, PyObject *args)
{
    PyObject *type, *salts, *raws, *changes, *found = NULL;
    Py_buffer of_change, of_record;
    const char *replica;
    Py_ssize_t replica_bytes;
    unsigned long long first;
    (void)self;
    if (!PyArg_ParseTuple(args, "Oy*y*y#KO!O!O!", &type, &of_change, &of_record, &replica,
                          &replica_bytes, &first, &PyList_Type, &salts, &PyList_Type, &raws,
                          &PyList_Type, &changes))
        return NULL;
    Py_ssize_t count = PyList_GET_SIZE(raws);
    if (replica_bytes != REPLICA_BYTES || PyList_GET_SIZE(salts) != count
        || PyList_GET_SIZE(changes) != count) {
        PyErr_SetString(PyExc_ValueError, "lists of other lengths");
        goto done;
    }
    SHA256_CTX begun, begun_id;
    begin(&begun, &of_change);
    SHA256_Update(&begun, replica, REPLICA_BYTES);
    begin(&begun_id, &of_record);
    SHA256_Update(&begun_id, replica, REPLICA_BYTES);
    found = PyList_New(count);
    for (Py_ssize_t i = 0; found != NULL && i < count; i++) {
        PyObject *entry = place_one(type, &begun, &begun_id, replica, first + (uint64_t)i,
                                    PyList_GET_ITEM(salts, i), PyList_GET_ITEM(raws, i),
                                    PyList_GET_ITEM(changes, i));
        if (entry == NULL)
            Py_CLEAR(found);
        else
            PyList_SET_ITEM(found, i, entry);
    }
done:
    PyBuffer_Release(&of_change);
    PyBuffer_Release(&of_record);
    return found;
}

PyObject *kernel_chain(PyObject *self, PyObject *args)
{
    PyObject *entries;
    Py_buffer of_head;
    const char *before;
    Py_ssize_t before_bytes;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*y#O!", &of_head, &before, &before_bytes, &PyList_Type, &entries))
        return NULL;
    PyObject *found = NULL;
    unsigned char head[DIGEST_BYTES];
    if (before_bytes != DIGEST_BYTES) {
        PyErr_SetString(PyExc_ValueError, "a head has 32 bytes");
        goto done;
    }
    memcpy(head, before, DIGEST_BYTES);
    SHA256_CTX begun;
    begin(&begun, &of_head);
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(entries); i++) {
        PyObject *digest = PyObject_GetAttr(PyList_GET_ITEM(entries, i), kernel_names.digest);
        if (digest == NULL)
            goto done;
        if (!expect_bytes(digest, DIGEST_BYTES, "digest")) {
            Py_DECREF(digest);
            goto done;
        }
        SHA256_CTX hash = begun;
        SHA256_Update(&hash, head, DIGEST_BYTES);
        SHA256_Update(&hash, PyBytes_AS_STRING(digest), DIGEST_BYTES);
        SHA256_Final(head, &hash);
        Py_DECREF(digest);
    }
    found = PyBytes_FromStringAndSize((char *)head, DIGEST_BYTES);
done:
    PyBuffer_Release(&of_head);
    return found;
}

PyObject *kernel_sums(PyObject *self, PyObject *args)
{
    PyObject *records, *vectors, *found = NULL;
    Py_buffer of_state;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*O!O!", &of_state, &PyList_Type, &records, &PyList_Type,
                          &vectors))
        return NULL;
    Py_ssize_t count = PyList_GET_SIZE(records);
    if (PyList_GET_SIZE(vectors) != count) {
        PyErr_SetString(PyExc_ValueError, "lists of other lengths");
        goto done;
    }
    SHA256_CTX begun;
    begin(&begun, &of_state);
    found = PyList_New(count);
    for (Py_ssize_t i = 0; found != NULL && i < count; i++) {
        Py_ssize_t length;
        unsigned char out[DIGEST_BYTES];
        PyObject *vector = PyList_GET_ITEM(vectors, i);
        const char *record = PyUnicode_AsUTF8AndSize(PyList_GET_ITEM(records, i), &length);
        if (record == NULL || !expect_bytes(vector, -1, "vector")) {
            Py_CLEAR(found);
            break;
        }
        SHA256_CTX hash = begun;
        /* The text's own zero at its end stands between the two. */
        SHA256_Update(&hash, record, (size_t)length + 1);
        SHA256_Update(&hash, PyBytes_AS_STRING(vector), (size_t)PyBytes_GET_SIZE(vector));
        SHA256_Final(out, &hash);
        unsigned long long sum = 0;
        for (int k = 0; k < 6; k++)
            sum = sum << 8 | out[k];
        PyObject *number = PyLong_FromUnsignedLongLong(sum);
        if (number == NULL)
            Py_CLEAR(found);
        else
            PyList_SET_ITEM(found, i, number);
    }
done:
    PyBuffer_Release(&of_state);
    return found;
}
