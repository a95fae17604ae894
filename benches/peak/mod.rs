//! What this process holds in memory, by Linux's own count, in bytes.

use std::fs;

/// Without what is free.
pub fn resident() -> u64 {
    trim();
    status("VmRSS:")
}

/// The most since [`reset`].
pub fn bytes() -> u64 {
    status("VmHWM:")
}

/// Begins the count of the most again (proc(5)), from what is in use.
pub fn reset() {
    trim();
    fs::write("/proc/self/clear_refs", "5").expect("Linux's count of memory");
}

fn trim() {
    // SAFETY: has no conditions.
    unsafe { libc::malloc_trim(0) };
}

fn status(name: &str) -> u64 {
    let text = fs::read_to_string("/proc/self/status").expect("Linux's count of memory");
    let line = text.lines().find(|line| line.starts_with(name));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kilobytes.expect("a number of kB") << 10
}
