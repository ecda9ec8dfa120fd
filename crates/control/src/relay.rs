//! The way of bytes between a client and the target: untouched, but for the greeting and for statements about replication.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tributary_wire::{capabilities, command, status};

use crate::answers::Answers;
use crate::conversation::Conversation;
use crate::engine::Engine;
use crate::peer::{FULL_PACKET_BYTES, HEAD_BYTES, Head, Peer};
use crate::reply::Reply;
use crate::statement;
use crate::tls::Tls;

/// Statements about replication are shorter than this; in longer texts they are refused.
const STATEMENT_BYTES_MAX: usize = 256 * 1024;

/// Bytes that wait on their way to the client.
const WAITING_BYTES_MAX: usize = 1 << 20;

/// Bytes of what a client can, in front of its login.
const CAPABILITY_BYTES: usize = 4;

/// The command that allows several statements in one text, or does not.
const SET_OPTION: u8 = 0x1B;

/// What a packet without a payload is to the server: a command that it does not know.
const EMPTY: u8 = 0x00;

/// What the port cannot look into, so the target must not offer it.
const NOT_OFFERED: u64 = capabilities::SSL | capabilities::COMPRESS | capabilities::DEPRECATE_EOF;

/// The place of a packet's number.
const SEQUENCE: usize = 3;

/// A request for TLS: the beginning of a login, without the rest.
const REQUEST_BYTES: usize = 32;

/// `CLIENT_SSL` in the second byte of what a client can.
const SSL: u8 = (capabilities::SSL >> 8) as u8;

/// `ER_SECURE_TRANSPORT_REQUIRED`.
const TLS_REQUIRED: u16 = 3159;
const NEEDS_TLS: &str =
    "Connections using insecure transport are prohibited: the control port has control_ssl_require=ON";

/// What a client may not take although the target has it: it would be taken for something else by the one or the other.
const NOT_TAKEN: u32 = (capabilities::COMPRESS | capabilities::DEPRECATE_EOF) as u32;

/// `ER_NET_UNCOMPRESS_ERROR`.
const NOT_UNCOMPRESSED: u16 = 1157;
const NO_COMPRESSION: &str = "Couldn't uncompress communication packet: the control port offers no compression, and the client uses it all \
    the same; turn compression off there";

/// `ER_NOT_SUPPORTED_YET`.
const NOT_SUPPORTED: u16 = 1235;
const NO_SHORT_END: &str =
    "The control port does not offer the client flag DEPRECATE_EOF, and the client uses it all the same";

/// `ER_HANDSHAKE_ERROR`.
const BAD_HANDSHAKE: u16 = 1043;
const NOT_41: &str = "Bad handshake: the control port needs clients of the protocol of 4.1 or later";

/// Where the client's next byte belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A packet's head comes next.
    Head,
    /// So many bytes of a packet are left.
    Inside(usize),
}

/// One client and its session on the target.
pub(crate) struct Relay<E> {
    client: Peer,
    target: Peer,
    conversation: Conversation<E>,
    /// What is offered to the client.
    tls: Option<Tls>,
    /// The client has TLS. Its packets up to the end of the login have a number that is one higher than the target's, which
    /// does not see the request for it.
    is_secured: bool,
    /// The client must have TLS.
    needs_tls: bool,
    /// The target has been told that there is none.
    has_hidden: bool,
    /// The client is logged in; before that nothing is a statement.
    is_logged_in: bool,
    has_greeted: bool,
    /// The client has said what it can.
    has_introduced: bool,
    place: Place,
    /// The head of the client's last packet.
    last: Head,
    /// That packet went on with the one before it.
    is_later_part: bool,
    /// The target has said something since then.
    has_answered: bool,
    /// What the target has yet to answer.
    answers: Answers,
    /// The client's next command waits until everything before it is answered.
    is_held: bool,
}

/// What becomes of a command.
enum Next {
    /// It was answered here.
    Answered,
    /// It is the target's.
    Pass,
    /// Not all of it is here.
    Incomplete,
    /// Everything before it must be answered first.
    Hold,
}

