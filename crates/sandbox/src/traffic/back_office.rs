//! What runs beside the calls: the dialler's queue, call-backs, lists, archives, clean-up, logs of scripts.

use super::script::{Script, Step};

pub(super) fn fill_hopper(script: &mut Script) -> Step {
    let campaign = script.campaign();
    vec![
        format!(
            "INSERT IGNORE INTO vicidial_hopper (lead_id, campaign_id, priority) SELECT lead_id, '{campaign}', 0 FROM vicidial_list \
             WHERE list_id=102 AND called_count < 9 ORDER BY called_count, lead_id LIMIT 10"
        ),
        format!(
            "UPDATE vicidial_hopper SET status='QUEUE' WHERE campaign_id='{campaign}' ORDER BY priority DESC, hopper_id LIMIT 3"
        ),
        "DELETE FROM vicidial_hopper WHERE status='QUEUE'".to_owned(),
    ]
}

pub(super) fn call_backs(script: &mut Script) -> Step {
    let (lead, campaign, agent) = (script.lead(), script.campaign(), script.agent());
    let hours = script.random.below(20);
    vec![
        format!(
            "INSERT INTO vicidial_callbacks (lead_id, campaign_id, status, entry_time, callback_time, user, recipient) \
             VALUES ({lead}, '{campaign}', 'ACTIVE', NOW(), NOW() + INTERVAL {hours} HOUR - INTERVAL 570 MINUTE, '{agent}', 'ANYONE')"
        ),
        "UPDATE vicidial_callbacks SET status='LIVE' WHERE status='ACTIVE' AND callback_time < NOW()"
            .to_owned(),
        "DELETE FROM vicidial_callbacks WHERE status='LIVE' ORDER BY callback_time, callback_id LIMIT 1"
            .to_owned(),
    ]
}

/// Few numbers, so many of them are there already.
pub(super) fn do_not_call(script: &mut Script) -> Step {
    let numbers: Vec<String> = (0..script.random.below(5) + 2)
        .map(|_| format!("('555{:04}')", script.random.below(400)))
        .collect();
    vec![
        format!(
            "INSERT IGNORE INTO vicidial_dnc (phone_number) VALUES {}",
            numbers.join(", ")
        ),
        format!(
            "DELETE FROM vicidial_dnc WHERE phone_number='555{:04}'",
            script.random.below(400)
        ),
    ]
}

pub(super) fn archive(script: &mut Script) -> Step {
    let (lead, agent) = (script.lead(), script.agent());
    match script.random.below(3) {
        0 => vec![format!(
            "INSERT IGNORE INTO vicidial_log_archive SELECT * FROM vicidial_log WHERE lead_id={lead} AND status<>'INCALL'"
        )],
        1 => vec![format!(
            "INSERT INTO vicidial_log_archive SELECT * FROM vicidial_log WHERE user='{agent}' AND status='SALE' ORDER BY uniqueid LIMIT 5 \
             ON DUPLICATE KEY UPDATE vicidial_log_archive.comments=CONCAT('again ', VALUES(status))"
        )],
        _ => vec![format!(
            "INSERT INTO vicidial_did_log SELECT uniqueid, 'archive', 'A', call_date, phone_number FROM vicidial_log WHERE lead_id={lead}"
        )],
    }
}

/// Long texts, so the source writes compressed events.
pub(super) fn process_logs(script: &mut Script) -> Step {
    let (number, lines) = (script.count(), script.random.below(60) + 1);
    let remark = script.narrow_remark();
    vec![
        format!(
            "INSERT INTO vicidial_process_log VALUES ('{number}', NOW(), {lines}, 'AST_cleanup.pl', REPEAT({remark}, {lines})), \
             ('{number}', NOW(), 0, 'AST_reset.pl', ''), ('{number}', NOW(), NULL, 'AST_none.pl', NULL)"
        ),
        format!(
            "INSERT INTO vicidial_url_log VALUES (NOW(), 'start', {lines}, 'http://crm/{number}?q=a&b=`asterisk`', '{}')",
            "ok ".repeat(lines as usize * 5)
        ),
        format!(
            "INSERT INTO vicidial_api_log VALUES ('api', NOW(), 'add_lead', 'SUCCESS', 'lead {number}', {lines} / 7)"
        ),
    ]
}

/// Changes that depend on an order: in MIXED format the source writes them as rows, here of tables without a key.
pub(super) fn oldest_first(script: &mut Script) -> Step {
    match script.random.below(5) {
        0 => vec!["DELETE FROM vicidial_did_log ORDER BY call_date, uniqueid LIMIT 2".to_owned()],
        1 => vec!["UPDATE vicidial_api_log SET result='ERROR', run_time=run_time+0.1 ORDER BY api_date LIMIT 1".to_owned()],
        2 => vec!["DELETE FROM vicidial_dial_log WHERE server_ip<>'' ORDER BY call_date LIMIT 3".to_owned()],
        3 => vec!["UPDATE vicidial_list SET `rank`=`rank`+1 WHERE status='NA' ORDER BY last_local_call_time, lead_id LIMIT 4".to_owned()],
        _ => vec!["DELETE FROM vicidial_agent_events WHERE event='SEEN' LIMIT 1".to_owned()],
    }
}

pub(super) fn lists(script: &mut Script) -> Step {
    let lead = script.lead();
    match script.random.below(5) {
        0 => vec![format!(
            "UPDATE vicidial_list l, vicidial_lists c SET l.comments=c.list_name, c.resets_today=c.resets_today+1 WHERE c.list_id=l.list_id AND l.lead_id={lead}"
        )],
        1 => vec![format!(
            "DELETE x FROM vicidial_xfer_log x JOIN vicidial_list l ON l.lead_id=x.lead_id WHERE l.lead_id={lead}"
        )],
        2 => {
            let names = super::words::full_name(&mut script.random);
            let phone = script.phone();
            vec![
                format!("INSERT INTO vicidial_list (entry_date, status, list_id, phone_number, first_name, last_name) VALUES (NOW(), 'NEW', 998, '{phone}', {names}), (NOW(), 'NEW', 998, '{phone}', {names})"),
                "UPDATE vicidial_list SET comments=CONCAT('id ', LAST_INSERT_ID()) WHERE lead_id=LAST_INSERT_ID()".to_owned(),
            ]
        }
        3 => vec![format!(
            "UPDATE vicidial_list SET called_count=0 WHERE list_id=998 AND called_count > {}",
            script.random.below(5)
        )],
        _ => vec![format!(
            "UPDATE vicidial_campaigns SET dial_level=1 + {} / 4, dial_statuses='NEW,B' WHERE campaign_id='{}'",
            script.random.below(9),
            script.campaign()
        )],
    }
}

pub(super) fn measure(script: &mut Script) -> Step {
    let channels = script.random.below(300);
    vec![
        format!(
            "INSERT INTO server_performance VALUES (NOW(), '10.0.0.{}', ROUND(RAND() * 20, 2), FLOOR(RAND() * 1000), {channels}, RAND() * 100)",
            script.client
        ),
        format!("UPDATE server_performance SET sysload=0 WHERE channels_total={channels}"),
    ]
}
