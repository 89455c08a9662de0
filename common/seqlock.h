/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_SEQLOCK_H
#define COMMON_SEQLOCK_H

/*
 * A sequence lock over words that two processes share: one writer, any number of readers. The
 * sequence is odd while the writer is inside. Words are relaxed atomics between fences (Boehm, "Can
 * Seqlocks Get Along with Programming Language Memory Models?", MSPC 2012). Neither side allocates
 * or waits on the other; the reader gives up after a bounded number of turns.
 */

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

/* Turns of a reader's wait. A writer is inside for well below a microsecond. */
#define SEQLOCK_READ_TRIES 2000

typedef _Atomic uint64_t seqlock_word;

static inline void seqlock_begin(seqlock_word *sequence)
{
    uint64_t now = atomic_load_explicit(sequence, memory_order_relaxed);

    /* A writer that died inside left it odd: this write makes it whole again. */
    atomic_store_explicit(sequence, now | 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
}

static inline void seqlock_end(seqlock_word *sequence)
{
    uint64_t now = atomic_load_explicit(sequence, memory_order_relaxed);

    atomic_store_explicit(sequence, now + 1, memory_order_release);
}

/* Stores size bytes, a multiple of 8, between seqlock_begin() and seqlock_end(). */
static inline void seqlock_store(seqlock_word *to, const void *from, size_t size)
{
    for (size_t i = 0; i < size / sizeof(uint64_t); i++) {
        uint64_t word;
        memcpy(&word, (const char *)from + i * sizeof(word), sizeof(word));
        atomic_store_explicit(&to[i], word, memory_order_relaxed);
    }
}

/* Writes all words in one go. */
static inline void seqlock_write(seqlock_word *sequence, seqlock_word *to, const void *from,
                                 size_t size)
{
    seqlock_begin(sequence);
    seqlock_store(to, from, size);
    seqlock_end(sequence);
}

/* A piece of what a lock guards: offset and size in bytes, multiples of 8. */
struct seqlock_part {
    size_t offset, size;
};

/*
 * Copies parts of what the lock guards to the same places of `to`, which is aligned to 8. 0, or
 * -EAGAIN when the writer was inside for the whole bounded wait: it died there, or the machine is
 * starved.
 */
static inline int seqlock_read_parts(seqlock_word *sequence, seqlock_word *from, void *to,
                                     const struct seqlock_part *parts, size_t count)
{
    for (unsigned try = 0; try < SEQLOCK_READ_TRIES; try++) {
        uint64_t before = atomic_load_explicit(sequence, memory_order_acquire);
        if (before & 1) {
            if (try % 16 == 15)
                nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
            continue;
        }
        for (size_t part = 0; part < count; part++) {
            size_t first = parts[part].offset / sizeof(uint64_t);
            size_t end = first + parts[part].size / sizeof(uint64_t);
            for (size_t i = first; i < end; i++) {
                uint64_t word = atomic_load_explicit(&from[i], memory_order_relaxed);
                memcpy((char *)to + i * sizeof(word), &word, sizeof(word));
            }
        }
        atomic_thread_fence(memory_order_acquire);
        if (atomic_load_explicit(sequence, memory_order_relaxed) == before)
            return 0;
    }
    return -EAGAIN;
}

/* Copies size bytes, a multiple of 8. */
static inline int seqlock_read(seqlock_word *sequence, seqlock_word *from, void *to, size_t size)
{
    const struct seqlock_part all = {0, size};

    return seqlock_read_parts(sequence, from, to, &all, 1);
}

#endif
