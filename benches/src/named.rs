//! A source that the user names: it is read, and nothing is written to it.
//!
//! What is replayed lies between the coordinates of a dump and the source's end. The dump fills every target before the
//! clock starts, as it would a new replica. The source must be at rest: its rows are compared with the target's.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};

use crate::coordinates::Coordinates;
use crate::login::{Login, Url};

/// Where the source is and what to replay.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Named {
    /// Its account needs `REPLICATION SLAVE`, `BINLOG MONITOR` and `SELECT`.
    pub(crate) url: Url,
    /// Where the dump was made.
    pub(crate) start: Coordinates,
    /// The database that is replayed.
    pub(crate) database: String,
    /// The dump: SQL of that database's tables and rows, without its name.
    pub(crate) seed: PathBuf,
}

impl Named {
    /// The user's source; `None` when none is named. `text` gives a variable's value.
    ///
    /// # Errors
    /// A variable that is missing or not understood.
    pub(crate) fn read(text: impl Fn(&str) -> Option<String>) -> Result<Option<Named>> {
        let Some(url) = text("BENCH_SOURCE") else {
            return Ok(None);
        };
        let start =
            text("BENCH_SOURCE_START").context("BENCH_SOURCE needs BENCH_SOURCE_START=FILE:OFFSET")?;
        let (file, offset) = start
            .rsplit_once(':')
            .with_context(|| format!("BENCH_SOURCE_START={start}: FILE:OFFSET is needed"))?;
        let offset = offset
            .parse()
            .with_context(|| format!("BENCH_SOURCE_START={start}: FILE:OFFSET is needed"))?;
        let seed = PathBuf::from(text("BENCH_SEED").context("BENCH_SOURCE needs BENCH_SEED=DUMP.sql")?);
        ensure!(
            seed.is_file(),
            "BENCH_SEED={}: there is no such file",
            seed.display()
        );
        Ok(Some(Named {
            url: Url::read("BENCH_SOURCE", url)?,
            start: Coordinates {
                file: file.to_owned(),
                offset,
            },
            database: text("BENCH_SOURCE_DATABASE").unwrap_or_else(|| "asterisk".to_owned()),
            seed,
        }))
    }

    /// Loads the dump into a database of a target.
    ///
    /// # Errors
    /// When the `mariadb` client cannot load it.
    pub(crate) async fn load_seed(&self, target: &Login, database: &str) -> Result<()> {
        let status = tokio::process::Command::new("mariadb")
            .arg("--no-defaults")
            .arg("--protocol=tcp")
            .arg(format!("--host={}", target.host))
            .arg(format!("--port={}", target.port))
            .arg(format!("--user={}", target.user))
            .arg(database)
            // Other users see neither a process's environment nor this program's.
            .env("MYSQL_PWD", &target.password)
            .stdin(Stdio::from(std::fs::File::open(&self.seed)?))
            .kill_on_drop(true)
            .status()
            .await
            .context("run the mariadb client")?;
        ensure!(
            status.success(),
            "{} could not be loaded ({status})",
            self.seed.display()
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Option<Named>> {
        let value = |name: &str| {
            let found = pairs.iter().find(|(n, _)| *n == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Named::read(value)
    }

    #[test]
    fn a_named_source_needs_a_start_and_a_dump_and_its_password_is_not_shown() {
        assert_eq!(read(&[]).unwrap(), None);
        let url = ("BENCH_SOURCE", "mysql://repl:geheim@192.0.2.11:3307");
        let start = ("BENCH_SOURCE_START", "mysql-bin.000042:1234");
        let seed = ("BENCH_SEED", "/dev/null");
        for pairs in [vec![url], vec![url, start], vec![url, start, seed]] {
            assert!(read(&pairs).is_err(), "{pairs:?}");
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        let seed = ("BENCH_SEED", file.path().to_str().unwrap());
        let named = read(&[url, start, seed]).unwrap().unwrap();
        assert_eq!(
            (named.start.file.as_str(), named.start.offset),
            ("mysql-bin.000042", 1234)
        );
        let login = named.url.login().unwrap();
        assert_eq!((login.host.as_str(), login.port), ("192.0.2.11", 3307));
        assert_eq!((login.user.as_str(), login.password.as_str()), ("repl", "geheim"));
        assert!(!format!("{named:?}").contains("geheim"));
        let bad = format!(
            "{:#}",
            read(&[("BENCH_SOURCE", "geheim"), start, seed]).unwrap_err()
        );
        assert!(!bad.contains("geheim"), "{bad}");
    }

    /// On real servers: what a source of others has gone through since a dump is replayed and found equal, and the source
    /// is where it was.
    #[tokio::test]
    async fn a_source_of_others_is_replayed_and_not_written() {
        use crate::settings::Settings;
        use crate::source::Sources;
        use crate::workload::{SOURCE_DATABASE, Workload};
        use std::io::Write as _;

        let variables = |name: &str| (name == "BENCH_SCALE").then(|| "0.001".to_owned());
        let others = Sources::fill(Workload::MixedMyisam, &Settings::read(variables).unwrap())
            .await
            .unwrap();
        let source = &others.all[0];
        let grant = "SET sql_log_bin=0; GRANT SELECT, BINLOG MONITOR ON *.* TO repl@'%'";
        source.site.run(grant).await.unwrap();
        let mut dump = tempfile::NamedTempFile::new().unwrap();
        let tables = Workload::MixedMyisam
            .traffic()
            .schema("x", "MyISAM", &others.size);
        // The first two make a database and enter it.
        dump.write_all((tables[2..].join(";\n") + ";\n").as_bytes())
            .unwrap();

        let url = format!(
            "mysql://repl:{}@127.0.0.1:{}",
            source.login.password, source.login.port
        );
        let start = format!("{}:{}", source.start.file, source.start.offset);
        let variables = |name: &str| {
            Some(match name {
                "BENCH_SOURCE" => url.clone(),
                "BENCH_SOURCE_START" => start.clone(),
                "BENCH_SEED" => dump.path().display().to_string(),
                "BENCH_SYSTEMS" => "native-0".to_owned(),
                "BENCH_RUNS" => "1".to_owned(),
                _ => return None,
            })
        };
        let settings = Settings::read(variables).unwrap();
        assert_eq!(settings.workloads, [Workload::Named]);
        let lines = crate::catch_up::run(Workload::Named, &settings, None)
            .await
            .unwrap();
        assert_eq!(lines.len(), 1);
        assert!(source.is_at_rest().await.unwrap());

        // One row more than was replayed.
        let more = format!(
            "INSERT INTO {SOURCE_DATABASE}.call_log (uniqueid,channel,server_ip) VALUES ('1','c','s')"
        );
        source
            .site
            .run(&format!("SET sql_log_bin=0; {more}"))
            .await
            .unwrap();
        let error = crate::catch_up::run(Workload::Named, &settings, None)
            .await
            .unwrap_err();
        assert!(format!("{error:#}").contains("call_log"), "{error:#}");
    }
}
