//! What an earlier engine has left on the target: the lock that says it works there, and sessions that still execute what they
//! were sent.

use std::time::{Duration, Instant};

use tributary_client::{Client, Error as ClientError};

use crate::error::StartError;

/// An engine that lives asks the target for something every second. One whose session has been silent for this long is taken for
/// dead; should it wake, it finds its sessions ended and its epoch over.
const SILENCE_MAX: Duration = Duration::from_secs(15);

/// How long the previous engine's leftovers may take to end.
const LEFTOVERS_WAIT: Duration = Duration::from_secs(30);

/// How long what they are executing may take before it is broken off, and how often they are looked at.
const LEFTOVER_WORK_WAIT: Duration = Duration::from_secs(600);
const LEFTOVER_WORK_PAUSE: Duration = Duration::from_millis(20);

/// How long one must have been without work to have none.
const LEFTOVER_SILENCE: Duration = Duration::from_secs(1);

/// Slots looked through for sessions of an earlier, larger pool.
const SLOTS_MAX: usize = 64;

/// The lock that a worker holds as long as it lives.
pub(super) fn slot_lock(schema: &str, slot: usize) -> String {
    format!("tributary/{schema}/{slot}")
}

/// Takes the lock that says: an engine works on this target.
pub(super) async fn hold_target(login: &mut Client, schema: &str) -> Result<(), StartError> {
    let name = format!("tributary/{schema}");
    let failed = |source: ClientError| StartError::Target {
        address: "lock".to_owned(),
        source: Box::new(source),
    };
    if take_lock(login, &name, 3).await.map_err(failed)? {
        return Ok(());
    }
    let holder = format!(
        "SELECT ID,IF(COMMAND='Sleep',TIME,0) FROM information_schema.PROCESSLIST WHERE ID=IS_USED_LOCK('{name}')"
    );
    let holder = login.query(holder.as_bytes()).await.map_err(failed)?;
    let text = |index: usize| holder.rows.first().and_then(|row| row.text(index));
    let silence = Duration::from_secs(text(1).and_then(|text| text.parse().ok()).unwrap_or(0));
    if silence >= SILENCE_MAX {
        tracing::warn!("taking over from an engine that has been silent for {silence:?}");
        end_holder(login, &name).await.map_err(failed)?;
        if take_lock(login, &name, LEFTOVERS_WAIT.as_secs())
            .await
            .map_err(failed)?
        {
            return Ok(());
        }
    }
    Err(StartError::Held(format!(
        "another engine works on this target with the schema {schema} (its session there has number {}, silent for {} s; from {} s on \
         this one takes over): stop it, or give this one a schema of its own",
        text(0).unwrap_or_else(|| "unknown".to_owned()),
        silence.as_secs(),
        SILENCE_MAX.as_secs(),
    )))
}

/// Ends the session of an earlier engine that still works in a slot: its worker holds a lock as long as it lives.
pub(super) async fn end_leftover(
    login: &mut Client,
    worker: &mut Client,
    name: &str,
) -> Result<(), StartError> {
    let failed = |source: ClientError| StartError::Target {
        address: "lock".to_owned(),
        source: Box::new(source),
    };
    end_holder(login, name).await.map_err(failed)?;
    if take_lock(worker, name, LEFTOVERS_WAIT.as_secs())
        .await
        .map_err(failed)?
    {
        return Ok(());
    }
    Err(StartError::Held(format!(
        "a session of an earlier engine still works on the target and does not end within {LEFTOVERS_WAIT:?}"
    )))
}

/// Ends the session that holds a lock, when it has executed what it was sent; its number, if there is one.
async fn end_holder(login: &mut Client, name: &str) -> Result<Option<u32>, ClientError> {
    let busy = format!(
        "SELECT 1 FROM information_schema.PROCESSLIST WHERE ID=IS_USED_LOCK('{name}') AND \
         (COMMAND NOT IN ('Sleep','Killed') OR COMMAND='Sleep' AND TIME_MS<{})",
        LEFTOVER_SILENCE.as_millis()
    );
    let begun = Instant::now();
    // What is broken off in the middle, of tables that cannot be rolled back, would be neither there nor not. Between two packets
    // a session sleeps for a moment.
    while begun.elapsed() < LEFTOVER_WORK_WAIT && !login.query(busy.as_bytes()).await?.rows.is_empty() {
        tokio::time::sleep(LEFTOVER_WORK_PAUSE).await;
    }
    let answer = login
        .query(format!("SELECT IS_USED_LOCK('{name}')").as_bytes())
        .await?;
    let holder = answer.first_text().and_then(|text| text.parse::<u32>().ok());
    if let Some(holder) = holder {
        tracing::warn!(
            session = holder,
            "ending a session that an earlier engine left behind"
        );
        // It may have ended by itself meanwhile.
        let _ = login.execute(format!("KILL {holder}").as_bytes()).await;
    }
    Ok(holder)
}

/// Ends sessions of an earlier engine that had more workers than this one.
pub(super) async fn end_surplus(login: &mut Client, schema: &str, workers: usize) -> Result<(), StartError> {
    let failed = |source: ClientError| StartError::Target {
        address: "lock".to_owned(),
        source: Box::new(source),
    };
    let names: Vec<String> = (workers..SLOTS_MAX).map(|slot| slot_lock(schema, slot)).collect();
    if names.is_empty() {
        return Ok(());
    }
    let columns: Vec<String> = names
        .iter()
        .map(|name| format!("IS_USED_LOCK('{name}')"))
        .collect();
    let used = format!("SELECT {}", columns.join(","));
    let used = login.query(used.as_bytes()).await.map_err(failed)?;
    let is_used = |index: usize| used.rows.first().is_some_and(|row| row.get(index).is_some());
    for (_, name) in names.into_iter().enumerate().filter(|(index, _)| is_used(*index)) {
        let Some(holder) = end_holder(login, &name).await.map_err(failed)? else {
            continue;
        };
        if !take_lock(login, &name, LEFTOVERS_WAIT.as_secs())
            .await
            .map_err(failed)?
        {
            return Err(StartError::Held(format!(
                "session {holder} of an earlier engine does not end within {LEFTOVERS_WAIT:?}"
            )));
        }
        login
            .query(format!("SELECT RELEASE_LOCK('{name}')").as_bytes())
            .await
            .map_err(failed)?;
    }
    Ok(())
}

async fn take_lock(client: &mut Client, name: &str, seconds: u64) -> Result<bool, ClientError> {
    let answer = client
        .query(format!("SELECT GET_LOCK('{name}',{seconds})").as_bytes())
        .await?;
    Ok(answer.first_text().as_deref() == Some("1"))
}
