//! The status variables of Query events: the session settings a statement ran under.

use bytes::Bytes;

use crate::error::DecodeError;
use crate::event_type::EventType;
use crate::reader::Reader;

/// Codes, from MariaDB server `sql/log_event.h`.
mod code {
    pub(super) const FLAGS2: u8 = 0;
    pub(super) const SQL_MODE: u8 = 1;
    pub(super) const CATALOG_WITH_NUL: u8 = 2;
    pub(super) const AUTO_INCREMENT: u8 = 3;
    pub(super) const CHARSET: u8 = 4;
    pub(super) const TIME_ZONE: u8 = 5;
    pub(super) const CATALOG: u8 = 6;
    pub(super) const LC_TIME_NAMES: u8 = 7;
    pub(super) const CHARSET_DATABASE: u8 = 8;
    pub(super) const TABLE_MAP_FOR_UPDATE: u8 = 9;
    pub(super) const MASTER_DATA_WRITTEN: u8 = 10;
    pub(super) const INVOKER: u8 = 11;
    // MySQL's own, `libs/mysql/binlog/event/statement_events.h`.
    pub(super) const MYSQL_UPDATED_DATABASES: u8 = 12;
    pub(super) const MYSQL_MICROSECONDS: u8 = 13;
    pub(super) const MYSQL_EXPLICIT_DEFAULTS: u8 = 16;
    pub(super) const MYSQL_XID: u8 = 17;
    pub(super) const MYSQL_DEFAULT_UTF8MB4: u8 = 18;
    pub(super) const MYSQL_REQUIRE_PRIMARY_KEY: u8 = 19;
    pub(super) const MYSQL_TABLE_ENCRYPTION: u8 = 20;
    /// Of 9.7, one byte, always 0 with INSERT; what else it may say is not known.
    pub(super) const MYSQL_9_7: u8 = 21;
    pub(super) const MICROSECONDS: u8 = 128;
    pub(super) const XID: u8 = 129;
    pub(super) const GTID_FLAGS3: u8 = 130;
    pub(super) const CHARACTER_SET_COLLATIONS: u8 = 131;
}

/// Character set and collations of a session, as collation ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charset {
    /// `character_set_client`: of the statement's bytes.
    pub client: u16,
    /// `collation_connection`.
    pub connection: u16,
    /// `collation_server`.
    pub server: u16,
}

/// The session settings a statement ran under. What is absent did not matter for the statement or had its default, as
/// each field says.
///
/// # Wire form
/// One code byte and the value, in any order: 11.x writes 131 before 4. MariaDB protocol documentation, page
/// "QUERY_EVENT"; server `sql/log_event.cc`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StatusVars {
    /// Option bits: `foreign_key_checks`, `unique_checks` and others.
    pub flags2: Option<u32>,
    /// `sql_mode` as a number.
    pub sql_mode: Option<u64>,
    /// `auto_increment_increment` and `auto_increment_offset`; absent: 1 and 1.
    pub auto_increment: Option<(u16, u16)>,
    /// Character set and collations.
    pub charset: Option<Charset>,
    /// `time_zone`; absent: the statement did not use it.
    pub time_zone: Option<Bytes>,
    /// `lc_time_names` as a number; absent: 0, `en_US`.
    pub lc_time_names: Option<u16>,
    /// `collation_database`, if it is not the default database's own.
    pub charset_database: Option<u16>,
    /// In a multi-table UPDATE: which of its tables it writes, as bits.
    pub table_map_for_update: Option<u64>,
    /// User and host of the invoker, where the statement stores a definer. An empty host means: the user is a role.
    pub invoker: Option<(Bytes, Bytes)>,
    /// Microseconds of `NOW()`, if the statement used them.
    pub microseconds: Option<u32>,
    /// The number under which the source's crash recovery knows a DDL statement.
    pub xid: Option<u64>,
    /// The extra flags of the group's GTID, for the halves of a two-phase ALTER.
    pub gtid_flags3: Option<u8>,
    /// With [`gtid_flags3`](StatusVars::gtid_flags3) of a second half: the sequence of the first half's GTID.
    pub alter_sequence: Option<u64>,
    /// `explicit_defaults_for_timestamp` of a MySQL source; MariaDB has it among the option bits.
    pub explicit_defaults: Option<bool>,
    /// `character_set_collations`: pairs of character set and its default collation, as collation ids. MySQL's
    /// `default_collation_for_utf8mb4` is one of them.
    pub character_set_collations: Option<Vec<(u16, u16)>>,
}

impl StatusVars {
    /// `START ALTER`, `COMMIT ALTER`, `ROLLBACK ALTER` in the GTID's extra flags carry a sequence from here on.
    const WITH_ALTER_SEQUENCE: u8 = 0x04 | 0x08;

