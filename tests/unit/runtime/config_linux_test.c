/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/runtime/config_stage.h"

#include <errno.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/stat.h>

/* ---- namespaces ---- */

static void namespaces_of_all_types(void **state)
{
    static const struct {
        const char *name, *file;
        uint64_t flag;
    } rows[NAMESPACE_TYPES] = {
        [NAMESPACE_USER] = {"user", "user", CLONE_NEWUSER},
        [NAMESPACE_CGROUP] = {"cgroup", "cgroup", CLONE_NEWCGROUP},
        [NAMESPACE_IPC] = {"ipc", "ipc", CLONE_NEWIPC},
        [NAMESPACE_UTS] = {"uts", "uts", CLONE_NEWUTS},
        [NAMESPACE_NETWORK] = {"network", "net", CLONE_NEWNET},
        [NAMESPACE_PID] = {"pid", "pid", CLONE_NEWPID},
        [NAMESPACE_MOUNT] = {"mount", "mnt", CLONE_NEWNS},
        [NAMESPACE_TIME] = {"time", "time", 0x80},
    };
    _cleanup_config_ struct config *config =
        stage_read("linux.namespaces", "[{'type':'mount'},{'type':'uts','path':''},{'type':'pid'},"
                                       "{'type':'ipc','path':null},{'type':'cgroup'},"
                                       "{'type':'time','path':'/t'},{'type':'user','path':'/u'},"
                                       "{'type':'network','path':'/n'}]");

    (void)state;
    for (int type = 0; type < NAMESPACE_TYPES; type++) {
        assert_string_equal(config_namespace_name(type), rows[type].name);
        assert_string_equal(config_namespace_file(type), rows[type].file);
        assert_int_equal(config_namespace_flag(type), rows[type].flag);
        assert_true(config->namespaces[type].is_given);
    }
    assert_int_equal(config_new_namespaces(config),
                     CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWCGROUP);
    assert_int_equal(config_joined_namespaces(config), 0x80 | CLONE_NEWUSER | CLONE_NEWNET);
    assert_string_equal(config->namespaces[NAMESPACE_NETWORK].path, "/n");
}

static void namespaces_that_are_wrong(void **state)
{
    static const struct stage_row rows[] = {
        {"linux.namespaces", "{}", "linux.namespaces: must be an array"},
        {"linux.namespaces.2", "1", "linux.namespaces[2]: must be an object"},
        {"linux.namespaces.2", "{}", "linux.namespaces[2].type: is missing"},
        {"linux.namespaces.2", "{'type':'net'}",
         "linux.namespaces[2].type: \"net\" is not a namespace of Linux"},
        {"linux.namespaces.2", "{'type':'uts'}",
         "linux.namespaces[2].type: \"uts\" is there twice"},
        {"linux.namespaces.2", "{'type':'pid','path':'x'}",
         "linux.namespaces[2].path: \"x\" is not an absolute path"},
        {"linux.namespaces.2", "{'type':'pid','path':1}",
         "linux.namespaces[2].path: must be a string"},
    };

    (void)state;
    STAGE_CHECK(rows);
}

