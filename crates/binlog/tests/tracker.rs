//! The tracker says after each event of the captured streams, and of pieces of them, what the assembler says.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a test says what it shows in its name and fails by panicking"
)]

mod support;

use bytes::Bytes;
use proptest::prelude::*;
use support::{captures, raw_events, testdata};
use tributary_binlog::file::BinlogFile;
use tributary_binlog::{
    Assembled, ChecksumAlgorithm, Coordinates, Decoder, EventBody, EventType, GroupAssembler, GroupTracker,
    Gtid, GtidList, GtidPos, Header, ReplicaDecoder, Rotate,
};

fn start() -> Coordinates {
    Coordinates::new("mysql-bin.000001", 4)
}

/// Pushes the events into both. Ends with the first that the assembler refuses.
fn follow(name: &str, raws: &[Bytes]) -> usize {
    let mut decoder = ReplicaDecoder::new(ChecksumAlgorithm::Off);
    let mut assembler = GroupAssembler::new(start());
    let mut gtid_pos = GtidPos::new();
    let mut tracker = GroupTracker::new(start(), GtidPos::new(), ChecksumAlgorithm::Off);
    let mut groups = 0;
    for (number, raw) in raws.iter().enumerate() {
        let Ok(header) = tracker.verify(raw) else {
            return groups;
        };
        if decoder.push(raw.clone()).is_err() {
            return groups;
        }
        loop {
            match decoder.fetch() {
                Ok(Some(event)) => match assembler.push(event) {
                    Ok(Some(Assembled::Group(group))) => {
                        groups += 1;
                        group.gtid.iter().for_each(|gtid| gtid_pos.advance(gtid.gtid));
                    }
                    Ok(Some(Assembled::GtidListReached(reached, _))) => {
                        reached.iter().for_each(|gtid| gtid_pos.advance(gtid));
                    }
                    Ok(_) => {}
                    Err(_) => return groups,
                },
                Ok(None) => break,
                Err(_) => return groups,
            }
        }
        tracker.push(&header, raw).unwrap();
        let context = format!("{name}, event {number}: {}", header.kind);
        assert_eq!(
            tracker.is_inside_group(),
            assembler.is_inside_group(),
            "{context}"
        );
        assert_eq!(tracker.coordinates(), assembler.coordinates(), "{context}");
        assert_eq!(tracker.gtid_pos(), &gtid_pos, "{context}");
    }
    groups
}

fn mysql() -> Vec<Bytes> {
    let bytes = std::fs::read(testdata().join("../mysql/mysql-9.7.bin")).unwrap();
    let mut file = BinlogFile::open("mysql", bytes.as_slice()).unwrap();
    let mut events = Vec::new();
    while let Some((_, raw)) = file.next_raw().unwrap() {
        events.push(raw);
    }
    events
}

#[test]
fn tracker_and_assembler_agree_on_every_captured_event() {
    for name in captures() {
        let groups = follow(&name, &raw_events(&name));
        assert!(groups > 0 || name == "encrypted", "{name}");
    }
    assert!(follow("mysql", &mysql()) > 10);
}

proptest! {
    /// Events that are missing, doubled or out of place: whatever the assembler still takes, the tracker takes for the same.
    #[test]
    fn tracker_and_assembler_agree_on_broken_streams(
        which in 0_usize..64,
        picks in prop::collection::vec(0_usize..4096, 1..40),
        run in 1_usize..12,
    ) {
        let names = captures();
        let events = if which == 0 { mysql() } else { raw_events(&names[which % names.len()]) };
        let mut raws = vec![events[0].clone()];
        for pick in picks {
            let from = pick % events.len();
            raws.extend(events[from..].iter().take(run).cloned());
        }
        follow("broken", &raws);
    }
}

/// What is written is what is read.
#[test]
fn rotate_and_gtid_list_encode_and_decode() {
    let header = Header {
        timestamp: 0,
        kind: EventType::ROTATE,
        server_id: 7,
        length: 0,
        end_offset: 0,
        flags: Header::FLAG_ARTIFICIAL,
    };
    let rotate = Rotate {
        offset: 5_000_000_000,
        file: Bytes::from_static(b"mysql-bin.000007"),
    };
    let gtid = |domain| Gtid {
        domain,
        server: 3,
        sequence: 1 << 40,
    };
    let list = GtidList {
        gtids: vec![gtid(0), gtid(9)],
        is_until_reached: false,
        is_ignored_gtids: true,
    };
    for checksum in [ChecksumAlgorithm::Off, ChecksumAlgorithm::Crc32] {
        let (mut first, mut second) = (Vec::new(), Vec::new());
        rotate.encode(&header, checksum, &mut first);
        list.encode(
            &Header {
                kind: EventType::GTID_LIST,
                ..header
            },
            checksum,
            &mut second,
        );
        let decode = |raw: Vec<u8>| Decoder::new(checksum).decode(raw.into()).unwrap().body;
        assert_eq!(decode(first), EventBody::Rotate(rotate.clone()));
        assert_eq!(decode(second), EventBody::GtidList(list.clone()));
    }
}
