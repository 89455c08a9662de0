/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/runtime/config_stage.h"

#include <errno.h>
#include <sys/mount.h>

#define NOSYMFOLLOW MOUNT_ATTR_NOSYMFOLLOW
#define ATIME       MOUNT_ATTR__ATIME

/* A bind mount with these options; the caller frees. */
static struct config *read_options(const char *options)
{
    char text[512];

    snprintf(text, sizeof(text), "[{'destination':'/a','source':'/b','options':[%s]}]", options);
    return stage_read("mounts", text);
}

static void attributes_are_set_and_cleared(void **state)
{
    static const struct {
        const char *options;
        uint64_t set, cleared, tree_set, tree_cleared;
    } rows[] = {
        {"'ro'", MOUNT_ATTR_RDONLY, 0, 0, 0},
        {"'rw'", 0, MOUNT_ATTR_RDONLY, 0, 0},
        {"'nosuid'", MOUNT_ATTR_NOSUID, 0, 0, 0},
        {"'suid'", 0, MOUNT_ATTR_NOSUID, 0, 0},
        {"'nodev'", MOUNT_ATTR_NODEV, 0, 0, 0},
        {"'dev'", 0, MOUNT_ATTR_NODEV, 0, 0},
        {"'noexec'", MOUNT_ATTR_NOEXEC, 0, 0, 0},
        {"'exec'", 0, MOUNT_ATTR_NOEXEC, 0, 0},
        {"'nodiratime'", MOUNT_ATTR_NODIRATIME, 0, 0, 0},
        {"'diratime'", 0, MOUNT_ATTR_NODIRATIME, 0, 0},
        {"'nosymfollow'", NOSYMFOLLOW, 0, 0, 0},
        {"'symfollow'", 0, NOSYMFOLLOW, 0, 0},
        {"'noatime'", MOUNT_ATTR_NOATIME, ATIME, 0, 0},
        {"'atime'", 0, ATIME, 0, 0},
        {"'relatime'", 0, ATIME, 0, 0},
        {"'norelatime'", 0, 0, 0, 0},
        {"'strictatime'", MOUNT_ATTR_STRICTATIME, ATIME, 0, 0},
        {"'nostrictatime'", 0, ATIME, 0, 0},
        {"'rro'", 0, 0, MOUNT_ATTR_RDONLY, 0},
        {"'rrw'", 0, 0, 0, MOUNT_ATTR_RDONLY},
        {"'rnosuid'", 0, 0, MOUNT_ATTR_NOSUID, 0},
        {"'rsuid'", 0, 0, 0, MOUNT_ATTR_NOSUID},
        {"'rnodev'", 0, 0, MOUNT_ATTR_NODEV, 0},
        {"'rdev'", 0, 0, 0, MOUNT_ATTR_NODEV},
        {"'rnoexec'", 0, 0, MOUNT_ATTR_NOEXEC, 0},
        {"'rexec'", 0, 0, 0, MOUNT_ATTR_NOEXEC},
        {"'rnodiratime'", 0, 0, MOUNT_ATTR_NODIRATIME, 0},
        {"'rdiratime'", 0, 0, 0, MOUNT_ATTR_NODIRATIME},
        {"'rnosymfollow'", 0, 0, NOSYMFOLLOW, 0},
        {"'rsymfollow'", 0, 0, 0, NOSYMFOLLOW},
        {"'rnoatime'", 0, 0, MOUNT_ATTR_NOATIME, ATIME},
        {"'ratime'", 0, 0, 0, ATIME},
        {"'rrelatime'", 0, 0, 0, ATIME},
        {"'rnorelatime'", 0, 0, 0, 0},
        {"'rstrictatime'", 0, 0, MOUNT_ATTR_STRICTATIME, ATIME},
        {"'rnostrictatime'", 0, 0, 0, ATIME},
        {"'defaults'", 0, 0, 0, 0},
        /* the later counts */
        {"'ro','rw'", 0, MOUNT_ATTR_RDONLY, 0, 0},
        {"'rw','ro'", MOUNT_ATTR_RDONLY, 0, 0, 0},
        {"'rro','rrw'", 0, 0, 0, MOUNT_ATTR_RDONLY},
        {"'ro','rrw'", MOUNT_ATTR_RDONLY, 0, 0, MOUNT_ATTR_RDONLY},
        {"'noatime','strictatime'", MOUNT_ATTR_STRICTATIME, ATIME, 0, 0},
        {"'noatime','atime'", 0, ATIME, 0, 0},
        {"'strictatime','atime'", MOUNT_ATTR_STRICTATIME, ATIME, 0, 0},
        {"'strictatime','norelatime'", MOUNT_ATTR_STRICTATIME, ATIME, 0, 0},
        {"'strictatime','nostrictatime'", 0, ATIME, 0, 0},
        {"'nosuid','nodev','noexec'", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, 0,
         0, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char options[128];
        snprintf(options, sizeof(options), "'bind',%s", rows[i].options);
        _cleanup_config_ struct config *config = read_options(options);
        const struct config_mount *mount = &config->mounts[0];
        if (mount->attributes != rows[i].set || mount->cleared != rows[i].cleared ||
            mount->tree_attributes != rows[i].tree_set ||
            mount->tree_cleared != rows[i].tree_cleared)
            fail_msg("%s: %llx %llx %llx %llx", rows[i].options,
                     (unsigned long long)mount->attributes, (unsigned long long)mount->cleared,
                     (unsigned long long)mount->tree_attributes,
                     (unsigned long long)mount->tree_cleared);
        assert_null(mount->data);
    }
}

static void file_systems_have_flags(void **state)
{
    static const struct {
        const char *options;
        unsigned flags;
    } rows[] = {
        {"'sync'", MS_SYNCHRONOUS},     {"'sync','async'", 0},
        {"'dirsync'", MS_DIRSYNC},      {"'lazytime'", 1 << 25},
        {"'lazytime','nolazytime'", 0}, {"'mand'", MS_MANDLOCK},
        {"'mand','nomand'", 0},         {"'silent'", MS_SILENT},
        {"'silent','loud'", 0},         {"'iversion'", MS_I_VERSION},
        {"'iversion','noiversion'", 0}, {"'sync','silent'", MS_SYNCHRONOUS | MS_SILENT},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char text[128];
        snprintf(text, sizeof(text), "[%s]", rows[i].options);
        _cleanup_config_ struct config *config = stage_read("mounts.1.options", text);
        assert_int_equal(config->mounts[1].super_flags, rows[i].flags);
        assert_null(config->mounts[1].data);
    }
}

static void propagations(void **state)
{
    static const struct {
        const char *option;
        uint64_t flag;
        bool is_recursive;
    } rows[] = {
        {"'private'", MS_PRIVATE, false},
        {"'rprivate'", MS_PRIVATE, true},
        {"'shared'", MS_SHARED, false},
        {"'rshared'", MS_SHARED, true},
        {"'slave'", MS_SLAVE, false},
        {"'rslave'", MS_SLAVE, true},
        {"'unbindable'", MS_UNBINDABLE, false},
        {"'runbindable'", MS_UNBINDABLE, true},
        {"'rshared','private'", MS_PRIVATE, false},
        {"'ro'", 0, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char options[64];
        snprintf(options, sizeof(options), "'rbind',%s", rows[i].option);
        _cleanup_config_ struct config *config = read_options(options);
        assert_int_equal(config->mounts[0].propagation, rows[i].flag);
        assert_int_equal(config->mounts[0].is_propagation_recursive, rows[i].is_recursive);
    }
}

static void binds(void **state)
{
    static const struct {
        const char *mount;
        bool is_bind, is_recursive;
    } rows[] = {
        {"{'destination':'/a','source':'/b','options':['bind']}", true, false},
        {"{'destination':'/a','source':'/b','type':'none','options':['rbind']}", true, true},
        {"{'destination':'/a','source':'/b','type':'ext4','options':['bind']}", true, false},
        {"{'destination':'/a','source':'/b','type':'bind'}", true, false},
        {"{'destination':'/a','source':'b','type':'tmpfs'}", false, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        _cleanup_config_ struct config *config = stage_read("mounts.0", rows[i].mount);
        const struct config_mount *mount = &config->mounts[0];
        assert_int_equal(mount->is_bind, rows[i].is_bind);
        assert_int_equal(mount->is_recursive, rows[i].is_recursive);
        assert_string_equal(mount->type, rows[i].is_bind ? "bind" : "tmpfs");
        assert_string_equal(mount->source, rows[i].is_bind ? "/b" : "b");
        assert_string_equal(mount->destination, "/a");
    }
}

static void paths(void **state)
{
    static const struct {
        const char *key, *value, *destination, *source;
    } rows[] = {
        {"mounts.0.source", "'data/x'", "/srv", STAGE_BUNDLE "/data/x"},
        {"mounts.0.source", "'/data/../x'", "/srv", "/data/../x"},
        {"mounts.0.destination", "'srv'", "/srv", "/data"},
        {"mounts.0.destination", "'//dev/./pts/'", "/dev/pts", "/data"},
        {"mounts.0.destination", "'/'", "/", "/data"},
        {"mounts.0.destination", "'.'", "/", "/data"},
        {"mounts.0.destination", "'a/../b'", "/a/../b", "/data"},
        {"mounts.0.destination", "'/.a/..b/...'", "/.a/..b/...", "/data"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        _cleanup_config_ struct config *config = stage_read(rows[i].key, rows[i].value);
        assert_string_equal(config->mounts[0].destination, rows[i].destination);
        assert_string_equal(config->mounts[0].source, rows[i].source);
    }
}

static void the_rest_is_for_the_file_system(void **state)
{
    _cleanup_config_ struct config *config =
        stage_read("mounts.1.options", "['mode=1777','ro','size=1m','','x-systemd.automount',"
                                       "'X-mount.mkdir','comment=x','nofail','noauto','auto',"
                                       "'_netdev','Ro','context=\\'a:b,c\\'']");

    (void)state;
    assert_string_equal(config->mounts[1].data, "mode=1777,size=1m,Ro,context=\"a:b,c\"");
    assert_int_equal(config->mounts[1].attributes, MOUNT_ATTR_RDONLY);
}

/* The kernel would ignore it, and so do other runtimes. */
static void data_of_a_bind_is_ignored(void **state)
{
    _cleanup_config_ struct config *config = read_options("'bind','mode=1777','ro'");

    (void)state;
    assert_null(config->mounts[0].data);
}

static void remounts_and_copies(void **state)
{
    _cleanup_config_ struct config *config =
        stage_read("mounts", "[{'destination':'/a','options':['remount','ro']},"
                             "{'destination':'/a','options':['bind','remount']},"
                             "{'destination':'/b','type':'tmpfs','options':['tmpcopyup']}]");

    (void)state;
    assert_true(config->mounts[0].is_remount);
    assert_false(config->mounts[0].is_bind);
    assert_true(config->mounts[1].is_remount && config->mounts[1].is_bind);
    assert_null(config->mounts[1].source);
    assert_true(config->mounts[2].has_tmpcopyup);
    assert_null(config->mounts[2].data);
}

static void mappings_of_a_mount(void **state)
{
    static const char mount[] = "{'destination':'/a','source':'/b','options':['rbind'%s],"
                                "'uidMappings':[{'containerID':0,'hostID':1000,'size':10},"
                                "{'containerID':10,'hostID':5,'size':1}],"
                                "'gidMappings':[{'containerID':0,'hostID':2000,'size':10}]}";
    static const struct {
        const char *option;
        bool is_recursive;
    } rows[] = {{"", false}, {",'idmap'", false}, {",'ridmap'", true}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char text[512];
        snprintf(text, sizeof(text), mount, rows[i].option);
        _cleanup_config_ struct config *config = stage_read("mounts.0", text);
        const struct config_mount *made = &config->mounts[0];
        assert_true(made->is_idmapped);
        assert_int_equal(made->is_idmap_recursive, rows[i].is_recursive);
        assert_int_equal(made->uid_map_count, 2);
        assert_int_equal(made->uid_map[1].inside, 10);
        assert_int_equal(made->uid_map[1].outside, 5);
        assert_int_equal(made->uid_map[1].count, 1);
        assert_int_equal(made->gid_map_count, 1);
        assert_int_equal(made->gid_map[0].outside, 2000);
    }
}

static void mounts_that_are_wrong(void **state)
{
    static const struct stage_row rows[] = {
        {"mounts.0", "1", "mounts[0]: must be an object"},
        {"mounts.0.destination", NULL, "mounts[0].destination: is missing"},
        {"mounts.1.destination", "''", "mounts[1].destination: is empty"},
        {"mounts.0.source", NULL, "mounts[0].source: is missing; a bind mount needs one"},
        {"mounts.0.source", "''", "mounts[0].source: is missing"},
        {"mounts.0.type", "1", "mounts[0].type: must be a string"},
        {"mounts.1.type", NULL, "mounts[1].type: is missing"},
        {"mounts.1.type", "''", "mounts[1].type: is missing"},
        {"mounts.1.options", "null", NULL},
        {"mounts.1.options", "'ro'", "mounts[1].options: must be an array"},
        {"mounts.1.options", "['ro',1]", "mounts[1].options[1]: must be a string"},
        {"mounts.1.options", "['idmap']", "mounts[1].options: idmap goes with bind mounts only"},
        {"mounts.0.options", "['bind','tmpcopyup']",
         "mounts[0].options: tmpcopyup goes with tmpfs"},
        {"mounts.0.options", "['bind','copy-symlink']",
         "mounts[0].options: \"copy-symlink\" is not possible with this runtime"},
        {"mounts.0.options", "['bind','src-nofollow']", "mounts[0].options: \"src-nofollow\""},
        {"mounts.0.uidMappings", "[{'containerID':0,'hostID':0,'size':1}]",
         "mounts[0]: uidMappings and gidMappings go together"},
        {"mounts.0.gidMappings", "[]", "mounts[0]: uidMappings and gidMappings go together"},
        {"mounts.0.gidMappings", "null", NULL},
    };

    (void)state;
    STAGE_CHECK(rows);
}

static void too_much_data_is_refused(void **state)
{
    _cleanup_json_ json_t *json = stage_parse(stage_base);
    json_t *options =
        json_object_get(json_array_get(json_object_get(json, "mounts"), 1), "options");
    struct config *config = NULL;
    struct error error = ERROR_INIT;

    (void)state;
    for (int i = 0; i < 64; i++)
        json_array_append_new(options, json_sprintf("a=%0*d", 100, 0));
    assert_int_equal(config_read(json, STAGE_BUNDLE, &config, &error), -E2BIG);
    assert_memory_equal(error.message, "mounts[1].options: ", 19);
}

static void the_names_of_options(void **state)
{
    const char *const *names = config_mount_option_names();
    bool has_rro = false;
    size_t count = 0;

    (void)state;
    for (; names[count]; count++) {
        has_rro = has_rro || strcmp(names[count], "rro") == 0;
        assert_string_not_equal(names[count], "copy-symlink");
    }
    assert_true(has_rro);
    assert_in_range(count, 62, 80);
    assert_ptr_equal(names, config_mount_option_names());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attributes_are_set_and_cleared),
        cmocka_unit_test(file_systems_have_flags),
        cmocka_unit_test(propagations),
        cmocka_unit_test(binds),
        cmocka_unit_test(paths),
        cmocka_unit_test(the_rest_is_for_the_file_system),
        cmocka_unit_test(data_of_a_bind_is_ignored),
        cmocka_unit_test(remounts_and_copies),
        cmocka_unit_test(mappings_of_a_mount),
        cmocka_unit_test(mounts_that_are_wrong),
        cmocka_unit_test(too_much_data_is_refused),
        cmocka_unit_test(the_names_of_options),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
