//! Events that a 10.11 server does not write on request: those of newer sources, of MySQL, of accidents. Made by hand
//! from the format's description.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a test says what it shows in its name and fails by panicking"
)]

mod support;

use bytes::Bytes;
use support::{Made, raw_events};
use tributary_binlog::{
    AlterPhase, ChecksumAlgorithm, DecodeError, Decoder, Event, EventBody, EventType, GtidEvent, Header,
    RowsOp, RowsVersion,
};

fn decode(made: &Made) -> Result<Event, DecodeError> {
    let algorithm = if made.has_checksum {
        ChecksumAlgorithm::Crc32
    } else {
        ChecksumAlgorithm::Off
    };
    Decoder::new(algorithm).decode(made.bytes())
}

fn body(kind: EventType, bytes: &[u8]) -> EventBody {
    decode(&Made::new(kind, bytes)).unwrap().body
}

fn gtid(bytes: &[u8]) -> GtidEvent {
    match body(EventType::GTID, bytes) {
        EventBody::Gtid(gtid) => gtid,
        other => panic!("{other:?}"),
    }
}

/// The fixed part of a Gtid body: sequence 42 of domain 7.
fn gtid_start(flags: u8) -> Vec<u8> {
    let mut bytes = 42_u64.to_le_bytes().to_vec();
    bytes.extend_from_slice(&7_u32.to_le_bytes());
    bytes.push(flags);
    bytes
}

#[test]
fn gtid_with_commit_id_and_flags() {
    let mut bytes = gtid_start(0x02 | 0x04 | 0x08 | 0x10);
    bytes.extend_from_slice(&99_u64.to_le_bytes());
    let event = gtid(&bytes);
    assert_eq!(event.gtid.to_string(), "7-101-42");
    assert_eq!(event.commit_id, Some(99));
    assert!(event.flags.is_transactional() && event.flags.allows_parallel() && event.flags.waited());
    assert!(!event.flags.is_standalone() && !event.flags.is_ddl());
    assert_eq!((event.flags_extra, event.thread_id), (0, None));
}

#[test]
fn gtid_padding_is_no_extra_flag() {
    let mut bytes = gtid_start(0x29);
    bytes.extend_from_slice(&[0; 6]);
    let event = gtid(&bytes);
    assert!(event.flags.is_standalone() && event.flags.is_ddl());
    assert_eq!(
        (event.flags_extra, event.alter, event.extra_engines),
        (0, None, None)
    );
}

#[test]
fn gtid_of_newer_sources() {
    let mut bytes = gtid_start(0x29);
    bytes.extend_from_slice(&[0x01 | 0x08 | 0x10, 2]);
    bytes.extend_from_slice(&41_u64.to_le_bytes());
    bytes.extend_from_slice(&12_345_u64.to_le_bytes());
    let event = gtid(&bytes);
    assert_eq!(event.extra_engines, Some(2));
    assert_eq!(event.alter, Some(AlterPhase::Rollback { start_sequence: 41 }));
    assert_eq!(event.thread_id, Some(12_345));
    let short = gtid(&[gtid_start(0x0c).as_slice(), &[0x10, 5, 0, 0, 0, 0]].concat());
    assert_eq!(short.thread_id, Some(5));
}

#[test]
fn gtid_fields_that_flags_announce_must_be_there() {
    for (flags, rest) in [
        (0x02, &[0_u8; 7][..]),
        (0x40, &[0; 5]),
        (0x40, &[1, 0, 0, 0, 4, 0, 1, 2, 3]),
        (0, &[4, 0]),
    ] {
        let made = Made::new(EventType::GTID, [gtid_start(flags).as_slice(), rest].concat());
        assert!(
            matches!(decode(&made), Err(DecodeError::Truncated { .. })),
            "{flags:#x} {rest:?}"
        );
    }
}

#[test]
fn xa_ids_have_a_limit() {
    let mut bytes = gtid_start(0x40);
    bytes.extend_from_slice(&[1, 0, 0, 0, 65, 0]);
    bytes.extend_from_slice(&[b'x'; 65]);
    let error = decode(&Made::new(EventType::GTID, bytes)).unwrap_err();
    assert!(error.to_string().contains("64 are allowed"), "{error}");
}

#[test]
fn incident() {
    let EventBody::Incident(incident) = body(EventType::INCIDENT, b"\x01\x00\x0blost events") else {
        panic!()
    };
    assert_eq!(
        (incident.number, incident.message.as_ref()),
        (1, &b"lost events"[..])
    );
}

