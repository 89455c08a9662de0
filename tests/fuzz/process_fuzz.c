/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of `exec --process`, as any bytes: it is refused with a message that begins with
 * "process" or says where it is no JSON, or it gives a process within its bounds.
 *
 * libFuzzer: -max_len=16384 -dict=tests/fuzz/oci.dict
 */
#include <stdint.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/control.h"
#include "supervisor/runtime/config_reader.h"
#include "tests/fuzz/config_checks.h"
#include "tests/fuzz/json_mutator.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
FUZZ_MUTATES_JSON

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error error = ERROR_INIT;
    struct config_process *process = NULL;
    _cleanup_json_ json_t *json = config_parse((const char *)data, size, "p.json", &error);

    if (!json) {
        check(error.code && strncmp(error.message, "p.json: line ", 13) == 0);
        return 0;
    }
    int r = config_process_read(json, &process, &error);
    check_outcome(r, process != NULL, &error);
    if (process)
        check_process(process);
    else
        check(strncmp(error.message, "process", 7) == 0);
    config_process_free(process);
    return 0;
}
