//! Gtid (162): the beginning of a group.

use bytes::Bytes;

use crate::error::DecodeError;
use crate::events::xa::XaId;
use crate::gtid::Gtid;
use crate::header::{HEADER_BYTES, Header};
use crate::reader::Reader;

/// What the source says about the group that begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GtidFlags(pub u8);

impl GtidFlags {
    /// The group is this event and one statement; no commit follows.
    pub const STANDALONE: u8 = 0x01;
    /// A commit id follows: groups with an equal one committed together.
    pub const GROUP_COMMIT_ID: u8 = 0x02;
    /// All changes can be rolled back.
    pub const TRANSACTIONAL: u8 = 0x04;
    /// `skip_parallel_replication` was off.
    pub const ALLOWS_PARALLEL: u8 = 0x08;
    /// The source set this when the group waited for a row lock: such groups tend to conflict again.
    pub const WAITED: u8 = 0x10;
    /// The group holds DDL.
    pub const DDL: u8 = 0x20;
    /// The group ends with XA PREPARE.
    pub const PREPARED_XA: u8 = 0x40;
    /// XA COMMIT or XA ROLLBACK of an earlier group.
    pub const COMPLETED_XA: u8 = 0x80;

    fn has(self, bit: u8) -> bool {
        self.0 & bit != 0
    }

    /// Whether the group is this event and one statement, without a commit.
    #[must_use]
    pub fn is_standalone(self) -> bool {
        self.has(GtidFlags::STANDALONE)
    }

    /// Whether all changes can be rolled back.
    #[must_use]
    pub fn is_transactional(self) -> bool {
        self.has(GtidFlags::TRANSACTIONAL)
    }

    /// Whether the group may be applied in parallel: `skip_parallel_replication` was off.
    #[must_use]
    pub fn allows_parallel(self) -> bool {
        self.has(GtidFlags::ALLOWS_PARALLEL)
    }

    /// Whether the group waited for a row lock on the source.
    #[must_use]
    pub fn waited(self) -> bool {
        self.has(GtidFlags::WAITED)
    }

    /// Whether the group holds DDL.
    #[must_use]
    pub fn is_ddl(self) -> bool {
        self.has(GtidFlags::DDL)
    }

    /// Whether the group ends with XA PREPARE.
    #[must_use]
    pub fn is_prepared_xa(self) -> bool {
        self.has(GtidFlags::PREPARED_XA)
    }

    /// Whether the group is the XA COMMIT or XA ROLLBACK of an earlier one.
    #[must_use]
    pub fn is_completed_xa(self) -> bool {
        self.has(GtidFlags::COMPLETED_XA)
    }

    /// The names of the flags that are set, for people.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        const NAMES: [(u8, &str); 8] = [
            (GtidFlags::STANDALONE, "standalone"),
            (GtidFlags::GROUP_COMMIT_ID, "group_commit_id"),
            (GtidFlags::TRANSACTIONAL, "transactional"),
            (GtidFlags::ALLOWS_PARALLEL, "allow_parallel"),
            (GtidFlags::WAITED, "waited"),
            (GtidFlags::DDL, "ddl"),
            (GtidFlags::PREPARED_XA, "prepared_xa"),
            (GtidFlags::COMPLETED_XA, "completed_xa"),
        ];
        NAMES
            .into_iter()
            .filter_map(move |(bit, name)| self.has(bit).then_some(name))
    }
}

/// Which half of a two-phase ALTER (`binlog_alter_two_phase=1`) the group is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlterPhase {
    /// The ALTER has begun on the source.
    Start,
    /// It succeeded; `start_sequence` is the sequence of the GTID of its [`AlterPhase::Start`], same domain and server.
    Commit {
        /// See the variant.
        start_sequence: u64,
    },
    /// It failed; `start_sequence` as in [`AlterPhase::Commit`].
    Rollback {
        /// See the variant.
        start_sequence: u64,
    },
}

