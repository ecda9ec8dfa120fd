//! Sources, a target, and an engine between them that is administered through its control port.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use tributary_sandbox::{Account, Server, ServerOptions, create_applier_user, create_replication_user};

use crate::support::{DEADLINE, Dir, POLL_INTERVAL, Ran, Running, testdata};

/// Sources, a target, and an engine between them that knows of no source yet.
pub(crate) struct Site {
    pub(crate) sources: Vec<(Server, Account)>,
    pub(crate) target: Server,
    pub(crate) dir: Dir,
    pub(crate) option_file: PathBuf,
}

pub(crate) const TABLES: &str = "CREATE DATABASE asterisk; CREATE TABLE asterisk.vicidial_log (id INT PRIMARY KEY, status VARCHAR(9)) ENGINE=MyISAM; \
     CREATE TABLE asterisk.sip_packets (id INT) ENGINE=MyISAM";

/// Waits until a source has written what it writes some time after it has begun a binlog.
pub(crate) async fn wait_for_checkpoint(source: &Server) {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let file = source.rows("SHOW MASTER STATUS").await.unwrap().remove(0)[0]
            .clone()
            .unwrap();
        let events = source
            .rows(&format!("SHOW BINLOG EVENTS IN '{file}'"))
            .await
            .unwrap();
        let is_it = |row: &Vec<Option<String>>| {
            (row[2].as_deref(), row[5].as_ref()) == (Some("Binlog_checkpoint"), Some(&file))
        };
        if events.iter().any(is_it) {
            return;
        }
        assert!(Instant::now() < deadline, "no checkpoint: {events:?}");
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// A field of what the client shows with `\G`.
pub(crate) fn field_of(shown: &str, field: &str) -> String {
    let prefix = format!("{field}: ");
    let mut lines = shown.lines();
    let line = lines.find_map(|line| line.trim_start().strip_prefix(&prefix));
    line.unwrap_or_default().to_owned()
}

/// What the client prints of statements on a server itself.
pub(crate) fn client_of(server: &Server, args: &[&str]) -> Ran {
    let mut client = Command::new("mariadb");
    client
        .args(["--no-defaults", "-uroot", "-S"])
        .arg(server.socket())
        .args(args);
    client.output().unwrap().into()
}

impl Site {
    pub(crate) async fn new() -> Self {
        let target = Server::start(ServerOptions::target()).await.unwrap();
        let mut sources = Vec::new();
        for id in 1..=2 {
            let source = Server::start(ServerOptions::source(id)).await.unwrap();
            let account = create_replication_user(&source).await.unwrap();
            source.run(TABLES).await.unwrap();
            sources.push((source, account));
        }
        let writer = create_applier_user(&target, &["ALL PRIVILEGES ON *.*"])
            .await
            .unwrap();
        let dir = Dir::new();
        dir.file("target.password", &writer.password);
        // The replica's own file, and what Tributary needs besides.
        let option_file = dir.file(
            "tributary.cnf",
            &format!(
                "[mysqld]\nserver-id=10\nskip_slave_start=ON\nslave_net_timeout=60\nslave_parallel_threads=4\n\
                 slave_skip_errors=1032,1146\n\
                 master1.replicate_rewrite_db = asterisk->master1_asterisk\n\
                 master2.replicate_rewrite_db = asterisk->master2_asterisk\n\
                 master1.replicate_ignore_table = asterisk.sip_packets\n\
                 master2.replicate_ignore_table = asterisk.sip_packets\n\
                 [tributary]\nstate_dir=@DIR@/state\ntarget_socket={}\ntarget_user={}\ntarget_password_file=@DIR@/target.password\n\
                 control_socket=@DIR@/control.sock\n",
                target.socket().display(),
                writer.user,
            ),
        );
        dir.file(".my.cnf", "[client]\nsocket=@DIR@/control.sock\nuser=root\n");
        Self {
            sources,
            target,
            dir,
            option_file,
        }
    }

    pub(crate) fn start(&self) -> Running {
        let mut running = Running::start(&self.option_file, &[]);
        running.wait_for_log("listening for control");
        running
    }

    /// What the client says to a statement.
    pub(crate) fn client(&self, args: &[&str]) -> Ran {
        let mut client = Command::new("mariadb");
        client.env("HOME", self.dir.path()).args(args);
        client.output().unwrap().into()
    }

    /// Has another server replicate the first source natively, from where that is now.
    pub(crate) async fn replicate_natively(&self, replica: &Server, threads: &str) {
        let (source, account) = &self.sources[0];
        let begin = source.rows("SHOW MASTER STATUS").await.unwrap().remove(0);
        replica
            .run(&format!(
                "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={}, MASTER_USER='{}', MASTER_PASSWORD='{}', \
                 MASTER_LOG_FILE='{}', MASTER_LOG_POS={}; START SLAVE {threads}",
                source.port(),
                account.user,
                account.password,
                begin[0].as_deref().unwrap(),
                begin[1].as_deref().unwrap(),
            ))
            .await
            .unwrap();
    }

    /// Runs statements that must succeed.
    pub(crate) fn run(&self, sql: &str) -> String {
        let ran = self.client(&["-NBe", sql]);
        assert_eq!(ran.code, Some(0), "{sql}: {}", ran.stderr);
        ran.stdout
    }

    /// One field of `SHOW SLAVE 'name' STATUS`.
    pub(crate) fn field(&self, name: &str, field: &str) -> String {
        let ran = self.client(&["-e", &format!("SHOW SLAVE '{name}' STATUS\\G")]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        field_of(&ran.stdout, field)
    }

    pub(crate) fn wait_for_field(&self, name: &str, field: &str, value: &str) {
        let deadline = Instant::now() + DEADLINE;
        while self.field(name, field) != value {
            assert!(
                Instant::now() < deadline,
                "{name}: {field} is {}, not {value}: {:?}",
                self.field(name, field),
                self.client(&["-e", "SHOW ALL SLAVES STATUS\\G"])
            );
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    /// `CHANGE MASTER`, from where the source is now.
    pub(crate) async fn change_master(&self, name: &str, source: usize) {
        let (server, account) = &self.sources[source];
        let row = server.rows("SHOW MASTER STATUS").await.unwrap().remove(0);
        let text = |index: usize| row[index].clone().unwrap();
        self.run(&format!(
            "CHANGE MASTER '{name}' TO MASTER_HOST='127.0.0.1', MASTER_PORT={}, MASTER_USER='{}', MASTER_PASSWORD='{}', \
             MASTER_LOG_FILE='{}', MASTER_LOG_POS={}, MASTER_CONNECT_RETRY=10, MASTER_HEARTBEAT_PERIOD=30",
            server.port(),
            account.user,
            account.password,
            text(0),
            text(1),
        ));
    }

    /// Waits until everything of a source is on the target, as scripts do.
    pub(crate) async fn wait_for(&self, name: &str, source: usize) {
        let row = self.sources[source]
            .0
            .rows("SHOW MASTER STATUS")
            .await
            .unwrap()
            .remove(0);
        let (file, offset) = (row[0].clone().unwrap(), row[1].clone().unwrap());
        let waited = self.run(&format!("SELECT MASTER_POS_WAIT('{file}',{offset},30,'{name}')"));
        assert_eq!(waited.trim(), "0", "{}", self.field(name, "Last_SQL_Error"));
    }

    /// The administrators' script, with another file for its alerts.
    pub(crate) fn health(&self) -> (Option<i32>, String) {
        let alerts = self.dir.path().join("alerts.log");
        let script = std::fs::read_to_string(testdata("check_replication.sh")).unwrap();
        let script = script
            .replace("/var/log/replication_alerts.log", &alerts.display().to_string())
            .replace("\"master2\" \"master3\"", "\"master2\"");
        let path = self.dir.file("check_replication.sh", &script);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        let ran = Command::new("bash")
            .arg(&path)
            .env("HOME", self.dir.path())
            .output()
            .unwrap();
        let text = std::fs::read_to_string(&alerts).unwrap_or_default();
        let _ = std::fs::remove_file(&alerts);
        (ran.status.code(), text)
    }
}
