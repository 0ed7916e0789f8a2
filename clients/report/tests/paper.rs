//! Reports on paper: the same bytes everywhere, proof of themselves, and the error of each thing that can be done to them.

#[path = "model/mod.rs"]
#[allow(dead_code, reason = "shared by tests and an example")]
mod model;
#[path = "../../../ledger/verify/tests/common/world.rs"]
mod world;

use std::io::{Read as _, Write as _};
use std::process::Command;
use std::sync::LazyLock;

use daicho_core::{EntryIndex, Instant};
use daicho_report::Lang;
use daicho_report::pdf::{
    BUNDLE, CertificatePaper, Difference, ErasedCopy, Erasure, FileRecord, Form, MAX_PDF_BYTES,
    MAX_STATEMENTS, ManifestError, POLICY, Paper, PaperError, REPORT, ReadError, attachments, difference,
    draw, render, render_certificate, statements, verify_paper,
};
use daicho_tlog::Policy;
use daicho_verify::bundle::{Proven, Selection, verify};
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use sha2::{Digest as _, Sha256};
use world::{SCHEME, World, log_key, policy_text};

/// A bundle of a small ledger, a policy and the paper of its report.
struct Scene {
    bundle: Vec<u8>,
    policy_text: Vec<u8>,
    policy: Policy,
    paper: Vec<u8>,
}

static SCENE: LazyLock<Scene> = LazyLock::new(|| {
    let world = World::queue();
    let bundle = world.report_bundle(world.checkpoint(world.size()), &[]);
    let policy_text = policy_text(log_key().verifier(), &[]).into_bytes();
    let policy = Policy::parse(&policy_text).expect("a policy");
    let paper = paper(&bundle, &policy, Some(&policy_text), Lang::Ja);
    Scene { bundle, policy_text, policy, paper }
});

fn paper(bundle: &[u8], policy: &Policy, attached: Option<&[u8]>, lang: Lang) -> Vec<u8> {
    let found = verify(bundle, policy).expect("it holds");
    let Proven::Complete { report, .. } = &found.proven else { panic!("a complete bundle") };
    draw(report, lang, bundle.to_vec(), attached.map(<[u8]>::to_vec)).expect("it can be drawn")
}

fn fault(pdf: &[u8]) -> PaperError {
    verify_paper(pdf, &SCENE.policy).expect_err("it proves nothing")
}

/// The file with its streams changed, and its lengths and its table of places set right.
fn with_streams(pdf: &[u8], mut change: impl FnMut(&[u8]) -> Option<Vec<u8>>) -> Vec<u8> {
    let mut edits: Vec<(usize, usize, Vec<u8>)> = Vec::new();
    let mut from = 0;
    while let Some(at) = find(&pdf[from..], b"stream\n") {
        let start = from + at + b"stream\n".len();
        let length = pdf[..start].windows(8).rposition(|w| w == b"/Length ").expect("a length") + 8;
        let digits = pdf[length..].iter().take_while(|b| b.is_ascii_digit()).count();
        let len: usize = String::from_utf8_lossy(&pdf[length..length + digits]).parse().expect("a number");
        let raw = &pdf[start..start + len];
        from = start + len + b"\nendstream".len();
        let mut plain = Vec::new();
        let packed = ZlibDecoder::new(raw).read_to_end(&mut plain).is_ok();
        let Some(new) = change(if packed { &plain } else { raw }) else { continue };
        let new = if packed { pack(&new) } else { new };
        edits.push((length, length + digits, new.len().to_string().into_bytes()));
        edits.push((start, start + len, new));
    }
    assert!(!edits.is_empty(), "nothing was changed");
    let moved = |place: usize| {
        let before = edits.iter().filter(|(start, ..)| *start < place);
        before.fold(place as i64, |place, (start, end, new)| place + new.len() as i64 - (end - start) as i64)
    };
    let mut out = Vec::new();
    let mut done = 0;
    for (start, end, new) in &edits {
        out.extend_from_slice(&pdf[done..*start]);
        out.extend_from_slice(new);
        done = *end;
    }
    // After the last stream there is the table, in text.
    let table = pdf.windows(7).rposition(|w| w == b"xref\n0 ").expect("a table");
    out.extend_from_slice(&pdf[done..table]);
    let table = String::from_utf8_lossy(&pdf[table..]);
    for line in table.split_inclusive('\n') {
        let number = line.split(' ').next().unwrap_or_default().trim_end();
        match number.parse::<usize>() {
            Ok(place) if line.contains(" 00000 n") => {
                out.extend(line.replacen(number, &format!("{:010}", moved(place)), 1).bytes())
            }
            Ok(place) if !line.contains(' ') => {
                out.extend(line.replacen(number, &moved(place).to_string(), 1).bytes())
            }
            _ => out.extend(line.bytes()),
        }
    }
    out
}

fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut out = ZlibEncoder::new(Vec::new(), Compression::best());
    out.write_all(bytes).expect("memory");
    out.finish().expect("memory")
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn replaced(bytes: &[u8], old: &[u8], new: &[u8]) -> Option<Vec<u8>> {
    assert_eq!(old.len(), new.len());
    let at = find(bytes, old)?;
    let mut bytes = bytes.to_vec();
    bytes[at..at + old.len()].copy_from_slice(new);
    Some(bytes)
}

/// The paper with one attachment changed, and its hash in the manifest as well when `listed`.
fn with_attachment(name: &str, listed: bool, change: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let files = attachments(&SCENE.paper).expect("ours");
    let old = &files.iter().find(|(other, _)| *other == name).expect("attached").1;
    let new = change(old);
    let hash = |bytes: &[u8]| FileRecord::of(name, bytes).sha256;
    let (before, after) = (hash(old), hash(&new));
    with_streams(&SCENE.paper, |stream| {
        if stream == old.as_slice() {
            Some(new.clone())
        } else if listed && find(stream, br#""format": "daicho-report-pdf/1""#).is_some() {
            replaced(stream, before.as_bytes(), after.as_bytes())
        } else {
            None
        }
    })
}

fn overdue_is_none(json: &[u8]) -> Vec<u8> {
    replaced(json, br#""overdue": 1"#, br#""overdue": 0"#).expect("one copy is overdue")
}

#[test]
fn a_paper_proves_every_byte_of_itself_under_the_policy_of_whoever_asks() {
    let scene = &*SCENE;
    let found = verify_paper(&scene.paper, &scene.policy).expect("proven");
    assert!(found.pages >= 5);
    assert_eq!(found.policy.as_deref(), Some(scene.policy_text.as_slice()));
    assert_eq!(found.manifest.files[0], FileRecord::of(BUNDLE, &scene.bundle));
    let other = Policy::parse(b"quorum none\n").expect("a policy");
    assert!(matches!(verify_paper(&scene.paper, &other), Err(PaperError::Bundle(_))));
}

#[test]
fn without_a_policy_or_in_english_it_proves_itself_as_well() {
    let scene = &*SCENE;
    let bare = paper(&scene.bundle, &scene.policy, None, Lang::Ja);
    assert_eq!(verify_paper(&bare, &scene.policy).expect("proven").policy, None);
    let english = paper(&scene.bundle, &scene.policy, Some(&scene.policy_text), Lang::En);
    verify_paper(&english, &scene.policy).expect("proven");
    assert!(difference(&scene.paper, &english).is_some());
}

#[test]
fn the_same_report_gives_the_same_bytes_twice_and_from_another_process() {
    let scene = &*SCENE;
    let again = paper(&scene.bundle, &scene.policy, Some(&scene.policy_text), Lang::Ja);
    assert!(again == scene.paper, "two drawings differ: {:?}", difference(&again, &scene.paper));
    let own = std::env::current_exe().expect("this program");
    let args = ["--exact", "hash_of_the_paper", "--ignored", "--nocapture"];
    let other = Command::new(own).args(args).output().expect("it runs");
    let hash = hex::encode(Sha256::digest(&scene.paper));
    assert!(String::from_utf8_lossy(&other.stdout).contains(&hash), "another process draws another paper");
}

#[test]
#[ignore = "what the other process of the test above does"]
fn hash_of_the_paper() {
    let mut out = std::io::stdout();
    writeln!(out, "{}", hex::encode(Sha256::digest(&SCENE.paper))).expect("a pipe");
}

/// Papers are verified by making them again: whoever changes what is drawn raises the number of the program, so that a paper
/// of before says that it is older, not that it was tampered with.
#[test]
fn the_number_of_the_program_stands_for_every_byte_of_a_paper() {
    const NUMBER: &str = " report-pdf/9 ";
    const PAPERS: [&str; 2] = [
        "5ef07a730fe6b82a789595738f58f9648e552ccb70ec0105cb3cc524c9f9ea97",
        "6a979a8170042d29bdd360adeff445bacd65a15de5c7c91901d83677e90c840c",
    ];
    assert!(daicho_report::pdf::program().contains(NUMBER), "another number: put it here, with the hashes");
    let report = model::sample();
    let hashes = [Lang::Ja, Lang::En].map(|lang| {
        let root = "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=".to_owned();
        let paper = Paper { report: &report, lang, root, witnessed: None, bundle: vec![1], policy: None };
        hex::encode(Sha256::digest(render(&paper).expect("it can be set")))
    });
    assert_eq!(hashes, PAPERS, "other bytes: raise the number of the program");
}

#[test]
fn one_changed_glyph_on_a_page_is_found_on_that_page() {
    let pdf = hayro_syntax::Pdf::new(SCENE.paper.clone()).expect("a PDF");
    let page = pdf.pages()[1].page_stream().expect("the page of the answer").to_vec();
    let glyph = find(&page, b"Tj").or_else(|| find(&page, b"TJ")).expect("text");
    let changed = with_streams(&SCENE.paper, |stream| {
        let at = if stream == page {
            stream[..glyph].iter().rposition(u8::is_ascii_alphanumeric)?
        } else {
            return None;
        };
        let mut stream = stream.to_vec();
        stream[at] = if stream[at] == b'1' { b'2' } else { b'1' };
        Some(stream)
    });
    let error = fault(&changed);
    assert!(matches!(error, PaperError::Differs(Difference::Page(2))), "{error:?}");
}

#[test]
fn a_changed_report_inside_is_found_with_and_without_its_hash() {
    let silent = fault(&with_attachment(REPORT, false, overdue_is_none));
    assert!(
        matches!(&silent, PaperError::Manifest(ManifestError::Hash { name }) if name == REPORT),
        "{silent:?}"
    );
    let listed = fault(&with_attachment(REPORT, true, overdue_is_none));
    assert!(matches!(listed, PaperError::ReportDiffers), "{listed:?}");
}

#[test]
fn a_changed_bundle_inside_is_found_with_and_without_its_hash() {
    let flip = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        bytes
    };
    let silent = fault(&with_attachment(BUNDLE, false, flip));
    assert!(
        matches!(&silent, PaperError::Manifest(ManifestError::Hash { name }) if name == BUNDLE),
        "{silent:?}"
    );
    let listed = fault(&with_attachment(BUNDLE, true, flip));
    assert!(matches!(listed, PaperError::Bundle(_)), "{listed:?}");
}