static void mappings(void **state)
{
    static const struct {
        const char *map, *message;
    } rows[] = {
        {"[{'containerID':0,'hostID':0,'size':4294967295}]", NULL},
        {"[{'containerID':0,'hostID':10,'size':10},{'containerID':10,'hostID':0,'size':10}]", NULL},
        {"[{'containerID':0,'hostID':100000,'size':0}]",
         "linux.uidMappings[0].size: 0 is not within 1.."},
        {"[{'containerID':0,'hostID':4294967290,'size':6}]",
         "linux.uidMappings[0].size: 6 is not within 1..5"},
        {"[{'containerID':-1,'hostID':0,'size':1}]", "linux.uidMappings[0].containerID: -1"},
        {"[{'containerID':0,'hostID':4294967295,'size':1}]",
         "linux.uidMappings[0].hostID: 4294967295"},
        {"[{'containerID':0,'size':1}]", "linux.uidMappings[0].hostID: is missing"},
        {"[{'containerID':0,'hostID':0,'size':2},{'containerID':1,'hostID':5,'size':1}]",
         "linux.uidMappings[1]: overlaps with linux.uidMappings[0]"},
        {"[{'containerID':0,'hostID':0,'size':2},{'containerID':5,'hostID':1,'size':1}]",
         "linux.uidMappings[1]: overlaps with linux.uidMappings[0]"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        _cleanup_json_ json_t *json = stage_parse(stage_base);
        _cleanup_config_ struct config *config = NULL;
        struct error error = ERROR_INIT;
        stage_set(json, "linux.namespaces.2", "{'type':'user'}");
        stage_set(json, "linux.uidMappings", rows[i].map);
        stage_set(json, "linux.gidMappings", "[{'containerID':0,'hostID':7,'size':1}]");
        int r = config_read(json, STAGE_BUNDLE, &config, &error);
        if (rows[i].message && strncmp(error.message, rows[i].message, strlen(rows[i].message)))
            fail_msg("%s: \"%s\"", rows[i].map, error.message);
        assert_int_equal(r < 0, rows[i].message != NULL);
        if (r == 0)
            assert_int_equal(config->gid_map[0].outside, 7);
    }
}

/* config-linux.md, "Cgroup ownership". */
static void whose_the_cgroup_is(void **state)
{
    static const char cgroup_new[] = "{'type':'cgroup'}", users[] = ",{'type':'user'}";
    static const struct {
        const char *namespaces, *users, *options;
        long owner; /* -1: it stays whose it is */
    } rows[] = {
        {cgroup_new, users, "['rw']", 100007},
        {cgroup_new, users, "[]", 100007},
        {cgroup_new, users, "['nosuid','ro']", -1},
        {cgroup_new, users, "['rro']", -1},
        {cgroup_new, "", "['rw']", 7},
        {cgroup_new, ",{'type':'user','path':'/u'}", "['rw']", -1},
        {"{'type':'cgroup','path':'/c'}", users, "['rw']", -1},
        {"{'type':'uts'}", users, "['rw']", -1},
    };
    struct error error = ERROR_INIT;

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        _cleanup_json_ json_t *json = stage_parse(stage_base);
        _cleanup_config_ struct config *config = NULL;
        _cleanup_free_ char *spaces = NULL, *mounts = NULL;
        const char *maps = *rows[i].users ? "[{'containerID':0,'hostID':100000,'size':8}]" : NULL;
        uid_t owner = 0;
        if (asprintf(&spaces, "[{'type':'mount'},%s%s]", rows[i].namespaces, rows[i].users) < 0 ||
            asprintf(&mounts,
                     "[{'destination':'/sys/fs/cgroup','type':'cgroup','source':'cgroup',"
                     "'options':%s}]",
                     rows[i].options) < 0)
            fail_msg("no memory");
        stage_set(json, "process.user.uid", "7");
        stage_set(json, "hostname", NULL);
        stage_set(json, "linux.namespaces", spaces);
        stage_set(json, "linux.uidMappings", maps);
        stage_set(json, "linux.gidMappings", maps);
        stage_set(json, "mounts", mounts);
        if (config_read(json, STAGE_BUNDLE, &config, &error) < 0)
            fail_msg("%zu: %s", i, error.message);
        assert_int_equal(config_gives_cgroup(config, &owner), rows[i].owner >= 0);
        if (rows[i].owner >= 0)
            assert_int_equal(owner, rows[i].owner);
    }
}

static void users_outside(void **state)
{
    _cleanup_config_ struct config *config =
        stage_read("linux", "{'namespaces':[{'type':'mount'},{'type':'uts'},{'type':'user'}],"
                            "'uidMappings':[{'containerID':0,'hostID':100000,'size':8},"
                            "{'containerID':33,'hostID':5,'size':1}],"
                            "'gidMappings':[{'containerID':0,'hostID':0,'size':1}]}");
    uid_t outside;

    (void)state;
    assert_int_equal(config_outside_uid(config, 7, &outside), 0);
    assert_int_equal(outside, 100007);
    assert_int_equal(config_outside_uid(config, 33, &outside), 0);
    assert_int_equal(outside, 5);
    assert_int_equal(config_outside_uid(config, 8, &outside), -ENOENT);
}

