//! What a client does next.

use std::path::PathBuf;
use std::sync::Arc;

use super::Kinds;
use super::grammar::Grammar;
use super::model::{Change, Model};
use super::session::Session;
use super::table::Table;
use crate::random::Random;

/// Statements that belong together, sent one after the other. One that fails does not keep the others from being sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Step {
    pub(super) work: Vec<Work>,
    /// Sent when a statement failed, whatever comes of it: what brings the session back to where steps begin.
    pub(super) cleanup: Vec<String>,
    /// Whether another client may end a statement of it: all its tables can be rolled back.
    pub(super) killable: bool,
}

/// One thing to send.
#[derive(Clone, Debug)]
pub(super) struct Work {
    pub(super) sql: Vec<u8>,
    /// What the client's file is to hold meanwhile.
    pub(super) file: Option<Vec<u8>>,
    /// What becomes of the model when the server has done it.
    pub(super) then: Option<Change>,
}

impl From<String> for Work {
    fn from(sql: String) -> Work {
        Work::from(sql.into_bytes())
    }
}

impl From<&str> for Work {
    fn from(sql: &str) -> Work {
        Work::from(sql.as_bytes().to_vec())
    }
}

impl From<Vec<u8>> for Work {
    fn from(sql: Vec<u8>) -> Work {
        Work {
            sql,
            file: None,
            then: None,
        }
    }
}

impl Step {
    pub(super) fn new<W: Into<Work>>(work: impl IntoIterator<Item = W>) -> Step {
        Step {
            work: work.into_iter().map(Into::into).collect(),
            ..Step::default()
        }
    }

    pub(super) fn one(work: impl Into<Work>) -> Step {
        Step::new([work.into()])
    }

    pub(super) fn changing(sql: impl Into<Work>, change: Change) -> Step {
        Step::one(Work {
            then: Some(change),
            ..sql.into()
        })
    }

    pub(super) fn push(&mut self, work: impl Into<Work>) {
        self.work.push(work.into());
    }
}

/// What a generator works with.
pub(super) struct Surroundings {
    pub(super) model: Arc<Model>,
    pub(super) kinds: Kinds,
    pub(super) grammar: Grammar,
    /// The file this client has for `LOAD DATA`.
    pub(super) file: PathBuf,
}

/// One client's choices. They follow from the seed, and from what the model holds when they are made.
pub(super) struct Generator {
    pub(super) random: Random,
    pub(super) session: Session,
    pub(super) model: Arc<Model>,
    pub(super) kinds: Kinds,
    /// Counted from 0.
    pub(super) client: usize,
    /// The file this client has for `LOAD DATA`.
    pub(super) file: PathBuf,
}

impl Generator {
    pub(super) fn new(seed: u64, client: usize, surroundings: Surroundings) -> Generator {
        let Surroundings {
            model,
            mut kinds,
            grammar,
            file,
        } = surroundings;
        kinds.sequences &= !grammar.is_mysql();
        let mut session = Session::new(grammar);
        session.clock = kinds.clock;
        session.unsafe_functions = kinds.unsafe_functions;
        Generator {
            random: Random::new(seed ^ ((client as u64 + 1) << 40)),
            session,
            model,
            kinds,
            client,
            file,
        }
    }

    /// What to do next.
    pub(super) fn next_step(&mut self) -> Step {
        if self.session.is_forced_statement() {
            return self.next_exact_step();
        }
        let kinds = self.kinds;
        match self.random.below(200) {
            0..=7 if kinds.sessions => Step::new(self.session.change(&mut self.random, &kinds)),
            8..=13 if kinds.ddl => self.ddl(),
            14..=23 if kinds.transactions => self.transaction(),
            24..=27 if kinds.xa => self.xa(),
            28..=33 if kinds.temporary_tables => self.temporary_tables(),
            34..=39 if kinds.load_data => self.load_data(),
            40..=44 if kinds.routines && !self.session.oracle => self.call(),
            45 if kinds.routines && self.kinds.ddl => self.define_routine(),
            46..=48 if kinds.triggers && self.kinds.ddl => self.define_trigger(),
            49 if kinds.views => self.define_view(),
            50..=52 if kinds.sequences => self.sequence(),
            53..=54 if kinds.foreign_keys => self.foreign_keys(),
            55 if kinds.partitions => self.partition(),
            56 if kinds.events => self.event(),
            57..=59 => self.ignored_rows(),
            60..=64 => self.insert_select_step(),
            65..=69 => self.multi_table_step(),
            70..=74 if kinds.prepared => self.prepared(),
            _ => self.rows_step(),
        }
    }

