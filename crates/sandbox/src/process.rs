//! What a running process has used so far, read from `/proc`.

use std::fs;

/// CPU time of process `pid`, user and system, in seconds; `0.0` once it is gone.
pub fn cpu_seconds(pid: u32) -> f64 {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return 0.0;
    };
    // The command name may hold spaces and parentheses; the fields proper start after the last one.
    let Some((_, fields)) = stat.rsplit_once(')') else {
        return 0.0;
    };
    // proc(5): utime and stime are fields 14 and 15 of the line, the 12th and 13th after the name.
    let ticks: u64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    ticks as f64 / rustix::param::clock_ticks_per_second() as f64
}

/// Memory process `pid` holds now, in bytes; 0 once it is gone.
pub fn rss_bytes(pid: u32) -> u64 {
    status_bytes(pid, "VmRSS:")
}

/// The most memory process `pid` has held so far, in bytes; 0 once it is gone.
pub fn peak_rss_bytes(pid: u32) -> u64 {
    status_bytes(pid, "VmHWM:")
}

fn status_bytes(pid: u32, key: &str) -> u64 {
    let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else {
        return 0;
    };
    status
        .lines()
        .find_map(|line| line.strip_prefix(key))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok())
        .map_or(0, |kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_this_process() {
        let pid = std::process::id();
        let mut sum = 0u64;
        while cpu_seconds(pid) == 0.0 {
            sum = (0..1_000_000u64).fold(sum, u64::wrapping_add);
        }
        assert!(rss_bytes(pid) > 100_000);
        assert!(peak_rss_bytes(pid) >= rss_bytes(pid) / 2);
    }

    #[test]
    fn a_missing_process_has_used_nothing() {
        assert_eq!(cpu_seconds(u32::MAX), 0.0);
        assert_eq!(peak_rss_bytes(u32::MAX), 0);
    }
}
