//! Splits events into statements that the ledger takes.

use daicho_core::{MAX_EVENTS, MAX_STATEMENT_LEN, proto};
use prost::Message as _;

/// Bytes that a statement may need besides its events: an origin of 120 bytes and four signers.
const HEADER_LEN: usize = 256;

/// Splits events, in order, into as few statements as fit 1,000 events and 48 KiB each.
///
/// A statement is recorded whole or not at all; its parts are not. Events that must stand or fall
/// together belong in one statement. An event that is too large by itself gets a statement of its own,
/// which the ledger will refuse.
pub fn split(events: Vec<proto::Event>) -> Vec<Vec<proto::Event>> {
    let mut statements = Vec::new();
    let mut current = Vec::new();
    let mut bytes = HEADER_LEN;
    for event in events {
        let len = encoded_len(&event);
        if !current.is_empty() && (current.len() == MAX_EVENTS || bytes + len > MAX_STATEMENT_LEN) {
            statements.push(std::mem::take(&mut current));
            bytes = HEADER_LEN;
        }
        bytes += len;
        current.push(event);
    }
    if !current.is_empty() {
        statements.push(current);
    }
    statements
}

/// Length of an event as field 3 of a statement: one byte of tag, the length, the event.
fn encoded_len(event: &proto::Event) -> usize {
    let len = event.encoded_len();
    1 + prost::length_delimiter_len(len) + len
}

#[cfg(test)]
mod tests {
    use super::*;
    use daicho_core::{MAX_ID_LEN, SigningKey, sign_statement};

    fn event(len: usize) -> proto::Event {
        proto::Event { scheme: "s".repeat(len), ..Default::default() }
    }

    #[test]
    fn nothing_is_split_into_nothing() {
        assert!(split(Vec::new()).is_empty());
    }

    #[test]
    fn no_statement_has_more_than_a_thousand_events_and_none_is_lost() {
        let parts = split((0..2_500).map(|i| event(i % 7)).collect());
        assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [1_000, 1_000, 500]);
        assert_eq!(parts.concat(), (0..2_500).map(|i| event(i % 7)).collect::<Vec<_>>());
    }

    #[test]
    fn every_part_fits_with_the_longest_header() {
        let keys: Vec<_> = (0..4).map(|seed| SigningKey::from_seed(&[seed; 32])).collect();
        let signers: Vec<_> = keys.iter().map(|key| (key, i64::MAX as u64)).collect();
        let origin = "o".repeat(MAX_ID_LEN);
        for part in split((0..300).map(|i| event(i * 13 % 997)).collect()) {
            assert!(sign_statement(&origin, &signers, part).statement.len() <= MAX_STATEMENT_LEN);
        }
    }

    #[test]
    fn an_event_that_is_too_large_stands_alone() {
        let parts = split(vec![event(1), event(MAX_STATEMENT_LEN), event(1)]);
        assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 1]);
    }
}
