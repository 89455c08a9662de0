<?php
// What a tenant sees of the machine: its own container and nothing else.
function first_line(string ...$files): ?string
{
    foreach ($files as $file) {
        $text = @file_get_contents($file);
        if ($text !== false) {
            return trim(strtok($text, "\n"));
        }
    }
    return null;
}

$limit = first_line('/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes');
$tasks = first_line('/sys/fs/cgroup/pids.max', '/sys/fs/cgroup/pids/pids.max');
$processes = [];
foreach (glob('/proc/[0-9]*') as $directory) {
    $pid = (int) basename($directory);
    $arguments = str_replace("\0", ' ', (string) @file_get_contents("$directory/cmdline"));
    $processes[$pid] = trim($arguments) ?: first_line("$directory/comm");
}
ksort($processes);
$text = fn ($value) => htmlspecialchars((string) $value, ENT_QUOTES | ENT_SUBSTITUTE);
header('Content-Type: text/html; charset=utf-8');
header('Cache-Control: no-store');
?>
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title><?= $text(gethostname()) ?></title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 3rem auto; padding: 0 1rem;
         color-scheme: light dark }
  dt { font-weight: 600 } dd { margin: 0 0 .6rem } td, th { text-align: left; padding: .1rem 1rem .1rem 0 }
</style>
<h1>Hello from <?= $text(gethostname()) ?></h1>
<dl>
  <dt>Host name</dt><dd><?= $text(gethostname()) ?></dd>
  <dt>User id</dt><dd><?= $text(posix_getuid()) ?> inside; the host sees <?= $text(first_line('/proc/self/uid_map')) ?> (inside, outside, count)</dd>
  <dt>Memory limit</dt><dd><?= is_numeric($limit) ? $text($limit / 1048576) . ' MiB' : $text($limit ?? 'unknown') ?></dd>
  <dt>Task limit</dt><dd><?= $text($tasks ?? 'unknown') ?></dd>
  <dt>PHP</dt><dd><?= $text(PHP_VERSION) ?></dd>
</dl>
<h2>All processes I can see</h2>
<table>
  <tr><th>pid</th><th>command</th></tr>
  <?php foreach ($processes as $pid => $command) { ?>
  <tr><td><?= $text($pid) ?></td><td><?= $text($command) ?></td></tr>
  <?php } ?>
</table>
