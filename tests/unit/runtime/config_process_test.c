/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/runtime/config_stage.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/resource.h>

static struct config_process *read_process(const char *text)
{
    _cleanup_json_ json_t *json = stage_parse(text);
    struct config_process *process = NULL;
    struct error error = ERROR_INIT;

    if (config_process_read(json, &process, &error) < 0)
        fail_msg("%s: %s", text, error.message);
    return process;
}

static uint64_t bit(int capability)
{
    return UINT64_C(1) << capability;
}

static void a_process_alone_with_everything(void **state)
{
    struct config_process *process = read_process(
        "{'terminal':true,'consoleSize':{'height':25,'width':80},"
        "'user':{'uid':1000,'gid':100,'umask':63,'additionalGids':[5,4294967294]},"
        "'args':['sh','-c','x'],'env':['A=1','B='],'cwd':'/srv','noNewPrivileges':true,"
        "'oomScoreAdj':-500,'apparmorProfile':'p','selinuxLabel':'u:r:t:s0',"
        "'ioPriority':{'class':'IOPRIO_CLASS_BE','priority':4},"
        "'execCPUAffinity':{'initial':'0-3,7','final':'1023'}}");

    (void)state;
    assert_true(process->has_terminal);
    assert_int_equal(process->console_rows, 25);
    assert_int_equal(process->console_columns, 80);
    assert_int_equal(process->uid, 1000);
    assert_int_equal(process->gid, 100);
    assert_true(process->has_umask);
    assert_int_equal(process->umask, 077);
    assert_int_equal(process->additional_gid_count, 2);
    assert_int_equal(process->additional_gids[1], 4294967294);
    assert_string_equal(process->args[2], "x");
    assert_null(process->args[3]);
    assert_string_equal(process->env[1], "B=");
    assert_string_equal(process->cwd, "/srv");
    assert_true(process->no_new_privileges);
    assert_true(process->has_oom_score_adj);
    assert_int_equal(process->oom_score_adj, -500);
    assert_string_equal(process->apparmor_profile, "p");
    assert_string_equal(process->selinux_label, "u:r:t:s0");
    assert_true(process->has_io_priority);
    assert_int_equal(process->io_priority, 2 << 13 | 4);
    assert_true(process->has_initial_affinity && process->has_final_affinity);
    assert_int_equal(CPU_COUNT(&process->initial_affinity), 5);
    assert_true(CPU_ISSET(7, &process->initial_affinity));
    assert_true(CPU_ISSET(1023, &process->final_affinity));
    config_process_free(process);
}

static void what_is_not_given_is_left_alone(void **state)
{
    struct config_process *process =
        read_process("{'args':['a'],'cwd':'/','apparmorProfile':'','selinuxLabel':'',"
                     "'consoleSize':{'height':'high'},'oomScoreAdj':null,'capabilities':null}");

    (void)state;
    assert_int_equal(process->uid, 0);
    assert_false(process->has_umask);
    assert_false(process->has_oom_score_adj);
    assert_false(process->has_io_priority);
    assert_false(process->has_initial_affinity || process->has_final_affinity);
    assert_false(process->capabilities.is_given);
    assert_false(process->scheduler.is_given);
    assert_false(process->no_new_privileges);
    assert_null(process->apparmor_profile);
    assert_null(process->selinux_label);
    assert_null(process->env[0]);
    assert_string_equal(process->notes, "");
    config_process_free(process);
}

