//! CPU time and memory of a process, from `/proc`. Linux only.

use std::time::Duration;

/// CPU time and memory of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ProcessUsage {
    /// CPU time on all cores, in user and kernel mode.
    pub(crate) cpu: Duration,
    /// Resident memory, in bytes.
    pub(crate) resident_bytes: u64,
    /// Resident memory that no file backs, so without the mapped index, in bytes.
    pub(crate) anonymous_bytes: u64,
}

/// The usage of a process: `self`, or a process id. `None` where `/proc` has none.
pub(crate) fn usage(process: &str) -> Option<ProcessUsage> {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{process}/{file}")).ok();
    let (cpu, status) = (cpu(&read("stat")?)?, read("status")?);
    Some(ProcessUsage { cpu, resident_bytes: bytes(&status, "VmRSS:")?, anonymous_bytes: bytes(&status, "RssAnon:")? })
}

/// `utime` + `stime`, whose unit is 10 ms on all Linux targets.
fn cpu(stat: &str) -> Option<Duration> {
    // The program name stands in parentheses and may contain any character.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    Some(Duration::from_millis((ticks()? + ticks()?) * 10))
}

fn bytes(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests;
