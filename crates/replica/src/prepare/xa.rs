//! Groups that prepare or complete an XA transaction.

use std::collections::HashMap;

use smallvec::SmallVec;
use tributary_binlog::{EventGroup, GroupEnd, GroupItem, XaId};
use tributary_schedule::{Access, Scope};

use super::{Draft, Preparer};
use crate::catalog::TableUseDraft;
use crate::xa::{XaChange, XaStep};

/// Prepared transactions whose tables are remembered; the completion of any other is a barrier for everything.
const FOOTPRINTS_MAX: usize = 1000;

/// What prepared XA transactions touch: their completion, which names no table, touches the same.
#[derive(Debug, Default)]
pub(crate) struct XaFootprints {
    by_id: HashMap<XaId, (SmallVec<[TableUseDraft; 2]>, Scope)>,
}

impl Preparer {
    /// What the group does to an XA transaction, if it is about one.
    pub(super) fn xa_change(&self, group: &EventGroup) -> Option<Box<XaChange>> {
        let (step, id) = match &group.end_kind {
            // A commit in one phase is a commit.
            GroupEnd::XaPrepare(end) if end.one_phase => return None,
            GroupEnd::XaPrepare(end) => (XaStep::Prepare, &end.xid),
            _ => {
                let gtid = group.gtid.as_ref().filter(|gtid| gtid.flags.is_completed_xa())?;
                (completion(&group.items)?, gtid.xid.as_deref()?)
            }
        };
        let change = XaChange::new(step, id.clone(), &self.schema, &self.connection);
        Some(Box::new(change))
    }
}

/// What the only statement of the group does; the server writes these words itself.
fn completion(items: &[GroupItem]) -> Option<XaStep> {
    let [GroupItem::Statement(statement)] = items else {
        return None;
    };
    match &statement.query.query {
        text if text.starts_with(b"XA COMMIT ") => Some(XaStep::Commit),
        text if text.starts_with(b"XA ROLLBACK ") => Some(XaStep::Rollback),
        _ => None,
    }
}

impl XaFootprints {
    /// Completes the footprint of a group, and remembers that of one that prepares.
    pub(super) fn note(&mut self, xa: &XaChange, draft: &mut Draft) {
        draft.is_alone = true;
        if xa.step != XaStep::Prepare {
            match self.by_id.remove(&xa.source) {
                // What touches nothing must still come behind the group that has prepared it.
                Some((tables, scope)) if !tables.is_empty() => {
                    draft.tables = tables;
                    draft.scope = scope;
                }
                _ => draft.scope = Scope::Everything,
            }
            return;
        }
        if self.by_id.len() < FOOTPRINTS_MAX {
            let mut tables = draft.tables.clone();
            tables.iter_mut().for_each(|used| used.access = Access::Whole);
            self.by_id.insert(xa.source.clone(), (tables, draft.scope));
        }
    }
}
