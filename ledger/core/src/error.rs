//! Why a statement is refused or another call turned down: the closed lists of reasons. `docs/formats/errors.md`
//! explains each.

use std::fmt;

use crate::EntryIndex;

/// Reason for refusing a statement. The wire form is [`RefusalCode::reason`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefusalCode {
    /// The bytes are no statement. Fix the request.
    Malformed,
    /// Larger than a limit. Fix the request.
    TooLarge,
    /// Signed for another ledger. Fix the request.
    WrongOrigin,
    /// A signature does not verify. Fix the request.
    BadSignature,
    /// No such key is authorised. Fix the request, or authorise the key first.
    UnknownKey,
    /// The key was revoked before. Stop using it.
    KeyRevoked,
    /// The signer may not say this. Fix the request.
    NotAuthorized,
    /// It names something that was never named before. Fix the request, or name it first.
    UnknownReference,
    /// An id is taken by something else. Fix the request.
    DuplicateId,
    /// The statement's number was used for other bytes. Take the next number.
    SequenceUsed,
    /// It happened later than now. Check the clock of the emitter.
    FutureTime,
    /// A scheme file has errors, or errors of its source that nobody settled. Fix the file.
    SchemeRejected,
    /// A certificate covers a deletion whose verification failed. Erase again first.
    VerificationFailed,
    /// A seal that does not state the entry right before it and the chain hash there. Seal anew.
    WrongSeal,
    /// A text looks like personal data, which the ledger does not take. Name things by ids that say nothing.
    PersonalData,
    /// The server's queue is full. Nothing was written; send the same request again.
    QueueFull,
    /// The disk of the ledger is nearly full. Nothing was written; send the same request again when there is room.
    DiskFull,
    /// The server is stopping, or its disk failed. Nothing more is written until it starts again.
    WriterClosed,
}

impl RefusalCode {
    /// Every reason.
    pub const ALL: [Self; 18] = [
        Self::Malformed,
        Self::TooLarge,
        Self::WrongOrigin,
        Self::BadSignature,
        Self::UnknownKey,
        Self::KeyRevoked,
        Self::NotAuthorized,
        Self::UnknownReference,
        Self::DuplicateId,
        Self::SequenceUsed,
        Self::FutureTime,
        Self::SchemeRejected,
        Self::VerificationFailed,
        Self::WrongSeal,
        Self::PersonalData,
        Self::QueueFull,
        Self::DiskFull,
        Self::WriterClosed,
    ];

    /// The word on the wire (`ErrorInfo.reason`).
    pub fn reason(self) -> &'static str {
        match self {
            Self::Malformed => "MALFORMED",
            Self::TooLarge => "TOO_LARGE",
            Self::WrongOrigin => "WRONG_ORIGIN",
            Self::BadSignature => "BAD_SIGNATURE",
            Self::UnknownKey => "UNKNOWN_KEY",
            Self::KeyRevoked => "KEY_REVOKED",
            Self::NotAuthorized => "NOT_AUTHORIZED",
            Self::UnknownReference => "UNKNOWN_REFERENCE",
            Self::DuplicateId => "DUPLICATE_ID",
            Self::SequenceUsed => "SEQUENCE_USED",
            Self::FutureTime => "FUTURE_TIME",
            Self::SchemeRejected => "SCHEME_REJECTED",
            Self::VerificationFailed => "VERIFICATION_FAILED",
            Self::WrongSeal => "WRONG_SEAL",
            Self::PersonalData => "PERSONAL_DATA",
            Self::QueueFull => "QUEUE_FULL",
            Self::DiskFull => "DISK_FULL",
            Self::WriterClosed => "WRITER_CLOSED",
        }
    }

    /// The reason with this word.
    pub fn from_reason(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.reason() == word)
    }

    /// Whether the same request may succeed later.
    pub fn retryable(self) -> bool {
        matches!(self, Self::QueueFull | Self::DiskFull | Self::WriterClosed)
    }
}

