/* SPDX-License-Identifier: Apache-2.0 */
/* The readers of env_file and of command lines against any text. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "supervisor/spec/compose_reader.h"
#include "supervisor/spec/path_text.h"
#include "supervisor/spec/shell_words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int is_true)
{
    if (!is_true)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_string_list_ struct string_list variables = {0}, words = {0};
    _cleanup_free_ char *text = strndup((const char *)data, size);
    struct error error = ERROR_INIT;

    if (env_file_parse(text, "fuzz.env", &variables, &error) < 0)
        check(strncmp(error.message, "fuzz.env:", 9) == 0);
    for (size_t i = 0; i < variables.count; i++)
        check(strcspn(variables.items[i], "=") > 0 && strchr(variables.items[i], '='));
    shell_words_split(text, &words);
    if (path_text_normalise(text) == 0) {
        check(!strstr(text, "//") && !strstr(text, "/../"));
        _cleanup_free_ char *again = strdup(text);
        check(path_text_normalise(again) == 0 && strcmp(again, text) == 0);
    }
    return 0;
}
