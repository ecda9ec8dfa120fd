//! The options of `CHANGE MASTER TO`. MariaDB server 10.11, `sql/sql_yacc.yy`, `master_def` and `master_file_def`.

use std::time::Duration;

use tributary_sql::TokenKind;

use crate::engine::{ChangeMaster, Password, Refusal, ServerIds, UseGtid};
use crate::tokens::Tokens;

/// The longest texts: names in characters, the password in bytes. MariaDB server 10.11, `sql/sql_repl.cc`, `change_master`.
const HOST_CHARS_MAX: usize = 255;
const USER_CHARS_MAX: usize = 128;
const PASSWORD_BYTES_MAX: usize = 96;

impl ChangeMaster {
    /// What of the options makes no sense, whoever says them.
    #[must_use]
    pub fn refusal(&self) -> Option<Refusal> {
        refusal(self)
    }
}

/// What of the options makes no sense.
pub(crate) fn refusal(change: &ChangeMaster) -> Option<Refusal> {
    if change.host.as_deref() == Some("") {
        return Some(Refusal::new(1210, "Incorrect arguments to MASTER_HOST"));
    }
    let is_long = |text: &str, max: usize| text.chars().count() > max;
    if change
        .password
        .as_ref()
        .is_some_and(|password| password.0.len() > PASSWORD_BYTES_MAX)
    {
        // It is not repeated.
        return Some(too_long("***", "MASTER_PASSWORD", PASSWORD_BYTES_MAX));
    }
    let texts = [
        (&change.host, "MASTER_HOST", HOST_CHARS_MAX),
        (&change.user, "MASTER_USER", USER_CHARS_MAX),
    ];
    texts.into_iter().find_map(|(text, name, max)| {
        let text = text.as_deref().filter(|text| is_long(text, max))?;
        Some(too_long(text, name, max))
    })
}

/// `ER_WRONG_STRING_LENGTH`, with as much of the text as the server shows.
fn too_long(text: &str, name: &str, max: usize) -> Refusal {
    const SHOWN_BYTES_MAX: usize = 70;
    const MORE: &str = "...";
    let shown = match text.len() > SHOWN_BYTES_MAX {
        true => &format!(
            "{}{MORE}",
            &text[..text.floor_char_boundary(SHOWN_BYTES_MAX - MORE.len())]
        ),
        false => text,
    };
    let message = format!("String '{shown}' is too long for {name} (should be no longer than {max})");
    Refusal::new(1470, message)
}

/// Reads the list of options. `None`: it is not understood.
pub(crate) fn options(tokens: &mut Tokens<'_>) -> Option<ChangeMaster> {
    let mut change = ChangeMaster::default();
    loop {
        let name = tokens.name()?.to_ascii_uppercase();
        if !tokens.sign("=") {
            return None;
        }
        option(&name, tokens, &mut change)?;
        if !tokens.kind(TokenKind::Comma) {
            return Some(change);
        }
    }
}

