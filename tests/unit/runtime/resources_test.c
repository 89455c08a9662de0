/* SPDX-License-Identifier: Apache-2.0 */
/* linux.resources read whole: every key, every refusal with its path. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "supervisor/runtime/cgroup_internal.h"
#include "supervisor/runtime/resources.h"

static struct error error;

/* JSON with ' for ". */
static json_t *parse(const char *text)
{
    _cleanup_free_ char *json = strdup(text);
    json_error_t wrong;

    for (char *at = json; (at = strchr(at, '\'')); at++)
        *at = '"';
    json_t *object = json_loads(json, 0, &wrong);
    if (!object)
        fail_msg("%s: %s", text, wrong.text);
    return object;
}

static int read_text(const char *text, struct cgroup_resources **resources)
{
    json_t *object = parse(text);
    int r = resources_read(object, resources, &error);

    json_decref(object); /* the result keeps nothing of it */
    return r;
}

static struct cgroup_resources *expect(const char *text)
{
    struct cgroup_resources *resources;

    if (read_text(text, &resources) < 0)
        fail_msg("%s: %s", text, error.message);
    return resources;
}

static void test_empty(void **state)
{
    static const struct cgroup_resources nothing = {0};
    _cleanup_resources_ struct cgroup_resources *resources = expect("{}");

    (void)state;
    assert_memory_equal(resources, &nothing, sizeof(nothing));
    resources_free(NULL);
}

/* Encoders write null for what is not set: it must not become a limit of 0. */
static void test_nulls(void **state)
{
    static const struct cgroup_resources nothing = {0};
    _cleanup_resources_ struct cgroup_resources *resources =
        expect("{'memory':{'limit':null,'swappiness':null,'disableOOMKiller':null},"
               "'cpu':{'burst':null,'idle':null,'cpus':null},'pids':{'limit':null}}");
    _cleanup_resources_ struct cgroup_resources *lists =
        expect("{'network':{'classID':null,'priorities':null},'rdma':{'mlx5_1':"
               "{'hcaHandles':null,'hcaObjects':7}}}");

    (void)state;
    assert_memory_equal(resources, &nothing, sizeof(nothing));
    assert_false(lists->has_network_class);
    assert_false(lists->rdma[0].has_handles);
    assert_true(lists->rdma[0].has_objects);
}

static void test_memory_and_pids(void **state)
{
    _cleanup_resources_ struct cgroup_resources *resources =
        expect("{'memory':{'limit':1000,'reservation':-1,'swap':2000,'kernel':-1,'kernelTCP':5,"
               "'swappiness':0,'disableOOMKiller':false,'useHierarchy':true,"
               "'checkBeforeUpdate':true},'pids':{'limit':0}}");

    (void)state;
    assert_int_equal(resources->memory_limit, 1000);
    assert_int_equal(resources->memory_reservation, -1);
    assert_int_equal(resources->memory_swap, 2000);
    assert_true(resources->has_swappiness);
    assert_int_equal(resources->swappiness, 0);
    assert_true(resources->has_oom_killer);
    assert_false(resources->is_oom_killer_disabled);
    assert_true(resources->is_usage_checked);
    assert_true(resources->has_pids_limit);
    assert_int_equal(resources->pids_limit, 0);
}

static void test_cpu(void **state)
{
    _cleanup_resources_ struct cgroup_resources *resources =
        expect("{'cpu':{'shares':1000000,'quota':-1,'burst':0,'period':50000,"
               "'realtimeRuntime':950000,'realtimePeriod':1000000,'cpus':'2-3','mems':'0-7,9',"
               "'idle':1}}");

    (void)state;
    assert_int_equal(resources->cpu_shares, 1000000);
    assert_int_equal(resources->cpu_quota, -1);
    assert_int_equal(resources->cpu_period, 50000);
    assert_true(resources->has_cpu_burst);
    assert_int_equal(resources->cpu_burst, 0);
    assert_int_equal(resources->cpu_realtime_runtime, 950000);
    assert_int_equal(resources->cpu_realtime_period, 1000000);
    assert_string_equal(resources->cpus, "2-3");
    assert_string_equal(resources->mems, "0-7,9");
    assert_true(resources->has_cpu_idle);
    assert_int_equal(resources->cpu_idle, 1);
    _cleanup_resources_ struct cgroup_resources *empty = expect("{'cpu':{'cpus':'','mems':''}}");
    assert_null(empty->cpus);
    assert_null(empty->mems);
}

