//! How the servers are reached: directly, or behind relays that hold everything back as a long line does.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use tributary_sandbox::TcpRelay;

use crate::login::Login;
use crate::source::Sources;
use crate::target::Target;

/// Where relays listen and lead to.
const LOCAL: &str = "127.0.0.1";

/// A kind of line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// Time there and back; zero for none, which goes without a relay.
    pub(crate) round_trip: Duration,
    /// Whether the protocol is compressed, in every system alike.
    pub(crate) is_compressed: bool,
}

/// What stands behind a workload's name in results: nothing for the direct, plain one.
impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.round_trip.is_zero() {
            write!(f, "@{}ms", self.round_trip.as_secs_f64() * 1000.0)?;
        }
        if self.is_compressed {
            f.write_str("+compressed")?;
        }
        Ok(())
    }
}

/// Where a server is reached.
pub(crate) enum Address {
    /// Host and port, which may be a relay's.
    Tcp(String, u16),
    /// A unix socket.
    Socket(PathBuf),
}

/// The way to the sources and the target of one run.
pub(crate) struct Route {
    /// The line.
    pub(crate) link: Link,
    /// Where an engine beside the target reaches it.
    pub(crate) target: Address,
    /// The sources' hosts and ports, in their order.
    sources: Vec<(String, u16)>,
    /// They work until they are dropped.
    _relays: Vec<TcpRelay>,
}

impl Link {
    /// Directly and uncompressed.
    pub(crate) const PLAIN: Link = Link {
        round_trip: Duration::ZERO,
        is_compressed: false,
    };
}

impl Route {
    /// Puts a relay in front of each server if the line needs one.
    ///
    /// # Errors
    /// When no port is left.
    pub(crate) async fn open(link: Link, sources: &Sources, target: &Target) -> Result<Route> {
        let mut relays = Vec::new();
        let mut hosts = Vec::new();
        for source in &sources.all {
            hosts.push(reached(link, &source.login, &mut relays).await?);
        }
        let target = match target.socket() {
            Some(socket) if link.round_trip.is_zero() => Address::Socket(socket.to_owned()),
            _ => {
                let (host, port) = reached(link, &target.login, &mut relays).await?;
                Address::Tcp(host, port)
            }
        };
        Ok(Route {
            link,
            target,
            sources: hosts,
            _relays: relays,
        })
    }

    /// The host and port at which a replica reaches the source with this index.
    pub(crate) fn source(&self, index: usize) -> (&str, u16) {
        let (host, port) = &self.sources[index];
        (host, *port)
    }
}

/// Host and port of a server, or of a relay in front of it if the line needs one.
async fn reached(link: Link, login: &Login, relays: &mut Vec<TcpRelay>) -> Result<(String, u16)> {
    let host = &login.host;
    if link.round_trip.is_zero() {
        return Ok((host.clone(), login.port));
    }
    ensure!(
        host == LOCAL || host == "localhost",
        "a delay can be put in front of servers on this machine only, not of {host}"
    );
    let relay = TcpRelay::start(login.port).await?;
    relay.set_delay(link.round_trip / 2);
    let port = relay.port();
    relays.push(relay);
    Ok((LOCAL.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_out_of_the_ordinary_is_named() {
        let link = |micros, is_compressed| {
            let round_trip = Duration::from_micros(micros);
            Link {
                round_trip,
                is_compressed,
            }
            .to_string()
        };
        assert_eq!(link(0, false), "");
        assert_eq!(link(300, false), "@0.3ms");
        assert_eq!(link(80_000, true), "@80ms+compressed");
    }
}