fn option(name: &str, tokens: &mut Tokens<'_>, change: &mut ChangeMaster) -> Option<()> {
    let narrow = |number: u64| u32::try_from(number).ok();
    match name {
        "MASTER_HOST" => change.host = Some(tokens.string()?),
        "MASTER_PORT" => change.port = Some(u16::try_from(tokens.number()?).ok()?),
        "MASTER_USER" => change.user = Some(tokens.string()?),
        "MASTER_PASSWORD" => change.password = Some(Password(tokens.string()?)),
        "MASTER_CONNECT_RETRY" => change.connect_retry = Some(narrow(tokens.number()?)?),
        "MASTER_HEARTBEAT_PERIOD" => {
            change.heartbeat_period = Some(Duration::try_from_secs_f64(tokens.decimal()?).ok()?);
        }
        "MASTER_LOG_FILE" => change.log_file = Some(tokens.string()?),
        "MASTER_LOG_POS" => change.log_pos = Some(tokens.number()?),
        "RELAY_LOG_FILE" => change.relay_log_file = Some(tokens.string()?),
        "RELAY_LOG_POS" => change.relay_log_pos = Some(tokens.number()?),
        "MASTER_USE_GTID" => change.use_gtid = Some(use_gtid(tokens)?),
        "MASTER_DEMOTE_TO_SLAVE" => change.demote_to_slave = Some(tokens.number()? != 0),
        "MASTER_DELAY" => change.delay = Some(narrow(tokens.number()?)?),
        "MASTER_BIND" => change.bind = Some(tokens.string()?),
        "MASTER_SSL" => change.ssl = Some(tokens.number()? != 0),
        "MASTER_SSL_VERIFY_SERVER_CERT" => change.ssl_verify_server_cert = Some(tokens.number()? != 0),
        "MASTER_SSL_CA" => change.ssl_ca = Some(tokens.string()?),
        "MASTER_SSL_CAPATH" => change.ssl_capath = Some(tokens.string()?),
        "MASTER_SSL_CERT" => change.ssl_cert = Some(tokens.string()?),
        "MASTER_SSL_KEY" => change.ssl_key = Some(tokens.string()?),
        "MASTER_SSL_CIPHER" => change.ssl_cipher = Some(tokens.string()?),
        "MASTER_SSL_CRL" => change.ssl_crl = Some(tokens.string()?),
        "MASTER_SSL_CRLPATH" => change.ssl_crlpath = Some(tokens.string()?),
        "IGNORE_SERVER_IDS" => change.ignore_server_ids = Some(ids(tokens)?),
        "DO_DOMAIN_IDS" => change.do_domain_ids = Some(ids(tokens)?),
        "IGNORE_DOMAIN_IDS" => change.ignore_domain_ids = Some(ids(tokens)?),
        _ => return None,
    }
    Some(())
}

fn use_gtid(tokens: &mut Tokens<'_>) -> Option<UseGtid> {
    if tokens.word("NO") {
        return Some(UseGtid::No);
    }
    if tokens.word("CURRENT_POS") {
        return Some(UseGtid::CurrentPos);
    }
    tokens
        .one_of(&["SLAVE_POS", "REPLICA_POS"])
        .then_some(UseGtid::SlavePos)
}

/// `(1, 2)`; each once, in order.
fn ids(tokens: &mut Tokens<'_>) -> Option<ServerIds> {
    if !tokens.kind(TokenKind::Open) {
        return None;
    }
    let mut ids = ServerIds::new();
    while let Some(id) = tokens.number() {
        ids.push(u32::try_from(id).ok()?);
        if !tokens.kind(TokenKind::Comma) {
            break;
        }
    }
    ids.sort_unstable();
    ids.dedup();
    tokens.kind(TokenKind::Close).then_some(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_measured_in_bytes() {
        let refused = |password: &str| {
            let password = Some(Password(password.to_owned()));
            refusal(&ChangeMaster {
                password,
                ..ChangeMaster::default()
            })
        };
        assert_eq!(refused(&"\u{436}".repeat(48)), None);
        assert_eq!(
            refused(&"\u{436}".repeat(49)).map(|refusal| refusal.code),
            Some(1470)
        );
    }

    #[test]
    fn of_a_long_name_the_beginning_is_told() {
        let refused = |user: String| {
            let change = ChangeMaster {
                user: Some(user),
                ..ChangeMaster::default()
            };
            refusal(&change).map(|refusal| refusal.message)
        };
        let (ascii, cyrillic) = ("a".repeat(67), "\u{436}".repeat(33));
        for (user, shown) in [("a".repeat(129), ascii), ("\u{436}".repeat(129), cyrillic)] {
            let message =
                format!("String '{shown}...' is too long for MASTER_USER (should be no longer than 128)");
            assert_eq!(refused(user), Some(message));
        }
    }
}
