//! Follows a stream from group to group without reading what the groups hold.
//!
//! For whoever stores or passes on events: it tells after each event where reading may resume, at a fraction of the cost of
//! decoding. [`GroupAssembler`] says the same of the same stream.

use bytes::Bytes;

use crate::checksum::{self, CHECKSUM_BYTES, ChecksumAlgorithm};
use crate::coordinates::Coordinates;
use crate::error::DecodeError;
use crate::event_type::EventType;
use crate::events::{FormatDescription, GtidFlags, GtidList, Rotate, RowsEvent};
use crate::group::stream_offset::StreamOffset;
use crate::group::{Assembled, GroupAssembler, GroupError};
use crate::gtid::{Gtid, GtidPos};
use crate::header::{HEADER_BYTES, Header};
use crate::mysql::ReplicaDecoder;

/// Why an event cannot stand where it stands.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TrackError {
    /// It is not what the format says.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// It does not follow from the events before it.
    #[error(transparent)]
    Group(#[from] GroupError),
}

/// The group that has begun.
#[derive(Debug, Clone, Copy)]
struct Inside {
    gtid: Gtid,
    is_standalone: bool,
}

/// Follows a stream from group to group; see the module.
#[derive(Debug)]
pub struct GroupTracker {
    stream: StreamOffset,
    /// The end of the last complete group or stand-alone event.
    safe: Coordinates,
    /// As `safe`, but only a group that ends leads back.
    resume: Coordinates,
    /// The newest GTIDs up to there.
    gtid_pos: GtidPos,
    inside: Option<Inside>,
    checksum: ChecksumAlgorithm,
    /// Groups of other sources than MariaDB are told by their statements, which takes reading them.
    assembler: Option<Box<(ReplicaDecoder, GroupAssembler)>>,
}

impl GroupTracker {
    /// A tracker for a stream that begins at `start`, where the GTID position is `gtid_pos` as far as it is known. `first` is
    /// the algorithm of the events before the first Format_description.
    #[must_use]
    pub fn new(start: Coordinates, gtid_pos: GtidPos, first: ChecksumAlgorithm) -> GroupTracker {
        GroupTracker {
            stream: StreamOffset::new(&start),
            safe: start.clone(),
            resume: start,
            gtid_pos,
            inside: None,
            checksum: first,
            assembler: None,
        }
    }

    /// The end of the last complete group or stand-alone event, as [`GroupAssembler::coordinates`].
    #[must_use]
    pub fn coordinates(&self) -> &Coordinates {
        &self.safe
    }

    /// Where reading may resume, by these coordinates as well as by [`GroupTracker::gtid_pos`]. A stream that was asked for by GTID
    /// begins before the groups that have been received already, which moves [`GroupTracker::coordinates`] back, and not this.
    #[must_use]
    pub fn resume(&self) -> &Coordinates {
        &self.resume
    }

    /// The newest GTIDs up to [`GroupTracker::resume`].
    #[must_use]
    pub fn gtid_pos(&self) -> &GtidPos {
        &self.gtid_pos
    }

    /// Sets what was not known when the stream began.
    pub fn set_gtid_pos(&mut self, gtid_pos: GtidPos) {
        self.gtid_pos = gtid_pos;
    }

    /// Whether a group has begun and not ended.
    #[must_use]
    pub fn is_inside_group(&self) -> bool {
        match &self.assembler {
            Some(full) => full.1.is_inside_group(),
            None => self.inside.is_some(),
        }
    }

    /// How the next event ends.
    #[must_use]
    pub fn checksum(&self) -> ChecksumAlgorithm {
        self.checksum
    }

    /// Goes on with a new stream from [`GroupTracker::resume`]. `first` is as for [`GroupTracker::new`].
    pub fn restart(&mut self, first: ChecksumAlgorithm) {
        let gtid_pos = std::mem::take(&mut self.gtid_pos);
        *self = GroupTracker::new(self.resume.clone(), gtid_pos, first);
    }

    /// Checks that `raw` is one whole event of the stream, with its checksum if the stream has them.
    ///
    /// # Errors
    /// [`DecodeError::Length`] and [`DecodeError::Checksum`].
    pub fn verify(&self, raw: &Bytes) -> Result<Header, DecodeError> {
        checksum::verify_event(raw, self.checksum)
    }

    /// How far the stream has come, inside a group or not.
    #[must_use]
    pub fn stream_coordinates(&self) -> Coordinates {
        self.stream.coordinates()
    }

    /// Takes the next event, which [`GroupTracker::verify`] has found whole.
    ///
    /// # Errors
    /// [`TrackError`] when it cannot stand where it stands.
    pub fn push(&mut self, header: &Header, raw: &Bytes) -> Result<(), TrackError> {
        if header.kind == EventType::FORMAT_DESCRIPTION {
            self.format_changed(header, raw)?;
        }
        let was_inside = self.is_inside_group();
        match self.assembler.take() {
            None => self.push_mariadb(header, raw)?,
            Some(mut full) => {
                let pushed = self.push_other(&mut full, raw);
                self.assembler = Some(full);
                pushed?;
            }
        }
        if !self.is_inside_group() && (was_inside || !self.safe.is_before(&self.resume)) {
            self.resume.clone_from(&self.safe);
        }
        Ok(())
    }

