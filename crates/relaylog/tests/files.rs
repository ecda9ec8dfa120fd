//! What is written can be read: by the reader from any group on, after a restart, and by `mariadb-binlog`.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a test says what it shows in its name and fails by panicking"
)]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use support::{LIMITS, SOURCE, assemble, groups, new_log, read_all, start, stream, write};
use tributary_binlog::ChecksumAlgorithm;
use tributary_relaylog::{
    Error, INDEX_FILE, Limits, Listing, Next, Place, Recovery, RelayLog, file_name, file_number,
};

const CAPTURES: [&str; 6] = ["mixed", "row", "statement", "xa", "compressed", "no-checksum"];

/// Files this small end after every group or two.
const SMALL_FILES: Limits = Limits {
    file_bytes_max: 600,
    ..LIMITS
};

#[test]
fn every_group_is_a_place_to_read_from() {
    for capture in CAPTURES {
        let events = stream(capture);
        let (all, end) = assemble(&start(), &events);
        assert!(all.len() > 3, "{capture}");
        for limits in [LIMITS, SMALL_FILES] {
            let dir = tempfile::tempdir().unwrap();
            let mut log = new_log(dir.path(), limits);
            write(&mut log, &events);
            assert_eq!(log.end().0, &end, "{capture}");
            for (number, group) in all.iter().enumerate() {
                let mut reader = log.reader(&group.end).unwrap().unwrap();
                let read = read_all(&mut reader);
                assert_eq!(
                    groups(&group.end, &read),
                    all[number + 1..],
                    "{capture} from {}",
                    group.end
                );
            }
            let mut reader = log.reader(&start()).unwrap().unwrap();
            assert_eq!(groups(&start(), &read_all(&mut reader)), all, "{capture}");
            let nowhere = tributary_binlog::Coordinates::new("mysql-bin.000001", 5);
            assert!(log.reader(&nowhere).unwrap().is_none());
        }
    }
}

/// Byte for byte, whether the source sends checksums or not.
#[test]
fn a_reader_that_follows_gets_what_the_source_has_sent() {
    for capture in CAPTURES {
        let events = stream(capture);
        for fresh_bytes_max in [0, 300, 1 << 20] {
            let dir = tempfile::tempdir().unwrap();
            let limits = Limits {
                fresh_bytes_max,
                ..SMALL_FILES
            };
            let mut log = new_log(dir.path(), limits);
            let mut reader = log.reader(&start()).unwrap().unwrap();
            let mut read = Vec::new();
            for few in events.chunks(3) {
                write(&mut log, few);
                read.extend(read_all(&mut reader));
            }
            // The Rotate at the beginning is the reader's own; so is a Format_description that says the same as the next.
            let from = read.iter().position(|raw| raw == &events[1]).unwrap();
            assert_eq!(read[from..], events[1..], "{capture}, {fresh_bytes_max}");
        }
    }
}

#[test]
fn a_log_goes_on_after_a_restart_from_the_last_whole_group() {
    for capture in CAPTURES {
        let events = stream(capture);
        let all = groups(&start(), &events);
        for limits in [LIMITS, SMALL_FILES] {
            for cut in [
                2,
                events.len() / 3,
                events.len() / 2,
                events.len() - 2,
                events.len(),
            ] {
                let dir = tempfile::tempdir().unwrap();
                write(&mut new_log(dir.path(), limits), &events[..cut]);
                let (mut log, recovery) = RelayLog::open(dir.path(), SOURCE, limits).unwrap();
                let Recovery::Whole {
                    coordinates,
                    gtid_pos,
                    damage,
                    ..
                } = recovery
                else {
                    panic!("{capture}: the log has {cut} events");
                };
                assert_eq!(damage, None);
                let whole = all
                    .iter()
                    .take_while(|group| !coordinates.is_before(&group.end))
                    .count();
                assert_eq!(groups(&start(), &events[..cut]).len(), whole, "{capture}, {cut}");
                for gtid in all[..whole]
                    .iter()
                    .rev()
                    .filter_map(|group| group.gtid.as_ref())
                    .take(1)
                {
                    assert_eq!(gtid_pos.get(gtid.gtid.domain), Some(gtid.gtid));
                }
                // The source sends what follows, in a stream that begins with the Format_description.
                log.begin_stream(ChecksumAlgorithm::Off).unwrap();
                let mut source = new_log(&dir.path().join("source"), LIMITS);
                write(&mut source, &events);
                let rest = read_all(&mut source.reader(&coordinates).unwrap().unwrap());
                write(&mut log, &rest);
                let mut reader = log.reader(&start()).unwrap().unwrap();
                assert_eq!(groups(&start(), &read_all(&mut reader)), all, "{capture}, {cut}");
            }
        }
    }
}

