//! Statements of a kind seen before: what is known of them is not found out again.
//!
//! The first statement of a kind is read in full. What was concluded from it holds for every other that has the same outline,
//! session and tables, and differs only in literals that are values beside its shape: then one pass over the bytes is
//! enough. Whatever else a conclusion could rest on is either compared here (the catalogue's entry, literals that are part of
//! the shape), or keeps the statement from this path (temporary tables, user variables, expected errors).

use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;
use tributary_binlog::{Header, QueryEvent};
use tributary_rules::Tolerance;
use tributary_schedule::{Access, QuickMap};
use tributary_sql::{Dialect, LiteralValue, Literals, Outline, StatementKind};

use super::shapes::{ClientText, Parameter, RowsWritten, put_literal};
use super::statement::Given;
use super::{Draft, Preparer};
use crate::bulk::{BulkRow, Shape};
use crate::catalog::{TableInfo, TableName, TableUseDraft};
use crate::change::StatementChange;
use crate::context::{Context, target_sql_mode};
use crate::keys::{KeyPlan, Keys};
use crate::temporary::SourceThread;

/// Patterns kept; with more, all are found anew.
const PATTERNS_MAX: usize = 2048;

/// Patterns of one outline: sessions, and literals that are part of the shape.
const VARIANTS_MAX: usize = 8;

/// Longest statement that is looked up.
const TEXT_BYTES_MAX: usize = 64 << 10;

/// The patterns of one connection.
#[derive(Debug, Default)]
pub(crate) struct Patterns {
    known: QuickMap<Box<[u8]>, Vec<Arc<Pattern>>>,
    count: usize,
    /// Of the statement looked at last.
    outline: Outline,
}

/// What is known of the statements of one kind.
#[derive(Debug)]
struct Pattern {
    /// The default database, as the source names it.
    database: Bytes,
    context: Arc<Context>,
    /// Literals that are part of the shape, by their number in the outline.
    fixed: Vec<(usize, Box<[u8]>)>,
    /// Where the other literals are; `None` for a NULL or DEFAULT, which is part of the shape.
    literals: Vec<Option<Place>>,
    /// The literal that is the row's own automatic id: it has to be positive.
    given_id: Option<usize>,
    parameters: Vec<Parameter>,
    client_text: ClientText,
    shape: Arc<Shape>,
    /// The keys of the rows; `None`: the statement does not tell them, and the table is taken whole.
    keys: Option<KeyPlan>,
    table: TableName,
    info: Arc<TableInfo>,
    /// The table in the target's names.
    full_name: (Bytes, Bytes),
    kind: StatementKind,
    is_one_row: bool,
    is_joinable: bool,
    may_generate_id: bool,
    may_be_mapped: bool,
    tolerance: Arc<Tolerance>,
}

/// A literal in the outline.
#[derive(Debug, Clone, Copy)]
struct Place {
    number: usize,
    is_negative: bool,
}

/// What a statement has been found to be, beside its change.
pub(super) struct Found<'a> {
    pub(super) rows: RowsWritten<'a>,
    pub(super) parameters: Vec<Parameter>,
    pub(super) may_be_mapped: bool,
}

impl Patterns {
    /// Forgets all: statements are read in another way from here on.
    pub(crate) fn clear(&mut self) {
        self.known.clear();
        self.count = 0;
    }

    /// The pattern of a statement whose outline has been read.
    fn find(&self, query: &QueryEvent, known_flags: u32) -> Option<&Arc<Pattern>> {
        let variants = self.known.get(self.outline.key())?;
        variants
            .iter()
            .find(|pattern| pattern.is_of(query, &self.outline, known_flags))
    }

    fn add(&mut self, pattern: Pattern) {
        if self.count >= PATTERNS_MAX {
            self.clear();
        }
        let variants = self.known.entry(self.outline.key().into()).or_default();
        // One whose table has changed since.
        let is_replaced = |known: &Arc<Pattern>| {
            known.database == pattern.database
                && known.context == pattern.context
                && known.fixed == pattern.fixed
        };
        let before = variants.len();
        variants.retain(|known| !is_replaced(known));
        if variants.len() == VARIANTS_MAX {
            variants.remove(0);
        }
        variants.push(Arc::new(pattern));
        self.count = self.count + variants.len() - before;
    }
}

