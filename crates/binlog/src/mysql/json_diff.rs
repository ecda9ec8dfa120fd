//! Partial updates of JSON documents (`binlog_row_value_options=PARTIAL_JSON`): what changed, and where.
//!
//! MySQL server, `sql-common/json_diff.cc`.

use super::json::{DEPTH_MAX, Json, parse};
use crate::value::Problem;

/// One step of a path.
enum Step {
    Member(Vec<u8>),
    Element(usize),
}

const REPLACE: u8 = 0;
const INSERT: u8 = 1;
const REMOVE: u8 = 2;

/// Applies the changes in `diffs` to `document`, one after the other.
pub(super) fn apply(document: &mut Json, mut diffs: &[u8]) -> Result<(), Problem> {
    while let Some((&operation, rest)) = diffs.split_first() {
        let (path, rest) = sized(rest)?;
        let steps = parse_path(path)?;
        if operation == REMOVE {
            diffs = rest;
            remove(document, &steps)?;
            continue;
        }
        let (value, rest) = sized(rest)?;
        diffs = rest;
        let value = parse(value)?;
        match operation {
            REPLACE => *find(document, &steps)? = value,
            INSERT => insert(document, &steps, value)?,
            other => return Err(format!("partial JSON update with the unknown operation {other}").into()),
        }
    }
    Ok(())
}

const MISSING: &str = "partial JSON update of a place that the document does not have";

fn find<'j>(document: &'j mut Json, steps: &[Step]) -> Result<&'j mut Json, Problem> {
    steps.iter().try_fold(document, |value, step| {
        let found = match (step, value) {
            (Step::Member(name), Json::Object(members)) => members
                .iter_mut()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value),
            (Step::Element(index), Json::Array(values)) => values.get_mut(*index),
            // A value that is no array is its own first element.
            (Step::Element(0), value) => Some(value),
            _ => None,
        };
        found.ok_or_else(|| MISSING.into())
    })
}

fn insert(document: &mut Json, steps: &[Step], value: Json) -> Result<(), Problem> {
    let (last, parent) = steps.split_last().ok_or(MISSING)?;
    match (last, find(document, parent)?) {
        (Step::Member(name), Json::Object(members)) => {
            let order = |known: &[u8]| (known.len(), known).cmp(&(name.len(), name.as_slice()));
            match members.binary_search_by(|(known, _)| order(known)) {
                Ok(_) => return Err("partial JSON update inserts a member that is there".into()),
                Err(place) => members.insert(place, (name.clone(), value)),
            }
        }
        (Step::Element(index), Json::Array(values)) => values.insert((*index).min(values.len()), value),
        _ => return Err(MISSING.into()),
    }
    Ok(())
}

fn remove(document: &mut Json, steps: &[Step]) -> Result<(), Problem> {
    let (last, parent) = steps.split_last().ok_or(MISSING)?;
    match (last, find(document, parent)?) {
        (Step::Member(name), Json::Object(members)) => {
            let place = members
                .iter()
                .position(|(known, _)| known == name)
                .ok_or(MISSING)?;
            members.remove(place);
        }
        (Step::Element(index), Json::Array(values)) if *index < values.len() => {
            values.remove(*index);
        }
        _ => return Err(MISSING.into()),
    }
    Ok(())
}

/// `$.name."na me"[3]`.
fn parse_path(path: &[u8]) -> Result<Vec<Step>, Problem> {
    let unreadable = || {
        Problem::from(format!(
            "partial JSON update with the path {}",
            String::from_utf8_lossy(path)
        ))
    };
    let mut rest = path.strip_prefix(b"$").ok_or_else(unreadable)?;
    let mut steps = Vec::new();
    while let Some((&first, behind)) = rest.split_first() {
        // Changes put documents into documents: without a bound they grow deeper than a stack is.
        if steps.len() >= DEPTH_MAX {
            return Err("partial JSON update more than 100 deep".into());
        }
        match first {
            b'.' if behind.first() == Some(&b'"') => {
                let length = quoted_length(behind).ok_or_else(unreadable)?;
                let (quoted, behind) = behind.split_at(length);
                let name: String = serde_json::from_slice(quoted).map_err(|_| unreadable())?;
                steps.push(Step::Member(name.into_bytes()));
                rest = behind;
            }
            b'.' => {
                let end = behind
                    .iter()
                    .position(|byte| matches!(byte, b'.' | b'['))
                    .unwrap_or(behind.len());
                let (name, behind) = behind.split_at(end);
                steps.push(Step::Member(name.to_vec()));
                rest = behind;
            }
            b'[' => {
                let end = behind
                    .iter()
                    .position(|byte| *byte == b']')
                    .ok_or_else(unreadable)?;
                let digits = std::str::from_utf8(&behind[..end]).map_err(|_| unreadable())?;
                steps.push(Step::Element(digits.parse().map_err(|_| unreadable())?));
                rest = &behind[end + 1..];
            }
            _ => return Err(unreadable()),
        }
    }
    Ok(steps)
}

