//! Packets and events as no server sends them, made from real ones.

use tributary_binlog::append_checksum;
use tributary_sandbox::random::Random;

/// Bytes of an event's header, and where in it its length is.
const EVENT_HEADER: usize = 19;
const EVENT_TYPE: usize = 4;
const EVENT_LENGTH: usize = 9;
const CHECKSUM: usize = 4;

/// A packet as it goes over the line.
pub fn frame(sequence: u8, payload: &[u8]) -> Vec<u8> {
    framed(payload.len(), sequence, payload)
}

/// A packet that says it is `length` long.
fn framed(length: usize, sequence: u8, payload: &[u8]) -> Vec<u8> {
    let length = length.to_le_bytes();
    let mut packet = vec![length[0], length[1], length[2], sequence];
    packet.extend_from_slice(payload);
    packet
}

/// What is sent in place of a packet.
pub fn instead_of(random: &mut Random, sequence: u8, payload: &[u8]) -> Vec<u8> {
    if is_event(payload) && random.below(5) != 0 {
        let mut forged = vec![0];
        forged.extend(forged_event(random, &payload[1..]));
        return frame(sequence, &forged);
    }
    let mut new = payload.to_vec();
    match random.below(12) {
        0 => flip_bits(random, &mut new),
        1 => return framed(random.below(1 << 24) as usize, sequence, payload),
        2 => return framed(0xff_ffff, sequence, payload),
        3 => {
            let mut packet = frame(sequence, payload);
            packet.truncate(random.below(packet.len() as u64) as usize);
            return packet;
        }
        4 => return frame(random.below(256) as u8, payload),
        5 => new = bytes(random, 300),
        6 => lengths(random, &mut new),
        7 => new.truncate(random.below(new.len() as u64 + 1) as usize),
        8 => new.extend(bytes(random, 300)),
        9 => new = random.pick(CANNED).to_vec(),
        10 if random.once_in(4) => {
            // The largest packet there is goes on in the next one, which does not come.
            let mut packet = vec![payload.first().copied().unwrap_or_default(); 4 + 0xff_ffff];
            packet[..4].copy_from_slice(&[0xff, 0xff, 0xff, sequence]);
            return packet;
        }
        _ => {
            new = random.pick(CANNED).to_vec();
            new.extend(bytes(random, 40));
        }
    }
    frame(sequence, &new)
}

/// Replies that promise what does not follow, and ask for what nobody gets.
const CANNED: &[&[u8]] = &[
    b"",
    b"\x00",
    b"\x00\xfe\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x00\x00\x00\x02\x00",
    b"\xff",
    b"\xff\x15",
    b"\xff\x15\x04#2800",
    b"\xff\xff\xff\x00\x00\x01\x00\xff\xff\xff",
    b"\xfe",
    b"\xfe\x00\x00",
    b"\xfe\x00\x00\x0a\x00",
    b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\xfemysql_clear_password\0",
    b"\xfb/etc/passwd",
    b"\xfc\xff\xff",
    b"\xfd\xff\xff\xff",
    b"\x03def\xff",
    b"\x01",
    b"\xfe\xff\xff\xff\xff\x00\x00\x00\x00rows",
];

fn is_event(payload: &[u8]) -> bool {
    let length = payload
        .get(1 + EVENT_LENGTH..)
        .and_then(|rest| rest.first_chunk());
    payload.len() > EVENT_HEADER + CHECKSUM
        && payload[0] == 0
        && length.is_some_and(|length| u32::from_le_bytes(*length) as usize == payload.len() - 1)
}

/// An event whose checksum is right and whose content is not.
fn forged_event(random: &mut Random, event: &[u8]) -> Vec<u8> {
    let mut new = event[..event.len() - CHECKSUM].to_vec();
    let mut body = new.split_off(EVENT_HEADER);
    let mut of_type = |number: u8, content: &[u8]| {
        new[EVENT_TYPE] = number;
        body = content.to_vec();
    };
    match random.below(16) {
        0 | 1 => flip_bits(random, &mut body),
        2 => flip_bits(random, &mut new),
        3 => new[EVENT_TYPE] = random.below(256) as u8,
        4 | 5 => lengths(random, &mut body),
        6 => body.truncate(random.below(body.len() as u64 + 1) as usize),
        7 => body.extend(bytes(random, 200)),
        8 => body = bytes(random, 400),
        // A list of 2^28 GTIDs.
        9 => of_type(163, &[[0xff, 0xff, 0xff, 0x0f].as_slice(), &[1; 64]].concat()),
        // A statement, and rows, of 4 GiB each when unpacked.
        10 => of_type(
            165,
            &[&[0; 14][..], &[0x84, 0xff, 0xff, 0xff, 0xff, 0x78, 0x9c], &[0x55; 40]].concat(),
        ),
        11 => of_type(
            166,
            &[&[7, 0, 0, 0, 0, 0, 1, 0, 2, 3][..], &[0x84, 0xff, 0xff, 0xff, 0xff, 0x78, 0x9c], &[0x55; 40]].concat(),
        ),
        // A table of 4 billion columns.
        12 => of_type(
            19,
            b"\x07\0\0\0\0\0\x01\0\x08asterisk\0\x01t\0\xfe\xff\xff\xff\xff\0\0\0\0\x03\x03",
        ),
        // Rows with as many.
        13 => of_type(23, b"\x07\0\0\0\0\0\x01\0\xfe\xff\xff\xff\xff\xff\xff\xff\x7f\xff\xff"),
        // A variable whose name, and whose value, has 4 GiB.
        14 => match random.below(3) {
            0 => of_type(14, b"\xff\xff\xff\xffname"),
            1 => of_type(14, b"\x01\0\0\0a\0\0\x21\0\0\0\xff\xff\xff\xffvalue"),
            // A statement that reads a file which has not come, from the wrong places.
            _ => of_type(
                18,
                b"\x01\0\0\0\0\0\0\0\x08\0\0\0\0\x09\0\0\0\xff\xff\xff\xff\xf0\xff\xff\xff\0asterisk\0LOAD DATA",
            ),
        },
        // The next file, at the end of all numbers; or a description of nothing.
        _ if random.below(2) == 0 => of_type(4, &[&[0xff; 8][..], b"../../etc/passwd"].concat()),
        _ => body.truncate(60),
    }
    new.extend(body);
    let length = u32::try_from(new.len() + CHECKSUM)
        .unwrap_or(u32::MAX)
        .to_le_bytes();
    new[EVENT_LENGTH..EVENT_LENGTH + 4].copy_from_slice(&length);
    append_checksum(&mut new, 0);
    new
}

fn flip_bits(random: &mut Random, bytes: &mut [u8]) {
    for _ in 0..=random.below(6) {
        let at = random.below(bytes.len().max(1) as u64) as usize;
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1 << random.below(8);
        }
    }
}

/// Writes what means "very long" somewhere.
fn lengths(random: &mut Random, bytes: &mut [u8]) {
    let first = [0xff, 0xfe, 0xfd, 0xfc, 0x7f][random.below(5) as usize];
    let at = random.below(bytes.len().max(1) as u64) as usize;
    let end = bytes.len().min(at + 1 + random.below(9) as usize);
    if let Some(place) = bytes.get_mut(at..end) {
        place.fill(0xff);
        place[0] = first;
    }
}

fn bytes(random: &mut Random, most: u64) -> Vec<u8> {
    (0..random.below(most)).map(|_| random.below(256) as u8).collect()
}
