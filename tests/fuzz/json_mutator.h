/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FUZZ_JSON_MUTATOR_H
#define FUZZ_JSON_MUTATOR_H

/*
 * Changes JSON as JSON, for fuzzers of what reads a JSON tree: of random changes to its bytes
 * nearly all end in the parser. A harness that wants it says FUZZ_MUTATES_JSON once.
 */

#include <stddef.h>
#include <stdint.h>

/*
 * LLVMFuzzerCustomMutator of libFuzzer: changes the size bytes at data in place, to at most max
 * bytes, by what seed says, and returns the new size. One in eight changes is to the bytes as such.
 */
size_t json_mutate(uint8_t *data, size_t size, size_t max, unsigned seed);

#define FUZZ_MUTATES_JSON                                                                          \
    size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);         \
    size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)          \
    {                                                                                              \
        return json_mutate(data, size, max, seed);                                                 \
    }

#endif
