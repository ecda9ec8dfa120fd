//! Shows that option files are read as MariaDB reads them: the same file goes through `my_print_defaults` and through
//! [`tributary_optfile::load`], and the options must be the same in the same order. One file is written by hand around
//! everything that is easy to get wrong; the others are put together at random from the bytes that matter.
//!
//! `my_print_defaults` comes with the packages `mariadb-client` and `mariadb-server-core`.
#![allow(clippy::unwrap_used, missing_docs)] // A test may stop at the first surprise.

use std::cell::Cell;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Command;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tributary_optfile::{Error, Files, GroupNames, SERVER_GROUPS, load};

struct Disk;

impl Files for Disk {
    fn read(&mut self, path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        fs::File::open(path)?
            .take(bytes_max + 1)
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn list(&mut self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect()
    }
}

/// The options as `my_print_defaults` prints them, `--key=value` and a line feed each; `None` when it fails.
fn as_the_server_reads(path: &Path, groups: &[&str], suffix: Option<&str>) -> Option<Vec<u8>> {
    let mut command = Command::new("my_print_defaults");
    command.arg(format!("--defaults-file={}", path.display()));
    if let Some(suffix) = suffix {
        command.arg(format!("--defaults-group-suffix={suffix}"));
    }
    let output = command
        .args(groups)
        .output()
        .expect("my_print_defaults is installed");
    output.status.success().then_some(output.stdout)
}

fn as_we_read(path: &Path, groups: &[&str], suffix: Option<&str>) -> Option<Vec<u8>> {
    let groups = GroupNames::new(groups.iter().copied(), suffix);
    let loaded = load(&[path], &mut Disk).ok()?;
    let mut printed = Vec::new();
    for entry in loaded
        .entries
        .iter()
        .filter(|entry| groups.contains(&entry.group))
    {
        printed.extend_from_slice(format!("--{}", entry.full_key()).as_bytes());
        if let Some(value) = &entry.value {
            printed.push(b'=');
            printed.extend_from_slice(value);
        }
        printed.push(b'\n');
    }
    Some(printed)
}

fn assert_same(path: &Path, groups: &[&str], suffix: Option<&str>) {
    let theirs = as_the_server_reads(path, groups, suffix).expect("the server reads the file");
    let ours = as_we_read(path, groups, suffix).expect("we read the file");
    assert_eq!(String::from_utf8_lossy(&ours), String::from_utf8_lossy(&theirs));
    assert!(!ours.is_empty(), "nothing was compared");
}

#[test]
fn the_hard_cases_are_read_alike() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::create_dir(at("d")).unwrap();
    for (name, text) in [
        ("d/b.cnf", "[mysqld]\nb\n"),
        ("d/B.cnf", "[mysqld]\nB\n"),
        ("d/10.cnf", "[mysqld]\nten\n"),
        ("d/9.cnf", "[mysqld]\nnine\n"),
        ("d/.hidden.cnf", "[mysqld]\nhidden\n"),
        ("d/a.ini", "[mysqld]\nini\n"),
        ("d/x.CNF", "[mysqld]\nupper\n"),
        (
            "one.cnf",
            "# no group of its own first\n[client]\nc=1\n[mysqld]\none=1",
        ),
    ] {
        fs::write(at(name), text).unwrap();
    }
    let text = include_str!("hard.cnf").replace("@DIR@", &dir.path().display().to_string());
    fs::write(at("main.cnf"), text).unwrap();

    assert_same(&at("main.cnf"), &["mysqld"], None);
    assert_same(&at("main.cnf"), &["mysqld", "client"], None);
    assert_same(&at("main.cnf"), &["mysqld"], Some("-10.11"));
    assert_same(&at("main.cnf"), &[" spaced", "trailing"], None);
    assert_same(&at("main.cnf"), &SERVER_GROUPS, None);
}

#[test]
fn random_files_are_read_alike() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.cnf");
    // A fresh process per case: enough cases to meet every pair of bytes, few enough to stay in seconds.
    let config = Config {
        cases: 300,
        failure_persistence: None,
        ..Config::default()
    };
    let part = "k|-|_|\\.|=| |\t|#|;|'|\"|\\\\|\\\\n|\\\\s|\\\\\\\\|\\[|\\]|\\[g\\]|[a-c]|\n|\r\n";
    let compared = Cell::new(0);
    let mut runner = TestRunner::new(config);
    let pattern = format!("({part}){{0,60}}");
    let result = runner.run(&pattern.as_str(), |text| {
        fs::write(&path, format!("[g]\nfirst\n{text}\n[g]\nlast")).unwrap();
        // A line that begins with '=' is an option without a name to the server and refused by us.
        let is_refused = matches!(load(&[&path], &mut Disk), Err(Error::NoKey { .. }));
        if !is_refused {
            let printed =
                |bytes: Option<Vec<u8>>| bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            let theirs = printed(as_the_server_reads(&path, &["g"], None));
            prop_assert_eq!(printed(as_we_read(&path, &["g"], None)), theirs);
            compared.set(compared.get() + 1);
        }
        Ok(())
    });
    result.unwrap();
    assert!(compared.get() > 50, "only {} files were compared", compared.get());
}
