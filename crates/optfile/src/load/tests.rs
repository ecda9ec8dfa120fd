//! Files in memory in, entries or the reason why not out.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// Files in memory; a directory is every path below it.
struct Memory(BTreeMap<PathBuf, Vec<u8>>);

impl Memory {
    fn new(files: &[(&str, &str)]) -> Self {
        Self(
            files
                .iter()
                .map(|(path, text)| (PathBuf::from(path), text.as_bytes().to_vec()))
                .collect(),
        )
    }
}

impl Files for Memory {
    fn read(&mut self, path: &Path, _bytes_max: u64) -> io::Result<Vec<u8>> {
        self.0
            .get(path)
            .cloned()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn list(&mut self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        let paths: Vec<PathBuf> = self
            .0
            .keys()
            .rev()
            .filter(|path| path.parent() == Some(directory))
            .cloned()
            .collect();
        if paths.is_empty() {
            Err(io::ErrorKind::NotFound.into())
        } else {
            Ok(paths)
        }
    }
}

fn rendered(loaded: &Loaded) -> Vec<String> {
    let value = |entry: &Entry| match entry.text() {
        Ok(Some(text)) => format!("={text}"),
        Ok(None) => String::new(),
        Err(_) => "=?".to_owned(),
    };
    loaded
        .entries
        .iter()
        .map(|entry| {
            format!(
                "{} [{}] {}{}",
                entry.place,
                entry.group,
                entry.full_key(),
                value(entry)
            )
        })
        .collect()
}

fn fails(files: &[(&str, &str)]) -> String {
    load(&["/a.cnf"], &mut Memory::new(files))
        .expect_err("the file is bad")
        .to_string()
}

#[test]
fn repeated_keys_keep_their_order_and_place() {
    let text =
        "[mysqld]\nm1.replicate_ignore_table = a.b\n\nskip-name-resolve\nm1.replicate_ignore_table = a.c\n";
    let loaded = load(&["/a.cnf"], &mut Memory::new(&[("/a.cnf", text)])).expect("good file");
    assert_eq!(
        rendered(&loaded),
        [
            "/a.cnf:2 [mysqld] m1.replicate_ignore_table=a.b",
            "/a.cnf:4 [mysqld] skip-name-resolve",
            "/a.cnf:5 [mysqld] m1.replicate_ignore_table=a.c",
        ]
    );
}

#[test]
fn an_include_stands_where_it_is_named_and_keeps_the_group() {
    let files = [
        (
            "/a.cnf",
            "[mysqld]\na\n!include /b.cnf\nz\n!includedir /d\n!include /none.cnf\n!nonsense\n",
        ),
        ("/b.cnf", "[client]\nb=1"),
        ("/d/b.cnf", "[mysqld]\nd2"),
        ("/d/10.cnf", "[mysqld]\nd1"),
        ("/d/c.ini", "[mysqld]\nnot_read"),
    ];
    let loaded = load(&["/a.cnf"], &mut Memory::new(&files)).expect("good files");
    assert_eq!(
        rendered(&loaded),
        [
            "/a.cnf:2 [mysqld] a",
            "/b.cnf:2 [client] b=1",
            "/a.cnf:4 [mysqld] z",
            "/d/10.cnf:2 [mysqld] d1",
            "/d/b.cnf:2 [mysqld] d2",
        ]
    );
    let warnings: Vec<String> = loaded.warnings.iter().map(Warning::to_string).collect();
    assert_eq!(
        warnings,
        [
            "/a.cnf:6: !include /none.cnf: there is no such file; passed over",
            "/a.cnf:7: '!nonsense' is no directive; known are !include PATH and !includedir PATH",
        ]
    );
    assert_eq!(loaded.files.len(), 4);
}

#[test]
fn what_cannot_be_read_says_where() {
    assert_eq!(fails(&[]), "read option file /a.cnf: entity not found");
    assert_eq!(
        fails(&[("/a.cnf", "\nx = 1")]),
        "/a.cnf:2: option 'x' stands before any [group] line; put one, such as [tributary], above it"
    );
    assert_eq!(
        fails(&[("/a.cnf", "[a")]),
        "/a.cnf:1: group line without ']'; write it as [name]"
    );
    assert_eq!(
        fails(&[("/a.cnf", "[a]\n = 3")]),
        "/a.cnf:2: value without a key; write key = value"
    );
    assert_eq!(
        fails(&[("/a.cnf", "!include")]),
        "/a.cnf:1: !include without a path; write !include PATH"
    );
    assert_eq!(
        fails(&[("/a.cnf", "!includedir /d")]),
        "/a.cnf:1: !includedir /d: entity not found"
    );
    assert_eq!(
        fails(&[("/a.cnf", "[\0")]),
        "/a.cnf:1: zero byte in the line; save the file as plain text (UTF-8, not UTF-16)"
    );
    assert_eq!(
        fails(&[("/a.cnf", "[mysqld]\n!include /b.cnf"), ("/b.cnf", "x")]),
        "/b.cnf:1: option 'x' stands before any [group] line; put one, such as [tributary], above it"
    );
}

#[test]
fn a_file_that_includes_itself_is_found_out() {
    assert_eq!(
        fails(&[("/a.cnf", "!include /a.cnf")]),
        "/a.cnf:1: includes are nested more than 10 deep; does a file include itself?"
    );
    // Two includes per level would make a thousand files before the depth is reached.
    assert_eq!(
        fails(&[
            ("/a.cnf", "!include /b.cnf"),
            ("/b.cnf", &"!include /c.cnf\n".repeat(2000)),
            ("/c.cnf", "")
        ]),
        "/b.cnf:999: more than 1000 option files are included"
    );
}

#[test]
fn a_huge_file_is_refused() {
    let text = "#".repeat(FILE_BYTES_MAX as usize + 1);
    assert_eq!(
        fails(&[("/a.cnf", &text)]),
        "read option file /a.cnf: 4194305 bytes, at most 4194304 are allowed; is this an option file?"
    );
}

#[test]
fn a_byte_order_mark_is_passed_over() {
    let loaded = load(&["/a.cnf"], &mut Memory::new(&[("/a.cnf", "\u{feff}[m]\na")])).expect("good file");
    assert_eq!(rendered(&loaded), ["/a.cnf:2 [m] a"]);
}

proptest! {
    #[test]
    fn any_file_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
        let mut files = Memory(BTreeMap::from([(PathBuf::from("/a.cnf"), bytes)]));
        let _ = load(&["/a.cnf"], &mut files);
    }

    #[test]
    fn any_lines_of_likely_bytes_are_read_or_refused(text in "([\\[\\]=#;!'\"\\\\ a.\n-]|include|/a.cnf){0,80}") {
        let mut files = Memory::new(&[("/a.cnf", &text)]);
        if let Ok(loaded) = load(&["/a.cnf"], &mut files) {
            for entry in &loaded.entries {
                let _ = (entry.name(), entry.text(), entry.resolve(|name| name == "a"));
            }
        }
    }
}
