//! Which statements can be executed in bulk, and as what.
//!
//! A value that is handed over beside the statement must mean what the literal meant in its text. What cannot be shown to do so
//! has no shape and is sent as text.

use std::sync::Arc;

use bytes::Bytes;
use tributary_binlog::QueryEvent;
use tributary_client::ParamType;
use tributary_sql::{LiteralValue, Literals, Name, RowStatement, Value};
use tributary_wire::bulk::{put_bytes, put_int};

use super::Preparer;
use crate::bulk::{BulkRow, Repeats};
use crate::catalog::{TableInfo, TableName};
use crate::context::Context;
use crate::keys::Keys;

/// Longest string that is handed over beside its statement.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// Longest text of a shape, in bytes: one that is longer has its data in it.
const SHAPE_BYTES_MAX: usize = 2048;

/// A statement that writes rows of one table, and what they are.
pub(super) struct RowsWritten<'a> {
    pub(super) statement: RowStatement<'a>,
    pub(super) literals: Literals<'a>,
    pub(super) name: TableName,
    pub(super) info: Arc<TableInfo>,
    /// `None`: the rows are not named by keys.
    pub(super) keys: Option<Keys>,
}

impl RowsWritten<'_> {
    /// Whether there is but one row that the statement can change, at once and for good: when something happened, all of it did.
    pub(super) fn is_one_final_row(&self) -> bool {
        let is_one = match &self.statement {
            RowStatement::Insert { rows, replace, .. } => rows.len() == 1 && !replace,
            // By all columns of the primary key.
            RowStatement::Update { .. } | RowStatement::Delete { .. } => self.keys.is_some(),
        };
        is_one && !self.info.is_transactional && !self.info.has_triggers && !self.info.is_view
    }

    /// Which value of an INSERT's rows stands in a column.
    pub(super) fn place_of(&self, column: usize) -> Option<usize> {
        let RowStatement::Insert { columns, .. } = &self.statement else {
            return None;
        };
        let mut names = columns.as_ref()?.iter();
        names.position(|name| self.info.column(name.as_bytes()) == Some(column))
    }
}

/// Character sets of a client whose strings are looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientText {
    OneByte,
    Utf8 { bytes_max: u8 },
}

/// What is handed over as one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parameter {
    /// The literal with this number.
    Literal(usize),
    /// The id that the source's table gave to the row.
    GeneratedId,
}

/// Takes the literals out of a text and puts others in.
struct Template<'a> {
    source: &'a [u8],
    copied: usize,
    text: Vec<u8>,
    types: Vec<ParamType>,
    values: Vec<u8>,
    parameters: Vec<Parameter>,
}

impl<'a> Template<'a> {
    fn new(source: &'a [u8]) -> Self {
        Self {
            source,
            copied: 0,
            text: Vec::with_capacity(source.len()),
            types: Vec::new(),
            values: Vec::with_capacity(source.len()),
            parameters: Vec::new(),
        }
    }

    /// Copies the text up to `end`.
    fn copy_to(&mut self, end: usize) -> Option<()> {
        self.text.extend_from_slice(self.source.get(self.copied..end)?);
        self.copied = end;
        Some(())
    }

    fn add(&mut self, text: &[u8]) {
        self.text.extend_from_slice(text);
    }

    fn generated_id(&mut self, id: i64) {
        self.parameter(Parameter::GeneratedId, ParamType::LongLong { unsigned: false });
        put_int(&mut self.values, id);
    }

    fn parameter(&mut self, parameter: Parameter, kind: ParamType) {
        self.text.push(b'?');
        self.types.push(kind);
        self.parameters.push(parameter);
    }
}

/// Appends what a literal says as a value; `None` when it cannot be one for this client, or is part of the shape.
pub(super) fn put_literal(
    values: &mut Vec<u8>,
    literal: &LiteralValue<'_>,
    text: ClientText,
) -> Option<ParamType> {
    match literal {
        LiteralValue::Int(value) => {
            put_int(values, *value);
            Some(ParamType::LongLong { unsigned: false })
        }
        LiteralValue::Decimal(digits) => {
            put_bytes(values, digits);
            Some(ParamType::NewDecimal)
        }
        LiteralValue::Text(bytes) => {
            let is_value = bytes.len() <= TEXT_BYTES_MAX && text.holds(bytes);
            is_value.then(|| put_bytes(values, bytes))?;
            Some(ParamType::VarString)
        }
        LiteralValue::Null | LiteralValue::Default => None,
    }
}

/// The id that the source's table gave to the row, which the statement does not say.
struct GeneratedId<'a> {
    column: &'a Bytes,
    id: i64,
    /// Which value of the row stands for it; `None`: none.
    place: Option<usize>,
}

