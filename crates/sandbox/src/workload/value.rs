//! Values: literals and expressions for each column type, most of them valid, some on the edge, a few wrong.

use super::charset::{hexadecimal, quote};
use super::kind::Kind;
use super::session::Session;
use crate::random::Random;

/// A value for a column of this kind as SQL text in the session's character set.
pub(super) fn literal(kind: &Kind, random: &mut Random, session: &Session) -> Vec<u8> {
    if random.once_in(15) {
        return b"NULL".to_vec();
    }
    if random.once_in(60) && (session.grammar.is_one_version() || !kind.is_cast_strictly()) {
        // Most likely refused, or bent by a lenient sql_mode.
        return random
            .pick(&["'x'", "-1", "''", "1e300", "'2024-13-45'"])
            .as_bytes()
            .to_vec();
    }
    match kind {
        Kind::Integer { bits, unsigned, .. } => integer(*bits, *unsigned, random).into_bytes(),
        Kind::Decimal { digits, scale } => decimal(*digits, *scale, random).into_bytes(),
        Kind::Float { .. } => float(random).into_bytes(),
        Kind::Bit(bits) => bit(*bits, random).into_bytes(),
        Kind::Date | Kind::Year | Kind::Time(_) | Kind::DateTime(_) | Kind::Timestamp(_) => {
            temporal(kind, random, session).into_bytes()
        }
        Kind::Text { chars, .. } => text(*chars, random, session),
        Kind::Bytes { bytes, .. } => bytes_literal(*bytes, random).into_bytes(),
        Kind::Enum => random
            .pick(&["'new'", "'open'", "'it''s'", "'closed'", "''", "2", "'NEW'"])
            .as_bytes()
            .to_vec(),
        Kind::Set => random
            .pick(&["'a'", "'a,c'", "'dd,e e,f'", "''", "5", "'F,A'"])
            .as_bytes()
            .to_vec(),
        Kind::Json => json(random).into_bytes(),
        Kind::Uuid => uuid(random, session).into_bytes(),
        Kind::Inet4 => format!(
            "'{}.{}.0.{}'",
            random.below(256),
            random.below(256),
            random.below(256)
        )
        .into_bytes(),
        Kind::Inet6 => inet6(random).into_bytes(),
        Kind::Geometry(name) => geometry(name, random).into_bytes(),
    }
}

fn integer(bits: u32, unsigned: bool, random: &mut Random) -> String {
    let all = (1u128 << bits) - 1;
    let (low, high) = if unsigned {
        (0, all as i128)
    } else {
        (-(1i128 << (bits - 1)), (all >> 1) as i128)
    };
    match random.below(12) {
        0 => low.to_string(),
        1 => high.to_string(),
        2 => format!("'{}'", random.below(100)),
        3 => format!("{}.4", random.below(100)),
        4 => random
            .pick(&["TRUE", "0x11", "b'101'", "DEFAULT", "1+2*3", "LENGTH('abc')"])
            .to_owned(),
        5 if random.once_in(4) => (high + 1).to_string(),
        _ => (low + (u128::from(random.bits()) % (high - low) as u128) as i128).to_string(),
    }
}

fn decimal(digits: u64, scale: u64, random: &mut Random) -> String {
    let digit = |random: &mut Random| char::from(b'0' + random.below(10) as u8);
    let whole: String = (0..random.below(digits - scale + 1))
        .map(|_| digit(random))
        .collect();
    let part: String = (0..random.below(scale + 1)).map(|_| digit(random)).collect();
    let sign = if random.once_in(2) { "-" } else { "" };
    format!("{sign}0{whole}.{part}0")
}

fn float(random: &mut Random) -> String {
    match random.below(5) {
        0 => random
            .pick(&["0", "-0.0", "1e-30", "3.4028234e38", "1/3", "PI()", "'1.5e3'"])
            .to_owned(),
        1 => format!("{}", random.below(1_000_000)),
        _ => format!(
            "{}.{}e{}",
            random.below(10),
            random.bits() % 1_000_000_007,
            random.below(30)
        ),
    }
}

fn bit(bits: u64, random: &mut Random) -> String {
    let value = random.bits() >> (64 - bits);
    if random.once_in(2) {
        format!("b'{value:b}'")
    } else {
        value.to_string()
    }
}