#[test]
fn an_attachment_of_another_length_or_name_is_refused() {
    let shorter = fault(&with_attachment(REPORT, false, |json| json[..json.len() - 2].to_vec()));
    assert!(
        matches!(&shorter, PaperError::Read(ReadError::Length { name, .. }) if name == REPORT),
        "{shorter:?}"
    );
    for (old, new) in [(&b"(report.json)"[..], &b"(repart.json)"[..]), (b"(policy.txt)", b"(../x/passw)")] {
        let changed = replaced(&SCENE.paper, old, new).expect("names stand in the open");
        let error = fault(&changed);
        assert!(
            matches!(error, PaperError::Read(ReadError::Unknown(_) | ReadError::Contradicts(_))),
            "{error:?}"
        );
    }
}

#[test]
fn an_attachment_that_unpacks_to_more_than_may_be_is_refused() {
    // A quarter of a gibibyte and one byte, in a quarter of a mebibyte; the length that is stated stays small.
    let bomb = with_attachment(REPORT, false, |_| vec![0; (256 << 20) + 1]);
    assert!(bomb.len() < 2 << 20, "{} bytes", bomb.len());
    let error = fault(&bomb);
    assert!(matches!(&error, PaperError::Read(ReadError::Packed(name)) if name == REPORT), "{error:?}");
}

#[test]
fn an_attachment_that_is_there_twice_is_refused() {
    // In the list, the report goes by the name of the policy.
    let mut twice = SCENE.paper.clone();
    let list = find(&twice, b"/EmbeddedFiles").expect("a list");
    let at = list + find(&twice[list..], b"(report.json)").expect("names stand in the open");
    twice[at..at + 13].copy_from_slice(b"(policy.txt) ");
    let error = fault(&twice);
    assert!(matches!(&error, PaperError::Read(ReadError::Doubled(name)) if name == POLICY), "{error:?}");
}

#[test]
fn a_file_larger_than_a_paper_may_be_is_not_looked_at() {
    // Never touched, so that it takes no memory.
    let large = vec![0; MAX_PDF_BYTES as usize + 1];
    assert!(matches!(fault(&large), PaperError::Read(ReadError::TooLarge)));
}

#[test]
fn a_bundle_of_something_else_proves_no_paper() {
    let world = World::queue();
    let selection = Selection::of_entry(EntryIndex::new(30));
    let other = world.selective_bundle(selection, &world.checkpoint(world.size()), &[]);
    let report = model::sample();
    let drawn = draw(&report, Lang::Ja, other, None).expect("it can be drawn");
    assert!(matches!(fault(&drawn), PaperError::OtherClaim));
    // A report that the entries do not give, with their true bundle.
    let drawn = draw(&report, Lang::Ja, SCENE.bundle.clone(), None).expect("it can be drawn");
    assert_eq!(report.scheme.id, SCHEME);
    assert!(matches!(fault(&drawn), PaperError::ReportDiffers));
}

