//! What is handed out as proof: receipts, proofs of a fork, evidence bundles.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::LazyLock;

use daicho_core::proto::{self, event::Fact};
use daicho_core::{ChainHash, Date, Entry, EntryIndex, Instant, Origin, SigningKey, sign_statement};
use daicho_custody::DeletionReport;
use daicho_custody::report::Period;
use daicho_custody::scheme::{Scheme, Vocabulary};
use daicho_tlog::merkle::{Frontier, Growth};
use daicho_tlog::{Algorithm, Checkpoint, NoteSigner, Policy, SignedCheckpoint, TreeHash};
use daicho_verify::bundle::{MAGIC, Proven, ReportBundle, ReportTerms, verify};
use daicho_verify::{Evidence, ForkProof, Receipt};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};

use crate::assert_same;
use crate::large::LEN;
use crate::vectors::{RECEIPT, base64, read, text, word};

const SCHEME: &str = include_str!("../../../ledger/custody/tests/lint/sound-scheme.toml");
const VOCABULARY: &str = include_str!("../../../ledger/custody/tests/lint/sound-vocabulary.toml");

/// What the keys of the vectors have signed.
struct Signed {
    policy: Policy,
    /// Every entry that is in a tree which was signed.
    entries: BTreeSet<Vec<u8>>,
    /// Size and root of every tree that was signed.
    trees: BTreeSet<(u64, [u8; 32])>,
    complete: Vec<u8>,
    report: DeletionReport,
}

static SIGNED: LazyLock<Signed> = LazyLock::new(|| {
    let vectors = read(RECEIPT);
    let policy = Policy::parse(word(&vectors["policy"]).as_bytes()).expect("a policy");
    let (complete, checkpoint, report) = complete();
    let mut signed = Signed { policy, entries: BTreeSet::new(), trees: BTreeSet::new(), complete, report };
    let mut trees = vec![checkpoint];
    let mut receipts: Vec<Receipt> = parts(&unpack(&selective()))
        .into_iter()
        .filter(|(name, _)| name.starts_with("entries/"))
        .map(|(_, bytes)| Receipt::parse(&bytes).expect("a receipt of the vectors"))
        .collect();
    for proof in fork_proofs() {
        let proof = ForkProof::parse(&proof).expect("a proof of the vectors");
        trees.extend(proof.evidence().checkpoints().map(Clone::clone));
        if let Evidence::OtherEntry { first, second } = proof.evidence() {
            receipts.extend([first, second].map(|receipt| Receipt::clone(receipt)));
        }
    }
    trees.extend(receipts.iter().map(|receipt| receipt.checkpoint().clone()));
    signed.entries.extend(receipts.iter().map(|receipt| receipt.entry_bytes().to_vec()));
    signed.trees.extend(trees.iter().map(tree));
    signed
});

fn tree(checkpoint: &SignedCheckpoint) -> (u64, [u8; 32]) {
    (checkpoint.checkpoint().size(), *checkpoint.checkpoint().root().as_bytes())
}

pub(crate) fn receipt(bytes: &[u8]) -> bool {
    let Ok(receipt) = Receipt::parse(bytes) else { return false };
    assert_same(receipt.to_string(), bytes);
    let (entry, hashes) = (receipt.entry_bytes().to_vec(), receipt.proof().hashes().to_vec());
    let again = Receipt::from_parts(entry, receipt.entry().index, hashes, receipt.checkpoint().clone());
    assert_eq!(again.expect("its own parts").to_string(), receipt.to_string());
    let signed = &*SIGNED;
    if receipt.examine(&signed.policy).is_ok() {
        assert!(signed.entries.contains(receipt.entry_bytes()), "a forged entry is proven");
    }
    // What holds with the quorum holds without it.
    assert!(receipt.verify(&signed.policy).is_err() || receipt.examine(&signed.policy).is_ok());
    true
}

pub(crate) fn fork_proof(bytes: &[u8]) -> bool {
    let Ok(proof) = ForkProof::parse(bytes) else { return false };
    assert_same(proof.to_string(), bytes);
    if proof.verify(&SIGNED.policy).is_ok() {
        let trees = proof.evidence().checkpoints().map(tree);
        assert!(trees.iter().all(|tree| SIGNED.trees.contains(tree)), "a tree that nobody signed");
        if let Evidence::OtherEntry { first, second } = proof.evidence() {
            let signed = |receipt: &Receipt| SIGNED.entries.contains(receipt.entry_bytes());
            assert!(signed(first) && signed(second), "an entry that nobody signed");
        }
    }
    true
}

