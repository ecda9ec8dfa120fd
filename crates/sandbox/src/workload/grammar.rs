//! What the servers on both sides understand: generated is what the source has and the target has, too.

use anyhow::Context;

use crate::Site;

/// The grammar of a pair of servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grammar {
    /// Whether the source is MySQL's. Then no version matters: what we write on it, every target has.
    is_mysql: bool,
    source: (u32, u32),
    target: (u32, u32),
}

impl Default for Grammar {
    /// Between two servers of 10.11.
    fn default() -> Grammar {
        Grammar {
            is_mysql: false,
            source: (10, 11),
            target: (10, 11),
        }
    }
}

impl Grammar {
    /// What can be written on `source` and repeated on `target`.
    ///
    /// # Errors
    /// When a server does not answer, or has a version that is no number.
    pub async fn between(source: &impl AsRef<Site>, target: &impl AsRef<Site>) -> anyhow::Result<Grammar> {
        Ok(Grammar {
            is_mysql: source.as_ref().is_mysql().await?,
            source: version(source.as_ref()).await?,
            target: version(target.as_ref()).await?,
        })
    }

    /// Whether the source is MySQL's.
    pub(crate) fn is_mysql(self) -> bool {
        self.is_mysql
    }

    /// Whether the servers are MariaDB's, of this version or later.
    pub(super) fn is_mariadb_from(self, major: u32, minor: u32) -> bool {
        !self.is_mysql && self.source.min(self.target) >= (major, minor)
    }

    /// Whether a table may have a nullable unique key before the key by which its rows are found. Rows of row events are found
    /// wrongly then: 11.8.6 takes the first row with the other key's value (repeat with `mariadb-binlog`; 10.11.19 does not).
    pub(super) fn finds_rows_behind_nullable_keys(self) -> bool {
        self.target < (11, 0)
    }

    /// Words of `ALTER` up to the table's name.
    pub(super) fn alter_table(self) -> &'static [&'static str] {
        /// From here on every engine's tables are altered while they are written; before, only those of InnoDB, in some ways.
        const ONLINE_EVERYWHERE: (u32, u32) = (11, 2);
        if self.is_mysql {
            &["TABLE"]
        } else if self.source >= ONLINE_EVERYWHERE && self.target < ONLINE_EVERYWHERE {
            &["TABLE", "TABLE IF EXISTS"]
        } else {
            &["TABLE", "TABLE IF EXISTS", "ONLINE TABLE"]
        }
    }

    /// Whether both servers refuse the same values.
    pub(super) fn is_one_version(self) -> bool {
        !self.is_mysql && self.source == self.target
    }

    /// `CREATE OR REPLACE` where there is one; MySQL has it for views only.
    pub(super) fn create_or_replace(self) -> &'static str {
        if self.is_mysql {
            "CREATE"
        } else {
            "CREATE OR REPLACE"
        }
    }

    pub(super) fn create_or_replace_table(self) -> &'static str {
        if self.is_mysql {
            "CREATE TABLE"
        } else {
            "CREATE OR REPLACE TABLE"
        }
    }

    /// An engine of the source in place of one that it does not have, or whose binlog does not tell what happened.
    pub(super) fn engine(self, engine: &'static str) -> &'static str {
        /// Before, transactions that touch Aria tables (which cannot be prepared) were seen in the binlog behind
        /// transactions that had waited for their locks (10.5.23; not seen later): such an order fits on no replica.
        const ARIA_IN_ORDER: (u32, u32) = (10, 6);
        if engine == "Aria" && (self.is_mysql || self.source < ARIA_IN_ORDER) {
            "MyISAM"
        } else {
            engine
        }
    }
}

async fn version(server: &Site) -> anyhow::Result<(u32, u32)> {
    let text = server.value("SELECT VERSION()").await?;
    parse(&text).with_context(|| format!("{} has the version '{text}'", server.name()))
}

fn parse(text: &str) -> Option<(u32, u32)> {
    let (major, rest) = text.split_once('.')?;
    let minor = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_servers_write_them() {
        assert_eq!(parse("10.5.23-MariaDB-0+deb11u1-log"), Some((10, 5)));
        assert_eq!(parse("11.8.6-MariaDB"), Some((11, 8)));
        assert_eq!(parse("9.7.4"), Some((9, 7)));
        assert_eq!(parse("new"), None);
    }
}
