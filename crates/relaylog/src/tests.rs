//! Writer and reader beside each other, with disks that fill up and streams that break.

use bytes::Bytes;
use proptest::prelude::*;
use tributary_binlog::{
    Assembled, ChecksumAlgorithm, Coordinates, EventGroup, GroupAssembler, ReplicaDecoder,
};

use super::support::{LIMITS, SOURCE, groups, new_log, read_all, start, stream, write};
use crate::{Error, Limits, Next, RelayLog, RelayReader};

/// The disk is full at every byte of the log; when there is space again, nothing is missing and nothing is there twice.
#[test]
fn a_full_disk_loses_nothing() {
    let events = stream("row");
    let all = groups(&start(), &events);
    for room in (0..12_000).step_by(97) {
        let dir = tempfile::tempdir().unwrap();
        let limits = Limits {
            file_bytes_max: 1500,
            ..LIMITS
        };
        let mut log = new_log(dir.path(), limits);
        log.set_room(room);
        let mut reader = log.reader(&start()).unwrap().unwrap();
        let mut read = Vec::new();
        let mut failures = 0;
        for few in events.chunks(2) {
            for raw in few {
                while let Err(error) = log.push(raw) {
                    assert!(matches!(error, Error::Io { .. }), "{error}");
                    failures += 1;
                    log.set_room(u64::MAX);
                }
            }
            while let Err(error) = log.flush() {
                assert!(error.to_string().starts_with("write "), "{error}");
                read.extend(read_all(&mut reader));
                let whole = groups(&start(), &read);
                let (written, bytes) = log.written();
                assert!(whole.last().is_none_or(|last| last.end == *written), "{room}");
                assert!(bytes <= log.bytes());
                failures += 1;
                log.set_room(u64::MAX);
            }
            read.extend(read_all(&mut reader));
        }
        assert!(
            failures == 1 || room >= log.bytes(),
            "{failures} failures with {room} bytes"
        );
        assert_eq!(groups(&start(), &read), all, "{room}");
        drop((reader, log));
        let (log, _) = RelayLog::open(dir.path(), SOURCE, limits).unwrap();
        let mut reader = log.reader(&start()).unwrap().unwrap();
        assert_eq!(groups(&start(), &read_all(&mut reader)), all, "{room}");
    }
}

/// Takes what a reader hands out, as the applier's side does.
struct Applier {
    reader: RelayReader,
    decoder: ReplicaDecoder,
    assembler: GroupAssembler,
    at: Coordinates,
    groups: Vec<EventGroup>,
}

impl Applier {
    fn new(log: &mut RelayLog, at: Coordinates, groups: Vec<EventGroup>) -> Applier {
        Applier {
            reader: log.reader(&at).unwrap().unwrap(),
            decoder: ReplicaDecoder::new(ChecksumAlgorithm::Off),
            assembler: GroupAssembler::new(at.clone()),
            at,
            groups,
        }
    }

    /// Takes one event, or looks for one. False: there is none, or a new reader is needed.
    fn step(&mut self) -> Next {
        let next = self.reader.fetch();
        if let Next::Event(raw) = &next {
            self.decoder.push(raw.clone()).unwrap();
            while let Some(event) = self.decoder.fetch().unwrap() {
                let assembled = self.assembler.push(event).unwrap();
                self.at = self.assembler.coordinates().clone();
                if let Some(Assembled::Group(group)) = assembled {
                    self.groups.push(*group);
                }
            }
        } else if next == Next::InFiles {
            self.reader.read_files().unwrap();
        }
        next
    }
}

#[derive(Debug, Clone)]
enum Step {
    Push(usize),
    Flush,
    Take(usize),
    /// The stream breaks, and the source begins again behind the last whole group.
    Break,
    Rotate,
    Purge,
    /// The target was lost: reading begins anew where the last group ended.
    NewReader,
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (1_usize..12).prop_map(Step::Push),
        6 => Just(Step::Flush),
        8 => (1_usize..40).prop_map(Step::Take),
        1 => Just(Step::Break),
        1 => Just(Step::Rotate),
        1 => Just(Step::Purge),
        1 => Just(Step::NewReader),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 10..200)
}

fn sent_from(source: &mut RelayLog, at: &Coordinates) -> std::collections::VecDeque<Bytes> {
    read_all(&mut source.reader(at).unwrap().unwrap()).into()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens in between, the reader hands out every group once and in order.
    #[test]
    fn the_reader_gets_every_group_once(
        steps in steps(),
        capture in prop::sample::select(vec!["xa", "no-checksum", "row"]),
        file_bytes_max in 500_u64..5000,
        fresh_bytes_max in 0_usize..3000,
    ) {
        let (dir, source_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let events = stream(capture);
        let all = groups(&start(), &events);
        let mut source = new_log(source_dir.path(), LIMITS);
        write(&mut source, &events);
        let limits = Limits { file_bytes_max, fresh_bytes_max, ..LIMITS };
        let mut log = new_log(dir.path(), limits);
        let mut sent = sent_from(&mut source, &start());
        let mut applier = Applier::new(&mut log, start(), Vec::new());
        for step in steps {
            match step {
                Step::Push(count) => for raw in sent.drain(..count.min(sent.len())) {
                    log.push(&raw).unwrap();
                },
                Step::Flush => log.flush().unwrap(),
                Step::Take(count) => for _ in 0..count {
                    match applier.step() {
                        Next::Wait => break,
                        Next::Cut => applier = Applier::new(&mut log, applier.at, applier.groups),
                        Next::Event(_) | Next::InFiles => {}
                    }
                },
                Step::Break => {
                    log.begin_stream(ChecksumAlgorithm::Off).unwrap();
                    sent = sent_from(&mut source, log.end().0);
                }
                Step::Rotate => log.rotate().unwrap(),
                // Only what was handed out, and where a group begins, so that a new reader can begin.
                Step::Purge if !applier.assembler.is_inside_group() && applier.reader.file_number() > 0 => {
                    log.purge_before(applier.reader.file_number()).unwrap();
                    if log.reader(&applier.at).unwrap().is_none() {
                        // It began inside a group.
                        log.begin(applier.at.clone(), Default::default()).unwrap();
                        log.begin_stream(ChecksumAlgorithm::Off).unwrap();
                        sent = sent_from(&mut source, &applier.at);
                    }
                    applier = Applier::new(&mut log, applier.at, applier.groups);
                }
                Step::Purge => {}
                Step::NewReader => applier = Applier::new(&mut log, applier.at, applier.groups),
                Step::Reopen => {
                    drop(log);
                    (log, _) = RelayLog::open(dir.path(), SOURCE, limits).unwrap();
                    if log.reader(&applier.at).unwrap().is_none() {
                        log.begin(applier.at.clone(), Default::default()).unwrap();
                    }
                    log.begin_stream(ChecksumAlgorithm::Off).unwrap();
                    sent = sent_from(&mut source, log.end().0);
                    applier = Applier::new(&mut log, applier.at, applier.groups);
                }
            }
            prop_assert_eq!(&applier.groups[..], &all[..applier.groups.len()]);
        }
        for raw in sent {
            log.push(&raw).unwrap();
        }
        log.flush().unwrap();
        loop {
            match applier.step() {
                Next::Wait => break,
                Next::Cut => applier = Applier::new(&mut log, applier.at, applier.groups),
                Next::Event(_) | Next::InFiles => {}
            }
        }
        prop_assert_eq!(applier.groups, all);
    }
}
