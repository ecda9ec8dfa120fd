//! The target of every run, with the tables as the sources began: a fresh server set up as the user's tutorial sets it
//! up, or a server of the user's, on which everything is made for the run and gone behind it.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use tributary_sandbox::{Server, ServerOptions, Site};

use crate::log::problems;
use crate::login::{Login, Url};
use crate::settings::Settings;
use crate::source::{Source, Sources};
use crate::system::System;
use crate::workload::{connection, target_database};

/// Errors the user's replica passes over.
pub(crate) const SKIPPED_ERRORS: &str = "1032,1062,1146,1269,1396,1932";

/// The account Tributary logs in with on a fresh server, over the socket or through a relay.
const APPLIER_USER: &str = "tributary";
const APPLIER_PASSWORD: &str = "tributary-bench";
/// The engine's own tables.
const ENGINE_SCHEMA: &str = "tributary";

/// The target of one run.
pub(crate) struct Target {
    site: Site,
    /// How the engine reaches it over TCP.
    pub(crate) login: Login,
    /// Its process, unless it is the user's.
    server: Option<Server>,
    /// What takes the run from a server of the user's again.
    undo: Vec<String>,
}

impl Target {
    /// Makes the target of one run.
    ///
    /// # Errors
    /// When a server does not start or refuses the tables; a server of the user's that has databases of these names, or
    /// is a replica.
    pub(crate) async fn start(system: System, sources: &Sources, settings: &Settings) -> Result<Target> {
        let target = match &settings.target {
            Some(url) => Target::users(url, sources).await?,
            None => Target::fresh(system, settings).await?,
        };
        match target.fill(sources, settings).await {
            Ok(()) => Ok(target),
            Err(error) => {
                // What else goes wrong says less than the error.
                target.end().await.ok();
                Err(error)
            }
        }
    }

    async fn fresh(system: System, settings: &Settings) -> Result<Target> {
        let mut options = ServerOptions::target()
            .arg("--innodb-flush-log-at-trx-commit=2")
            .arg("--innodb-log-file-size=96M")
            // Large enough that no system is measured by its cache misses.
            .arg("--innodb-buffer-pool-size=256M")
            .arg("--key-buffer-size=128M");
        if system.native().is_some() {
            options = options
                .arg(&format!("--slave-skip-errors={SKIPPED_ERRORS}"))
                .arg("--slave-net-timeout=60")
                .arg("--relay-log=relay-bin")
                .arg("--relay-log-recovery=ON")
                .arg("--max-relay-log-size=256M")
                .arg("--skip-slave-start");
        }
        options.args.extend_from_slice(&settings.target_args);
        let server = Server::start(options).await.context("start the target")?;
        let account = format!(
            "CREATE USER {APPLIER_USER}@'%' IDENTIFIED BY '{APPLIER_PASSWORD}';\n\
             GRANT ALL PRIVILEGES ON *.* TO {APPLIER_USER}@'%'"
        );
        server
            .run(&account)
            .await
            .context("create the engine's account")?;
        Ok(Target {
            site: server.as_ref().clone(),
            login: Login {
                host: "127.0.0.1".to_owned(),
                port: server.port(),
                user: APPLIER_USER.to_owned(),
                password: APPLIER_PASSWORD.to_owned(),
            },
            server: Some(server),
            undo: Vec::new(),
        })
    }

    async fn users(url: &Url, sources: &Sources) -> Result<Target> {
        let site = url.site()?;
        let mut schemas: Vec<String> = sources
            .all
            .iter()
            .map(|source| target_database(source.number))
            .collect();
        schemas.push(ENGINE_SCHEMA.to_owned());
        let found = site
            .rows(&format!(
                "SELECT schema_name FROM information_schema.schemata WHERE schema_name IN ('{}')",
                schemas.join("','")
            ))
            .await?;
        ensure!(
            found.is_empty(),
            "the target {} has databases of the names {}, which the bench makes and drops: move them elsewhere",
            site.name(),
            schemas.join(", ")
        );
        ensure!(
            site.rows("SHOW ALL SLAVES STATUS").await?.is_empty(),
            "the target {} is a replica: the bench changes its replication settings, so it must have no connections",
            site.name()
        );
        let mut undo = vec!["STOP ALL SLAVES".to_owned()];
        let forget = |source: &Source| format!("RESET SLAVE '{}' ALL", connection(source.number));
        undo.extend(sources.all.iter().map(forget));
        for setting in ["slave_parallel_threads", "slave_compressed_protocol"] {
            let value = site.value(&format!("SELECT @@GLOBAL.{setting}")).await?;
            undo.push(format!("SET GLOBAL {setting}={value}"));
        }
        undo.extend(
            schemas
                .iter()
                .map(|schema| format!("DROP DATABASE IF EXISTS {schema}")),
        );
        Ok(Target {
            site,
            login: url.login()?,
            server: None,
            undo,
        })
    }

