//! Scanner, parser and renamer over statements of the call-centre suite.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use tributary_sql::{Dialect, Scanner, parse, rename};

/// A name and a statement each. The last is long, and the only one with a name to replace.
fn statements() -> Vec<(&'static str, String)> {
    let insert = "INSERT INTO vicidial_log (uniqueid,lead_id,list_id,campaign_id,call_date,start_epoch,status,user) \
         VALUES('1735722007.31',4711,1003,'CAMP07','2025-01-01 09:00:07',1735722007,'INCALL','6042')";
    let update = "UPDATE recording_log SET end_time='2025-01-01 09:03:07',end_epoch=1735722187,length_in_sec=180,\
         length_in_min='3.00' WHERE recording_id=31";
    let rows = vec!["(1,'it''s text','2025-01-01',NULL,-1.5e3)"; 500].join(",");
    vec![
        ("insert", insert.to_owned()),
        ("update", update.to_owned()),
        (
            "500 rows",
            format!("INSERT INTO asterisk.vicidial_list VALUES {rows}"),
        ),
    ]
}

fn each(criterion: &mut Criterion, name: &str, mut work: impl FnMut(&[u8])) {
    let mut group = criterion.benchmark_group(name);
    for (statement, text) in statements() {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(statement), &text, |bencher, text| {
            bencher.iter(|| work(black_box(text.as_bytes())));
        });
    }
    group.finish();
}

/// Text to tokens.
pub(crate) fn scanner(criterion: &mut Criterion) {
    let dialect = Dialect::default();
    each(criterion, "scanner", |text| {
        black_box(Scanner::new(text, &dialect).count());
    });
}

/// Text to a statement with its tables.
pub(crate) fn parser(criterion: &mut Criterion) {
    let dialect = Dialect::default();
    each(criterion, "parser", |text| drop(black_box(parse(text, &dialect))));
}

/// Text to the same text with other database names, parsing included.
pub(crate) fn renamer(criterion: &mut Criterion) {
    let dialect = Dialect::default();
    let map = |database: &[u8]| (database == b"asterisk").then(|| b"master1_asterisk".to_vec());
    each(criterion, "renamer", |text| {
        if let Ok(statement) = parse(text, &dialect) {
            drop(black_box(rename(text, &statement, &map)));
        }
    });
}
