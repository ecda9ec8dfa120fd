//! What the system says of this process.

use std::fs;

/// Bytes that the process has in memory; `None` where the system does not say.
pub(super) fn resident_bytes() -> Option<u64> {
    of_status(&fs::read_to_string("/proc/self/status").ok()?)
}

fn of_status(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resident_size_is_read() {
        assert_eq!(of_status("VmPeak:\t 9 kB\nVmRSS:\t    5120 kB\n"), Some(5 << 20));
        assert_eq!(of_status("VmRSS:\t many kB\n"), None);
        assert_eq!(of_status(""), None);
        // This test itself needs more than a page and less than everything.
        assert!(resident_bytes().is_none_or(|bytes| (4096..1 << 40).contains(&bytes)));
    }
}
