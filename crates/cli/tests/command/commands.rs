//! Shows `tributary start`, `stop`, `skip`, `wait`, `change` and `reset` against an engine that runs, with real servers: what each does to
//! connections, what it says, and how it ends.

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::run::Stage;
use crate::support::{Ran, Running, command, defaults, tributary};

impl Stage {
    /// Runs a command for the engine.
    fn tell(&self, words: &str) -> Ran {
        let words = words.split(' ').map(str::to_owned);
        tributary(words.chain([defaults(&self.option_file)]))
    }

    /// Runs a command that must succeed.
    fn ok(&self, words: &str) -> String {
        let ran = self.tell(words);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{words}: {ran:?}");
        ran.stdout
    }

    /// Runs a command that must be refused, with this code and text.
    fn refused(&self, words: &str, code: i32, text: &str) {
        let ran = self.tell(words);
        assert_eq!(
            (ran.code, ran.stdout.as_str()),
            (Some(code), ""),
            "{words}: {ran:?}"
        );
        assert!(ran.stderr.contains(text), "{words}: {}", ran.stderr);
    }

    /// Where the source is, as arguments of `wait`.
    async fn place(&self) -> String {
        let row = self.source.rows("SHOW MASTER STATUS").await.unwrap().remove(0);
        format!(
            "--file={} --pos={}",
            row[0].clone().unwrap(),
            row[1].clone().unwrap()
        )
    }

    /// Writes a row at the source; gives its place.
    async fn write(&self, id: u32) -> String {
        self.source
            .run(&format!("INSERT INTO asterisk.t VALUES ({id})"))
            .await
            .unwrap();
        self.place().await
    }

    /// The rows of the target, in a row.
    async fn rows(&self, database: &str) -> String {
        let rows = self
            .target
            .rows(&format!("SELECT a FROM {database}.t ORDER BY a"))
            .await
            .unwrap();
        let ids: Vec<String> = rows.into_iter().filter_map(|mut row| row.remove(0)).collect();
        ids.join(" ")
    }
}