impl<E: Engine> Relay<E> {
    pub(crate) fn new(client: Peer, target: Peer, engine: Arc<E>) -> Self {
        Self {
            client,
            target,
            conversation: Conversation::new(engine),
            tls: None,
            is_secured: false,
            needs_tls: false,
            has_hidden: false,
            is_logged_in: false,
            has_greeted: false,
            has_introduced: false,
            place: Place::Head,
            last: Head {
                length: 0,
                sequence: 0,
            },
            is_later_part: false,
            has_answered: true,
            answers: Answers::new(),
            is_held: false,
        }
    }

    /// Offers TLS to the client, or insists on it.
    pub(crate) fn offer(mut self, tls: Option<Tls>, needs_tls: bool) -> Self {
        self.tls = tls;
        self.needs_tls = needs_tls;
        self
    }

    /// Relays until one side ends, or both are silent for too long.
    pub(crate) async fn run(mut self, silence_max: Duration) -> io::Result<()> {
        loop {
            let is_idle = tokio::time::sleep(silence_max);
            // What a client sends behind a command that is held waits with it.
            let has_room = !self.is_held || self.client.input.len() < WAITING_BYTES_MAX;
            let reads_client = self.target.output.is_empty() && has_room && !self.answers.are_many();
            let reads_target = self.client.output.len() < WAITING_BYTES_MAX;
            tokio::select! {
                filled = self.client.fill(), if reads_client => {
                    if filled? == 0 {
                        break;
                    }
                    self.take_from_client().await?;
                }
                filled = self.target.fill(), if reads_target => {
                    if filled? == 0 {
                        break;
                    }
                    self.take_from_target()?;
                    if self.is_held {
                        self.take_from_client().await?;
                    }
                }
                () = is_idle => break,
                else => break,
            }
            self.write_out().await?;
        }
        self.client.flush().await?;
        self.client.shut_down().await;
        self.target.shut_down().await;
        Ok(())
    }

    /// Writes to both sides what there is for them, whichever takes it.
    async fn write_out(&mut self) -> io::Result<()> {
        loop {
            let (to_client, to_target) = (self.client.has_output(), self.target.has_output());
            tokio::select! {
                drained = self.client.drain(), if to_client => drained?,
                drained = self.target.drain(), if to_target => drained?,
                else => return Ok(()),
            }
        }
    }

    fn take_from_target(&mut self) -> io::Result<()> {
        self.has_answered = true;
        if self.is_logged_in {
            self.hand_on();
            return Ok(());
        }
        while let Some(head) = Head::of(&self.target.input)
            && self.target.input.len() >= HEAD_BYTES + head.length
        {
            let mut packet = self.target.input.split_to(HEAD_BYTES + head.length);
            let first = packet.get(HEAD_BYTES).copied();
            if !self.has_greeted {
                self.has_greeted = true;
                take_offers_out(&mut packet[HEAD_BYTES..], self.tls.is_some());
                self.client.output.unsplit(packet);
                continue;
            }
            if self.is_secured {
                packet[SEQUENCE] = packet[SEQUENCE].wrapping_add(1);
            }
            self.client.output.unsplit(packet);
            if first == Some(status::OK) {
                self.is_logged_in = true;
                self.hand_on();
            }
        }
        Ok(())
    }

    /// Hands on to the client what is here of the target's answers.
    fn hand_on(&mut self) {
        let bytes = self.target.input.split();
        self.answers.pass(&bytes);
        self.client.output.unsplit(bytes);
    }

