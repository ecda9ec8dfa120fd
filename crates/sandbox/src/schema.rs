//! The call centre's databases: tables of the user's names and engines, and the rows a working day starts with.

use anyhow::Context;
use mysql_async::prelude::Queryable;

use crate::Site;
use crate::random::Random;

/// The database every source has under this same name.
pub const DATABASE: &str = "asterisk";

/// A second database, the default one of some clients that write to [`DATABASE`] by qualified names.
pub const TOOLS_DATABASE: &str = "tools";

/// The tables the user's connections ignore.
pub const IGNORED_TABLES: [&str; 12] = [
    "vicidial_live_agents",
    "live_sip_channels",
    "live_channels",
    "vicidial_auto_calls",
    "server_updater",
    "web_client_sessions",
    "vicidial_hopper",
    "vicidial_campaign_server_status",
    "parked_channels",
    "vicidial_manager",
    "cid_channels_recent",
    "sip_packets",
];

/// Leads a fresh call centre has; their ids are 1 to this.
pub const LEAD_COUNT: u64 = 2000;
/// Agents, named `agent001` and so on.
pub const AGENT_COUNT: u64 = 20;
/// Accounts in the centre's own tables; their ids are 1 to this.
pub const ACCOUNT_COUNT: u64 = 50;
/// Campaigns: the same on every source, as in a company that runs several centres.
pub const CAMPAIGNS: [&str; 5] = ["SALES", "RENEW", "SURVEY", "DEBT", "INBND"];
/// Lists of leads.
pub const LISTS: [u64; 3] = [101, 102, 998];

const TABLES: &str = include_str!("schema.sql");
const STATUSES: [(&str, &str); 8] = [
    ("NEW", "New lead"),
    ("INCALL", "Lead being called"),
    ("SALE", "Sale made"),
    ("NI", "Not interested"),
    ("NA", "No answer"),
    ("B", "Busy"),
    ("DROP", "Agent not available"),
    ("CALLBK", "Call back"),
];
/// Rows per INSERT while filling a fresh database.
const BATCH_ROWS: usize = 500;

/// The statements that create one table each, in order.
pub fn table_statements() -> impl Iterator<Item = &'static str> {
    TABLES
        .split_inclusive(";\n")
        .map(str::trim)
        .filter(|statement| !statement.is_empty())
}

/// Creates both databases with their tables and first rows on a source, all of it in its binary log.
///
/// The rows follow from `seed`, so sources with different seeds hold different data under equal keys.
///
/// # Errors
/// The server's error; for instance when the databases exist already.
pub async fn create(source: &impl AsRef<Site>, seed: u64) -> anyhow::Result<()> {
    let mut conn = source.as_ref().connect().await?;
    let mut statements = vec![
        format!("CREATE DATABASE {DATABASE}"),
        format!("CREATE DATABASE {TOOLS_DATABASE}"),
        format!("USE {DATABASE}"),
    ];
    statements.extend(table_statements().map(str::to_owned));
    statements.push(
        "CREATE TABLE tools.export_jobs (job_id INT AUTO_INCREMENT PRIMARY KEY, list_id BIGINT UNSIGNED, leads INT, made DATETIME)"
            .to_owned(),
    );
    statements.extend(first_rows(seed));
    for statement in statements {
        conn.query_drop(&statement)
            .await
            .with_context(|| format!("run {}", crate::sql::quoted(&statement)))?;
    }
    conn.disconnect().await.ok();
    Ok(())
}

fn first_rows(seed: u64) -> Vec<String> {
    let mut random = Random::new(seed);
    let users = (1..=AGENT_COUNT).map(|n| format!("('agent{n:03}', 'Agent {n}', {})", random.below(9) + 1));
    let mut statements = insert("vicidial_users (user, full_name, user_level)", users.collect());
    let campaigns = CAMPAIGNS
        .iter()
        .map(|id| format!("('{id}', 'Campaign {id}', 'Y', NOW(), 'NEW,NA,B')"));
    statements.extend(insert(
        "vicidial_campaigns (campaign_id, campaign_name, active, campaign_calldate, dial_statuses)",
        campaigns.collect(),
    ));
    let lists = LISTS
        .iter()
        .zip(CAMPAIGNS)
        .map(|(id, campaign)| format!("({id}, 'List {id}', '{campaign}', 'Y')"));
    statements.extend(insert(
        "vicidial_lists (list_id, list_name, campaign_id, active)",
        lists.collect(),
    ));
    let statuses = STATUSES
        .iter()
        .map(|(status, name)| format!("('{status}', '{name}', 'Y')"));
    statements.extend(insert(
        "vicidial_statuses (status, status_name, selectable)",
        statuses.collect(),
    ));
    let leads = (1..=LEAD_COUNT).map(|_| {
        let list = LISTS[random.below(LISTS.len() as u64) as usize];
        let phone = 6_000_000_000 + random.below(1_000_000_000);
        let rank = random.below(100);
        format!(
            "(NOW(), 'NEW', {list}, '{phone}', {}, {rank})",
            crate::traffic::words::full_name(&mut random)
        )
    });
    statements.extend(insert(
        "vicidial_list (entry_date, status, list_id, phone_number, first_name, last_name, `rank`)",
        leads.collect(),
    ));
    let accounts = (1..=ACCOUNT_COUNT).map(|n| {
        format!(
            "('Account {n}', {}.{:02})",
            random.below(10_000),
            random.below(100)
        )
    });
    statements.extend(insert("crm_accounts (name, balance)", accounts.collect()));
    statements
}

fn insert(into: &str, rows: Vec<String>) -> Vec<String> {
    rows.chunks(BATCH_ROWS)
        .map(|rows| format!("INSERT INTO {into} VALUES {}", rows.join(", ")))
        .collect()
}
