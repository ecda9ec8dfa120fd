//! Where the corpora begin: inputs of the right shape, from `testdata/` and by hand.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tributary_binlog::file::BinlogFile;
use tributary_binlog::{ChecksumAlgorithm, ColumnType, Decoder, EventBody, EventType};
use tributary_wire::compress::FrameWriter;
use tributary_wire::packet;

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata")
}

/// The files of a folder of `testdata/` with one of `extensions`, sorted by name.
fn files(folder: &str, extensions: &[&str]) -> Vec<(String, Vec<u8>)> {
    let mut paths: Vec<PathBuf> = fs::read_dir(testdata().join(folder))
        .unwrap_or_else(|error| panic!("testdata/{folder}: {error}"))
        .map(|entry| entry.expect("a folder of testdata can be listed").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|own| extensions.iter().any(|extension| own == *extension))
        })
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "testdata/{folder} has no {extensions:?}");
    let name = |path: &Path| {
        path.file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
            .unwrap_or_default()
    };
    paths
        .iter()
        .map(|path| {
            (
                name(path),
                fs::read(path).expect("a file of testdata can be read"),
            )
        })
        .collect()
}

/// Captured binlogs, whole; large ones leave the engine no time for anything else.
pub fn captures() -> Vec<Vec<u8>> {
    const BYTES_MAX: usize = 16 * 1024;
    files("binlog", &["bin"])
        .into_iter()
        .map(|(_, bytes)| bytes)
        .filter(|bytes| bytes.len() <= BYTES_MAX)
        .collect()
}

/// The events of every captured binlog of MariaDB, without checksums, of a size that is worth mutating.
fn captured_events() -> Vec<Vec<Vec<u8>>> {
    events_of("binlog")
}

fn events_of(folder: &str) -> Vec<Vec<Vec<u8>>> {
    const EVENT_BYTES_MAX: usize = 2048;
    let mut all = Vec::new();
    for (name, bytes) in files(folder, &["bin"]) {
        if name == "encrypted" {
            continue;
        }
        let checksum = if name == "no-checksum" { 0 } else { 4 };
        let mut file = BinlogFile::open(&name, bytes.as_slice()).expect("a capture begins as a binlog");
        let mut events = Vec::new();
        while let Some((_, raw)) = file.next_raw().expect("a capture is whole") {
            if raw.len() <= EVENT_BYTES_MAX {
                let mut event = raw[..raw.len() - checksum].to_vec();
                let length = u32::try_from(event.len()).expect("events of captures are small");
                event[9..13].copy_from_slice(&length.to_le_bytes());
                events.push(event);
            }
        }
        all.push(events);
    }
    all
}

fn kind(event: &[u8]) -> EventType {
    EventType(event.get(4).copied().unwrap_or(0))
}

/// A whole Format_description of 10.11 that announces events without checksums.
pub fn format_description() -> Bytes {
    let (_, bytes) = files("binlog", &["bin"])
        .into_iter()
        .find(|(name, _)| name == "no-checksum")
        .expect("testdata/binlog has no-checksum.bin");
    let mut file = BinlogFile::open("no-checksum", bytes.as_slice()).expect("a capture begins as a binlog");
    let (_, raw) = file
        .next_raw()
        .expect("a capture is whole")
        .expect("a capture has events");
    raw
}

/// A whole Format_description of MySQL 9.7, made to announce events without checksums.
pub fn mysql_format_description() -> Bytes {
    let (name, bytes) = files("mysql", &["bin"]).swap_remove(0);
    let mut file = BinlogFile::open(&name, bytes.as_slice()).expect("a capture begins as a binlog");
    let (_, raw) = file
        .next_raw()
        .expect("a capture is whole")
        .expect("a capture has events");
    let mut raw = raw.to_vec();
    // The algorithm stands before the checksum, which an event of this type always has.
    let at = raw.len() - 5;
    raw[at] = 0;
    let checksum = crc32(&raw[..=at]);
    raw[at + 1..].copy_from_slice(&checksum.to_le_bytes());
    raw.into()
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |mut sum, byte| {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = sum >> 1 ^ (0xedb8_8320 & (sum & 1).wrapping_neg());
        }
        sum
    })
}

/// Groups of MySQL: a GTID and all up to the next one; and transactions as payloads that are not compressed, which mutate better.
pub fn mysql_groups() -> Vec<Vec<u8>> {
    let mut groups: Vec<Vec<Vec<u8>>> = Vec::new();
    for event in events_of("mysql").into_iter().flatten() {
        let begins = matches!(
            kind(&event),
            EventType::MYSQL_GTID | EventType::MYSQL_ANONYMOUS_GTID | EventType::MYSQL_GTID_TAGGED
        );
        if begins || groups.is_empty() {
            groups.push(Vec::new());
        }
        if let Some(group) = groups.last_mut() {
            group.push(event);
        }
    }
    let payloads: Vec<Vec<u8>> = groups
        .iter()
        .filter(|group| group.iter().any(|event| kind(event) == EventType::TABLE_MAP))
        .map(|group| payload(&group[1..].concat()))
        .collect();
    let mut all: Vec<Vec<u8>> = groups.iter().map(|group| group.concat()).collect();
    all.extend(payloads);
    all.retain(|group| group.len() <= 4096);
    all
}

