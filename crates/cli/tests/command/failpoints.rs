//! An engine that dies at each of its failpoints, when it comes there for the first time, the second, and so on until it
//! survives: what the saved position says is on the target is there, and the next engine brings both sides to the same rows.

use std::thread;
use std::time::Instant;

use tributary_binlog::{Gtid, GtidSet};
use tributary_sandbox::compare;

use crate::run::Stage;
use crate::support::{DEADLINE, POLL_INTERVAL, Running};

const TABLES: &str = "USE asterisk;
    CREATE TABLE counter (g INT PRIMARY KEY, n INT NOT NULL DEFAULT 0) ENGINE=MyISAM;
    CREATE TABLE keyless (g INT) ENGINE=MyISAM;
    CREATE TABLE volatile (g INT) ENGINE=MEMORY;
    CREATE TABLE safe (g INT PRIMARY KEY) ENGINE=InnoDB;
    CREATE TABLE total (n INT NOT NULL) ENGINE=InnoDB; INSERT INTO total VALUES (0);
    CREATE TABLE loaded (a INT, g INT) ENGINE=InnoDB;
    CREATE TABLE altered (a INT) ENGINE=MyISAM; INSERT INTO altered VALUES (1);
    CREATE TABLE made (a INT AUTO_INCREMENT PRIMARY KEY, g INT, KEY (g)) ENGINE=MyISAM;
    CREATE TABLE changed (a INT PRIMARY KEY, g INT, n INT NOT NULL DEFAULT 0, KEY (g)) ENGINE=MyISAM;
    CREATE TABLE removed (a INT PRIMARY KEY, g INT, KEY (g)) ENGINE=MyISAM;
    INSERT INTO counter (g) SELECT seq FROM seq_1_to_2000;
    INSERT INTO changed (a, g) SELECT seq, seq % 2000 FROM seq_1_to_20000;
    INSERT INTO removed SELECT a, g FROM changed";

/// A kind of change: the statements, the last of which is the group that is looked for, and what counts it on the target, to
/// be as often there. `@G@` stands for the number of the change.
struct Kind {
    statements: &'static str,
    found: &'static str,
    times: u32,
}

const fn kind(statements: &'static str, found: &'static str, times: u32) -> Kind {
    Kind {
        statements,
        found,
        times,
    }
}

const KINDS: [Kind; 13] = [
    kind(
        "UPDATE counter SET n = n + 1 WHERE g = @G@",
        "SELECT n FROM eu_asterisk.counter WHERE g = @G@",
        1,
    ),
    kind(
        "INSERT INTO keyless VALUES (@G@)",
        "SELECT COUNT(*) FROM eu_asterisk.keyless WHERE g = @G@",
        1,
    ),
    kind(
        "SET SESSION binlog_format = ROW; INSERT INTO keyless VALUES (@G@), (@G@); SET SESSION binlog_format = MIXED",
        "SELECT COUNT(*) FROM eu_asterisk.keyless WHERE g = @G@",
        2,
    ),
    kind(
        "INSERT INTO volatile VALUES (@G@)",
        "SELECT COUNT(*) FROM eu_asterisk.volatile WHERE g = @G@",
        1,
    ),
    kind(
        "BEGIN; INSERT INTO safe VALUES (@G@); UPDATE total SET n = n + 1; COMMIT",
        "SELECT COUNT(*) FROM eu_asterisk.safe WHERE g = @G@",
        1,
    ),
    kind(
        "BEGIN; INSERT INTO keyless VALUES (-@G@); INSERT INTO safe VALUES (@G@); UPDATE counter SET n = n + 10 WHERE g = 2000; COMMIT",
        "SELECT COUNT(*) FROM eu_asterisk.safe WHERE g = @G@",
        1,
    ),
    kind(
        "CREATE TABLE made_@G@ (a INT) ENGINE=MyISAM",
        "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'eu_asterisk' AND table_name = 'made_@G@'",
        1,
    ),
    kind(
        "ALTER TABLE altered ADD c@G@ INT DEFAULT 7",
        "SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = 'eu_asterisk' AND table_name = 'altered' AND column_name = 'c@G@'",
        1,
    ),
    kind(
        "LOAD DATA INFILE '@FILE@' INTO TABLE loaded (a) SET g = @G@",
        "SELECT COUNT(*) FROM eu_asterisk.loaded WHERE g = @G@",
        3,
    ),
    kind(
        "XA START 'x@G@'; INSERT INTO safe VALUES (@G@); XA END 'x@G@'; XA PREPARE 'x@G@'; XA COMMIT 'x@G@'",
        "SELECT COUNT(*) FROM eu_asterisk.safe WHERE g = @G@",
        1,
    ),
    kind(
        "SET SESSION binlog_format = ROW; INSERT INTO made (g) SELECT @G@ FROM seq_1_to_300; SET SESSION binlog_format = MIXED",
        "SELECT COUNT(*) FROM eu_asterisk.made WHERE g = @G@",
        300,
    ),
    kind(
        "SET SESSION binlog_format = ROW; UPDATE changed SET n = n + 1 WHERE g = @G@; SET SESSION binlog_format = MIXED",
        "SELECT SUM(n) FROM eu_asterisk.changed WHERE g = @G@",
        10,
    ),
    kind(
        "SET SESSION binlog_format = ROW; DELETE FROM removed WHERE g = @G@; SET SESSION binlog_format = MIXED",
        "SELECT COUNT(*) FROM eu_asterisk.removed WHERE g = @G@",
        0,
    ),
];