/// Reason for turning down a call that records nothing. The wire form is [`ReadCode::reason`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReadCode {
    /// A field breaks its rule. Fix the request.
    InvalidArgument,
    /// There is no such thing. Ask for one that is there.
    NotFound,
    /// The ledger does not know the key of the connection. Connect with one that is authorised.
    NotKnown,
    /// The key of the connection has no right to this. Ask whoever has.
    NotAllowed,
    /// The reader of a stream took nothing for too long. Read on from where it stopped.
    TooSlow,
    /// The party has as many streams of entries as it may. End one first.
    TooManyStreams,
    /// The party asks more often than it may. Ask again a little later.
    TooManyCalls,
    /// The files cannot be read. The operator stops the server and checks them.
    StorageFailed,
}

impl ReadCode {
    /// Every reason.
    pub const ALL: [Self; 8] = [
        Self::InvalidArgument,
        Self::NotFound,
        Self::NotKnown,
        Self::NotAllowed,
        Self::TooSlow,
        Self::TooManyStreams,
        Self::TooManyCalls,
        Self::StorageFailed,
    ];

    /// The word on the wire (`ErrorInfo.reason`).
    pub fn reason(self) -> &'static str {
        match self {
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::NotFound => "NOT_FOUND",
            Self::NotKnown => "NOT_KNOWN",
            Self::NotAllowed => "NOT_ALLOWED",
            Self::TooSlow => "TOO_SLOW",
            Self::TooManyStreams => "TOO_MANY_STREAMS",
            Self::TooManyCalls => "TOO_MANY_CALLS",
            Self::StorageFailed => "STORAGE_FAILED",
        }
    }

    /// The reason with this word.
    pub fn from_reason(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.reason() == word)
    }
}

/// A refused statement: nothing was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Reason.
    pub code: RefusalCode,
    /// Field at fault, e.g. `events[3].collected.copies[0].id`; empty for the whole statement.
    pub field: String,
    /// What is wrong and what to do, for a person. Ids only, never payloads.
    pub message: String,
}

impl Refusal {
    /// Longest message, in characters. It may name what came in, and travels in headers that clients let be 16 KiB.
    pub const MAX_MESSAGE: usize = 400;

    /// A refusal of the statement as a whole.
    pub fn new(code: RefusalCode, message: impl Into<String>) -> Self {
        Self::field(code, String::new(), message)
    }

    /// A refusal because of one field. A message that is too long is cut.
    pub fn field(code: RefusalCode, field: impl Into<String>, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if let Some((end, _)) = message.char_indices().nth(Self::MAX_MESSAGE) {
            message.truncate(end);
            message.push('…');
        }
        Self { code, field: field.into(), message }
    }

    /// The same with `outer` put before the field path.
    #[must_use]
    pub fn within(mut self, outer: &str) -> Self {
        self.field = if self.field.is_empty() { outer.to_owned() } else { format!("{outer}.{}", self.field) };
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.reason(), self.message)?;
        if self.field.is_empty() { Ok(()) } else { write!(f, " (at {})", self.field) }
    }
}

impl std::error::Error for Refusal {}

/// Entry bytes that are no entry, or not the next one of the chain. The check that failed is the variant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// The bytes end early, go on too long or hold an impossible length.
    #[error("entry bytes are malformed: {0}")]
    Malformed(&'static str),
    /// Another version than this program reads.
    #[error("entry format version {0} is unknown")]
    UnknownVersion(u8),
    /// An entry is missing, doubled or out of place.
    #[error("expected entry {expected}, found {found}")]
    IndexGap {
        /// Index that comes next.
        expected: EntryIndex,
        /// Index in the bytes.
        found: EntryIndex,
    },
    /// The entry does not continue the chain.
    #[error("entry {0} does not hold the chain hash of the entry before it")]
    WrongPreviousHash(EntryIndex),
    /// Time goes back.
    #[error("entry {0} was recorded before the entry ahead of it")]
    TimeGoesBack(EntryIndex),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_fits_a_header() {
        let long = Refusal::field(RefusalCode::UnknownReference, "events[0].flow", "長".repeat(20_000));
        assert_eq!(long.message.chars().count(), Refusal::MAX_MESSAGE + 1);
        assert!(long.message.ends_with('…'));
        let short = "長".repeat(Refusal::MAX_MESSAGE);
        assert_eq!(Refusal::new(RefusalCode::Malformed, short.clone()).message, short);
    }
}