/// A transaction payload of `events`, not compressed.
fn payload(events: &[u8]) -> Vec<u8> {
    let size = (events.len() as u16).to_le_bytes();
    let fields = [
        b"\x01\x03\xfc".as_slice(),
        &size,
        b"\x02\x03\xfc\xff\0\x03\x03\xfc",
        &size,
        b"\0",
    ]
    .concat();
    let mut event = [
        &[0, 0, 0, 0, EventType::MYSQL_TRANSACTION_PAYLOAD.0][..],
        &[0; 14],
        &fields,
        events,
    ]
    .concat();
    let length = event.len() as u32;
    event[9..13].copy_from_slice(&length.to_le_bytes());
    event
}

/// Documents of the capture behind their length, without changes and with changes of every kind.
pub fn mysql_documents() -> Vec<Vec<u8>> {
    let changes: &[&[u8]] = &[
        b"",
        b"\0\x03$.a\x03\x05\x02\0",
        b"\x01\x03$.b\x03\x05\x07\0\x02\x03$.b",
        b"\x02\x0a$.\"bb\"[10]\x01\x04$[1]\x02\x04\0",
        b"\x01\x05$.new\x04\x0c\x02vv\0\x07$.bb[0]\x02\x04\x01",
    ];
    let mut documents = Vec::new();
    let mut decoder = Decoder::new(ChecksumAlgorithm::Off);
    let mut last_map = None;
    decoder
        .decode(mysql_format_description())
        .expect("the captured format description is whole");
    for raw in events_of("mysql").into_iter().flatten() {
        match decoder.decode(raw.into()).map(|event| event.body) {
            Ok(EventBody::TableMap(map)) => last_map = Some(map),
            Ok(EventBody::Rows(rows)) => {
                let Some(map) = &last_map else { continue };
                for image in rows
                    .row_images(map)
                    .filter_map(|row| row.ok().and_then(|row| row.after))
                {
                    let cells = image.cells().enumerate();
                    let json =
                        cells.filter(|(column, _)| map.columns[*column].code == ColumnType::MYSQL_JSON);
                    documents.extend(json.filter_map(|(_, cell)| cell.value().map(<[u8]>::to_vec)));
                }
            }
            _ => {}
        }
    }
    documents.sort();
    documents.dedup();
    assert!(documents.len() > 5, "{} documents", documents.len());
    documents
        .iter()
        .flat_map(|document| {
            let length = (document.len() as u16).to_le_bytes();
            changes
                .iter()
                .map(move |changes| [&length, document.as_slice(), changes].concat())
        })
        .collect()
}

/// One event each; per type and rough size one of each capture.
pub fn events() -> Vec<Vec<u8>> {
    let mut chosen = Vec::new();
    for events in captured_events() {
        let mut seen = std::collections::HashSet::new();
        chosen.extend(
            events
                .into_iter()
                .filter(|event| seen.insert((event[4], event.len() / 64))),
        );
    }
    chosen
}

/// Groups: a GTID and all up to the next one.
pub fn groups() -> Vec<Vec<u8>> {
    let mut groups: Vec<Vec<u8>> = Vec::new();
    for events in captured_events() {
        for event in events {
            if kind(&event) == EventType::GTID || groups.is_empty() {
                groups.push(Vec::new());
            }
            if let Some(group) = groups.last_mut() {
                group.extend_from_slice(&event);
            }
        }
    }
    groups.retain(|group| group.len() <= 4096);
    groups
}

/// Table maps.
pub fn table_maps() -> Vec<Vec<u8>> {
    let mut maps = events();
    maps.retain(|event| kind(event) == EventType::TABLE_MAP);
    maps
}

/// A table map and the rows event behind it.
pub fn maps_and_rows() -> Vec<Vec<u8>> {
    let mut pairs = Vec::new();
    for events in captured_events() {
        for pair in events.windows(2) {
            if kind(&pair[0]) == EventType::TABLE_MAP && kind(&pair[1]) != EventType::TABLE_MAP {
                pairs.push(pair.concat());
            }
        }
    }
    pairs
}

/// Blocks of status variables.
pub fn status_vars() -> Vec<Vec<u8>> {
    let mut blocks = vec![vec![131, 2, 33, 0, 0x53, 0, 45, 0, 0x2d, 0, 4, 8, 0, 8, 0, 8, 0]];
    for event in captured_events().into_iter().flatten() {
        if kind(&event) == EventType::QUERY {
            let length = usize::from(event[30]) | usize::from(event[31]) << 8;
            blocks.push(event[32..32 + length].to_vec());
        }
    }
    blocks.sort();
    blocks.dedup();
    blocks
}

