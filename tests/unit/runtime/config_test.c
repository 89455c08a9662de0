/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "common/cleanup.h"
#include "common/control.h"
#include "supervisor/runtime/config.h"

static const char minimal[] =
    "{'ociVersion':'1.2.0','process':{'user':{'uid':0,'gid':0},'args':['sh'],'cwd':'/'},"
    "'root':{'path':'/img','readonly':true},'hostname':'a',"
    "'mounts':[{'destination':'/srv','type':'bind','source':'/data',"
    "'options':['rbind','ro','nosuid','nodev','idmap']},"
    "{'destination':'/tmp','type':'tmpfs','options':['mode=1777','size=1m','noatime']}],"
    "'linux':{'namespaces':[{'type':'mount'},{'type':'uts'},{'type':'user'},{'type':'pid'}],"
    "'uidMappings':[{'containerID':0,'hostID':100000,'size':65536}],"
    "'gidMappings':[{'containerID':0,'hostID':100000,'size':65536}],"
    "'resources':{'memory':{'limit':1048576},'devices':[{'allow':false,'access':'rwm'}]}}}";

static json_t *parse(const char *text)
{
    char buffer[4096];
    json_error_t problem;

    assert_true(strlen(text) < sizeof(buffer));
    strcpy(buffer, text);
    for (char *c = buffer; *c; c++)
        if (*c == '\'')
            *c = '"';
    json_t *json = json_loads(buffer, 0, &problem);
    if (!json)
        fail_msg("%s", problem.text);
    return json;
}

static void test_reads_what_is_there(void **state)
{
    _cleanup_json_ json_t *json = parse(minimal);
    _cleanup_config_ struct config *config = NULL;
    struct error error = ERROR_INIT;

    (void)state;
    assert_int_equal(config_read(json, NULL, &config, &error), 0);
    assert_int_equal(config_new_namespaces(config),
                     CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWUSER | CLONE_NEWPID);
    assert_int_equal(config->mount_count, 2);
    assert_true(config->mounts[0].is_bind && config->mounts[0].is_recursive);
    assert_true(config->mounts[0].is_idmapped);
    assert_int_equal(config->mounts[0].attributes,
                     MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
    assert_string_equal(config->mounts[1].data, "mode=1777,size=1m");
    assert_int_equal(config->mounts[1].attributes, MOUNT_ATTR_NOATIME);
    assert_int_equal(config->resources->memory_limit, 1048576);
    assert_int_equal(config->resources->device_count, 1);
    assert_false(config->process->no_new_privileges);
    assert_int_equal(config->process->capabilities.bounding, 0);
}

/* Each row: what is put in the place of what, and the start of the message that must come. */
static void test_wrong_values_are_named(void **state)
{
    static const struct {
        const char *from, *to, *message;
    } rows[] = {
        {"'cwd':'/'", "'cwd':'etc'", "process.cwd:"},
        {"'args':['sh']", "'args':[]", "process.args: is empty"},
        {"'args':['sh']", "'args':'sh'", "process.args: must be an array"},
        {"'uid':0", "'uid':4294967296", "process.user.uid: 4294967296 is not within"},
        {"'uid':0", "'uid':-1", "process.user.uid: -1 is not within"},
        {"'uid':0", "'uid':'0'", "process.user.uid: must be an integer"},
        {"'type':'pid'", "'type':'net'", "linux.namespaces[3].type: \"net\""},
        {"{'type':'mount'},", "", "linux.namespaces: a mount namespace is needed"},
        {"{'type':'uts'},", "", "hostname: needs a uts namespace"},
        {"{'type':'user'},", "", "linux.uidMappings: needs a user namespace"},
        {"'size':65536}],'gid", "'size':0}],'gid", "linux.uidMappings[0].size: 0 is not within"},
        {"'hostID':100000", "'hostID':4294967290",
         "linux.uidMappings[0].size: 65536 is not within"},
        {"'limit':1048576", "'limit':'1m'", "linux.resources.memory.limit: must be an integer"},
        {"'access':'rwm'", "'access':'rwx'", "linux.resources.devices[0].access:"},
        {"'source':'/data'", "'source':'data'", "mounts[0].source:"},
        {"'destination':'/tmp'", "'destination':''", "mounts[1].destination:"},
        {"'linux':{", "'linux':{'intelRdt':{},", "linux.intelRdt: this runtime has no"},
        {"'ociVersion':'1.2.0'", "'ociVersion':'2.0'", "ociVersion:"},
        {"'ociVersion':'1.2.0',", "", "ociVersion: is missing"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char text[4096];
        const char *at = strstr(minimal, rows[i].from);
        struct config *config = NULL;
        struct error error = ERROR_INIT;

        assert_non_null(at);
        snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - minimal), minimal, rows[i].to,
                 at + strlen(rows[i].from));
        _cleanup_json_ json_t *json = parse(text);
        if (config_read(json, NULL, &config, &error) >= 0)
            fail_msg("taken: %s", rows[i].to);
        if (strncmp(error.message, rows[i].message, strlen(rows[i].message)) != 0)
            fail_msg("\"%s\" instead of \"%s\"", error.message, rows[i].message);
    }
}

static void test_capabilities_by_name(void **state)
{
    (void)state;
    assert_int_equal(capability_number("CAP_CHOWN"), 0);
    assert_int_equal(capability_number("CAP_NET_BIND_SERVICE"), 10);
    assert_int_equal(capability_number("CAP_EVERYTHING"), -EINVAL);
    assert_in_range(capability_last(), 30, 63);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_what_is_there),
        cmocka_unit_test(test_wrong_values_are_named),
        cmocka_unit_test(test_capabilities_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
