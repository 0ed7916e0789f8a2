//! `manifest.json`: what is attached, how long it is, its hash, and what drew the paper.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Attachment, BUNDLE, POLICY, REPORT, program};
use crate::Lang;

const FORMAT: &str = "daicho-report-pdf/1";

/// What is attached besides this list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    format: String,
    /// What drew the paper: [`program`](super::program) of its time.
    pub program: String,
    lang: String,
    /// The other attachments, in their order.
    pub files: Vec<FileRecord>,
}

/// One attachment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRecord {
    /// Its name.
    pub name: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its SHA-256 in lower-case hexadecimal.
    pub sha256: String,
}

/// What is wrong with a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// It is no JSON of the published form.
    #[error("the manifest is not of the published form")]
    Form,
    /// It is of another format.
    #[error("the manifest has the format `{0}`")]
    Format(String),
    /// It lists other files than there are.
    #[error("the manifest lists other files than are attached")]
    Files,
    /// A file is longer or shorter than it says.
    #[error("`{name}` has {found} bytes, and the manifest says {stated}")]
    Length {
        /// Which file.
        name: String,
        /// As the manifest has it.
        stated: u64,
        /// As it is.
        found: u64,
    },
    /// A file is not the one it says.
    #[error("`{name}` has another SHA-256 than the manifest says")]
    Hash {
        /// Which file.
        name: String,
    },
}

impl FileRecord {
    /// What is to be said of a file.
    pub fn of(name: &str, bytes: &[u8]) -> Self {
        Self { name: name.to_owned(), bytes: bytes.len() as u64, sha256: hex::encode(Sha256::digest(bytes)) }
    }
}

impl Manifest {
    pub(super) fn of(lang: Lang, attachments: &[Attachment]) -> Self {
        Self {
            format: FORMAT.to_owned(),
            program: program(),
            lang: lang.tag().to_owned(),
            files: attachments.iter().map(|file| FileRecord::of(&file.name, &file.bytes)).collect(),
        }
    }

    /// As it is attached.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// Reads a manifest and checks that it speaks of exactly these files.
    ///
    /// # Errors
    /// [`ManifestError`] with the first thing that is wrong.
    pub fn check(bytes: &[u8], files: &[(&str, &[u8])]) -> Result<(Self, Lang), ManifestError> {
        let manifest: Self = serde_json::from_slice(bytes).map_err(|_| ManifestError::Form)?;
        if manifest.format != FORMAT {
            return Err(ManifestError::Format(manifest.format));
        }
        let lang = Lang::parse(&manifest.lang).ok_or(ManifestError::Form)?;
        if manifest.to_bytes() != bytes {
            return Err(ManifestError::Form);
        }
        let stated: Vec<&str> = manifest.files.iter().map(|file| file.name.as_str()).collect();
        let (least, most): (&[&str], &[&str]) = (&[BUNDLE, REPORT], &[BUNDLE, REPORT, POLICY]);
        if (stated != least && stated != most) || files.len() != stated.len() {
            return Err(ManifestError::Files);
        }
        for record in &manifest.files {
            let Some((name, bytes)) = files.iter().find(|(name, _)| *name == record.name) else {
                return Err(ManifestError::Files);
            };
            let found = FileRecord::of(name, bytes);
            if found.bytes != record.bytes {
                let (stated, found) = (record.bytes, found.bytes);
                return Err(ManifestError::Length { name: (*name).to_owned(), stated, found });
            }
            if found.sha256 != record.sha256 {
                return Err(ManifestError::Hash { name: (*name).to_owned() });
            }
        }
        Ok((manifest, lang))
    }
}
