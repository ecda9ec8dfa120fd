//! A connection's status, column by column. Columns are told by their names, because versions have them at other places.

use std::borrow::Cow;

use crate::engine::{ConnectionStatus, Running, ServerIds, Until, UseGtid};

/// What a column of `SHOW ALL SLAVES STATUS` or `SHOW SLAVE STATUS` shows. `None` is NULL.
pub(crate) fn cell<'a>(status: &'a ConnectionStatus, column: &str) -> Option<Cow<'a, [u8]>> {
    let number = |number: u64| Some(Cow::from(number.to_string().into_bytes()));
    let text = |text: &'a str| Some(Cow::from(text.as_bytes()));
    let owned = |text: String| Some(Cow::from(text.into_bytes()));
    let switch = |is_on: bool| text(if is_on { "Yes" } else { "No" });
    let errno =
        |error: &Option<(u16, String)>| number(error.as_ref().map_or(0, |(code, _)| u64::from(*code)));
    let message = |error: &'a Option<(u16, String)>| text(error.as_ref().map_or("", |(_, message)| message));
    match column {
        "Connection_name" => text(&status.connection_name),
        "Slave_SQL_State" => text(&status.slave_sql_state),
        "Slave_IO_State" => text(&status.slave_io_state),
        "Master_Host" => text(&status.master_host),
        "Master_User" => text(&status.master_user),
        "Master_Port" => number(status.master_port.into()),
        "Connect_Retry" => number(status.connect_retry.into()),
        "Master_Log_File" => text(&status.read_master_log.file),
        "Read_Master_Log_Pos" => number(status.read_master_log.offset),
        "Relay_Log_File" => text(&status.relay_log.file),
        "Relay_Log_Pos" => number(status.relay_log.offset),
        "Relay_Master_Log_File" => text(&status.exec_master_log.file),
        "Slave_IO_Running" => text(match status.slave_io_running {
            Running::No => "No",
            Running::Connecting => "Connecting",
            Running::Preparing => "Preparing",
            Running::Yes => "Yes",
        }),
        "Slave_SQL_Running" => switch(status.slave_sql_running),
        "Replicate_Do_DB" => text(&status.replicate_do_db),
        "Replicate_Ignore_DB" => text(&status.replicate_ignore_db),
        "Replicate_Do_Table" => text(&status.replicate_do_table),
        "Replicate_Ignore_Table" => text(&status.replicate_ignore_table),
        "Replicate_Wild_Do_Table" => text(&status.replicate_wild_do_table),
        "Replicate_Wild_Ignore_Table" => text(&status.replicate_wild_ignore_table),
        "Replicate_Rewrite_DB" => text(&status.replicate_rewrite_db),
        "Last_Errno" | "Last_SQL_Errno" => errno(&status.last_sql_error),
        "Last_Error" | "Last_SQL_Error" => message(&status.last_sql_error),
        "Last_IO_Errno" => errno(&status.last_io_error),
        "Last_IO_Error" => message(&status.last_io_error),
        "Skip_Counter" => number(status.skip_counter),
        "Exec_Master_Log_Pos" => number(status.exec_master_log.offset),
        "Relay_Log_Space" => number(status.relay_log_space),
        "Until_Condition" => text(match &status.until {
            None => "None",
            Some(Until::Place(_)) => "Master",
            Some(Until::RelayLog(_)) => "Relay",
            Some(Until::Gtid(_)) => "Gtid",
        }),
        "Until_Log_File" => match &status.until {
            Some(Until::Place(place) | Until::RelayLog(place)) => text(&place.file),
            _ => text(""),
        },
        "Until_Log_Pos" => match &status.until {
            Some(Until::Place(place) | Until::RelayLog(place)) => number(place.offset),
            _ => number(0),
        },
        "Master_SSL_Allowed" => switch(status.master_ssl_allowed),
        "Master_SSL_CA_File" => text(&status.master_ssl_ca_file),
        "Master_SSL_CA_Path" => text(&status.master_ssl_ca_path),
        "Master_SSL_Cert" => text(&status.master_ssl_cert),
        "Master_SSL_Cipher" => text(&status.master_ssl_cipher),
        "Master_SSL_Key" => text(&status.master_ssl_key),
        "Master_SSL_Crl" => text(&status.master_ssl_crl),
        "Master_SSL_Crlpath" => text(&status.master_ssl_crlpath),
        "Master_SSL_Verify_Server_Cert" => switch(status.master_ssl_verify_server_cert),
        "Seconds_Behind_Master" => status.seconds_behind_master.and_then(number),
        "Replicate_Ignore_Server_Ids" => owned(ids(&status.replicate_ignore_server_ids)),
        "Master_Server_Id" => number(status.master_server_id.into()),
        "Using_Gtid" => text(match status.using_gtid {
            UseGtid::No => "No",
            UseGtid::SlavePos => "Slave_Pos",
            UseGtid::CurrentPos => "Current_Pos",
        }),
        "Gtid_IO_Pos" => text(&status.gtid_io_pos),
        "Replicate_Do_Domain_Ids" => owned(ids(&status.replicate_do_domain_ids)),
        "Replicate_Ignore_Domain_Ids" => owned(ids(&status.replicate_ignore_domain_ids)),
        "Parallel_Mode" => text(&status.parallel_mode),
        "SQL_Delay" => number(status.sql_delay.into()),
        "SQL_Remaining_Delay" => status.sql_remaining_delay.and_then(|delay| number(delay.into())),
        "Slave_SQL_Running_State" => text(&status.slave_sql_running_state),
        "Slave_DDL_Groups" => number(status.slave_ddl_groups),
        "Slave_Non_Transactional_Groups" => number(status.slave_non_transactional_groups),
        "Slave_Transactional_Groups" => number(status.slave_transactional_groups),
        "Retried_transactions" => number(status.retried_transactions),
        "Max_relay_log_size" => number(status.max_relay_log_size),
        "Executed_log_entries" => number(status.executed_log_entries),
        "Slave_received_heartbeats" => number(status.slave_received_heartbeats),
        "Slave_heartbeat_period" => owned(format!("{:.3}", status.slave_heartbeat_period.as_secs_f64())),
        "Gtid_Slave_Pos" => text(&status.gtid_slave_pos),
        _ => None,
    }
}

