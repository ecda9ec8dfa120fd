//! Rows of a table without any index, changed together: a row event has the server read the table once for each row.
//!
//! The rows that must be there go into a temporary table, and a join tells how often each of them is. Only when none is
//! missing, one join deletes and one updates, in place, as many rows as the changes come to (`set_rows/fold.rs`); what is
//! left over, rows of which the table has more than are to change and new ones, goes as row events. Where a row is missing
//! nothing has been written, and the changes go one by one as ever, with the error at the row that is missing.

use std::sync::Arc;

use tributary_binlog::{Header, RowImage, RowsEvent, RowsOp, TableMap};
use tributary_client::{Error as ClientError, ServerError, StatementResult};
use tributary_schedule::{Scope, TableId};

use super::burst::{Step, single};
use super::plan::{PlanStep, Planned};
use super::rows::{STATEMENT_EVENTS_BYTES, encoded_len, is_same_layout};
use super::{Login, reaction};
use crate::change::{Change, RowsChange};
use crate::context::quote_name;
use crate::images::{Form, write_values};

mod fold;

use fold::{Fold, Net};

/// Most rows of one set, and most bytes of their images: the temporary table holds up to twice as much.
const ROWS_MAX: usize = 200_000;
const BYTES_MAX: usize = 16 << 20;

/// Most different rows that go as row events after all. With more of them, all go one by one.
const OTHERS_MAX: usize = 1000;

/// Text of the temporary table's rows in one packet, in bytes.
const PACKET_BYTES: usize = 256 << 10;

/// What becomes of the rows that are like a row of the temporary table.
const STAYS: u8 = 0;
const IS_UPDATED: u8 = 1;
const IS_DELETED: u8 = 2;

/// Settings under which the statements mean what they say. All of them are set again for the next statement of the source.
const SETTINGS: &str =
    "SET NAMES utf8mb4, sql_mode='STRICT_ALL_TABLES,ALLOW_INVALID_DATES', time_zone='+00:00'";

/// Settings that only these statements have: each row of the table is looked at once, and updated where it stands.
const FOR_JOIN: &str =
    "SET STATEMENT join_cache_level=0,sql_select_limit=18446744073709551615,sql_safe_updates=0 FOR ";

/// How a set of changes ended.
pub(super) enum SetEnd {
    /// What changes the rows is under way.
    Sent,
    /// Nothing was written: the changes must go one by one.
    Untouched,
    /// The target had an error; nothing was written.
    Failed(ServerError),
}

/// Changes of one table that are still being gathered.
struct Open {
    table: TableId,
    step: usize,
    first: usize,
    rows: usize,
    bytes: usize,
}

