//! The client against real servers, and against small fakes where no MariaDB server speaks the protocol in question.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test fails by panicking")]

mod commands;
mod server;

use std::sync::Weak;

use server::Server;

/// The server that most tests share; it stops when the last of them is done.
pub(crate) async fn shared_server() -> std::sync::Arc<Server> {
    static SHARED: tokio::sync::Mutex<Weak<Server>> = tokio::sync::Mutex::const_new(Weak::new());
    let mut shared = SHARED.lock().await;
    if let Some(server) = shared.upgrade() {
        return server;
    }
    let server = std::sync::Arc::new(Server::start(&[]).await);
    *shared = std::sync::Arc::downgrade(&server);
    server
}