/// A change, and where its last group ends in the source's binlog.
struct Change {
    kind: &'static Kind,
    number: u32,
    file: String,
    offset: u64,
    gtid: Gtid,
}

/// What is saved on the target: everything up to a place, and some groups behind it.
struct Saved {
    file: String,
    offset: u64,
    done: GtidSet,
}

impl Saved {
    async fn read(stage: &Stage) -> Self {
        let rows = stage
            .target
            .rows("SELECT log_file, log_offset, done FROM tributary.position WHERE connection = 'eu' ORDER BY low_water DESC")
            .await
            .unwrap();
        let mut done = GtidSet::new();
        for row in &rows {
            done.union(&row[2].as_deref().unwrap().parse().unwrap());
        }
        let newest = rows.first().expect("a start saves where it begins");
        Self {
            file: newest[0].clone().unwrap(),
            offset: newest[1].as_deref().unwrap().parse().unwrap(),
            done,
        }
    }

    /// Whether it says that a change is on the target.
    fn has(&self, change: &Change) -> bool {
        (&change.file, change.offset) <= (&self.file, self.offset) || self.done.contains(&change.gtid)
    }
}

/// Changes of every kind, twice over.
async fn write_changes(stage: &Stage, first: u32) -> Vec<Change> {
    let file = stage.dir.file("load.txt", "1\n2\n3\n").display().to_string();
    let mut changes = Vec::new();
    for (number, kind) in (first..).zip(KINDS.iter().chain(&KINDS)) {
        let statements = kind
            .statements
            .replace("@G@", &number.to_string())
            .replace("@FILE@", &file);
        stage
            .source
            .run(&format!("USE asterisk; {statements}"))
            .await
            .unwrap();
        let end = stage.source.rows("SHOW MASTER STATUS").await.unwrap().remove(0);
        let gtid = stage.source.value("SELECT @@gtid_binlog_pos").await.unwrap();
        changes.push(Change {
            kind,
            number,
            file: end[0].clone().unwrap(),
            offset: end[1].as_deref().unwrap().parse().unwrap(),
            gtid: gtid.parse().unwrap(),
        });
    }
    changes
}

/// Runs an engine that is to die; whether it has.
async fn dies(stage: &Stage, failpoint: &str) -> bool {
    let mut running = Running::start_with_failpoint(&stage.option_file, failpoint);
    let end = stage.end_of_source().await;
    let started = Instant::now();
    loop {
        if running.has_ended() {
            return true;
        }
        if stage.has_executed(&end) {
            return false;
        }
        assert!(started.elapsed() < DEADLINE, "{failpoint}: {}", running.log());
        thread::sleep(POLL_INTERVAL);
    }
}

async fn die_everywhere(place: &str) {
    let stage = Stage::new("max_relay_log_size=4096").await;
    stage.source.run(TABLES).await.unwrap();
    let mut running = stage.start();
    stage.wait_until_caught_up(&mut running).await;
    running.signal("KILL");
    running.wait();
    let mut deaths = 0;
    for passage in 1.. {
        let changes = write_changes(&stage, 1 + deaths * 2 * KINDS.len() as u32).await;
        let failpoint = format!("{place}:{passage}");
        if !dies(&stage, &failpoint).await {
            break;
        }
        deaths += 1;
        // The target goes on with what it was sent: the position first, which must never be ahead.
        let saved = Saved::read(&stage).await;
        for change in changes.iter().filter(|change| saved.has(change)) {
            let Kind { found, times, .. } = change.kind;
            let found = found.replace("@G@", &change.number.to_string());
            let there = stage.target.value(&found).await.unwrap();
            assert_eq!(
                there,
                times.to_string(),
                "{failpoint}: {} is saved",
                change.kind.statements
            );
        }
        let mut running = stage.start();
        stage.wait_until_caught_up(&mut running).await;
        running.signal("KILL");
        running.wait();
        let compared = compare(&stage.source, "asterisk", &stage.target, "eu_asterisk", &[])
            .await
            .unwrap();
        assert!(compared.is_equal(), "{failpoint}: {compared}");
    }
    assert!(deaths > 0, "{place} was never reached");
}

macro_rules! at {
    ($($place:ident)*) => {
        $(#[tokio::test(flavor = "multi_thread")]
        async fn $place() {
            die_everywhere(stringify!($place)).await;
        })*
    };
}

at! { before_send after_send before_mark after_mark before_commit after_commit in_relay_write in_rotation }
