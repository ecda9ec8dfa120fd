//! The two accounts replication needs: one to read a source, one to write the target.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};

use crate::Site;

/// A user name and its password, valid from everywhere.
#[derive(Clone)]
pub struct Account {
    /// The user name.
    pub user: String,
    /// The password: new for every account.
    pub password: String,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// Creates `repl_replica` on a source, with `REPLICATION SLAVE` and nothing else. The binary log does not see it.
///
/// # Errors
/// The server's error.
pub async fn create_replication_user(source: &impl AsRef<Site>) -> anyhow::Result<Account> {
    create(source.as_ref(), "repl_replica", &["REPLICATION SLAVE ON *.*"]).await
}

/// Creates `tributary` on a target; each of `grants` is what stands between `GRANT` and `TO`: `SELECT ON db.*`.
///
/// # Errors
/// The server's error.
pub async fn create_applier_user(target: &impl AsRef<Site>, grants: &[&str]) -> anyhow::Result<Account> {
    create(target.as_ref(), "tributary", grants).await
}

async fn create(server: &Site, user: &str, grants: &[&str]) -> anyhow::Result<Account> {
    let password = new_password();
    let mut sql = format!(
        "SET sql_log_bin = 0; DROP USER IF EXISTS '{user}'@'%'; CREATE USER '{user}'@'%' IDENTIFIED BY '{password}'"
    );
    for grant in grants {
        sql.push_str(&format!("; GRANT {grant} TO '{user}'@'%'"));
    }
    server.run(&sql).await?;
    Ok(Account {
        user: user.to_owned(),
        password,
    })
}

/// 128 random bits from the keys the standard library draws for its hash maps, as hexadecimal digits.
fn new_password() -> String {
    let word = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", word(), word())
}
