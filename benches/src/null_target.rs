//! `null-target FILE...`: binlog files through the engine's reading half, into nothing.
//!
//! Every event is decoded, groups are assembled, statements parsed, filtered and renamed, every cell of every row found,
//! and each group goes through the scheduler to workers that are done at once. What is missing of a replica is the target:
//! its catalogue, its sessions, and the packets for it.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result};
use tributary_binlog::file::BinlogFile;
use tributary_binlog::{Assembled, EventGroup, GroupAssembler, GroupItem, RowsItem, StatementItem};
use tributary_rules::{Decision, Filter, FilterKind, Rewrite};
use tributary_schedule::{
    Access, Action, ConnectionId, Coordinator, DatabaseId, Footprint, GroupId, GroupInfo, GroupKind,
    GroupSeq, Limits, RunId, Scope, TableId, TableUse,
};
use tributary_sql::{Dialect, parse, rename};

use crate::workload::{SOURCE_DATABASE, target_database};

/// Groups handed to the scheduler at once, as the engine does with a backlog.
const GROUPS_AT_ONCE: usize = 128;

/// What went through.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Passed {
    pub(crate) groups: u64,
    pub(crate) statements: u64,
    pub(crate) rows: u64,
}

/// Reads the files one after the other; says on standard output what went through.
///
/// # Errors
/// A file that cannot be read to its end, a statement that is not understood.
pub(crate) fn run(files: &[&str]) -> Result<()> {
    let mut passed = Passed::default();
    for file in files {
        NullTarget::new(&mut passed)?
            .read(Path::new(file))
            .with_context(|| format!("read {file}"))?;
    }
    println!(
        "{} groups, {} statements, {} rows",
        passed.groups, passed.statements, passed.rows
    );
    Ok(())
}

/// One connection to nowhere.
struct NullTarget<'a> {
    filter: Filter,
    rewrite: Rewrite,
    dialect: Dialect,
    tables: HashMap<(Vec<u8>, Vec<u8>), TableId>,
    coordinator: Coordinator,
    connection: ConnectionId,
    next: GroupSeq,
    /// Runs that have been handed out: whether all of it may be executed, and whether it may commit.
    running: HashMap<RunId, (bool, bool)>,
    passed: &'a mut Passed,
}

