//! A folder of receipts, one file for each entry: `<index>.tlog-proof`.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use daicho_client::{Client, EntryName, Recorded};
use daicho_core::EntryIndex;
use daicho_verify::Receipt;

use crate::context::Context;

/// Where receipts are kept as they come.
#[derive(Debug)]
pub(crate) struct ReceiptFolder {
    folder: PathBuf,
    /// Entries that were recorded and not published yet when they were answered.
    unpublished: Vec<EntryIndex>,
}

impl ReceiptFolder {
    /// Makes the folder, unless it is there. Call it before anything is sent.
    pub(crate) fn open(folder: &Path, context: &Context) -> anyhow::Result<Self> {
        fs::create_dir_all(folder).with_context(|| context.cannot_write(folder))?;
        Ok(Self { folder: folder.to_owned(), unpublished: Vec::new() })
    }

    /// Keeps the receipt of an answer and gives its file. `None`: there is no proof yet; see [`Self::complete`].
    pub(crate) fn keep(&mut self, recorded: &Recorded, context: &Context) -> anyhow::Result<Option<PathBuf>> {
        let index = recorded.entry_index;
        let receipt = recorded.receipt().map_err(|fault| {
            anyhow!(context.pick(
                format!("記録 {index} は記録されましたが、台帳の受領証は証明になりません（{fault}）"),
                format!("entry {index} is recorded, but the ledger's receipt proves nothing: {fault}"),
            ))
        })?;
        let Some(receipt) = receipt else {
            self.unpublished.push(EntryIndex::new(index));
            return Ok(None);
        };
        self.write(&receipt, context).map(Some)
    }

    /// Asks for the receipts of what was not published when it was answered.
    pub(crate) async fn complete(&mut self, client: &Client, context: &Context) -> anyhow::Result<()> {
        for index in std::mem::take(&mut self.unpublished) {
            let receipt = client.receipt(EntryName::Index(index), 0).await?;
            self.write(&receipt, context)?;
        }
        Ok(())
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.folder
    }

    /// Writes a receipt. A file of the same entry is left as it is: an older proof is worth no less. One that holds
    /// another entry in this place is evidence, and stays.
    fn write(&self, receipt: &Receipt, context: &Context) -> anyhow::Result<PathBuf> {
        let path = self.folder.join(format!("{}.tlog-proof", receipt.entry().index));
        match fs::OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(mut file) => {
                let written = file.write_all(receipt.to_string().as_bytes());
                written.with_context(|| context.cannot_write(&path))?;
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                let old = Receipt::parse(&context.read(&path)?);
                if !old.is_ok_and(|old| old.entry_bytes() == receipt.entry_bytes()) {
                    let path = path.display();
                    return Err(anyhow!(context.pick(
                        format!("{path} が既にあり、この記録の受領証ではありません。上書きしません"),
                        format!(
                            "{path} is there already, and no receipt of this entry; it is not overwritten"
                        ),
                    )));
                }
            }
            Err(error) => return Err(error).with_context(|| context.cannot_write(&path)),
        }
        Ok(path)
    }
}
