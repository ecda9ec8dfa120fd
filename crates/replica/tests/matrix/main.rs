//! The engine with a MySQL source and with targets of several versions: `make matrix` runs it. The servers are those of
//! `scripts/matrix-servers.sh`, in the folder `$MATRIX_DIR`.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    dead_code,
    reason = "a failed step ends the test; the support of other tests has more than is used"
)]

mod collations;
mod mysql;
#[path = "../real_server/support.rs"]
mod support;

use std::path::PathBuf;

use tributary_sandbox::{Server, ServerOptions};

/// A server program of the matrix.
fn program(path: &str) -> PathBuf {
    let directory = std::env::var_os("MATRIX_DIR")
        .expect("MATRIX_DIR: the folder that scripts/matrix-servers.sh has filled");
    let program = PathBuf::from(directory).join(path);
    assert!(
        program.is_file(),
        "{} does not exist: run scripts/matrix-servers.sh",
        program.display()
    );
    program
}

fn mysql() -> PathBuf {
    program("sid/run/sbin/mysqld")
}

fn mariadb_11_8() -> PathBuf {
    program("trixie/run/sbin/mariadbd")
}

/// A target of the installed version, and one of 11.8.
async fn targets() -> anyhow::Result<[Server; 2]> {
    let options = || ServerOptions::target().arg("--local-infile=ON");
    let (old, new) = tokio::join!(
        Server::start(options()),
        Server::start(options().program(&mariadb_11_8()))
    );
    Ok([old?, new?])
}
