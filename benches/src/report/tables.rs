//! The results as Markdown: one table for each kind of measurement.

use super::{Line, best_native, users_native};

/// Above this part of the machine's CPU, other work has disturbed a run. The kernel's writing to disk stays below.
const OTHER_SHARE_MAX: f64 = 0.1;

/// All tables for which there are lines.
pub(super) fn write(lines: &[Line]) -> String {
    let catch_up = lines.iter().filter(|line| line.is_catch_up());
    let steady = lines
        .iter()
        .filter(|line| line.latency.is_some() && line.statement.is_none());
    let timed = lines.iter().filter(|line| line.statement.is_some());
    let idle = lines.iter().filter(|line| line.is_idle());
    let decode = lines.iter().filter(|line| line.bytes.is_some());
    let tables = [
        table(
            "| workload | system | seconds | transactions/s | rows/s | CPU s (engine + target) | peak memory MiB | \
             speed against the user's setting | against the best native setting |\n\
             | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
            catch_up.map(|line| catch_up_row(lines, line)),
        ),
        table(
            "| steady writing | system | transactions/s | p50 ms | p99 ms | max ms | commits timed | CPU s (engine + target) |\n\
             | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
            steady.filter_map(steady_row),
        ),
        table(
            "| while sources write | system | p50 ms | p99 ms | max ms | times |\n| --- | --- | ---: | ---: | ---: | ---: |",
            timed.filter_map(timed_row),
        ),
        table(
            "| idle sources | system | seconds | engine CPU s | target CPU s |\n| --- | --- | ---: | ---: | ---: |",
            idle.map(idle_row),
        ),
        table(
            "| reading files | program | seconds | MiB/s | CPU s | peak memory MiB |\n\
             | --- | --- | ---: | ---: | ---: | ---: |",
            decode.filter_map(decode_row),
        ),
    ];
    let text = tables.into_iter().flatten().collect::<Vec<_>>().join("\n");
    text + &disturbance(lines)
}

fn table(head: &str, rows: impl Iterator<Item = String>) -> Option<String> {
    let rows: Vec<String> = rows.collect();
    (!rows.is_empty()).then(|| format!("{head}\n{}\n", rows.join("\n")))
}

fn catch_up_row(lines: &[Line], line: &Line) -> String {
    let speed = |native: Option<f64>| match native {
        Some(native) => format!("{:.2}x", native / line.seconds),
        None => "not run".to_owned(),
    };
    let rate = |count: u64| match count {
        0 => "-".to_owned(),
        count => format!("{:.0}", count as f64 / line.seconds),
    };
    format!(
        "| {} | {} | {:.2} | {} | {} | {} | {} | {} | {} |",
        line.workload,
        line.system,
        line.seconds,
        rate(line.transactions),
        rate(line.rows),
        cpu(line),
        peak(line),
        speed(users_native(lines, line)),
        speed(best_native(lines, line)),
    )
}

fn steady_row(line: &Line) -> Option<String> {
    let latency = line.latency?;
    Some(format!(
        "| {} | {} | {:.0} | {:.2} | {:.2} | {:.1} | {} | {} |",
        line.workload,
        line.system,
        line.transactions as f64 / line.seconds,
        latency.p50_ms,
        latency.p99_ms,
        latency.max_ms,
        latency.samples,
        cpu(line),
    ))
}

fn timed_row(line: &Line) -> Option<String> {
    let latency = line.latency?;
    Some(format!(
        "| {} | {} | {:.1} | {:.1} | {:.1} | {} |",
        line.statement.as_deref()?,
        line.system,
        latency.p50_ms,
        latency.p99_ms,
        latency.max_ms,
        latency.samples,
    ))
}

fn idle_row(line: &Line) -> String {
    format!(
        "| {} | {} | {:.1} | {} | {} |",
        line.workload,
        line.system,
        line.seconds,
        seconds(line.engine_cpu_seconds),
        seconds(line.target_cpu_seconds),
    )
}