/// The input is a bundle as it lies on the disk.
pub(crate) fn bundle(bytes: &[u8]) -> bool {
    let Ok(found) = verify(bytes, &SIGNED.policy) else { return false };
    let checks = found.checks;
    for count in [checks.entries, checks.signatures, checks.proofs, checks.log_signatures] {
        assert!(count > 0, "nothing was checked: {checks:?}");
    }
    assert!(SIGNED.trees.contains(&(found.size, *found.root.as_bytes())), "a tree that nobody signed");
    match found.proven {
        Proven::Complete { report, .. } => assert_eq!(*report, SIGNED.report, "a forged report is proven"),
        Proven::Selective(entries) => {
            let signed: BTreeSet<_> = SIGNED.entries.iter().map(|entry| said(entry)).collect();
            let proven =
                |index: EntryIndex, events: &[proto::Event]| signed.contains(&(index, format!("{events:?}")));
            assert!(entries.iter().all(|one| proven(one.index, &one.events)), "a forged entry is proven");
        }
    }
    true
}

/// Place and events of an entry.
fn said(entry: &[u8]) -> (EntryIndex, String) {
    let entry = Entry::decode(entry).expect("an entry of the vectors");
    let statement = daicho_core::ParsedStatement::parse(entry.statement).expect("a statement of the vectors");
    (entry.index, format!("{:?}", statement.body().events))
}

/// The input is the archive in a bundle, which leaves a fuzzer more hope than compressed data with a checksum.
pub(crate) fn archive(bytes: &[u8]) -> bool {
    bundle(&pack(bytes))
}

fn pack(archive: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::default());
    out.write_all(archive).expect("memory");
    let packed = out.finish().expect("memory");
    assert_eq!(packed[..MAGIC.len()], MAGIC);
    packed
}

fn unpack(bundle: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut input = flate2::read::GzDecoder::new(bundle);
    std::io::Read::read_to_end(&mut input, &mut bytes).expect("gzip");
    bytes
}

/// Names and contents of an archive.
fn parts(archive: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut rest = archive;
    let mut found = Vec::new();
    while rest.first().is_some_and(|byte| *byte != 0) {
        let text = |at: usize, len: usize| {
            let field = rest[at..at + len].split(|byte| *byte == 0).next().unwrap_or_default();
            String::from_utf8(field.to_vec()).expect("text")
        };
        let (name, size) = (text(0, 100), usize::from_str_radix(&text(124, 12), 8).expect("octal"));
        found.push((name, rest[512..512 + size].to_vec()));
        rest = &rest[512 + size.next_multiple_of(512)..];
    }
    found
}

pub(crate) fn receipts() -> Vec<Vec<u8>> {
    vec![text(&read(RECEIPT)["receipt"])]
}

pub(crate) fn fork_proofs() -> Vec<Vec<u8>> {
    let vectors = read(RECEIPT);
    let proofs = vectors["fork_proofs"].as_object().expect("proofs by name");
    proofs.values().map(text).collect()
}

pub(crate) fn selective() -> Vec<u8> {
    base64(&read(RECEIPT)["selective_bundle"])
}

pub(crate) fn bundles() -> Vec<Vec<u8>> {
    vec![selective(), SIGNED.complete.clone()]
}

pub(crate) fn archives() -> Vec<Vec<u8>> {
    bundles().iter().map(|bundle| unpack(bundle)).collect()
}

