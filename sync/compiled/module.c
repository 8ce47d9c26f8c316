/* SPDX-License-Identifier: Apache-2.0
 *
 * The innermost loops over the changes of a batch, as a module (sync/kernel.py says why they are
 * here; sync/loops.py holds what each must give).
 *
 * What lives here: the table of functions. What must not be in any of them: rules of merging that
 * are not plain, parsing of messages, anything that keeps state between calls. Invariants: what is
 * not of the expected type raises TypeError and nothing is read beyond its length; what is not plain
 * is answered with None, for the rules in Python.
 */
#include "kernel.h"

Names kernel_names;

int expect_bytes(PyObject *one, Py_ssize_t length, const char *what)
{
    if (!PyBytes_Check(one) || (length >= 0 && PyBytes_GET_SIZE(one) != length)) {
        PyErr_Format(PyExc_TypeError, "%s: bytes of another length", what);
        return 0;
    }
    return 1;
}

static PyMethodDef functions[] = {
    {"births", kernel_births, METH_VARARGS,
     PyDoc_STR("births(home_field, entries) -> (home, causal data, JSON or None) of each")},
    {"chain", kernel_chain, METH_VARARGS,
     PyDoc_STR("chain(of_head, before, entries) -> the head after the last of them")},
    {"edit", (PyCFunction)(void (*)(void))kernel_edit, METH_FASTCALL,
     PyDoc_STR("edit(causal, dot, vector, ms, n, worker, names, older_bytes_max) -> causal "
                       "data after one plain edit whose writer had seen all, or None")},
    {"place", kernel_place, METH_VARARGS,
     PyDoc_STR("place(Entry, of_change, of_record, replica, first, salts, raws, changes)")},
    {"sums", kernel_sums, METH_VARARGS,
     PyDoc_STR("sums(of_state, records, vectors) -> 48 bits over each record and vector")},
    {NULL, NULL, 0, NULL},
};

static int started(PyObject *module)
{
    (void)module;
    struct {
        PyObject **place;
        const char *name;
    } all[] = {
        {&kernel_names.change, "change"},     {&kernel_names.digest, "digest"},
        {&kernel_names.dot, "dot"},           {&kernel_names.names, "names"},
        {&kernel_names.record, "record"},     {&kernel_names.stamp_ms, "stamp_ms"},
        {&kernel_names.stamp_n, "stamp_n"},   {&kernel_names.values, "values"},
        {&kernel_names.worker, "worker"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if ((*all[i].place = PyUnicode_InternFromString(all[i].name)) == NULL)
            return -1;
    return 0;
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, started}, {0, NULL}};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "sync._kernel",
    .m_methods = functions,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__kernel(void) { return PyModuleDef_Init(&definition); }
