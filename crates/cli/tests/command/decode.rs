//! Shows that `tributary decode` prints real binary logs to their end, as text and as JSON, and says where a
//! bad one is bad.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;

use crate::support::{Dir, command, testdata, tributary};
use serde_json::Value;

fn decoded(path: &Path, json: bool) -> String {
    let flag = if json { "--json" } else { "--log-level=info" };
    let ran = tributary(["decode", flag, path.to_str().unwrap()]);
    assert_eq!(
        (ran.code, ran.stderr.as_str()),
        (Some(0), ""),
        "{}",
        path.display()
    );
    ran.stdout
}

#[test]
fn text_has_every_event_with_its_place() {
    let text = decoded(&testdata("binlog/mixed.bin"), false);
    for part in ["mixed.bin:4", "Format_desc", "Gtid", "Query", "Table_map"] {
        assert!(text.contains(part), "{part} is missing");
    }
}

#[test]
fn json_has_one_object_per_event_up_to_the_end_of_the_file() {
    for name in [
        "mixed.bin",
        "compressed.bin",
        "row-full.bin",
        "statement.bin",
        "relay.bin",
    ] {
        let path = testdata("binlog").join(name);
        let mut offset = 4;
        for line in decoded(&path, true).lines() {
            let event: Value = serde_json::from_str(line).unwrap();
            assert_eq!(
                (event["file"].as_str(), event["offset"].as_u64()),
                (Some(name), Some(offset))
            );
            offset += event["length"].as_u64().unwrap();
        }
        assert_eq!(
            offset,
            fs::metadata(&path).unwrap().len(),
            "{name} was not read to its end"
        );
    }
}

#[test]
fn standard_input_is_read() {
    let path = testdata("binlog/row.bin");
    let output = command()
        .args(["decode", "--json", "-"])
        .stdin(File::open(&path).unwrap())
        .output()
        .unwrap();
    let from_input = String::from_utf8(output.stdout).unwrap();
    assert_eq!(from_input.lines().count(), decoded(&path, true).lines().count());
    assert!(from_input.lines().count() > 1);
}

#[test]
fn a_torn_file_is_printed_as_far_as_it_goes_and_the_next_one_is_read() {
    let dir = Dir::new();
    let good = testdata("binlog/statement.bin");
    let bytes = fs::read(&good).unwrap();
    let torn = dir.path().join("torn.000001");
    fs::write(&torn, &bytes[..bytes.len() - 1]).unwrap();
    let ran = tributary([Path::new("decode"), Path::new("--json"), &torn, &good]);
    assert_eq!(ran.code, Some(1));
    let whole = decoded(&good, true).lines().count();
    assert_eq!(ran.stdout.lines().count(), 2 * whole - 1);
    assert!(
        ran.stderr.starts_with(&format!(
            "tributary: decode {}: read torn.000001:",
            torn.display()
        )),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("the file ends"), "{}", ran.stderr);
}

#[test]
fn files_that_are_no_binlogs_are_named() {
    let ran = tributary(["decode", "/does/not/exist", env!("CARGO_MANIFEST_DIR"), file!()]);
    assert_eq!(ran.code, Some(1));
    let dir = Dir::new();
    let notes = dir.file("notes.txt", "hello");
    let text = tributary([Path::new("decode"), &notes]);
    assert_eq!(text.code, Some(1));
    assert!(text.stderr.contains("not a binlog"), "{}", text.stderr);
    assert!(
        ran.stderr
            .starts_with("tributary: decode /does/not/exist: No such file"),
        "{}",
        ran.stderr
    );
}

#[test]
fn an_encrypted_file_is_refused_by_name() {
    let ran = tributary([Path::new("decode"), &testdata("binlog/encrypted.bin")]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("encrypted"), "{}", ran.stderr);
}

/// `tributary decode FILE | head -1` ends quietly.
#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let path = testdata("binlog/row.bin");
    let files = std::iter::repeat_n(&path, 200);
    let mut child = command()
        .arg("decode")
        .args(files)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), output.stderr.as_slice()),
        (Some(0), &b""[..])
    );
}
