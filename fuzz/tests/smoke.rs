//! Every target takes its seeds, what fuzzing has found if there is a corpus, and mutations of both that are the same in
//! every run: on a stable toolchain, without instrumentation. `cargo test --no-default-features`.

use std::fs;
use std::path::Path;

use tributary_fuzz::{TARGETS, Target};

/// Mutations per input and kind.
const MUTATIONS: u64 = 40;
/// Inputs per target that are mutated; all are run as they are.
const MUTATED_MAX: usize = 120;

/// Numbers that look random and are the same in every run (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}

/// One to four edits: a byte set, bytes cut out, bytes doubled, the end cut off.
fn mutate(input: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(bytes.len());
        let count = numbers.below(8).min(bytes.len() - at);
        match numbers.below(8) {
            0 => drop(bytes.drain(at..at + count)),
            1 => bytes
                .splice(at..at, bytes[at..at + count].to_vec())
                .for_each(drop),
            2 => bytes.truncate(at),
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    let interesting = [
                        0x00,
                        0x01,
                        0x7f,
                        0x80,
                        0xfa,
                        0xfb,
                        0xfc,
                        0xfe,
                        0xff,
                        numbers.next() as u8,
                    ];
                    *byte = interesting[numbers.below(interesting.len())];
                }
            }
        }
    }
    bytes
}

fn inputs(target: &Target) -> Vec<Vec<u8>> {
    let mut inputs = (target.seeds)();
    assert!(!inputs.is_empty(), "{} has no seeds", target.name);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target.name);
    for entry in fs::read_dir(folder).into_iter().flatten() {
        inputs.push(fs::read(entry.expect("a corpus can be listed").path()).expect("a corpus can be read"));
    }
    inputs
}

#[test]
fn every_target_takes_its_corpus_and_mutations() {
    for target in TARGETS {
        let inputs = inputs(target);
        let mut numbers = Numbers(target.name.len() as u64);
        (target.run)(&[]);
        for input in &inputs {
            (target.run)(input);
        }
        for _ in 0..MUTATED_MAX.min(inputs.len()) {
            let input = &inputs[numbers.below(inputs.len())];
            for _ in 0..MUTATIONS {
                let mutated = mutate(input, &mut numbers);
                // The name and the input of a failure: the panic that follows does not know them.
                let on_failure = Report(target.name, &mutated);
                (target.run)(&mutated);
                std::mem::forget(on_failure);
            }
        }
        println!("{}: {} inputs", target.name, inputs.len());
    }
}

struct Report<'a>(&'static str, &'a [u8]);

impl Drop for Report<'_> {
    fn drop(&mut self) {
        eprintln!("target {} fails on {:02x?}", self.0, self.1);
    }
}

/// Every target has a file for libFuzzer and the other way round.
#[test]
fn targets_and_files_agree() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz_targets");
    let mut files: Vec<String> = fs::read_dir(folder)
        .expect("fuzz_targets can be listed")
        .map(|entry| {
            entry
                .expect("fuzz_targets can be listed")
                .path()
                .with_extension("")
        })
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .collect();
    files.sort();
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(files, names);
}