    async fn take_from_client(&mut self) -> io::Result<()> {
        self.is_held = false;
        loop {
            match self.place {
                Place::Inside(left) => {
                    let now = left.min(self.client.input.len());
                    let bytes = self.client.input.split_to(now);
                    self.target.output.unsplit(bytes);
                    if now < left {
                        self.place = Place::Inside(left - now);
                        return Ok(());
                    }
                    self.place = Place::Head;
                }
                Place::Head => {
                    let Some(head) = Head::of(&self.client.input) else {
                        return Ok(());
                    };
                    if !self.has_introduced && head.length >= CAPABILITY_BYTES {
                        let Some(first) = self.client.input.get(HEAD_BYTES..HEAD_BYTES + CAPABILITY_BYTES)
                        else {
                            return Ok(());
                        };
                        let wants_tls = first[1] & SSL != 0;
                        if wants_tls && !self.is_secured && head.length == REQUEST_BYTES {
                            if self.client.input.len() < HEAD_BYTES + REQUEST_BYTES {
                                return Ok(());
                            }
                            return self.secure().await;
                        }
                        if let Some(taken) = taken_unasked(first) {
                            return self.refuse(head, taken).await;
                        }
                        let several = (capabilities::MULTI_STATEMENTS >> 16) as u8;
                        self.conversation.set_takes_several(first[2] & several != 0);
                        self.has_introduced = true;
                    }
                    if self.needs_tls && !self.is_secured {
                        return self.refuse(head, (TLS_REQUIRED, NEEDS_TLS)).await;
                    }
                    // A command in front of the end of the login.
                    if !self.is_logged_in && head.sequence == 0 {
                        self.is_held = true;
                        return Ok(());
                    }
                    if self.is_command(head) {
                        match self.command(head).await? {
                            Next::Answered => continue,
                            Next::Pass => {}
                            Next::Incomplete => return Ok(()),
                            Next::Hold => {
                                self.is_held = true;
                                return Ok(());
                            }
                        }
                        let kind = match head.length {
                            0 => Some(EMPTY),
                            _ => self.client.input.get(HEAD_BYTES).copied(),
                        };
                        self.answers.expect(kind.unwrap_or(EMPTY));
                    }
                    self.pass(head);
                }
            }
        }
    }

    /// Takes the client's request for TLS, which is not the target's business. What the client can it says again behind it.
    async fn secure(&mut self) -> io::Result<()> {
        // It asks for what was not offered.
        let Some(tls) = &self.tls else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        self.client.input.advance(HEAD_BYTES + REQUEST_BYTES);
        self.client.secure(tls).await?;
        self.is_secured = true;
        Ok(())
    }

    /// Refuses a client that is about to log in.
    async fn refuse(&mut self, head: Head, (code, message): (u16, &str)) -> io::Result<()> {
        let mut packet = refusal(code, message);
        packet[SEQUENCE] = head.sequence.wrapping_add(1);
        self.client.output.unsplit(packet);
        self.client.flush().await?;
        Err(io::ErrorKind::PermissionDenied.into())
    }

    /// Lets a packet through that begins here.
    fn pass(&mut self, head: Head) {
        let mut bytes = self.client.input.split_to(HEAD_BYTES);
        if self.is_secured && !self.is_logged_in {
            bytes[SEQUENCE] = bytes[SEQUENCE].wrapping_sub(1);
            self.hide_tls();
        }
        self.target.output.unsplit(bytes);
        self.place = Place::Inside(head.length);
        self.is_later_part = self.last.length == FULL_PACKET_BYTES;
        self.last = head;
        self.has_answered = false;
    }

    /// The target must not expect TLS.
    fn hide_tls(&mut self) {
        if !std::mem::replace(&mut self.has_hidden, true)
            && let Some(byte) = self.client.input.get_mut(1)
        {
            *byte &= !SSL;
        }
    }

    /// Whether a packet begins a command, rather than going on with one: a long statement, or a file.
    fn is_command(&self, head: Head) -> bool {
        // An empty packet ends a file.
        let is_end = self.last.length == 0 && !self.is_later_part;
        let goes_on = self.last.length == FULL_PACKET_BYTES
            || (self.last.sequence == u8::MAX && !self.has_answered && !is_end);
        self.is_logged_in && head.sequence == 0 && !goes_on
    }

