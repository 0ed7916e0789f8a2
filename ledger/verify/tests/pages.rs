//! `docs/formats/receipt.md` and `bundle.md` show values and list every check. They are computed here again from what the
//! pages themselves show: a page that says something else is wrong.

#[path = "common/vectors.rs"]
mod vectors;
#[path = "common/world.rs"]
mod world;

use std::fmt::Write as _;
use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use daicho_core::{ChainHash, Entry, EntryIndex, KeyId, Refusal, RefusalCode};
use daicho_tlog::merkle::ProofError;
use daicho_tlog::note::NoteError;
use daicho_tlog::policy::PolicyError;
use daicho_tlog::{Policy, TlogProofError, TreeHash, tile};
use daicho_verify::bundle::{BundleError, Claim, MAGIC, Selection, verify};
use daicho_verify::timestamp::{MAX_TIMESTAMP_LEN, TimestampError};
use daicho_verify::{AuditError, Check, ForkError, ForkProof, Proves, Receipt, ReceiptError, bundle};
use vectors::{Vectors, word};
use world::{DATA_SET, SCHEME, World, terms};

fn page(name: &str) -> String {
    let path = format!("../../docs/formats/{name}.md");
    std::fs::read_to_string(path).expect("the pages are part of the project")
}

/// The fenced block of a page that starts so, without the fences.
fn block<'p>(page: &'p str, start: &str) -> &'p str {
    let fence = |kind: &str| page.find(&format!("```{kind}\n{start}")).map(|at| at + kind.len() + 4);
    let from = fence("").or_else(|| fence("json")).unwrap_or_else(|| panic!("no block {start:?}"));
    let rest = &page[from..];
    &rest[..rest.find("```").expect("a fence at the end")]
}

#[track_caller]
fn assert_shows(page: &str, expected: &str) {
    assert!(page.contains(expected), "the page does not show:\n{expected}");
}

fn hex(hash: &TreeHash) -> String {
    hex::encode(hash.as_bytes())
}

/// Names of the variants of an error, from its source.
fn variants<'s>(source: &'s str, error: &str) -> Vec<&'s str> {
    let from = source.find(&format!("pub enum {error} {{")).expect("the error is there");
    let body = &source[from..];
    let body = &body[..body.find("\n}").expect("it ends")];
    let named = body
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()));
    named.map(|line| line.split([' ', '(', ',']).next().unwrap_or_default()).collect()
}

/// Every variant has a row, and each message is the one that the row shows. The inner error, if any, is `…` there.
fn assert_lists<E: std::fmt::Debug + std::fmt::Display>(
    page: &str,
    source: &str,
    name: &str,
    samples: &[(E, &str)],
) {
    let mut missing = variants(source, name);
    for (error, inner) in samples {
        let debug = format!("{error:?}");
        let variant = debug.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        missing.retain(|other| *other != variant);
        let message = error.to_string();
        let message = match inner.is_empty() {
            true => message,
            false => message.strip_suffix(inner).expect("the inner error is at the end").to_owned() + "…",
        };
        let row =
            page.lines().find(|line| line.contains(&format!("| `{variant}` |")) && line.contains(&message));
        assert!(row.is_some(), "no row has `{variant}` with: {message}");
    }
    assert_eq!(missing, [""; 0], "{name} has variants without a sample");
}

// ---- receipt.md --------------------------------------------------------------------------------

#[test]
fn the_receipt_of_the_page_is_that_of_the_vectors_and_proven_under_the_policy_of_the_page() {
    let (page, vectors) = (page("receipt"), Vectors::read());
    let shown = block(&page, "c2sp.org/tlog-proof@v1");
    assert_eq!(shown, word(&vectors.json["receipt"]));
    let policy = Policy::parse(block(&page, "log vectors").as_bytes()).expect("a policy");
    Receipt::parse(shown.as_bytes()).expect("a receipt").verify(&policy).expect("proven");
}

