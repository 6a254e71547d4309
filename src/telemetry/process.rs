//! CPU time and memory of a process.

use std::time::Duration;

/// CPU time and memory of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ProcessUsage {
    /// CPU time on all cores, in user and kernel mode.
    pub(crate) cpu: Duration,
    /// Resident memory that no file backs, so without the mapped index, in bytes.
    pub(crate) anonymous_bytes: u64,
}

/// The usage of the process with this id. `None` when there is none, and where there is no `/proc`.
#[cfg(target_os = "linux")]
pub(crate) fn usage(process: u32) -> Option<ProcessUsage> {
    let process = procfs::process::Process::new(i32::try_from(process).ok()?).ok()?;
    let stat = process.stat().ok()?;
    let ticks = Duration::from_secs(stat.utime + stat.stime);
    let cpu = ticks / u32::try_from(procfs::ticks_per_second()).ok()?;
    Some(ProcessUsage { cpu, anonymous_bytes: process.status().ok()?.rssanon? * 1024 })
}

/// The usage of the process with this id: unknown without `/proc`.
#[cfg(not(target_os = "linux"))]
pub(crate) fn usage(_process: u32) -> Option<ProcessUsage> {
    None
}

#[cfg(test)]
mod tests;
