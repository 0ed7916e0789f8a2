//! Evidence bundles: what they prove, and the error of each thing that can be done to them.

#[path = "common/authority.rs"]
#[allow(dead_code, reason = "shared by tests that each use a part")]
mod authority;
#[path = "common/world.rs"]
mod world;

use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::sync::LazyLock;

use authority::{Authority, Plan};
use daicho_core::EntryIndex;
use daicho_core::proto::event::Fact;
use daicho_custody::report::AnswerCode;
use daicho_tlog::policy::PolicyError;
use daicho_tlog::{Algorithm, Policy, SignedCheckpoint};
use daicho_verify::bundle::{
    BundleError, BundleReport, Checks, Claim, MAGIC, Proven, ReportBundle, ReportTerms, Selection, verify,
    write_selective,
};
use daicho_verify::timestamp::{TimestampError, TimestampRequest, TimestampResponse};
use daicho_verify::{Check, FixedBy, FixedSince, ReceiptError};
use world::{DATA_SET, Ledger, ORIGIN, SCHEME, TIME, World, policy_text, policy_with, sign, signer, terms};

/// A ledger, its last checkpoint and bundles of it.
struct Scene {
    world: World,
    checkpoint: SignedCheckpoint,
    /// Tokens of two authorities, and the root of the first. None without OpenSSL.
    tokens: Vec<Vec<u8>>,
    policy: Policy,
    report: Vec<u8>,
    data_set: Vec<u8>,
    receipt: Vec<u8>,
}

static SCENE: LazyLock<Scene> = LazyLock::new(|| {
    let world = World::queue();
    let checkpoint = world.checkpoint(world.size());
    let (tokens, root) = stamp(&checkpoint);
    let policy = policy_with(&root);
    let report = world.report_bundle(checkpoint.clone(), &tokens);
    let data_set = world.selective_bundle(Selection::of_data_set(SCHEME, DATA_SET), &checkpoint, &tokens);
    let receipt = world.selective_bundle(Selection::of_entry(EntryIndex::new(30)), &checkpoint, &tokens);
    Scene { world, checkpoint, tokens, policy, report, data_set, receipt }
});

/// Tokens of two authorities, and the root of one of them.
fn stamp(checkpoint: &SignedCheckpoint) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    if std::process::Command::new("openssl").arg("version").output().is_err() {
        drop(writeln!(std::io::stderr(), "SKIPPED timestamps: there is no `openssl` to make them with"));
        return (Vec::new(), Vec::new());
    }
    let (mut tokens, mut roots) = (Vec::new(), Vec::new());
    for name in ["known", "unknown"] {
        let folder = format!("bundle-{name}-{}", std::process::id());
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(folder);
        let authority = Authority::make(&folder, &Plan::default()).expect("OpenSSL makes an authority");
        let request = TimestampRequest::new(checkpoint.text().as_bytes(), None, 4711).to_der();
        let reply = authority.answer(&request).expect("OpenSSL answers");
        tokens.push(TimestampResponse::parse(&reply).expect("granted").into_token().as_der().to_vec());
        roots.push(authority.der("root").expect("a root"));
        drop(std::fs::remove_dir_all(folder));
    }
    roots.truncate(1);
    (tokens, roots)
}

type Parts = Vec<(String, Vec<u8>)>;

fn unpack(bundle: &[u8]) -> Parts {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(bundle));
    let parts = archive.entries().expect("an archive").map(|entry| {
        let mut entry = entry.expect("a part");
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).expect("its bytes");
        (entry.path().expect("a path").display().to_string(), bytes)
    });
    parts.collect()
}

/// Packs as a bundle is packed, whatever the parts are.
fn pack(parts: &Parts) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    for (name, bytes) in parts {
        let mut header = tar::Header::new_ustar();
        header.set_path(name).expect("a short name");
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_entry_type(tar::EntryType::Regular);
        header.set_cksum();
        out.write_all(header.as_bytes()).expect("memory");
        out.write_all(bytes).expect("memory");
        out.write_all(&vec![0; bytes.len().next_multiple_of(512) - bytes.len()]).expect("memory");
    }
    out.write_all(&[0; 1024]).expect("memory");
    out.finish().expect("memory")
}