    async fn fill(&self, sources: &Sources, settings: &Settings) -> Result<()> {
        match &settings.named {
            Some(named) => {
                let database = target_database(1);
                self.site.run(&format!("CREATE DATABASE {database}")).await?;
                named.load_seed(&self.login, &database).await
            }
            None => (self.site.run(&tables(sources)).await).context("create the target's tables"),
        }
    }

    /// Takes everything of the run's from a server of the user's; a fresh one ends.
    ///
    /// # Errors
    /// The statement that failed.
    pub(crate) async fn end(self) -> Result<()> {
        if self.undo.is_empty() {
            return Ok(());
        }
        let undo = self.undo.join(";\n");
        (self.site.run(&undo).await)
            .with_context(|| format!("leave the target as it was; what has to run is:\n{undo}"))
    }

    /// The unix socket; `None` of a server of the user's, which may be elsewhere.
    pub(crate) fn socket(&self) -> Option<&Path> {
        self.server.as_ref().map(Server::socket)
    }

    /// CPU time so far; `None` of a server of the user's.
    pub(crate) fn cpu_seconds(&self) -> Option<f64> {
        self.server.as_ref().map(Server::cpu_seconds)
    }

    /// The most memory it held, caches included; `None` of a server of the user's.
    pub(crate) fn peak_rss_bytes(&self) -> Option<u64> {
        self.server.as_ref().map(Server::peak_rss_bytes)
    }

    /// What its error log has that is more than a note; nothing of a server of the user's.
    pub(crate) fn problems(&self) -> String {
        self.server
            .as_ref()
            .map(|server| problems(&server.error_log()))
            .unwrap_or_default()
    }
}

impl AsRef<Site> for Target {
    fn as_ref(&self) -> &Site {
        &self.site
    }
}

fn tables(sources: &Sources) -> String {
    let workload = sources.workload;
    let of_source = |source: &Source| {
        let database = target_database(source.number);
        workload
            .traffic()
            .schema(&database, workload.engine(), &sources.size)
    };
    let statements: Vec<String> = sources.all.iter().flat_map(of_source).collect();
    statements.join(";\n")
}

/// A switch as option files have it.
pub(crate) fn on_off(is_on: bool) -> &'static str {
    if is_on { "ON" } else { "OFF" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Workload;

    /// On real servers: a catch-up on a server of others is measured, and leaves nothing there.
    #[tokio::test]
    async fn a_target_of_others_is_left_as_it_was() {
        let server = Server::start(ServerOptions::plain(10)).await.unwrap();
        let account = "CREATE USER bench@'%' IDENTIFIED BY 'geheim'; GRANT ALL ON *.* TO bench@'%'";
        server.run(account).await.unwrap();
        let url = format!("mysql://bench:geheim@127.0.0.1:{}", server.port());
        let variables = |name: &str| {
            Some(match name {
                "BENCH_TARGET" => url.clone(),
                "BENCH_SCALE" => "0.001".to_owned(),
                "BENCH_RUNS" => "1".to_owned(),
                "BENCH_SYSTEMS" => "native-4-conservative".to_owned(),
                "BENCH_ONLY" => "mixed-myisam,idle".to_owned(),
                _ => return None,
            })
        };
        let settings = Settings::read(variables).unwrap();
        assert_eq!(settings.workloads, [Workload::MixedMyisam]);
        assert!(!format!("{settings:?}").contains("geheim"));

        let lines = crate::catch_up::run(Workload::MixedMyisam, &settings, None)
            .await
            .unwrap();
        assert!(lines[0].seconds > 0.0 && lines[0].cpu_seconds.is_none());
        let left = "SELECT COUNT(*), @@GLOBAL.slave_parallel_threads FROM information_schema.schemata \
                    WHERE schema_name LIKE '%asterisk%'";
        assert_eq!(
            server.rows(left).await.unwrap(),
            [["0", "0"].map(|n| Some(n.to_owned()))]
        );
        assert!(server.rows("SHOW ALL SLAVES STATUS").await.unwrap().is_empty());

        server.run("CREATE DATABASE master1_asterisk").await.unwrap();
        let error = crate::catch_up::run(Workload::MixedMyisam, &settings, None)
            .await
            .unwrap_err();
        assert!(format!("{error:#}").contains("master1_asterisk"), "{error:#}");
        server.run("USE master1_asterisk").await.unwrap();
    }
}
