//! Streams of a source, from captured binlogs, and what a reader makes of a log.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use std::path::PathBuf;

use bytes::Bytes;
use tributary_binlog::file::BinlogFile;
use tributary_binlog::{
    Assembled, ChecksumAlgorithm, Coordinates, EventGroup, EventType, GroupAssembler, GtidPos, Header,
    ReplicaDecoder, Rotate,
};
use tributary_relaylog::{Limits, Next, Recovery, RelayLog, RelayReader};

pub const SOURCE: &str = "10.0.0.1:3306";
pub const SOURCE_FILE: &str = "mysql-bin.000001";

pub const LIMITS: Limits = Limits {
    space_bytes_max: None,
    file_bytes_max: 1 << 30,
    sync_events: 0,
    fresh_bytes_max: 1 << 20,
};

/// The events of a captured binlog as a source sends them: an artificial Rotate first.
pub fn stream(capture: &str) -> Vec<Bytes> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../../testdata/binlog/{capture}.bin"));
    let bytes = std::fs::read(path).unwrap();
    let mut file = BinlogFile::open(capture, bytes.as_slice()).unwrap();
    let mut events = vec![rotate(ChecksumAlgorithm::Off)];
    while let Some((_, raw)) = file.next_raw().unwrap() {
        // The dump thread clears the flag that the file is open, without touching the checksum, which counts it as clear.
        let mut raw = raw.to_vec();
        if raw[4] == EventType::FORMAT_DESCRIPTION.0 {
            raw[17] &= 0xfe;
        }
        events.push(raw.into());
    }
    events
}

pub fn rotate(checksum: ChecksumAlgorithm) -> Bytes {
    let mut out = Vec::new();
    let header = Header {
        timestamp: 0,
        kind: EventType::ROTATE,
        server_id: 1,
        length: 0,
        end_offset: 0,
        flags: Header::FLAG_ARTIFICIAL,
    };
    let rotate = Rotate {
        offset: 4,
        file: Bytes::from_static(SOURCE_FILE.as_bytes()),
    };
    rotate.encode(&header, checksum, &mut out);
    out.into()
}

pub fn start() -> Coordinates {
    Coordinates::new(SOURCE_FILE, 4)
}

/// A new log that begins at [`start`].
pub fn new_log(dir: &std::path::Path, limits: Limits) -> RelayLog {
    let (mut log, recovery) = RelayLog::open(dir, SOURCE, limits).unwrap();
    assert_eq!(recovery, Recovery::Empty);
    log.begin(start(), GtidPos::new()).unwrap();
    log.begin_stream(ChecksumAlgorithm::Off).unwrap();
    log
}

/// Writes all of a stream.
pub fn write(log: &mut RelayLog, events: &[Bytes]) {
    for raw in events {
        log.push(raw).unwrap();
    }
    log.flush().unwrap();
}

/// Reads on as far as there is something.
pub fn read_all(reader: &mut RelayReader) -> Vec<Bytes> {
    let mut events = Vec::new();
    loop {
        match reader.fetch() {
            Next::Event(raw) => events.push(raw),
            Next::InFiles => reader.read_files().unwrap(),
            Next::Wait => return events,
            Next::Cut => panic!("nothing was taken back"),
        }
    }
}

/// The groups of a stream that begins at `from`.
pub fn groups(from: &Coordinates, events: &[Bytes]) -> Vec<EventGroup> {
    assemble(from, events).0
}

/// The groups, and where reading may resume behind them.
pub fn assemble(from: &Coordinates, events: &[Bytes]) -> (Vec<EventGroup>, Coordinates) {
    let mut decoder = ReplicaDecoder::new(ChecksumAlgorithm::Off);
    let mut assembler = GroupAssembler::new(from.clone());
    let mut groups = Vec::new();
    for raw in events {
        decoder.push(raw.clone()).unwrap();
        while let Some(event) = decoder.fetch().unwrap() {
            if let Some(Assembled::Group(group)) = assembler.push(event).unwrap() {
                groups.push(*group);
            }
        }
    }
    (groups, assembler.coordinates().clone())
}