static void test_block_io(void **state)
{
    _cleanup_resources_ struct cgroup_resources *resources =
        expect("{'blockIO':{'weight':10,'leafWeight':20,'weightDevice':[{'major':8,'minor':0,"
               "'weight':500,'leafWeight':300},{'major':8,'minor':16,'weight':500}],"
               "'throttleReadBpsDevice':[{'major':8,'minor':0,'rate':600}],"
               "'throttleWriteBpsDevice':[],"
               "'throttleWriteIOPSDevice':[{'major':8,'minor':16,'rate':0}]}}");

    (void)state;
    assert_int_equal(resources->io_weight, 10);
    assert_int_equal(resources->io_leaf_weight, 20);
    assert_int_equal(resources->weight_count, 2);
    assert_int_equal(resources->weights[0].leaf_weight, 300);
    assert_int_equal(resources->weights[1].minor, 16);
    assert_int_equal(resources->weights[1].weight, 500);
    assert_int_equal(resources->throttle_count, 2);
    assert_int_equal(resources->throttles[0].kind, CGROUP_READ_BPS);
    assert_int_equal(resources->throttles[0].rate, 600);
    assert_int_equal(resources->throttles[1].kind, CGROUP_WRITE_IOPS);
    assert_int_equal(resources->throttles[1].rate, 0);
}

static void test_rest(void **state)
{
    _cleanup_resources_ struct cgroup_resources *resources =
        expect("{'hugepageLimits':[{'pageSize':'2MB','limit':0},{'pageSize':'64KB','limit':99}],"
               "'network':{'classID':1048577,'priorities':[{'name':'eth0','priority':500}]},"
               "'rdma':{'mlx5_1':{'hcaHandles':3,'hcaObjects':10000},'rxe3':{'hcaObjects':7}},"
               "'unified':{'io.max':'259:0 rbps=2097152\\n253:0 wiops=120','pids.max':''}}");

    (void)state;
    assert_int_equal(resources->hugepage_count, 2);
    assert_string_equal(resources->hugepages[0].page_size, "2MB");
    assert_int_equal(resources->hugepages[0].limit, 0);
    assert_string_equal(resources->hugepages[1].page_size, "64KB");
    assert_true(resources->has_network_class);
    assert_int_equal(resources->network_class, 1048577);
    assert_int_equal(resources->priority_count, 1);
    assert_string_equal(resources->priorities[0].interface, "eth0");
    assert_int_equal(resources->priorities[0].priority, 500);
    assert_int_equal(resources->rdma_count, 2);
    assert_string_equal(resources->rdma[0].device, "mlx5_1");
    assert_true(resources->rdma[0].has_handles && resources->rdma[0].has_objects);
    assert_int_equal(resources->rdma[0].handles, 3);
    assert_false(resources->rdma[1].has_handles);
    assert_int_equal(resources->rdma[1].objects, 7);
    assert_int_equal(resources->unified_count, 2);
    assert_string_equal(resources->unified[0].file, "io.max");
    assert_string_equal(resources->unified[0].value, "259:0 rbps=2097152\n253:0 wiops=120");
    assert_null(resources->unified[1].value);
}

static void test_devices(void **state)
{
    _cleanup_resources_ struct cgroup_resources *resources =
        expect("{'devices':[{'allow':false,'access':'rwm'},"
               "{'allow':true,'type':'c','major':10,'minor':229,'access':'rw'},"
               "{'allow':true,'type':'','major':-1,'access':''}]}");

    (void)state;
    assert_int_equal(resources->device_count, 3);
    assert_false(resources->devices[0].is_allow);
    assert_int_equal(resources->devices[0].type, 'a');
    assert_int_equal(resources->devices[0].major, -1);
    assert_int_equal(resources->devices[1].minor, 229);
    assert_string_equal(resources->devices[1].access, "rw");
    assert_int_equal(resources->devices[2].type, 'a');
    assert_string_equal(resources->devices[2].access, "rwm");

    /* The defaults come behind, and alone they come behind a denial of everything. */
    assert_int_equal(resources_allow_default_devices(resources, &error), 0);
    assert_int_equal(resources->device_count, 3 + 10);
    assert_int_equal(resources->devices[1].minor, 229);
    assert_int_equal(resources->devices[5].minor, 3);
    _cleanup_resources_ struct cgroup_resources *none = expect("{}");
    assert_int_equal(resources_allow_default_devices(none, &error), 0);
    assert_int_equal(none->device_count, 1 + 10);
    assert_false(none->devices[0].is_allow);
    for (size_t i = 1; i < none->device_count; i++)
        assert_true(none->devices[i].is_allow && none->devices[i].type != 'a');
    assert_int_equal(cgroup_device_check(none, &error), 0);
}

