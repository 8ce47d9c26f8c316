/* SPDX-License-Identifier: Apache-2.0
 *
 * One plain edit of a record on its packed causal data (sync/packing.py says what that is).
 *
 * Invariant: what the rules of sync/batch.py give, or None for those rules to take.
 */
#include "kernel.h"

#define WRITES_MAX 32 /* More writes that still show something are for the rules in Python. */
#define NAMES_MAX 120 /* sync.change.FIELDS_PER_CHANGE_MAX */

typedef struct {
    int at;    /* The place of its tip in the vector, or -1 where ``dot`` holds it. */
    Span dot;
    int64_t back, n;
    Span worker;
    int rest;
    size_t named; /* How many names follow in ``names``. */
    Span names[NAMES_MAX];
} Write;

typedef struct {
    Span vector, older;
    int64_t ms, n;
    size_t writes;
    Write *write;
} Causal;

static void take_write(In *in, Write *write)
{
    size_t parts = take_array(in);
    if (parts < 4 || parts > 6) {
        in->odd = 1;
        return;
    }
    write->at = -1;
    write->dot = (Span){NULL, 0};
    if (in->at < in->end && *in->at == 0xc4) {
        write->dot = take_bytes(in);
        in->odd |= write->dot.count != DOT_BYTES;
    } else {
        int64_t at = take_int(in);
        in->odd |= at < 0 || at > 4096;
        write->at = (int)at;
    }
    write->back = take_int(in);
    write->n = take_int(in);
    write->worker = take_text(in);
    write->rest = 0;
    write->named = 0;
    if (parts > 4) {
        unsigned char mark = take_mark(in);
        in->odd |= mark != 0xc2 && mark != 0xc3;
        write->rest = mark == 0xc3;
    }
    if (parts > 5) {
        size_t count = take_array(in);
        if (count > NAMES_MAX) {
            in->odd = 1;
            return;
        }
        for (size_t i = 0; i < count && !in->odd; i++)
            write->names[write->named++] = take_text(in);
    }
}

/* An array that must be empty, or nothing where ``none``. */
static void expect_empty(In *in, int none)
{
    unsigned char mark = take_mark(in);
    in->odd |= mark != (none ? 0xc0 : 0x90);
}

static int take_causal(In *in, Causal *causal)
{
    size_t parts = take_array(in);
    causal->vector = take_bytes(in);
    causal->ms = take_int(in);
    causal->n = take_int(in);
    causal->writes = take_array(in);
    causal->older = (Span){NULL, 0};
    if (in->odd || parts < 4 || parts > 8 || causal->writes > WRITES_MAX)
        return 0;
    for (size_t i = 0; i < causal->writes && !in->odd; i++)
        take_write(in, &causal->write[i]);
    if (parts > 4)
        expect_empty(in, 0);
    if (parts > 5)
        expect_empty(in, 0);
    if (parts > 6)
        expect_empty(in, 1);
    if (parts > 7)
        causal->older = take_bytes(in);
    return !in->odd && in->at == in->end && causal->vector.count % DOT_BYTES == 0;
}

static int same(Span a, Span b)
{
    return a.count == b.count && memcmp(a.data, b.data, a.count) == 0;
}

static int order(Span a, Span b)
{
    int found = memcmp(a.data, b.data, a.count < b.count ? a.count : b.count);
    return found ? found : (a.count > b.count) - (a.count < b.count);
}

/* What is written anew is no longer shown by the writes before; one nothing is left of goes. */
static void overwrite(Causal *causal, const Span *names, size_t named)
{
    size_t kept = 0;
    for (size_t i = 0; i < causal->writes; i++) {
        Write *write = &causal->write[i];
        size_t left = 0;
        for (size_t k = 0; k < write->named; k++) {
            size_t m = 0;
            while (m < named && !same(write->names[k], names[m]))
                m++;
            if (m == named)
                write->names[left++] = write->names[k];
        }
        write->named = left;
        if (left || write->rest) {
            if (kept != i)
                causal->write[kept] = *write;
            kept++;
        }
    }
    causal->writes = kept;
}

static void put_write(Out *out, const Write *write, int64_t ahead)
{
    put_array(out, write->named ? 6 : write->rest ? 5 : 4);
    if (write->at < 0)
        put_bytes(out, write->dot.data, write->dot.count);
    else
        put_int(out, write->at);
    put_int(out, write->back + ahead);
    put_int(out, write->n);
    put_text(out, (const char *)write->worker.data, write->worker.count);
    if (write->named || write->rest)
        put_byte(out, write->rest ? 0xc3 : 0xc2);
    if (write->named) {
        put_array(out, write->named);
        for (size_t i = 0; i < write->named; i++)
            put_text(out, (const char *)write->names[i].data, write->names[i].count);
    }
}

/* The names of a change, sorted; 0 where they are not plain. */
static int sorted_names(PyObject *names, Span *found)
{
    Py_ssize_t count = PyTuple_GET_SIZE(names);
    if (count < 1 || count > NAMES_MAX)
        return 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        Py_ssize_t length;
        const char *text = PyUnicode_AsUTF8AndSize(PyTuple_GET_ITEM(names, i), &length);
        if (text == NULL)
            return 0;
        Span one = {(const unsigned char *)text, (size_t)length};
        Py_ssize_t at = i;
        for (; at > 0 && order(found[at - 1], one) > 0; at--)
            found[at] = found[at - 1];
        found[at] = one;
    }
    return 1;
}

