//! Waiting for an engine that has a backlog: as long as it gets on.

use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::engine::{Coordinates, EngineStatus};

/// Draining goes on as long as it gets on; standing still for this long ends it.
const STANDSTILL: Duration = Duration::from_secs(60);

/// Where every connection is to get to, and how far it has come.
#[derive(Debug)]
pub struct Drain {
    /// Connection and end of its source's log.
    ends: Vec<(String, Coordinates)>,
    executed: Vec<Coordinates>,
    last_progress: Instant,
}

impl Drain {
    /// Begins to wait until each connection has executed everything up to here.
    pub fn to(ends: Vec<(String, Coordinates)>) -> Drain {
        Drain {
            ends,
            executed: Vec::new(),
            last_progress: Instant::now(),
        }
    }

    /// Waits no more for this connection.
    pub fn leave_out(&mut self, connection: &str) {
        self.ends.retain(|(name, _)| name != connection);
    }

    /// Whether all have got there by this status, which is none while the engine does not answer.
    ///
    /// # Errors
    /// When nothing has moved for a minute.
    pub fn is_done(&mut self, status: Option<&EngineStatus>) -> anyhow::Result<bool> {
        let executed =
            |(name, _): &(String, _)| status.map(|status| status.executed(name)).unwrap_or_default();
        let executed: Vec<Coordinates> = self.ends.iter().map(executed).collect();
        if executed
            .iter()
            .zip(&self.ends)
            .all(|(executed, (_, end))| executed.has_reached(end))
        {
            return Ok(true);
        }
        if executed != self.executed {
            (self.executed, self.last_progress) = (executed, Instant::now());
        }
        ensure!(
            self.last_progress.elapsed() < STANDSTILL,
            "draining stands still: executed {:?}, wanted {:?}",
            self.executed,
            self.ends
        );
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ConnectionStatus;

    #[test]
    fn every_connection_must_get_there() {
        let at = |offset| Coordinates {
            file: "b.000001".to_owned(),
            offset,
        };
        let status = |offsets: [u64; 2]| EngineStatus {
            connections: [("m1", offsets[0]), ("m2", offsets[1])]
                .map(|(name, offset)| ConnectionStatus {
                    name: name.to_owned(),
                    executed: at(offset),
                    ..ConnectionStatus::default()
                })
                .into(),
        };
        let mut drain = Drain::to(vec![("m1".to_owned(), at(10)), ("m2".to_owned(), at(20))]);
        assert!(!drain.is_done(None).unwrap());
        assert!(!drain.is_done(Some(&status([10, 19]))).unwrap());
        assert!(drain.is_done(Some(&status([11, 20]))).unwrap());
        let lacking = EngineStatus {
            connections: status([10, 20]).connections.split_off(1),
        };
        assert!(!drain.is_done(Some(&lacking)).unwrap());
    }
}
