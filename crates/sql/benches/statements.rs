//! How fast statements are read: `cargo bench -p tributary-sql`. Prints nanoseconds per statement and MB/s.

use std::hint::black_box;
use std::time::{Duration, Instant};

use tributary_sql::{Dialect, Scanner, parse, recognise, rename};

/// Each measurement runs for about this long, and the best of several counts: others share the machine.
const RUN: Duration = Duration::from_millis(100);
const RUNS: usize = 5;

/// Seconds this thread has run: waiting for a processor does not count.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux keeps this file");
    let nanoseconds: u64 = text
        .split(' ')
        .next()
        .and_then(|field| field.parse().ok())
        .expect("it starts with a number");
    nanoseconds as f64 / 1e9
}

fn measure(what: &str, statement: &str, bytes: usize, mut work: impl FnMut()) {
    let mut best = f64::INFINITY;
    for _ in 0..RUNS {
        let (start, cpu, mut count) = (Instant::now(), cpu_seconds(), 0_u32);
        while start.elapsed() < RUN {
            for _ in 0..16 {
                work();
            }
            count += 16;
        }
        best = best.min((cpu_seconds() - cpu) / f64::from(count));
    }
    let rate = bytes as f64 / best / 1e6;
    println!(
        "{statement:<28} {bytes:>7} bytes  {what:<10} {:>10.0} ns {rate:>8.0} MB/s",
        best * 1e9
    );
}

fn main() {
    let columns: Vec<String> = (0..30).map(|i| format!("column_{i}")).collect();
    let values: Vec<String> = (0..30).map(|i| format!("'value {i}'")).collect();
    let row = format!("({})", values.join(","));
    let statements = [
        ("INSERT, 100 bytes", "INSERT INTO call_log (uniqueid,channel,number_dialed) VALUES ('1700000000.1234','SIP/100','5550001')".to_owned()),
        ("UPDATE, 150 bytes", "UPDATE vicidial_live_agents SET status = 'INCALL', calls_today = calls_today + 1, last_call_time = NOW() WHERE user = '1001' AND server_ip = '10.0.0.5'".to_owned()),
        ("INSERT, qualified", "INSERT INTO asterisk.call_log (uniqueid,channel,number_dialed) VALUES ('1700000000.1234','SIP/100','5550001')".to_owned()),
        ("INSERT, 30 columns", format!("INSERT INTO vicidial_list ({}) VALUES {row}", columns.join(","))),
        ("INSERT, 1000 rows", format!("INSERT INTO vicidial_list VALUES {}", vec![row.clone(); 1000].join(","))),
    ];
    let dialect = Dialect::default();
    let map = |db: &[u8]| (db == b"asterisk").then(|| b"m1_asterisk".to_vec());
    for (name, statement) in &statements {
        let text = statement.as_bytes();
        let parsed = parse(text, &dialect).expect("the statements above are valid");
        measure("scan", name, text.len(), || {
            _ = black_box(Scanner::new(black_box(text), &dialect).count())
        });
        measure("parse", name, text.len(), || {
            drop(black_box(parse(black_box(text), &dialect)))
        });
        measure("rename", name, text.len(), || {
            drop(black_box(rename(black_box(text), &parsed, &map)))
        });
        measure("recognise", name, text.len(), || {
            drop(black_box(recognise(black_box(text), &parsed, &dialect)))
        });
    }
}
