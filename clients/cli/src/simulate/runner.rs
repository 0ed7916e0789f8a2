//! Plays a plan against a ledger: each party over its own connection, with its own key.

use std::collections::{BTreeMap, VecDeque};

use anyhow::{anyhow, bail};
use daicho_client::{Client, ClientError, EmitStream, Emitter, RefusalCode, SigningKey};
use daicho_core::proto::{self, event::Fact};
use daicho_core::{EntryIndex, Instant, Origin};
use daicho_custody::FindingCode;
use indicatif::{ProgressBar, ProgressStyle};

use crate::context::Context;

use super::faults::Seen;
use super::plan::{Part, Plan, Signer, Step};
use super::replies;

/// Statements of one party in flight.
const WINDOW: usize = 256;

/// One party's client.
struct Voice {
    stream: EmitStream,
    /// What is expected of each statement in flight.
    sent: VecDeque<Expected>,
}

/// How the ledger answers a statement.
#[derive(Clone, Copy, PartialEq)]
enum Expected {
    Recorded,
    /// It may have it already, from an earlier run.
    RecordedOrKnown,
    Refused,
}

/// A run against a ledger.
pub(crate) struct Runner<'r> {
    context: &'r Context,
    client: Client,
    origin: String,
    ward: Option<SigningKey>,
    seed: u64,
    voices: BTreeMap<Signer, Voice>,
}

impl<'r> Runner<'r> {
    /// Connects, and refuses every ledger whose clock is not simulated.
    pub(crate) async fn connect(context: &'r Context, ward: SigningKey, seed: u64) -> anyhow::Result<Self> {
        let client = context.connect_as(&ward).await?;
        let info = client.ledger_info().await?;
        let simulated = Origin::new(&info.origin).is_some_and(|origin| origin.is_simulated());
        if !simulated || info.clock != proto::Clock::Simulated as i32 {
            bail!(context.pick(
                format!(
                    "{} は模擬の台帳ではありません。模擬はその名が /simulated で終わる台帳でだけ動きます",
                    info.origin
                ),
                format!(
                    "{} is no simulated ledger; this plays only on ledgers whose name ends in /simulated",
                    info.origin
                ),
            ));
        }
        Ok(Self { context, client, origin: info.origin, ward: Some(ward), seed, voices: BTreeMap::new() })
    }