static void test_refusals(void **state)
{
    static const struct {
        const char *text;
        int code;
        const char *message;
    } cases[] = {
        {"[]", -EINVAL, "linux.resources: must be an object"},
        {"{'memory':[]}", -EINVAL, "linux.resources.memory: must be an object"},
        {"{'memory':{'limit':'1m'}}", -EINVAL, "linux.resources.memory.limit: must be an integer"},
        {"{'memory':{'limit':-2}}", -ERANGE, "linux.resources.memory.limit: -2 is not within"},
        {"{'memory':{'swappiness':101}}", -ERANGE, "linux.resources.memory.swappiness: 101"},
        {"{'cpu':{'shares':-1}}", -ERANGE, "linux.resources.cpu.shares: -1"},
        {"{'cpu':{'idle':2}}", -ERANGE, "linux.resources.cpu.idle: 2"},
        {"{'cpu':{'quota':10,'burst':11}}", -EINVAL,
         "linux.resources.cpu.burst: 11 is above cpu.quota 10"},
        {"{'cpu':{'cpus':'all'}}", -EINVAL,
         "linux.resources.cpu.cpus: \"all\" is not a list such as 0-3,7"},
        {"{'cpu':{'mems':'0\\n1'}}", -EINVAL, "linux.resources.cpu.mems:"},
        {"{'pids':{'limit':1.5}}", -EINVAL, "linux.resources.pids.limit: must be an integer"},
        {"{'blockIO':{'weight':65536}}", -ERANGE, "linux.resources.blockIO.weight: 65536"},
        {"{'blockIO':{'weightDevice':[{'major':8,'minor':0}]}}", -EINVAL,
         "linux.resources.blockIO.weightDevice[0]: needs a weight or a leafWeight"},
        {"{'blockIO':{'throttleReadBpsDevice':[{'major':8,'minor':0}]}}", -EINVAL,
         "linux.resources.blockIO.throttleReadBpsDevice[0].rate: is missing"},
        {"{'blockIO':{'throttleReadIOPSDevice':[{'major':4096,'minor':0,'rate':1}]}}", -ERANGE,
         "linux.resources.blockIO.throttleReadIOPSDevice[0].major: 4096"},
        {"{'devices':[{}]}", -EINVAL, "linux.resources.devices[0].allow: is missing"},
        {"{'devices':[{'allow':true,'type':'u'}]}", -EINVAL,
         "linux.resources.devices[0].type: \"u\" is not one of a, b, c"},
        {"{'devices':[{'allow':true,'access':'rwmr'}]}", -EINVAL,
         "linux.resources.devices[0].access: \"rwmr\" is not made of r, w, m"},
        {"{'devices':[{'allow':true,'minor':1048576}]}", -ERANGE,
         "linux.resources.devices[0].minor: 1048576"},
        {"{'hugepageLimits':[{'pageSize':'2MB'}]}", -EINVAL,
         "linux.resources.hugepageLimits[0].limit: is missing"},
        {"{'hugepageLimits':[{'pageSize':'../2MB','limit':1}]}", -EINVAL,
         "linux.resources.hugepageLimits[0].pageSize: \"../2MB\" is not a size"},
        {"{'hugepageLimits':[{'pageSize':'2MiB','limit':1}]}", -EINVAL, "pageSize: \"2MiB\""},
        {"{'hugepageLimits':[{'pageSize':'12345678901KB','limit':1}]}", -EINVAL, "pageSize:"},
        {"{'hugepageLimits':[{'pageSize':'02MB','limit':1}]}", -EINVAL, "pageSize: \"02MB\""},
        {"{'network':{'classID':4294967296}}", -ERANGE, "linux.resources.network.classID:"},
        {"{'network':{'priorities':[{'name':'a b','priority':1}]}}", -EINVAL,
         "linux.resources.network.priorities[0].name: \"a b\""},
        {"{'network':{'priorities':[{'name':'sixteen-letters-','priority':1}]}}", -EINVAL,
         "linux.resources.network.priorities[0].name:"},
        {"{'rdma':{'mlx':{}}}", -EINVAL,
         "linux.resources.rdma.mlx: needs hcaHandles or hcaObjects"},
        {"{'rdma':{'m x':{'hcaObjects':1}}}", -EINVAL, "linux.resources.rdma.m x: is not the name"},
        {"{'rdma':{'mlx':{'hcaObjects':4294967296}}}", -ERANGE,
         "linux.resources.rdma.mlx.hcaObjects:"},
        {"{'unified':{'memory.max':1}}", -EINVAL,
         "linux.resources.unified.memory.max: must be a string"},
        {"{'unified':{'a/memory.max':'1'}}", -EINVAL,
         "linux.resources.unified: \"a/memory.max\" is not the name of a cgroup file"},
        {"{'unified':{'..':'1'}}", -EINVAL, "linux.resources.unified: \"..\" is not of the form"},
        {"{'unified':{'memory':'1'}}", -EINVAL, "\"memory\" is not of the form"},
        {"{'unified':{'':'1'}}", -EINVAL, "linux.resources.unified: \"\""},
        {"{'unified':{'cgroup.procs':'1'}}", -EINVAL, "\"cgroup.procs\" is managed by the runtime"},
        {"{'rdma':{'a':{'hcaHandles':null}}}", -EINVAL, "needs hcaHandles or hcaObjects"},
        {"{'unified':{'cgroup.subtree_control':'-pids'}}", -EINVAL, "is managed by the runtime"},
    };
    struct cgroup_resources *resources;

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        int r = read_text(cases[i].text, &resources);
        if (r != cases[i].code || !strstr(error.message, cases[i].message))
            fail_msg("%s: %d, %s", cases[i].text, r, error.message);
        assert_null(resources);
    }
}

