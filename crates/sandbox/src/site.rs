//! A server as SQL sees it, wherever it runs.

use anyhow::{Context, bail};
use mysql_async::{Conn, Opts, OptsBuilder, WhiteListFsHandler};

use crate::engine::Coordinates;
use crate::sql;

/// Where to log in with all privileges. [`Server`](crate::Server) has one; a server of others is made from its address.
#[derive(Clone)]
pub struct Site {
    name: String,
    opts: Opts,
}

impl Site {
    pub(crate) fn new(name: String, opts: Opts) -> Site {
        Site { name, opts }
    }

    /// A server that somebody else runs, by URL: `mysql://root:PASSWORD@HOST:PORT`.
    ///
    /// # Errors
    /// When the text is no such URL. The message leaves it out: it may hold a password.
    pub fn from_url(url: &str) -> anyhow::Result<Site> {
        let opts = Opts::from_url(url).context("read the server's URL, mysql://USER:PASSWORD@HOST:PORT")?;
        let name = format!("{}:{}", opts.ip_or_hostname(), opts.tcp_port());
        // The server's own socket path means nothing on this side.
        Ok(Site {
            name,
            opts: OptsBuilder::from_opts(opts).prefer_socket(false).into(),
        })
    }

    /// What to call it in a message.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Host name of a server made from a URL.
    pub fn host(&self) -> &str {
        self.opts.ip_or_hostname()
    }

    /// TCP port of a server made from a URL.
    pub fn port(&self) -> u16 {
        self.opts.tcp_port()
    }

    /// A new connection.
    ///
    /// # Errors
    /// When the server is down or refuses the login.
    pub async fn connect(&self) -> anyhow::Result<Conn> {
        self.try_connect()
            .await
            .with_context(|| format!("connect to {}", self.name))
    }

    pub(crate) async fn try_connect(&self) -> Result<Conn, mysql_async::Error> {
        Conn::new(self.opts.clone()).await
    }

    /// A new connection whose `LOAD DATA LOCAL` may read the handler's files.
    pub(crate) async fn try_connect_with_files(
        &self,
        handler: WhiteListFsHandler,
    ) -> Result<Conn, mysql_async::Error> {
        let opts = OptsBuilder::from_opts(self.opts.clone()).local_infile_handler(Some(handler));
        Conn::new(opts).await
    }

    /// Runs one or many statements on a connection of their own.
    ///
    /// # Errors
    /// The first statement's error; later statements have not run.
    pub async fn run(&self, sql: &str) -> anyhow::Result<()> {
        let mut conn = self.connect().await?;
        let result = sql::run(&mut conn, sql).await;
        conn.disconnect().await.ok();
        result
    }

    /// The rows of one statement as text, `None` for NULL; bytes that are no UTF-8 are replaced.
    ///
    /// # Errors
    /// The statement's error.
    pub async fn rows(&self, sql: &str) -> anyhow::Result<Vec<Vec<Option<String>>>> {
        let mut conn = self.connect().await?;
        let result = sql::rows(&mut conn, sql).await;
        conn.disconnect().await.ok();
        result
    }

    /// The first column of a statement's first row.
    ///
    /// # Errors
    /// The statement's error; no row; a NULL.
    pub async fn value(&self, sql: &str) -> anyhow::Result<String> {
        let rows = self.rows(sql).await?;
        let first = rows.into_iter().next().and_then(|row| row.into_iter().next());
        match first {
            Some(Some(value)) => Ok(value),
            Some(None) => bail!("{} gave NULL", sql::quoted(sql)),
            None => bail!("{} gave no row", sql::quoted(sql)),
        }
    }

    /// Whether the server is MySQL's.
    ///
    /// # Errors
    /// As [`Site::value`].
    pub async fn is_mysql(&self) -> anyhow::Result<bool> {
        Ok(!self.value("SELECT VERSION()").await?.contains("MariaDB"))
    }

    /// Where the server's binary log ends now.
    ///
    /// # Errors
    /// The server's error; no binary log.
    pub async fn end_of_log(&self) -> anyhow::Result<Coordinates> {
        let sql = if self.is_mysql().await? {
            "SHOW BINARY LOG STATUS"
        } else {
            "SHOW MASTER STATUS"
        };
        let rows = self.rows(sql).await?;
        let row = rows.first().with_context(|| format!("{sql} gave no row"))?;
        let column = |index: usize| {
            let value = row.get(index).cloned().flatten();
            value.with_context(|| format!("{sql} lacks column {index}"))
        };
        Ok(Coordinates {
            file: column(0)?,
            offset: column(1)?.parse().context("the binary log's offset")?,
        })
    }
}

impl AsRef<Site> for Site {
    fn as_ref(&self) -> &Site {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_host_and_port_and_is_never_quoted() {
        let site = Site::from_url("mysql://root:secret@source1:3307").unwrap();
        assert_eq!(
            (site.host(), site.port(), site.name()),
            ("source1", 3307, "source1:3307")
        );
        let error = Site::from_url("mysql:/root:secret@source1").err().unwrap();
        assert!(!format!("{error:#}").contains("secret"), "{error:#}");
    }
}
