//! The call-centre suite: 25,000 calls of 8 single-statement transactions over 5 tables.

use anyhow::Result;
use mysql_async::Conn;
use tokio::time::Interval;

use super::call::{CALL_STATEMENTS, Call, CallIds};
use super::{Size, Traffic, Writer, change_one_row, no_preload, scaled};

/// Transactions at scale 1.
const TRANSACTIONS: f64 = 200_000.0;

/// Clients that write calls at the same time; their statements interleave in the binlog.
const CLIENTS: usize = 8;

/// Calls as fast as they can be written.
pub(crate) const CALLS: Traffic = Traffic {
    tables: TABLES,
    size,
    preload: no_preload,
    session: "",
    writer: Writer::Calls,
};

/// The same tables, and one into which the commits go whose way is timed.
pub(crate) const STEADY: Traffic = Traffic {
    tables: STEADY_TABLES,
    ..CALLS
};

fn size(scale: f64) -> Size {
    let calls = scaled(TRANSACTIONS / CALL_STATEMENTS as f64, scale, 1);
    let transactions = (calls * CALL_STATEMENTS) as u64;
    Size {
        clients: CLIENTS,
        units: calls,
        transactions,
        rows: transactions,
    }
}

/// Writes the call with this number, each statement at a tick of `pace` if there is one.
///
/// # Errors
/// A statement that fails or does not change one row.
pub(crate) async fn write_call(
    conn: &mut Conn,
    number: usize,
    mut pace: Option<&mut Interval>,
) -> Result<()> {
    let call = Call::new(number);
    let mut ids = CallIds::default();
    for step in 0..CALL_STATEMENTS {
        if let Some(pace) = &mut pace {
            pace.tick().await;
        }
        change_one_row(conn, &call.statement(step, ids)).await?;
        call.note_id(step, conn.last_insert_id(), &mut ids);
    }
    Ok(())
}

/// Tables and their columns: the call-centre suite's names and keys.
const TABLES: &[(&str, &str)] = &[
    CALL_LOG,
    VICIDIAL_LOG,
    VICIDIAL_CLOSER_LOG,
    VICIDIAL_AGENT_LOG,
    RECORDING_LOG,
];

const STEADY_TABLES: &[(&str, &str)] = &[
    CALL_LOG,
    VICIDIAL_LOG,
    VICIDIAL_CLOSER_LOG,
    VICIDIAL_AGENT_LOG,
    RECORDING_LOG,
    PROBE,
];

/// One row for each commit whose way is timed.
const PROBE: (&str, &str) = ("probe", "id INT UNSIGNED NOT NULL PRIMARY KEY");

const CALL_LOG: (&str, &str) = (
    "call_log",
    "uniqueid VARCHAR(20) NOT NULL, channel VARCHAR(100) NOT NULL, channel_group VARCHAR(30), \
         type VARCHAR(10), server_ip VARCHAR(15) NOT NULL, extension VARCHAR(40), number_dialed VARCHAR(18), \
         caller_code VARCHAR(20), start_time DATETIME, start_epoch INT UNSIGNED, end_time DATETIME, \
         end_epoch INT UNSIGNED, length_in_sec INT, length_in_min DOUBLE(8,2), \
         PRIMARY KEY (uniqueid), KEY caller_code (caller_code), KEY start_time (start_time)",
);

const VICIDIAL_LOG: (&str, &str) = (
    "vicidial_log",
    "uniqueid VARCHAR(20) NOT NULL, lead_id INT UNSIGNED NOT NULL, list_id BIGINT UNSIGNED, \
         campaign_id VARCHAR(8), call_date DATETIME, start_epoch INT UNSIGNED, end_epoch INT UNSIGNED, \
         length_in_sec INT, status VARCHAR(6), phone_code VARCHAR(10), phone_number VARCHAR(18), \
         user VARCHAR(20), comments VARCHAR(255), processed ENUM('Y','N') NOT NULL DEFAULT 'N', \
         user_group VARCHAR(20), term_reason ENUM('CALLER','AGENT','QUEUETIMEOUT','ABANDON','NONE') DEFAULT 'NONE', \
         PRIMARY KEY (uniqueid), KEY lead_id (lead_id), KEY call_date (call_date)",
);

const VICIDIAL_CLOSER_LOG: (&str, &str) = (
    "vicidial_closer_log",
    "closecallid INT UNSIGNED NOT NULL AUTO_INCREMENT, lead_id INT UNSIGNED NOT NULL, \
         list_id BIGINT UNSIGNED, campaign_id VARCHAR(20), call_date DATETIME, start_epoch INT UNSIGNED, \
         end_epoch INT UNSIGNED, length_in_sec INT, status VARCHAR(6), phone_number VARCHAR(18), \
         user VARCHAR(20), queue_seconds DECIMAL(7,2) DEFAULT 0, user_group VARCHAR(20), \
         term_reason ENUM('CALLER','AGENT','QUEUETIMEOUT','ABANDON','NONE') DEFAULT 'NONE', \
         uniqueid VARCHAR(20) NOT NULL, PRIMARY KEY (closecallid), KEY lead_id (lead_id), \
         KEY call_date (call_date), KEY uniqueid (uniqueid)",
);

const VICIDIAL_AGENT_LOG: (&str, &str) = (
    "vicidial_agent_log",
    "agent_log_id INT UNSIGNED NOT NULL AUTO_INCREMENT, user VARCHAR(20), server_ip VARCHAR(15) NOT NULL, \
         event_time DATETIME, lead_id INT UNSIGNED, campaign_id VARCHAR(8), pause_epoch INT UNSIGNED, \
         pause_sec SMALLINT UNSIGNED DEFAULT 0, wait_epoch INT UNSIGNED, wait_sec SMALLINT UNSIGNED DEFAULT 0, \
         talk_epoch INT UNSIGNED, talk_sec SMALLINT UNSIGNED DEFAULT 0, dispo_epoch INT UNSIGNED, \
         dispo_sec SMALLINT UNSIGNED DEFAULT 0, status VARCHAR(6), user_group VARCHAR(20), \
         uniqueid VARCHAR(20), PRIMARY KEY (agent_log_id), KEY lead_id (lead_id), \
         KEY user_time (user, event_time)",
);

const RECORDING_LOG: (&str, &str) = (
    "recording_log",
    "recording_id INT UNSIGNED NOT NULL AUTO_INCREMENT, channel VARCHAR(100), server_ip VARCHAR(15), \
         extension VARCHAR(40), start_time DATETIME, start_epoch INT UNSIGNED, end_time DATETIME, \
         end_epoch INT UNSIGNED, length_in_sec INT, length_in_min DOUBLE(8,2), filename VARCHAR(100), \
         location VARCHAR(255), lead_id INT UNSIGNED, user VARCHAR(20), vicidial_id VARCHAR(20), \
         PRIMARY KEY (recording_id), KEY lead_id (lead_id), KEY vicidial_id (vicidial_id)",
);
