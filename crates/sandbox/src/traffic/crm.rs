//! The centre's own InnoDB tables: transactions, foreign keys, rollbacks, and both engines in one transaction.

use super::script::{Script, Step};
use crate::schema::ACCOUNT_COUNT;

fn account(script: &mut Script) -> u64 {
    script.random.below(ACCOUNT_COUNT) + 1
}

fn begin() -> String {
    "START TRANSACTION".to_owned()
}

/// One transaction in six is taken back.
fn end(script: &mut Script) -> String {
    if script.random.once_in(6) {
        "ROLLBACK"
    } else {
        "COMMIT"
    }
    .to_owned()
}

pub(super) fn ticket(script: &mut Script) -> Step {
    let (account, reference) = (account(script), script.unique_id());
    let (subject, note) = (script.remark(), script.remark());
    let mut step = vec![
        begin(),
        format!(
            "INSERT INTO crm_tickets (account_id, subject, opened, reference) VALUES ({account}, {subject}, NOW(3), '{reference}')"
        ),
        "SET @ticket = LAST_INSERT_ID()".to_owned(),
        format!(
            "INSERT INTO crm_ticket_events VALUES (@ticket, 1, NOW(3), {note}, NULL), (@ticket, 2, NULL, '', X'00FF27')"
        ),
        format!("UPDATE crm_accounts SET open_tickets=open_tickets+1 WHERE account_id={account}"),
    ];
    step.push(end(script));
    step
}

pub(super) fn payment(script: &mut Script) -> Step {
    let (from, to) = (account(script), account(script));
    let cents = script.random.below(100_000);
    let agent = script.agent();
    let mut step = vec![
        begin(),
        // In the order of the key, so two payments seldom wait for each other in a circle.
        format!(
            "UPDATE crm_accounts SET balance=balance-{cents}/100 WHERE account_id={}",
            from.min(to)
        ),
        format!(
            "UPDATE crm_accounts SET balance=balance+{cents}/100 WHERE account_id={}",
            from.max(to)
        ),
        format!("INSERT INTO crm_audit VALUES (NOW(6), '{agent}', 'paid {cents}', UUID())"),
    ];
    if script.random.once_in(3) {
        step.extend([
            "SAVEPOINT before_fee".to_owned(),
            format!(
                "UPDATE crm_accounts SET balance=balance-1 WHERE account_id={}",
                from.max(to)
            ),
            "ROLLBACK TO SAVEPOINT before_fee".to_owned(),
        ]);
    }
    step.push(end(script));
    step
}

pub(super) fn close_tickets(script: &mut Script) -> Step {
    let account = account(script);
    vec![
        format!("UPDATE crm_tickets SET state='closed' WHERE account_id={account} AND state='open'"),
        // The events of the tickets go with them, by the foreign key.
        format!(
            "DELETE FROM crm_tickets WHERE account_id={account} AND state='closed' ORDER BY ticket_id LIMIT 2"
        ),
        format!(
            "INSERT INTO crm_tickets (account_id, subject, opened, reference) VALUES ({account}, 'again', NOW(), '{}') ON DUPLICATE KEY UPDATE state='waiting'",
            script.unique_id()
        ),
        format!(
            "UPDATE crm_accounts SET open_tickets=(SELECT COUNT(*) FROM crm_tickets t WHERE t.account_id={account}) WHERE account_id={account}"
        ),
    ]
}

/// What MyISAM wrote stays, whatever becomes of the rest.
pub(super) fn both_engines(script: &mut Script) -> Step {
    let (account, agent, remark) = (account(script), script.agent(), script.narrow_remark());
    let mut step = vec![
        begin(),
        format!("UPDATE crm_accounts SET balance=balance+1 WHERE account_id={account}"),
        format!("INSERT INTO vicidial_agent_events VALUES ('{agent}', NOW(), 'CRM', {remark})"),
        format!("INSERT INTO crm_audit (happened, who, what) VALUES (NOW(6), '{agent}', 'both')"),
    ];
    step.push(end(script));
    step
}
