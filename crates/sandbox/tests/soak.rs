//! The soak in small, under fixed seeds: random statements on three sources, one round with a restart of the engine,
//! and no difference in the end.
#![allow(clippy::unwrap_used, missing_docs)] // a test fails by panicking

use std::path::Path;
use std::process::Command;

/// `tributary` beside the soak, where a test run of the whole workspace puts it.
fn soak() -> Command {
    let soak = Path::new(env!("CARGO_BIN_EXE_tributary-soak"));
    let tributary = std::env::var_os("TRIBUTARY_BIN")
        .map_or_else(|| soak.with_file_name("tributary"), |program| program.into());
    assert!(
        tributary.is_file(),
        "{} is not built: test the whole workspace, or run `cargo test -p tributary-cli --no-run` before",
        tributary.display()
    );
    let mut command = Command::new(soak);
    command.env("TRIBUTARY_BIN", tributary);
    command
}

#[test]
fn random_statements_end_equal() {
    let output = soak()
        .env("SOAK_SECONDS", "10")
        .env("SOAK_ROUND_SECONDS", "5")
        .env("SOAK_RATE", "300")
        .env("SOAK_SEED", "1")
        .output()
        .unwrap();
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{stdout}\n{stderr}");
    assert!(stdout.contains("ALL EQUAL after 2 rounds"), "{stdout}");
    assert!(stdout.contains("engine restarted"), "{stdout}");
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    for (name, value) in [
        ("SOAK_SECONDS", "soon"),
        ("SOAK_CLIENTS", "0"),
        ("SOAK_WITHOUT", "rows"),
    ] {
        let output = soak().env(name, value).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && stderr.contains("SOAK_"),
            "{name}={value}: {stderr}"
        );
    }
}
