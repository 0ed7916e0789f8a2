//! Documents: files that the ledger keeps as bytes, in pieces.

use std::fmt;

use daicho_core::{Instant, RefusalCode, Signer, proto};
use sha2::{Digest as _, Sha256};

use crate::{ClientError, Emitter, Recorded, event};

/// Longest piece, in bytes.
pub const CHUNK_LEN: usize = 32 * 1024;
/// Longest document, in bytes: 64 pieces.
pub const MAX_DOCUMENT_LEN: usize = 64 * CHUNK_LEN;

/// SHA-256 of a document: its name in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DocumentHash([u8; 32]);

impl DocumentHash {
    /// The hash of a document.
    pub fn of(document: &[u8]) -> Self {
        Self(Sha256::digest(document).into())
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for DocumentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// A scheme to put in force.
#[derive(Debug, Clone, Default)]
pub struct Enactment {
    /// Scheme id.
    pub scheme: String,
    /// Version, from 1.
    pub version: u32,
    /// The scheme file.
    pub scheme_file: Vec<u8>,
    /// The vocabulary file.
    pub vocabulary_file: Vec<u8>,
    /// The calendar of business days, where the scheme names one.
    pub calendar_file: Option<Vec<u8>>,
    /// How the ward settles each error of the source.
    pub corrections: Vec<proto::SourceCorrection>,
    /// Whether clocks that already run under earlier versions are judged by this one.
    pub applies_to_open: bool,
}

/// A scheme that was put in force.
#[derive(Debug, Clone, PartialEq)]
pub struct Enacted {
    /// The scheme file in the ledger.
    pub scheme_document: DocumentHash,
    /// The vocabulary file in the ledger.
    pub vocabulary_document: DocumentHash,
    /// Receipt of the enactment.
    pub receipt: Recorded,
}

/// The pieces of a document as events, in order. Each fits a statement of its own.
///
/// # Errors
/// [`ClientError::DocumentSize`] when it is empty or longer than [`MAX_DOCUMENT_LEN`].
pub fn document_chunks(document: &[u8], occurred: Instant) -> Result<Vec<proto::Event>, ClientError> {
    if document.is_empty() || document.len() > MAX_DOCUMENT_LEN {
        return Err(ClientError::DocumentSize { len: document.len(), max: MAX_DOCUMENT_LEN });
    }
    let hash = DocumentHash::of(document);
    let count = document.len().div_ceil(CHUNK_LEN) as u32;
    let pieces = document.chunks(CHUNK_LEN).zip(0..).map(|(piece, index)| {
        let chunk =
            proto::DocumentChunk { document: hash.as_bytes().to_vec(), index, count, data: piece.to_vec() };
        event("", occurred, proto::event::Fact::DocumentChunk(chunk))
    });
    Ok(pieces.collect())
}

impl Emitter {
    /// Puts a document into the ledger, piece by piece, and returns its name.
    ///
    /// A piece that the ledger already has is passed over, so an upload that broke off is simply repeated.
    ///
    /// # Errors
    /// [`ClientError::DocumentSize`], and as [`emit`](Self::emit).
    pub async fn put_document(&mut self, document: &[u8]) -> Result<DocumentHash, ClientError> {
        let now = self.ledger_now().await?;
        for chunk in document_chunks(document, now)? {
            match self.emit(vec![chunk]).await {
                Ok(_) => {}
                // The piece is there. That its bytes are these is checked when the whole is used: its name is its hash.
                Err(ClientError::Refused(refusal)) if refusal.code == RefusalCode::DuplicateId => {}
                Err(error) => return Err(error),
            }
        }
        Ok(DocumentHash::of(document))
    }

    /// Uploads the files of a scheme and puts it in force.
    ///
    /// # Errors
    /// [`RefusalCode::SchemeRejected`] while the file has errors or unsettled errors of its source;
    /// and as [`put_document`](Self::put_document).
    pub async fn enact_scheme(
        &mut self,
        enactment: Enactment,
        cosigners: &[&dyn Signer],
    ) -> Result<Enacted, ClientError> {
        let scheme_document = DocumentHash::of(&enactment.scheme_file);
        let vocabulary_document = DocumentHash::of(&enactment.vocabulary_file);
        let event = self.enactment(enactment).await?;
        let receipt = self.emit_with(vec![event], cosigners).await?;
        Ok(Enacted { scheme_document, vocabulary_document, receipt })
    }

    /// Uploads the files of a scheme, and makes the event that puts it in force.
    ///
    /// # Errors
    /// As [`put_document`](Self::put_document).
    pub async fn enactment(&mut self, enactment: Enactment) -> Result<proto::Event, ClientError> {
        let scheme_document = self.put_document(&enactment.scheme_file).await?;
        let vocabulary_document = self.put_document(&enactment.vocabulary_file).await?;
        let calendar_document = match &enactment.calendar_file {
            Some(file) => self.put_document(file).await?.as_bytes().to_vec(),
            None => Vec::new(),
        };
        let fact = proto::SchemeEnacted {
            scheme: enactment.scheme.clone(),
            version: enactment.version,
            scheme_document: scheme_document.as_bytes().to_vec(),
            vocabulary_document: vocabulary_document.as_bytes().to_vec(),
            corrections: enactment.corrections,
            applies_to_open: enactment.applies_to_open,
            calendar_document,
        };
        let now = self.ledger_now().await?;
        Ok(event(&enactment.scheme, now, proto::event::Fact::SchemeEnacted(fact)))
    }

    /// The ledger's present time: on a simulated clock the machine's would be wrong.
    ///
    /// # Errors
    /// [`ClientError::Protocol`] when it is out of range, and as every read.
    pub async fn ledger_now(&self) -> Result<Instant, ClientError> {
        let now = self.client().ledger_info().await?.now_ms;
        Instant::from_unix_ms(now)
            .ok_or_else(|| ClientError::Protocol(format!("the time {now} is out of range")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use daicho_core::{MAX_STATEMENT_LEN, sign_statement};

    fn chunk(event: &proto::Event) -> &proto::DocumentChunk {
        match &event.fact {
            Some(proto::event::Fact::DocumentChunk(chunk)) => chunk,
            other => panic!("not a chunk: {other:?}"),
        }
    }

    #[test]
    fn pieces_put_together_are_the_document_and_each_fits_a_statement() {
        let document: Vec<u8> = (0..CHUNK_LEN * 2 + 5).map(|i| i as u8).collect();
        let events = document_chunks(&document, Instant::EPOCH).expect("within limits");
        let joined: Vec<u8> = events.iter().flat_map(|event| chunk(event).data.clone()).collect();
        assert_eq!(joined, document);
        assert_eq!(events.iter().map(|event| chunk(event).index).collect::<Vec<_>>(), [0, 1, 2]);
        for event in events {
            assert_eq!(chunk(&event).count, 3);
            assert_eq!(chunk(&event).document, DocumentHash::of(&document).as_bytes());
            let key = daicho_core::SigningKey::from_seed(&[1; 32]);
            assert!(sign_statement("o", &[(&key, 1)], vec![event]).statement.len() < MAX_STATEMENT_LEN);
        }
    }

    #[test]
    fn empty_and_oversized_documents_are_refused_here() {
        assert!(document_chunks(&[], Instant::EPOCH).is_err());
        assert!(document_chunks(&vec![0; MAX_DOCUMENT_LEN + 1], Instant::EPOCH).is_err());
        assert_eq!(
            document_chunks(&vec![0; MAX_DOCUMENT_LEN], Instant::EPOCH).map(|c| c.len()).ok(),
            Some(64)
        );
    }
}
