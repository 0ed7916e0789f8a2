//! What becomes of the statements that were sent, as it is told and kept.

use std::io::{IsTerminal as _, Write};

use daicho_client::{Client, ClientError, Recorded};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::Batch;
use crate::context::Context;
use crate::exit::{self, Exit};
use crate::receipt::ReceiptFolder;

/// Tells the user what happens, statement by statement.
pub(super) struct Reporter<'a> {
    context: &'a Context,
    out: &'a mut dyn Write,
    progress: ProgressBar,
    statements: usize,
    events: usize,
    /// The last line of what was recorded last.
    line: usize,
    entries: Option<(u64, u64)>,
    receipts: Option<ReceiptFolder>,
    worst: Exit,
}

impl<'a> Reporter<'a> {
    pub(super) fn new(
        batches: &[Batch],
        receipts: Option<ReceiptFolder>,
        context: &'a Context,
        out: &'a mut dyn Write,
    ) -> Self {
        let total: usize = batches.iter().map(|batch| batch.events.len()).sum();
        let progress = if std::io::stderr().is_terminal() && batches.len() > 1 {
            let style = ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} {per_sec} {eta}");
            ProgressBar::new(total as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        } else {
            ProgressBar::hidden()
        };
        Self {
            context,
            out,
            progress,
            statements: 0,
            events: 0,
            line: 0,
            entries: None,
            receipts,
            worst: Exit::Ok,
        }
    }

    /// One statement was answered. Returns whether to go on.
    pub(super) fn answered(
        &mut self,
        batch: (usize, usize, usize),
        result: Result<Recorded, ClientError>,
    ) -> anyhow::Result<bool> {
        let (first, last, events) = batch;
        self.progress.inc(events as u64);
        match result {
            Ok(receipt) => {
                let entry = receipt.entry_index;
                self.statements += 1;
                self.events += events;
                self.line = last;
                self.entries = Some((self.entries.map_or(entry, |(first, _)| first), entry));
                let kept = self.receipts.as_mut().map(|folder| folder.keep(&receipt, self.context));
                let kept = kept.transpose().map(Option::flatten);
                if self.context.json() {
                    let file = kept.as_ref().ok().and_then(|file| file.as_ref()?.to_str());
                    let json = json!({
                        "first_line": first, "last_line": last, "events": events, "entry": entry,
                        "record_time_ms": receipt.record_time_ms, "chain_hash": hex::encode(&receipt.chain_hash),
                        "repeated": receipt.repeated, "receipt": file,
                    });
                    writeln!(self.out, "{json}")?;
                    // Whoever ends the program at once still has what was recorded.
                    self.out.flush()?;
                }
                // Recorded it is; without its proof kept nothing more is said.
                if let Err(error) = &kept {
                    self.complain(Exit::Wrong, &format!("{error:#}"));
                }
                Ok(kept.is_ok())
            }
            Err(error) => {
                let text = exit::explain(&error, self.context.lang);
                let text = self
                    .context
                    .pick(format!("{first}〜{last} 行目: {text}"), format!("lines {first}-{last}: {text}"));
                self.complain(Exit::of(&error), &text);
                Ok(false)
            }
        }
    }

    /// The user stopped it.
    pub(super) fn interrupted(&mut self) {
        let text = self.context.pick(
            "中断しました。送信済みのものの結果は次のとおりです。",
            "interrupted; of what was sent before:",
        );
        self.complain(Exit::Wrong, text);
    }

    /// Says what went wrong. The heaviest exit code counts.
    fn complain(&mut self, exit: Exit, text: &str) {
        if exit as u8 > self.worst as u8 {
            self.worst = exit;
        }
        self.progress.suspend(|| eprintln!("{text}"));
    }

    pub(super) async fn finish(mut self, left: usize, client: &Client) -> anyhow::Result<Exit> {
        let complete = match &mut self.receipts {
            Some(folder) => folder.complete(client, self.context).await,
            None => Ok(()),
        };
        if let Err(error) = complete {
            self.complain(Exit::Wrong, &format!("{error:#}"));
        }
        self.progress.finish_and_clear();
        if !self.context.json() {
            let (statements, events) = (self.statements, self.events);
            let place = self.entries.map_or(String::new(), |(first, last)| {
                match (first == last, self.context.lang) {
                    (true, crate::scheme::Lang::Ja) => format!("（記録 {first}）"),
                    (true, crate::scheme::Lang::En) => format!(" as entry {first}"),
                    (false, crate::scheme::Lang::Ja) => format!("（記録 {first}〜{last}）"),
                    (false, crate::scheme::Lang::En) => format!(" in entries {first} to {last}"),
                }
            });
            writeln!(
                self.out,
                "{}",
                self.context.pick(
                    format!("{statements} 件の申告（事象 {events} 件）を記録しました{place}。"),
                    format!("recorded {statements} statement(s) with {events} event(s){place}"),
                )
            )?;
            if let Some(folder) = self.receipts.as_ref().map(|folder| folder.path().display()) {
                let text = format!("受領証は {folder} にあります。");
                writeln!(self.out, "{}", self.context.pick(text, format!("their receipts are in {folder}")))?;
            }
        }
        if left > 0 {
            let (ja, en) = match self.line {
                0 => (String::new(), String::new()),
                line => (
                    format!("最後に記録したのは {line} 行目です。"),
                    format!("; line {line} was recorded last"),
                ),
            };
            eprintln!(
                "{}",
                self.context.pick(
                    format!("{left} 件の申告は送信していません。{ja}"),
                    format!("{left} statement(s) were not sent{en}"),
                )
            );
        }
        Ok(self.worst)
    }
}