static void every_key_good_and_bad(void **state)
{
    static const struct stage_row rows[] = {
        {"process.cwd", "'etc'", "process.cwd: \"etc\" is not an absolute path"},
        {"process.cwd", NULL, "process.cwd: is missing"},
        {"process.args", NULL, "process.args: is missing"},
        {"process.args", "[]", "process.args: is empty; name the program"},
        {"process.args", "['']", "process.args[0]: is empty; name the program"},
        {"process.args", "['a','']", NULL},
        {"process.args", "'sh'", "process.args: must be an array"},
        {"process.args", "['a',1]", "process.args[1]: must be a string"},
        {"process.env", "['A']", NULL},
        {"process.env", "[null]", "process.env[0]: must be a string"},
        {"process.terminal", "1", "process.terminal: must be true or false"},
        {"process.user", NULL, NULL},
        {"process.user", "{'gid':0}", "process.user.uid: is missing"},
        {"process.user.uid", "4294967294", NULL},
        {"process.user.uid", "4294967295", "process.user.uid: 4294967295 is not within"},
        {"process.user.uid", "4294967296", "process.user.uid: 4294967296 is not within"},
        {"process.user.uid", "18446744073709551615",
         "process.user.uid: 18446744073709551615 is more than"},
        {"process.user.uid", "-1", "process.user.uid: -1 is not within 0..4294967294"},
        {"process.user.uid", "'0'", "process.user.uid: must be an integer"},
        {"process.user.uid", "0.0", "process.user.uid: must be an integer"},
        {"process.user.gid", "-1", "process.user.gid: -1 is not within"},
        {"process.user.umask", "511", NULL},
        {"process.user.umask", "512", "process.user.umask: 512 is not within 0..511"},
        {"process.user.additionalGids", "[4294967295]",
         "process.user.additionalGids[0]: 4294967295 is not within"},
        {"process.user.additionalGids", "[0,'x']",
         "process.user.additionalGids[1]: must be an integer"},
        {"process.user.additionalGids", "null", NULL},
        {"process.oomScoreAdj", "1000", NULL},
        {"process.oomScoreAdj", "-1001", "process.oomScoreAdj: -1001 is not within -1000..1000"},
        {"process.noNewPrivileges", "'true'", "process.noNewPrivileges: must be true or false"},
        {"process.ioPriority", "{'class':'IOPRIO_CLASS_RT','priority':7}", NULL},
        {"process.ioPriority", "{'class':'IOPRIO_CLASS_IDLE','priority':0}", NULL},
        {"process.ioPriority", "{'class':'IOPRIO_CLASS_RT','priority':8}",
         "process.ioPriority.priority: 8 is not within 0..7"},
        {"process.ioPriority", "{'class':'IOPRIO_CLASS_RT','priority':-1}",
         "process.ioPriority.priority: -1"},
        {"process.ioPriority", "{'class':'BE','priority':1}",
         "process.ioPriority.class: \"BE\" is not one of"},
        {"process.ioPriority", "{'priority':1}", "process.ioPriority.class: is missing"},
        {"process.execCPUAffinity", "{'initial':'','final':''}", NULL},
        {"process.execCPUAffinity", "{'initial':'a'}",
         "process.execCPUAffinity.initial: \"a\" is not a list"},
        {"process.execCPUAffinity", "{'final':'1024'}",
         "process.execCPUAffinity.final: \"1024\" is not a list of numbers below 1024"},
        {"process.selinuxLabel", "[]", "process.selinuxLabel: must be a string"},
        {"process.apparmorProfile", "1", "process.apparmorProfile: must be a string"},
    };

    (void)state;
    STAGE_CHECK(rows);
}

