//! Keys of the custody state: one table byte, then parts, each ended by a zero byte.
//!
//! Ids hold no zero byte, so parts cannot run into each other and byte order is id order.
//! Table bytes are never used again for something else.

use daicho_core::EntryIndex;

/// A table of the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Table {
    /// `()` → [`LedgerRecord`](super::LedgerRecord).
    Ledger = b'L',
    /// `party` → [`PartyRecord`](super::PartyRecord).
    Party = b'P',
    /// `key id in hex` → [`KeyRecord`](super::KeyRecord).
    Key = b'K',
    /// `()` → [`CheckpointKeysRecord`](super::CheckpointKeysRecord).
    CheckpointKeys = b'N',
    /// `key id in hex` → [`InvitationRecord`](super::InvitationRecord).
    Invitation = b'i',
    /// `()` → [`WardRuleRecord`](super::WardRuleRecord).
    WardRule = b'W',
    /// `key id in hex` → [`SequenceRecord`](super::SequenceRecord).
    Sequence = b'Q',
    /// `document hash in hex, piece` → bytes of the piece.
    DocumentPiece = b'D',
    /// `document hash in hex` → [`DocumentRecord`](super::DocumentRecord).
    Document = b'd',
    /// `scheme` → [`SchemeRecord`](super::SchemeRecord).
    Scheme = b'S',
    /// `scheme, rule` → [`RuleRecord`](super::RuleRecord): numbers that the ward set.
    Rule = b'R',
    /// `scheme, contract` → [`ContractRecord`](super::ContractRecord).
    Contract = b'C',
    /// `key id in hex, entry, n` → [`LateNumberRecord`](super::LateNumberRecord). Output.
    LateNumber = b'n',
    /// `scheme, party, member` → [`ApprovalRecord`](super::ApprovalRecord).
    Approval = b'A',
    /// `scheme, data set` → [`DataSetRecord`](super::DataSetRecord).
    DataSet = b'T',
    /// `scheme, copy` → [`CopyRecord`](super::CopyRecord).
    Copy = b'c',
    /// `scheme, handover` → [`HandoverRecord`](super::HandoverRecord).
    Handover = b'H',
    /// `scheme, handover` → list of [`HandoverRecord`](super::HandoverRecord): other pairs of parties than the first one.
    OtherHandovers = b'h',
    /// `scheme, certificate` → [`CertificateRecord`](super::CertificateRecord).
    Certificate = b'E',

    /// `scheme, data set, copy` → nothing. Output: the fold never reads it.
    CopyOfDataSet = b'I',
    /// `scheme, copy, entry, n` → [`CopyFact`](super::CopyFact). Output.
    CopyFact = b'e',
    /// `scheme, milestone, scope, target, entry` → [`Fact`](super::Fact). Output.
    Milestone = b'M',
    /// `scheme, code, object, entry` → [`FindingRecord`](super::FindingRecord). Output.
    Finding = b'F',
    /// `scheme, flow, entry, n` → [`RelayRecord`](super::RelayRecord). Output.
    Relay = b'V',
    /// `scheme, system, entry, n` → [`AttestationRecord`](super::AttestationRecord). Output.
    Attestation = b'X',
    /// `scheme, system, kind, entry, n` → [`AttestationRecord`](super::AttestationRecord). Output.
    AttestationOfKind = b'x',
    /// `scheme, kind, entry, n` → [`ActRecord`](super::ActRecord). Output.
    Act = b'J',
    /// `at` → party of the first signer of the entry, as text. Output.
    Author = b'O',
    /// `scheme, code, object, at` → [`DecisionRecord`](super::DecisionRecord). Output.
    Decision = b'G',
    /// `entry corrected, event, entry` → [`CorrectionRecord`](super::CorrectionRecord). Output.
    Correction = b'Z',
}

