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
                let (step, written) = completion(&group.items)?;
                let known = group.gtid.as_ref().and_then(|gtid| gtid.xid.as_deref().cloned());
                let id = known.or_else(|| parse_id(written))?;
                return Some(self.xa_change_of(step, id));
            }
        };
        Some(self.xa_change_of(step, id.clone()))
    }

    fn xa_change_of(&self, step: XaStep, id: XaId) -> Box<XaChange> {
        Box::new(XaChange::new(step, id, &self.schema, &self.connection))
    }
}

/// What the only statement of the group does, and the id as it is written there; the server writes these words itself.
fn completion(items: &[GroupItem]) -> Option<(XaStep, &[u8])> {
    let [GroupItem::Statement(statement)] = items else {
        return None;
    };
    let text = &statement.query.query;
    let commit = text.strip_prefix(b"XA COMMIT ").map(|id| (XaStep::Commit, id));
    commit.or_else(|| Some((XaStep::Rollback, text.strip_prefix(b"XA ROLLBACK ")?)))
}

/// `X'6162',X'',1`, for sources whose GTIDs do not carry the id.
fn parse_id(text: &[u8]) -> Option<XaId> {
    let text = std::str::from_utf8(text).ok()?;
    let mut parts = text.split(',');
    let mut hex = || {
        let digits = parts.next()?.trim().strip_prefix("X'")?.strip_suffix('\'')?;
        let pair = |index: usize| u8::from_str_radix(digits.get(index..index + 2)?, 16).ok();
        (0..digits.len())
            .step_by(2)
            .map(pair)
            .collect::<Option<Vec<u8>>>()
    };
    let (gtrid, bqual) = (hex()?, hex()?);
    let format_id = parts.next()?.trim().parse().ok()?;
    (parts.next().is_none() && gtrid.len() <= 64 && bqual.len() <= 64).then(|| XaId {
        format_id,
        gtrid: gtrid.into(),
        bqual: bqual.into(),
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_the_server_writes_them() {
        let id = parse_id(b"X'6162',X'',7").unwrap();
        assert_eq!(
            (&id.gtrid[..], &id.bqual[..], id.format_id),
            (&b"ab"[..], &b""[..], 7)
        );
        assert_eq!(parse_id(id.to_string().as_bytes()), Some(id));
        let long = format!("X'{}',X'',1", "61".repeat(65));
        for wrong in [
            "X'616',X'',1",
            "X'61'",
            "X'61',X'',",
            "X'61',X'',1,2",
            "'a','',1",
            "X'6\u{e9}',X'',1",
            &long,
        ] {
            assert_eq!(parse_id(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
