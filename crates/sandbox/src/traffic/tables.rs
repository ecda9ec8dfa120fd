//! Changes of tables themselves, now and then.

use super::script::{Script, Step};

/// A table's life from creation to drop, or a change to a table in use. Does other work when tables must stay.
pub(super) fn life(script: &mut Script) -> Step {
    if !script.with_ddl {
        return super::calls::hang_up(script);
    }
    // Tables in use are changed by one client only: two would get in each other's way.
    if script.client == 0 && script.random.once_in(2) {
        return change_in_use(script);
    }
    script.scratch_tables += 1;
    let table = format!("export_{}_{}", script.client, script.scratch_tables);
    let (lead, agent) = (script.lead(), script.agent());
    match script.random.below(3) {
        0 => vec![
            format!(
                "CREATE TABLE {table} (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(40) DEFAULT 'asterisk.x', made TIMESTAMP NULL)"
            ),
            format!("INSERT INTO {table} (name, made) VALUES ('{agent}', NOW()), (DEFAULT, NULL)"),
            format!(
                "ALTER TABLE asterisk.{table} ADD COLUMN `asterisk` INT NOT NULL DEFAULT 7 AFTER id, ADD KEY (name)"
            ),
            format!("UPDATE {table} SET asterisk=asterisk+1"),
            format!("RENAME TABLE {table} TO asterisk.{table}_old"),
            format!("INSERT INTO {table}_old (name) VALUES ('renamed')"),
        ],
        1 => vec![
            format!("CREATE TABLE IF NOT EXISTS asterisk.{table} LIKE asterisk.vicidial_closer_log"),
            format!("INSERT INTO {table} (lead_id, uniqueid) VALUES ({lead}, 'x'), ({lead}, 'y')"),
            format!("TRUNCATE TABLE {table}"),
            format!("INSERT INTO {table} (lead_id, uniqueid) VALUES ({lead}, 'z')"),
            format!("DROP TABLE IF EXISTS {table}, asterisk.{table}_never"),
        ],
        _ => vec![
            format!(
                "CREATE TABLE {table} ENGINE=InnoDB SELECT lead_id, status, phone_number FROM vicidial_list WHERE lead_id={lead}"
            ),
            format!("CREATE UNIQUE INDEX by_lead ON {table} (lead_id)"),
            format!("INSERT IGNORE INTO {table} VALUES ({lead}, 'SALE', '1'), ({lead} + 100000, NULL, '2')"),
            format!("DROP TABLE {table}"),
        ],
    }
}

fn change_in_use(script: &mut Script) -> Step {
    script.scratch_tables += 1;
    let number = script.scratch_tables;
    match script.random.below(4) {
        0 => vec![format!(
            "ALTER TABLE vicidial_call_notes COMMENT='change {number} of asterisk.vicidial_call_notes'"
        )],
        1 => vec![format!(
            "ALTER TABLE asterisk.server_performance MODIFY server_ip VARCHAR({})",
            15 + number % 20
        )],
        2 => vec![
            format!("CREATE INDEX by_user_{number} ON vicidial_user_log (event)"),
            format!("DROP INDEX by_user_{number} ON asterisk.vicidial_user_log"),
        ],
        _ => vec!["TRUNCATE TABLE vicidial_url_log".to_owned()],
    }
}
