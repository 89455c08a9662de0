/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/spec/capability_name.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "common/cleanup.h"
#include "supervisor/spec/suggest.h"

#define PREFIX "CAP_"

/* capabilities(7); linux/capability.h */
static const char *const names[] = {
    "CAP_AUDIT_CONTROL",   "CAP_AUDIT_READ",   "CAP_AUDIT_WRITE",
    "CAP_BLOCK_SUSPEND",   "CAP_BPF",          "CAP_CHECKPOINT_RESTORE",
    "CAP_CHOWN",           "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",          "CAP_FSETID",       "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",       "CAP_KILL",         "CAP_LEASE",
    "CAP_LINUX_IMMUTABLE", "CAP_MAC_ADMIN",    "CAP_MAC_OVERRIDE",
    "CAP_MKNOD",           "CAP_NET_ADMIN",    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",   "CAP_NET_RAW",      "CAP_PERFMON",
    "CAP_SETFCAP",         "CAP_SETGID",       "CAP_SETPCAP",
    "CAP_SETUID",          "CAP_SYSLOG",       "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",        "CAP_SYS_CHROOT",   "CAP_SYS_MODULE",
    "CAP_SYS_NICE",        "CAP_SYS_PACCT",    "CAP_SYS_PTRACE",
    "CAP_SYS_RAWIO",       "CAP_SYS_RESOURCE", "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",  "CAP_WAKE_ALARM",
};

const char *capability_full_name(const char *text)
{
    if (strncasecmp(text, PREFIX, strlen(PREFIX)) == 0)
        text += strlen(PREFIX);
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        if (strcasecmp(text, names[i] + strlen(PREFIX)) == 0)
            return names[i];
    return NULL;
}

const char *capability_nearest(const char *text)
{
    const char *short_names[ARRAY_LENGTH(names)];
    char upper[64];
    size_t length = 0;

    if (strncasecmp(text, PREFIX, strlen(PREFIX)) == 0)
        text += strlen(PREFIX);
    for (; length < sizeof(upper) - 1 && text[length]; length++)
        upper[length] = (char)toupper((unsigned char)text[length]);
    upper[length] = '\0';
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        short_names[i] = names[i] + strlen(PREFIX);
    return suggest_nearest(upper, short_names, ARRAY_LENGTH(names));
}
