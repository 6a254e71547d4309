//! What a process takes of the machine, as Linux tells it under `/proc`. Elsewhere nothing is told.

use std::time::Duration;

/// What a process takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Time on all cores together, in the kernel and outside.
    pub(crate) cpu: Duration,
    /// Resident memory, in bytes.
    pub(crate) resident_bytes: u64,
    /// The part of it that is not backed by files, as those of the index are.
    pub(crate) anonymous_bytes: u64,
}

/// What a process takes: `self`, or a number.
pub(crate) fn usage(process: &str) -> Option<Usage> {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{process}/{file}")).ok();
    let (cpu, status) = (cpu(&read("stat")?)?, read("status")?);
    Some(Usage { cpu, resident_bytes: bytes(&status, "VmRSS:")?, anonymous_bytes: bytes(&status, "RssAnon:")? })
}

/// `utime` and `stime`, which Linux tells in hundredths of a second on every machine that perch runs on.
fn cpu(stat: &str) -> Option<Duration> {
    // The name of the program stands in brackets and may hold anything.
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
