//! How to log in to a server: one of the bench's, or one that the user names by its URL.

use anyhow::{Context, Result};
use mysql_async::Opts;
use tributary_sandbox::Site;

/// The place of a server, and an account on it.
#[derive(Clone)]
pub(crate) struct Login {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) password: String,
}

/// A server of the user's: `mysql://USER:PASSWORD@HOST:PORT`, whose text is not for logs.
#[derive(Clone, PartialEq)]
pub(crate) struct Url(String);

impl std::fmt::Debug for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(hidden)")
    }
}

impl Url {
    /// Takes the value of an environment variable.
    ///
    /// # Errors
    /// A text that is no URL or names no user, with the variable's name; the text itself may hold a password.
    pub(crate) fn read(variable: &str, text: String) -> Result<Url> {
        let url = Url(text);
        url.login().with_context(|| variable.to_owned())?;
        Ok(url)
    }

    /// The server, for questions.
    ///
    /// # Errors
    /// None after [`Url::read`].
    pub(crate) fn site(&self) -> Result<Site> {
        Site::from_url(&self.0)
    }

    /// The server, for replicas.
    ///
    /// # Errors
    /// None after [`Url::read`].
    pub(crate) fn login(&self) -> Result<Login> {
        // The error would show the text.
        let opts = Opts::from_url(&self.0)
            .ok()
            .context("mysql://USER:PASSWORD@HOST:PORT is needed")?;
        Ok(Login {
            host: opts.ip_or_hostname().to_owned(),
            port: opts.tcp_port(),
            user: opts.user().context("no user is named")?.to_owned(),
            password: opts.pass().unwrap_or_default().to_owned(),
        })
    }
}
