//! What a source writes into: the tables of the call-centre suite, their engine, and the binlog format.

use std::fmt::Write as _;

/// The database the source writes, which replicas rename.
pub(crate) const SOURCE_DATABASE: &str = "asterisk";

/// The database the target holds it under.
pub(crate) const TARGET_DATABASE: &str = "master1_asterisk";

/// One binlog: its format and its tables' engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Workload {
    /// Statements over MyISAM tables: what the user's sources write.
    MixedMyisam,
    /// Statements over InnoDB tables.
    MixedInnodb,
    /// Row events over InnoDB tables.
    RowInnodb,
    /// Row events over MyISAM tables; not run unless asked for.
    RowMyisam,
}

impl Workload {
    /// Every workload.
    pub(crate) const ALL: [Workload; 4] = [
        Workload::MixedMyisam,
        Workload::MixedInnodb,
        Workload::RowInnodb,
        Workload::RowMyisam,
    ];

    /// The workloads of a plain `make bench`.
    pub(crate) const DEFAULT: [Workload; 3] =
        [Workload::MixedMyisam, Workload::MixedInnodb, Workload::RowInnodb];

    /// The name in results, filters and tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Workload::MixedMyisam => "mixed-myisam",
            Workload::MixedInnodb => "mixed-innodb",
            Workload::RowInnodb => "row-innodb",
            Workload::RowMyisam => "row-myisam",
        }
    }

    /// The source's `binlog_format`.
    pub(crate) fn binlog_format(self) -> &'static str {
        match self {
            Workload::MixedMyisam | Workload::MixedInnodb => "MIXED",
            Workload::RowInnodb | Workload::RowMyisam => "ROW",
        }
    }

    fn engine(self) -> &'static str {
        match self {
            Workload::MixedMyisam | Workload::RowMyisam => "MyISAM",
            Workload::MixedInnodb | Workload::RowInnodb => "InnoDB",
        }
    }

    /// The statements that create the tables in `database`.
    pub(crate) fn schema(self, database: &str) -> String {
        let mut sql = format!("CREATE DATABASE {database};\n");
        for (table, columns) in TABLES {
            // Writing to a `String` cannot fail.
            let _ = writeln!(
                sql,
                "CREATE TABLE {database}.{table} ({columns}) ENGINE={} DEFAULT CHARSET=utf8mb4;",
                self.engine()
            );
        }
        sql
    }
}

/// Tables and their columns: the call-centre suite's names and keys.
const TABLES: [(&str, &str); 5] = [
    (
        "call_log",
        "uniqueid VARCHAR(20) NOT NULL, channel VARCHAR(100) NOT NULL, channel_group VARCHAR(30), \
         type VARCHAR(10), server_ip VARCHAR(15) NOT NULL, extension VARCHAR(40), number_dialed VARCHAR(18), \
         caller_code VARCHAR(20), start_time DATETIME, start_epoch INT UNSIGNED, end_time DATETIME, \
         end_epoch INT UNSIGNED, length_in_sec INT, length_in_min DOUBLE(8,2), \
         PRIMARY KEY (uniqueid), KEY caller_code (caller_code), KEY start_time (start_time)",
    ),
    (
        "vicidial_log",
        "uniqueid VARCHAR(20) NOT NULL, lead_id INT UNSIGNED NOT NULL, list_id BIGINT UNSIGNED, \
         campaign_id VARCHAR(8), call_date DATETIME, start_epoch INT UNSIGNED, end_epoch INT UNSIGNED, \
         length_in_sec INT, status VARCHAR(6), phone_code VARCHAR(10), phone_number VARCHAR(18), \
         user VARCHAR(20), comments VARCHAR(255), processed ENUM('Y','N') NOT NULL DEFAULT 'N', \
         user_group VARCHAR(20), term_reason ENUM('CALLER','AGENT','QUEUETIMEOUT','ABANDON','NONE') DEFAULT 'NONE', \
         PRIMARY KEY (uniqueid), KEY lead_id (lead_id), KEY call_date (call_date)",
    ),
    (
        "vicidial_closer_log",
        "closecallid INT UNSIGNED NOT NULL AUTO_INCREMENT, lead_id INT UNSIGNED NOT NULL, \
         list_id BIGINT UNSIGNED, campaign_id VARCHAR(20), call_date DATETIME, start_epoch INT UNSIGNED, \
         end_epoch INT UNSIGNED, length_in_sec INT, status VARCHAR(6), phone_number VARCHAR(18), \
         user VARCHAR(20), queue_seconds DECIMAL(7,2) DEFAULT 0, user_group VARCHAR(20), \
         term_reason ENUM('CALLER','AGENT','QUEUETIMEOUT','ABANDON','NONE') DEFAULT 'NONE', \
         uniqueid VARCHAR(20) NOT NULL, PRIMARY KEY (closecallid), KEY lead_id (lead_id), \
         KEY call_date (call_date), KEY uniqueid (uniqueid)",
    ),
    (
        "vicidial_agent_log",
        "agent_log_id INT UNSIGNED NOT NULL AUTO_INCREMENT, user VARCHAR(20), server_ip VARCHAR(15) NOT NULL, \
         event_time DATETIME, lead_id INT UNSIGNED, campaign_id VARCHAR(8), pause_epoch INT UNSIGNED, \
         pause_sec SMALLINT UNSIGNED DEFAULT 0, wait_epoch INT UNSIGNED, wait_sec SMALLINT UNSIGNED DEFAULT 0, \
         talk_epoch INT UNSIGNED, talk_sec SMALLINT UNSIGNED DEFAULT 0, dispo_epoch INT UNSIGNED, \
         dispo_sec SMALLINT UNSIGNED DEFAULT 0, status VARCHAR(6), user_group VARCHAR(20), \
         uniqueid VARCHAR(20), PRIMARY KEY (agent_log_id), KEY lead_id (lead_id), \
         KEY user_time (user, event_time)",
    ),
    (
        "recording_log",
        "recording_id INT UNSIGNED NOT NULL AUTO_INCREMENT, channel VARCHAR(100), server_ip VARCHAR(15), \
         extension VARCHAR(40), start_time DATETIME, start_epoch INT UNSIGNED, end_time DATETIME, \
         end_epoch INT UNSIGNED, length_in_sec INT, length_in_min DOUBLE(8,2), filename VARCHAR(100), \
         location VARCHAR(255), lead_id INT UNSIGNED, user VARCHAR(20), vicidial_id VARCHAR(20), \
         PRIMARY KEY (recording_id), KEY lead_id (lead_id), KEY vicidial_id (vicidial_id)",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schema_has_five_tables_of_the_workloads_engine() {
        for workload in Workload::ALL {
            let sql = workload.schema("d");
            assert_eq!(sql.matches("CREATE TABLE d.").count(), 5);
            assert_eq!(sql.matches(&format!("ENGINE={}", workload.engine())).count(), 5);
        }
    }
}
