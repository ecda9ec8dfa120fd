//! Groups from events in an order no capture has: streams with artificial events, holes, accidents, MySQL sources.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a test says what it shows in its name and fails by panicking"
)]

mod support;

use bytes::Bytes;
use support::{Made, events, raw_events};
use tributary_binlog::{
    Assembled, ChecksumAlgorithm, Coordinates, Decoder, Event, EventBody, EventGroup, EventType,
    GroupAssembler, GroupEnd, GroupError, GroupItem, Header,
};

/// A stream that a test writes event by event.
struct Stream {
    decoder: Decoder,
    groups: GroupAssembler,
}

impl Stream {
    fn new() -> Stream {
        Stream {
            decoder: Decoder::new(ChecksumAlgorithm::Off),
            groups: GroupAssembler::new(Coordinates::new("mysql-bin.000001", 4)),
        }
    }

    /// A stream of a MariaDB source without checksums, at offset 256.
    fn mariadb() -> Stream {
        let mut stream = Stream::new();
        let format = stream
            .decoder
            .decode(raw_events("no-checksum").remove(0))
            .unwrap();
        let answer = stream.groups.push(format).unwrap();
        assert!(matches!(
            answer,
            Some(Assembled::FormatChanged {
                source_restarted: true,
                ..
            })
        ));
        assert_eq!(stream.at(), "mysql-bin.000001:256");
        stream
    }

    fn push(&mut self, made: Made) -> Result<Option<Assembled>, GroupError> {
        let event = self.decoder.decode(made.bytes()).unwrap();
        self.groups.push(event)
    }

    /// Pushes events inside a group.
    fn open(&mut self, made: impl IntoIterator<Item = Made>) {
        for made in made {
            assert_eq!(self.push(made).unwrap(), None);
        }
    }

    fn group(&mut self, made: Made) -> EventGroup {
        match self.push(made).unwrap() {
            Some(Assembled::Group(group)) => *group,
            other => panic!("{other:?}"),
        }
    }

    fn at(&self) -> String {
        self.groups.coordinates().to_string()
    }
}

fn gtid(sequence: u64, flags: u8) -> Made {
    let mut body = sequence.to_le_bytes().to_vec();
    body.extend_from_slice(&[0, 0, 0, 0, flags]);
    body.resize(19, 0);
    Made::new(EventType::GTID, body)
}

fn query(text: &str) -> Made {
    let mut body = vec![0; 13];
    body.push(0);
    body.extend_from_slice(text.as_bytes());
    Made::new(EventType::QUERY, body)
}

fn xid() -> Made {
    Made::new(EventType::XID, [1, 0, 0, 0, 0, 0, 0, 0])
}

fn rotate(file: &str, offset: u64) -> Made {
    Made::new(
        EventType::ROTATE,
        [&offset.to_le_bytes()[..], file.as_bytes()].concat(),
    )
    .flagged(Header::FLAG_ARTIFICIAL)
}

fn table_map(id: u8, table: u8) -> Made {
    Made::new(
        EventType::TABLE_MAP,
        [id, 0, 0, 0, 0, 0, 1, 0, 1, b'd', 0, 1, table, 0, 1, 1, 0, 0],
    )
}

fn rows(id: u8, flags: u8) -> Made {
    Made::new(
        EventType::WRITE_ROWS_V1,
        [id, 0, 0, 0, 0, 0, flags, 0, 1, 1, 0, 7],
    )
}

fn block(kind: EventType, file_id: u8, data: &[u8]) -> Made {
    Made::new(kind, [&[file_id, 0, 0, 0], data].concat())
}

#[test]
fn ends_of_zero_inside_a_group_are_computed() {
    let mut stream = Stream::mariadb();
    // 11.4: only the first and the last event of the group have an end. 38 + 39 + 27 bytes.
    stream.open([gtid(1, 0x0c).ending_at(294), query("INSERT")]);
    let group = stream.group(xid());
    assert_eq!((group.start.offset, group.end.offset), (256, 360));
    assert_eq!(stream.at(), "mysql-bin.000001:360");
    // The next real end corrects what events left out by the source made too small.
    stream.open([gtid(2, 0x0c).ending_at(500), query("INSERT")]);
    let group = stream.group(xid().ending_at(700));
    assert_eq!((group.start.offset, group.end.offset), (462, 700));
}