fn check(bundle: &[u8]) -> Result<BundleReport<'static>, BundleError> {
    verify(bundle, &SCENE.policy)
}

fn fault(parts: &Parts) -> BundleError {
    check(&pack(parts)).expect_err("it is not proven")
}

/// The same parts with one changed.
fn with(parts: &Parts, name: &str, change: impl FnOnce(&mut Vec<u8>)) -> Parts {
    let mut parts = parts.clone();
    change(&mut parts.iter_mut().find(|(other, _)| other == name).expect("a part").1);
    parts
}

fn replaced(bytes: &mut Vec<u8>, from: &str, to: &str) {
    let text = String::from_utf8(bytes.clone()).expect("text");
    assert!(text.contains(from), "no `{from}`");
    *bytes = text.replacen(from, to, 1).into_bytes();
}

/// What is done to every part of every bundle.
fn bundles() -> [(&'static str, Parts); 3] {
    let scene = &*SCENE;
    [("report", &scene.report), ("data set", &scene.data_set), ("receipt", &scene.receipt)]
        .map(|(name, bytes)| (name, unpack(bytes)))
}

#[test]
fn a_complete_bundle_proves_its_report_and_says_since_when_it_is_fixed() {
    let scene = &*SCENE;
    let found = check(&scene.report).expect("proven");
    assert_eq!((found.origin.as_str(), found.size), (ORIGIN, scene.world.size()));
    assert!(found.simulated);
    assert_eq!(found.claim, Claim::DeletionReport(terms()));
    let Proven::Complete { audit, report } = &found.proven else { panic!("a complete bundle") };
    assert_eq!(report.answer.code, AnswerCode::Overdue);
    assert_eq!(report.totals.copies, 19);
    assert_eq!(report.ledger.size, found.size);
    assert_eq!(audit.root, found.root);
    let stamped = scene.tokens.len() as u64 / 2;
    let expected = Checks {
        entries: found.size,
        links: found.size,
        signatures: found.size,
        events: found.size,
        seals: 0,
        proofs: 1,
        documents: 0,
        log_signatures: 1,
        cosignatures: 3,
        timestamps: stamped,
    };
    assert_eq!(found.checks, expected);
    assert_eq!(found.unknown_timestamps as u64, stamped);
    // The second of three witnesses completed the quorum; the authority of the test lives later.
    let fixed = FixedSince::earliest(&scene.policy, &found.trust, &found.timestamps).expect("cosigned");
    assert_eq!((fixed.time.unix_ms() as u64, fixed.by), ((TIME + 60) * 1000, FixedBy::Witnesses));
    let late = FixedSince::earliest(&policy_with(&[]), &found.trust, &[]).expect("cosigned");
    assert_eq!(late, fixed);
}

#[test]
fn the_same_input_gives_the_same_bytes_and_anybody_can_open_them() {
    let scene = &*SCENE;
    assert_eq!(scene.world.report_bundle(scene.checkpoint.clone(), &scene.tokens), scene.report);
    assert_eq!(scene.report[..10], MAGIC);
    let parts = unpack(&scene.report);
    assert_eq!(pack(&parts), scene.report, "no more than the parts");
    let names: Vec<&str> = parts.iter().map(|(name, _)| name.as_str()).collect();
    let tokens: &[&str] =
        if scene.tokens.is_empty() { &[] } else { &["timestamps/1.tsr", "timestamps/2.tsr"] };
    let tile = format!("tile/entries/000.p/{}", scene.world.size());
    assert_eq!(names, [&["manifest.json", "checkpoint"], tokens, &[&tile, "claim/report.json"]].concat());
}

#[test]
fn a_selective_bundle_proves_its_entries_and_what_they_rest_on() {
    let scene = &*SCENE;
    let found = check(&scene.data_set).expect("proven");
    let Claim::DataSet(claim) = &found.claim else { panic!("about a data set") };
    assert_eq!((claim.scheme.as_str(), claim.data_set.as_str()), (SCHEME, DATA_SET));
    let Proven::Selective(entries) = &found.proven else { panic!("a selective bundle") };
    let subjects: Vec<_> = entries.iter().filter(|entry| entry.subject).collect();
    assert_eq!(subjects.iter().map(|entry| entry.index.get()).collect::<Vec<_>>(), claim.entries);
    // Collected, its use ended, given, received, deleted, certified.
    assert_eq!(subjects.len(), 6);
    assert!(subjects.iter().all(|entry| entry.parties == ["hyojito"]));
    assert_eq!(entries[0].index.get(), 0);
    let rest = entries.len() as u64 - 6;
    // Founding, party, key, two documents in pieces, enactment, keys of checkpoints.
    assert!((6..12).contains(&rest), "{rest}");
    assert_eq!(found.checks.proofs, entries.len() as u64);
    assert_eq!(found.checks.signatures, entries.len() as u64);
    assert_eq!((found.checks.documents, found.checks.links, found.checks.events), (2, 0, 0));

    let found = check(&scene.receipt).expect("proven");
    assert_eq!(found.claim, Claim::Receipt { entry: 30 });
    let Proven::Selective(entries) = &found.proven else { panic!("a selective bundle") };
    assert_eq!(entries.iter().filter(|entry| entry.subject).count(), 1);
}

#[test]
fn a_data_set_that_nobody_named_gives_no_bundle() {
    let mut selection = Selection::of_data_set(SCHEME, "d-999");
    SCENE.world.entries.iter().for_each(|entry| selection.see(entry).expect("an entry"));
    assert_eq!(selection.finish(), Err(BundleError::EntryList));
}

#[test]
fn a_dropped_part_is_missed_by_name() {
    for (kind, parts) in bundles() {
        for n in 0..parts.len() {
            let mut less = parts.clone();
            let (part, _) = less.remove(n);
            assert_eq!(fault(&less), BundleError::Missing { part }, "{kind}");
        }
    }
}

#[test]
fn a_doubled_part_is_named() {
    for (kind, parts) in bundles() {
        for n in 0..parts.len() {
            let mut more = parts.clone();
            more.insert(n, parts[n].clone());
            let part = parts[n].0.clone();
            assert_eq!(fault(&more), BundleError::Doubled { part: part.clone() }, "{kind}");
            let mut more = parts.clone();
            more.push(parts[n].clone());
            assert_eq!(fault(&more), BundleError::Doubled { part }, "{kind}, at the end");
        }
    }
}

#[test]
fn swapped_parts_are_named() {
    for (kind, parts) in bundles() {
        for n in 1..parts.len() {
            let mut other = parts.clone();
            other.swap(n - 1, n);
            let part = parts[n - 1].0.clone();
            assert_eq!(fault(&other), BundleError::Missing { part }, "{kind}");
        }
    }
}

#[test]
fn a_part_that_does_not_belong_is_named() {
    for (kind, parts) in bundles() {
        for n in 0..=parts.len() {
            let mut more = parts.clone();
            more.insert(n, ("notes.txt".to_owned(), b"trust me".to_vec()));
            let unknown = BundleError::Unknown { part: "notes.txt".to_owned() };
            assert_eq!(fault(&more), unknown, "{kind}, at {n}");
        }
    }
}

/// The errors that may come of a change in a part.
fn is_about(error: &BundleError, part: &str) -> bool {
    use BundleError as E;
    match part {
        "manifest.json" => matches!(
            error,
            E::Manifest(_)
                | E::ManifestForm
                | E::Format(_)
                | E::EntryList
                | E::Missing { .. }
                | E::Doubled { .. }
                | E::Unknown { .. }
                | E::NoScheme(_)
                | E::ReportDiffers { .. }
                | E::NotAbout { .. }
                | E::SchemeMissing(_)
                | E::NoFounding
        ),
        "checkpoint" => matches!(error, E::Checkpoint(_) | E::Policy(_) | E::OtherCheckpoint { .. }),
        "claim/report.json" => matches!(error, E::ReportDiffers { .. }),
        _ if part.starts_with("timestamps/") => matches!(error, E::Timestamp { .. }),
        _ if part.starts_with("tile/") => matches!(error, E::Tile { .. } | E::Audit(_)),
        _ => matches!(error, E::Receipt { .. } | E::OtherCheckpoint { .. } | E::OtherEntry { .. }),
    }
}

#[test]
fn a_truncated_part_has_an_error_that_is_about_it() {
    for (kind, parts) in bundles() {
        for (name, bytes) in &parts {
            for cut in [1, bytes.len() / 2, bytes.len()] {
                let error = fault(&with(&parts, name, |bytes| bytes.truncate(bytes.len() - cut)));
                assert!(is_about(&error, name), "{kind}, {name} without {cut} bytes: {error}");
            }
            let error = fault(&with(&parts, name, |bytes| bytes.push(b'x')));
            assert!(is_about(&error, name), "{kind}, {name} with a byte more: {error}");
        }
    }
}

#[test]
fn a_flipped_bit_has_an_error_that_is_about_its_part() {
    let times = check(&SCENE.receipt).expect("proven").timestamps;
    for (kind, parts) in bundles() {
        for (name, bytes) in &parts {
            // A cosignature of a key that nobody knows, and a token of an authority that nobody knows, count for
            // nothing; two of three witnesses are enough.
            let step = (bytes.len() / 9).max(1);
            for at in (0..bytes.len()).step_by(step) {
                let changed = pack(&with(&parts, name, |bytes| bytes[at] ^= 1 << (at % 8)));
                match check(&changed) {
                    Err(error) => assert!(is_about(&error, name), "{kind}, {name} at {at}: {error}"),
                    Ok(found) => {
                        let less = match name.as_str() {
                            "checkpoint" => found.trust.witnesses.len() < 3,
                            // A token carries its root along; what is trusted is the root of the policy.
                            "timestamps/1.tsr" => found.timestamps.is_empty() || found.timestamps == times,
                            name => name == "timestamps/2.tsr",
                        };
                        assert!(less, "{kind}, {name} at {at} is overlooked");
                    }
                }
            }
        }
    }
}

#[test]
fn no_cut_of_the_file_is_overlooked_and_no_flipped_bit_changes_what_is_proven() {
    let scene = &*SCENE;
    let parts = unpack(&scene.receipt);
    for at in (0..scene.receipt.len()).step_by(53) {
        assert!(check(&scene.receipt[..at]).is_err(), "cut at {at}");
        let mut flipped = scene.receipt.clone();
        flipped[at] ^= 1 << (at % 8);
        if check(&flipped).is_ok() {
            assert_eq!(unpack(&flipped), parts, "byte {at}");
        }
    }
    let longer = [&scene.receipt[..], b"\0"].concat();
    assert_eq!(check(&longer).expect_err("more"), BundleError::Trailing);
}

#[test]
fn a_report_that_was_edited_is_no_proof() {
    let parts = unpack(&SCENE.report);
    let edit = |from: &str, to: &str| {
        let edited = with(&parts, "claim/report.json", |bytes| replaced(bytes, from, to));
        matches!(fault(&edited), BundleError::ReportDiffers { .. })
    };
    assert!(edit("\"overdue\": 1", "\"overdue\": 0"));
    assert!(edit("2021-02-01", "2021-02-02"));
    // The same values in another form are another file.
    assert!(edit("\n  \"scheme\"", " \"scheme\""));
    // Other terms give another report.
    let edited = with(&parts, "manifest.json", |bytes| replaced(bytes, "2021-02-28T17", "2021-02-28T18"));
    assert!(matches!(fault(&edited), BundleError::ReportDiffers { .. }));
    let edited = with(&parts, "manifest.json", |bytes| replaced(bytes, SCHEME, "no_such_scheme"));
    assert_eq!(fault(&edited), BundleError::NoScheme("no_such_scheme".to_owned()));
}

#[test]
fn a_manifest_has_one_form() {
    let parts = unpack(&SCENE.data_set);
    let edit =
        |from: &str, to: &str| fault(&with(&parts, "manifest.json", |bytes| replaced(bytes, from, to)));
    assert_eq!(edit("daicho-bundle/1", "daicho-bundle/2"), BundleError::Format("daicho-bundle/2".into()));
    assert_eq!(edit("\n  \"kind\"", " \"kind\""), BundleError::ManifestForm);
    assert_eq!(edit("{\n", "{\n  \"note\": \"trust me\",\n"), BundleError::ManifestForm);
    assert!(matches!(edit("\"selective\"", "\"complete\""), BundleError::Manifest(_)));
    assert!(matches!(edit("\"entries\"", "\"entreis\""), BundleError::Manifest(_)));
    assert_eq!(edit("\n    0,\n", "\n"), BundleError::Doubled { part: "entries/0.tlog-proof".to_owned() });
    let mut headless = with(&parts, "manifest.json", |bytes| replaced(bytes, "\n    0,\n", "\n"));
    headless.retain(|(name, _)| name != "entries/0.tlog-proof");
    assert_eq!(fault(&headless), BundleError::NoFounding);
    assert_eq!(edit("\n    0,\n", "\n    9999,\n    0,\n"), BundleError::EntryList);
    let subject = match check(&SCENE.data_set).expect("proven").claim {
        Claim::DataSet(claim) => claim.entries[0],
        other => panic!("{other:?}"),
    };
    // An entry that has nothing to do with the data set, and one that is not there.
    let listed = format!("\"entries\": [\n        {subject},");
    let false_subject = edit(&listed, &listed.replacen("[", "[\n        0,", 1));
    assert_eq!(false_subject, BundleError::NotAbout { entry: 0 });
    let absent = edit(&listed, &listed.replacen("[", "[\n        19,", 1));
    assert_eq!(absent, BundleError::EntryList);
    let other = edit(DATA_SET, "d-004");
    assert!(matches!(other, BundleError::NotAbout { .. }), "{other}");
}

#[test]
fn the_wrong_policy_trusts_nothing() {
    let scene = &*SCENE;
    let with_key = |key: daicho_tlog::NoteSigner| {
        Policy::parse(policy_text(key.verifier(), &[]).as_bytes()).expect("a policy")
    };
    for bundle in [&scene.report, &scene.data_set, &scene.receipt] {
        let stranger = with_key(signer(ORIGIN, Algorithm::Ed25519, 99));
        let error = verify(bundle.as_slice(), &stranger).expect_err("another key");
        assert_eq!(error, BundleError::Policy(PolicyError::NotSigned { origin: ORIGIN.to_owned() }));
        let elsewhere = with_key(signer("other.example/ledger", Algorithm::Ed25519, 11));
        let error = verify(bundle.as_slice(), &elsewhere).expect_err("another ledger");
        assert_eq!(error, BundleError::Policy(PolicyError::UnknownLog { origin: ORIGIN.to_owned() }));
    }
    let world = &scene.world;
    let alone = world.report_bundle(sign(world.size(), world.tree(world.size()).root(), 1), &[]);
    let error = check(&alone).expect_err("one witness of two");
    assert!(matches!(error, BundleError::Policy(PolicyError::NoQuorum(_))), "{error}");
}

#[test]
fn a_policy_without_authorities_counts_no_timestamp() {
    let scene = &*SCENE;
    let policy = policy_with(&[]);
    let found = verify(scene.receipt.as_slice(), &policy).expect("proven");
    assert_eq!((found.checks.timestamps, found.unknown_timestamps), (0, scene.tokens.len()));
    let policy = policy_with(&[b"no certificate".to_vec()]);
    let error = verify(scene.receipt.as_slice(), &policy).expect_err("no root");
    assert!(matches!(error, BundleError::TsaRoots(_)), "{error}");
}

#[test]
fn a_timestamp_of_something_else_is_named() {
    let scene = &*SCENE;
    let Some(token) = scene.tokens.first() else { return };
    let world = &scene.world;
    let bundle = world.report_bundle(world.checkpoint(50), std::slice::from_ref(token));
    let error = check(&bundle).expect_err("a token of another checkpoint");
    assert_eq!(error, BundleError::Timestamp { number: 1, error: TimestampError::ImprintMismatch });
}

#[test]
fn an_empty_ledger_proves_nothing() {
    let nothing = World { entries: Vec::new() };
    let checkpoint = sign(0, nothing.tree(0).root(), 3);
    let bundle = ReportBundle::begin(Vec::new(), terms(), checkpoint.clone(), &[]).expect("memory");
    let Err(BundleError::Audit(error)) = bundle.finish() else { panic!("nothing was checked") };
    assert_eq!(error.check, Check::NothingChecked);

    let parts = unpack(&SCENE.report);
    let parts: Parts = parts.into_iter().filter(|(name, _)| !name.starts_with("tile/")).collect();
    let parts = with(&parts, "checkpoint", |bytes| *bytes = checkpoint.to_string().into_bytes());
    let parts: Parts = parts.into_iter().filter(|(name, _)| !name.starts_with("timestamps/")).collect();
    let stamps = format!("\"timestamps\": {}", SCENE.tokens.len());
    let parts = with(&parts, "manifest.json", |bytes| replaced(bytes, &stamps, "\"timestamps\": 0"));
    let BundleError::Audit(error) = fault(&parts) else { panic!("nothing was checked") };
    assert_eq!(error.check, Check::NothingChecked);

    let none = write_selective(Vec::new(), Claim::Receipt { entry: 3 }, &checkpoint, &[], &[]);
    assert_eq!(none.expect_err("no receipts"), BundleError::EntryList);
}

#[test]
fn entries_that_are_not_those_of_the_checkpoint_are_found() {
    let scene = &*SCENE;
    let tile = format!("tile/entries/000.p/{}", scene.world.size());
    let parts = unpack(&scene.report);
    let rewritten = World::rewritten();
    let size = scene.world.size() as usize;
    let mut forged = Vec::new();
    for entry in &rewritten.entries[..size] {
        daicho_tlog::tile::write_bundle_entry(&mut forged, entry).expect("short enough");
    }
    let BundleError::Audit(error) = fault(&with(&parts, &tile, |bytes| *bytes = forged)) else {
        panic!("another history")
    };
    assert_eq!(error.check, Check::Checkpoint);
    // Everything is consistent, and of another ledger than the signed one.
    let other = signer("other.example/ledger", Algorithm::Ed25519, 11);
    let tree = scene.world.tree(scene.world.size());
    let checkpoint = daicho_tlog::Checkpoint::new("other.example/ledger", scene.world.size(), tree.root())
        .expect("a name");
    let signature = other.sign(&checkpoint.to_string(), 0).expect("a checkpoint");
    let checkpoint = SignedCheckpoint::new(checkpoint, vec![signature]).expect("a note");
    let mut bundle = ReportBundle::begin(Vec::new(), terms(), checkpoint, &[]).expect("memory");
    bundle.push(scene.world.entries.clone()).expect("sound entries");
    assert!(matches!(bundle.finish(), Err(BundleError::Origin { .. })));
}

#[test]
fn more_or_fewer_entries_than_the_checkpoint_covers_are_not_written() {
    let world = &SCENE.world;
    let begin = || ReportBundle::begin(Vec::new(), terms(), world.checkpoint(40), &[]).expect("memory");
    let mut bundle = begin();
    bundle.push(world.entries[..39].to_vec()).expect("sound entries");
    assert!(matches!(bundle.finish(), Err(BundleError::Size { expected: 40, found: 39 })));
    let error = begin().push(world.entries[..41].to_vec()).expect_err("too many");
    assert_eq!(error, BundleError::Size { expected: 40, found: 41 });
    let unknown = ReportTerms { scheme: "no_such_scheme".to_owned(), ..terms() };
    let mut bundle = ReportBundle::begin(Vec::new(), unknown, world.checkpoint(40), &[]).expect("memory");
    bundle.push(world.entries[..40].to_vec()).expect("sound entries");
    assert!(matches!(bundle.finish(), Err(BundleError::NoScheme(_))));
}

#[test]
fn entries_of_several_tiles_come_in_their_order() {
    let world = World::long();
    let bundle = world.report_bundle(world.checkpoint(world.size()), &[]);
    let found = check(&bundle).expect("proven");
    assert_eq!(found.checks.entries, world.size());
    let parts = unpack(&bundle);
    let names: Vec<&str> = parts.iter().map(|(name, _)| name.as_str()).collect();
    let last = format!("tile/entries/002.p/{}", world.size() - 512);
    assert_eq!(names[2..5], ["tile/entries/000", "tile/entries/001", last.as_str()]);
    let mut swapped = parts.clone();
    swapped.swap(2, 3);
    assert_eq!(fault(&swapped), BundleError::Missing { part: names[2].to_owned() });
    let mut moved = parts.clone();
    let content = moved[2].1.clone();
    moved[2].1 = std::mem::replace(&mut moved[3].1, content);
    let BundleError::Audit(error) = fault(&moved) else { panic!("the contents were swapped") };
    assert_eq!((error.check, error.entry.get()), (Check::IndexOrder, 0));
    let wide = parts.iter().map(|(name, bytes)| {
        (if *name == last { "tile/entries/002".to_owned() } else { name.clone() }, bytes.clone())
    });
    assert_eq!(fault(&wide.collect()), BundleError::Unknown { part: "tile/entries/002".to_owned() });
}

#[test]
fn keys_must_be_named_by_entries_of_the_bundle() {
    let scene = &*SCENE;
    let found = check(&scene.receipt).expect("proven");
    let Proven::Selective(entries) = found.proven else { panic!("a selective bundle") };
    let all: Vec<u64> = entries.iter().map(|entry| entry.index.get()).collect();
    let write = |indexes: &[u64], claim: Claim| {
        let receipts: Vec<_> =
            indexes.iter().map(|index| scene.world.receipt_in(*index, scene.checkpoint.clone())).collect();
        write_selective(Vec::new(), claim, &scene.checkpoint, &[], &receipts).map(drop)
    };
    let claim = || Claim::Receipt { entry: 30 };
    assert_eq!(write(&all, claim()), Ok(()));
    // Without the entry that authorises the key of the signer.
    let authorises = |entry: &&daicho_verify::bundle::SelectedEntry| {
        entry.events.iter().any(|event| matches!(event.fact, Some(Fact::KeyAuthorized(_))))
    };
    let key = entries.iter().find(authorises).expect("an authorisation").index.get();
    let without: Vec<u64> = all.iter().copied().filter(|index| *index != key).collect();
    assert!(
        matches!(write(&without, claim()), Err(BundleError::KeyUnknown { entry, .. }) if entry.get() == 30)
    );
    assert_eq!(write(&all[1..], claim()), Err(BundleError::NoFounding));
    // Without a piece of a document.
    let piece = |entry: &&daicho_verify::bundle::SelectedEntry| {
        entry.events.iter().any(|event| matches!(event.fact, Some(Fact::DocumentChunk(_))))
    };
    let piece = entries.iter().find(piece).expect("a piece").index.get();
    let without: Vec<u64> = all.iter().copied().filter(|index| *index != piece).collect();
    assert!(matches!(write(&without, claim()), Err(BundleError::Document { .. })));
    // A receipt of another entry, and one in another checkpoint.
    let mut receipts: Vec<_> =
        all.iter().map(|index| scene.world.receipt_in(*index, scene.checkpoint.clone())).collect();
    let last = receipts.len() - 1;
    receipts[last] = scene.world.receipt(all[last], scene.world.size() - 1);
    let error = write_selective(Vec::new(), claim(), &scene.checkpoint, &[], &receipts).expect_err("mixed");
    assert_eq!(error, BundleError::OtherCheckpoint { entry: all[last] });
}

/// What the bundle of the last entry proves.
fn last_entry_of(world: &World) -> Result<BundleReport<'static>, BundleError> {
    let checkpoint = world.checkpoint(world.size());
    let mut selection = Selection::of_entry(EntryIndex::new(world.size() - 1));
    world.entries.iter().for_each(|entry| selection.see(entry).expect("an entry"));
    let selected = selection.finish()?;
    let receipts: Vec<_> =
        selected.entries.iter().map(|entry| world.receipt_in(entry.get(), checkpoint.clone())).collect();
    check(&write_selective(Vec::new(), selected.claim, &checkpoint, &[], &receipts)?)
}