impl Preparer {
    /// The statement as a shape and values, with what the values are, unless it must be sent as text.
    pub(super) fn bulk_row(
        &mut self,
        rows: &RowsWritten<'_>,
        query: &QueryEvent,
        insert_id: Option<u64>,
        context: &Context,
    ) -> Option<(BulkRow, Vec<Parameter>)> {
        if self.policies.sends_text {
            return None;
        }
        let (info, literals) = (&*rows.info, &rows.literals);
        let is_plain_table = !info.is_view && !info.has_triggers && info.related.is_empty();
        if !is_plain_table || literals.is_delayed || context.database.is_empty() || !context.allows_bulk() {
            return None;
        }
        let text = self.client_text(context)?;
        let (keys, repeats, generated) = match &rows.statement {
            RowStatement::Insert {
                columns: Some(columns),
                rows: values,
                replace,
                on_duplicate,
                ..
            } if !columns.is_empty() => {
                let [row] = values.as_slice() else { return None };
                let is_plain = !replace && on_duplicate.is_none();
                let generated = generated_id(info, columns, row, insert_id)?;
                if generated.is_some() && !is_plain {
                    return None;
                }
                let keys = match &rows.keys {
                    Some(keys) => keys.clone(),
                    // Rows without any unique key collide with nothing.
                    None if info.unique_keys.is_empty() && is_plain => Keys::new(),
                    None => return None,
                };
                let repeats = if is_plain {
                    Repeats::Counted
                } else {
                    Repeats::CountedOver
                };
                (keys, repeats, generated)
            }
            RowStatement::Insert { .. } => return None,
            RowStatement::Update { equal, .. } | RowStatement::Delete { equal, .. } => {
                let repeats = if !literals.has_expressions && names_only_the_key(info, equal) {
                    Repeats::Same
                } else {
                    Repeats::Differs
                };
                (rows.keys.clone()?, repeats, None)
            }
        };
        let template = fill(&query.query, literals, text, generated.as_ref())?;
        if template.types.is_empty() || template.text.len() > SHAPE_BYTES_MAX {
            return None;
        }
        let shape = self.shapes.get(
            &template.text,
            &template.types,
            rows.name.id,
            literals.has_expressions || info.reads_clock,
            repeats,
        );
        let row = BulkRow {
            shape,
            values: template.values,
            keys,
        };
        Some((row, template.parameters))
    }

    /// How strings of this client are looked into; `None`: not at all.
    pub(super) fn client_text(&self, context: &Context) -> Option<ClientText> {
        let (charset, _) = self.collations.get(u32::from(context.client_collation()?))?;
        match charset {
            "utf8mb4" => Some(ClientText::Utf8 { bytes_max: 4 }),
            "utf8mb3" | "utf8" => Some(ClientText::Utf8 { bytes_max: 3 }),
            "latin1" => Some(ClientText::OneByte),
            _ => None,
        }
    }
}

impl ClientText {
    /// Whether the bytes are text: others the server refuses or replaces, in a literal otherwise than in a value.
    fn holds(self, bytes: &[u8]) -> bool {
        match self {
            Self::OneByte => true,
            Self::Utf8 { bytes_max } => {
                bytes.is_ascii()
                    || std::str::from_utf8(bytes).is_ok()
                        && (bytes_max == 4 || bytes.iter().all(|byte| *byte < 0xf0))
            }
        }
    }
}

/// The id to carry as a value, if the table generates one. `None` when it cannot be told whether it does, or which.
#[expect(clippy::option_option, reason = "no answer, or the answer that there is none")]
fn generated_id<'i>(
    info: &'i TableInfo,
    columns: &[Name<'_>],
    row: &[Value<'_>],
    insert_id: Option<u64>,
) -> Option<Option<GeneratedId<'i>>> {
    let Some(auto) = info.auto_increment() else {
        return Some(None);
    };
    let place = columns
        .iter()
        .position(|name| info.column(name.as_bytes()) == Some(auto));
    match place.map(|place| row.get(place)) {
        Some(Some(Value::Int(given))) if *given > 0 => Some(None),
        None | Some(Some(Value::Null | Value::Default)) => Some(Some(GeneratedId {
            column: &info.columns[auto].name,
            id: i64::try_from(insert_id?).ok()?,
            place,
        })),
        // 0 generates an id or not, by sql_mode.
        Some(_) => None,
    }
}

/// Whether the conditions are the primary key and nothing else.
fn names_only_the_key(info: &TableInfo, equal: &[(Name<'_>, Value<'_>)]) -> bool {
    let Some(Some(key)) = info.unique_keys.first() else {
        return false;
    };
    equal.iter().all(|(name, _)| {
        info.column(name.as_bytes())
            .is_some_and(|column| key.contains(&column))
    })
}