/// GTIDs, positions, sets and coordinates.
pub fn gtid_texts() -> Vec<Vec<u8>> {
    let texts = [
        "0-1-42",
        "0-1-42,5-2-7",
        "0-1:5-9.12,3-2:7",
        "mysql-bin.000003:1234",
        "0-1:18446744073709551615",
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// Option files.
pub fn option_files() -> Vec<Vec<u8>> {
    let by_hand = b"[mysqld-10.11]\n!include again.cnf\n!includedir dir\na-b = \"q\\s\" # c\nloose-x\n[tributary]\nm1.y='z'\n";
    let mut all = vec![by_hand.to_vec()];
    all.extend(files("optfile", &["cnf"]).into_iter().map(|(_, bytes)| bytes));
    all
}

/// Statements, behind two bytes that choose the dialect: those of the rename table and of the captures.
pub fn statements() -> Vec<Vec<u8>> {
    let mut texts: Vec<Vec<u8>> = Vec::new();
    for (_, table) in files("sql", &["txt"]) {
        let table = String::from_utf8_lossy(&table).replace(['⟦', '⟧'], "");
        let is_statement =
            |line: &&str| !line.starts_with('#') && !line.starts_with('@') && !line.starts_with("=>");
        texts.extend(table.split("\n\n").map(|block| {
            block
                .lines()
                .filter(is_statement)
                .collect::<Vec<_>>()
                .join("\n")
                .into_bytes()
        }));
    }
    for event in captured_events().into_iter().flatten() {
        if kind(&event) == EventType::ANNOTATE_ROWS {
            texts.push(event[19..].to_vec());
        }
    }
    texts.retain(|text| !text.is_empty());
    texts
        .into_iter()
        .map(|text| [&[0, 0], text.as_slice()].concat())
        .collect()
}

/// Payloads as one stream of packets.
fn stream(payloads: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    for (sequence, payload) in payloads.iter().enumerate() {
        packet::encode(&mut out, sequence as u8, [*payload]);
    }
    out
}

/// A result set of one column and two rows, as 10.11 sends it.
fn result_set() -> Vec<u8> {
    let column = b"\x03def\0\0\0\x011\0\x0c\x3f\0\x01\0\0\0\x03\x81\0\0\0\0";
    stream(&[
        b"\x01",
        column,
        b"\xfe\0\0\x02\0",
        b"\x0242",
        b"\xfb",
        b"\xfe\0\0\x02\0",
    ])
}

/// Streams of packets, behind the size of the pieces in which they arrive.
pub fn packets() -> Vec<Vec<u8>> {
    let event = events().into_iter().next().unwrap_or_default();
    let dump = stream(&[
        &[&[0], event.as_slice()].concat(),
        b"\xff\xd4\x04#HY000lost",
        b"\xfe\0\0\x02\0",
    ]);
    [result_set(), dump]
        .iter()
        .flat_map(|stream| {
            [
                [&[1], stream.as_slice()].concat(),
                [&[255], stream.as_slice()].concat(),
            ]
        })
        .collect()
}

/// A greeting of 10.11 and the packets of logins, each with its length in front.
pub fn handshakes() -> Vec<Vec<u8>> {
    let greeting =
        b"\x0a5.5.5-10.11.19-MariaDB\0\x07\0\0\0abcdefgh\0\xfe\xf7\x08\x02\0\xff\x81\x15\0\0\0\0\0\0\
        \x1d\0\0\0ijklmnopqrst\0mysql_native_password\0";
    let switch = b"\xfeclient_ed25519\0abcdefghijklmnopqrstuvwxyzabcdef";
    let more = b"\x01\x04";
    let refused = b"\xff\x15\x04#28000Access denied";
    let ok = b"\0\0\0\x02\0\0\0";
    let with_length = |payload: &[u8]| [&[payload.len() as u8], payload].concat();
    [&switch[..], more, refused, ok]
        .iter()
        .map(|packet| [with_length(greeting), with_length(packet), with_length(ok)].concat())
        .collect()
}

/// Replies, behind a byte that chooses the format.
pub fn replies() -> Vec<Vec<u8>> {
    let ok = stream(&[b"\0\x01\x02\x02\0\0\0"]);
    let failed = stream(&[b"\xff\x26\x04#23000Duplicate entry '1' for key 'PRIMARY'"]);
    let load = stream(&[b"\xfb/tmp/file"]);
    let all = [ok, failed, load, result_set()];
    (0..4_u8)
        .flat_map(|format| {
            all.iter()
                .map(move |reply| [&[format], reply.as_slice()].concat())
        })
        .collect()
}

/// Frames of the compressed protocol, raw and deflated.
pub fn compressed_frames() -> Vec<Vec<u8>> {
    let mut writer = FrameWriter::new();
    let long = stream(&[&b"INSERT INTO t VALUES (1, 'text')".repeat(20)]);
    [stream(&[b"\x01"]), long]
        .iter()
        .map(|packets| {
            let mut out = Vec::new();
            writer.encode(&mut out, 0, packets);
            out
        })
        .collect()
}