/// The bytes of an entry, field by field.
fn dump(bytes: &[u8], entry: &Entry) -> String {
    let (recorded, len) = (entry.recorded, entry.statement.statement.len());
    let mut fields = vec![
        (1, "version".to_owned()),
        (8, "index".to_owned()),
        (8, format!("recorded: {recorded}")),
        (32, "previous: chain hash of entry 0".to_owned()),
        (1, "number of signatures".to_owned()),
    ];
    for which in ["first", "second"] {
        fields.push((3, "algorithm 1, 64 bytes".to_owned()));
        fields.push((64, format!("signature of the {which} signer")));
    }
    fields.push((4, format!("length of the statement: {len}")));
    fields.push((len, "statement".to_owned()));
    let (mut out, mut at) = (String::new(), 0);
    for (len, what) in fields {
        for (n, row) in bytes[at..at + len].chunks(32).enumerate() {
            let line =
                format!("{:04x}  {:64}  {}", at + 32 * n, hex::encode(row), if n == 0 { &what } else { "" });
            writeln!(out, "{}", line.trim_end()).expect("a string");
        }
        at += len;
    }
    assert_eq!(at, bytes.len());
    out
}

#[test]
fn the_walk_of_the_page_goes_from_the_bytes_to_the_root() {
    let page = page("receipt");
    let shown = block(&page, "c2sp.org/tlog-proof@v1");
    let receipt = Receipt::parse(shown.as_bytes()).expect("a receipt");
    let extra = shown.lines().nth(1).and_then(|line| line.strip_prefix("extra ")).expect("an extra line");
    let bytes = BASE64.decode(extra).expect("base64");
    assert_shows(&page, &format!("**2. Decode the extra line.** {} bytes:", bytes.len()));
    assert_shows(&page, &dump(&bytes, receipt.entry()));
    let signers = receipt.statement().signers();
    assert_shows(&page, &format!("{}    the key id", signers[0]));
    assert_shows(&page, &format!("\n{}\n", signers[1]));

    let proof = receipt.proof().hashes();
    let leaf = TreeHash::of_leaf(&bytes);
    let h1 = TreeHash::of_children(&proof[0], &leaf);
    let h2 = TreeHash::of_children(&h1, &proof[1]);
    let root = receipt.checkpoint().checkpoint().root();
    assert_eq!(h2, *root);
    let mut expected = String::new();
    for (n, hash) in proof.iter().enumerate() {
        writeln!(expected, "p[{n}]  = {}", hex(hash)).expect("a string");
    }
    for (name, formula, hash) in [
        ("leaf", "SHA-256(00 entry)", &leaf),
        ("h1", "SHA-256(01 p[0] leaf)", &h1),
        ("h2", "SHA-256(01 h1 p[1])", &h2),
    ] {
        writeln!(expected, "{name:<6}= {formula:<23}= {}", hex(hash)).expect("a string");
    }
    writeln!(expected, "{:<31}= {}", "root", hex(root)).expect("a string");
    assert_shows(&page, &expected);
    let chain = ChainHash::of_entry(&bytes);
    assert_shows(&page, &format!("(\"daicho 2026-11 entry chain v1\", entry) = {chain}\n"));
}

#[test]
fn the_signatures_of_the_page_are_those_of_its_receipt() {
    let (page, vectors) = (page("receipt"), Vectors::read());
    let receipt = Receipt::parse(block(&page, "c2sp").as_bytes()).expect("a receipt");
    for (n, signature) in receipt.checkpoint().signatures().iter().enumerate() {
        let line = signature.to_string();
        let value = BASE64.decode(line.trim_end().rsplit(' ').next().unwrap_or_default()).expect("base64");
        let (key_id, value) = value.split_at(4);
        let name = line.split(' ').nth(1).expect("a name");
        let mut expected = format!("{name}, key id {}\n", hex::encode(key_id));
        writeln!(expected, "  signed     {}", word(&vectors.json["messages"][n])).expect("a string");
        let value = if value.len() == 72 {
            let (time, value) = value.split_at(8);
            writeln!(expected, "  time       {}  2025-12-01T00:00:00Z", hex::encode(time)).expect("a string");
            value
        } else {
            value
        };
        writeln!(expected, "  signature  {}", hex::encode(value)).expect("a string");
        assert_shows(&page, &expected);
    }
}