#[test]
fn heartbeat_names_a_file() {
    let made = Made::new(EventType::HEARTBEAT, *b"mysql-bin.000007")
        .ending_at(1234)
        .with_checksum();
    let event = decode(&made).unwrap();
    assert_eq!(event.header.end_offset, 1234);
    let EventBody::Heartbeat(heartbeat) = event.body else {
        panic!()
    };
    assert_eq!(heartbeat.file.as_ref(), b"mysql-bin.000007");
    assert!(decode(&Made::new(EventType::HEARTBEAT, *b"a\nb")).is_err());
    assert!(decode(&Made::new(EventType::HEARTBEAT, *b"")).is_err());
}

#[test]
fn gtid_list_with_flags() {
    let mut bytes = 0x1000_0002_u32.to_le_bytes().to_vec();
    for (domain, server, sequence) in [(0_u32, 1_u32, 5_u64), (0, 2, 7)] {
        bytes.extend_from_slice(&domain.to_le_bytes());
        bytes.extend_from_slice(&server.to_le_bytes());
        bytes.extend_from_slice(&sequence.to_le_bytes());
    }
    let EventBody::GtidList(list) = body(EventType::GTID_LIST, &bytes) else {
        panic!()
    };
    assert!(list.is_until_reached && !list.is_ignored_gtids);
    assert_eq!(list.position().to_string(), "0-2-7");
    let huge = Made::new(EventType::GTID_LIST, 0x0fff_ffff_u32.to_le_bytes());
    assert!(
        matches!(decode(&huge), Err(DecodeError::Truncated { .. })),
        "no allocation for what is not there"
    );
}

#[test]
fn rows_with_extra_data() {
    // Table 0x112233, flag STMT_END, extra data of 2 + 3 bytes, one column, one row.
    let bytes = [0x33, 0x22, 0x11, 0, 0, 0, 1, 0, 5, 0, 9, 9, 9, 1, 1, 0, 77];
    let event = decode(&Made::new(EventType::DELETE_ROWS_V2, bytes)).unwrap();
    let EventBody::Rows(rows) = &event.body else {
        panic!()
    };
    assert_eq!(
        (rows.op, rows.version, rows.table_id),
        (RowsOp::Delete, RowsVersion::V2, 0x11_2233)
    );
    assert_eq!(rows.rows.as_ref(), [0, 77]);
    let mut out = Vec::new();
    rows.encode_plain(&event.header, &mut out);
    assert_eq!(out[4], EventType::DELETE_ROWS_V1.0);
    assert_eq!(out[19..], [0x33, 0x22, 0x11, 0, 0, 0, 1, 0, 1, 1, 0, 77]);
    let short = Made::new(EventType::WRITE_ROWS_V2, [1, 0, 0, 0, 0, 0, 1, 0, 1, 0]);
    assert!(
        decode(&short)
            .unwrap_err()
            .to_string()
            .contains("less than its own size")
    );
}

#[test]
fn query_of_an_11_4_source() {
    // character_set_collations (131) before charset (4), no end offset, as inside a group.
    let status = [0, 0, 0, 0, 1, 131, 1, 45, 0, 0x0a, 9, 4, 45, 0, 45, 0, 8, 0];
    let mut bytes = vec![7, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, status.len() as u8, 0];
    bytes.extend_from_slice(&status);
    bytes.extend_from_slice(b"d\0INSERT");
    let EventBody::Query(query) = body(EventType::QUERY, &bytes) else {
        panic!()
    };
    assert_eq!(query.status.character_set_collations, Some(vec![(45, 0x090a)]));
    assert_eq!(query.status.charset.unwrap().client, 45);
    assert_eq!(
        (query.db.as_ref(), query.query.as_ref()),
        (&b"d"[..], &b"INSERT"[..])
    );
    bytes[13] = 132;
    let error = decode(&Made::new(EventType::QUERY, bytes)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "decode Query event (type 2): unknown status variable 132 at offset 32; \
         the source is newer than this engine, which must learn the variable first"
    );
}

#[test]
fn encryption_in_a_stream_means_nothing() {
    let mut bytes = vec![1, 2, 0, 0, 0];
    bytes.extend_from_slice(b"nonce-nonce-");
    let made = Made::new(EventType::START_ENCRYPTION, bytes).flagged(Header::FLAG_IGNORABLE);
    let EventBody::StartEncryption(start) = decode(&made).unwrap().body else {
        panic!()
    };
    assert_eq!(
        (start.scheme, start.key_version, &start.nonce),
        (1, 2, b"nonce-nonce-")
    );
}