fn decode_row(line: &Line) -> Option<String> {
    let bytes = line.bytes?;
    Some(format!(
        "| {} | {} | {:.2} | {:.0} | {} | {} |",
        line.workload,
        line.system,
        line.seconds,
        mib(bytes) / line.seconds,
        seconds(line.cpu_seconds),
        peak(line),
    ))
}

fn cpu(line: &Line) -> String {
    let sum = seconds(line.cpu_seconds);
    match line.engine_cpu_seconds {
        Some(engine) => format!("{sum} ({engine:.2} + {})", seconds(line.target_cpu_seconds)),
        None => sum,
    }
}

/// Seconds, or a dash where they are not known.
fn seconds(known: Option<f64>) -> String {
    known.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.2}"))
}

/// The most memory in MiB, or a dash where it is not known.
fn peak(line: &Line) -> String {
    line.peak_rss_bytes
        .map_or_else(|| "-".to_owned(), |bytes| format!("{:.0}", mib(bytes)))
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// A warning when the machine was not the bench's own: more threads then get a larger share of the cores, so
/// seconds favour the systems that run in parallel. Empty when it was.
fn disturbance(lines: &[Line]) -> String {
    match lines
        .iter()
        .map(|line| line.other_cpu_share)
        .max_by(f64::total_cmp)
    {
        Some(share) if share > OTHER_SHARE_MAX => format!(
            "\nOther work took up to {:.0} % of the machine's CPU during a run: compare CPU seconds, not \
             seconds, or repeat on a quiet machine.\n",
            share * 100.0
        ),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Latency;
    use super::super::line::tests::{lines, runs};
    use super::*;
    use crate::system::System;

    #[test]
    fn ratios_are_against_the_users_and_the_best_native_setting() {
        let table = write(&lines());
        let rows: Vec<&str> = table.lines().collect();
        assert!(
            rows[2].starts_with("| mixed-myisam | native-4-optimistic | 9.00 | 111 | 222 |"),
            "{table}"
        );
        assert!(rows[2].ends_with("| 1.00x | 0.56x |"), "{table}");
        assert!(rows[3].ends_with("| 1.80x | 1.00x |"), "{table}");
        assert!(
            rows[4].ends_with("| 400 | 800 | 2.50 (0.50 + 2.00) | 20 | 3.60x | 2.00x |"),
            "{table}"
        );
    }

    #[test]
    fn without_a_native_run_there_is_no_ratio() {
        let lines = [lines().remove(2)];
        assert!(write(&lines).contains("| not run | not run |"));
    }

    #[test]
    fn each_kind_has_its_table() {
        let line = |workload: &str| {
            Line::of(workload, "tributary", 500, 500, runs(System::Tributary, &[2.0])).unwrap()
        };
        let (mut steady, mut decode, mut timed) = (line("steady"), line("decode-mixed"), line("stop-start"));
        timed.latency = Latency::of(vec![4.0, 5.0, 6.0]);
        timed.statement = Some("STOP SLAVE".to_owned());
        steady.latency = Latency::of(vec![1.0, 2.0, 30.0]);
        decode.bytes = Some(200 << 20);
        let text = write(&[steady, timed, line("idle"), decode]);
        for expected in [
            "| steady | tributary | 250 | 2.00 | 30.00 | 30.0 | 3 | 2.50 (0.50 + 2.00) |",
            "| STOP SLAVE | tributary | 5.0 | 6.0 | 6.0 | 3 |",
            "| idle | tributary | 2.0 | 0.50 | 2.00 |",
            "| decode-mixed | tributary | 2.00 | 100 | 2.50 | 20 |",
        ] {
            assert!(text.contains(expected), "{text}");
        }
        assert!(
            !text.contains("against") && !text.contains("| stop-start |"),
            "{text}"
        );
    }

    #[test]
    fn a_busy_machine_is_told() {
        let mut lines = lines();
        assert!(!write(&lines).contains("Other work"));
        lines[0].other_cpu_share = 0.5;
        assert!(write(&lines).contains("Other work took up to 50 %"));
    }
}