static void clocks_have_offsets(void **state)
{
    static const struct stage_row rows[] = {
        {"linux.timeOffsets", "{}", NULL},
        {"linux.timeOffsets", "null", NULL},
        {"linux.timeOffsets", "{'monotonic':{'secs':-5,'nanosecs':999999999}}", NULL},
        {"linux.timeOffsets", "{'boottime':null}", NULL},
        {"linux.timeOffsets", "{'realtime':{'secs':1}}",
         "linux.timeOffsets.realtime: only boottime and monotonic"},
        {"linux.timeOffsets", "{'boottime':{'nanosecs':1000000000}}",
         "linux.timeOffsets.boottime.nanosecs: 1000000000 is not within 0..999999999"},
        {"linux.timeOffsets", "{'monotonic':{'secs':'1'}}",
         "linux.timeOffsets.monotonic.secs: must be an integer"},
        {"linux.timeOffsets", "{'monotonic':1}", "linux.timeOffsets.monotonic: must be an object"},
        {"linux.namespaces.2", "{'type':'time','path':'/t'}",
         "linux.timeOffsets: needs a new time namespace"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        _cleanup_json_ json_t *json = stage_parse(stage_base);
        _cleanup_config_ struct config *config = NULL;
        struct error error = ERROR_INIT;
        stage_set(json, "linux.namespaces.2", "{'type':'time'}");
        stage_set(json, "linux.timeOffsets", "{'boottime':{'secs':7}}");
        stage_set(json, rows[i].path, rows[i].value);
        int r = config_read(json, STAGE_BUNDLE, &config, &error);
        if (rows[i].message && strncmp(error.message, rows[i].message, strlen(rows[i].message)))
            fail_msg("%s: \"%s\"", rows[i].value, error.message);
        assert_int_equal(r < 0, rows[i].message != NULL);
        if (i == 2) {
            assert_true(config->monotonic_offset.is_given && !config->boottime_offset.is_given);
            assert_int_equal(config->monotonic_offset.secs, -5);
            assert_int_equal(config->monotonic_offset.nanosecs, 999999999);
        }
    }
}

/* ---- devices ---- */

static void devices(void **state)
{
    _cleanup_config_ struct config *config = stage_read(
        "linux.devices",
        "[{'type':'c','path':'/dev/fuse','major':10,'minor':229,'fileMode':438,'uid':1,'gid':2},"
        "{'type':'b','path':'/dev/sda','major':8,'minor':0,'fileMode':25008},"
        "{'type':'u','path':'/dev/u','major':4095,'minor':1048575,'fileMode':null},"
        "{'type':'p','path':'/pipe','major':-1}]");
    static const struct config_device rows[] = {
        {"/dev/fuse", S_IFCHR, 10, 229, 0666, 1, 2},
        {"/dev/sda", S_IFBLK, 8, 0, 0660, 0, 0},
        {"/dev/u", S_IFCHR, 4095, 1048575, 0666, 0, 0},
        {"/pipe", S_IFIFO, 0, 0, 0666, 0, 0},
    };

    (void)state;
    assert_int_equal(config->device_count, ARRAY_LENGTH(rows));
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const struct config_device *device = &config->devices[i];
        assert_string_equal(device->path, rows[i].path);
        assert_int_equal(device->type, rows[i].type);
        assert_int_equal(device->major, rows[i].major);
        assert_int_equal(device->minor, rows[i].minor);
        assert_int_equal(device->mode, rows[i].mode);
        assert_int_equal(device->uid, rows[i].uid);
        assert_int_equal(device->gid, rows[i].gid);
    }
}

static void devices_that_are_wrong(void **state)
{
    static const struct stage_row rows[] = {
        {"linux.devices", "[]", NULL},
        {"linux.devices", "[{'path':'/d','major':1,'minor':1}]",
         "linux.devices[0].type: is missing"},
        {"linux.devices", "[{'type':'d','path':'/d','major':1,'minor':1}]",
         "linux.devices[0].type: \"d\" is not one of c, b, u, p"},
        {"linux.devices", "[{'type':'c','major':1,'minor':1}]",
         "linux.devices[0].path: is missing"},
        {"linux.devices", "[{'type':'c','path':'d','major':1,'minor':1}]",
         "linux.devices[0].path: \"d\" is not an absolute path"},
        {"linux.devices", "[{'type':'c','path':'/d/','major':1,'minor':1}]",
         "linux.devices[0].path: \"/d/\" is not the path of a file"},
        {"linux.devices", "[{'type':'c','path':'/d','minor':1}]",
         "linux.devices[0].major: is missing"},
        {"linux.devices", "[{'type':'b','path':'/d','major':1}]",
         "linux.devices[0].minor: is missing"},
        {"linux.devices", "[{'type':'c','path':'/d','major':4096,'minor':1}]",
         "linux.devices[0].major: 4096 is not within 0..4095"},
        {"linux.devices", "[{'type':'c','path':'/d','major':1,'minor':-1}]",
         "linux.devices[0].minor: -1"},
        {"linux.devices", "[{'type':'p','path':'/d','fileMode':-1}]",
         "linux.devices[0].fileMode: -1"},
        {"linux.devices", "[{'type':'p','path':'/d','fileMode':65536}]",
         "linux.devices[0].fileMode: 65536"},
        {"linux.devices", "[{'type':'p','path':'/d','uid':4294967295}]", "linux.devices[0].uid: "},
        {"linux.devices", "[{'type':'p','path':'/d'},{'type':'p','path':'/d'}]",
         "linux.devices[1].path: \"/d\" is there twice"},
    };

    (void)state;
    STAGE_CHECK(rows);
}