/// Brings changes of tables without an index together, as far as nothing else touches the table in between, and if at least
/// `rows_min` rows must be found: the statements have a price of their own.
pub(super) fn gather(
    steps: Vec<PlanStep>,
    changes: &[Planned<'_>],
    is_final: bool,
    rows_min: usize,
) -> Vec<PlanStep> {
    if !changes.iter().any(|planned| suits(planned, is_final).is_some()) {
        return steps;
    }
    let mut gathered: Vec<PlanStep> = Vec::with_capacity(steps.len());
    let mut open: Vec<Open> = Vec::new();
    for step in steps {
        let PlanStep::One(index) = step else {
            // Rows that are inserted here may be changed by what comes behind; other statements and events are of tables with keys.
            if let PlanStep::Bulk(rows) = &step {
                let bulk = rows.first().and_then(|index| changes[*index].bulk());
                let table = bulk.map(|(_, row)| row.shape.table);
                open.retain(|open| Some(open.table) != table);
            }
            gathered.push(step);
            continue;
        };
        let planned = &changes[index];
        let Some((rows, table)) = suits(planned, is_final) else {
            let group = planned.group;
            let touches = |open: &Open| group.tables.iter().any(|used| used.name.id == open.table);
            open.retain(|open| group.scope == Scope::Tables && !touches(open));
            gathered.push(step);
            continue;
        };
        let bytes = rows.item.events.iter().map(|(_, event)| event.rows.len()).sum();
        let known = open.iter_mut().find(|open| open.table == table);
        if let Some(open) = known
            && open.rows + rows.row_count <= ROWS_MAX
            && open.bytes + bytes <= BYTES_MAX
            && suits(&changes[open.first], is_final).is_some_and(|(first, _)| is_of_same_table(first, rows))
            && let Some(PlanStep::Set(set)) = gathered.get_mut(open.step)
        {
            set.push(index);
            open.rows += rows.row_count;
            open.bytes += bytes;
            continue;
        }
        open.retain(|open| open.table != table);
        if rows.row_count <= ROWS_MAX && bytes <= BYTES_MAX {
            open.push(Open {
                table,
                step: gathered.len(),
                first: index,
                rows: rows.row_count,
                bytes,
            });
            gathered.push(PlanStep::Set(vec![index]));
        } else {
            gathered.push(step);
        }
    }
    let mut worth = Vec::with_capacity(gathered.len());
    for step in gathered {
        match step {
            PlanStep::Set(set) if searched_rows(&set, changes) < rows_min.max(1) => {
                worth.extend(set.into_iter().map(PlanStep::One));
            }
            step => worth.push(step),
        }
    }
    worth
}

/// The rows of a change that may be part of a set.
fn suits<'a>(planned: &Planned<'a>, is_final: bool) -> Option<(&'a RowsChange, TableId)> {
    let Change::Rows(rows) = planned.change else {
        return None;
    };
    let table = rows.read_through.as_ref()?.table;
    // A group is made as a whole or not at all, also when something later in its run fails.
    (!is_final || planned.group.changes.len() == 1).then_some((rows, table))
}

/// Rows that must be found.
fn searched_rows(set: &[usize], changes: &[Planned<'_>]) -> usize {
    let count = |index: &usize| match changes[*index].change {
        Change::Rows(rows) => {
            let mut events = rows.item.events.iter();
            let has_searched = events.any(|(_, event)| event.op != RowsOp::Write);
            if has_searched { rows.row_count } else { 0 }
        }
        Change::Statement(_) | Change::Load(_) => 0,
    };
    set.iter().map(count).sum()
}

/// Whether the target would read the rows of both in the same way.
fn is_of_same_table(a: &RowsChange, b: &RowsChange) -> bool {
    let (Some((_, map_a)), Some((_, map_b))) = (a.item.maps.first(), b.item.maps.first()) else {
        return false;
    };
    let flags = |event: &RowsEvent| event.flags & !RowsEvent::FLAG_STATEMENT_END;
    let Some((header, event)) = a.item.events.first() else {
        return false;
    };
    let mut events = a.item.events.iter().chain(&b.item.events);
    (Arc::ptr_eq(map_a, map_b) || map_a.body == map_b.body)
        && a.databases == b.databases
        && is_same_layout(&a.format, &b.format)
        && std::ptr::eq(&*a.source, &*b.source)
        && events.all(|(other_header, other)| {
            other_header.server_id == header.server_id && flags(other) == flags(event)
        })
}

/// A row by its bytes.
#[derive(Debug, Clone, Copy)]
struct Image<'a> {
    bytes: &'a [u8],
    cells: RowImage<'a>,
}

impl PartialEq for Image<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Image<'_> {}

impl std::hash::Hash for Image<'_> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.bytes.hash(state);
    }
}

/// A set of changes, read.
struct Set<'a> {
    change: &'a RowsChange,
    map: &'a TableMap,
    header: &'a Header,
    event: &'a RowsEvent,
    net: Net<Image<'a>>,
    statements: Statements,
    forms: Vec<Form>,
}

