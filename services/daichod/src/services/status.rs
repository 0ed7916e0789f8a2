//! Refusals and failures as gRPC statuses: `google.rpc.ErrorInfo` with a reason, `BadRequest` for a field.

use std::collections::HashMap;

use daicho_core::{Instant, ReadCode, Refusal, RefusalCode};
use daicho_custody::state::StateError;
use daicho_proto::v1;
use daicho_store::StoreError;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// Domain of all reasons.
const DOMAIN: &str = "daicho";

/// The gRPC code of a reason.
pub(crate) fn code(reason: RefusalCode) -> Code {
    match reason {
        RefusalCode::Malformed
        | RefusalCode::TooLarge
        | RefusalCode::WrongOrigin
        | RefusalCode::PersonalData
        | RefusalCode::FutureTime => Code::InvalidArgument,
        RefusalCode::BadSignature | RefusalCode::UnknownKey => Code::Unauthenticated,
        RefusalCode::NotAuthorized => Code::PermissionDenied,
        RefusalCode::DuplicateId | RefusalCode::SequenceUsed => Code::AlreadyExists,
        RefusalCode::KeyRevoked
        | RefusalCode::UnknownReference
        | RefusalCode::SchemeRejected
        | RefusalCode::WrongSeal
        | RefusalCode::VerificationFailed => Code::FailedPrecondition,
        RefusalCode::QueueFull | RefusalCode::DiskFull => Code::ResourceExhausted,
        RefusalCode::WriterClosed => Code::Unavailable,
        _ => Code::Unknown,
    }
}

/// A refusal as the status of a unary call.
pub(crate) fn refused(refusal: &Refusal) -> Status {
    let mut details = ErrorDetails::with_error_info(refusal.code.reason(), DOMAIN, HashMap::new());
    if !refusal.field.is_empty() {
        details.add_bad_request_violation(refusal.field.clone(), refusal.message.clone());
    }
    Status::with_error_details(code(refusal.code), refusal.message.clone(), details)
}

/// A refusal as one answer of a stream.
pub(crate) fn refusal(refusal: Refusal) -> v1::Refusal {
    v1::Refusal {
        reason: refusal.code.reason().to_owned(),
        retry: refusal.code.retryable(),
        code: code(refusal.code) as i32,
        message: refusal.message,
        field: refusal.field,
    }
}

/// A call that should carry a statement and does not.
pub(crate) fn no_statement() -> Status {
    refused(&Refusal::field(RefusalCode::Malformed, "statement", "required"))
}

/// A field of a call that records nothing is not accepted.
pub(crate) fn bad_field(field: &str, message: &str) -> Status {
    let mut details = read(ReadCode::InvalidArgument);
    details.add_bad_request_violation(field, message);
    Status::with_error_details(Code::InvalidArgument, message, details)
}

/// An id of a call that records nothing, whose form is checked before anything is looked up by it.
pub(crate) fn id(field: &str, id: &str) -> Result<(), Status> {
    daicho_core::check_id(field, id).map_err(|refusal| bad_field(&refusal.field, &refusal.message))
}

/// A time of a call that records nothing.
pub(crate) fn time(field: &str, ms: i64) -> Result<Instant, Status> {
    Instant::from_unix_ms(ms).ok_or_else(|| bad_field(field, "milliseconds since 1970"))
}

/// Nobody whom the ledger knows.
pub(crate) fn not_known(with_key: bool) -> Status {
    let text = if with_key {
        "the key of the connection is not authorised in this ledger, or was revoked"
    } else {
        "connect with a key that is authorised in this ledger (daicho --identity FILE)"
    };
    Status::with_error_details(Code::Unauthenticated, text, read(ReadCode::NotKnown))
}

/// Somebody who may not.
pub(crate) fn not_allowed() -> Status {
    let text = "the key of the connection has no right to this";
    Status::with_error_details(Code::PermissionDenied, text, read(ReadCode::NotAllowed))
}

/// A reader of a stream that took nothing for too long.
pub(crate) fn too_slow() -> Status {
    let text = "nothing was taken of this stream for a minute; read on from where you are";
    Status::with_error_details(Code::Aborted, text, read(ReadCode::TooSlow))
}

/// A party that has as many streams of a kind as it may.
pub(crate) fn too_many_streams(most: usize) -> Status {
    let text = format!("your party has its {most} streams of this kind; end one first");
    Status::with_error_details(Code::ResourceExhausted, text, read(ReadCode::TooManyStreams))
}

/// A party that asks more often than it may.
pub(crate) fn too_many_calls() -> Status {
    let text = "your party asks faster than it may; wait a little, or read on one stream";
    Status::with_error_details(Code::ResourceExhausted, text, read(ReadCode::TooManyCalls))
}

/// Something that is not there.
pub(crate) fn not_found(what: &str) -> Status {
    let message = format!("{what} is not in the ledger");
    Status::with_error_details(Code::NotFound, message, read(ReadCode::NotFound))
}

/// The disk, or what is on it. The log has the cause; the caller can only ask the operator.
pub(crate) fn storage(error: &StoreError) -> Status {
    tracing::error!(%error, "reading the ledger failed");
    unreadable()
}

/// Custody state that cannot be read.
pub(crate) fn state(error: &StateError) -> Status {
    tracing::error!(%error, "reading custody state failed");
    unreadable()
}

fn unreadable() -> Status {
    Status::with_error_details(
        Code::DataLoss,
        "the ledger's files cannot be read; the operator must run fsck",
        read(ReadCode::StorageFailed),
    )
}

fn read(code: ReadCode) -> ErrorDetails {
    ErrorDetails::with_error_info(code.reason(), DOMAIN, HashMap::new())
}

/// A task that did not come to its end.
pub(crate) fn task(_: tokio::task::JoinError) -> Status {
    Status::unavailable("the server is stopping")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_errors_has_these_codes() {
        let page = include_str!("../../../../docs/formats/errors.md");
        for reason in RefusalCode::ALL {
            let row = page.lines().find(|line| line.starts_with(&format!("| `{}` |", reason.reason())));
            let row = row.unwrap_or_else(|| panic!("no row for {}", reason.reason()));
            let said = row.split('|').nth(2).expect("a code").trim().replace('_', "");
            assert_eq!(said.to_lowercase(), format!("{:?}", code(reason)).to_lowercase(), "{row}");
        }
    }
}