#[test]
fn coordinates_never_stand_inside_a_group() {
    let mut stream = Stream::mariadb();
    for made in [
        gtid(1, 0x0c).ending_at(300),
        query("INSERT").ending_at(350),
        query("UPDATE").ending_at(400),
    ] {
        stream.open([made]);
        assert!(stream.groups.is_inside_group());
        assert_eq!(stream.at(), "mysql-bin.000001:256");
    }
    stream.group(xid().ending_at(450));
    assert_eq!(stream.at(), "mysql-bin.000001:450");
}

#[test]
fn a_disconnect_drops_the_group_and_the_source_repeats_it() {
    let mut stream = Stream::mariadb();
    stream.open([gtid(1, 0x0c).ending_at(300), query("INSERT").ending_at(350)]);
    assert!(stream.groups.partial_bytes() > 0);
    stream.groups.reset();
    assert!(!stream.groups.is_inside_group());
    assert_eq!(
        stream.push(rotate("mysql-bin.000001", 256)).unwrap(),
        Some(Assembled::Rotated)
    );
    stream.open([gtid(1, 0x0c).ending_at(300), query("INSERT").ending_at(350)]);
    let group = stream.group(xid().ending_at(400));
    assert_eq!(group.items.len(), 1);
}

#[test]
fn a_source_that_died_inside_a_group_takes_it_back() {
    let mut stream = Stream::mariadb();
    stream.open([gtid(1, 0x0c).ending_at(300), query("INSERT").ending_at(350)]);
    // Its next life has a new file, announced without the end of the old one.
    assert_eq!(
        stream.push(rotate("mysql-bin.000002", 4)).unwrap(),
        Some(Assembled::Rotated)
    );
    assert_eq!(
        stream.at(),
        "mysql-bin.000001:256",
        "the group is not given up yet"
    );
    let format = stream
        .decoder
        .decode(raw_events("no-checksum").remove(0))
        .unwrap();
    let answer = stream.groups.push(format).unwrap();
    assert!(matches!(
        answer,
        Some(Assembled::FormatChanged {
            source_restarted: true,
            ..
        })
    ));
    assert!(!stream.groups.is_inside_group());
    assert_eq!(stream.at(), "mysql-bin.000002:256");
}

#[test]
fn a_file_that_ends_inside_a_group_is_an_error() {
    let mut stream = Stream::mariadb();
    stream.open([gtid(1, 0x0c).ending_at(300)]);
    let real = Made {
        flags: 0,
        ..rotate("mysql-bin.000002", 4)
    };
    let error = stream.push(real.ending_at(400)).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("assemble group 0-101-1: Rotate event"),
        "{error}"
    );
    assert!(!stream.groups.is_inside_group());
}

#[test]
fn rotation_moves_to_the_next_file() {
    let mut stream = Stream::mariadb();
    let real = Made {
        flags: 0,
        ..rotate("mysql-bin.000002", 4)
    };
    assert_eq!(
        stream.push(real.ending_at(300)).unwrap(),
        Some(Assembled::Rotated)
    );
    assert_eq!(stream.at(), "mysql-bin.000002:4");
    assert_eq!(
        stream.push(rotate("mysql-bin.000002", 4)).unwrap(),
        Some(Assembled::Rotated)
    );
    assert_eq!(stream.at(), "mysql-bin.000002:4");
}

#[test]
fn a_format_from_the_middle_of_a_file_moves_nothing() {
    let mut stream = Stream::mariadb();
    stream.push(rotate("mysql-bin.000001", 9000)).unwrap();
    // The dump thread clears end and creation time, and computes the checksum again.
    let mut raw = raw_events("no-checksum").remove(0).to_vec();
    raw[13..17].fill(0);
    raw[71..75].fill(0);
    let length = raw.len();
    let crc = crc32fast::hash(&raw[..length - 4]);
    raw[length - 4..].copy_from_slice(&crc.to_le_bytes());
    let format = stream.decoder.decode(Bytes::from(raw)).unwrap();
    let answer = stream.groups.push(format).unwrap();
    assert!(matches!(
        answer,
        Some(Assembled::FormatChanged {
            source_restarted: false,
            ..
        })
    ));
    assert_eq!(stream.at(), "mysql-bin.000001:9000");
}

