//! `daichod fsck`: verifies the files, entry by entry, and compares what is derived from them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use daicho_core::{Entry, EntryIndex, LedgerSize, ParsedStatement};
use daicho_custody::state::{MemoryState, Scan as _};
use daicho_store::{Head, Store, StoreError};
use daicho_tlog::tile::{self, Tile};
use daicho_tlog::{SignedCheckpoint, TreeHash, VerifierKey, merkle};
use daicho_verify::{AuditError, AuditReport, Auditor, Check};
use indicatif::{ProgressBar, ProgressStyle};

/// Entries that are verified together.
const BATCH: usize = Auditor::BATCH;

/// Checks the files of a ledger. The server must not run on them.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  daichod fsck --data ./ledger             every hash, link, signature, rule; the statement index; the head
  daichod fsck --data ./ledger --rebuild   also rebuilds the custody state from the entries and compares every record

Exit codes: 0 sound; 1 damaged: the first entry at fault and the check are named; 3 the files cannot be opened.")]
pub(crate) struct Args {
    /// Data folder.
    #[arg(long, default_value = crate::DEFAULT_DATA)]
    data: PathBuf,
    /// Rebuild the custody state from the entries alone and compare it with the stored one, record by record.
    #[arg(long)]
    rebuild: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Everything that can be checked, printed for people.
    pub(crate) fn whole(data: &Path) -> Self {
        Self { data: data.to_owned(), rebuild: true, json: false }
    }
}

/// What is wrong. Storage failures that cannot be pinned to an entry stay errors.
struct Fault {
    entry: u64,
    check: String,
    detail: String,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let store = match Store::open_read_only(&args.data) {
        Ok(store) => store,
        Err(StoreError::Missing(path)) => anyhow::bail!(StoreError::Missing(path)),
        Err(error) => return Ok(report_fault(args, &unreadable(&args.data, &error))),
    };
    match check(&store, args.rebuild)? {
        Ok(report) => {
            print_report(args, &report);
            Ok(ExitCode::SUCCESS)
        }
        Err(fault) => Ok(report_fault(args, &fault)),
    }
}

/// The check that fails when the database does not open.
const DATABASE: &str = "database";

fn unreadable(path: &Path, error: &StoreError) -> Fault {
    Fault { entry: 0, check: DATABASE.into(), detail: format!("{}: {error}", path.display()) }
}

fn check(store: &Store, rebuild: bool) -> anyhow::Result<Result<AuditReport, Fault>> {
    let head = match store.head() {
        Ok(head) => head,
        Err(error) => return Ok(Err(Fault { entry: 0, check: "head".into(), detail: error.to_string() })),
    };
    let mut auditor = if rebuild {
        Auditor::keeping_all_state()
    } else {
        Auditor::with_scratch(Box::new(tempfile::tempfile()?))
    };
    let damaged_block = match feed(store, &head, &mut auditor) {
        Ok(damage) => damage,
        Err(fault) => return Ok(Err(fault)),
    };
    let (report, state) = match auditor.finish_with_state() {
        Ok(done) => done,
        Err(error) => return Ok(Err(error.into())),
    };
    if report.size != head.size
        || report.head != head.chain
        || report.root != head.root
        || report.custody != head.custody
        || report.recorded != head.recorded
    {
        let detail = format!(
            "the entries end at {} {}, the head says {} {}",
            report.size.get(),
            report.head,
            head.size.get(),
            head.chain
        );
        return Ok(Err(Fault { entry: head.size.get(), check: Check::ClaimedHead.to_string(), detail }));
    }
    if let Some(damage) = damaged_block {
        return Ok(Err(damage));
    }
    // Every block of the derived tables is read, so that a damaged byte shows there too.
    let damaged = |detail: String| Fault { entry: head.size.get(), check: "state".into(), detail };
    let rows = match store.count_rows() {
        Ok((statements, _)) => statements,
        Err(error) => return Ok(Err(damaged(error.to_string()))),
    };
    if rows != report.counts.signatures {
        let detail =
            format!("{rows} rows of the statement index for {} signatures", report.counts.signatures);
        return Ok(Err(Fault { entry: head.size.get(), check: "statement-index".into(), detail }));
    }
    if let Err(fault) = check_tree(store, &report) {
        return Ok(Err(fault));
    }
    if rebuild {
        match compare_state(store, &state) {
            Ok(None) => {}
            Ok(Some(fault)) => return Ok(Err(fault)),
            Err(error) => return Ok(Err(damaged(error.to_string()))),
        }
    }
    Ok(Ok(report))
}

impl From<AuditError> for Fault {
    fn from(error: AuditError) -> Self {
        Self { entry: error.entry.get(), check: error.check.to_string(), detail: error.detail }
    }
}

