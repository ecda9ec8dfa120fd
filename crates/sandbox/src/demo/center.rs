//! One call centre: a source with its traffic, and its databases on the target.

use anyhow::{Context, ensure};
use tributary_sandbox::engine::Coordinates;
use tributary_sandbox::{
    Account, CodeComparison, Comparison, ServerOptions, Site, Traffic, TrafficPlan, TrafficReport, compare,
    compare_code, create_replication_user, open_all_tables, schema,
};

use crate::host::Host;
use crate::settings::Settings;

pub(crate) struct Center {
    /// The connection's name.
    pub(crate) name: String,
    pub(crate) number: u32,
    pub(crate) source: Host,
    pub(crate) account: Account,
    /// Where the connection starts: before the first database exists, so all of them travel as events.
    pub(crate) start: Coordinates,
    traffic: Option<Traffic>,
    /// What the traffic did, once it has ended.
    report: Option<TrafficReport>,
}

/// One connection's comparison: a table's database and what was found in it.
pub(crate) struct Compared {
    pub(crate) connection: String,
    pub(crate) databases: Vec<(&'static str, Comparison)>,
    pub(crate) code: CodeComparison,
}

impl Center {
    pub(crate) async fn start(number: u32, settings: &Settings) -> anyhow::Result<Center> {
        let url = settings.sources.get(number as usize - 1).map(String::as_str);
        let options = match &settings.source_program {
            Some(program) => ServerOptions::source_of(number, program),
            None => ServerOptions::source(number),
        };
        let source = Host::start(url, options).await?;
        let account = create_replication_user(source.site()).await?;
        let start = source.site().end_of_log().await?;
        Ok(Center {
            name: format!("master{number}"),
            number,
            source,
            account,
            start,
            traffic: None,
            report: None,
        })
    }

    pub(crate) async fn fill_and_start_traffic(&mut self, settings: &Settings) -> anyhow::Result<()> {
        // Different data and traffic on every source, under equal keys.
        let seed = settings
            .seed
            .wrapping_mul(u64::from(crate::SOURCE_COUNT))
            .wrapping_add(u64::from(self.number));
        schema::create(self.source.site(), seed).await?;
        let plan = TrafficPlan {
            statements_per_second_max: Some(settings.rate),
            ..TrafficPlan::new(seed)
        };
        self.traffic = Some(Traffic::start(self.source.site(), plan)?);
        Ok(())
    }

    /// Statements run on the source so far.
    pub(crate) fn statements(&self) -> u64 {
        self.traffic
            .as_ref()
            .map_or(0, |traffic| traffic.report().statements)
    }

    /// Whether a client has ended, which before its time it does on errors only.
    pub(crate) fn traffic_has_ended(&self) -> bool {
        self.traffic.as_ref().is_some_and(Traffic::has_ended)
    }

    /// Ends the traffic. Tables in memory are opened, so a restarted source logs that it has emptied them.
    pub(crate) async fn end_traffic(&mut self) -> anyhow::Result<TrafficReport> {
        let report = self.traffic.take().context("there is no traffic")?.stop().await?;
        ensure!(report.statements > 0, "not one statement was run");
        self.report = Some(report);
        for database in [schema::DATABASE, schema::TOOLS_DATABASE] {
            open_all_tables(self.source.site(), database).await?;
        }
        Ok(report)
    }

    /// The end of the source's binary log.
    pub(crate) async fn end_of_log(&self) -> anyhow::Result<Coordinates> {
        self.source.site().end_of_log().await
    }

    /// A database's name on the target.
    pub(crate) fn renamed(&self, database: &str) -> String {
        format!("{}_{database}", self.name)
    }

    pub(crate) async fn compare(&self, target: &Site) -> anyhow::Result<Compared> {
        let mut databases = Vec::new();
        for database in [schema::DATABASE, schema::TOOLS_DATABASE] {
            let renamed = self.renamed(database);
            let found = compare(
                self.source.site(),
                database,
                target,
                &renamed,
                &schema::IGNORED_TABLES,
            )
            .await?;
            databases.push((database, found));
        }
        let [main, tools] = [schema::DATABASE, schema::TOOLS_DATABASE].map(|name| (name, self.renamed(name)));
        let names = [(main.0, &main.1[..]), (tools.0, &tools.1[..])];
        Ok(Compared {
            connection: self.name.clone(),
            databases,
            code: compare_code(self.source.site(), target, &names, &schema::IGNORED_TABLES).await?,
        })
    }
}