static void network_devices(void **state)
{
    static const struct {
        const char *devices, *message;
    } rows[] = {
        {"{'eth0':{},'eth1':{'name':'lan%d'},'eth2':{'name':''}}", NULL},
        {"{'eth0':1}", "linux.netDevices.eth0: must be an object"},
        {"{'':{}}", "linux.netDevices.: is not the name of an interface"},
        {"{'a/b':{}}", "linux.netDevices.a/b: is not the name"},
        {"{'aaaaaaaaaaaaaaaa':{}}", "linux.netDevices.aaaaaaaaaaaaaaaa: is not the name"},
        {"{'eth0':{'name':'..'}}", "linux.netDevices.eth0.name: \"..\" is not the name"},
        {"{'eth0':{'name':'a b'}}", "linux.netDevices.eth0.name: \"a b\" is not the name"},
        {"{'eth0':{'name':'a%s'}}", "linux.netDevices.eth0.name: \"a%s\" is not the name"},
        {"{'eth0':{'name':'%d%d'}}", "linux.netDevices.eth0.name: "},
        {"{'eth0':{'name':'x'},'eth1':{'name':'x'}}",
         "linux.netDevices.eth1: \"x\" is there twice"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        _cleanup_json_ json_t *json = stage_parse(stage_base);
        _cleanup_config_ struct config *config = NULL;
        struct error error = ERROR_INIT;
        stage_set(json, "linux.namespaces.2", "{'type':'network'}");
        stage_set(json, "linux.netDevices", rows[i].devices);
        int r = config_read(json, STAGE_BUNDLE, &config, &error);
        if (rows[i].message && strncmp(error.message, rows[i].message, strlen(rows[i].message)))
            fail_msg("%s: \"%s\"", rows[i].devices, error.message);
        assert_int_equal(r < 0, rows[i].message != NULL);
        if (i == 0) {
            assert_int_equal(config->net_device_count, 3);
            assert_string_equal(config->net_devices[1].host_name, "eth1");
            assert_string_equal(config->net_devices[1].name, "lan%d");
            assert_string_equal(config->net_devices[2].name, "eth2");
        }
    }
}

/* ---- sysctls ---- */

struct sysctl_row {
    const char *namespace; /* one more, NULL: none */
    const char *sysctl, *path, *message;
};

static void check_sysctl(const struct sysctl_row *row)
{
    _cleanup_json_ json_t *json = stage_parse(stage_base);
    _cleanup_config_ struct config *config = NULL;
    struct error error = ERROR_INIT;

    if (row->namespace)
        stage_set(json, "linux.namespaces.2", row->namespace);
    stage_set(json, "linux.sysctl", row->sysctl);
    int r = config_read(json, STAGE_BUNDLE, &config, &error);
    if (row->path && r < 0)
        fail_msg("%s: %s", row->sysctl, error.message);
    if (row->path)
        assert_string_equal(config->sysctls[0].path, row->path);
    if (!row->path && r >= 0)
        fail_msg("taken: %s", row->sysctl);
    if (!row->path && !strstr(error.message, row->message))
        fail_msg("%s: \"%s\"", row->sysctl, error.message);
}

static void sysctls_of_own_namespaces(void **state)
{
    static const char net[] = "{'type':'network'}", ipc[] = "{'type':'ipc'}",
                      user[] = "{'type':'user','path':'/gone'}",
                      own[] = "{'type':'network','path':'/proc/self/ns/net'}",
                      other[] = "{'type':'network','path':'/run/netns/gone'}";
    static const struct sysctl_row rows[] = {
        {net, "{'net.ipv4.ip_forward':'1'}", "net/ipv4/ip_forward", NULL},
        {net, "{'net/ipv4/ip_forward':'1'}", "net/ipv4/ip_forward", NULL},
        {net, "{'net.ipv4.conf.eno2/100.rp_filter':'1'}", "net/ipv4/conf/eno2.100/rp_filter", NULL},
        {net, "{'net/ipv4/conf/eno2.100/rp_filter':'1'}", "net/ipv4/conf/eno2.100/rp_filter", NULL},
        {net, "{'net.ipv4.ip_local_port_range':'1024\\t65000'}", "net/ipv4/ip_local_port_range",
         NULL},
        {other, "{'net.core.somaxconn':'1'}", "net/core/somaxconn", NULL},
        {own, "{'net.core.somaxconn':'1'}", NULL, "needs a namespace of type network"},
        {NULL, "{'net.core.somaxconn':'1'}", NULL, "needs a namespace of type network"},
        {net, "{'net':'1'}", NULL, "would be set for the whole machine"},
        {net, "{'network.x':'1'}", NULL, "would be set for the whole machine"},
        {ipc, "{'kernel.shmmax':'1'}", "kernel/shmmax", NULL},
        {ipc, "{'kernel.msgmax':'1'}", "kernel/msgmax", NULL},
        {ipc, "{'kernel.sem':'1 2 3 4'}", "kernel/sem", NULL},
        {ipc, "{'kernel.shm_rmid_forced':'1'}", "kernel/shm_rmid_forced", NULL},
        {ipc, "{'fs.mqueue.msg_max':'1'}", "fs/mqueue/msg_max", NULL},
        {ipc, "{'fs.mqueue':'1'}", NULL, "would be set for the whole machine"},
        {ipc, "{'kernel.shmmaxx':'1'}", NULL, "would be set for the whole machine"},
        {ipc, "{'kernel.sem.x':'1'}", NULL, "would be set for the whole machine"},
        {NULL, "{'kernel.sem':'1'}", NULL, "needs a namespace of type ipc"},
        {NULL, "{'fs.mqueue.msg_max':'1'}", NULL, "needs a namespace of type ipc"},
        {NULL, "{'kernel.domainname':'x'}", "kernel/domainname", NULL},
        {NULL, "{'kernel.hostname':'x'}", NULL, "write it as hostname"},
        {user, "{'user.max_user_namespaces':'1'}", "user/max_user_namespaces", NULL},
        {NULL, "{'user.max_user_namespaces':'1'}", NULL, "needs a namespace of type user"},
        {NULL, "{'kernel.core_pattern':'|/x'}", NULL, "would be set for the whole machine"},
        {NULL, "{'vm.overcommit_memory':'1'}", NULL, "would be set for the whole machine"},
        {NULL, "{'fs.suid_dumpable':'1'}", NULL, "would be set for the whole machine"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        check_sysctl(&rows[i]);
}

/* CVE-2022-0811 and ways around a list. */
static void sysctls_that_try_to_escape(void **state)
{
    static const char net[] = "{'type':'network'}";
    static const struct sysctl_row rows[] = {
        {net, "{'net.ipv4.ip_forward':'1\\nkernel.core_pattern=x'}", NULL, "one line"},
        {net, "{'net.ipv4.ip_forward':'1\\u0001'}", NULL, "one line"},
        {net, "{'net.ipv4.ip_forward+kernel.core_pattern':'1'}", NULL, "only letters"},
        {net, "{'net.ipv4.ip_forward=1 kernel.core_pattern':'1'}", NULL, "only letters"},
        {net, "{'net/../kernel/core_pattern':'1'}", NULL, "empty part, or one of dots"},
        {net, "{'net.//.kernel.core_pattern':'1'}", NULL, "empty part, or one of dots"},
        {net, "{'net/./core/somaxconn':'1'}", NULL, "empty part, or one of dots"},
        {net, "{'net..core':'1'}", NULL, "empty part"},
        {net, "{'.net.core':'1'}", NULL, "empty part"},
        {net, "{'/net/core':'1'}", NULL, "empty part"},
        {net, "{'net.core.':'1'}", NULL, "empty part"},
        {net, "{'net.':'1'}", NULL, "empty part"},
        {net, "{'':'1'}", NULL, "empty part"},
        {net, "{'net.core.somaxconn':1}", NULL, "must be a string"},
        {net, "{'net.core.somaxconn':null}", NULL, "must be a string"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        check_sysctl(&rows[i]);
}

static void the_domain_name_is_said_once(void **state)
{
    _cleanup_json_ json_t *json = stage_parse(stage_base);
    _cleanup_config_ struct config *config = NULL;
    struct config *none = NULL;
    struct error error = ERROR_INIT;

    (void)state;
    stage_set(json, "domainname", "'a'");
    stage_set(json, "linux.sysctl", "{'kernel.domainname':'a'}");
    assert_int_equal(config_read(json, STAGE_BUNDLE, &config, &error), 0);
    stage_set(json, "linux.sysctl", "{'kernel.domainname':'b'}");
    assert_int_equal(config_read(json, STAGE_BUNDLE, &none, &error), -EINVAL);
    assert_non_null(strstr(error.message, "\"b\" is not what domainname of the config says"));
}

/* ---- the rest ---- */

static void words(void **state)
{
    static const struct stage_row rows[] = {
        {"linux.cgroupsPath", "''", NULL},
        {"linux.cgroupsPath", "1", "linux.cgroupsPath: must be a string"},
        {"linux.mountLabel", "1", "linux.mountLabel: must be a string"},
        {"linux.seccomp", "[]", "linux.seccomp: must be an object"},
        {"linux.seccomp", "null", NULL},
        {"linux.intelRdt", "{}", "linux.intelRdt: this runtime has no support"},
        {"linux.intelRdt", "null", NULL},
        {"linux.resources", "{}", NULL},
        {"linux.resources", "{'memory':{'limit':'1m'}}", "linux.resources.memory.limit: must be"},
        {"linux.maskedPaths", "['/proc/kcore']", NULL},
        {"linux.maskedPaths", "['/a','proc']",
         "linux.maskedPaths[1]: \"proc\" is not an absolute path"},
        {"linux.readonlyPaths", "['']", "linux.readonlyPaths[0]: \"\" is not an absolute path"},
        {"linux.readonlyPaths", "[1]", "linux.readonlyPaths[0]: must be a string"},
        {"linux.rootfsPropagation", "''", NULL},
        {"linux.rootfsPropagation", "'public'",
         "linux.rootfsPropagation: \"public\" is not one of shared"},
        {"linux.personality", "{'domain':'LINUX','flags':[]}", NULL},
        {"linux.personality", "{'domain':'BSD'}", "linux.personality.domain: \"BSD\" is not LINUX"},
        {"linux.personality", "{'domain':'LINUX','flags':['ADDR_NO_RANDOMIZE']}",
         "linux.personality.flags: there are no flags"},
        {"linux.personality", "{}", "linux.personality.domain: is missing"},
    };

    (void)state;
    STAGE_CHECK(rows);
}

static void what_is_kept_as_it_is(void **state)
{
    _cleanup_json_ json_t *json = stage_parse(stage_base);
    _cleanup_config_ struct config *config = NULL;
    struct error error = ERROR_INIT;

    (void)state;
    stage_set(json, "linux.cgroupsPath", "'machine.slice:a:b'");
    stage_set(json, "linux.seccomp", "{'defaultAction':'SCMP_ACT_ALLOW'}");
    stage_set(json, "linux.mountLabel", "'u:object_r:t:s0'");
    stage_set(json, "linux.personality", "{'domain':'LINUX32'}");
    stage_set(json, "linux.resources", "{'memory':{'limit':1048576}}");
    stage_set(json, "linux.maskedPaths", "['/proc/kcore','/b']");
    stage_set(json, "annotations", "{'a':'b'}");
    assert_int_equal(config_read(json, STAGE_BUNDLE, &config, &error), 0);
    assert_string_equal(config->cgroups_path, "machine.slice:a:b");
    assert_true(json_is_object(config->seccomp));
    assert_string_equal(config->mount_label, "u:object_r:t:s0");
    assert_true(config->has_personality);
    assert_int_equal(config->personality, PER_LINUX32);
    assert_non_null(config->resources);
    assert_string_equal(config->masked_paths[1], "/b");
    assert_null(config->masked_paths[2]);
    assert_string_equal(json_string_value(json_object_get(config->annotations, "a")), "b");
}

static void propagations_of_the_root(void **state)
{
    static const struct {
        const char *word;
        uint64_t value;
    } rows[] = {
        {"'private'", MS_PRIVATE},       {"'rprivate'", MS_PRIVATE | MS_REC},
        {"'slave'", MS_SLAVE},           {"'rslave'", MS_SLAVE | MS_REC},
        {"'shared'", MS_SHARED},         {"'rshared'", MS_SHARED | MS_REC},
        {"'unbindable'", MS_UNBINDABLE}, {"'runbindable'", MS_UNBINDABLE | MS_REC},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        _cleanup_config_ struct config *config =
            stage_read("linux.rootfsPropagation", rows[i].word);
        assert_int_equal(config->root_propagation, rows[i].value);
    }
}

static void memory_policies(void **state)
{
    static const struct {
        const char *text;
        int mode;
        uint64_t first, last;
    } rows[] = {
        {"{'mode':'MPOL_DEFAULT'}", 0, 0, 0},
        {"{'mode':'MPOL_PREFERRED','nodes':''}", 1, 0, 0},
        {"{'mode':'MPOL_BIND','nodes':'0-3,7'}", 2, 0x8f, 0},
        {"{'mode':'MPOL_INTERLEAVE','nodes':'2-3','flags':['MPOL_F_STATIC_NODES']}", 3 | 1 << 15,
         0xc, 0},
        {"{'mode':'MPOL_LOCAL','flags':['MPOL_F_RELATIVE_NODES']}", 4 | 1 << 14, 0, 0},
        {"{'mode':'MPOL_PREFERRED_MANY','nodes':'1023'}", 5, 0, UINT64_C(1) << 63},
        {"{'mode':'MPOL_WEIGHTED_INTERLEAVE','nodes':'0','flags':['MPOL_F_NUMA_BALANCING']}",
         6 | 1 << 13, 1, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        _cleanup_config_ struct config *config = stage_read("linux.memoryPolicy", rows[i].text);
        assert_true(config->memory_policy.is_given);
        assert_int_equal(config->memory_policy.mode, rows[i].mode);
        assert_int_equal(config->memory_policy.nodes[0], rows[i].first);
        assert_true(config->memory_policy.nodes[15] == rows[i].last);
    }
}

static void memory_policies_that_are_wrong(void **state)
{
    static const struct stage_row rows[] = {
        {"linux.memoryPolicy", "{}", "linux.memoryPolicy.mode: is missing"},
        {"linux.memoryPolicy", "{'mode':'BIND'}",
         "linux.memoryPolicy.mode: \"BIND\" is not a mode"},
        {"linux.memoryPolicy", "{'mode':'MPOL_DEFAULT','nodes':'0'}",
         "linux.memoryPolicy.nodes: MPOL_DEFAULT takes no nodes"},
        {"linux.memoryPolicy", "{'mode':'MPOL_BIND'}",
         "linux.memoryPolicy.nodes: is missing; MPOL_BIND needs nodes"},
        {"linux.memoryPolicy", "{'mode':'MPOL_BIND','nodes':'1024'}",
         "linux.memoryPolicy.nodes: \"1024\" is not a list"},
        {"linux.memoryPolicy", "{'mode':'MPOL_BIND','nodes':'0','flags':['X']}",
         "linux.memoryPolicy.flags[0]: \"X\" is not a flag"},
        {"linux.memoryPolicy",
         "{'mode':'MPOL_BIND','nodes':'0','flags':['MPOL_F_STATIC_NODES','MPOL_F_RELATIVE_NODES']}",
         "linux.memoryPolicy.flags: MPOL_F_STATIC_NODES and"},
    };

    (void)state;
    STAGE_CHECK(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(namespaces_of_all_types),
        cmocka_unit_test(namespaces_that_are_wrong),
        cmocka_unit_test(mappings),
        cmocka_unit_test(whose_the_cgroup_is),
        cmocka_unit_test(users_outside),
        cmocka_unit_test(clocks_have_offsets),
        cmocka_unit_test(devices),
        cmocka_unit_test(devices_that_are_wrong),
        cmocka_unit_test(network_devices),
        cmocka_unit_test(sysctls_of_own_namespaces),
        cmocka_unit_test(sysctls_that_try_to_escape),
        cmocka_unit_test(the_domain_name_is_said_once),
        cmocka_unit_test(words),
        cmocka_unit_test(what_is_kept_as_it_is),
        cmocka_unit_test(propagations_of_the_root),
        cmocka_unit_test(memory_policies),
        cmocka_unit_test(memory_policies_that_are_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
