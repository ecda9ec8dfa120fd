//! Drivers and programs that know nothing of Tributary, on a target directly and through the control port: `make clients` runs it. They are
//! those of `scripts/clients.sh`, in the folder `$CLIENTS_DIR`.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    dead_code,
    reason = "a failed step ends the test; the support of other tests has more than is used"
)]

mod drivers;
mod programs;
#[path = "../command/site.rs"]
mod site;
#[path = "../command/support.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::site::Site;
use crate::support::{Ran, Running};

/// A file of `scripts/clients.sh`.
fn installed(path: &str) -> PathBuf {
    let directory =
        std::env::var_os("CLIENTS_DIR").expect("CLIENTS_DIR: the folder that scripts/clients.sh has filled");
    let file = PathBuf::from(directory).join(path);
    assert!(
        file.exists(),
        "{} does not exist: run scripts/clients.sh",
        file.display()
    );
    file
}

/// The password of the accounts `client` and `other`.
const PASSWORD: &str = "of a client";

/// A target, an engine in front of it with one connection that runs, and how clients reach both.
struct Stage {
    site: Site,
    port: u16,
    running: Running,
}

/// How a client goes to the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Direct,
    Port,
}

impl Stage {
    async fn new() -> Self {
        let site = Site::new().await;
        let port = free_port();
        let text = std::fs::read_to_string(&site.option_file).unwrap();
        std::fs::write(&site.option_file, format!("{text}control_port={port}\n")).unwrap();
        site.target
            .run(&format!(
                "SET GLOBAL max_allowed_packet=67108864; SET GLOBAL local_infile=1; CREATE DATABASE d; \
                 CREATE USER client@'%' IDENTIFIED BY '{PASSWORD}', other@'%' IDENTIFIED BY '{PASSWORD}'; \
                 GRANT ALL ON *.* TO client@'%' WITH GRANT OPTION; GRANT ALL ON d.* TO other@'%'"
            ))
            .await
            .unwrap();
        let running = site.start();
        site.change_master("master1", 0).await;
        site.run("START SLAVE 'master1'");
        site.wait_for_field("master1", "Slave_IO_Running", "Yes");
        Self { site, port, running }
    }

    fn place(&self, way: Way) -> (u16, PathBuf) {
        match way {
            Way::Direct => (self.site.target.port(), self.site.target.socket().to_owned()),
            Way::Port => (self.port, self.site.dir.path().join("control.sock")),
        }
    }

    /// Stops the engine as an operator does.
    fn end(mut self) {
        self.running.signal("TERM");
        assert_eq!(self.running.wait(), Some(0), "{}", self.running.log());
    }
}

/// A program that is ended when it takes much longer than it should.
fn limited(program: &Path) -> Command {
    const SECONDS: &str = "180";
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", SECONDS]).arg(program);
    command
}

/// What a program says, which must go well.
fn run(command: &mut Command) -> Ran {
    let output: Output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output.into()
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