impl Pattern {
    fn is_of(&self, query: &QueryEvent, outline: &Outline, known_flags: u32) -> bool {
        let same_literal = |(number, text): &(usize, Box<[u8]>)| {
            let literal = outline.literals().get(*number);
            literal.and_then(|literal| query.query.get(literal.start..literal.end)) == Some(text)
        };
        let sql_mode = target_sql_mode(query.status.sql_mode, self.may_be_mapped);
        self.database == query.db
            && self
                .context
                .is_of(query, &self.context.database, sql_mode, known_flags)
            && self.fixed.iter().all(same_literal)
    }

    /// The row of a statement that is of this pattern; `None` when its literals are such that it must be read in full.
    fn row(
        &self,
        text: &[u8],
        dialect: &Dialect,
        outline: &Outline,
        insert_id: Option<u64>,
    ) -> Option<(BulkRow, Option<Keys>)> {
        let mut literals = SmallVec::<[LiteralValue<'_>; 16]>::new();
        for place in &self.literals {
            literals.push(match place {
                Some(place) => place.value(text, outline, dialect)?,
                None => LiteralValue::Null,
            });
        }
        let has_id = |place| matches!(literals.get(place), Some(LiteralValue::Int(1..)));
        if !self.given_id.is_none_or(has_id) {
            return None;
        }
        // A value takes some bytes more than its literal.
        const VALUE_BYTES: usize = 9;
        let all = outline.literals().iter();
        let room = all
            .map(|literal| literal.end - literal.start + VALUE_BYTES)
            .sum::<usize>();
        let mut values = Vec::with_capacity(room + VALUE_BYTES);
        for parameter in &self.parameters {
            let generated;
            let literal = match parameter {
                Parameter::Literal(place) => literals.get(*place)?,
                Parameter::GeneratedId => {
                    generated = LiteralValue::Int(i64::try_from(insert_id?).ok()?);
                    &generated
                }
            };
            put_literal(&mut values, literal, self.client_text)?;
        }
        let keys = match &self.keys {
            Some(plan) => Some(plan.keys(&self.info, &literals, insert_id)?),
            None => None,
        };
        let row = BulkRow {
            shape: self.shape.clone(),
            values,
            keys: keys.clone().unwrap_or_default(),
        };
        Some((row, keys))
    }
}

impl Place {
    fn value<'a>(self, text: &'a [u8], outline: &Outline, dialect: &Dialect) -> Option<LiteralValue<'a>> {
        let literal = outline.literals().get(self.number)?;
        let value = literal.value(text, dialect)?;
        Some(match value {
            LiteralValue::Int(number) if self.is_negative => LiteralValue::Int(-number),
            LiteralValue::Decimal(_) if self.is_negative => {
                LiteralValue::Decimal(text.get(literal.start.checked_sub(1)?..literal.end)?)
            }
            value => value,
        })
    }
}

impl Preparer {
    /// The change of a statement of a kind seen before, whose text is taken out.
    pub(super) fn change_by_pattern(
        &mut self,
        header: &Header,
        query: &mut QueryEvent,
        given: &Given,
        server_id: u32,
        draft: &mut Draft,
    ) -> Option<StatementChange> {
        let dialect = self.dialect(query);
        if !self.may_have_pattern(header, query, given, (server_id, query.thread_id), &dialect) {
            return None;
        }
        let pattern = self.patterns.find(query, self.known_flags)?;
        let info = self.catalog.info(pattern.table.id)?;
        if !Arc::ptr_eq(&info, &pattern.info) {
            return None;
        }
        let (row, keys) = pattern.row(&query.query, &dialect, &self.patterns.outline, given.insert_id)?;
        draft.may_be_mapped |= pattern.may_be_mapped;
        draft.add_table(TableUseDraft {
            name: pattern.table,
            access: match keys {
                Some(keys) if info.is_transactional => Access::Keys(keys),
                _ => Access::Whole,
            },
            info: Some(info),
            is_written: true,
        });
        Some(StatementChange {
            text: std::mem::take(&mut query.query),
            kind: pattern.kind,
            context: pattern.context.clone(),
            timestamp: (header.timestamp, query.status.microseconds),
            inputs: None,
            insert_id: given.insert_id,
            expected_error: 0,
            is_one_row: pattern.is_one_row,
            is_joinable: pattern.is_joinable,
            may_generate_id: pattern.may_generate_id,
            table: Some(pattern.full_name.clone()),
            effects: Vec::new(),
            positional: None,
            tolerance: pattern.tolerance.clone(),
            divergence: None,
            kept_engine: None,
            bulk: Some(row),
        })
    }

