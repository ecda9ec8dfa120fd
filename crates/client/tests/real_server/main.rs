//! The client against real servers, and against small fakes where no installed server shows the behaviour in question.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test fails by panicking")]

mod broken;
mod bulk;
mod certificates;
mod commands;
mod dump;
mod fake;
mod local_infile;
mod login;
mod server;
mod sha2;
mod transports;

use std::sync::{Arc, Weak};

use server::Server;
use tributary_client::Error;

/// The server that most tests share; it stops when the last of them is done.
pub(crate) async fn shared_server() -> Arc<Server> {
    static SHARED: tokio::sync::Mutex<Weak<Server>> = tokio::sync::Mutex::const_new(Weak::new());
    let mut shared = SHARED.lock().await;
    if let Some(server) = shared.upgrade() {
        return server;
    }
    let server = Arc::new(Server::start(&[]).await);
    *shared = Arc::downgrade(&server);
    server
}

/// The server's error number of a call that the server must refuse.
pub(crate) fn refused<T: std::fmt::Debug>(outcome: Result<T, Error>) -> u16 {
    match outcome {
        Err(Error::Server(error)) => error.code,
        other => panic!("expected an error of the server: {other:?}"),
    }
}