/// The length of the string literal at the start of `text`, both quotes included.
fn quoted_length(text: &[u8]) -> Option<usize> {
    let mut index = 1;
    loop {
        match text.get(index)? {
            b'\\' => index += 2,
            b'"' => return Some(index + 1),
            _ => index += 1,
        }
    }
}

/// Bytes behind a length-encoded length.
fn sized(data: &[u8]) -> Result<(&[u8], &[u8]), Problem> {
    let (length, rest) = lenenc(data).ok_or("partial JSON update runs past its end")?;
    usize::try_from(length)
        .ok()
        .and_then(|length| rest.split_at_checked(length))
        .ok_or_else(|| "partial JSON update runs past its end".into())
}

/// A length-encoded integer, and what follows it.
pub(super) fn lenenc(data: &[u8]) -> Option<(u64, &[u8])> {
    let (&first, rest) = data.split_first()?;
    let width = match first {
        0..=0xfa => return Some((u64::from(first), rest)),
        0xfc => 2,
        0xfd => 3,
        0xfe => 8,
        _ => return None,
    };
    let (bytes, rest) = rest.split_at_checked(width)?;
    let value = bytes
        .iter()
        .rev()
        .fold(0_u64, |sum, &byte| sum << 8 | u64::from(byte));
    Some((value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scalar(text: &str) -> Json {
        Json::Scalar(text.as_bytes().to_vec())
    }

    fn text(json: &Json) -> String {
        let mut out = Vec::new();
        json.write(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn document() -> Json {
        Json::Object(vec![
            (b"a".to_vec(), scalar("1")),
            (b"k k".to_vec(), Json::Array(vec![scalar("1"), scalar("2")])),
        ])
    }

    #[test]
    fn changes_do_not_nest_documents_without_end() {
        let mut json = Json::Array(vec![scalar("1")]);
        let mut depth = 1;
        let refused = (0..300).find_map(|_| {
            // Puts [null] in the place of the innermost value.
            let path = format!("${}", "[0]".repeat(depth));
            let mut diff = vec![REPLACE, 0xfc];
            diff.extend_from_slice(&(path.len() as u16).to_le_bytes());
            diff.extend_from_slice(path.as_bytes());
            diff.extend_from_slice(&[8, 2, 1, 0, 7, 0, 4, 0, 0]);
            depth += 1;
            apply(&mut json, &diff).err()
        });
        assert_eq!(
            (depth, refused.as_deref()),
            (102, Some("partial JSON update more than 100 deep"))
        );
    }

    #[test]
    fn changes_apply_in_order() {
        let mut json = document();
        // $.a = 2 (as MySQL 9.7.4 wrote it); insert $.b = 7; insert $."k k"[1] = 5; remove $."k k"[0].
        let mut diffs = b"\x00\x03$.a\x03\x05\x02\x00".to_vec();
        diffs.extend_from_slice(b"\x01\x03$.b\x03\x05\x07\x00");
        diffs.extend_from_slice(b"\x01\x0a$.\"k k\"[1]\x03\x05\x05\x00");
        diffs.extend_from_slice(b"\x02\x0a$.\"k k\"[0]");
        apply(&mut json, &diffs).unwrap();
        assert_eq!(text(&json), r#"{"a": 2, "b": 7, "k k": [5, 2]}"#);
    }

    #[test]
    fn what_cannot_be_applied_is_an_error() {
        for diffs in [
            &b"\x00\x03$.z\x03\x05\x02\x00"[..],
            b"\x02\x01$",
            b"\x02\x03a.b",
            b"\x09\x03$.a\x03\x05\x02\x00",
            b"\x00\x09$.a",
            b"\x01\x03$.a\x03\x05\x02\x00",
            b"\x02\x05$[99]",
            b"\x02\x04$.\"a",
        ] {
            assert!(apply(&mut document(), diffs).is_err(), "{diffs:?}");
        }
    }
}
