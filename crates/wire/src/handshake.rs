//! The first packets of a connection: greeting, TLS request, handshake response.
//!
//! MariaDB protocol documentation, "Connecting"; pages "Initial Handshake Packet", "SSL Request Packet", "Handshake
//! Response Packet".

mod greeting;
mod response;

pub use greeting::Greeting;
pub use response::{AuthData, HandshakeRequest, HandshakeResponse};