fn ids(ids: &ServerIds) -> String {
    let texts: Vec<String> = ids.iter().map(u32::to_string).collect();
    texts.join(", ")
}

/// What `SHOW STATUS` shows of replication. `default` is the connection that unnamed statements mean.
pub(crate) fn status_variable(
    name: &str,
    all: &[ConnectionStatus],
    default: Option<&ConnectionStatus>,
) -> Option<String> {
    let sum = |of: fn(&ConnectionStatus) -> u64| all.iter().map(of).sum::<u64>().to_string();
    let count =
        |is: fn(&ConnectionStatus) -> bool| all.iter().filter(|status| is(status)).count().to_string();
    let runs = |status: &ConnectionStatus| status.slave_io_running != Running::No && status.slave_sql_running;
    let is_on = default.is_some_and(runs);
    let text = match name.to_ascii_lowercase().as_str() {
        "slave_running" => (if is_on { "ON" } else { "OFF" }).to_owned(),
        "slave_ddl_groups" => sum(|status| status.slave_ddl_groups),
        "slave_non_transactional_groups" => sum(|status| status.slave_non_transactional_groups),
        "slave_transactional_groups" => sum(|status| status.slave_transactional_groups),
        "slave_open_temp_tables" => sum(|status| status.slave_open_temp_tables),
        "slave_received_heartbeats" => sum(|status| status.slave_received_heartbeats),
        "slave_retried_transactions" => sum(|status| status.retried_transactions),
        "slave_skipped_errors" => sum(|status| status.slave_skipped_errors),
        "slave_heartbeat_period" => {
            let period = default.map_or(0.0, |status| status.slave_heartbeat_period.as_secs_f64());
            format!("{period:.3}")
        }
        "slave_connections" => all.len().to_string(),
        "slaves_running" => {
            count(|status| status.slave_io_running != Running::No && status.slave_sql_running)
        }
        _ => return None,
    };
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Place;

    #[test]
    fn columns_show_what_the_server_shows() {
        let status = ConnectionStatus {
            connection_name: "m1".to_owned(),
            slave_io_running: Running::Connecting,
            last_io_error: Some((2003, "cannot".to_owned())),
            replicate_ignore_server_ids: vec![5, 6],
            until: Some(Until::Place(Place {
                file: "b.000001".to_owned(),
                offset: 4,
            })),
            slave_heartbeat_period: std::time::Duration::from_millis(1500),
            ..ConnectionStatus::default()
        };
        for (column, shown) in [
            ("Connection_name", Some("m1")),
            ("Slave_IO_Running", Some("Connecting")),
            ("Slave_SQL_Running", Some("No")),
            ("Last_IO_Errno", Some("2003")),
            ("Last_Errno", Some("0")),
            ("Replicate_Ignore_Server_Ids", Some("5, 6")),
            ("Until_Condition", Some("Master")),
            ("Until_Log_Pos", Some("4")),
            ("Seconds_Behind_Master", None),
            ("Slave_heartbeat_period", Some("1.500")),
            ("A_column_of_the_future", None),
        ] {
            let cell = cell(&status, column);
            assert_eq!(cell.as_deref(), shown.map(str::as_bytes), "{column}");
        }
    }
}