#[test]
fn events_that_carry_unreadable_changes_are_refused_by_name() {
    for (kind, words) in [
        (EventType::LOAD, "Load event (type 6)"),
        (EventType::PRE_GA_WRITE_ROWS, "Write_rows_event_old"),
    ] {
        let error = decode(&Made::new(kind, [0; 30]).flagged(Header::FLAG_IGNORABLE)).unwrap_err();
        assert!(matches!(error, DecodeError::Refused { .. }), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn unknown_types_need_the_flag() {
    let made = Made::new(EventType(200), [1, 2, 3]);
    let error = decode(&made).unwrap_err();
    assert_eq!(
        error.to_string(),
        "refuse event type 200: unknown, and not flagged as ignorable; the source is newer than this engine"
    );
    let EventBody::Ignorable(ignored) = decode(&made.flagged(Header::FLAG_IGNORABLE)).unwrap().body else {
        panic!()
    };
    assert_eq!((ignored.name, ignored.body.len()), ("Unknown", 3));
    let EventBody::Ignorable(ignored) = body(EventType::MYSQL_ANONYMOUS_GTID, &[0; 42]) else {
        panic!()
    };
    assert_eq!(ignored.name, "Anonymous_Gtid (MySQL)");
}

#[test]
fn checksums_follow_the_session_then_the_format() {
    let raw = raw_events("no-checksum");
    let fake = Made::new(
        EventType::ROTATE,
        [&4_u64.to_le_bytes()[..], b"mysql-bin.000001"].concat(),
    )
    .with_checksum();
    let mut decoder = Decoder::new(ChecksumAlgorithm::Crc32);
    let EventBody::Rotate(rotate) = decoder.decode(fake.bytes()).unwrap().body else {
        panic!()
    };
    assert_eq!(
        rotate.file.as_ref(),
        b"mysql-bin.000001",
        "the checksum is no part of the name"
    );
    for event in raw {
        decoder.decode(event).unwrap();
    }
    assert_eq!(decoder.format().unwrap().checksum, ChecksumAlgorithm::Off);
}

#[test]
fn a_format_description_has_a_checksum_even_without_algorithm() {
    let raw = &raw_events("no-checksum")[0];
    let mut damaged = raw.to_vec();
    damaged[30] ^= 1;
    let mut decoder = Decoder::new(ChecksumAlgorithm::Off);
    assert!(matches!(
        decoder.decode(Bytes::from(damaged)),
        Err(DecodeError::Checksum { .. })
    ));
    // The flag of an open file is set and cleared without touching the checksum.
    let mut open = raw.to_vec();
    open[17] ^= 1;
    decoder.decode(Bytes::from(open)).unwrap();
    decoder.decode(raw.clone()).unwrap();
}

#[test]
fn an_ancient_source_is_refused() {
    let mut raw = raw_events("no-checksum")[0].to_vec();
    raw[21..71].fill(0);
    raw[21..35].copy_from_slice(b"5.2.14-MariaDB");
    raw.truncate(raw.len() - 4);
    let crc = crc32fast::hash(&raw);
    raw.extend_from_slice(&crc.to_le_bytes());
    let error = Decoder::new(ChecksumAlgorithm::Off)
        .decode(Bytes::from(raw))
        .unwrap_err();
    assert!(error.to_string().contains("older than MariaDB 5.3"), "{error}");
}

#[test]
fn sizes_are_limited_before_memory_is_taken() {
    let mut decoder = Decoder::new(ChecksumAlgorithm::Crc32);
    decoder.set_event_bytes_max(300);
    let mut refused = 0;
    for raw in raw_events("compressed") {
        match decoder.decode(raw) {
            Ok(event) => assert!(event.plain_len <= 300 + 200, "{event:?}"),
            Err(error) => {
                assert!(
                    matches!(error, DecodeError::TooLarge { limit: 300, .. }),
                    "{error}"
                );
                refused += 1;
            }
        }
    }
    assert!(refused >= 3, "{refused}");
}

#[test]
fn tables_have_a_limit_of_columns() {
    let mut bytes = vec![1, 0, 0, 0, 0, 0, 1, 0, 1, b'd', 0, 1, b't', 0, 0xfc];
    bytes.extend_from_slice(&5000_u16.to_le_bytes());
    bytes.resize(10_000, 3);
    let error = decode(&Made::new(EventType::TABLE_MAP, bytes)).unwrap_err();
    assert!(error.to_string().contains("at most 4096"), "{error}");
}