#[test]
fn a_key_that_came_in_by_an_invitation_rests_on_it() {
    let world = World::invited(|ledger| {
        let first = ledger.further_key("first", "hyojito", "server");
        ledger.say_outside("slip", Fact::KeyAuthorized(first));
    });
    let found = last_entry_of(&world).expect("proven");
    let Proven::Selective(entries) = found.proven else { panic!("a selective bundle") };
    let last = entries.len();
    assert!(entries[last - 3..].iter().map(|entry| entry.index.get()).eq(world.size() - 3..world.size()));
    assert_eq!(entries[last - 3].parties, ["ward"]);
    assert_eq!(entries[last - 2].parties, ["hyojito"]);
}

#[test]
fn an_invitation_that_was_misused_proves_nothing() {
    let misused = |spend: &dyn Fn(&mut Ledger)| {
        let world = World::invited(spend);
        last_entry_of(&world).expect_err("it is not proven")
    };
    let authorise = |ledger: &mut Ledger, party: &str, purpose: &str| {
        Fact::KeyAuthorized(ledger.further_key("first", party, purpose))
    };
    let is_named = |error: &BundleError| matches!(error, BundleError::Invitation { .. });
    // Too late, for another purpose, for another party, for two keys in one statement.
    let late = misused(&|ledger| {
        ledger.wait_until("2021-02-01T00:01");
        let first = authorise(ledger, "hyojito", "server");
        ledger.force_outside("slip", vec![first]);
    });
    let purpose = misused(&|ledger| {
        let first = authorise(ledger, "hyojito", "auditor");
        ledger.force_outside("slip", vec![first]);
    });
    let party = misused(&|ledger| {
        let first = authorise(ledger, "ward", "server");
        ledger.force_outside("slip", vec![first]);
    });
    let two = misused(&|ledger| {
        let other = Fact::KeyAuthorized(ledger.further_key("other", "hyojito", "server"));
        let first = authorise(ledger, "hyojito", "server");
        ledger.force_outside("slip", vec![other, first]);
    });
    for (how, error) in [("late", late), ("purpose", purpose), ("party", party), ("two", two)] {
        assert!(is_named(&error), "{how}: {error}");
    }
}

#[test]
fn a_receipt_under_the_name_of_another_is_named() {
    let parts = unpack(&SCENE.receipt);
    let at = |n: u64| format!("entries/{n}.tlog-proof");
    let other = parts.iter().find(|(name, _)| *name == at(30)).expect("the entry").1.clone();
    let error = fault(&with(&parts, &at(0), |bytes| *bytes = other));
    assert_eq!(error, BundleError::OtherEntry { entry: 0, found: EntryIndex::new(30) });
    let error = fault(&with(&parts, &at(30), |bytes| *bytes = b"c2sp.org/tlog-proof@v1\n".to_vec()));
    assert!(matches!(error, BundleError::Receipt { entry: 30, error: ReceiptError::Proof(_) }), "{error}");
}