/// Feeds every entry, and checks the statement index beside it.
/// Returns a block whose checksum failed though its entries are whole.
fn feed(store: &Store, head: &Head, auditor: &mut Auditor) -> Result<Option<Fault>, Fault> {
    let bar = ProgressBar::new(head.size.get());
    bar.set_style(
        ProgressStyle::with_template("{bar:40} {pos}/{len} entries  {per_sec}  {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let mut next = 0;
    // A block whose own checksum failed though all its entries are whole: reported when nothing worse is found.
    let mut damaged_block = None;
    while next < head.size.get() {
        let start = next;
        let mut batch = Vec::with_capacity(BATCH);
        let mut fault = None;
        while batch.len() < BATCH && next < head.size.get() {
            match read_entry(store, next) {
                Ok((bytes, damage)) => {
                    batch.push(bytes);
                    damaged_block = damaged_block.or(damage);
                }
                Err(found) => {
                    fault = Some(found);
                    break;
                }
            }
            next += 1;
        }
        auditor.feed(&batch)?;
        check_index(store, start, &batch)?;
        if let Some(fault) = fault {
            return Err(fault);
        }
        bar.set_position(next);
    }
    bar.finish_and_clear();
    Ok(damaged_block)
}

/// One entry's bytes. When RocksDB's checksum of its block fails, they are looked for in the raw files: the chain
/// decides, so that the entry at fault is named and not its whole block. The failure itself is handed out as well.
fn read_entry(store: &Store, index: u64) -> Result<(Vec<u8>, Option<Fault>), Fault> {
    let at = EntryIndex::new(index);
    let fault = |check: &str, detail: String| Fault { entry: index, check: check.into(), detail };
    let damage = match store.entry(at) {
        Ok(Some(bytes)) => return Ok((bytes, None)),
        Ok(None) => return Err(fault("index-order", "the entry is missing".into())),
        Err(error) => fault("files", error.to_string()),
    };
    match store.entry_from_files(at) {
        Ok(Some(bytes)) => Ok((bytes, Some(damage))),
        Ok(None) | Err(_) => Err(damage),
    }
}

fn check_index(store: &Store, start: u64, batch: &[Vec<u8>]) -> Result<(), Fault> {
    for (index, bytes) in (start..).zip(batch) {
        // Entries that do not decode, or are not in their place, are reported by the auditor.
        let Ok(entry) = Entry::decode(bytes) else { continue };
        if entry.index.get() != index {
            continue;
        }
        let fault = |detail: String| Fault { entry: index, check: "statement-index".into(), detail };
        let Ok(parsed) = ParsedStatement::parse(entry.statement) else { continue };
        let hash = parsed.signed_hash();
        for id in parsed.signers() {
            let row = store.statement(id).map_err(|error| fault(error.to_string()))?;
            if row.is_none_or(|row| row.entry.get() != index || row.hash != hash) {
                return Err(fault(format!("statement {id} is not indexed at its entry")));
            }
        }
    }
    Ok(())
}

/// Checks every tile of hashes against the entries or the tiles below it, and every kept checkpoint against the tree.
fn check_tree(store: &Store, report: &AuditReport) -> Result<(), Fault> {
    let size = report.size;
    let last = size.get().saturating_sub(1);
    let fault = |entry: u64, check: &str, detail: String| Fault { entry, check: check.into(), detail };
    let tree = |entry: u64, detail: String| fault(entry, "tiles", detail);
    let read = |wanted: Tile, entry: u64| -> Result<Vec<TreeHash>, Fault> {
        let bytes = store.tile(wanted).map_err(|error| tree(entry, error.to_string()))?;
        let bytes = bytes.ok_or_else(|| tree(entry, format!("{wanted} is missing")))?;
        Ok(bytes.chunks(32).filter_map(TreeHash::from_slice).collect())
    };
    for wanted in Tile::all_of(size.get()) {
        let tile::Kind::Hashes(level) = wanted.kind else { continue };
        let below = |n: usize| wanted.index * tile::WIDTH + n as u64;
        for (n, hash) in read(wanted, below(0).min(last))?.into_iter().enumerate() {
            let expected = if level == 0 {
                let entry = below(n);
                let (bytes, _) = read_entry(store, entry)?;
                TreeHash::of_leaf(&bytes)
            } else {
                let full =
                    Tile { kind: tile::Kind::Hashes(level - 1), index: below(n), width: tile::WIDTH as u16 };
                tile::perfect(&read(full, last)?)
            };
            if hash != expected {
                let entry = if level == 0 { below(n) } else { last };
                return Err(tree(entry, format!("hash {n} of {wanted} is not that of what it stands for")));
            }
        }
    }
    store.count_tile_rows().map_err(|error| tree(last, error.to_string()))?;
    for row in store.checkpoints_up(LedgerSize::new(0)) {
        let (at, row) = row.map_err(|error| fault(last, "checkpoint", error.to_string()))?;
        let fault = |detail: String| fault(at.get().saturating_sub(1), "checkpoint", detail);
        let signed =
            SignedCheckpoint::parse(row.note.as_bytes()).map_err(|error| fault(error.to_string()))?;
        let checkpoint = signed.checkpoint();
        if at > size || checkpoint.size() != at.get() || checkpoint.origin() != report.origin.as_str() {
            return Err(fault(format!("{checkpoint} is none of this ledger with {} entries", size.get())));
        }
        let root = merkle::root(&store.nodes(at), at.get()).map_err(|error| fault(error.to_string()))?;
        if *checkpoint.root() != root {
            return Err(fault(format!("it says root {}, the entries have {root}", checkpoint.root())));
        }
        // Any key that the ledger ever named: a checkpoint may have been signed just before a new set was recorded.
        let keys: Vec<VerifierKey> =
            report.checkpoint_keys.iter().flat_map(|(_, keys)| keys).filter_map(|k| k.parse().ok()).collect();
        signed.verify(&keys).map_err(|error| fault(error.to_string()))?;
    }
    Ok(())
}

/// Compares the stored custody state with a rebuilt one, both in key order.
fn compare_state(store: &Store, rebuilt: &MemoryState) -> anyhow::Result<Option<Fault>> {
    let snapshot = store.snapshot();
    let mut stored = snapshot.scan(&[], None);
    let mut expected = rebuilt.scan(&[], None);
    let mut count = 0_u64;
    loop {
        let (found, wanted) = (stored.next().transpose()?, expected.next().transpose()?);
        if found == wanted {
            if found.is_none() {
                tracing::debug!(records = count, "custody state compared");
                return Ok(None);
            }
            count += 1;
            continue;
        }
        let name =
            |row: Option<&(Vec<u8>, Vec<u8>)>| row.map_or_else(|| "nothing".into(), |(k, _)| printable(k));
        let detail =
            format!("record {count}: stored {}, rebuilt {}", name(found.as_ref()), name(wanted.as_ref()));
        let entry = store.head()?.size.get();
        return Ok(Some(Fault { entry, check: Check::ClaimedState.to_string(), detail }));
    }
}

fn printable(key: &[u8]) -> String {
    key.iter().map(|&b| if b.is_ascii_graphic() { char::from(b) } else { ' ' }).collect()
}

fn print_report(args: &Args, report: &AuditReport) {
    let counts = report.counts;
    if args.json {
        let json = serde_json::json!({
            "ok": true, "origin": report.origin.to_string(), "entries": counts.entries, "links": counts.links,
            "signatures": counts.signatures, "events": counts.events, "head": report.head.to_string(), "seals": counts.seals, "root": report.root.to_string(),
            "state_compared": args.rebuild,
        });
        crate::say!("{json}");
        return;
    }
    crate::say!("sound: {}", report.origin);
    crate::say!("  entries     {:>10}  hashes recomputed", counts.entries);
    crate::say!("  links       {:>10}  each to the entry before it", counts.links);
    crate::say!("  signatures  {:>10}  verified under the keys of their time", counts.signatures);
    crate::say!("  events      {:>10}  folded again", counts.events);
    crate::say!("  seals       {:>10}  each for the entry before it", counts.seals);
    crate::say!("  tree        every tile and kept checkpoint; root {}", report.root);
    crate::say!("  head        {}  {}", report.head, report.recorded);
    if args.rebuild {
        crate::say!("  state       rebuilt from the entries and equal in every record");
    }
}

fn report_fault(args: &Args, fault: &Fault) -> ExitCode {
    if args.json {
        let json = serde_json::json!({
            "ok": false, "entry": fault.entry, "check": fault.check, "detail": fault.detail, "restore": remedy(fault),
        });
        crate::say!("{json}");
    } else {
        crate::say!("DAMAGED at entry {}: check {} failed", fault.entry, fault.check);
        crate::say!("  {}", fault.detail);
        if fault.entry > 0 {
            let between = [Check::ChainLink, Check::ClaimedHead].iter().any(|c| c.to_string() == fault.check);
            if between {
                let (before, at) = (fault.entry - 1, fault.entry);
                crate::say!("Entry {at} does not continue entry {before}: one of the two was changed.");
            } else {
                crate::say!("The entries before entry {} are sound.", fault.entry);
            }
        }
        crate::say!("{}", remedy(fault));
    }
    ExitCode::from(1)
}

const NEWEST_BACKUP: &str = "Take the newest backup (`daichod restore`); what was recorded since then is with the emitters and in `tile/entries/` of \
     whoever mirrors the tiles, and is recorded again when it is sent again.";

/// From where what is damaged can be had again.
fn remedy(fault: &Fault) -> String {
    let derived = ["statement-index", "tiles", "checkpoint", "state", "head"].contains(&fault.check.as_str())
        || [Check::ClaimedState, Check::ClaimedHead].iter().any(|check| check.to_string() == fault.check);
    if fault.check == DATABASE {
        return format!("To restore: the files do not open as a database. {NEWEST_BACKUP}");
    }
    if derived {
        return format!(
            "To restore: this is derived from the entries, which are checked first. {NEWEST_BACKUP}"
        );
    }
    let index = fault.entry / tile::WIDTH;
    let bundle = Tile { kind: tile::Kind::Entries, index, width: tile::WIDTH as u16 };
    format!(
        "To restore: entry {} is whole in each backup since it was recorded (`daichod restore`), in `{bundle}` (or the part of it \
         that there was) of whoever mirrors the tiles, and in receipts and bundles of it. The chain, and every checkpoint \
         since, tell whether a copy is the one that was recorded.",
        fault.entry
    )
}
