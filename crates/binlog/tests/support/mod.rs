//! What several test files need: the captured binlogs, and events made by hand.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use tributary_binlog::file::BinlogFile;
use tributary_binlog::{Event, EventType, Header};

/// `testdata/binlog`.
pub fn testdata() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata/binlog")
}

/// Names of the captured binlogs, without extension, sorted. There is at least one per `sql/*.sql`.
pub fn captures() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(testdata())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "bin"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    assert!(names.len() >= 13, "captures are missing: {names:?}");
    names
}

/// The bytes of a captured binlog.
pub fn capture(name: &str) -> Vec<u8> {
    fs::read(testdata().join(format!("{name}.bin"))).unwrap()
}

/// The bytes of each event of a captured binlog, as far as they are not encrypted.
pub fn raw_events(name: &str) -> Vec<Bytes> {
    let bytes = capture(name);
    let mut file = BinlogFile::open(name, bytes.as_slice()).unwrap();
    let mut events = Vec::new();
    while let Some((_, raw)) = file.next_raw().unwrap() {
        let kind = Header::decode(&raw).unwrap().kind;
        events.push(raw);
        if kind == EventType::START_ENCRYPTION {
            break;
        }
    }
    events
}

/// The events of a captured binlog with their bytes.
pub fn events(name: &str) -> Vec<(Bytes, Event)> {
    let bytes = capture(name);
    let decoded = BinlogFile::open(name, bytes.as_slice())
        .unwrap()
        .map_while(|item| match item {
            Ok((_, event)) => Some(event),
            Err(error) => {
                assert_eq!(name, "encrypted", "{error}");
                None
            }
        });
    raw_events(name).into_iter().zip(decoded).collect()
}

/// An event made by hand: header, `body`, and a right CRC32 if `has_checksum`.
pub struct Made {
    pub kind: EventType,
    pub end_offset: u32,
    pub flags: u16,
    pub body: Vec<u8>,
    pub has_checksum: bool,
}

impl Made {
    pub fn new(kind: EventType, body: impl Into<Vec<u8>>) -> Made {
        Made {
            kind,
            end_offset: 0,
            flags: 0,
            body: body.into(),
            has_checksum: false,
        }
    }

    pub fn ending_at(mut self, end_offset: u32) -> Made {
        self.end_offset = end_offset;
        self
    }

    pub fn flagged(mut self, flags: u16) -> Made {
        self.flags = flags;
        self
    }

    pub fn with_checksum(mut self) -> Made {
        self.has_checksum = true;
        self
    }

    pub fn bytes(&self) -> Bytes {
        let checksum = if self.has_checksum { 4 } else { 0 };
        let mut raw = Vec::new();
        let header = Header {
            timestamp: 1_700_000_000,
            kind: self.kind,
            server_id: 101,
            length: u32::try_from(19 + self.body.len() + checksum).unwrap(),
            end_offset: self.end_offset,
            flags: self.flags,
        };
        header.encode(&mut raw);
        raw.extend_from_slice(&self.body);
        if self.has_checksum {
            let crc = crc32fast::hash(&raw);
            raw.extend_from_slice(&crc.to_le_bytes());
        }
        Bytes::from(raw)
    }
}
