//! Shows what `tributary lint` says of option files on disk, how it ends, and that its JSON has what the text has.

use serde_json::Value;

use crate::support::{Dir, testdata, tributary};

#[test]
fn the_files_of_a_replica_ask_for_decisions() {
    let files = [
        testdata("optfile/50-server.cnf"),
        testdata("optfile/60-multisource.cnf"),
    ];
    let text = tributary([
        "lint".to_owned(),
        files[0].display().to_string(),
        files[1].display().to_string(),
    ]);
    assert_eq!((text.code, text.stderr.as_str()), (Some(1), ""), "{text:?}");
    assert!(
        text.stdout.contains("decide: filter-source-name") && text.stdout.contains("36 lines of"),
        "{}",
        text.stdout
    );
    let json = tributary([
        "lint".to_owned(),
        "--json".to_owned(),
        files[0].display().to_string(),
        files[1].display().to_string(),
    ]);
    assert_eq!(json.code, Some(1), "{json:?}");
    let report: Value = serde_json::from_str(&json.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let decisions = findings
        .iter()
        .filter(|finding| finding["level"] == "decide")
        .count();
    assert_eq!(report["decisions"], decisions);
    let filter = findings
        .iter()
        .find(|finding| finding["code"] == "filter-source-name")
        .unwrap();
    let first = &filter["lines"][0];
    assert_eq!(first["line"], 9);
    assert_eq!(first["file"], files[1].display().to_string());
    assert_eq!(
        first["text"],
        "master1.replicate_ignore_table = 'asterisk.vicidial_live_agents'"
    );
}

#[test]
fn exit_codes_tell_clean_files_from_unreadable_ones() {
    let dir = Dir::new();
    let included = dir.file(
        "replica.cnf",
        "[mysqld]\nm.replicate_ignore_table=a.t\nslave_exec_mode=STRICT\n",
    );
    let clean = dir.file("my.cnf", &format!("!include {}\n", included.display()));
    let ran = tributary(["lint".as_ref(), clean.as_os_str()]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(
        ran.stdout.contains(&format!("{}:2: ", included.display())),
        "{}",
        ran.stdout
    );

    for (path, message) in [
        (dir.path().join("none.cnf"), "none.cnf: No such file"),
        (
            dir.file("broken.cnf", "[mysqld\n"),
            "broken.cnf:1: group line without ']'",
        ),
        (
            dir.file_with_mode("open.cnf", "[mysqld]\n", 0o666),
            "everybody may write this file",
        ),
    ] {
        let ran = tributary(["lint".as_ref(), path.as_os_str()]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:?}");
        assert!(ran.stderr.contains(message), "{}", ran.stderr);
    }
    assert_eq!(tributary(["lint"]).code, Some(2), "no file is wrong usage");
}
