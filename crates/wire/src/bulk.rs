//! `COM_STMT_BULK_EXECUTE`: one prepared statement, many rows of parameters, one answer.
//!
//! MariaDB protocol documentation, page "COM_STMT_BULK_EXECUTE".

use crate::Error;
use crate::command;
use crate::writer::put_lenenc_bytes;

/// Flag: the parameter types are in the packet.
const SEND_TYPES: u16 = 128;

/// Type flag: the integer is unsigned.
const UNSIGNED: u8 = 0x80;

/// How the server shall read the values of one parameter; the same for all rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamType {
    /// An eight-byte integer, for [`Param::Int`] or, when unsigned, [`Param::Uint`].
    LongLong {
        /// Whether the values are [`Param::Uint`].
        unsigned: bool,
    },
    /// A double, for [`Param::Double`].
    Double,
    /// Text in the session's `character_set_client`, for [`Param::Bytes`].
    VarString,
    /// Bytes that are not converted, for [`Param::Bytes`].
    Blob,
    /// A decimal number written as text, for [`Param::Bytes`].
    NewDecimal,
}

impl ParamType {
    /// The type byte and the flag byte.
    fn wire_form(self) -> [u8; 2] {
        match self {
            ParamType::LongLong { unsigned: false } => [8, 0],
            ParamType::LongLong { unsigned: true } => [8, UNSIGNED],
            ParamType::Double => [5, 0],
            ParamType::NewDecimal => [246, 0],
            ParamType::Blob => [252, 0],
            ParamType::VarString => [253, 0],
        }
    }
}

/// One value of a parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Param {
    /// NULL.
    Null,
    /// The column's default.
    Default,
    /// In an UPDATE: the column keeps its value; in an INSERT: the column's default.
    Ignore,
    /// A signed integer.
    Int(i64),
    /// An unsigned integer.
    Uint(u64),
    /// A double.
    Double(f64),
    /// Text, bytes or a decimal number, as the parameter's type says.
    Bytes(Vec<u8>),
}

impl Param {
    /// The indicator byte.
    fn indicator(&self) -> u8 {
        match self {
            Param::Null => 1,
            Param::Default => 2,
            Param::Ignore => 3,
            Param::Int(_) | Param::Uint(_) | Param::Double(_) | Param::Bytes(_) => 0,
        }
    }
}

/// Appends the payload that runs `statement_id` once per row.
///
/// # Errors
/// [`Error::Unencodable`] when there are no rows, a row has another number of values than `types`, or a value is not of its
/// parameter's type. `out` may then hold a part of the payload.
pub fn encode(
    out: &mut Vec<u8>,
    statement_id: u32,
    types: &[ParamType],
    rows: &[Vec<Param>],
) -> Result<(), Error> {
    if rows.is_empty() {
        return Err(unencodable("it needs at least one row".to_owned()));
    }
    encode_start(out, statement_id, types)?;
    for (index, row) in rows.iter().enumerate() {
        if row.len() != types.len() {
            let detail = format!(
                "row {index} has {} values for {} parameters",
                row.len(),
                types.len()
            );
            return Err(unencodable(detail));
        }
        for (parameter, (kind, value)) in types.iter().zip(row).enumerate() {
            out.push(value.indicator());
            match (kind, value) {
                (_, Param::Null | Param::Default | Param::Ignore) => {}
                (ParamType::LongLong { unsigned: false }, Param::Int(value)) => {
                    out.extend_from_slice(&value.to_le_bytes());
                }
                (ParamType::LongLong { unsigned: true }, Param::Uint(value)) => {
                    out.extend_from_slice(&value.to_le_bytes());
                }
                (ParamType::Double, Param::Double(value)) => out.extend_from_slice(&value.to_le_bytes()),
                (ParamType::VarString | ParamType::Blob | ParamType::NewDecimal, Param::Bytes(bytes)) => {
                    put_lenenc_bytes(out, bytes);
                }
                (kind, value) => {
                    // The value itself may be private: name its place only.
                    let kind_of_value = match value {
                        Param::Int(_) => "a signed integer",
                        Param::Uint(_) => "an unsigned integer",
                        Param::Double(_) => "a double",
                        _ => "bytes",
                    };
                    let detail =
                        format!("row {index}, parameter {parameter}: {kind_of_value} for type {kind:?}");
                    return Err(unencodable(detail));
                }
            }
        }
    }
    Ok(())
}

/// Appends what stands ahead of the rows; those follow as [`put_int`] and [`put_bytes`] write them, without anything between.
///
/// # Errors
/// [`Error::Unencodable`] when there are no types.
pub fn encode_start(out: &mut Vec<u8>, statement_id: u32, types: &[ParamType]) -> Result<(), Error> {
    if types.is_empty() {
        return Err(unencodable("it needs at least one parameter".to_owned()));
    }
    out.push(command::STMT_BULK_EXECUTE);
    out.extend_from_slice(&statement_id.to_le_bytes());
    out.extend_from_slice(&SEND_TYPES.to_le_bytes());
    for kind in types {
        out.extend_from_slice(&kind.wire_form());
    }
    Ok(())
}

/// Appends one value of a row, of type [`ParamType::LongLong`], signed.
pub fn put_int(out: &mut Vec<u8>, value: i64) {
    out.push(0);
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends one value of a row, of type [`ParamType::VarString`], [`ParamType::Blob`] or [`ParamType::NewDecimal`].
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(0);
    put_lenenc_bytes(out, bytes);
}

fn unencodable(detail: String) -> Error {
    Error::unencodable("bulk execute", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packet_has_the_documented_layout() {
        let types = [ParamType::LongLong { unsigned: true }, ParamType::VarString];
        let rows = [
            vec![Param::Uint(7), Param::Bytes(b"ab".to_vec())],
            vec![Param::Null, Param::Default],
        ];
        let mut out = Vec::new();
        encode(&mut out, 9, &types, &rows).unwrap();
        let expected = [
            &[0xFA, 9, 0, 0, 0, 0x80, 0][..],
            &[8, 0x80, 253, 0],
            &[0, 7, 0, 0, 0, 0, 0, 0, 0],
            &[0, 2, b'a', b'b'],
            &[1, 2],
        ];
        assert_eq!(out, expected.concat());
    }

    #[test]
    fn rows_written_one_by_one_are_the_same() {
        let types = [ParamType::LongLong { unsigned: false }, ParamType::NewDecimal];
        let rows = [vec![Param::Int(-7), Param::Bytes(b"1.5".to_vec())]];
        let (mut whole, mut parts) = (Vec::new(), Vec::new());
        encode(&mut whole, 9, &types, &rows).unwrap();
        encode_start(&mut parts, 9, &types).unwrap();
        put_int(&mut parts, -7);
        put_bytes(&mut parts, b"1.5");
        assert_eq!(parts, whole);
    }

    #[test]
    fn rows_that_do_not_fit_their_types_are_refused_by_place_not_by_value() {
        let types = [ParamType::LongLong { unsigned: false }];
        for (rows, expected) in [
            (vec![], "at least one row"),
            (vec![vec![Param::Int(1)], vec![]], "row 1 has 0 values"),
            (
                vec![vec![Param::Bytes(b"hidden".to_vec())]],
                "row 0, parameter 0: bytes for type LongLong",
            ),
            (vec![vec![Param::Uint(1)]], "an unsigned integer"),
        ] {
            let error = encode(&mut Vec::new(), 1, &types, &rows).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("hidden"), "{error}");
        }
    }
}
