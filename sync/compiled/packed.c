/* SPDX-License-Identifier: Apache-2.0
 *
 * MessagePack, as much of it as causal data has: written in the shortest form, as the library writes
 * it, and read within its bounds.
 */
#include "kernel.h"

static unsigned char *more(Out *out, size_t count)
{
    if (out->failed)
        return NULL;
    if (out->used + count > out->room) {
        size_t room = (out->used + count) * 2;
        unsigned char *data = PyMem_Realloc(out->data, room);
        if (data == NULL) {
            out->failed = 1;
            return NULL;
        }
        out->data = data;
        out->room = room;
    }
    out->used += count;
    return out->data + out->used - count;
}

void put(Out *out, const void *from, size_t count)
{
    unsigned char *at = more(out, count);
    if (at != NULL && count)
        memcpy(at, from, count);
}

void put_byte(Out *out, unsigned char one) { put(out, &one, 1); }

/* A mark and a number of 1, 2, 4 or 8 bytes behind it. */
void put_number(Out *out, unsigned char mark, uint64_t number, int count)
{
    unsigned char bytes[9] = {mark};
    for (int i = 0; i < count; i++)
        bytes[1 + i] = (unsigned char)(number >> (8 * (count - 1 - i)));
    put(out, bytes, (size_t)count + 1);
}

void put_int(Out *out, int64_t number)
{
    if (number >= 0) {
        if (number < 128)
            put_byte(out, (unsigned char)number);
        else if (number < 256)
            put_number(out, 0xcc, (uint64_t)number, 1);
        else if (number < 65536)
            put_number(out, 0xcd, (uint64_t)number, 2);
        else if (number <= UINT32_MAX)
            put_number(out, 0xce, (uint64_t)number, 4);
        else
            put_number(out, 0xcf, (uint64_t)number, 8);
    } else if (number >= -32)
        put_byte(out, (unsigned char)number);
    else if (number >= INT8_MIN)
        put_number(out, 0xd0, (uint64_t)number, 1);
    else if (number >= INT16_MIN)
        put_number(out, 0xd1, (uint64_t)number, 2);
    else if (number >= INT32_MIN)
        put_number(out, 0xd2, (uint64_t)number, 4);
    else
        put_number(out, 0xd3, (uint64_t)number, 8);
}

void put_array(Out *out, size_t count)
{
    if (count < 16)
        put_byte(out, (unsigned char)(0x90 | count));
    else if (count < 65536)
        put_number(out, 0xdc, count, 2);
    else
        put_number(out, 0xdd, count, 4);
}

void put_text(Out *out, const char *text, size_t count)
{
    if (count < 32)
        put_byte(out, (unsigned char)(0xa0 | count));
    else if (count < 256)
        put_number(out, 0xd9, count, 1);
    else if (count < 65536)
        put_number(out, 0xda, count, 2);
    else
        put_number(out, 0xdb, count, 4);
    put(out, text, count);
}

void put_bytes(Out *out, const void *bytes, size_t count)
{
    if (count < 256)
        put_number(out, 0xc4, count, 1);
    else if (count < 65536)
        put_number(out, 0xc5, count, 2);
    else
        put_number(out, 0xc6, count, 4);
    put(out, bytes, count);
}

static uint64_t take_number(In *in, int count)
{
    uint64_t number = 0;
    if (in->end - in->at < count) {
        in->odd = 1;
        return 0;
    }
    for (int i = 0; i < count; i++)
        number = number << 8 | *in->at++;
    return number;
}

unsigned char take_mark(In *in) { return (unsigned char)take_number(in, 1); }

static Span take_span(In *in, uint64_t count)
{
    Span found = {in->at, 0};
    if (in->odd || (uint64_t)(in->end - in->at) < count) {
        in->odd = 1;
        return found;
    }
    found.count = (size_t)count;
    in->at += count;
    return found;
}

size_t take_array(In *in)
{
    unsigned char mark = take_mark(in);
    if ((mark & 0xf0) == 0x90)
        return mark & 15;
    if (mark == 0xdc)
        return (size_t)take_number(in, 2);
    in->odd = 1;
    return 0;
}

Span take_text(In *in)
{
    unsigned char mark = take_mark(in);
    if ((mark & 0xe0) == 0xa0)
        return take_span(in, mark & 31);
    if (mark == 0xd9)
        return take_span(in, take_number(in, 1));
    in->odd = 1;
    return take_span(in, 0);
}

Span take_bytes(In *in)
{
    unsigned char mark = take_mark(in);
    if (mark == 0xc4)
        return take_span(in, take_number(in, 1));
    if (mark == 0xc5)
        return take_span(in, take_number(in, 2));
    in->odd = 1;
    return take_span(in, 0);
}

int64_t take_int(In *in)
{
    unsigned char mark = take_mark(in);
    if (mark < 0x80)
        return mark;
    if (mark >= 0xe0)
        return (int8_t)mark;
    switch (mark) {
    case 0xcc: return (int64_t)take_number(in, 1);
    case 0xcd: return (int64_t)take_number(in, 2);
    case 0xce: return (int64_t)take_number(in, 4);
    case 0xd0: return (int8_t)take_number(in, 1);
    case 0xd1: return (int16_t)take_number(in, 2);
    case 0xd2: return (int32_t)take_number(in, 4);
    case 0xcf:
    case 0xd3: {
        uint64_t number = take_number(in, 8);
        /* Far from the end of the numbers, so that sums of two still have a place. */
        if (number > (uint64_t)1 << 60 && number < (uint64_t)-((int64_t)1 << 60))
            in->odd = 1;
        return (int64_t)number;
    }
    default: in->odd = 1; return 0;
    }
}