    /// Reads a block of status variables.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when a value runs past the end, [`DecodeError::UnknownStatusVariable`] for a code of a
    /// newer server: what follows it cannot be read.
    pub fn decode(raw: &Bytes) -> Result<StatusVars, DecodeError> {
        let mut vars = StatusVars::default();
        vars.fill(raw, EventType::QUERY, 0)?;
        Ok(vars)
    }

    /// As [`StatusVars::decode`], into one that holds nothing yet.
    pub(crate) fn fill(&mut self, raw: &Bytes, event: EventType, base: usize) -> Result<(), DecodeError> {
        let mut reader = Reader::new(raw, event, base);
        while !reader.is_at_end() {
            let offset = reader.offset();
            let code = reader.u8("status variable code")?;
            self.decode_value(code, &mut reader, offset)?;
        }
        Ok(())
    }

    fn decode_value(&mut self, code: u8, reader: &mut Reader<'_>, offset: usize) -> Result<(), DecodeError> {
        match code {
            code::FLAGS2 => self.flags2 = Some(reader.u32("flags2")?),
            code::SQL_MODE => self.sql_mode = Some(reader.u64("sql_mode")?),
            code::CATALOG_WITH_NUL => {
                reader.short_text("catalog")?;
                reader.nul("catalog")?;
            }
            code::AUTO_INCREMENT => {
                let increment = reader.u16("auto_increment_increment")?;
                self.auto_increment = Some((increment, reader.u16("auto_increment_offset")?));
            }
            code::CHARSET => {
                self.charset = Some(Charset {
                    client: reader.u16("character_set_client")?,
                    connection: reader.u16("collation_connection")?,
                    server: reader.u16("collation_server")?,
                });
            }
            code::TIME_ZONE => self.time_zone = Some(reader.short_text("time_zone")?),
            code::CATALOG => {
                let length = usize::from(reader.u8("catalog")?);
                reader.slice(length, "catalog")?;
            }
            code::LC_TIME_NAMES => self.lc_time_names = Some(reader.u16("lc_time_names")?),
            code::CHARSET_DATABASE => self.charset_database = Some(reader.u16("collation_database")?),
            code::TABLE_MAP_FOR_UPDATE => {
                self.table_map_for_update = Some(reader.u64("table map for update")?)
            }
            code::MASTER_DATA_WRITTEN => {
                reader.u32("master data written")?;
            }
            code::INVOKER => {
                let user = reader.short_text("invoker's user")?;
                self.invoker = Some((user, reader.short_text("invoker's host")?));
            }
            code::MYSQL_UPDATED_DATABASES => skip_databases(reader)?,
            code::MYSQL_EXPLICIT_DEFAULTS => {
                self.explicit_defaults = Some(reader.u8("explicit_defaults_for_timestamp")? != 0);
            }
            code::MYSQL_DEFAULT_UTF8MB4 => {
                let collation = reader.u16("default_collation_for_utf8mb4")?;
                self.character_set_collations = Some(vec![(UTF8MB4, collation)]);
            }
            code::MYSQL_REQUIRE_PRIMARY_KEY | code::MYSQL_TABLE_ENCRYPTION => {
                reader.u8("rule of the source")?;
            }
            code::MYSQL_9_7 if reader.peek_is(0) => {
                reader.u8("variable 21")?;
            }
            code::MICROSECONDS | code::MYSQL_MICROSECONDS => {
                self.microseconds = Some(reader.u24("microseconds")?)
            }
            code::XID | code::MYSQL_XID => self.xid = Some(reader.u64("xid")?),
            code::GTID_FLAGS3 => {
                let flags = reader.u8("gtid flags")?;
                self.gtid_flags3 = Some(flags);
                if flags & StatusVars::WITH_ALTER_SEQUENCE != 0 {
                    self.alter_sequence = Some(reader.u64("sequence of START ALTER")?);
                }
            }
            code::CHARACTER_SET_COLLATIONS => {
                self.character_set_collations = Some(decode_collations(reader)?);
            }
            code => {
                return Err(DecodeError::UnknownStatusVariable {
                    event: reader.event(),
                    code,
                    offset,
                });
            }
        }
        Ok(())
    }
}

/// `utf8mb4_general_ci`, which stands for the character set itself.
const UTF8MB4: u16 = 45;

/// Passes over the names of the databases that a statement of a MySQL source changes.
fn skip_databases(reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    /// Too many to be named.
    const UNNAMED: u8 = 254;
    let count = reader.u8("changed databases")?;
    for _ in 0..if count == UNNAMED { 0 } else { count } {
        while reader.u8("changed database")? != 0 {}
    }
    Ok(())
}

