//! How fast one core decodes and assembles: repeats the groups of a binlog file in memory and prints the rate.
//!
//! `cargo run --release -p tributary-binlog --example throughput -- testdata/binlog/statement.bin [rows]`

use std::error::Error;
use std::time::Instant;

use bytes::Bytes;
use tributary_binlog::file::BinlogFile;
use tributary_binlog::{
    Assembled, ChecksumAlgorithm, Coordinates, Decoder, EventType, GroupAssembler, GroupItem, Header,
};

const ROUNDS: usize = 2_000;
/// The file blocks of LOAD DATA would dwarf all else.
const EVENT_BYTES_MAX: usize = 8 * 1024;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: throughput BINLOG [rows]")?;
    let reads_rows = std::env::args().nth(2).is_some_and(|word| word == "rows");
    let file = std::fs::read(&path)?;
    let mut reader = BinlogFile::open(&path, file.as_slice())?;
    let (mut first, mut groups) = (Bytes::new(), Vec::new());
    while let Some((_, raw)) = reader.next_raw()? {
        match Header::decode(&raw)?.kind {
            EventType::FORMAT_DESCRIPTION => first = raw,
            EventType::ROTATE => {}
            _ => groups.push(raw),
        }
    }
    let starts: Vec<usize> = (0..groups.len())
        .filter(|&index| groups[index][4] == EventType::GTID.0)
        .collect();
    let mut small = Vec::new();
    for (index, &start) in starts.iter().enumerate() {
        let end = starts.get(index + 1).copied().unwrap_or(groups.len());
        if groups[start..end].iter().all(|raw| raw.len() < EVENT_BYTES_MAX) {
            small.extend_from_slice(&groups[start..end]);
        }
    }
    let (mut events, mut bytes, mut statements, mut rows, mut values) = (0_u64, 0_u64, 0_u64, 0_u64, 0_u64);
    let began = Instant::now();
    for _ in 0..ROUNDS {
        let mut decoder = Decoder::new(ChecksumAlgorithm::Off);
        let mut assembler = GroupAssembler::new(Coordinates::new("mysql-bin.000001", 4));
        assembler.push(decoder.decode(first.clone())?)?;
        for raw in &small {
            bytes += raw.len() as u64;
            events += 1;
            let Some(Assembled::Group(group)) = assembler.push(decoder.decode(raw.clone())?)? else {
                continue;
            };
            for item in &group.items {
                let GroupItem::Rows(item) = item else {
                    statements += 1;
                    continue;
                };
                for (_, event) in item.events.iter().filter(|_| reads_rows) {
                    let map = item.map(event.table_id).ok_or("rows without table map")?;
                    for row in event.row_images(map) {
                        rows += 1;
                        values += row?.after.map_or(0, |image| image.cells().count() as u64);
                    }
                }
            }
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{:.0} MB/s, {:.2} million events/s, {:.0} ns per event, \
         {statements} statements, {rows} rows, {values} values",
        bytes as f64 / seconds / 1e6,
        events as f64 / seconds / 1e6,
        seconds * 1e9 / events as f64
    );
    Ok(())
}