    /// Under `binlog_format=STATEMENT`: statements that do the same wherever they are repeated.
    fn next_exact_step(&mut self) -> Step {
        if self.kinds.sessions && self.random.once_in(12) {
            return Step::new(self.session.change(&mut self.random, &self.kinds));
        }
        let (clock, unsafe_functions) = (self.session.clock, self.session.unsafe_functions);
        self.session.unsafe_functions = false;
        let step = match self.pick_table(|table| table.is_plain() && !table.is_ignored) {
            Some(table) => {
                let work = match self.random.below(5) {
                    0..=2 => self.insert(&table),
                    3 => self.update(&table),
                    _ => self.delete(&table),
                };
                Step::one(work)
            }
            None => Step::default(),
        };
        (self.session.clock, self.session.unsafe_functions) = (clock, unsafe_functions);
        step
    }

    pub(super) fn pick_table(&mut self, wanted: impl Fn(&Table) -> bool) -> Option<Arc<Table>> {
        self.model.pick(&mut self.random, wanted)
    }

    /// One statement, or a few in one packet, each outside a transaction.
    fn rows_step(&mut self) -> Step {
        let Some(table) = self.pick_table(|table| !table.is_ignored) else {
            return self.create_table();
        };
        let count = if self.random.once_in(3) {
            1
        } else {
            1 + self.random.below(10)
        };
        let mut step = Step {
            killable: table.is_transactional() && !table.has_trigger,
            ..Step::default()
        };
        if count > 4 && self.kinds.packets && self.random.once_in(2) {
            let statements: Vec<Vec<u8>> = (0..count).map(|_| self.row_statement(&table)).collect();
            step.push(statements.join(&b"; "[..]));
            return step;
        }
        for _ in 0..count {
            let statement = self.row_statement(&table);
            step.push(statement);
        }
        step
    }

    /// One statement that adds, changes or removes rows of a table.
    pub(super) fn row_statement(&mut self, table: &Table) -> Vec<u8> {
        let mut sql = match self.random.below(20) {
            0..=10 => self.insert(table),
            11..=15 => self.update(table),
            _ => self.delete(table),
        };
        self.decorate(&mut sql);
        sql
    }

    /// Comments around a statement that look like code.
    pub(super) fn decorate(&mut self, sql: &mut Vec<u8>) {
        match self.random.below(30) {
            0 => sql.splice(0..0, *b"/* asterisk.t1 */ ").for_each(drop),
            1 => sql.splice(0..0, *b"-- USE tools\n").for_each(drop),
            2 => sql.extend_from_slice(b" -- asterisk.`t2`"),
            3 => sql.extend_from_slice(b" # it's \"asterisk\".t"),
            4 => sql.extend_from_slice(b" /*!99999 AND asterisk.t */"),
            5 => sql.splice(0..0, *b"\n\t ").for_each(drop),
            6 => sql.splice(0..0, *b"/*M!100000 */").for_each(drop),
            _ => {}
        }
        // A comment to the end of the line must not hide the next statement of a packet.
        if sql.windows(3).any(|bytes| bytes == b" # " || bytes == b" --") {
            sql.push(b'\n');
        }
    }

    fn ignored_rows(&mut self) -> Step {
        let Some(table) = self.pick_table(|table| table.is_ignored) else {
            return Step::default();
        };
        let statement = self.row_statement(&table);
        Step::one(statement)
    }

    fn insert_select_step(&mut self) -> Step {
        let Some(table) = self.pick_table(|table| !table.is_ignored) else {
            return Step::default();
        };
        let Some(from) = self.pick_table(|table| !table.is_ignored) else {
            return Step::default();
        };
        let statement = self.insert_select(&table, &from);
        Step::one(statement)
    }

    fn multi_table_step(&mut self) -> Step {
        let pick = |table: &Table| !table.is_ignored && !table.may_be_prepared() && table.has_unique_id();
        let (Some(one), Some(two)) = (self.pick_table(pick), self.pick_table(pick)) else {
            return Step::default();
        };
        // Half-way failures of statements over both sorts of engine depend on the order of rows.
        if one.number == two.number || one.is_transactional() != two.is_transactional() {
            return Step::default();
        }
        let statement = self.multi_table(&one, &two);
        Step::one(statement)
    }
}

/// Tables a source begins with.
const TABLES_AT_START: usize = 10;

impl Generator {
    /// What a source begins with.
    pub(super) fn opening(&mut self) -> Vec<Step> {
        let mut steps =
            vec![Step::new(super::DATABASES.map(|database| {
                format!("CREATE DATABASE IF NOT EXISTS {database}")
            }))];
        steps.push(Step::one("USE asterisk"));
        for (index, name) in super::IGNORED_TABLES.into_iter().enumerate() {
            let number = self.model.new_number();
            let mut table = Table::random(number, self.session.grammar, &mut self.random);
            table.database = "asterisk";
            name.clone_into(&mut table.name);
            table.is_ignored = true;
            table.engine = if index == 0 { "InnoDB" } else { "MyISAM" };
            table.is_versioned = false;
            steps.push(Step::changing(
                table.create(&self.session, &mut self.random),
                Change::Put(Arc::new(table)),
            ));
        }
        for _ in 0..TABLES_AT_START {
            steps.push(self.create_table());
        }
        steps
    }
}
