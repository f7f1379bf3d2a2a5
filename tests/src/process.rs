//! Resource usage of a running process, from Linux's `/proc`.

use std::time::Duration;

/// The processor time of a process's live threads.
///
/// # Panics
/// When there is no such process.
#[must_use]
pub fn cpu(pid: u32) -> Duration {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("the process runs");
    let nanoseconds = threads.filter_map(|thread| {
        let schedstat = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        schedstat.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum())
}

/// The peak resident memory of a process, in bytes.
///
/// # Panics
/// When there is no such process.
#[must_use]
pub fn peak_memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|it| it.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.expect("Linux reports the peak") * 1024
}