#[test]
fn a_paper_drawn_by_another_program_says_so() {
    let changed = with_streams(&SCENE.paper, |stream| {
        find(stream, br#""format": "daicho-report-pdf/1""#)?;
        replaced(stream, b"report-pdf/9 typst", b"report-pdf/0 typst")
    });
    let error = fault(&changed);
    assert!(
        matches!(&error, PaperError::OtherProgram { theirs } if theirs.contains("report-pdf/0")),
        "{error:?}"
    );
}

#[test]
fn what_is_no_paper_is_refused() {
    for bytes in
        [&b"%PDF-1.7\n"[..], b"", b"%PDF-1.7\ntrailer<</Root 1 0 R>>\n1 0 obj<</Type/Catalog>>endobj\n"]
    {
        assert!(matches!(fault(bytes), PaperError::Read(_)), "{bytes:?}");
    }
    let cut = &SCENE.paper[..SCENE.paper.len() / 2];
    verify_paper(cut, &SCENE.policy).expect_err("half a paper");
}

#[test]
fn words_that_no_font_has_and_words_of_markup_are_shown_as_they_may_be() {
    let mut report = model::sample();
    report.scheme.title.ja =
        "髙﨑 葛\u{e0100}城 😀\u{7} #let x = 1 $a^2$ *_`<b>`_* @ref \\ #panic(\"x\")".to_owned();
    report.parties[0].label = "<script>&amp;\"".to_owned();
    let root = "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=".to_owned();
    let paper =
        Paper { report: &report, lang: Lang::Ja, root, witnessed: None, bundle: vec![1], policy: None };
    render(&paper).expect("it can be set");
}

#[test]
fn every_size_of_report_can_be_set() {
    for data_sets in [0, 1, 500] {
        let report = model::report(data_sets);
        let root = "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=".to_owned();
        for lang in [Lang::Ja, Lang::En] {
            let root = root.clone();
            let paper = Paper { report: &report, lang, root, witnessed: None, bundle: vec![1], policy: None };
            render(&paper).unwrap_or_else(|error| panic!("{data_sets} {lang:?}: {error}"));
        }
    }
}

#[test]
fn the_largest_certificate_gives_back_every_statement() {
    let at = Instant::parse("2021-02-02T10:00").expect("a time");
    let receipt = |entry: u64| format!("the receipt of {entry}").into_bytes();
    let erasure = |entry: u64| Erasure {
        entry,
        occurred: at,
        recorded: at,
        signers: vec![("00".repeat(16), entry)],
        copies: vec![ErasedCopy {
            copy: format!("c-{entry}"),
            data_set: format!("d-{entry}"),
            system: "受付システム".to_owned(),
            persons: 1,
        }],
        facts: Vec::new(),
        evidence: Vec::new(),
        receipt: receipt(entry),
    };
    let erasures: Vec<Erasure> = (1..=MAX_STATEMENTS as u64).map(erasure).collect();
    let pdf = render_certificate(&CertificatePaper {
        form: Form::Report,
        lang: Lang::Ja,
        id: "C-1",
        origin: "demo.example/ledger",
        simulated: false,
        scheme: (SCHEME, "試験"),
        holder: "受託者",
        recipients: &["新宿区".to_owned()],
        erasures: &erasures,
    });
    let mut found = statements(&pdf.expect("it can be set")).expect("it can be read");
    found.sort_by_key(|(name, _)| name.trim_end_matches(".tlog-proof").parse::<u64>().expect("a number"));
    let wanted: Vec<_> =
        erasures.iter().map(|e| (format!("{}.tlog-proof", e.entry), e.receipt.clone())).collect();
    assert_eq!(found, wanted);
}

#[test]
fn a_paper_says_that_it_is_for_archives_and_for_everybody() {
    // PDF/A-3a (ISO 19005-3) and PDF/UA-1 (ISO 14289-1). `make pdfa` holds papers to it with another program.
    let said = [
        &b"<pdfaid:part>3</pdfaid:part><pdfaid:conformance>A</pdfaid:conformance>"[..],
        b"<pdfuaid:part>1</pdfuaid:part>",
        b"/OutputIntent",
        b"/Lang(ja-JP)",
    ];
    for words in said {
        assert!(find(&SCENE.paper, words).is_some(), "{}", String::from_utf8_lossy(words));
    }
}