/// A small ledger with a scheme in force, signed by the keys of the vectors, and its report.
fn complete() -> (Vec<u8>, SignedCheckpoint, DeletionReport) {
    let (origin, time) = ("vectors.example/ledger", Instant::EPOCH.plus_ms(1_612_105_200_000));
    let [operator, ward] = [1, 2].map(|n| SigningKey::from_seed(&[n; 32]));
    let key = |key: &SigningKey| Some(key.public().to_proto());
    let opened = proto::LedgerOpened {
        origin: origin.to_owned(),
        clock: proto::Clock::System as i32,
        fold_version: daicho_custody::FOLD_VERSION,
        operator_party: "operator".to_owned(),
        operator_label: "台帳運用者".to_owned(),
        operator_key: key(&operator),
        ward_party: "ward".to_owned(),
        ward_label: "新宿区".to_owned(),
        ward_key: key(&ward),
    };
    let chunk = |document: &str| {
        let (bytes, hash) = (document.as_bytes(), Sha256::digest(document).to_vec());
        Fact::DocumentChunk(proto::DocumentChunk { document: hash, index: 0, count: 1, data: bytes.to_vec() })
    };
    let scheme = Scheme::parse(SCHEME).expect("a scheme");
    let enacted = proto::SchemeEnacted {
        scheme: scheme.id.clone(),
        version: scheme.version,
        scheme_document: Sha256::digest(SCHEME).to_vec(),
        vocabulary_document: Sha256::digest(VOCABULARY).to_vec(),
        ..Default::default()
    };
    Vocabulary::parse(VOCABULARY).expect("a vocabulary");
    let facts = [Fact::LedgerOpened(opened), chunk(SCHEME), chunk(VOCABULARY), Fact::SchemeEnacted(enacted)];
    let mut previous = ChainHash::of_origin(&Origin::new(origin).expect("a name"));
    let mut entries = Vec::new();
    for (n, fact) in (0..).zip(facts) {
        let event = proto::Event { occur_time_ms: time.unix_ms(), fact: Some(fact), ..Default::default() };
        let signer = if n == 0 { (&operator, 1) } else { (&ward, n) };
        let statement = sign_statement(origin, &[signer], vec![event]);
        let entry = Entry { index: EntryIndex::new(n), recorded: time, previous, statement }.encode();
        previous = ChainHash::of_entry(&entry);
        entries.push(entry);
    }
    let leaves = entries.iter().map(|entry| TreeHash::of_leaf(entry));
    let root = Growth::new(&Frontier::default(), leaves).root();
    let checkpoint = Checkpoint::new(origin, entries.len() as u64, root).expect("an origin");
    let sign = |name: &str, algorithm, seed: u8| {
        let signer = NoteSigner::from_seed(name.parse().expect("a key name"), algorithm, &[seed; 32]);
        signer.expect("a key").sign(&checkpoint.to_string(), 1_764_547_200).expect("a checkpoint")
    };
    let signatures = vec![
        sign(origin, Algorithm::Ed25519, 11),
        sign("witness.example/council", Algorithm::CosignatureEd25519, 13),
    ];
    let checkpoint = SignedCheckpoint::new(checkpoint, signatures).expect("a note");
    let day = |text| Date::parse(text).expect("a day");
    let period = Period { from: day("2021-02-01"), to: day("2021-02-28") };
    let terms = ReportTerms { scheme: scheme.id, period, as_of: time };
    let mut bundle = ReportBundle::begin(Vec::new(), terms, checkpoint.clone(), &[]).expect("memory");
    bundle.push(entries).expect("sound entries");
    let (bundle, report) = bundle.finish().expect("a report");
    (bundle, checkpoint, report)
}

/// The largest receipts that there can be.
pub(crate) fn large_receipts() -> Vec<(&'static str, Vec<u8>)> {
    let receipt = String::from_utf8(receipts().remove(0)).expect("text");
    let (head, rest) = receipt.split_once("\nindex").expect("a receipt");
    let extra = "A".repeat(LEN / 4 * 4);
    let longer = head.replacen("extra ", &format!("extra {extra}"), 1);
    let hash = rest.lines().nth(1).expect("a hash");
    let hashes = format!("{head}\nindex 1\n{}\nindex", format!("{hash}\n").repeat(LEN / hash.len()));
    vec![("extra data", format!("{longer}\nindex{rest}").into_bytes()), ("hashes", hashes.into_bytes())]
}

/// Two large documents, and many small ones.
pub(crate) fn large_fork_proofs() -> Vec<(&'static str, Vec<u8>)> {
    let (_, receipt) = large_receipts().remove(0);
    let receipt = String::from_utf8(receipt).expect("text");
    let two = format!("daicho-fork-proof/1\nclaim other-entry\n\n{receipt}\n{receipt}");
    let vectors = read(RECEIPT);
    let same_size = word(&vectors["fork_proofs"]["same_size"]);
    let (_, documents) = same_size.split_once("\n\n").expect("documents");
    let many = same_size.to_owned() + &format!("\n{documents}").repeat(LEN / documents.len());
    vec![("receipts", two.into_bytes()), ("documents", many.into_bytes())]
}

/// Parts that are small on the disk and large in memory, and as many of them as a manifest may announce.
pub(crate) fn large_bundles() -> Vec<(&'static str, Vec<u8>)> {
    let archive = unpack(&SIGNED.complete);
    let tile = archive.windows(5).position(|name| name == b"tile/").expect("a tile");
    let mut header = archive[tile..tile + 512].to_vec();
    let size = 256 * (2 + 65_535);
    header[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().copied().map(u32::from).sum();
    header[148..156].copy_from_slice(format!("{sum:07o}\0").as_bytes());
    let zeros = vec![0; size];
    let swollen = [&archive[..tile], &header, &zeros].concat();
    let nothing = [&MAGIC[..], &pack(&vec![0; 64 << 20])[MAGIC.len()..]].concat();
    vec![("a tile of zeros", pack(&swollen)), ("nothing but zeros", nothing)]
}
