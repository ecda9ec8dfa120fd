//! The decoder over captured binlogs: bytes to events, and of row events to the cells of every row.

use std::hint::black_box;
use std::path::Path;

use criterion::{BenchmarkId, Criterion, Throughput};
use tributary_binlog::file::BinlogFile;
use tributary_binlog::{Assembled, EventGroup, GroupAssembler, GroupItem};

/// Captures in `testdata/binlog`.
const FILES: [&str; 4] = ["mixed.bin", "compressed.bin", "row.bin", "row-full.bin"];

/// Bytes to groups and cells.
pub(crate) fn decoder(criterion: &mut Criterion) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/binlog");
    let mut group = criterion.benchmark_group("decoder");
    for name in FILES {
        let bytes = std::fs::read(folder.join(name)).unwrap_or_else(|error| panic!("read {name}: {error}"));
        assert!(decode(name, &bytes) > 0, "{name} holds nothing");
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(name), &bytes, |bencher, bytes| {
            bencher.iter(|| black_box(decode(name, black_box(bytes))));
        });
    }
    group.finish();
}

/// Counts statements and cells.
fn decode(name: &str, bytes: &[u8]) -> usize {
    let mut file = BinlogFile::open(name, bytes).unwrap_or_else(|error| panic!("{error}"));
    let mut assembler = GroupAssembler::new(file.coordinates());
    let mut count = 0;
    for item in file.by_ref() {
        let (_, event) = item.unwrap_or_else(|error| panic!("{error}"));
        if let Ok(Some(Assembled::Group(group))) = assembler.push(event) {
            count += changes(&group);
        }
    }
    count
}

fn changes(group: &EventGroup) -> usize {
    let mut count = 0;
    for item in &group.items {
        let GroupItem::Rows(item) = item else {
            count += 1;
            continue;
        };
        for (_, event) in &item.events {
            let Some(map) = item.map(event.table_id) else {
                continue;
            };
            for row in event.row_images(map).flatten() {
                let images = [row.before, row.after];
                count += images
                    .iter()
                    .flatten()
                    .map(|image| image.cells().count())
                    .sum::<usize>();
            }
        }
    }
    count
}