fn decode_collations(reader: &mut Reader<'_>) -> Result<Vec<(u16, u16)>, DecodeError> {
    let count = usize::from(reader.u8("character_set_collations")?);
    let mut pairs = Vec::with_capacity(count);
    for _ in 0..count {
        let charset = reader.u16("character_set_collations")?;
        pairs.push((charset, reader.u16("character_set_collations")?));
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_sources_order_is_read() {
        // 11.x: code 131 stands between 3 and 4.
        let raw = Bytes::from_static(&[
            0, 0, 0, 0, 1, 1, 0, 0, 0xa0, 0x45, 0, 0, 0, 0, 6, 3, b's', b't', b'd', 3, 2, 0, 1, 0, 131, 1,
            33, 0, 0x53, 0, 4, 8, 0, 8, 0, 45, 0, 5, 3, b'U', b'T', b'C', 128, 0x20, 0xa1, 7,
        ]);
        let vars = StatusVars::decode(&raw).unwrap();
        assert_eq!(vars.flags2, Some(0x0100_0000));
        assert_eq!(vars.sql_mode, Some(0x45a0_0000));
        assert_eq!(vars.auto_increment, Some((2, 1)));
        assert_eq!(vars.character_set_collations, Some(vec![(33, 0x53)]));
        assert_eq!(
            vars.charset,
            Some(Charset {
                client: 8,
                connection: 8,
                server: 45
            })
        );
        assert_eq!(vars.time_zone.as_deref(), Some(&b"UTC"[..]));
        assert_eq!(vars.microseconds, Some(500_000));
    }

    #[test]
    fn every_variable_is_read() {
        let raw = Bytes::from_static(&[
            2, 3, b's', b't', b'd', 0, 7, 4, 0, 8, 63, 0, 9, 3, 0, 0, 0, 0, 0, 0, 0, 10, 9, 9, 9, 9, 11, 1,
            b'u', 0, 129, 7, 0, 0, 0, 0, 0, 0, 0, 130, 4, 5, 0, 0, 0, 0, 0, 0, 0,
        ]);
        let vars = StatusVars::decode(&raw).unwrap();
        assert_eq!(vars.lc_time_names, Some(4));
        assert_eq!(vars.charset_database, Some(63));
        assert_eq!(vars.table_map_for_update, Some(3));
        assert_eq!(vars.invoker, Some((Bytes::from_static(b"u"), Bytes::new())));
        assert_eq!(vars.xid, Some(7));
        assert_eq!((vars.gtid_flags3, vars.alter_sequence), (Some(4), Some(5)));
        let first_half = StatusVars::decode(&Bytes::from_static(&[130, 2])).unwrap();
        assert_eq!(
            (first_half.gtid_flags3, first_half.alter_sequence),
            (Some(2), None)
        );
    }

    #[test]
    fn mysqls_variables_are_read() {
        let raw = Bytes::from_static(&[
            12, 2, b'a', 0, b'b', b'c', 0, 13, 0x20, 0xa1, 7, 16, 0, 17, 9, 0, 0, 0, 0, 0, 0, 0, 18, 255, 0,
            19, 1, 20, 0, 12, 254, 21, 0,
        ]);
        let vars = StatusVars::decode(&raw).unwrap();
        assert_eq!(vars.microseconds, Some(500_000));
        assert_eq!((vars.explicit_defaults, vars.xid), (Some(false), Some(9)));
        assert_eq!(vars.character_set_collations, Some(vec![(45, 255)]));
        let unknown = StatusVars::decode(&Bytes::from_static(&[21, 1])).unwrap_err();
        assert!(
            matches!(unknown, DecodeError::UnknownStatusVariable { code: 21, .. }),
            "{unknown}"
        );
    }

    #[test]
    fn an_unknown_variable_is_named() {
        let error = StatusVars::decode(&Bytes::from_static(&[7, 0, 0, 200, 1, 2])).unwrap_err();
        assert!(
            matches!(
                error,
                DecodeError::UnknownStatusVariable {
                    code: 200,
                    offset: 3,
                    ..
                }
            ),
            "{error}"
        );
    }

    #[test]
    fn every_truncation_is_an_error() {
        let raw: &[u8] = &[131, 2, 33, 0, 0x53, 0, 45, 0, 0x2d, 0];
        for length in 1..raw.len() {
            let cut = Bytes::copy_from_slice(&raw[..length]);
            assert!(
                matches!(StatusVars::decode(&cut), Err(DecodeError::Truncated { .. })),
                "{length}"
            );
        }
    }
}