impl Table {
    /// Every table.
    pub const ALL: [Self; 30] = [
        Self::Ledger,
        Self::Party,
        Self::Key,
        Self::CheckpointKeys,
        Self::Invitation,
        Self::WardRule,
        Self::Sequence,
        Self::DocumentPiece,
        Self::Document,
        Self::Scheme,
        Self::Rule,
        Self::Contract,
        Self::LateNumber,
        Self::Approval,
        Self::DataSet,
        Self::Copy,
        Self::Handover,
        Self::OtherHandovers,
        Self::Certificate,
        Self::CopyOfDataSet,
        Self::CopyFact,
        Self::Milestone,
        Self::Finding,
        Self::Relay,
        Self::Attestation,
        Self::AttestationOfKind,
        Self::Act,
        Self::Author,
        Self::Decision,
        Self::Correction,
    ];

    /// Whether the fold reads the table. What it only writes, a replay need not keep.
    pub fn is_read_by_fold(byte: u8) -> bool {
        !matches!(byte, b'I' | b'e' | b'M' | b'F' | b'V' | b'X' | b'x' | b'J' | b'Z' | b'O' | b'G' | b'n')
    }
}

/// Builds a key.
pub fn key(table: Table, parts: &[&str]) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 + parts.iter().map(|p| p.len() + 1).sum::<usize>() + 20);
    write_key(&mut out, table, parts);
    out
}

/// Builds a key where another one was.
pub(crate) fn write_key(out: &mut Vec<u8>, table: Table, parts: &[&str]) {
    out.clear();
    out.push(table as u8);
    push_parts(out, parts);
}

/// Appends parts, each ended by a zero byte.
pub(crate) fn push_parts(out: &mut Vec<u8>, parts: &[&str]) {
    for part in parts {
        debug_assert!(!part.as_bytes().contains(&0), "ids hold no zero byte");
        out.extend_from_slice(part.as_bytes());
        out.push(0);
    }
}

/// Builds a key that ends with an entry index and a number inside the entry, both big-endian.
pub fn key_at(table: Table, parts: &[&str], entry: EntryIndex, n: u32) -> Vec<u8> {
    let mut out = key(table, parts);
    out.extend_from_slice(&entry.get().to_be_bytes());
    out.extend_from_slice(&n.to_be_bytes());
    out
}

/// The first part of what a key has after a prefix.
pub(crate) fn first_part(rest: &[u8]) -> &str {
    let end = rest.iter().position(|&b| b == 0).unwrap_or(rest.len());
    std::str::from_utf8(&rest[..end]).unwrap_or_default()
}

/// The `n`-th part of a key, from 0. Empty when it has no such part.
pub fn part(key: &[u8], n: usize) -> &str {
    let part = key.get(1..).unwrap_or_default().split(|&b| b == 0).nth(n).unwrap_or_default();
    std::str::from_utf8(part).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(key(Table::Copy, &["ab", "c"]), key(Table::Copy, &["a", "bc"]));
        assert!(!key(Table::Copy, &["s", "c-10"]).starts_with(&key(Table::Copy, &["s", "c-1"])));
    }

    #[test]
    fn parts_are_read_back() {
        let place = key_at(Table::Finding, &["s", "OVERDUE", "写し"], EntryIndex::new(7), 0);
        assert_eq!([0, 1, 2].map(|n| part(&place, n)), ["s", "OVERDUE", "写し"]);
        let place = key(Table::Copy, &["s", "c"]);
        assert_eq!([0, 1, 2, 3].map(|n| part(&place, n)), ["s", "c", "", ""]);
    }

    #[test]
    fn outputs_are_the_tables_that_say_so() {
        for table in [Table::Ledger, Table::Copy, Table::DataSet, Table::Sequence, Table::Handover] {
            assert!(Table::is_read_by_fold(table as u8));
        }
        for table in [Table::Finding, Table::CopyFact, Table::Milestone, Table::CopyOfDataSet] {
            assert!(!Table::is_read_by_fold(table as u8));
        }
    }
}