    /// Looks at a command.
    async fn command(&mut self, head: Head) -> io::Result<Next> {
        if head.length == 0 {
            return Ok(Next::Pass);
        }
        let Some(&kind) = self.client.input.get(HEAD_BYTES) else {
            return Ok(Next::Incomplete);
        };
        if kind == SET_OPTION && head.length > 1 {
            let Some(&option) = self.client.input.get(HEAD_BYTES + 1) else {
                return Ok(Next::Incomplete);
            };
            // 0 allows several statements, 1 does not.
            self.conversation.set_takes_several(option == 0);
        }
        if !matches!(kind, command::QUERY | command::STMT_PREPARE) {
            self.conversation.other_command(kind);
            return Ok(Next::Pass);
        }
        // What is not one packet is relayed without a look.
        if head.length == FULL_PACKET_BYTES {
            self.conversation.other_command(kind);
            return Ok(Next::Pass);
        }
        let Some(payload) = self.client.input.get(HEAD_BYTES..HEAD_BYTES + head.length) else {
            return Ok(Next::Incomplete);
        };
        let text = &payload[1..];
        if !statement::may_concern(text) {
            self.conversation.other_command(kind);
            return Ok(Next::Pass);
        }
        // What comes before is answered before, and none of it is taken for the answer to a question of ours.
        if !self.answers.are_complete() {
            return Ok(Next::Hold);
        }
        if text.len() > STATEMENT_BYTES_MAX {
            let refusal = statement::refusal_of_long(text, STATEMENT_BYTES_MAX);
            self.conversation.other_command(kind);
            let Some(refusal) = refusal else {
                return Ok(Next::Pass);
            };
            Reply::new(&mut self.client).error(&refusal);
            self.client.input.advance(HEAD_BYTES + head.length);
            self.client.flush().await?;
            self.is_later_part = false;
            self.last = head;
            self.has_answered = true;
            return Ok(Next::Answered);
        }
        let text = Bytes::copy_from_slice(text);
        self.client.flush().await?;
        self.target.flush().await?;
        let answered = self
            .conversation
            .statement(kind, &text, &mut self.client, &mut self.target)
            .await?;
        if answered {
            self.client.input.advance(HEAD_BYTES + head.length);
            self.client.flush().await?;
            self.is_later_part = false;
            self.last = head;
            self.has_answered = true;
        }
        Ok(if answered { Next::Answered } else { Next::Pass })
    }
}

/// Why a client cannot log in that says that it `can` this: it goes by the target's, which it cannot know.
fn taken_unasked(can: &[u8]) -> Option<(u16, &'static str)> {
    let all = u32::from_le_bytes(*can.first_chunk()?);
    if all & (capabilities::PROTOCOL_41 as u32) == 0 {
        // Its answers do not say whether others follow.
        return Some((BAD_HANDSHAKE, NOT_41));
    }
    match all & NOT_TAKEN {
        0 => None,
        taken if taken & (capabilities::COMPRESS as u32) != 0 => Some((NOT_UNCOMPRESSED, NO_COMPRESSION)),
        _ => Some((NOT_SUPPORTED, NO_SHORT_END)),
    }
}

/// Takes out of a greeting what the port cannot look into, and puts in the TLS of its own.
fn take_offers_out(greeting: &mut [u8], has_tls: bool) {
    // An error instead of a greeting, or no greeting that we know.
    if greeting.first() != Some(&10) {
        return;
    }
    let Some(version) = greeting.iter().skip(1).position(|byte| *byte == 0) else {
        return;
    };
    // Version and its end, thread, nonce, filler. Then 2 bytes, collation, status, 2 bytes.
    let low = 1 + version + 1 + 4 + 8 + 1;
    for (place, shift) in [(low, 0), (low + 1, 8), (low + 5, 16), (low + 6, 24)] {
        if let Some(byte) = greeting.get_mut(place) {
            *byte &= !((NOT_OFFERED >> shift) as u8);
        }
    }
    if has_tls && let Some(byte) = greeting.get_mut(low + 1) {
        *byte |= SSL;
    }
}

/// A packet with an error for a client that has not logged in.
pub(crate) fn refusal(code: u16, message: &str) -> BytesMut {
    let mut payload = vec![status::ERR];
    payload.extend_from_slice(&code.to_le_bytes());
    payload.extend_from_slice(message.as_bytes());
    let mut packet = BytesMut::new();
    packet.extend_from_slice(&(payload.len() as u32).to_le_bytes()[..3]);
    packet.extend_from_slice(&[0]);
    packet.extend_from_slice(&payload);
    packet
}

#[cfg(test)]
mod tests;