/// The beginning of a group.
///
/// # Wire form
/// Sequence `u64`, domain `u32`, flags `u8`; then, if the flags say so, commit id `u64` and XA id; then, unless only
/// padding is left, extra flags `u8` with their fields. Zeros to the end. MariaDB protocol documentation, page
/// "GTID_EVENT"; server `sql/log_event.cc`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GtidEvent {
    /// The group's id; the server id is the header's.
    pub gtid: Gtid,
    /// What the source says about the group.
    pub flags: GtidFlags,
    /// Groups with an equal id committed together on the source, so they do not conflict.
    pub commit_id: Option<u64>,
    /// The XA transaction the group prepares or completes.
    pub xid: Option<Box<XaId>>,
    /// Further flags of newer servers, raw.
    pub flags_extra: u8,
    /// How many engines besides the first took part, less one; `0xff` if unknown.
    pub extra_engines: Option<u8>,
    /// Which half of a two-phase ALTER this is.
    pub alter: Option<AlterPhase>,
    /// The source's session, from 11.5 on.
    pub thread_id: Option<u64>,
}

impl GtidEvent {
    const EXTRA_MULTI_ENGINE: u8 = 0x01;
    const EXTRA_START_ALTER: u8 = 0x02;
    const EXTRA_COMMIT_ALTER: u8 = 0x04;
    const EXTRA_ROLLBACK_ALTER: u8 = 0x08;
    /// MDEV-7850.
    const EXTRA_THREAD_ID: u8 = 0x10;

    pub(crate) fn decode(header: &Header, body: &Bytes) -> Result<GtidEvent, DecodeError> {
        let mut reader = Reader::new(body, header.kind, HEADER_BYTES);
        let sequence = reader.u64("sequence")?;
        let domain = reader.u32("domain")?;
        let flags = GtidFlags(reader.u8("flags")?);
        let mut event = GtidEvent {
            gtid: Gtid {
                domain,
                server: header.server_id,
                sequence,
            },
            flags,
            commit_id: None,
            xid: None,
            flags_extra: 0,
            extra_engines: None,
            alter: None,
            thread_id: None,
        };
        if flags.has(GtidFlags::GROUP_COMMIT_ID) {
            event.commit_id = Some(reader.u64("commit id")?);
        }
        if flags.is_prepared_xa() || flags.is_completed_xa() {
            let format_id = reader.u32("XA format id")?;
            let gtrid_length = usize::from(reader.u8("XA gtrid length")?);
            let bqual_length = usize::from(reader.u8("XA bqual length")?);
            event.xid = Some(Box::new(XaId::decode(
                &mut reader,
                format_id,
                gtrid_length,
                bqual_length,
            )?));
        }
        if !reader.is_at_end() {
            event.decode_extra(&mut reader)?;
        }
        Ok(event)
    }

    fn decode_extra(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        let extra = reader.u8("extra flags")?;
        self.flags_extra = extra;
        if extra & GtidEvent::EXTRA_MULTI_ENGINE != 0 {
            self.extra_engines = Some(reader.u8("extra engines")?);
        }
        if extra & GtidEvent::EXTRA_START_ALTER != 0 {
            self.alter = Some(AlterPhase::Start);
        }
        if extra & (GtidEvent::EXTRA_COMMIT_ALTER | GtidEvent::EXTRA_ROLLBACK_ALTER) != 0 {
            let start_sequence = reader.u64("sequence of START ALTER")?;
            self.alter = Some(if extra & GtidEvent::EXTRA_COMMIT_ALTER != 0 {
                AlterPhase::Commit { start_sequence }
            } else {
                AlterPhase::Rollback { start_sequence }
            });
        }
        if extra & GtidEvent::EXTRA_THREAD_ID != 0 {
            // Eight bytes since MDEV-7850; a four-byte form is taken as well, told apart by what is left.
            self.thread_id = Some(if reader.left() >= 8 {
                reader.u64("thread id")?
            } else {
                u64::from(reader.u32("thread id")?)
            });
        }
        Ok(())
    }
}