#[test]
fn another_source_begins_anew_and_a_second_engine_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = new_log(dir.path(), SMALL_FILES);
    write(&mut log, &stream("mixed"));
    assert!(matches!(
        RelayLog::open(dir.path(), SOURCE, LIMITS),
        Err(Error::InUse { .. })
    ));
    let last = log.file();
    drop(log);
    let (log, recovery) = RelayLog::open(dir.path(), "10.0.0.2:3306", LIMITS).unwrap();
    assert_eq!(recovery, Recovery::Empty);
    assert_eq!(
        (log.bytes(), log.file()),
        (0, last + 1),
        "numbers are not used twice"
    );
    assert_eq!(fs::read_to_string(dir.path().join(INDEX_FILE)).unwrap(), "");
}

#[test]
fn only_the_owner_can_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m1");
    write(&mut new_log(&path, SMALL_FILES), &stream("mixed"));
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    let files: Vec<_> = fs::read_dir(&path)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(files.len() > 5);
    files
        .iter()
        .for_each(|file| assert_eq!(mode(file), 0o600, "{}", file.display()));
}

#[test]
fn purge_removes_whole_files_and_keeps_the_newest() {
    let dir = tempfile::tempdir().unwrap();
    let events = stream("mixed");
    let (all, end) = assemble(&start(), &events);
    let mut log = new_log(dir.path(), SMALL_FILES);
    write(&mut log, &events);
    let before = log.bytes();
    log.purge_before(4).unwrap();
    assert!(!dir.path().join(file_name(3)).exists());
    assert!(dir.path().join(file_name(4)).exists());
    assert!(log.bytes() < before);
    let index = fs::read_to_string(dir.path().join(INDEX_FILE)).unwrap();
    assert!(
        index.starts_with("./relay-bin.000004\n./relay-bin.000005\n"),
        "{index}"
    );
    assert!(log.reader(&start()).unwrap().is_none(), "no such place any more");
    assert!(log.reader(&all.last().unwrap().end).unwrap().is_some());
    log.purge_before(u64::MAX).unwrap();
    assert!(log.reader(&end).unwrap().is_some());
    drop(log);
    let (log, recovery) = RelayLog::open(dir.path(), SOURCE, LIMITS).unwrap();
    assert!(matches!(recovery, Recovery::Whole { .. }));
    assert_eq!(log.end().0, &end);
}

/// A limit is a limit; and a group that does not fit into it can still pass, through files that begin inside it.
#[test]
fn the_space_limit_is_never_exceeded() {
    let dir = tempfile::tempdir().unwrap();
    let events = stream("row");
    let limit = 4096;
    let limits = Limits {
        space_bytes_max: Some(limit),
        file_bytes_max: 1 << 20,
        fresh_bytes_max: 200,
        ..LIMITS
    };
    let on_disk = || -> u64 {
        let files = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap());
        files
            .filter(|entry| entry.file_name().to_str().unwrap().starts_with("relay-bin.0"))
            .map(|entry| entry.metadata().unwrap().len())
            .sum()
    };
    let mut log = new_log(dir.path(), limits);
    let mut reader = log.reader(&start()).unwrap().unwrap();
    let (mut read, mut full) = (Vec::new(), 0);
    for raw in &events {
        loop {
            match log.push(raw) {
                Ok(()) => break,
                Err(Error::Full { .. }) => {
                    full += 1;
                    log.flush().unwrap();
                    read.extend(read_all(&mut reader));
                    log.rotate().unwrap();
                    let file = log.file();
                    log.purge_before(file).unwrap();
                }
                Err(error) => panic!("{error}"),
            }
        }
        assert!(on_disk() <= limit, "{}", on_disk());
    }
    log.flush().unwrap();
    read.extend(read_all(&mut reader));
    assert!(full > 1, "{full}");
    assert_eq!(groups(&start(), &read), groups(&start(), &events));
    // What is left begins inside a group, or behind all that was purged: a restart uses it only from where a group begins.
    drop((log, reader));
    RelayLog::open(dir.path(), SOURCE, limits).unwrap();
}

