//! The engine in `SHOW PROCESSLIST` through the control port, beside a native replica of the same source.

use std::time::Instant;

use tributary_sandbox::{Server, ServerOptions};

use crate::site::{Site, client_of};
use crate::support::{DEADLINE, POLL_INTERVAL};

type Row = Vec<String>;

/// The rows of the server's own threads. Not their numbers, and not since when they run.
fn own_threads(shown: &str) -> Vec<Row> {
    let rows = shown
        .lines()
        .map(|line| line.split('\t').map(str::to_owned).collect::<Row>());
    let own = rows
        .filter(|row| row.len() > 1 && row[1] == "system user")
        .map(|mut row| {
            row[5].parse::<u64>().unwrap();
            row.remove(5);
            row.remove(0);
            row
        });
    let mut own: Vec<Row> = own.collect();
    own.sort();
    own
}

/// The numbers of threads with this command.
fn numbers(shown: &str, command: &str) -> Vec<u64> {
    let rows = shown.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let of_command = rows.filter(|row| row[1] == "system user" && row[4] == command);
    of_command.map(|row| row[0].parse().unwrap()).collect()
}

fn wait_for(what: &str, mut shown: impl FnMut() -> String, is_there: impl Fn(&str) -> bool) -> String {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let shown = shown();
        if is_there(&shown) {
            return shown;
        }
        assert!(Instant::now() < deadline, "{what}: {shown}");
        std::thread::sleep(POLL_INTERVAL);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threads_are_in_the_process_list_as_those_of_a_native_replica() {
    const LIST: &str = "SHOW FULL PROCESSLIST";
    let site = Site::new().await;
    let mut running = site.start();
    let (source, _) = &site.sources[0];
    site.target.run("CREATE DATABASE master1_asterisk").await.unwrap();
    let native = Server::start(ServerOptions::plain(77).arg("--slave-parallel-threads=4"))
        .await
        .unwrap();
    native.run("CREATE DATABASE asterisk").await.unwrap();
    site.replicate_natively(&native, "").await;
    let of_native = || {
        let ran = client_of(&native, &["-NBe", LIST]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        ran.stdout
    };
    let of_port = || site.run(LIST);

    // Workers only, as long as nothing is started.
    site.change_master("master1", 0).await;
    let stopped = own_threads(&of_port());
    assert!(
        stopped.len() == 4 && stopped.iter().all(|row| row[3] == "Slave_worker"),
        "{stopped:?}"
    );

    site.run("START SLAVE 'master1'");
    source
        .run("CREATE TABLE asterisk.i (a INT PRIMARY KEY) ENGINE=InnoDB; INSERT INTO asterisk.i VALUES (1)")
        .await
        .unwrap();
    site.wait_for("master1", 0).await;
    let is_at_rest = |shown: &str| {
        let rows = own_threads(shown);
        rows.len() == 6
            && rows
                .iter()
                .all(|row| row[4].starts_with("Waiting for") || row[4].starts_with("Slave has read all"))
    };
    let expected = own_threads(&wait_for("native", of_native, is_at_rest));
    let shown = wait_for("through the port", of_port, is_at_rest);
    assert_eq!(own_threads(&shown), expected);
    for sql in ["show processlist", "SELECT 1; SHOW PROCESSLIST"] {
        assert_eq!(own_threads(&site.run(sql)), expected, "{sql}");
    }

    // What the target shows is there, too: its own numbers, in which the workers are sessions of the engine's account.
    let direct = site.target.rows(LIST).await.unwrap();
    for number in numbers(&shown, "Slave_worker") {
        let row = direct.iter().find(|row| row[0] == Some(number.to_string()));
        assert_eq!(row.unwrap()[4].as_deref(), Some("Sleep"), "{direct:?}");
    }
    let (io, sql) = (numbers(&shown, "Slave_IO"), numbers(&shown, "Slave_SQL"));
    let killed = site.client(&["-e", &format!("KILL {}", sql[0])]);
    assert!(killed.stderr.contains("1094"), "{}", killed.stderr);

    // A thread that is stopped is gone, and is another one after its next start.
    site.run("STOP SLAVE 'master1' SQL_THREAD");
    let stopped = of_port();
    assert_eq!(
        (numbers(&stopped, "Slave_IO"), numbers(&stopped, "Slave_SQL")),
        (io.clone(), Vec::new())
    );
    site.run("START SLAVE 'master1' SQL_THREAD");
    let started = of_port();
    assert_eq!(numbers(&started, "Slave_IO"), io);
    assert!(
        numbers(&started, "Slave_SQL").len() == 1 && numbers(&started, "Slave_SQL") != sql,
        "{started}"
    );

    // A source that is not there.
    site.run("CHANGE MASTER 'master2' TO MASTER_HOST='127.0.0.1', MASTER_PORT=1, MASTER_USER='x', MASTER_LOG_FILE='b.000001', MASTER_LOG_POS=4; \
              START SLAVE 'master2'");
    let is_connecting = |shown: &str| numbers(shown, "Connect").len() == 1;
    let shown = wait_for("an unreachable source", of_port, is_connecting);
    let connect = own_threads(&shown).into_iter().find(|row| row[3] == "Connect");
    assert_eq!(connect.unwrap()[4], "Connecting to master");
    assert_eq!(numbers(&shown, "Slave_SQL").len(), 2);

    // Only for accounts that see the threads of others.
    site.target.run("CREATE USER plain@localhost; CREATE USER watch@localhost; GRANT PROCESS ON *.* TO watch@localhost").await.unwrap();
    let of_account = |account: &str| {
        let ran = site.client(&[&format!("-u{account}"), "-NBe", LIST]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        ran.stdout
    };
    assert_eq!(of_account("plain").lines().count(), 1, "{}", of_account("plain"));
    assert_eq!(own_threads(&of_account("watch")).len(), 8);
    running.signal("TERM");
    assert_eq!(running.wait(), Some(0), "{}", running.log());
}