fn end(mut running: Running, code: i32) -> String {
    running.signal("TERM");
    assert_eq!(running.wait(), Some(code), "{}", running.log());
    running.log()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_of_the_option_files_stop_start_skip_and_are_waited_for() {
    let stage = Stage::new("eu.master_connect_retry=1").await;
    stage.refused(
        "stop eu",
        1,
        "is `tributary run` active with this state directory?",
    );
    let mut running = stage.start();
    running.wait_for_log("replicating");
    let socket = stage.dir.path().join("state/commands.sock");
    assert_eq!(std::fs::metadata(socket).unwrap().mode() & 0o777, 0o600);

    let place = stage.write(1).await;
    assert_eq!(stage.ok(&format!("wait eu {place}")), "eu: reached\n");
    assert_eq!(stage.rows("eu_asterisk").await, "1");

    // All of the connections stand, and the engine does not.
    assert_eq!(stage.ok("stop eu"), "eu: stopped\n");
    assert!(stage.ok("stop --all").contains("eu: note: "));
    stage.refused("wait --gtid=9-9-9 --timeout=1", 4, "not reached in time");
    let place = stage.write(2).await;
    stage.refused(&format!("wait eu {place}"), 1, "applying does not run");
    assert_eq!(stage.rows("eu_asterisk").await, "1");

    // One thread at a time.
    let started = stage.ok("start eu --io");
    assert!(started.ends_with(", not applying\n"), "{started}");
    stage.refused("wait --gtid=9-9-9 --timeout=1", 4, "not reached in time");
    let started = stage.ok("start EU --sql");
    assert!(started.ends_with(", applying\n"), "{started}");
    assert_eq!(stage.ok(&format!("wait eu {place}")), "eu: reached\n");
    assert_eq!(stage.ok("stop eu --sql"), "eu: receiving, not applying\n");
    assert_eq!(stage.ok("stop eu"), "eu: stopped\n");

    // To a place, and no further.
    let place = stage.write(3).await;
    let last = stage.write(4).await;
    let until = place
        .replace("--file", "--until-file")
        .replace("--pos", "--until-pos");
    stage.ok(&format!("start eu {until}"));
    assert_eq!(stage.ok(&format!("wait eu {place}")), "eu: reached\n");
    stage.refused(&format!("wait eu {last}"), 1, "applying does not run");
    assert_eq!(stage.rows("eu_asterisk").await, "1 2 3");

    // Past a group.
    stage.ok("stop eu");
    assert_eq!(stage.ok("skip eu"), "eu: stopped\n");
    stage.ok("start --all");
    let place = stage.write(5).await;
    assert_eq!(
        stage.ok(&format!("wait eu {place} --timeout=30")),
        "eu: reached\n"
    );
    assert_eq!(stage.rows("eu_asterisk").await, "1 2 3 5", "4 was passed over");
    let gtid = stage.source.rows("SELECT @@gtid_binlog_pos").await.unwrap()[0][0]
        .clone()
        .unwrap();
    assert_eq!(stage.ok(&format!("wait eu --gtid={gtid}")), "eu: reached\n");
    assert_eq!(stage.ok(&format!("wait --gtid={gtid}")), "reached\n");
    stage.refused(
        "wait eu --gtid=0-1-999999 --timeout=1",
        4,
        "eu: not reached in time",
    );

    // What makes no sense.
    stage.refused(
        "skip eu 1",
        1,
        "it runs; stop it first: tributary stop 'eu' (error 1198)",
    );
    stage.refused(
        "stop us",
        1,
        "there is no connection 'us'; there are 'eu' (error 1617)",
    );
    stage.refused("wait eu --gtid=x", 1, "write GTIDs as");
    stage.refused(
        "change eu --port=3307",
        1,
        "the engine has its connections from the option files alone",
    );
    stage.refused(
        "reset eu --all",
        1,
        "the engine has its connections from the option files alone",
    );
    for wrong in [
        "start",
        "stop --all eu",
        "wait eu",
        "start eu --until-file=x",
        "skip eu -1",
        "wait eu --gtid=0-1-1 --timeout=604801",
    ] {
        assert_eq!(stage.tell(wrong).code, Some(2), "{wrong}");
    }

    let both = stage.tell("stop eu us --json");
    assert_eq!(both.code, Some(1), "{both:?}");
    let reply: Value = serde_json::from_str(&both.stdout).unwrap();
    let outcomes: Vec<&str> = reply["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|done| done["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes, ["done", "refused"]);
    assert_eq!(
        reply["results"][0]["state"],
        serde_json::json!({"io": "stopped", "is_applying": false})
    );

    // A connection that stands because somebody said so is no failure.
    let log = end(running, 0);
    assert!(!log.contains("stopped with an error"), "{log}");
    stage.refused("start eu", 1, "no engine takes commands at ");
    let mut running = stage.start();
    running.wait_for_log("replicating");
    let place = stage.write(6).await;
    assert_eq!(stage.ok(&format!("wait eu {place}")), "eu: reached\n");
    end(running, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_made_changed_and_removed() {
    let stage =
        Stage::new("control_socket=@DIR@/control.sock\nus.replicate_rewrite_db=asterisk->us_asterisk").await;
    let mut running = stage.start();
    running.wait_for_log("replicating");
    let port = stage.source.port();
    let password_file = stage.dir.path().join("source.password");
    let password = std::fs::read_to_string(&password_file).unwrap();
    let user_of = |log: &str| -> String {
        let line = log.lines().find_map(|line| line.strip_prefix("eu.master_user="));
        line.unwrap().to_owned()
    };
    let user = user_of(&std::fs::read_to_string(&stage.option_file).unwrap());
    let place = stage.write(1).await;
    assert_eq!(stage.ok(&format!("wait eu {place}")), "eu: reached\n");

    let us = format!(
        "change us --host=127.0.0.1 --port={port} --user={user} --log-file=mysql-bin.000001 --log-pos=4 --connect-retry=1"
    );
    let with_file = format!("{us} --password-file={}", password_file.display());
    stage.refused(
        &with_file,
        1,
        "conflicts with existing connection 'eu' (error 1934)",
    );
    stage.refused("reset eu --all", 1, "it runs; stop it first: tributary stop 'eu'");
    stage.refused(
        "change eu --port=1",
        1,
        "it runs; stop it first: tributary stop 'eu'",
    );
    stage.ok("stop eu");
    assert_eq!(stage.ok("reset eu --all"), "eu: removed\n");
    stage.refused("start eu", 1, "there is no connection 'eu'; there is none at all");
    assert_eq!(stage.rows("eu_asterisk").await, "1", "its data stays");

    // Passwords come from files, variables and standard input, and nowhere else.
    let open = stage.dir.file_with_mode("open.password", &password, 0o644);
    stage.refused(
        &format!("{us} --password-file={}", open.display()),
        2,
        "others may read",
    );
    stage.refused(
        &format!("{us} --password-env=TRIBUTARY_TEST_NONE"),
        2,
        "TRIBUTARY_TEST_NONE is not set",
    );
    assert_eq!(stage.tell(&format!("{us} --password={password}")).code, Some(2));
    assert_eq!(stage.ok(&with_file), "us: stopped\n");
    let piped = |words: &str, input: &str| -> Ran {
        let mut command: Command = command();
        command.args(words.split(' ')).arg(defaults(&stage.option_file));
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap().into()
    };
    let wrong = piped("change us --password-stdin", "not it\n");
    assert_eq!(wrong.code, Some(0), "{wrong:?}");
    stage.ok("start us");
    let last_error = || {
        let status = stage.ok("status --json");
        let status: Value = serde_json::from_str(&status).unwrap();
        status["connections"][0]["io_error"]["number"].clone()
    };
    running.wait_until("the source's refusal", |_| last_error() == 1045);
    stage.ok("stop us");
    let right = piped("change us --password-stdin", &format!("{password}\n"));
    assert_eq!(right.code, Some(0), "{right:?}");
    stage.ok("start us");
    let place = stage.write(2).await;
    assert_eq!(stage.ok(&format!("wait us {place}")), "us: reached\n");
    assert_eq!(stage.rows("us_asterisk").await, "1 2");

    // What was said is kept.
    let log = end(running, 0);
    assert!(
        !log.contains(&password) && log.contains("command: change \"us\""),
        "{log}"
    );
    let mut running = stage.start();
    running.wait_for_log("replicating");
    stage.refused("stop eu", 1, "there are 'us'");
    let place = stage.write(3).await;
    assert_eq!(stage.ok(&format!("wait us {place}")), "us: reached\n");
    stage.ok("stop --all");
    assert_eq!(stage.ok("reset us"), "us: stopped\n");
    assert_eq!(
        stage.ok("change us --delay=1 --ssl=off --use-gtid=no"),
        "us: stopped\n"
    );
    stage.refused("change us --host=", 1, "error 1210");
    end(running, 0);
}