static void a_console_has_a_size_if_there_is_one(void **state)
{
    static const struct {
        const char *size, *message;
    } rows[] = {
        {"{'height':65535,'width':0}", NULL},
        {"{'height':65536,'width':1}", "process.consoleSize.height: 65536 is not within 0..65535"},
        {"{'height':1,'width':-1}", "process.consoleSize.width: -1"},
        {"{'height':1}", "process.consoleSize.width: is missing"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        _cleanup_json_ json_t *json = stage_parse(stage_base);
        _cleanup_config_ struct config *config = NULL;
        struct error error = ERROR_INIT;
        stage_set(json, "process.terminal", "true");
        stage_set(json, "process.consoleSize", rows[i].size);
        int r = config_read(json, STAGE_BUNDLE, &config, &error);
        assert_int_equal(r < 0, rows[i].message != NULL);
        if (rows[i].message)
            assert_memory_equal(error.message, rows[i].message, strlen(rows[i].message));
    }
}

static void capabilities_by_name(void **state)
{
    _cleanup_config_ struct config *config =
        stage_read("process.capabilities", "{'bounding':['CAP_CHOWN','CAP_KILL','CAP_CHOWN'],"
                                           "'permitted':['CAP_CHOWN','cap_kill'],"
                                           "'effective':['CAP_KILL'],"
                                           "'inheritable':['CAP_KILL'],'ambient':['CAP_KILL']}");
    const struct config_capabilities *capabilities = &config->process->capabilities;

    (void)state;
    assert_true(capabilities->is_given);
    assert_int_equal(capabilities->bounding, bit(CAP_CHOWN) | bit(CAP_KILL));
    assert_int_equal(capabilities->permitted, bit(CAP_CHOWN) | bit(CAP_KILL));
    assert_int_equal(capabilities->effective, bit(CAP_KILL));
    assert_int_equal(capabilities->inheritable, bit(CAP_KILL));
    assert_int_equal(capabilities->ambient, bit(CAP_KILL));
    assert_string_equal(config->process->notes, "");
}

static void capabilities_that_cannot_be_are_left_out_with_a_note(void **state)
{
    _cleanup_config_ struct config *config =
        stage_read("process.capabilities", "{'bounding':['CAP_MAGIC','CAP_KILL'],"
                                           "'permitted':['CAP_MAGIC','CAP_KILL'],"
                                           "'effective':['CAP_CHOWN','CAP_KILL'],"
                                           "'ambient':['CAP_KILL']}");
    const struct config_capabilities *capabilities = &config->process->capabilities;

    (void)state;
    assert_int_equal(capabilities->bounding, bit(CAP_KILL));
    assert_int_equal(capabilities->effective, bit(CAP_KILL));
    assert_int_equal(capabilities->ambient, 0);
    assert_string_equal(config->process->notes,
                        "process.capabilities: CAP_MAGIC is not known and left out\n"
                        "process.capabilities.effective: CAP_CHOWN is left out, for it is not in "
                        "permitted\n"
                        "process.capabilities.ambient: CAP_KILL is left out, for it is not in "
                        "permitted and inheritable");
}

static void a_note_is_one_line(void **state)
{
    _cleanup_config_ struct config *config =
        stage_read("process.capabilities", "{'bounding':['CAP_A\\nall\\u001b is well']}");

    (void)state;
    assert_string_equal(config->process->notes,
                        "process.capabilities: CAP_A?all? is well is not known and left out");
}

static void notes_have_bounds(void **state)
{
    _cleanup_json_ json_t *json = stage_parse(stage_base), *set = json_array();
    _cleanup_config_ struct config *config = NULL;
    struct error error = ERROR_INIT;

    (void)state;
    for (int i = 0; i < 1000; i++)
        json_array_append_new(set, json_sprintf("CAP_%d_%0*d", i, 100, 0));
    json_object_set_new(json_object_get(json, "process"), "capabilities",
                        json_pack("{s:O}", "bounding", set));
    assert_int_equal(config_read(json, STAGE_BUNDLE, &config, &error), 0);
    assert_in_range(strlen(config->process->notes), 200, sizeof(config->process->notes) - 1);
    assert_int_equal(config->process->capabilities.bounding, 0);
}

static void capabilities_that_are_wrong(void **state)
{
    static const struct stage_row rows[] = {
        {"process.capabilities", "{}", NULL},
        {"process.capabilities", "{'bounding':null}", NULL},
        {"process.capabilities", "{'bounding':'CAP_KILL'}",
         "process.capabilities.bounding: must be an array"},
        {"process.capabilities", "{'ambient':[1]}",
         "process.capabilities.ambient[0]: must be a string"},
        {"process.capabilities", "['CAP_KILL']", "process.capabilities: must be an object"},
    };

    (void)state;
    STAGE_CHECK(rows);
}

static void capabilities_have_names_and_numbers(void **state)
{
    (void)state;
    assert_int_equal(capability_number("CAP_CHOWN"), CAP_CHOWN);
    assert_int_equal(capability_number("cap_net_bind_service"), CAP_NET_BIND_SERVICE);
    assert_int_equal(capability_number("CAP_CHECKPOINT_RESTORE"), CAP_CHECKPOINT_RESTORE);
    assert_int_equal(capability_number("CHOWN"), -EINVAL);
    assert_int_equal(capability_number("CAP_EVERYTHING"), -EINVAL);
    assert_int_equal(capability_number(""), -EINVAL);
    for (int number = 0; number <= CAP_LAST_CAP; number++)
        assert_int_equal(capability_number(capability_name(number)), number);
    assert_null(capability_name(-1));
    assert_null(capability_name(64));
    assert_string_equal(capability_name(CAP_SYS_ADMIN), "CAP_SYS_ADMIN");
    assert_in_range(capability_last(), 30, 63);
}

static void rlimits_take_all_64_bits(void **state)
{
    _cleanup_config_ struct config *config =
        stage_read("process.rlimits", "[{'type':'RLIMIT_NOFILE','soft':1024,'hard':4096},"
                                      "{'type':'RLIMIT_CORE','soft':9223372036854775808,"
                                      "'hard':18446744073709551615}]");
    const struct config_rlimit *limits = config->process->rlimits;

    (void)state;
    assert_int_equal(config->process->rlimit_count, 2);
    assert_int_equal(limits[0].resource, RLIMIT_NOFILE);
    assert_int_equal(limits[0].limit.rlim_cur, 1024);
    assert_int_equal(limits[0].limit.rlim_max, 4096);
    assert_string_equal(limits[1].name, "RLIMIT_CORE");
    assert_true(limits[1].limit.rlim_cur == UINT64_C(9223372036854775808));
    assert_true(limits[1].limit.rlim_max == RLIM_INFINITY);
}

static void rlimits_that_are_wrong(void **state)
{
    static const struct stage_row rows[] = {
        {"process.rlimits", "[]", NULL},
        {"process.rlimits", "[{'type':'RLIMIT_CPU','soft':-1,'hard':1}]",
         "process.rlimits[0].soft: -1"},
        {"process.rlimits", "[{'type':'RLIMIT_CPU','soft':2,'hard':1}]",
         "process.rlimits[0].soft: 2 is more than hard, 1"},
        {"process.rlimits", "[{'type':'RLIMIT_CPU','soft':1}]",
         "process.rlimits[0].hard: is missing"},
        {"process.rlimits", "[{'type':'RLIMIT_CPU','soft':'1','hard':1}]",
         "process.rlimits[0].soft: must be"},
        {"process.rlimits", "[{'type':'RLIMIT_TEST','soft':1,'hard':1}]",
         "process.rlimits[0].type: \"RLIMIT_TEST\" is not a limit of getrlimit(2)"},
        {"process.rlimits", "[{'soft':1,'hard':1}]", "process.rlimits[0].type: is missing"},
        {"process.rlimits",
         "[{'type':'RLIMIT_AS','soft':1,'hard':1},{'type':'RLIMIT_AS','soft':1,'hard':1}]",
         "process.rlimits[1].type: RLIMIT_AS is there twice"},
        {"process.rlimits", "[1]", "process.rlimits[0]: must be an object"},
    };

    (void)state;
    STAGE_CHECK(rows);
}

static void every_rlimit_has_its_name(void **state)
{
    static const struct {
        const char *name;
        int resource;
    } rows[] = {
        {"RLIMIT_AS", RLIMIT_AS},           {"RLIMIT_CORE", RLIMIT_CORE},
        {"RLIMIT_CPU", RLIMIT_CPU},         {"RLIMIT_DATA", RLIMIT_DATA},
        {"RLIMIT_FSIZE", RLIMIT_FSIZE},     {"RLIMIT_LOCKS", RLIMIT_LOCKS},
        {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK}, {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
        {"RLIMIT_NICE", RLIMIT_NICE},       {"RLIMIT_NOFILE", RLIMIT_NOFILE},
        {"RLIMIT_NPROC", RLIMIT_NPROC},     {"RLIMIT_RSS", RLIMIT_RSS},
        {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},   {"RLIMIT_RTTIME", RLIMIT_RTTIME},
        {"RLIMIT_STACK", RLIMIT_STACK},     {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
    };

    (void)state;
    assert_int_equal(ARRAY_LENGTH(rows), RLIM_NLIMITS);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char text[128];
        snprintf(text, sizeof(text), "[{'type':'%s','soft':1,'hard':1}]", rows[i].name);
        _cleanup_config_ struct config *config = stage_read("process.rlimits", text);
        assert_int_equal(config->process->rlimits[0].resource, rows[i].resource);
    }
}

static void schedulers(void **state)
{
    static const struct {
        const char *text;
        struct config_scheduler scheduler;
    } rows[] = {
        {"{'policy':'SCHED_OTHER','nice':-20}", {true, SCHED_OTHER, 0, -20, 0, 0, 0, 0}},
        {"{'policy':'SCHED_FIFO','priority':99}", {true, SCHED_FIFO, 0, 0, 99, 0, 0, 0}},
        {"{'policy':'SCHED_RR','priority':1,'flags':['SCHED_FLAG_RESET_ON_FORK']}",
         {true, SCHED_RR, 1, 0, 1, 0, 0, 0}},
        {"{'policy':'SCHED_BATCH','nice':19}", {true, SCHED_BATCH, 0, 19, 0, 0, 0, 0}},
        {"{'policy':'SCHED_IDLE'}", {true, SCHED_IDLE, 0, 0, 0, 0, 0, 0}},
        {"{'policy':'SCHED_DEADLINE','runtime':1,'deadline':2,'period':18446744073709551615,"
         "'flags':['SCHED_FLAG_RECLAIM','SCHED_FLAG_DL_OVERRUN','SCHED_FLAG_KEEP_POLICY',"
         "'SCHED_FLAG_KEEP_PARAMS','SCHED_FLAG_UTIL_CLAMP_MIN','SCHED_FLAG_UTIL_CLAMP_MAX']}",
         {true, 6, 0x7e, 0, 0, 1, 2, UINT64_MAX}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        _cleanup_config_ struct config *config = stage_read("process.scheduler", rows[i].text);
        const struct config_scheduler *got = &config->process->scheduler,
                                      *want = &rows[i].scheduler;
        assert_true(got->is_given);
        assert_int_equal(got->policy, want->policy);
        assert_int_equal(got->flags, want->flags);
        assert_int_equal(got->nice, want->nice);
        assert_int_equal(got->priority, want->priority);
        assert_int_equal(got->runtime, want->runtime);
        assert_int_equal(got->deadline, want->deadline);
        assert_true(got->period == want->period);
    }
}

static void schedulers_that_are_wrong(void **state)
{
    static const struct stage_row rows[] = {
        {"process.scheduler", "{}", "process.scheduler.policy: is missing"},
        {"process.scheduler", "{'policy':'SCHED_ISO'}",
         "process.scheduler.policy: \"SCHED_ISO\" is not a policy that Linux has"},
        {"process.scheduler", "{'policy':'SCHED_OTHER','nice':20}",
         "process.scheduler.nice: 20 is not within -20..19"},
        {"process.scheduler", "{'policy':'SCHED_OTHER','priority':1}",
         "process.scheduler.priority: 1 goes with SCHED_FIFO and SCHED_RR, not with SCHED_OTHER"},
        {"process.scheduler", "{'policy':'SCHED_FIFO'}",
         "process.scheduler.priority: 0 is not within 1..99"},
        {"process.scheduler", "{'policy':'SCHED_RR','priority':100}",
         "process.scheduler.priority: 100 is not within 1..99"},
        {"process.scheduler", "{'policy':'SCHED_BATCH','runtime':1}",
         "process.scheduler: runtime, deadline and period go with SCHED_DEADLINE"},
        {"process.scheduler", "{'policy':'SCHED_DEADLINE','runtime':-1}",
         "process.scheduler.runtime: -1"},
        {"process.scheduler", "{'policy':'SCHED_OTHER','flags':['X']}",
         "process.scheduler.flags[0]: \"X\" is not a flag"},
    };

    (void)state;
    STAGE_CHECK(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_alone_with_everything),
        cmocka_unit_test(what_is_not_given_is_left_alone),
        cmocka_unit_test(every_key_good_and_bad),
        cmocka_unit_test(a_console_has_a_size_if_there_is_one),
        cmocka_unit_test(capabilities_by_name),
        cmocka_unit_test(capabilities_that_cannot_be_are_left_out_with_a_note),
        cmocka_unit_test(a_note_is_one_line),
        cmocka_unit_test(notes_have_bounds),
        cmocka_unit_test(capabilities_that_are_wrong),
        cmocka_unit_test(capabilities_have_names_and_numbers),
        cmocka_unit_test(rlimits_take_all_64_bits),
        cmocka_unit_test(rlimits_that_are_wrong),
        cmocka_unit_test(every_rlimit_has_its_name),
        cmocka_unit_test(schedulers),
        cmocka_unit_test(schedulers_that_are_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