/// Takes the literals out of the text.
fn fill<'a>(
    source: &'a [u8],
    literals: &Literals<'_>,
    text: ClientText,
    generated: Option<&GeneratedId<'_>>,
) -> Option<Template<'a>> {
    let mut template = Template::new(source);
    let missing = generated.filter(|id| id.place.is_none());
    if let (Some(id), Some(end)) = (missing, literals.columns_end) {
        template.copy_to(end)?;
        template.add(b",");
        template.add(&quoted(id.column)?);
    }
    let mut missing_value = missing;
    for (place, literal) in literals.list.iter().enumerate() {
        if let Some(id) = missing_value.take_if(|_| literal.start >= literals.row_end) {
            add_id(&mut template, literals, id)?;
        }
        let is_id = generated.is_some_and(|id| id.place.is_some() && id.place == literal.column);
        match &literal.value {
            LiteralValue::Null | LiteralValue::Default if is_id => {
                template.copy_to(literal.start)?;
                template.generated_id(generated?.id);
            }
            // Part of the shape.
            LiteralValue::Null | LiteralValue::Default => continue,
            value => {
                template.copy_to(literal.start)?;
                let kind = put_literal(&mut template.values, value, text)?;
                template.parameter(Parameter::Literal(place), kind);
            }
        }
        template.copied = literal.end;
    }
    if let Some(id) = missing_value {
        add_id(&mut template, literals, id)?;
    }
    template.copy_to(source.len())?;
    Some(template)
}

/// Adds the id behind the last value of the row.
fn add_id(template: &mut Template<'_>, literals: &Literals<'_>, id: &GeneratedId<'_>) -> Option<()> {
    template.copy_to(literals.row_end)?;
    template.add(b",");
    if literals.columns_end.is_none() {
        template.add(&quoted(id.column)?);
        template.add(b"=");
    }
    template.generated_id(id.id);
    Some(())
}

/// The name between backticks; `None` when it would depend on the client's character set.
fn quoted(name: &[u8]) -> Option<Vec<u8>> {
    let is_plain = name.is_ascii() && !name.contains(&b'`');
    is_plain.then(|| [b"`", name, b"`"].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_sql::{Dialect, parse, recognise_literals};

    fn template(text: &str, id: Option<(Option<usize>, i64)>) -> (String, usize) {
        let dialect = Dialect::default();
        let statement = parse(text.as_bytes(), &dialect).unwrap();
        let (_, literals) = recognise_literals(text.as_bytes(), &statement, &dialect).unwrap();
        let column = Bytes::from_static(b"id");
        let generated = id.map(|(place, id)| GeneratedId {
            column: &column,
            id,
            place,
        });
        let utf8 = ClientText::Utf8 { bytes_max: 4 };
        let filled = fill(text.as_bytes(), &literals, utf8, generated.as_ref()).unwrap();
        (String::from_utf8(filled.text).unwrap(), filled.types.len())
    }

    #[test]
    fn ids_of_the_source_become_values() {
        for (text, id, expected, count) in [
            (
                "INSERT INTO t (a,b) VALUES (1,NULL)",
                None,
                "INSERT INTO t (a,b) VALUES (?,NULL)",
                1,
            ),
            (
                "INSERT INTO t (a,b) VALUES (1,NULL)",
                Some((Some(1), 7)),
                "INSERT INTO t (a,b) VALUES (?,?)",
                2,
            ),
            (
                "INSERT INTO t (a,b) VALUES (1,NOW())",
                Some((None, 7)),
                "INSERT INTO t (a,b,`id`) VALUES (?,NOW(),?)",
                2,
            ),
            (
                "INSERT INTO t SET a=1, b='x'",
                Some((None, 7)),
                "INSERT INTO t SET a=?, b=?,`id`=?",
                3,
            ),
            (
                "INSERT INTO t (a) VALUES (1) ON DUPLICATE KEY UPDATE a=2",
                None,
                "INSERT INTO t (a) VALUES (?) ON DUPLICATE KEY UPDATE a=?",
                2,
            ),
        ] {
            assert_eq!(template(text, id), (expected.to_owned(), count), "{text}");
        }
    }

    #[test]
    fn only_text_is_taken() {
        let utf8 = ClientText::Utf8 { bytes_max: 3 };
        assert!(utf8.holds("caf\u{e9}".as_bytes()));
        assert!(!utf8.holds("\u{1f600}".as_bytes()), "four bytes");
        assert!(!utf8.holds(b"caf\xe9"), "not UTF-8");
        assert!(ClientText::OneByte.holds(b"caf\xe9"));
    }
}
