<?php
// What a tenant sees of itself. ?connect=ADDRESS tries a TCP connection, ?write=FILE a file.
$connected = null;
if (isset($_GET['connect']))
    $connected = @fsockopen($_GET['connect'], 8000, $number, $reason, 5) ? 'connected' : "refused: $reason";
$written = isset($_GET['write']) ? @file_put_contents($_GET['write'], 'x') : null;
header('Content-Type: application/json');
echo json_encode([
    'host' => gethostname(), 'uid' => posix_getuid(), 'pid' => getmypid(), 'kernel' => php_uname('r'),
    'memory_max' => trim(file_get_contents('/sys/fs/cgroup/memory.max')),
    'cgroup' => trim(file_get_contents('/proc/self/cgroup')),
    'status' => file_get_contents('/proc/self/status'),
    'processes' => array_map('basename', glob('/proc/[0-9]*')),
    'limit_is_writable' => is_writable('/sys/fs/cgroup/memory.max')
        || @file_put_contents('/sys/fs/cgroup/memory.max', 'max') !== false,
    'connected' => $connected, 'written' => $written,
]);