/* A list of count entries is refused, one shorter is not. */
static void assert_bound(const char *key, const char *entry, size_t max)
{
    for (size_t count = max; count <= max + 1; count++) {
        json_t *whole = json_object(), *list = json_array();
        struct cgroup_resources *resources;
        for (size_t i = 0; i < count; i++)
            json_array_append_new(list, parse(entry));
        json_object_set_new(whole, key, list);
        int r = resources_read(whole, &resources, &error);
        json_decref(whole);
        assert_int_equal(r, count > max ? -E2BIG : 0);
        resources_free(resources);
    }
}

static void test_bounds(void **state)
{
    json_t *whole = json_object(), *unified = json_object();
    struct cgroup_resources *resources;
    char name[64], *text = calloc(1, 5000);

    (void)state;
    assert_bound("devices", "{'allow':true}", 256);
    assert_bound("hugepageLimits", "{'pageSize':'2MB','limit':1}", 256);
    memset(text, '1', 4096);
    json_object_set_new(unified, "memory.max", json_string(text));
    json_object_set(whole, "unified", unified);
    assert_int_equal(resources_read(whole, &resources, &error), -E2BIG);
    text[4095] = '\0';
    json_object_set_new(unified, "memory.max", json_string(text));
    assert_int_equal(resources_read(whole, &resources, &error), 0);
    resources_free(resources);
    for (int i = 0; i < 256; i++) {
        snprintf(name, sizeof(name), "a.%d", i);
        json_object_set_new(unified, name, json_string("1"));
    }
    assert_int_equal(resources_read(whole, &resources, &error), -E2BIG);
    free(text);
    json_decref(unified);
    json_decref(whole);

    /* The defaults need room too. */
    struct cgroup_device_rule *rules = calloc(250, sizeof(*rules));
    struct cgroup_resources full = {.devices = rules, .device_count = 250};
    assert_int_equal(resources_allow_default_devices(&full, &error), -E2BIG);
    assert_int_equal(full.device_count, 250);
    free(rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),           cmocka_unit_test(test_nulls),
        cmocka_unit_test(test_memory_and_pids), cmocka_unit_test(test_cpu),
        cmocka_unit_test(test_block_io),        cmocka_unit_test(test_rest),
        cmocka_unit_test(test_devices),         cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