#[test]
fn the_proof_of_a_fork_of_the_page_proves_one() {
    let (page, vectors) = (page("receipt"), Vectors::read());
    let shown = block(&page, "daicho-fork-proof/1\nclaim");
    assert_eq!(shown, word(&vectors.json["fork_proofs"]["earlier_tree"]));
    let proof = ForkProof::parse(shown.as_bytes()).expect("a contradiction");
    assert_eq!(proof.verify(&vectors.policy).expect("signed").proves, Proves::Fork);
    let daicho_verify::Evidence::EarlierTree { first, second, root, hashes } = proof.evidence() else {
        panic!("an earlier tree")
    };
    let n1 = TreeHash::of_children(root, &hashes[0]);
    assert_eq!(n1, *second.checkpoint().root());
    let mut expected = format!("p[0]  = {}\np[1]  = {}\n", hex(root), hex(&hashes[0]));
    writeln!(expected, "n1    = {:<23}= {}", "SHA-256(01 p[0] p[1])", hex(&n1)).expect("a string");
    assert_shows(&page, &expected);
    assert_shows(&page, &format!("they have `{}`", hex(first.checkpoint().root())));
}

fn policy_error() -> PolicyError {
    PolicyError::UnknownLog { origin: "a".to_owned() }
}

fn receipt_error() -> ReceiptError {
    ReceiptError::NoEntry
}

#[test]
fn the_page_lists_every_check_of_a_receipt_and_of_a_proof_of_a_fork() {
    let page = page("receipt");
    let key = KeyId::from_slice(&[0; 16]).expect("16 bytes");
    let refusal = Refusal::new(RefusalCode::Malformed, "x");
    let source = include_str!("../src/receipt.rs");
    assert_lists(
        &page,
        source,
        "ReceiptError",
        &[
            (ReceiptError::NoEntry, ""),
            (
                ReceiptError::Entry(daicho_core::EntryError::Malformed("x")),
                &daicho_core::EntryError::Malformed("x").to_string(),
            ),
            (ReceiptError::Index { proof: 1, entry: EntryIndex::new(2) }, ""),
            (ReceiptError::Statement(refusal.clone()), &refusal.to_string()),
            (ReceiptError::Origin { statement: "a".to_owned(), checkpoint: "b".to_owned() }, ""),
            (ReceiptError::Inclusion(ProofError::Root), &ProofError::Root.to_string()),
            (ReceiptError::Policy(policy_error()), &policy_error().to_string()),
            (ReceiptError::NotSigner(key), ""),
            (ReceiptError::BadSignature(key), ""),
            (ReceiptError::Proof(TlogProofError::Utf8), &TlogProofError::Utf8.to_string()),
        ],
    );
    let source = include_str!("../../tlog/src/proof.rs");
    assert_lists(
        &page,
        source,
        "TlogProofError",
        &[
            (TlogProofError::TooLarge { bytes: daicho_tlog::proof::MAX_TLOG_PROOF_BYTES + 1 }, ""),
            (TlogProofError::Utf8, ""),
            (TlogProofError::Version, ""),
            (TlogProofError::NoCheckpoint, ""),
            (TlogProofError::Extra, ""),
            (TlogProofError::Index, ""),
            (TlogProofError::Hash { number: 1 }, ""),
            (TlogProofError::TooManyHashes, ""),
            (TlogProofError::Checkpoint(NoteError::Shape), &NoteError::Shape.to_string()),
        ],
    );
    let source = include_str!("../src/fork.rs");
    assert_lists(
        &page,
        source,
        "ForkError",
        &[
            (ForkError::TooLarge { bytes: daicho_verify::MAX_FORK_PROOF_BYTES + 1 }, ""),
            (ForkError::Utf8, ""),
            (ForkError::Version, ""),
            (ForkError::Claim, ""),
            (ForkError::Asked, ""),
            (ForkError::Hash { line: 4 }, ""),
            (ForkError::Documents, ""),
            (ForkError::Checkpoint { which: 1, error: NoteError::Shape }, &NoteError::Shape.to_string()),
            (ForkError::Receipt { which: 1, error: receipt_error() }, &receipt_error().to_string()),
            (ForkError::OtherLedger { first: "a".to_owned(), second: "b".to_owned() }, ""),
            (ForkError::Sizes { first: 3, second: 2 }, ""),
            (ForkError::Places { first: 1, second: 2 }, ""),
            (ForkError::NoContradiction, ""),
            (ForkError::Consistency(ProofError::Root), &ProofError::Root.to_string()),
            (ForkError::Policy { which: 1, error: policy_error() }, &policy_error().to_string()),
        ],
    );
}