/// The server's own tool reads every file, verifies its checksums, and shows the statements of the source's binlog.
#[test]
fn mariadb_binlog_reads_the_files() {
    for capture in CAPTURES {
        let dir = tempfile::tempdir().unwrap();
        let mut log = new_log(dir.path(), SMALL_FILES);
        write(&mut log, &stream(capture));
        let text = |files: &[std::path::PathBuf]| {
            let output = Command::new("mariadb-binlog")
                .args(["--verify-binlog-checksum", "-vv"])
                // Files of LOAD DATA go there, under names that the tool makes up.
                .arg(format!("--local-load={}", dir.path().display()))
                .args(files)
                .output()
                .unwrap();
            let (text, errors) = (
                String::from_utf8_lossy(&output.stdout).into_owned(),
                String::from_utf8_lossy(&output.stderr).into_owned(),
            );
            assert!(output.status.success(), "{capture}: {errors}\n{text}");
            assert_eq!(errors, "", "{capture}");
            // What was done, without where it stands and what it needs, which each file says anew.
            let frames = [
                "#",
                "/*!",
                "/*M!",
                "SET ",
                "use ",
                "ROLLBACK",
                "DELIMITER",
                "BINLOG",
                "LOAD DATA",
            ];
            let is_change = |line: &&str| {
                line.starts_with("###")
                    || (line.contains(' ') && !frames.iter().any(|frame| line.starts_with(frame)))
            };
            let lines = text.lines().filter(is_change);
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        let path = format!(
            "{}/../../testdata/binlog/{capture}.bin",
            env!("CARGO_MANIFEST_DIR")
        );
        let relay: Vec<_> = (1..=log.file())
            .map(|number| dir.path().join(file_name(number)))
            .collect();
        let (got, expected) = (text(&relay), text(&[path.into()]));
        let first = got.iter().zip(&expected).find(|(got, expected)| got != expected);
        assert_eq!(first, None, "{capture}");
        assert_eq!(got.len(), expected.len(), "{capture}");
    }
}

/// Every event can be listed from its own place on, and from nowhere else.
#[test]
fn a_file_is_listed_from_any_event_on() {
    for checksum_off in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let mut log = new_log(dir.path(), LIMITS);
        write(
            &mut log,
            &stream(if checksum_off { "no-checksum" } else { "row" }),
        );
        let name = log.view().oldest().unwrap();
        let bytes = fs::metadata(dir.path().join(&name)).unwrap().len();
        let list = |offset: u64| log.view().list(&name, offset).unwrap();
        let starts = |listing: Listing| {
            let Listing::Events(mut events) = listing else {
                panic!("{listing:?}")
            };
            let mut starts = Vec::new();
            while let Some(listed) = events.fetch().unwrap() {
                assert!(listed.event.is_some(), "{:?}", listed.header);
                starts.push(listed.start);
            }
            starts
        };
        let all = starts(list(0));
        assert_eq!(all[0], 4);
        assert!(all.len() > 10, "{all:?}");
        for offset in 5..=bytes {
            match all.iter().position(|start| *start == offset) {
                Some(index) => assert_eq!(starts(list(offset)), all[index..]),
                None if offset == bytes => assert!(starts(list(offset)).is_empty()),
                None => assert!(matches!(list(offset), Listing::NoEvent), "{offset}"),
            }
        }
        assert!(matches!(list(bytes + 1), Listing::BehindEnd { bytes: all } if all == bytes));
        assert!(matches!(
            log.view().list("relay-bin.000002", 4).unwrap(),
            Listing::NoFile
        ));
    }
}

/// A reader tells where it is, in places that stand in a file and in the order in which they were written; a purged place goes on
/// with the oldest file, and one that was taken back at the end.
#[test]
fn a_reader_is_at_a_place_of_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = new_log(dir.path(), SMALL_FILES);
    let view = log.view();
    assert_eq!((view.bytes(), view.resume(Place::default())), (0, None));
    write(&mut log, &stream("row"));
    let ends: Vec<Place> = (1..=log.file())
        .flat_map(|file| {
            let Listing::Events(mut events) = view.list(&file_name(file), 0).unwrap() else {
                panic!("file {file}")
            };
            let mut starts = Vec::new();
            while let Some(listed) = events.fetch().unwrap() {
                starts.push(listed.start);
            }
            let bytes = fs::metadata(dir.path().join(file_name(file))).unwrap().len();
            let ends = starts.into_iter().skip(1).chain([bytes]);
            ends.map(move |offset| Place { file, offset })
        })
        .collect();
    let mut reader = log.reader(&start()).unwrap().unwrap();
    let mut places = vec![reader.place()];
    loop {
        match reader.fetch() {
            Next::Event(_) => places.push(reader.place()),
            Next::InFiles => reader.read_files().unwrap(),
            Next::Wait => break,
            Next::Cut => panic!("nothing was taken back"),
        }
    }
    assert!(places.is_sorted() && places.len() > 10, "{places:?}");
    assert!(
        places.iter().all(|place| ends.contains(place)),
        "{places:?} {ends:?}"
    );
    assert_eq!(places.last(), ends.last());

    let last = log.file();
    assert!(last > 2, "{last}");
    let end = *ends.last().unwrap();
    let (here, behind) = (
        ends[ends.len() - 2],
        Place {
            file: last,
            offset: u64::MAX,
        },
    );
    assert_eq!(view.resume(here), Some(here));
    assert_eq!(view.resume(behind), Some(end));
    log.purge_before(last).unwrap();
    assert_eq!(view.bytes(), end.offset);
    assert_eq!(
        view.resume(places[0]),
        Some(Place {
            file: last,
            offset: 4
        })
    );
}

#[test]
fn files_have_numbers_and_others_have_none() {
    for number in [1, 999_999, 1_000_000] {
        assert_eq!(file_number(&file_name(number)), Some(number));
    }
    for name in [
        "relay-bin.1",
        "relay-bin.index",
        "relay-bin.00000x",
        "elsewhere.000001",
        "",
    ] {
        assert_eq!(file_number(name), None, "{name}");
    }
    assert_eq!(file_number("relay-bin.99999999999999999999"), None);
}