static PyObject *edited(Causal *causal, const unsigned char *dot, int64_t ms, int64_t n,
                        Span worker, const Span *names, size_t named, Py_ssize_t older_max)
{
    const unsigned char *vector = causal->vector.data;
    int tips = (int)(causal->vector.count / DOT_BYTES), place = -1, index = 0;
    for (int i = 0; i < tips; i++) {
        const unsigned char *tip = vector + i * DOT_BYTES;
        if (memcmp(tip, dot, REPLICA_BYTES) == 0) {
            if (place >= 0)
                Py_RETURN_NONE; /* Two tips of one replica: it has forked. */
            place = i;
        }
        if (memcmp(tip, dot, DOT_BYTES) < 0)
            index = i + 1;
    }
    Span tip = {vector + (place < 0 ? 0 : place) * DOT_BYTES, DOT_BYTES};
    if (place >= 0
        && (memcmp(dot + REPLICA_BYTES, tip.data + REPLICA_BYTES, COUNTER_BYTES) <= 0
            || (Py_ssize_t)causal->older.count >= older_max))
        Py_RETURN_NONE;
    overwrite(causal, names, named);
    for (size_t i = 0; i < causal->writes; i++) {
        Write *write = &causal->write[i];
        if (write->at < 0)
            continue;
        if (place >= 0 && write->at == place) {
            write->at = -1;
            write->dot = tip;
        } else if (place < 0 && write->at >= index)
            write->at++;
    }
    if (place >= 0)
        index = place;
    int64_t ahead = 0;
    if (ms > causal->ms || (ms == causal->ms && n > causal->n)) {
        ahead = ms - causal->ms;
        causal->ms = ms;
        causal->n = n;
    }
    Out out = {NULL, 0, 0, 0};
    size_t before = (size_t)index * DOT_BYTES, skip = place >= 0 ? DOT_BYTES : 0;
    size_t grown = causal->vector.count + DOT_BYTES - skip;
    size_t older = causal->older.count + skip;
    put_array(&out, older ? 8 : 4);
    if (grown < 256)
        put_number(&out, 0xc4, grown, 1);
    else
        put_number(&out, 0xc5, grown, 2);
    put(&out, vector, before);
    put(&out, dot, DOT_BYTES);
    put(&out, vector + before + skip, causal->vector.count - before - skip);
    put_int(&out, causal->ms);
    put_int(&out, causal->n);
    put_array(&out, causal->writes + 1);
    for (size_t i = 0; i < causal->writes; i++)
        put_write(&out, &causal->write[i], ahead);
    put_array(&out, 6);
    put_int(&out, index);
    put_int(&out, causal->ms - ms);
    put_int(&out, n);
    put_text(&out, (const char *)worker.data, worker.count);
    put_byte(&out, 0xc2);
    put_array(&out, named);
    for (size_t i = 0; i < named; i++)
        put_text(&out, (const char *)names[i].data, names[i].count);
    if (older) {
        put(&out, "\x90\x90\xc0", 3);
        if (older < 256)
            put_number(&out, 0xc4, older, 1);
        else
            put_number(&out, 0xc5, older, 2);
        put(&out, causal->older.data, causal->older.count);
        put(&out, tip.data, skip);
    }
    PyObject *found = out.failed ? PyErr_NoMemory()
                                 : PyBytes_FromStringAndSize((char *)out.data, (Py_ssize_t)out.used);
    PyMem_Free(out.data);
    return found;
}

PyObject *kernel_edit(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    static Write room[WRITES_MAX]; /* Used under the interpreter's lock, between no two calls. */
    Span names[NAMES_MAX];
    (void)self;
    if (count != 8 || !PyBytes_Check(args[0]) || !PyBytes_Check(args[2]) || !PyLong_Check(args[3])
        || !PyLong_Check(args[4]) || !PyUnicode_Check(args[5]) || !PyTuple_Check(args[6])
        || !PyLong_Check(args[7]) || !expect_bytes(args[1], DOT_BYTES, "dot")) {
        PyErr_SetString(PyExc_TypeError, "edit: arguments of other types");
        return NULL;
    }
    In in = {(const unsigned char *)PyBytes_AS_STRING(args[0]), NULL, 0};
    in.end = in.at + PyBytes_GET_SIZE(args[0]);
    Causal causal = {.write = room};
    Span vector = {(const unsigned char *)PyBytes_AS_STRING(args[2]),
                   (size_t)PyBytes_GET_SIZE(args[2])};
    if (!take_causal(&in, &causal) || !same(causal.vector, vector)
        || causal.vector.count + DOT_BYTES > 65535)
        Py_RETURN_NONE;
    int64_t ms = PyLong_AsLongLong(args[3]), n = PyLong_AsLongLong(args[4]);
    Py_ssize_t older_max = PyLong_AsSsize_t(args[7]), length;
    const char *worker = PyUnicode_AsUTF8AndSize(args[5], &length);
    if (worker == NULL || PyErr_Occurred())
        return NULL;
    if (!sorted_names(args[6], names)) {
        if (PyErr_Occurred())
            return NULL;
        Py_RETURN_NONE;
    }
    Span by = {(const unsigned char *)worker, (size_t)length};
    return edited(&causal, (const unsigned char *)PyBytes_AS_STRING(args[1]), ms, n, by, names,
                  (size_t)PyTuple_GET_SIZE(args[6]), older_max);
}