// ---- bundle.md ---------------------------------------------------------------------------------

fn unpacked(bundle: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(bundle).read_to_end(&mut bytes).expect("gzip");
    bytes
}

/// The first part of a bundle.
fn manifest(bundle: &[u8]) -> String {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(bundle));
    let mut part = archive.entries().expect("an archive").next().expect("a part").expect("a part");
    let mut text = String::new();
    part.read_to_string(&mut text).expect("text");
    text
}

#[test]
fn the_manifests_of_the_page_are_written_so() {
    let (page, world) = (page("bundle"), World::queue());
    let checkpoint = world.checkpoint(world.size());
    let complete = manifest(&world.report_bundle(checkpoint.clone(), &[]));
    assert_shows(&page, &complete);
    let receipt = manifest(&Vectors::read().bundle());
    assert_shows(&page, &format!("```json\n{receipt}```"));
    // Another list of entries, in the same form.
    let selection = Selection::of_data_set(SCHEME, DATA_SET);
    let made = manifest(&world.selective_bundle(selection, &checkpoint, &[]));
    let start = page.find("\"data-set\"").expect("a data set");
    let from = page[..start].rfind("```json\n").expect("a fence") + "```json\n".len();
    let shown = &page[from..start + page[start..].find("```").expect("a fence")];
    let form = |text: &str| {
        text.split_inclusive('\n')
            .filter(|line| !line.trim_start().starts_with(|c: char| c.is_ascii_digit()))
            .collect::<String>()
    };
    assert_eq!(form(shown).replace("\"timestamps\": 2", "\"timestamps\": 0"), form(&made));
    assert!(shown.contains(&terms().scheme) && shown.contains(DATA_SET));
}

#[test]
fn the_bytes_of_the_page_are_those_of_the_bundle_of_the_vectors() {
    let (page, bundle) = (page("bundle"), Vectors::read().bundle());
    assert_shows(&page, &format!("```\n{}\n```", hex::encode(MAGIC)));
    assert_eq!(bundle[..MAGIC.len()], MAGIC);
    let shown = block(&page, "6d616e69666573742e6a736f6e").replace('\n', "");
    let mut header = hex::decode(shown).expect("hexadecimal");
    header.resize(512, 0);
    assert_eq!(header, unpacked(&bundle)[..512]);
    assert_shows(&page, &format!("`manifest.json` of {} bytes", manifest(&bundle).len()));
    let policy = Vectors::read().policy;
    let report = verify(bundle.as_slice(), &policy).expect("proven");
    assert_eq!(report.claim, Claim::Receipt { entry: 2 });
}

