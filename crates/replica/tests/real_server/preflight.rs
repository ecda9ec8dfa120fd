//! What the engine asks of its account and of the target, and how it says what is missing.

use crate::support::{TARGET_DB, assert_equal, caught_up, log, options, pair, tcp};
use tributary::{Options, Replicator, StartError};
use tributary_client::Secret;
use tributary_sandbox::{
    Server, ServerOptions, Traffic, TrafficPlan, create_applier_user, create_replication_user, schema,
};

/// Everything the account needs, wherever it writes.
const GLOBAL: [&str; 5] = [
    "BINLOG REPLAY",
    "PROCESS",
    "CONNECTION ADMIN",
    "SET USER",
    "READ_ONLY ADMIN",
];

/// What it needs on every database it writes.
const DATABASE: [&str; 16] = [
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "CREATE",
    "DROP",
    "ALTER",
    "INDEX",
    "REFERENCES",
    "CREATE TEMPORARY TABLES",
    "CREATE VIEW",
    "SHOW VIEW",
    "CREATE ROUTINE",
    "ALTER ROUTINE",
    "TRIGGER",
    "EVENT",
];

/// The account's grants without one privilege.
fn grants(without: Option<&str>) -> Vec<String> {
    let list = |names: &[&str]| {
        names
            .iter()
            .copied()
            .filter(|name| Some(*name) != without)
            .collect::<Vec<_>>()
            .join(", ")
    };
    let mut grants = vec![format!("{} ON *.*", list(&GLOBAL))];
    for database in ["m1\\_asterisk", "tools", "tributary"] {
        grants.push(format!("{} ON `{database}`.*", list(&DATABASE)));
    }
    grants
}

/// Options whose target login is the applier's account with these grants, over TCP.
async fn with_grants(source: &Server, target: &Server, grants: &[String]) -> anyhow::Result<Options> {
    let grants: Vec<&str> = grants.iter().map(String::as_str).collect();
    let account = create_applier_user(target, &grants).await?;
    let mut options = options(source, target);
    options.target.login = tcp(target.port());
    options.target.login.user = account.user;
    options.target.login.password = Secret::new(account.password);
    Ok(options)
}

/// The findings that keep the engine from starting.
async fn findings(options: Options) -> Vec<String> {
    match Replicator::start(options).await {
        Err(StartError::Preflight(findings)) => findings,
        Err(other) => panic!("{other}"),
        Ok(_) => Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_with_exactly_these_privileges_can_do_the_work() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1)).await?;
    let mut options = with_grants(&source, &target, &grants(None)).await?;
    // On the source, REPLICATION SLAVE.
    let reader = create_replication_user(&source).await?;
    options.connections[0].source.user = reader.user;
    options.connections[0].source.password = Secret::new(reader.password);
    let engine = Replicator::start(options).await?;
    schema::create(&source, 1).await?;
    source
        .run("USE asterisk; CREATE PROCEDURE p() UPDATE crm_accounts SET balance=0; CREATE VIEW v AS SELECT * FROM crm_accounts; CALL p(); CREATE TRIGGER r BEFORE INSERT ON crm_tickets FOR EACH ROW SET NEW.subject=CONCAT(NEW.subject,'!')")
        .await?;
    let traffic = Traffic::start(
        &source,
        TrafficPlan {
            statements_max: Some(1500),
            ..TrafficPlan::new(41)
        },
    )?;
    traffic.wait().await?;
    caught_up(&engine, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await?;
    assert!(engine.stop().await.is_clean);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_missing_privilege_is_named_with_the_statement_that_grants_it() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1)).await?;
    for name in GLOBAL {
        let options = with_grants(&source, &target, &grants(Some(name))).await?;
        let wanted = format!("GRANT {name} ON *.* TO 'tributary'@'%'");
        let findings = findings(options).await;
        assert!(
            findings.len() == 1 && findings[0].contains(&wanted),
            "no {wanted} in {findings:?}"
        );
        target.run(&wanted).await?;
    }
    for name in DATABASE {
        let options = with_grants(&source, &target, &grants(Some(name))).await?;
        let findings = findings(options).await;
        for database in ["m1_asterisk", "tributary"] {
            let wanted = format!("GRANT {name} ON `{database}`.* TO 'tributary'@'%'");
            assert!(
                findings.iter().any(|finding| finding.contains(&wanted)),
                "no {wanted} in {findings:?}"
            );
            target.run(&wanted).await?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_that_would_make_rows_wrong_are_refused() -> anyhow::Result<()> {
    log();
    let source = Server::start(ServerOptions::source(1)).await?;
    for (setting, words) in [
        (
            "--slave-skip-errors=1062",
            ["slave_skip_errors=1062", "Remove the line"],
        ),
        (
            "--slave-exec-mode=IDEMPOTENT",
            [
                "slave_exec_mode=IDEMPOTENT",
                "SET GLOBAL slave_exec_mode='STRICT'",
            ],
        ),
        (
            "--slave-run-triggers-for-rbr=YES",
            [
                "slave_run_triggers_for_rbr=YES",
                "SET GLOBAL slave_run_triggers_for_rbr='NO'",
            ],
        ),
        (
            "--replicate-rewrite-db=m1_asterisk->elsewhere",
            ["replicate_rewrite_db=m1_asterisk->elsewhere", "Remove the rule"],
        ),
    ] {
        let target = Server::start(ServerOptions::target().arg(setting)).await?;
        let findings = findings(options(&source, &target)).await;
        assert!(
            findings.len() == 1 && words.iter().all(|word| findings[0].contains(word)),
            "{setting}: {findings:?}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_cannot_be_reached_is_named() -> anyhow::Result<()> {
    let (source, mut target) = pair(ServerOptions::source(1)).await?;
    target.shutdown().await;
    let refused = Replicator::start(options(&source, &target)).await.unwrap_err();
    assert!(
        matches!(refused, StartError::Target { .. }) && refused.to_string().contains("mariadbd.sock"),
        "{refused}"
    );
    Ok(())
}