fn temporal(kind: &Kind, random: &mut Random, session: &Session) -> String {
    // A function of the clock is written with the fractions the session logs.
    match random.below(10) {
        0 if session.clock => {
            return random
                .pick(&[
                    "NOW(6)",
                    "CURRENT_TIMESTAMP",
                    "UTC_TIMESTAMP(3)",
                    "NOW() - INTERVAL 3 DAY",
                    "CURDATE()",
                    "FROM_UNIXTIME(86400*365)",
                ])
                .to_owned();
        }
        1 => {
            return random
                .pick(&[
                    "'0000-00-00'",
                    "0",
                    "'2024-02-29'",
                    "'1999-12-31 23:59:59.999999'",
                    "20240314",
                    "'2024-02-30'",
                ])
                .to_owned();
        }
        _ => {}
    }
    let fraction = format!("{:06}", random.below(1_000_000));
    let date = format!(
        "{:04}-{:02}-{:02}",
        1971 + random.below(66),
        1 + random.below(12),
        1 + random.below(28)
    );
    // Two in the morning of a March Sunday does not exist everywhere; three zones in the workload have no such gap.
    let time = format!(
        "{:02}:{:02}:{:02}",
        random.below(24),
        random.below(60),
        random.below(60)
    );
    match kind {
        Kind::Date => format!("'{date}'"),
        Kind::Year => format!("{}", 1901 + random.below(255)),
        Kind::Time(_) => format!(
            "'{}{}:{}.{fraction}'",
            if random.once_in(3) { "-" } else { "" },
            random.below(838),
            &time[3..]
        ),
        _ => format!("'{date} {time}.{fraction}'"),
    }
}

/// Text as the session's character set spells it, with an introducer, or computed.
fn text(chars: u64, random: &mut Random, session: &Session) -> Vec<u8> {
    let escapes = !session.no_backslash_escapes;
    match random.below(16) {
        0 => format!(
            "REPEAT('{}', {})",
            random.pick(&["x", "ab", "0"]),
            random.below(chars + 1)
        )
        .into_bytes(),
        1 => format!(
            "_latin1 X'{:02X}{:02X}'",
            0x41 + random.below(20),
            0xc0 + random.below(60)
        )
        .into_bytes(),
        2 => b"_utf8mb4 X'C3A9F09F9880'".to_vec(),
        3 => hexadecimal(random, chars.min(6)).into_bytes(),
        4 => format!("CONCAT('k', {}, 'asterisk.t')", random.below(1000)).into_bytes(),
        5 => b"N'national'".to_vec(),
        6 if session.user_variables => b"@word".to_vec(),
        7 => invalid_bytes(random),
        _ => quote(&session.charset.word(random, chars.min(40)), escapes),
    }
}

/// Bytes that are no text in most character sets, raw between quotes.
fn invalid_bytes(random: &mut Random) -> Vec<u8> {
    let mut out = b"_binary'".to_vec();
    for _ in 0..random.below(6) {
        // Above ASCII: no quote and no backslash, whatever the mode.
        out.push(0x80 + random.below(128) as u8);
        out.push(b'a' + random.below(26) as u8);
    }
    out.push(b'\'');
    out
}

fn bytes_literal(bytes: u64, random: &mut Random) -> String {
    match random.below(4) {
        0 => format!(
            "REPEAT(X'{:02X}', {})",
            random.below(256),
            random.below(bytes + 1)
        ),
        1 => format!("'plain {}'", random.below(100)),
        _ => hexadecimal(random, bytes.min(40)),
    }
}

fn json(random: &mut Random) -> String {
    match random.below(4) {
        0 => "'[]'".to_owned(),
        1 => format!(
            "JSON_OBJECT('a', {}, 'b', JSON_ARRAY(1, 'x', NULL))",
            random.below(1000)
        ),
        2 => format!(
            "'{{\"key\": {}, \"deep\": {{\"list\": [1, 2, {}]}}}}'",
            random.below(1000),
            random.below(10)
        ),
        _ => format!("'\"{}\"'", random.below(1000)),
    }
}

fn uuid(random: &mut Random, session: &Session) -> String {
    if session.unsafe_functions && random.once_in(3) {
        return "UUID()".to_owned();
    }
    let bits = random.bits();
    format!(
        "'{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}'",
        bits >> 32,
        bits & 0xffff,
        bits >> 52,
        (bits >> 20) & 0xfff,
        bits >> 16
    )
}

fn inet6(random: &mut Random) -> String {
    match random.below(3) {
        0 => "'::1'".to_owned(),
        1 => format!("'::ffff:192.0.2.{}'", random.below(256)),
        _ => format!("'2001:db8::{:x}:{:x}'", random.below(65536), random.below(65536)),
    }
}

fn geometry(name: &str, random: &mut Random) -> String {
    let (x, y) = (random.below(1000), random.below(1000));
    match name {
        "LINESTRING" => format!("ST_GeomFromText('LINESTRING({x} {y}, 1 1, 2.5 -3)')"),
        "POLYGON" => format!("ST_GeomFromText('POLYGON((0 0, {} 0, 10 10, 0 10, 0 0))')", x + 1),
        "MULTIPOINT" => format!("ST_GeomFromText('MULTIPOINT({x} {y}, 3 4)')"),
        _ => format!("POINT({x}, {y}.25)"),
    }
}
