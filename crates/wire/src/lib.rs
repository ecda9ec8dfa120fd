//! The MariaDB client/server protocol as bytes: packets, handshake, authentication, commands, results.
//!
//! This crate turns bytes into typed values and typed values into bytes, for both ends of a connection.
//! It knows no sockets, tasks or clocks: [`packet::PacketReader`] is fed bytes and hands out payloads,
//! [`result::ReplyDecoder`] is fed payloads and hands out a [`result::Reply`], [`auth::Login`] is fed payloads and
//! says what to send. Whoever owns the socket drives them.
//!
//! Every decoder takes what a stranger sent: it returns an [`Error`] instead of panicking, and never reserves memory
//! because a length field says so.
//!
//! Protocol facts come from the MariaDB protocol documentation ("Clients & Utilities, Server Protocol"); where a real
//! server behaves otherwise, the comment names the version that was observed.

pub mod auth;
pub mod bulk;
pub mod capabilities;
pub mod column;
pub mod command;
pub mod compress;
mod error;
pub mod handshake;
pub mod packet;
pub mod prepared;
pub mod reader;
pub mod replication;
pub mod result;
pub mod row;
pub mod status;
pub mod writer;

pub use error::Error;
