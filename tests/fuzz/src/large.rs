//! Inputs of a mebibyte, or of as much as a format allows, made so that a parser that takes more than linear time or memory shows it.

use daicho_custody::scheme::MAX_FILE_LEN;
use daicho_verify::timestamp::MAX_TIMESTAMP_LEN;

use crate::mutate::Mutator;
use crate::{Target, calendar, evidence, ledger, log, paper, scheme, timestamp};

/// Length of the inputs, in bytes, where a format does not end before.
pub const LEN: usize = 1 << 20;

/// Length of the inputs of a target. Beyond its limit a parser has nothing to do.
fn len(target: &Target) -> usize {
    match target.name {
        "scheme" | "vocabulary" | "calendar" => MAX_FILE_LEN,
        "timestamp-response" | "timestamp-token" => MAX_TIMESTAMP_LEN,
        _ => LEN,
    }
}

/// What comes of a seed when some of it is repeated, each with a few words on how it was made.
pub fn repeated<'s>(target: &Target, seed: &'s [u8]) -> impl Iterator<Item = (String, Vec<u8>)> + use<'s> {
    let room = len(target) - seed.len();
    let insert = move |at: usize, part: &[u8]| {
        let (head, tail) = seed.split_at(at);
        [head, &part.repeat(room / part.len()), tail].concat()
    };
    let lines = seed.split_inclusive(|b| *b == b'\n').take(24).scan(0, move |at, line| {
        let start = *at;
        *at += line.len();
        Some((format!("line at {start}"), insert(start, line)))
    });
    let mut random = Mutator::new(1);
    let parts = (0..8).map(move |_| {
        let start = random.below(seed.len());
        let end = seed.len().min(start + 1 + random.below(64));
        (format!("bytes {start} to {end}"), insert(start, &seed[start..end]))
    });
    let mut random = Mutator::new(2);
    let bytes = b"\0\xff 0A[{(\".,#".iter().map(move |byte| {
        let at = random.below(seed.len());
        (format!("byte {byte} at {at}"), insert(at, &[*byte]))
    });
    lines.chain(parts).chain(bytes)
}

/// What repeating does not lead to: as much of everything as a format allows.
pub fn made(target: &Target) -> Vec<(&'static str, Vec<u8>)> {
    match target.name {
        "note" | "checkpoint" => log::large_notes(),
        "proof" => log::large_proofs(),
        "policy" => log::large_policies(),
        "receipt" => evidence::large_receipts(),
        "fork-proof" => evidence::large_fork_proofs(),
        "bundle" => evidence::large_bundles(),
        "timestamp-token" => timestamp::large_tokens(),
        "statement" | "draft" => ledger::large_statements(),
        "scheme" => scheme::large_schemes(),
        "vocabulary" => scheme::large_vocabularies(),
        "calendar" => calendar::large_calendars(),
        "pdf" => paper::large_pdfs(),
        _ => Vec::new(),
    }
}
