//! Agents: heartbeats into ignored tables, pauses and talks, screens.

use super::script::{Script, Step};

pub(super) fn heartbeat(script: &mut Script) -> Step {
    let agent = script.agent();
    let (client, campaign) = (script.client, script.campaign());
    let mut step = vec![
        format!(
            "INSERT INTO vicidial_live_agents (user, server_ip, campaign_id, status, last_update_time) \
             VALUES ('{agent}', '10.0.0.{client}', '{campaign}', 'READY', NOW()) ON DUPLICATE KEY UPDATE last_update_time=NOW(), calls_today=calls_today+1"
        ),
        format!("UPDATE vicidial_live_agents SET random_id=FLOOR(RAND()*1000000) WHERE user='{agent}'"),
        format!(
            "INSERT INTO server_updater VALUES ('10.0.0.{client}', NOW(), NOW()) ON DUPLICATE KEY UPDATE db_time=NOW()"
        ),
        format!(
            "REPLACE INTO vicidial_campaign_server_status VALUES ('{campaign}', '10.0.0.{client}', {}, NOW())",
            script.random.below(9)
        ),
    ];
    match script.random.below(5) {
        0 => step.push(format!(
            "INSERT INTO sip_packets (call_id, method, packet) VALUES ('{agent}', 'INVITE', REPEAT('x', 300))"
        )),
        1 => step.extend([
            format!("INSERT INTO live_sip_channels VALUES ('SIP/{agent}', '10.0.0.{client}', 'g', '100')"),
            format!("DELETE FROM live_sip_channels WHERE channel='SIP/{agent}'"),
        ]),
        2 => step.extend([
            format!("INSERT INTO live_channels VALUES ('SIP/{agent}', '10.0.0.{client}', '', '100')"),
            format!("DELETE FROM asterisk.live_channels WHERE channel='SIP/{agent}' LIMIT 1"),
        ]),
        3 => step.extend([
            format!("REPLACE INTO parked_channels VALUES ('SIP/{agent}', '10.0.0.{client}', 'park', NOW())"),
            "DELETE FROM `asterisk`.parked_channels ORDER BY parked_time LIMIT 1".to_owned(),
        ]),
        _ => step.push(format!(
            "INSERT INTO cid_channels_recent VALUES ('{agent}', 'x', NOW(), 'SIP/{agent}')"
        )),
    }
    step
}

pub(super) fn pause_and_talk(script: &mut Script) -> Step {
    let (agent, campaign, lead) = (script.agent(), script.campaign(), script.lead());
    let (pause, wait, talk) = (
        script.random.below(60),
        script.random.below(90),
        script.random.below(600),
    );
    let mut step = vec![
        format!(
            "INSERT INTO vicidial_agent_log (user, event_time, lead_id, campaign_id, pause_epoch, pause_sec) \
             VALUES ('{agent}', NOW(), {lead}, '{campaign}', UNIX_TIMESTAMP(), {pause})"
        ),
        format!("UPDATE vicidial_agent_log SET wait_sec={wait} WHERE agent_log_id=LAST_INSERT_ID()"),
        "SET @agent_log = LAST_INSERT_ID()".to_owned(),
        format!(
            "UPDATE vicidial_agent_log SET talk_sec={talk}, status='NI', sub_status=IF(@agent_log % 2, 'ODD', 'EVEN') WHERE agent_log_id=@agent_log"
        ),
        format!(
            "INSERT INTO user_call_log (user, call_date, call_type, server_ip, phone_number, lead_id) \
             VALUES ('{agent}', NOW(), 'MANUAL_DIAL', '10.0.0.1', '{}', {lead})",
            script.phone()
        ),
    ];
    if script.random.once_in(6) {
        // Several rows by one value other than the key.
        step.push(format!("UPDATE vicidial_agent_log SET dispo_sec=dispo_sec+1 WHERE user='{agent}' AND campaign_id='{campaign}'"));
    }
    step
}

pub(super) fn log_in(script: &mut Script) -> Step {
    let (agent, campaign, remark) = (script.agent(), script.campaign(), script.narrow_remark());
    vec![
        format!(
            "UPDATE vicidial_users SET last_login_date=NOW(), failed_login_count=(failed_login_count+1) % 10 WHERE user='{agent}'"
        ),
        format!(
            "INSERT INTO vicidial_user_log (user, event, campaign_id, event_date, data) VALUES ('{agent}', 'LOGIN', '{campaign}', NOW(), \
             CONCAT({remark}, REPEAT('browser data ', {})))",
            script.random.below(40)
        ),
        format!("INSERT INTO web_client_sessions VALUES ('{agent}', '10.0.0.1', '{agent}', NOW())"),
        format!("DELETE FROM web_client_sessions WHERE extension='{agent}'"),
    ]
}

pub(super) fn change_screen(script: &mut Script) -> Step {
    let agent = script.agent();
    let screen = script.random.pick(&["MAIN", "SCRIPT", "FORM", "CALLBACKS"]);
    if script.random.once_in(3) {
        vec![format!(
            "UPDATE vicidial_agent_screen SET screen='{screen}', changed=NOW() WHERE user='{agent}'"
        )]
    } else {
        vec![format!(
            "REPLACE INTO vicidial_agent_screen VALUES ('{agent}', '{screen}', NOW())"
        )]
    }
}

pub(super) fn events(script: &mut Script) -> Step {
    let rows = script.random.below(8) + 1;
    let values: Vec<String> = (0..rows)
        .map(|n| {
            format!(
                "('{}', NOW(), 'KEY{n}', {})",
                script.agent(),
                script.narrow_remark()
            )
        })
        .collect();
    let mut step = vec![format!(
        "INSERT INTO vicidial_agent_events (user, event_time, event, detail) VALUES {}",
        values.join(", ")
    )];
    if script.random.once_in(4) {
        // More equal rows in a table without a key, then some of them changed by value.
        step.push(
            "INSERT INTO vicidial_agent_events VALUES ('twin', NULL, NULL, NULL), ('twin', NULL, NULL, NULL)"
                .to_owned(),
        );
        step.push(
            "UPDATE vicidial_agent_events SET event='SEEN' WHERE user='twin' AND event IS NULL".to_owned(),
        );
    }
    step
}
