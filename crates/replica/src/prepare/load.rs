//! `LOAD DATA`: its statement, judged and renamed like any other, and its file.

use tributary_binlog::{DuplicateHandling, LoadDataItem, QueryEvent};
use tributary_sql as sql;

use super::statement::Given;
use super::{Draft, Place, Preparer};
use crate::change::{Change, LoadChange, LoadInSteps};
use crate::context::quote_name;
use crate::error::{StopReason, number};

/// The table that stands between a file and its table, in the engine's own database.
const STEP: &str = "half_loaded";

impl Preparer {
    pub(super) fn prepare_load(
        &mut self,
        item: LoadDataItem,
        server_id: u32,
        draft: &mut Draft,
        place: &Place<'_>,
    ) -> Result<(), StopReason> {
        let LoadDataItem {
            header,
            file_id,
            blocks,
            query,
            fn_start,
            fn_end,
            duplicates,
            insert_id,
            last_insert_id,
            rand,
            user_vars,
        } = item;
        let given = Given {
            insert_id,
            last_insert_id,
            rand,
            user_vars,
            has_file: true,
        };
        // The file is done with even if its statement is filtered.
        let file = self.spool.take(header.server_id, file_id, blocks);
        let Some(mut statement) = self.change(&header, &query, given, server_id, draft, place)? else {
            return Ok(());
        };
        // The clause stands before every name that can be renamed, so its place in the text is unchanged.
        let dialect = self.dialect(&query);
        let (before, after) = (statement.text.get(..fn_start), statement.text.get(fn_end..));
        let (Some(before), Some(after), true) = (
            before,
            after,
            sql::is_file_clause(&statement.text, fn_start..fn_end, &dialect),
        ) else {
            return Err(place.stop(
                number::RELAY_READ_FAILURE,
                "LOAD DATA names its file outside its own text",
            ));
        };
        let keyword: &[u8] = match duplicates {
            DuplicateHandling::Replace => b" REPLACE",
            DuplicateHandling::Ignore => b" IGNORE",
            DuplicateHandling::Error => b"",
        };
        let with =
            |keyword: &[u8]| [before, b" LOCAL INFILE 'from-source'", keyword, b" INTO", after].concat();
        let has_errors = duplicates == DuplicateHandling::Error;
        let in_steps = if has_errors && query.error_code != 0 {
            self.in_steps(&with(b" REPLACE"), &query)
        } else {
            None
        };
        statement.text = with(keyword).into();
        draft.is_alone = true;
        draft.spooled_bytes = draft.spooled_bytes.saturating_add(file.spooled_bytes());
        draft.changes.push(Change::Load(Box::new(LoadChange {
            statement,
            file,
            has_errors,
            in_steps,
        })));
        Ok(())
    }

    /// The statements for a load that ended half way; `text` is the renamed statement, which does not ignore errors.
    fn in_steps(&self, text: &[u8], query: &QueryEvent) -> Option<LoadInSteps> {
        let dialect = self.dialect(query);
        let parts = sql::load_parts(text, &dialect)?;
        let table = text.get(parts.table.clone())?;
        let before = text.get(..parts.table.start)?;
        let after = text.get(parts.table.end..)?;
        let step = [b"`", &self.schema[..], b"`.", STEP.as_bytes()].concat();
        let mut columns = Vec::new();
        for (index, column) in parts.columns.iter().enumerate() {
            if index > 0 {
                columns.push(b',');
            }
            quote_name(column, &mut columns);
        }
        Some(LoadInSteps {
            // The definition alone decides what it is.
            create: [
                b"SET STATEMENT sql_mode='' FOR CREATE TEMPORARY TABLE ",
                &step[..],
                b" ENGINE=MyISAM SELECT ",
                &columns,
                b" FROM ",
                table,
                b" LIMIT 0",
            ]
            .concat(),
            load: [before, &step, after].concat(),
            insert: [
                b"INSERT INTO ",
                table,
                b" (",
                &columns,
                b") SELECT ",
                &columns,
                b" FROM ",
                &step,
            ]
            .concat(),
            drop: [b"DROP TEMPORARY TABLE IF EXISTS ", &step[..]].concat(),
        })
    }
}
