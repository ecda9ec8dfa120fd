//! 128 bits that stand for one row.

use std::hash::{BuildHasher, Hasher, RandomState};

use mysql_async::Value;

/// Makes fingerprints under keys drawn when it is made; only those of one maker can be compared.
#[derive(Clone)]
pub(super) struct Fingerprints {
    keys: [RandomState; 2],
    buffer: Vec<u8>,
}

impl Fingerprints {
    pub(super) fn new() -> Fingerprints {
        Fingerprints {
            keys: [RandomState::new(), RandomState::new()],
            buffer: Vec::new(),
        }
    }

    pub(super) fn of(&mut self, row: &[Value]) -> u128 {
        self.buffer.clear();
        for value in row {
            encode(value, &mut self.buffer);
        }
        let [high, low] = &self.keys;
        (u128::from(hash(high, &self.buffer)) << 64) | u128::from(hash(low, &self.buffer))
    }
}

fn hash(key: &RandomState, bytes: &[u8]) -> u64 {
    let mut hasher = key.build_hasher();
    hasher.write(bytes);
    hasher.finish()
}

/// Writes a kind and, for bytes, a length before each value, so no two different rows have the same encoding.
fn encode(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::NULL => out.push(0),
        Value::Bytes(bytes) => {
            out.push(1);
            out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
            out.extend_from_slice(bytes);
        }
        Value::Int(number) => {
            out.push(2);
            out.extend_from_slice(&number.to_le_bytes());
        }
        Value::UInt(number) => {
            out.push(3);
            out.extend_from_slice(&number.to_le_bytes());
        }
        Value::Float(number) => {
            out.push(4);
            out.extend_from_slice(&number.to_bits().to_le_bytes());
        }
        Value::Double(number) => {
            out.push(5);
            out.extend_from_slice(&number.to_bits().to_le_bytes());
        }
        Value::Date(year, month, day, hour, minute, second, micros) => {
            out.push(6);
            out.extend_from_slice(&year.to_le_bytes());
            out.extend_from_slice(&[*month, *day, *hour, *minute, *second]);
            out.extend_from_slice(&micros.to_le_bytes());
        }
        Value::Time(is_negative, days, hours, minutes, seconds, micros) => {
            out.extend_from_slice(&[7, u8::from(*is_negative)]);
            out.extend_from_slice(&days.to_le_bytes());
            out.extend_from_slice(&[*hours, *minutes, *seconds]);
            out.extend_from_slice(&micros.to_le_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_look_alike_differ() {
        let text = |text: &str| Value::Bytes(text.as_bytes().to_vec());
        let rows = [
            vec![text(""), Value::NULL],
            vec![Value::NULL, text("")],
            vec![text(""), text("")],
            vec![text("ab"), text("c")],
            vec![text("a"), text("bc")],
            vec![text("1"), Value::Int(1)],
            vec![text("1"), Value::UInt(1)],
            vec![Value::Double(0.1), Value::Double(0.3)],
            vec![Value::Double(0.1), Value::Double(0.1 + 0.2)],
            vec![
                Value::Date(2026, 11, 22, 0, 0, 0, 0),
                Value::Time(false, 0, 0, 0, 0, 1),
            ],
            vec![
                Value::Date(2026, 11, 22, 0, 0, 0, 0),
                Value::Time(true, 0, 0, 0, 0, 1),
            ],
        ];
        let mut fingerprints = Fingerprints::new();
        let all: std::collections::BTreeSet<u128> = rows.iter().map(|row| fingerprints.of(row)).collect();
        assert_eq!(all.len(), rows.len());
        assert_eq!(fingerprints.of(&rows[3]), fingerprints.of(&rows[3].clone()));
    }
}
