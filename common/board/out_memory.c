/* SPDX-License-Identifier: Apache-2.0 */
#include "common/board/out_memory.h"

#include <stdlib.h>

static void pass(struct out *out)
{
    struct out_memory *memory = (struct out_memory *)out;
    size_t more = (size_t)(out->at - out->piece->bytes);
    char *text = realloc(memory->text, memory->length + more + 1);

    if (!text)
        abort();
    memcpy(text + memory->length, out->piece->bytes, more);
    memory->text = text;
    memory->length += more;
    text[memory->length] = '\0';
    piece_unref(out->piece);
    out->piece = NULL;
    out->at = out->end = NULL;
}

void out_memory_begin(struct out_memory *memory)
{
    *memory = (struct out_memory){.out = {.pass = pass}};
}

char *out_memory_end(struct out_memory *memory, size_t *length)
{
    if (memory->out.piece)
        pass(&memory->out);
    if (!memory->text) {
        memory->text = calloc(1, 1);
        if (!memory->text)
            abort();
    }
    if (length)
        *length = memory->length;
    return memory->text;
}