    /// Whether nothing but the statement itself decides what it does; reads its outline.
    fn may_have_pattern(
        &mut self,
        header: &Header,
        query: &QueryEvent,
        given: &Given,
        thread: SourceThread,
        dialect: &Dialect,
    ) -> bool {
        let is_plain = query.error_code == 0
            && !header.is_thread_specific()
            && !header.suppresses_use()
            && given.last_insert_id.is_none()
            && given.rand.is_none()
            && given.user_vars.is_empty()
            && !self.temporary.knows(thread);
        is_plain
            && query.status.table_map_for_update.is_none()
            && query.query.len() <= TEXT_BYTES_MAX
            && self.patterns.outline.read(&query.query, dialect)
    }

    /// Keeps what was found out of a statement, for others of its kind.
    pub(super) fn keep_pattern(
        &mut self,
        header: &Header,
        query: &QueryEvent,
        given: &Given,
        server_id: u32,
        change: &StatementChange,
        found: Found<'_>,
    ) {
        let dialect = self.dialect(query);
        if !self.may_have_pattern(header, query, given, (server_id, query.thread_id), &dialect) {
            return;
        }
        let Some(pattern) = self.pattern(query, change, found) else {
            return;
        };
        // The statement at hand must come out as it has.
        let again = pattern.row(&query.query, &dialect, &self.patterns.outline, given.insert_id);
        let is_same = |(row, _): &(BulkRow, _)| {
            change
                .bulk
                .as_ref()
                .is_some_and(|known| known.values == row.values && known.keys == row.keys)
        };
        if again.as_ref().is_some_and(is_same) {
            self.patterns.add(pattern);
        }
    }

    fn pattern(&self, query: &QueryEvent, change: &StatementChange, found: Found<'_>) -> Option<Pattern> {
        let Found { rows, parameters, .. } = found;
        let (literals, fixed) = placed(&query.query, &self.patterns.outline, &rows.literals)?;
        let given_id = rows.info.auto_increment().and_then(|auto| {
            let place = rows.place_of(auto)?;
            rows.literals
                .list
                .iter()
                .position(|literal| literal.column == Some(place))
                .filter(|literal| literals.get(*literal).is_some_and(Option::is_some))
        });
        let keys = match &rows.keys {
            Some(_) => Some(KeyPlan::new(
                &rows.info,
                &rows.statement,
                &rows.literals.list,
                &rows.literals.conditions,
            )?),
            None => None,
        };
        Some(Pattern {
            // Copies: slices would keep all that was read with them.
            database: Bytes::copy_from_slice(&query.db),
            context: change.context.clone(),
            fixed,
            literals,
            given_id,
            parameters,
            client_text: self.client_text(&change.context)?,
            shape: change.bulk.as_ref()?.shape.clone(),
            keys,
            table: rows.name,
            info: rows.info,
            full_name: change
                .table
                .as_ref()
                .map(|(database, table)| (Bytes::copy_from_slice(database), table.clone()))?,
            kind: change.kind,
            is_one_row: change.is_one_row,
            is_joinable: change.is_joinable,
            may_generate_id: change.may_generate_id,
            may_be_mapped: found.may_be_mapped,
            tolerance: change.tolerance.clone(),
        })
    }
}

/// Literals that are part of a statement's shape, by their number in the outline.
type Fixed = Vec<(usize, Box<[u8]>)>;

/// Which literal of the outline each one of the statement is, and those that are part of the shape. `None` when one of the
/// statement is not in the outline.
fn placed(text: &[u8], outline: &Outline, literals: &Literals<'_>) -> Option<(Vec<Option<Place>>, Fixed)> {
    let all = outline.literals();
    let mut places = Vec::with_capacity(literals.list.len());
    for literal in &literals.list {
        if matches!(literal.value, LiteralValue::Null | LiteralValue::Default) {
            places.push(None);
            continue;
        }
        let number = all.iter().position(|known| known.end == literal.end)?;
        let before = text.get(literal.start..all.get(number)?.start)?;
        if !matches!(before, b"" | b"-") {
            return None;
        }
        places.push(Some(Place {
            number,
            is_negative: before == b"-",
        }));
    }
    let is_fixed = |number: &usize| !places.iter().flatten().any(|place| place.number == *number);
    let fixed = (0..all.len()).filter(is_fixed).map(|number| {
        let literal = all.get(number)?;
        Some((number, text.get(literal.start..literal.end)?.into()))
    });
    let fixed = fixed.collect::<Option<Fixed>>()?;
    Some((places, fixed))
}

#[cfg(test)]
mod tests;