    /// Name of the ledger.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// Plays every statement, then lets the time pass in which everything becomes due.
    pub(crate) async fn play(&mut self, plan: &Plan) -> anyhow::Result<()> {
        self.check_clock(plan).await?;
        let bar = progress(plan);
        let mut unanswered: Vec<&Part> = plan.parts.iter().collect();
        unanswered.sort_by_key(|part| replies::time(part));
        for (now, waves) in plan.ticks() {
            while unanswered.first().is_some_and(|part| replies::time(part) < now) {
                self.reply(unanswered.remove(0)).await?;
            }
            self.advance(now).await?;
            bar.set_message(now.jst_day().to_string());
            for wave in waves {
                self.wave(&wave).await?;
                bar.inc(wave.len() as u64);
            }
        }
        for part in unanswered {
            self.reply(part).await?;
        }
        if let Some(end) = plan.parts.iter().map(|part| part.as_of).max() {
            self.advance(end).await?;
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// The findings of a scheme, as the ledger has them, each with the first entry that shows it.
    pub(crate) async fn findings(
        &self,
        part: &Part,
        as_of: Instant,
    ) -> anyhow::Result<Vec<(Seen, Option<EntryIndex>)>> {
        let mut seen = Vec::new();
        for finding in self.client.findings(&part.id, as_of.unix_ms()).await? {
            let code = FindingCode::parse(&finding.code)
                .ok_or_else(|| ClientError::Protocol(format!("an unknown finding {}", finding.code)))?;
            let entry = finding.entries.first().copied().map(EntryIndex::new);
            seen.push((Seen::new(code, &finding.object, &finding.detail), entry));
        }
        Ok(seen)
    }

    /// Has the parties and the ward say what they have to say about the findings of a scheme.
    async fn reply(&mut self, part: &Part) -> anyhow::Result<()> {
        let now = replies::time(part);
        self.advance(now).await?;
        let found = self.findings(part, now).await?;
        for reply in replies::of(part) {
            let step = reply.step(part, &found);
            let step = step.ok_or_else(|| anyhow!("{}: nothing was found to reply to", part.id))?;
            self.wave(&[&step]).await?;
        }
        Ok(())
    }

    async fn check_clock(&self, plan: &Plan) -> anyhow::Result<()> {
        let Some(first) = plan.steps.first() else { return Ok(()) };
        let now = self.client.ledger_info().await?.now_ms;
        if now > first.at.unix_ms() {
            let at = Instant::from_unix_ms(now).unwrap_or(Instant::MAX).jst_day();
            let start = first.at.jst_day();
            bail!(self.context.pick(
                format!("台帳の時計は {at} まで進んでいます。この模擬は {start} に始まります。新しい台帳を --start {start} 以前で作ってください"),
                format!("the ledger's clock is at {at} and this play begins on {start}; make a new ledger with --start {start} or earlier"),
            ));
        }
        Ok(())
    }

    async fn advance(&self, now: Instant) -> anyhow::Result<()> {
        let request = proto::AdvanceClockRequest { now_ms: now.unix_ms() };
        self.client.simulation().advance_clock(request).await.map_err(ClientError::from)?;
        Ok(())
    }

    /// Sends statements that do not need each other's ids, and waits until all are recorded.
    async fn wave(&mut self, wave: &[&Step]) -> anyhow::Result<()> {
        for step in wave {
            let expected = match step.refused {
                true => Expected::Refused,
                false if step.events.iter().all(may_be_there) => Expected::RecordedOrKnown,
                false => Expected::Recorded,
            };
            let voice = self.voice(&step.signer).await?;
            if voice.sent.len() >= WINDOW {
                voice.answers().await?;
            }
            voice.stream.send(step.events.clone()).await?;
            voice.sent.push_back(expected);
        }
        for step in wave {
            if let Some(voice) = self.voices.get_mut(&step.signer) {
                voice.answers().await?;
            }
        }
        Ok(())
    }

    async fn voice(&mut self, signer: &Signer) -> anyhow::Result<&mut Voice> {
        if !self.voices.contains_key(signer) {
            let key = match (signer == &Signer::ward(), self.ward.take()) {
                (true, Some(key)) => key,
                (_, ward) => {
                    self.ward = ward;
                    signer.key(self.seed)
                }
            };
            let client = self.context.connect_alone(&key).await?;
            let stream = Emitter::new(client, key).await?.into_stream(WINDOW).await?;
            let voice = Voice { stream, sent: VecDeque::new() };
            self.voices.insert(signer.clone(), voice);
        }
        self.voices.get_mut(signer).ok_or_else(|| anyhow!("a voice that was just added"))
    }
}

impl Voice {
    /// Takes every answer that is owed. One that was not expected ends the run.
    async fn answers(&mut self) -> anyhow::Result<()> {
        while let Some(expected) = self.sent.pop_front() {
            let Some(answer) = self.stream.next().await else { bail!(ClientError::StreamClosed) };
            match answer.result {
                Err(ClientError::Refused(_)) if expected == Expected::Refused => {}
                Err(ClientError::Refused(refusal))
                    if expected == Expected::RecordedOrKnown && refusal.code == RefusalCode::DuplicateId => {}
                Err(error) => return Err(error.into()),
                Ok(_) if expected == Expected::Refused => bail!("the ledger took what it must refuse"),
                Ok(_) => {}
            }
        }
        Ok(())
    }
}

/// Facts that serve several schemes, which an earlier run may have recorded.
fn may_be_there(event: &proto::Event) -> bool {
    matches!(event.fact, Some(Fact::PartyRegistered(_) | Fact::KeyAuthorized(_) | Fact::DocumentChunk(_)))
}

fn progress(plan: &Plan) -> ProgressBar {
    let bar = ProgressBar::new(plan.steps.len() as u64);
    let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}