    fn format_changed(&mut self, header: &Header, raw: &Bytes) -> Result<(), TrackError> {
        let body = raw.slice(HEADER_BYTES..raw.len().saturating_sub(CHECKSUM_BYTES).max(HEADER_BYTES));
        let format = FormatDescription::decode(header, &body)?;
        self.checksum = format.checksum;
        if format.is_mariadb() {
            self.assembler = None;
            if format.created != 0 {
                // The source died while it wrote the group and has rolled it back.
                self.inside = None;
            }
        } else if self.assembler.is_none() {
            let mut assembler = GroupAssembler::new(self.stream.coordinates());
            // What groups hold is of no interest here: the smallest parts take the least memory.
            assembler.set_part_bytes_max(0);
            self.assembler = Some(Box::new((ReplicaDecoder::new(self.checksum), assembler)));
        }
        Ok(())
    }

    fn push_other(
        &mut self,
        (decoder, assembler): &mut (ReplicaDecoder, GroupAssembler),
        raw: &Bytes,
    ) -> Result<(), TrackError> {
        decoder.push(raw.clone())?;
        while let Some(event) = decoder.fetch()? {
            if let Some(Assembled::Group(_)) = assembler.push(event)? {
                self.inside = None;
            }
        }
        self.safe = assembler.coordinates().clone();
        Ok(())
    }

    fn push_mariadb(&mut self, header: &Header, raw: &Bytes) -> Result<(), TrackError> {
        match header.kind {
            EventType::HEARTBEAT | EventType::INCIDENT | EventType::START_ENCRYPTION => return Ok(()),
            EventType::FORMAT_DESCRIPTION => self.stream.enter(header),
            EventType::ROTATE => self.stream.rotate(&Rotate::decode(header, &self.body_of(raw))?),
            EventType::GTID_LIST if header.is_artificial() => {
                let list = GtidList::decode(header, &self.body_of(raw))?;
                self.stream.jump(header)?;
                list.position()
                    .iter()
                    .for_each(|gtid| self.gtid_pos.advance(gtid));
            }
            EventType::GTID => {
                self.stream.advance(header, true)?;
                self.inside = Some(self.begin(header, raw)?);
            }
            _ => {
                self.stream.advance(header, self.inside.is_some())?;
                if let Some(inside) = self
                    .inside
                    .take_if(|inside| inside.is_ended_by(header, raw, self.checksum))
                {
                    self.gtid_pos.advance(inside.gtid);
                }
            }
        }
        if self.inside.is_none() {
            self.safe = self.stream.coordinates();
        }
        Ok(())
    }

    fn body_of(&self, raw: &Bytes) -> Bytes {
        raw.slice(HEADER_BYTES..end_of_body(raw, self.checksum))
    }

    fn begin(&self, header: &Header, raw: &Bytes) -> Result<Inside, DecodeError> {
        let body = self.body_of(raw);
        let Some(&[s0, s1, s2, s3, s4, s5, s6, s7, d0, d1, d2, d3, flags]) = body.first_chunk::<13>() else {
            return Err(DecodeError::Truncated {
                event: header.kind,
                field: "sequence, domain and flags",
                offset: HEADER_BYTES,
                needed: 13,
                left: body.len(),
            });
        };
        let gtid = Gtid {
            domain: u32::from_le_bytes([d0, d1, d2, d3]),
            server: header.server_id,
            sequence: u64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7]),
        };
        let is_standalone = GtidFlags(flags).is_standalone();
        Ok(Inside { gtid, is_standalone })
    }
}

impl Inside {
    fn is_ended_by(self, header: &Header, raw: &[u8], checksum: ChecksumAlgorithm) -> bool {
        match header.kind {
            EventType::XID | EventType::XA_PREPARE => true,
            EventType::QUERY | EventType::QUERY_COMPRESSED | EventType::EXECUTE_LOAD_QUERY
                if self.is_standalone =>
            {
                true
            }
            // Words as short as these are never compressed.
            EventType::QUERY => ends_with_word(&raw[..end_of_body(raw, checksum)]),
            kind if self.is_standalone && RowsEvent::kind(kind).is_some() => {
                const FLAGS_AT: usize = HEADER_BYTES + 6;
                raw.get(FLAGS_AT)
                    .is_some_and(|flags| u16::from(*flags) & RowsEvent::FLAG_STATEMENT_END != 0)
            }
            _ => false,
        }
    }
}

fn end_of_body(raw: &[u8], checksum: ChecksumAlgorithm) -> usize {
    let tail = match checksum {
        ChecksumAlgorithm::Crc32 => CHECKSUM_BYTES,
        ChecksumAlgorithm::Off => 0,
    };
    raw.len().saturating_sub(tail).max(HEADER_BYTES.min(raw.len()))
}

/// Whether the statement is COMMIT or ROLLBACK and nothing else: the database's NUL stands in front of it, at the place that the
/// lengths tell.
fn ends_with_word(event: &[u8]) -> bool {
    const LENGTHS_AT: usize = HEADER_BYTES + 8;
    const FIXED_BYTES: usize = HEADER_BYTES + crate::events::QUERY_POST_HEADER_BYTES;
    let Some(&[database, _, _, status_low, status_high]) =
        event.get(LENGTHS_AT..).and_then(<[u8]>::first_chunk::<5>)
    else {
        return false;
    };
    let status = usize::from(u16::from_le_bytes([status_low, status_high]));
    let text_at = FIXED_BYTES + status + usize::from(database) + 1;
    matches!(event.get(text_at..), Some(b"COMMIT" | b"ROLLBACK"))
}