#[test]
fn the_limits_of_the_page_are_those_of_the_code() {
    let page = page("bundle");
    let number = |n: u64| {
        let digits = n.to_string();
        let grouped: Vec<&str> =
            digits.as_bytes().rchunks(3).rev().map(|c| str::from_utf8(c).expect("digits")).collect();
        grouped.join(",")
    };
    for (row, limit) in [
        ("| `manifest.json` |", bundle::MAX_MANIFEST_BYTES),
        ("| `checkpoint` |", daicho_tlog::note::MAX_NOTE_BYTES as u64),
        ("| `timestamps/<n>.tsr`", MAX_TIMESTAMP_LEN as u64),
        ("| complete: `tile/entries/…`", tile::WIDTH * (2 + 65_535)),
        ("| complete: `claim/report.json`", bundle::MAX_REPORT_BYTES),
        ("| selective: `entries/<index>.tlog-proof`", daicho_tlog::proof::MAX_TLOG_PROOF_BYTES as u64),
        ("The whole has at most", bundle::MAX_PACKED_BYTES),
        ("The whole has at most", bundle::MAX_UNPACKED_BYTES),
        ("- `entries` of the manifest", bundle::MAX_SELECTED as u64),
        ("- `timestamps` is the number", bundle::MAX_TIMESTAMPS as u64),
    ] {
        let from = page.find(row).unwrap_or_else(|| panic!("no line {row:?}"));
        let line: String = page[from..].lines().take(2).collect();
        assert!(line.contains(&number(limit)), "{line}: not {}", number(limit));
    }
}

#[test]
fn the_page_lists_every_check_of_a_bundle() {
    let page = page("bundle");
    let (entry, key) = (EntryIndex::new(2), KeyId::from_slice(&[0; 16]).expect("16 bytes"));
    let refusal = Refusal::new(RefusalCode::BadSignature, "x");
    let part = || "checkpoint".to_owned();
    let stamp = || TimestampError::ImprintMismatch;
    let link = AuditError { entry: EntryIndex::new(3), check: Check::ChainLink, detail: "x".to_owned() };
    use BundleError as E;
    assert_lists(
        &page,
        include_str!("../src/bundle/error.rs"),
        "BundleError",
        &[
            (E::Io("x".to_owned()), "x"),
            (E::NotABundle, ""),
            (E::TooLarge { part: "manifest.json".to_owned(), limit: bundle::MAX_MANIFEST_BYTES }, ""),
            (E::Gzip("x".to_owned()), "x"),
            (E::Truncated { part: part() }, ""),
            (E::Trailing, ""),
            (E::Header { part: part() }, ""),
            (E::Missing { part: part() }, ""),
            (E::Doubled { part: part() }, ""),
            (E::Unknown { part: "notes.txt".to_owned() }, ""),
            (E::Manifest("x".to_owned()), "x"),
            (E::ManifestForm, ""),
            (E::Format("daicho-bundle/2".to_owned()), ""),
            (E::EntryList, ""),
            (E::Checkpoint(NoteError::Shape), &NoteError::Shape.to_string()),
            (E::Policy(policy_error()), &policy_error().to_string()),
            (E::TsaRoots(stamp()), &stamp().to_string()),
            (E::Timestamp { number: 1, error: stamp() }, &stamp().to_string()),
            (
                E::Tile {
                    part: "tile/entries/000.p/3".to_owned(),
                    error: tile::BundleError::Truncated { found: 2 },
                },
                "",
            ),
            (E::Audit(link), "x"),
            (E::Size { expected: 3, found: 2 }, ""),
            (E::Origin { entries: "a".to_owned(), checkpoint: "b".to_owned() }, ""),
            (E::NoScheme("x".to_owned()), ""),
            (E::State("x".to_owned()), "x"),
            (E::ReportDiffers { at: 17 }, ""),
            (E::Receipt { entry: 2, error: receipt_error() }, &receipt_error().to_string()),
            (E::OtherCheckpoint { entry: 2 }, ""),
            (E::OtherEntry { entry: 2, found: EntryIndex::new(1) }, ""),
            (E::NoFounding, ""),
            (E::KeyUnknown { entry, key }, ""),
            (E::KeyRevoked { entry, key, revoked: EntryIndex::new(1) }, ""),
            (E::NoPossession { entry }, ""),
            (E::Invitation { entry }, ""),
            (E::KeyRights { entry, signer: "a".to_owned(), party: "b".to_owned() }, ""),
            (E::Signature { entry, refusal: refusal.clone() }, &refusal.to_string()),
            (E::NotAbout { entry: 2 }, ""),
            (E::SchemeMissing("x".to_owned()), ""),
            (E::Document { entry, document: "00".to_owned() }, ""),
        ],
    );
}