impl<'a> Set<'a> {
    /// `None` when the changes must go one by one.
    fn read(set: &[usize], changes: &[Planned<'a>], schema: &str) -> Option<Self> {
        let mut fold = Fold::new();
        let mut first = None;
        for index in set {
            let Change::Rows(change) = changes.get(*index)?.change else {
                return None;
            };
            if !matches!(change.source.resolve(change), Ok(None)) {
                return None;
            }
            let (_, map) = change.item.maps.first()?;
            for (_, event) in &change.item.events {
                for row in event.row_images(map) {
                    let row = row.ok()?;
                    let middle = row.before.map_or(0, |before| before.size_bytes());
                    let (before, after) = row.raw.split_at_checked(middle)?;
                    let image = |bytes| move |cells| Image { bytes, cells };
                    fold.change(row.before.map(image(before)), row.after.map(image(after)));
                }
            }
            first.get_or_insert(change);
        }
        let change: &RowsChange = first?;
        let (_, map) = change.item.maps.first()?;
        let (header, event) = change.item.events.first()?;
        let info = &change.read_through.as_ref()?.info;
        let forms = Form::all(info, map)?;
        let names: Option<Vec<String>> = info.columns.iter().map(|column| quoted(&column.name)).collect();
        let names = names?;
        let table = format!("{}.{}", quoted(change.databases.first()?)?, quoted(&map.table)?);
        let net = fold.finish();
        let updates = |after: &Option<Image<'_>>| after.is_some();
        let statements = Statements {
            conditions: conditions(&table, &names, &forms),
            table,
            stage: format!("{}.set_rows", quoted(schema.as_bytes())?),
            names,
            has_updates: net
                .changed
                .iter()
                .any(|fates| fates.common().is_some_and(|after| updates(&after))),
        };
        Some(Self {
            change,
            map,
            header,
            event,
            net,
            statements,
            forms,
        })
    }

    /// What becomes of the rows like the one at `place`, by the joins.
    fn fate(&self, place: usize) -> u8 {
        let fates = &self.net.changed[place];
        match fates.common() {
            Some(None) => IS_DELETED,
            Some(Some(after)) if after != fates.before => IS_UPDATED,
            _ => STAYS,
        }
    }

    /// The statement that brings rows into the temporary table, from this place on until it is long enough, and the place it ends at.
    /// `None` when a value cannot be written.
    fn insert(&self, first: usize, bytes: usize) -> Option<(Vec<u8>, usize)> {
        let mut text = self.statements.insert().into_bytes();
        let mut place = first;
        while let Some(fates) = self.net.changed.get(place)
            && (place == first || text.len() < bytes)
        {
            if place > first {
                text.push(b',');
            }
            let fate = self.fate(place);
            text.extend_from_slice(format!("({place},{fate}").as_bytes());
            write_values(&self.forms, self.map, &fates.before.cells, &mut text)?;
            if self.statements.has_updates {
                let after = fates.common().flatten().filter(|_| fate == IS_UPDATED);
                let after = after.unwrap_or(fates.before);
                write_values(&self.forms, self.map, &after.cells, &mut text)?;
            }
            text.push(b')');
            place += 1;
        }
        Some((text, place))
    }

    /// Compares how often each row is there with how often it must be. `None` when one is missing; else the rows, by their
    /// places, that the joins must leave alone since there are more of them than are to change.
    fn others(&self, counts: &[(usize, u64)]) -> Option<Vec<usize>> {
        if counts.len() != self.net.changed.len() {
            return None;
        }
        let mut others = Vec::new();
        for (place, count) in counts {
            let fates = self.net.changed.get(*place)?;
            let needed = fates.after.len() as u64;
            if *count < needed {
                return None;
            }
            let is_mixed = fates.common().is_none();
            if is_mixed || *count > needed && self.fate(*place) != STAYS {
                others.push(*place);
            }
        }
        others.sort_unstable();
        (others.len() <= OTHERS_MAX).then_some(others)
    }

    /// The statements that change the rows, all but the others, and how many rows each of them changes.
    fn joins(&self, others: &[usize]) -> Vec<(String, Option<u64>)> {
        let statements = &self.statements;
        let mut texts = Vec::new();
        if !others.is_empty() {
            texts.push((statements.leave_alone(others), None));
        }
        let (deleted, updated) = self.expected(others);
        for (count, text) in [(deleted, statements.delete()), (updated, statements.update())] {
            if count > 0 {
                texts.push((text, Some(count)));
            }
        }
        texts.push((statements.drop(), None));
        texts
    }

    /// How many rows the joins delete and update.
    fn expected(&self, others: &[usize]) -> (u64, u64) {
        let (mut deleted, mut updated) = (0, 0);
        for (place, fates) in self.net.changed.iter().enumerate() {
            let count = match others.binary_search(&place) {
                Ok(_) => 0,
                Err(_) => fates.after.len() as u64,
            };
            match self.fate(place) {
                IS_DELETED => deleted += count,
                IS_UPDATED => updated += count,
                _ => {}
            }
        }
        (deleted, updated)
    }

    /// What the joins leave over, as rows of events.
    fn rest(&self, others: &[usize]) -> [(RowsOp, Vec<Vec<&'a [u8]>>); 3] {
        let (mut updates, mut deletes) = (Vec::new(), Vec::new());
        for place in others {
            let fates = &self.net.changed[*place];
            for after in fates.differing() {
                match after {
                    Some(after) => updates.push(vec![fates.before.bytes, after.bytes]),
                    None => deletes.push(vec![fates.before.bytes]),
                }
            }
        }
        let inserts = self.net.inserted.iter().map(|image| vec![image.bytes]);
        [
            (RowsOp::Delete, deletes),
            (RowsOp::Update, updates),
            (RowsOp::Write, inserts.collect()),
        ]
    }

    /// An event for rows of this kind, without them.
    fn event(&self, op: RowsOp) -> RowsEvent {
        RowsEvent {
            op,
            flags: self.event.flags | RowsEvent::FLAG_STATEMENT_END,
            present_after: (op == RowsOp::Update).then(|| self.event.present.clone()),
            rows: bytes::Bytes::new(),
            ..self.event.clone()
        }
    }
}

/// The statements of a set.
struct Statements {
    table: String,
    stage: String,
    names: Vec<String>,
    /// That a row of the table is like one of the temporary table, `s`.
    conditions: String,
    has_updates: bool,
}

impl Statements {
    fn columns(&self, prefix: char) -> Vec<String> {
        (0..self.names.len())
            .map(|place| format!("{prefix}{place}"))
            .collect()
    }

    /// Columns `b0` and so on hold the row as it was, `a0` and so on as it will be.
    fn create(&self) -> String {
        let mut columns = Vec::new();
        let prefixes = if self.has_updates { &['b', 'a'][..] } else { &['b'] };
        for prefix in prefixes {
            let names = self.names.iter().enumerate();
            columns.extend(names.map(|(place, name)| format!("{name} AS {prefix}{place}")));
        }
        format!(
            "CREATE OR REPLACE TEMPORARY TABLE {} (hash BIGINT UNSIGNED, id INT UNSIGNED, fate TINYINT, KEY (hash)) \
             ENGINE=MyISAM SELECT {} FROM {} LIMIT 0",
            self.stage,
            columns.join(","),
            self.table
        )
    }

    /// Not as a generated column: the server allows none that depends on the text of some types.
    fn hash(&self) -> String {
        format!(
            "{FOR_JOIN}UPDATE {} SET hash={}",
            self.stage,
            hash(&self.columns('b'))
        )
    }

    fn insert(&self) -> String {
        let mut columns = self.columns('b');
        if self.has_updates {
            columns.extend(self.columns('a'));
        }
        format!(
            "INSERT INTO {} (id,fate,{}) VALUES ",
            self.stage,
            columns.join(",")
        )
    }

    fn join(&self) -> String {
        let Self {
            table,
            stage,
            conditions,
            ..
        } = self;
        format!("{table} STRAIGHT_JOIN {stage} AS s ON {conditions}")
    }

    fn count(&self) -> String {
        format!(
            "{FOR_JOIN}SELECT s.id,COUNT(*) FROM {} GROUP BY s.id ORDER BY NULL",
            self.join()
        )
    }

    fn leave_alone(&self, places: &[usize]) -> String {
        let places: Vec<String> = places.iter().map(usize::to_string).collect();
        format!(
            "{FOR_JOIN}UPDATE {} SET fate={STAYS} WHERE id IN ({})",
            self.stage,
            places.join(",")
        )
    }

    fn delete(&self) -> String {
        format!(
            "{FOR_JOIN}DELETE {} FROM {} AND s.fate={IS_DELETED}",
            self.table,
            self.join()
        )
    }

    fn update(&self) -> String {
        let names = self.names.iter().enumerate();
        let values: Vec<String> = names
            .map(|(place, name)| format!("{}.{name}=s.a{place}", self.table))
            .collect();
        format!(
            "{FOR_JOIN}UPDATE {} AND s.fate={IS_UPDATED} SET {}",
            self.join(),
            values.join(",")
        )
    }

    fn drop(&self) -> String {
        format!("DROP TEMPORARY TABLE IF EXISTS {}", self.stage)
    }
}

/// Columns go by their full names: without a default database, `DELETE` knows no alias.
fn conditions(table: &str, names: &[String], forms: &[Form]) -> String {
    let columns: Vec<String> = names.iter().map(|name| format!("{table}.{name}")).collect();
    let mut text = format!("s.hash={}", hash(&columns));
    for (place, (column, form)) in columns.iter().zip(forms).enumerate() {
        text.push_str(" AND ");
        text.push_str(&form.condition(column, &format!("s.b{place}")));
    }
    text
}

/// A number that rows with the same values share, by which they are looked up: two factors below 2^32 never overflow.
fn hash(columns: &[String]) -> String {
    let part = |(place, column): (usize, &String)| {
        let factor = 0x9e37_79b1_u32.wrapping_mul(2 * place as u32 + 1) >> 1 | 1;
        format!("(IFNULL(CRC32({column}),{place})*{factor})")
    };
    let parts: Vec<String> = columns.iter().enumerate().map(part).collect();
    parts.join("^")
}

fn quoted(name: &[u8]) -> Option<String> {
    let mut text = Vec::new();
    quote_name(name, &mut text);
    String::from_utf8(text).ok()
}

impl Login {
    /// Adds a set to the burst, as [`Login::add_change`] does; what it does must be undone when anything fails.
    pub(super) async fn add_set(
        &mut self,
        set: &[usize],
        changes: &[Planned<'_>],
    ) -> Result<(), ClientError> {
        if !self.settle().await? {
            return Ok(());
        }
        match self.take_set(set, changes).await? {
            SetEnd::Sent => return Ok(()),
            SetEnd::Untouched => {}
            SetEnd::Failed(error) if !reaction::is_transient(&error) => {
                tracing::debug!(%error, "rows are not found together");
                self.forget_after_error().await?;
            }
            // It may have undone the transaction.
            SetEnd::Failed(error) => {
                let first = set.first().copied().unwrap_or_default();
                self.refuse(Step::Change(first), error);
                return Ok(());
            }
        }
        for index in set {
            self.add_change(changes[*index].change, *index).await?;
        }
        Ok(())
    }

    /// Makes the changes of a set. Nothing may be in flight; afterwards the joins are, and row events for the rest: where changes
    /// are final, in one packet.
    pub(super) async fn take_set(
        &mut self,
        set: &[usize],
        changes: &[Planned<'_>],
    ) -> Result<SetEnd, ClientError> {
        let Some(read) = Set::read(set, changes, &self.schema) else {
            return Ok(SetEnd::Untouched);
        };
        let others = match self.others(&read).await? {
            Ok(others) => others,
            Err(end) => {
                self.own_statement(read.statements.drop().as_bytes()).await?;
                return Ok(end);
            }
        };
        let index = set.first().copied().unwrap_or_default();
        if !read.net.changed.is_empty() {
            self.add_own(Step::Change(index), &read.joins(&others));
        }
        for (op, rows) in read.rest(&others) {
            let event = read.event(op);
            let mut rows = &rows[..];
            while !rows.is_empty() {
                let mut bytes = 0;
                let count = rows.iter().take_while(|row| {
                    let fits = bytes < STATEMENT_EVENTS_BYTES;
                    bytes += row.iter().map(|image| image.len()).sum::<usize>();
                    fits
                });
                let (now, left) = rows.split_at(count.count());
                let images = now.iter().flatten().copied();
                self.add_images(read.change, index, (read.header, &event), images)
                    .await?;
                rows = left;
            }
        }
        self.end_set(set);
        Ok(SetEnd::Sent)
    }

    /// Fills the temporary table and counts: the rows, by their places, that the joins must leave alone. Nothing is written yet.
    async fn others(&mut self, set: &Set<'_>) -> Result<Result<Vec<usize>, SetEnd>, ClientError> {
        let mut others = Vec::new();
        if !set.net.changed.is_empty() {
            self.session.forget();
            let counts = match self.count_set(set).await? {
                Ok(results) => counts(&results),
                Err(end) => return Ok(Err(end)),
            };
            match counts.and_then(|counts| set.others(&counts)) {
                Some(found) => others = found,
                None => {
                    let table = &set.statements.table;
                    tracing::debug!(%table, "a row is missing, or too many are there more often: row by row");
                    return Ok(Err(SetEnd::Untouched));
                }
            }
        }
        let joins: usize = set.joins(&others).iter().map(|(text, _)| text.len()).sum();
        let rest = set.rest(&others);
        let images = rest.iter().flat_map(|(_, rows)| rows.iter().flatten());
        let rest: usize = images.map(|image| image.len()).sum();
        let length = joins + if self.is_final() { encoded_len(rest) } else { 0 };
        if length > self.packet_bytes_max / 2 {
            return Ok(Err(SetEnd::Untouched));
        }
        Ok(Ok(others))
    }

    /// Fills the temporary table, and counts; what the target says of each statement.
    async fn count_set(
        &mut self,
        set: &Set<'_>,
    ) -> Result<Result<Vec<StatementResult>, SetEnd>, ClientError> {
        let bytes = PACKET_BYTES.min(self.packet_bytes_max / 2);
        let statements = &set.statements;
        let mut results = Vec::new();
        let mut text = format!("{SETTINGS};\n{}", statements.create()).into_bytes();
        let mut place = 0;
        while place < set.net.changed.len() {
            let Some((insert, next)) = set.insert(place, bytes) else {
                return Ok(Err(SetEnd::Untouched));
            };
            place = next;
            if text.len() + insert.len() <= bytes {
                text.extend_from_slice(b";\n");
                text.extend_from_slice(&insert);
                continue;
            }
            match self.own(&text).await? {
                Ok(more) => results.extend(more),
                Err(end) => return Ok(Err(end)),
            }
            text = insert;
        }
        let last = format!("{};\n{}", statements.hash(), statements.count());
        for text in [&text[..], last.as_bytes()] {
            match self.own(text).await? {
                Ok(more) => results.extend(more),
                Err(end) => return Ok(Err(end)),
            }
        }
        Ok(Ok(results))
    }

    /// Executes statements that do not touch the table.
    async fn own(&mut self, text: &[u8]) -> Result<Result<Vec<StatementResult>, SetEnd>, ClientError> {
        if text.len() > self.packet_bytes_max {
            return Ok(Err(SetEnd::Untouched));
        }
        let outcome = single(&mut self.client, text).await?;
        self.has_old_errors |= outcome.is_err();
        Ok(outcome.map_err(SetEnd::Failed))
    }
}

/// How often each row is there, if every row of the temporary table went in as it was written: without a warning.
fn counts(results: &[StatementResult]) -> Option<Vec<(usize, u64)>> {
    let (last, others) = results.split_last()?;
    let has_warnings = |result: &StatementResult| match result {
        StatementResult::Ok(info) => info.warnings > 0,
        StatementResult::Rows(_) => false,
    };
    let StatementResult::Rows(counts) = last else {
        return None;
    };
    if others.iter().any(has_warnings) {
        return None;
    }
    let number = |row: &tributary_client::Row, place| row.text(place)?.parse::<u64>().ok();
    let counts = counts
        .rows
        .iter()
        .map(|row| Some((usize::try_from(number(row, 0)?).ok()?, number(row, 1)?)));
    counts.collect()
}