#[test]
fn an_encrypted_source_repeats_its_start_event() {
    let mut stream = Stream::mariadb();
    stream.push(rotate("mysql-bin.000001", 9000)).unwrap();
    let start = Made::new(EventType::START_ENCRYPTION, [1; 17])
        .flagged(Header::FLAG_IGNORABLE)
        .ending_at(296);
    assert_eq!(stream.push(start).unwrap(), Some(Assembled::Advanced));
    assert_eq!(stream.at(), "mysql-bin.000001:9000");
}

#[test]
fn heartbeats_and_artificial_lists() {
    let mut stream = Stream::mariadb();
    let heartbeat = || Made::new(EventType::HEARTBEAT, *b"mysql-bin.000001").ending_at(256);
    let expected = Assembled::Heartbeat {
        coordinates: Coordinates::new("mysql-bin.000001", 256),
    };
    assert_eq!(stream.push(heartbeat()).unwrap(), Some(expected.clone()));
    stream.open([gtid(1, 0x0c).ending_at(300)]);
    assert_eq!(
        stream.push(heartbeat()).unwrap(),
        Some(expected),
        "also inside a group, which stays"
    );
    stream.group(xid().ending_at(350));
    // The source left out groups the replica has: the list tells where that leads.
    let mut body = 0x1000_0001_u32.to_le_bytes().to_vec();
    body.extend_from_slice(&[0, 0, 0, 0, 101, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
    let list = Made::new(EventType::GTID_LIST, body)
        .flagged(Header::FLAG_ARTIFICIAL)
        .ending_at(5000);
    let Some(Assembled::GtidListReached(position, list)) = stream.push(list).unwrap() else {
        panic!()
    };
    assert_eq!(
        (position.to_string().as_str(), list.is_until_reached),
        ("0-101-9", true)
    );
    assert_eq!(stream.at(), "mysql-bin.000001:5000");
}

#[test]
fn incidents_and_stops_are_reported() {
    let mut stream = Stream::mariadb();
    let answer = stream
        .push(Made::new(EventType::INCIDENT, *b"\x01\x00\x04lost").ending_at(300))
        .unwrap();
    assert_eq!(
        answer,
        Some(Assembled::Incident {
            number: 1,
            message: Bytes::from_static(b"lost")
        })
    );
    assert_eq!(
        stream.at(),
        "mysql-bin.000001:256",
        "an incident is not passed by itself"
    );
    let mut stream = Stream::mariadb();
    assert_eq!(
        stream
            .push(Made::new(EventType::STOP, []).ending_at(275))
            .unwrap(),
        Some(Assembled::Stopped)
    );
    assert_eq!(stream.at(), "mysql-bin.000001:275");
    let checkpoint = Made::new(EventType::BINLOG_CHECKPOINT, *b"\x10\0\0\0mysql-bin.000001").ending_at(320);
    assert_eq!(stream.push(checkpoint).unwrap(), Some(Assembled::Advanced));
}

#[test]
fn a_change_outside_a_group_means_reading_began_inside_one() {
    let mut stream = Stream::mariadb();
    let error = stream.push(query("INSERT").ending_at(300)).unwrap_err();
    assert!(error.to_string().contains("reading began inside one"), "{error}");
    let error = Stream::mariadb().push(xid().ending_at(300)).unwrap_err();
    assert!(error.to_string().contains("Xid event"), "{error}");
    let mut stream = Stream::mariadb();
    stream.open([gtid(1, 0x0c).ending_at(300)]);
    let error = stream.push(gtid(2, 0x0c).ending_at(340)).unwrap_err();
    assert!(
        error.to_string().contains("assemble group 0-101-1: Gtid event"),
        "{error}"
    );
}

#[test]
fn sources_without_gtids_frame_groups_by_statements() {
    let mut stream = Stream::new();
    let group = stream.group(query("CREATE TABLE t (id INT)").ending_at(100));
    assert_eq!(
        (group.gtid.clone(), group.end_kind.clone()),
        (None, GroupEnd::Standalone)
    );
    assert_eq!(group.name(), "mysql-bin.000001:44", "named by where it begins");
    stream.open([query("BEGIN").ending_at(150), query("INSERT").ending_at(200)]);
    let group = stream.group(query("COMMIT").ending_at(250));
    assert_eq!((group.items.len(), group.end_kind), (1, GroupEnd::Commit));
    stream.open([Made::new(EventType::INTVAR, [2, 5, 0, 0, 0, 0, 0, 0, 0]).ending_at(280)]);
    let group = stream.group(query("INSERT").ending_at(300));
    assert!(matches!(&group.items[0], GroupItem::Statement(item) if item.insert_id == Some(5)));
    stream.open([table_map(1, b't').ending_at(350)]);
    assert_eq!(stream.group(rows(1, 1).ending_at(400)).items.len(), 1);
    assert!(
        stream
            .push(query("COMMIT").ending_at(450))
            .unwrap_err()
            .to_string()
            .contains("without a group")
    );
}

#[test]
fn prefixes_belong_to_the_next_statement_only() {
    let mut stream = Stream::mariadb();
    let user_var = Made::new(EventType::USER_VAR, *b"\x01\0\0\0a\x01");
    stream.open([
        gtid(1, 0x08).ending_at(300),
        Made::new(EventType::INTVAR, [1, 3, 0, 0, 0, 0, 0, 0, 0]),
        Made::new(EventType::INTVAR, [2, 4, 0, 0, 0, 0, 0, 0, 0]),
        Made::new(EventType::RAND, [5, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0]),
        user_var,
        query("INSERT"),
        query("UPDATE"),
    ]);
    let group = stream.group(query("ROLLBACK"));
    assert_eq!(group.end_kind, GroupEnd::Rollback);
    let [GroupItem::Statement(first), GroupItem::Statement(second)] = &group.items[..] else {
        panic!()
    };
    assert_eq!(
        (first.last_insert_id, first.insert_id, first.rand),
        (Some(3), Some(4), Some((5, 6)))
    );
    assert_eq!(first.user_vars[0].value, None);
    assert_eq!(
        (second.last_insert_id, second.insert_id, second.rand),
        (None, None, None)
    );
    assert!(second.user_vars.is_empty());
}

#[test]
fn rows_need_their_table_map() {
    let mut stream = Stream::mariadb();
    stream.open([gtid(1, 0x0c).ending_at(300), table_map(1, b't'), rows(1, 1)]);
    // The statement has ended, and with it the map.
    let error = stream.push(rows(1, 1)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "assemble group 0-101-1: rows of table id 1, for which the statement has no table map"
    );
    let mut stream = Stream::mariadb();
    stream.open([
        gtid(1, 0x0c).ending_at(300),
        table_map(1, b't'),
        table_map(1, b't'),
    ]);
    let error = stream.push(table_map(1, b'u')).unwrap_err();
    assert_eq!(
        error.to_string(),
        "assemble group 0-101-1: table id 1 is d.t and d.u in one statement"
    );
}

#[test]
fn a_rows_statement_that_ends_otherwise_is_ended() {
    let mut stream = Stream::mariadb();
    stream.open([
        gtid(1, 0x0c).ending_at(300),
        Made::new(EventType::ANNOTATE_ROWS, *b"INSERT"),
        table_map(1, b't'),
        rows(1, 0),
        table_map(2, b'u'),
        rows(2, 0),
        Made::new(EventType::WRITE_ROWS_V1, [0xff, 0xff, 0xff, 0, 0, 0, 1, 0, 0]),
        table_map(3, b'v'),
        rows(3, 0),
    ]);
    let group = stream.group(xid());
    let [GroupItem::Rows(first), GroupItem::Rows(second)] = &group.items[..] else {
        panic!()
    };
    assert_eq!(first.annotate.as_deref(), Some(&b"INSERT"[..]));
    assert_eq!(
        first
            .events
            .iter()
            .map(|(_, rows)| rows.is_statement_end())
            .collect::<Vec<_>>(),
        [false, true]
    );
    assert_eq!(first.map(2).unwrap().full_name(), "d.u");
    assert!(second.events[0].1.is_statement_end() && second.annotate.is_none());
}

#[test]
fn load_data_collects_its_blocks() {
    let mut stream = Stream::mariadb();
    let text = b"LOAD DATA INFILE 'x' INTO TABLE t";
    let mut execute = vec![0; 13];
    execute.extend_from_slice(&[7, 0, 0, 0, 9, 0, 0, 0, 25, 0, 0, 0, 2]);
    execute.push(0);
    execute.extend_from_slice(text);
    stream.open([
        gtid(1, 0x08).ending_at(300),
        block(EventType::BEGIN_LOAD_QUERY, 7, b"one,"),
        block(EventType::BEGIN_LOAD_QUERY, 8, b"failed"),
        block(EventType::APPEND_BLOCK, 7, b"two"),
        Made::new(EventType::DELETE_FILE, [8, 0, 0, 0]),
        Made::new(EventType::EXECUTE_LOAD_QUERY, execute.clone()),
    ]);
    let error = stream
        .push(block(EventType::APPEND_BLOCK, 7, b"late"))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "assemble group 0-101-1: LOAD DATA file 7 has no first block"
    );

    let mut stream = Stream::mariadb();
    stream.open([
        gtid(1, 0x08).ending_at(300),
        block(EventType::BEGIN_LOAD_QUERY, 7, b"one,"),
        block(EventType::APPEND_BLOCK, 7, b"two"),
        Made::new(EventType::EXECUTE_LOAD_QUERY, execute.clone()),
    ]);
    let group = stream.group(query("COMMIT"));
    let [GroupItem::LoadData(load)] = &group.items[..] else {
        panic!()
    };
    assert_eq!(load.blocks.concat(), b"one,two");
    assert_eq!(&load.query.query[load.fn_start..load.fn_end], b" INFILE 'x' INTO");
    // A file clause outside the statement is refused by the decoder.
    execute[21] = 200;
    let event = stream
        .decoder
        .decode(Made::new(EventType::EXECUTE_LOAD_QUERY, execute).bytes());
    assert!(
        event
            .unwrap_err()
            .to_string()
            .contains("is no part of a statement of 33 bytes")
    );
}

#[test]
fn a_group_has_a_limit() {
    let mut stream = Stream::mariadb();
    stream.groups.set_group_bytes_max(1000);
    stream.open([gtid(1, 0x0c).ending_at(300), query(&"x".repeat(500))]);
    let error = stream.push(query(&"x".repeat(500))).unwrap_err();
    assert!(matches!(error, GroupError::TooLarge { limit: 1000, .. }));
    assert!(
        error
            .to_string()
            .contains("assemble group 0-101-1: 1104 bytes so far exceed group_bytes_max = 1000"),
        "{error}"
    );
    assert!(!stream.groups.is_inside_group(), "its memory is free again");
}

/// Of the compressed capture, the memory a group is said to hold is that of its expanded events.
#[test]
fn compressed_groups_count_expanded() {
    let mut groups = GroupAssembler::new(Coordinates::new("mysql-bin.000001", 4));
    let mut largest = 0;
    for (_, event) in events("compressed") {
        let Event {
            body: EventBody::Rows(_) | EventBody::Query(_),
            ..
        } = &event
        else {
            groups.push(event).unwrap();
            continue;
        };
        if let Some(Assembled::Group(group)) = groups.push(event).unwrap() {
            largest = largest.max(group.bytes);
        }
    }
    assert!(largest < 20_000, "{largest}");
    let total: usize = events("compressed")
        .iter()
        .map(|(_, event)| event.plain_len)
        .sum();
    assert!(total > 30_000, "{total} expanded bytes in a file of 4 KB");
}