impl NullTarget<'_> {
    fn new(passed: &mut Passed) -> Result<NullTarget<'_>> {
        let mut filter = Filter::new();
        filter.add(
            FilterKind::IgnoreTable,
            &format!("{SOURCE_DATABASE}.vicidial_live_agents"),
        )?;
        let mut rewrite = Rewrite::new();
        rewrite.add(&format!("{SOURCE_DATABASE}->{}", target_database(1)))?;
        let mut coordinator = Coordinator::new(Limits::default());
        let connection = coordinator.add_connection(GroupSeq(0));
        Ok(NullTarget {
            filter,
            rewrite,
            dialect: Dialect::default(),
            tables: HashMap::new(),
            coordinator,
            connection,
            next: GroupSeq(1),
            running: HashMap::new(),
            passed,
        })
    }

    fn read(mut self, path: &Path) -> Result<()> {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        let mut file = BinlogFile::open(&name, File::open(path)?)?;
        let mut assembler = GroupAssembler::new(file.coordinates());
        let mut waiting = 0;
        for item in file.by_ref() {
            let (_, event) = item?;
            if let Some(Assembled::Group(group)) = assembler.push(event)? {
                self.take(&group).with_context(|| group.name())?;
                waiting += 1;
            }
            if waiting == GROUPS_AT_ONCE {
                self.work();
                waiting = 0;
            }
        }
        self.work();
        Ok(())
    }

    fn take(&mut self, group: &EventGroup) -> Result<()> {
        let mut footprint = Footprint {
            tables: Default::default(),
            scope: Scope::Tables,
        };
        for item in &group.items {
            match item {
                GroupItem::Statement(item) => self.statement(item, &mut footprint)?,
                GroupItem::Rows(item) => self.rows(item, &mut footprint)?,
                GroupItem::LoadData(_) | GroupItem::LoadFile(_) => footprint.scope = Scope::Everything,
            }
        }
        let kind = match footprint.scope {
            Scope::Tables => GroupKind::Tables,
            _ => GroupKind::Alone,
        };
        self.passed.groups += 1;
        self.coordinator.group_arrived(GroupInfo {
            id: GroupId {
                connection: self.connection,
                seq: self.next,
            },
            kind,
            footprint,
            bytes: group.bytes,
            commit_id: group.gtid.as_ref().and_then(|gtid| gtid.commit_id),
            pinned: None,
        });
        self.next = GroupSeq(self.next.0 + 1);
        Ok(())
    }

    fn statement(&mut self, item: &StatementItem, footprint: &mut Footprint) -> Result<()> {
        let query = &item.query;
        let statement = parse(&query.query, &self.dialect)?;
        if self.filter.decide(&query.db, &statement) != Decision::Apply {
            return Ok(());
        }
        let rewrite = &self.rewrite;
        let map = |database: &[u8]| {
            rewrite
                .is_mapped(database)
                .then(|| rewrite.target_name(database).to_vec())
        };
        let renamed = rename(&query.query, &statement, &map)?;
        std::hint::black_box(&renamed);
        for table in statement.changed_tables() {
            let database = table.db.as_deref().unwrap_or(&query.db);
            let used = self.used(database, &table.table);
            footprint.tables.push(used);
        }
        if !statement.kind.is_dml() {
            footprint.scope = Scope::Everything;
        }
        self.passed.statements += 1;
        Ok(())
    }

    fn rows(&mut self, item: &RowsItem, footprint: &mut Footprint) -> Result<()> {
        for (_, event) in &item.events {
            let map = item.map(event.table_id).context("rows without their table")?;
            if !self.filter.accepts_table(&map.db, &map.table).accepted {
                continue;
            }
            for row in event.row_images(map) {
                let row = row?;
                let images = [row.before, row.after];
                let cells = images.iter().flatten().flat_map(|image| image.cells());
                std::hint::black_box(
                    cells
                        .filter_map(|cell| cell.value())
                        .map(<[u8]>::len)
                        .sum::<usize>(),
                );
                self.passed.rows += 1;
            }
            let used = self.used(&map.db, &map.table);
            footprint.tables.push(used);
        }
        Ok(())
    }

    fn used(&mut self, database: &[u8], table: &[u8]) -> TableUse {
        let count = self.tables.len() as u32;
        let name = (self.rewrite.target_name(database).to_vec(), table.to_vec());
        TableUse {
            table: *self.tables.entry(name).or_insert(TableId(count)),
            database: DatabaseId(0),
            access: Access::Whole,
        }
    }

    /// Carries out what the scheduler wants until it wants nothing more.
    fn work(&mut self) {
        loop {
            while let Some(action) = self.coordinator.next_action() {
                match action {
                    Action::Start(run) => {
                        let is_free = run.free == run.groups.len();
                        self.running.insert(run.id, (is_free, run.may_commit));
                    }
                    Action::Release(run) => self.note(run, |state| state.0 = true),
                    Action::AllowCommit(run) => self.note(run, |state| state.1 = true),
                    Action::Cancel(_) | Action::Advance(..) | Action::Drained(_) => {}
                }
            }
            let done: Vec<RunId> = self
                .running
                .iter()
                .filter(|(_, state)| **state == (true, true))
                .map(|(run, _)| *run)
                .collect();
            if done.is_empty() {
                return;
            }
            for run in done {
                self.running.remove(&run);
                self.coordinator.run_committed(run);
            }
        }
    }

    fn note(&mut self, run: RunId, change: impl FnOnce(&mut (bool, bool))) {
        if let Some(state) = self.running.get_mut(&run) {
            change(state);
        }
    }
}
