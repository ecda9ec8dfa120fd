//! The demo in small: it ends equal, shows what the issue of a demo is, and leaves nothing.
#![allow(clippy::unwrap_used, missing_docs)] // a test fails by panicking

use std::path::Path;
use std::process::Command;

use tributary_sandbox::schema;

/// `tributary` beside the demo, where a test run of the whole workspace puts it.
fn demo() -> Command {
    let demo = Path::new(env!("CARGO_BIN_EXE_tributary-demo"));
    let tributary = std::env::var_os("TRIBUTARY_BIN")
        .map_or_else(|| demo.with_file_name("tributary"), |program| program.into());
    assert!(
        tributary.is_file(),
        "{} is not built: test the whole workspace, or run `cargo test -p tributary-cli --no-run` before",
        tributary.display()
    );
    let mut command = Command::new(demo);
    command.env("TRIBUTARY_BIN", tributary);
    command
}

#[test]
fn the_demo_ends_equal() {
    let output = demo()
        .env("DEMO_SECONDS", "6")
        .env("DEMO_RATE", "150")
        .output()
        .unwrap();
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{stdout}\n{stderr}");
    assert!(stdout.contains("ALL EQUAL"), "{stdout}");
    assert!(
        [
            "restarting tributary",
            "killing tributary",
            "restarting the source"
        ]
        .iter()
        .all(|text| stdout.contains(text)),
        "{stdout}"
    );
    for connection in ["master1", "master2", "master3"] {
        for table in schema::IGNORED_TABLES {
            let line = stdout.lines().find(|line| {
                let mut words = line.split_whitespace();
                words.next() == Some(connection) && words.next() == Some(&format!("asterisk.{table}"))
            });
            assert!(
                line.is_some_and(|line| line.ends_with("ignored")),
                "{connection} {table}: {line:?}"
            );
        }
    }
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    for (name, value) in [
        ("DEMO_SECONDS", "soon"),
        ("DEMO_SECONDS", "1"),
        ("DEMO_KEEP", "yes"),
        ("DEMO_TARGET", "mysql://root@x"),
    ] {
        let output = demo().env(name, value).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && stderr.contains("DEMO_"),
            "{name}={value}: {stderr}"
        );
    }
}
