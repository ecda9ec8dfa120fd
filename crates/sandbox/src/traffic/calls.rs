//! Calls: dialled, answered, handed over, ended. The tables reports are made of.

use super::script::{Script, Step};

const END_STATUSES: [&str; 6] = ["SALE", "NI", "NA", "B", "DROP", "CALLBK"];

pub(super) fn dial(script: &mut Script) -> Step {
    let Some(call) = script.begin_call() else {
        return hang_up(script);
    };
    let (id, lead, campaign, agent) = (&call.id, call.lead, call.campaign, &call.agent);
    let phone = script.phone();
    let remark = script.narrow_remark();
    let port = script.random.below(9000);
    vec![
        format!("INSERT INTO vicidial_manager VALUES (NULL, '{id}', NOW(), 'NEW', 'Originate', 'V{id}')"),
        format!(
            "INSERT INTO vicidial_auto_calls (callerid, uniqueid, lead_id, status, call_time) VALUES ('V{id}', '{id}', {lead}, 'SENT', NOW())"
        ),
        format!(
            "INSERT INTO vicidial_dial_log (caller_code, lead_id, server_ip, call_date, extension, timeout, context) \
             VALUES ('V{id}', '{lead}', '10.0.0.{}', NOW(), '9{phone}', '60000', 'default')",
            script.client
        ),
        format!(
            "INSERT INTO vicidial_log (uniqueid, lead_id, list_id, campaign_id, call_date, start_epoch, status, phone_number, user, comments) \
             VALUES ('{id}', {lead}, 101, '{campaign}', NOW(), UNIX_TIMESTAMP(), 'INCALL', '{phone}', '{agent}', {remark})"
        ),
        format!(
            "INSERT INTO call_log (uniqueid, channel, server_ip, number_dialed, start_time, start_epoch, caller_code) \
             VALUES ('{id}', 'SIP/trunk-{port:08x}', '10.0.0.{}', '{phone}', NOW(), UNIX_TIMESTAMP(), 'V{id}')",
            script.client
        ),
        format!(
            "INSERT INTO vicidial_log_extended SET uniqueid='{id}', server_ip='10.0.0.{}', call_date=NOW(6), lead_id={lead}, caller_code='V{id}', custom_call_id=LEFT(SHA2('{id}',256),32)",
            script.client
        ),
        format!(
            "UPDATE vicidial_list SET status='INCALL', user='{agent}', called_count=called_count+1, last_local_call_time=NOW() WHERE lead_id={lead}"
        ),
        format!("UPDATE vicidial_auto_calls SET status='LIVE' WHERE uniqueid='{id}'"),
    ]
}

pub(super) fn hang_up(script: &mut Script) -> Step {
    let Some(call) = script.end_call() else {
        return dial(script);
    };
    let (id, lead, campaign, agent) = (&call.id, call.lead, call.campaign, &call.agent);
    let seconds = script.random.below(900);
    let status = script.random.pick(&END_STATUSES);
    let mut step = vec![
        format!(
            "UPDATE vicidial_log SET end_epoch=start_epoch+{seconds}, length_in_sec={seconds}, status='{status}', term_reason='CALLER' WHERE uniqueid='{id}'"
        ),
        format!("UPDATE call_log SET end_time=NOW(), length_in_min=({seconds} / 60) WHERE uniqueid='{id}'"),
        format!("UPDATE vicidial_list SET status='{status}' WHERE lead_id={lead}"),
        format!(
            "INSERT INTO vicidial_carrier_log VALUES ('{id}', NOW(), {lead}, {}, 'ANSWER', {}, UNHEX(LEFT(SHA2('{id}',256),32)))",
            script.random.below(128),
            script.random.below(60)
        ),
        format!(
            "INSERT INTO vicidial_hourly_counts (date_hour, campaign_id, calls, seconds) \
             VALUES (DATE_FORMAT(NOW(), '%Y-%m-%d %H:00:00'), '{campaign}', 1, {seconds}) \
             ON DUPLICATE KEY UPDATE calls=calls+1, seconds=seconds+VALUES(seconds)"
        ),
        format!("DELETE FROM vicidial_auto_calls WHERE uniqueid='{id}'"),
        format!("DELETE FROM vicidial_manager WHERE callerid='V{id}'"),
    ];
    if status == "DROP" {
        step.push(format!(
            "INSERT INTO vicidial_drop_log VALUES ('{id}', NOW(), {lead}, '{campaign}', '{}')",
            script.phone()
        ));
    } else {
        step.extend(record(id, lead, agent, seconds));
    }
    if script.random.once_in(5) {
        let remark = script.narrow_remark();
        step.push(format!(
            "INSERT INTO vicidial_call_notes VALUES ({lead}, NOW(), '', {remark})"
        ));
    }
    step
}

/// A recording is entered first and finished through the id the server gave it.
fn record(id: &str, lead: u64, agent: &str, seconds: u64) -> Step {
    vec![
        format!(
            "INSERT INTO recording_log (channel, start_time, start_epoch, filename, lead_id, user, vicidial_id) \
             VALUES ('Local/58600051@default', NOW(), UNIX_TIMESTAMP(), '{id}_{agent}', {lead}, '{agent}', '{id}')"
        ),
        "SET @recording = LAST_INSERT_ID()".to_owned(),
        format!(
            "UPDATE recording_log SET end_time=NOW(), length_in_sec={seconds}, location=CONCAT('http://rec/', '{id}', '.mp3') WHERE recording_id=@recording"
        ),
    ]
}

pub(super) fn transfer(script: &mut Script) -> Step {
    let Some(call) = script.newest_call() else {
        return dial(script);
    };
    let (id, lead, agent) = (&call.id, call.lead, &call.agent);
    let closer = script.agent();
    let queue = script.random.below(10_000);
    vec![
        format!(
            "INSERT INTO vicidial_closer_log (lead_id, campaign_id, call_date, length_in_sec, status, queue_seconds, uniqueid, user) \
             VALUES ({lead}, 'INBND', NOW(), 0, 'QUEUE', {queue} / 100, '{id}', '{closer}')"
        ),
        "UPDATE vicidial_closer_log SET status='INCALL' WHERE closecallid=LAST_INSERT_ID()".to_owned(),
        format!(
            "INSERT INTO vicidial_xfer_log (lead_id, call_date, user, closer) VALUES ({lead}, NOW(), '{agent}', '{closer}')"
        ),
        format!(
            "INSERT INTO vicidial_did_log VALUES ('{id}', 'SIP/in-1', '{}', NOW(), '800100')",
            lead % 9
        ),
        format!(
            "UPDATE vicidial_closer_log SET status='XFER', length_in_sec=length_in_sec+5 WHERE lead_id={lead} AND uniqueid='{id}'"
        ),
    ]
}
