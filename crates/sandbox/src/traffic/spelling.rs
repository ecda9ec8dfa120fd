//! The same changes in the spellings and sessions that clients really use.

use super::script::{Script, Step};

/// Qualified names, another default database, comments and quoting in odd places.
pub(super) fn qualified(script: &mut Script) -> Step {
    let (lead, agent, id) = (script.lead(), script.agent(), script.unique_id());
    let phone = script.phone();
    match script.random.below(6) {
        0 => vec![
            format!("INSERT INTO asterisk.vicidial_drop_log VALUES ('{id}', NOW(), {lead}, 'asterisk', '{phone}')"),
            format!("UPDATE asterisk.vicidial_list SET asterisk.vicidial_list.comments='asterisk' WHERE lead_id={lead}"),
        ],
        1 => vec![
            "USE tools".to_owned(),
            format!("INSERT INTO asterisk.vicidial_api_log VALUES ('{agent}', NOW(), 'tools', 'SUCCESS', 'lead {lead}', 0.5)"),
            "INSERT INTO export_jobs (list_id, leads, made) SELECT list_id, COUNT(*), NOW() FROM asterisk.vicidial_list WHERE list_id=101 GROUP BY list_id".to_owned(),
            format!("DELETE FROM `asterisk`.`vicidial_drop_log` WHERE lead_id={lead}"),
            "UPDATE asterisk.live_channels SET extension='x'".to_owned(),
            "USE asterisk".to_owned(),
        ],
        2 => vec![format!(
            "/* from asterisk.agc */ INSERT /*!40000 INTO */ `asterisk` . `vicidial_drop_log` -- asterisk.vicidial_log\n VALUES ('{id}', NOW(), {lead}, # asterisk.x\n '`asterisk`.', '{phone}')"
        )],
        3 => vec![
            format!("INSERT INTO tools.export_jobs SET list_id=998, leads={lead}, made=NOW()"),
            "DELETE FROM tools.export_jobs WHERE leads IS NOT NULL ORDER BY job_id LIMIT 1".to_owned(),
        ],
        4 => vec![format!(
            "UPDATE `asterisk`.vicidial_list AS l INNER JOIN asterisk.`vicidial_statuses` s ON s.status = l.status SET l.comments = s.status_name WHERE l.lead_id IN ({lead}, {})",
            script.lead()
        )],
        _ => vec![format!("insert into Asterisk.vicidial_drop_log values ('{id}', now(), {lead}, 'SALES', '{phone}')")
            .replace("Asterisk", "asterisk")],
    }
}

/// Session settings that a statement's effect depends on.
pub(super) fn session(script: &mut Script) -> Step {
    let (lead, agent, id) = (script.lead(), script.agent(), script.unique_id());
    match script.random.below(6) {
        0 => vec![
            "SET SESSION sql_mode='ANSI_QUOTES'".to_owned(),
            format!(r#"INSERT INTO "asterisk"."vicidial_drop_log" ("uniqueid", "lead_id") VALUES ('"asterisk".', {lead})"#),
            "SET SESSION sql_mode=DEFAULT".to_owned(),
        ],
        1 => vec![
            "SET SESSION sql_mode='NO_BACKSLASH_ESCAPES'".to_owned(),
            format!(r"INSERT INTO vicidial_call_notes VALUES ({lead}, NOW(), 'asterisk', 'C:\asterisk\')"),
            "SET SESSION sql_mode=DEFAULT".to_owned(),
        ],
        2 => vec![
            "SET SESSION time_zone='+05:30'".to_owned(),
            format!("INSERT INTO vicidial_dnc VALUES ('tz{id}', NOW())"),
            format!("UPDATE vicidial_callbacks SET entry_time=FROM_UNIXTIME(1764000000) WHERE lead_id={lead}"),
            "SET SESSION time_zone=DEFAULT".to_owned(),
        ],
        3 => vec![
            "SET SESSION lc_time_names='pt_BR'".to_owned(),
            format!("INSERT INTO vicidial_call_notes VALUES ({lead}, NOW(), DATE_FORMAT(NOW(), '%b'), DATE_FORMAT('2026-03-07', '%W %M'))"),
            "SET SESSION lc_time_names=DEFAULT".to_owned(),
        ],
        4 => vec![
            "SET SESSION auto_increment_increment=3, auto_increment_offset=2".to_owned(),
            format!("INSERT INTO vicidial_xfer_log (lead_id, call_date, user) VALUES ({lead}, NOW(), '{agent}'), ({lead}, NOW(), '{agent}')"),
            "SET SESSION auto_increment_increment=1, auto_increment_offset=1".to_owned(),
        ],
        _ => vec![
            format!("SET @lead = {lead}, @note = CONCAT('user ', '{agent}'), @ratio = 0.25, @none = NULL, @float = 1e-3"),
            "INSERT INTO vicidial_call_notes VALUES (@lead, NOW(), @none, CONCAT(@note, ' ', @ratio, ' ', @float))".to_owned(),
        ],
    }
}
