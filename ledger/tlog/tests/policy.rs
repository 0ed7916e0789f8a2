//! Trust policies: each rule of C2SP tlog-policy, and what a checkpoint must carry to be trusted.

use daicho_tlog::policy::{LineFault, MAX_LINES_OF_A_KIND, MAX_POLICY_BYTES, PolicyError, PolicyParseError};
use daicho_tlog::{
    Algorithm, Checkpoint, KeyError, KeyName, NoteError, NoteSigner, Policy, SignedCheckpoint, TreeHash,
    VerifierKey,
};

const ORIGIN: &str = "example.com/ledger";

fn signer(name: &str, algorithm: Algorithm, seed: u16) -> NoteSigner {
    let name: KeyName = name.parse().expect("a key name");
    let mut bytes = [0; 32];
    bytes[..2].copy_from_slice(&seed.to_be_bytes());
    NoteSigner::from_seed(name, algorithm, &bytes).expect("a key")
}

fn log(seed: u16) -> NoteSigner {
    signer(ORIGIN, Algorithm::Ed25519, seed)
}

fn witness(seed: u16) -> NoteSigner {
    signer(&format!("w{seed}.example"), Algorithm::CosignatureEd25519, seed)
}

fn parse(text: &str) -> Result<Policy, PolicyParseError> {
    Policy::parse(text.as_bytes())
}

/// What is wrong, and in which line.
fn fault(text: &str) -> (usize, LineFault) {
    match parse(text) {
        Err(PolicyParseError::Line { line, fault }) => (line, fault),
        other => panic!("{text:?} gives {other:?}"),
    }
}

#[test]
fn comments_blank_lines_and_white_space_mean_nothing() {
    let (l, w) = (log(1), witness(2));
    let (l, w) = (l.verifier(), w.verifier());
    let plain = parse(&format!("log {l} https://l\nwitness W {w} https://w\nquorum W\n")).expect("a policy");
    let loose = format!(
        "# comment\n\n \t\n\t witness \t W\t{w} https://w \t\n  # 注釈 log\nquorum\tW\n#\nlog {l}  https://l\n"
    );
    assert_eq!(parse(&loose), Ok(plain.clone()));
    assert_eq!(plain.logs()[0].key, *l);
    assert_eq!(plain.logs()[0].url.as_ref().and_then(|url| url.to_str()), Some("https://l"));
    assert_eq!(plain.witnesses()[0].key, *w);
    assert_eq!(plain.witnesses()[0].url.as_ref().and_then(|url| url.to_str()), Some("https://w"));
    assert_eq!(plain.quorum().and_then(|name| name.to_str()), Some("W"));
    // Only the quorum is mandatory.
    let least = parse("quorum none\n").expect("a policy");
    assert!(least.logs().is_empty() && least.witnesses().is_empty() && least.quorum().is_none());
}

#[test]
fn names_are_octets() {
    let keys = [1, 2, 3].map(|seed| witness(seed).verifier().to_string());
    let mut bytes = Vec::new();
    // K, the Kelvin sign, and what is no UTF-8 are three names.
    for (name, key) in [&b"K"[..], b"\xe2\x84\xaa", b"\xff\xfe"].iter().zip(&keys) {
        bytes.extend([b"witness ", *name, b" ", key.as_bytes(), b"\n"].concat());
    }
    bytes.extend(b"group all-of-them all K \xe2\x84\xaa \xff\xfe\nquorum all-of-them\n");
    let policy = Policy::parse(&bytes).expect("a policy");
    assert!(policy.quorum_met([&b"K"[..], b"\xe2\x84\xaa", b"\xff\xfe"]));
    assert!(!policy.quorum_met([&b"K"[..], b"\xe2\x84\xaa", b"\xef\xbf\xbd"]));
    assert_eq!(policy.witnesses()[2].name.to_str(), None);
    assert_eq!(Policy::parse(&policy.to_bytes()), Ok(policy));
}

#[test]
fn every_rule_has_its_own_error_and_its_line() {
    let [a, b, c] = [1, 2, 3].map(|seed| witness(seed).verifier().clone());
    let l = log(4).verifier().clone();
    let three = format!("witness A {a}\nwitness B {b}\nwitness C {c}\n");
    let octets = |text: &str| match fault(&format!("{text} x\n")) {
        (1, LineFault::Keyword(octets)) => octets,
        other => panic!("{other:?}"),
    };
    let taken = |name: &str| LineFault::NameTaken(octets(name));
    let undefined = |name: &str| LineFault::Undefined(octets(name));
    for (text, line, expected) in [
        ("quorum none", 1, LineFault::Unended),
        ("quorum none\r\n", 1, LineFault::Octet(b'\r')),
        ("# \0\nquorum none\n", 1, LineFault::Octet(0)),
        ("\n# \x7f\nquorum none\n", 2, LineFault::Octet(0x7f)),
        ("Quorum none\n", 1, LineFault::Keyword(octets("Quorum"))),
        ("quorum\n", 1, LineFault::Items("quorum <name>")),
        ("quorum none none\n", 1, LineFault::Items("quorum <name>")),
        ("quorum none # comment\n", 1, LineFault::Items("quorum <name>")),
        ("quorum none\nquorum none\n", 2, LineFault::SecondQuorum),
        ("quorum A\n", 1, undefined("A")),
        (&format!("quorum A\n{three}"), 1, undefined("A")),
        (&format!("{three}quorum a\n"), 4, undefined("a")),
        ("log\n", 1, LineFault::Items("log <vkey> [<url>]")),
        (&format!("log {l} u u\n"), 1, LineFault::Items("log <vkey> [<url>]")),
        ("log A+B+C\n", 1, LineFault::Key(KeyError::Form)),
        (&format!("log {a}\n"), 1, LineFault::KeyType(Algorithm::CosignatureEd25519)),
        (&format!("log {l}\nlog {l}\n"), 2, LineFault::DuplicateKey),
        (
            &format!("log {l}\nlog {}\n", signer("other.example", Algorithm::Ed25519, 4).verifier()),
            2,
            LineFault::DuplicateKey,
        ),
        ("witness A\n", 1, LineFault::Items("witness <name> <vkey> [<url>]")),
        (&format!("witness {a}\n"), 1, LineFault::Items("witness <name> <vkey> [<url>]")),
        (&format!("witness A {a} u u\n"), 1, LineFault::Items("witness <name> <vkey> [<url>]")),
        (&format!("witness A {l}\n"), 1, LineFault::KeyType(Algorithm::Ed25519)),
        (&format!("witness none {a}\n"), 1, taken("none")),
        (&format!("{three}witness A {}\n", witness(9).verifier()), 4, taken("A")),
        (&format!("{three}witness D {a}\n"), 4, LineFault::DuplicateKey),
        (
            &format!(
                "{three}witness D {}\n",
                signer("d.example", Algorithm::CosignatureEd25519, 1).verifier()
            ),
            4,
            LineFault::DuplicateKey,
        ),
        (&format!("{three}group G any\n"), 4, LineFault::Items("group <name> all|any|<k> <name>...")),
        (&format!("{three}group A any B\n"), 4, taken("A")),
        (&format!("{three}group none any B\n"), 4, taken("none")),
        (&format!("{three}group G any A B\ngroup G any C\n"), 5, taken("G")),
        (&format!("{three}group G any A none\n"), 4, undefined("none")),
        (&format!("{three}group G any A G\n"), 4, undefined("G")),
        (&format!("{three}group G any H\ngroup H any A\n"), 4, undefined("H")),
        (&format!("{three}group G any A A\n"), 4, LineFault::MemberTwice(octets("A"))),
        (&format!("{three}group G any A B\ngroup H any A\n"), 5, LineFault::MemberTwice(octets("A"))),
        (
            &format!("{three}group G any A\ngroup H any G B\ngroup I any C G\n"),
            6,
            LineFault::MemberTwice(octets("G")),
        ),
        (&format!("{three}group G 0 A B\n"), 4, LineFault::Threshold),
        (&format!("{three}group G 3 A B\n"), 4, LineFault::Threshold),
        (&format!("{three}group G -1 A B\n"), 4, LineFault::Threshold),
        (&format!("{three}group G +1 A B\n"), 4, LineFault::Threshold),
        (&format!("{three}group G 1.0 A B\n"), 4, LineFault::Threshold),
        (&format!("{three}group G Any A B\n"), 4, LineFault::Threshold),
        (&format!("{three}group G 99999999999999999999999 A B\n"), 4, LineFault::Threshold),
        ("# daicho-tsa-root: ***\n", 1, LineFault::TsaRoot),
        ("# daicho-tsa-root:\n", 1, LineFault::TsaRoot),
    ] {
        assert_eq!(fault(text), (line, expected), "{text:?}");
    }
    for text in ["", "# quorum none\n", &three] {
        assert_eq!(parse(text), Err(PolicyParseError::NoQuorum));
    }
    let bytes = MAX_POLICY_BYTES + 1;
    assert_eq!(Policy::parse(&vec![b'#'; bytes]), Err(PolicyParseError::TooLarge { bytes }));
}

#[test]
fn a_key_may_be_a_logs_and_a_witnesss_and_algorithms_may_differ() {
    let log_pq = signer(ORIGIN, Algorithm::CosignatureMlDsa44, 1);
    let witness_pq = signer("w.example", Algorithm::CosignatureMlDsa44, 2);
    let text = format!(
        "log {}\nlog {}\nwitness a {}\nwitness b {}\ngroup both all a b\nquorum both\n",
        log(1).verifier(),
        log_pq.verifier(),
        witness_pq.verifier(),
        log_pq.verifier()
    );
    let policy = parse(&text).expect("a policy");
    let checkpoint = signed(&[(&log_pq, 5), (&witness_pq, 6)]);
    let trust = policy.check(&checkpoint).expect("both signed");
    assert_eq!((trust.logs.len(), trust.witnesses.len()), (1, 2));
}

#[test]
fn many_logs_witnesses_and_groups_are_taken_up_to_the_limits() {
    let file = |witnesses: usize, groups: usize, logs: usize| {
        let mut text = String::new();
        for n in 0..logs {
            let key = signer(ORIGIN, Algorithm::Ed25519, n as u16);
            text += &format!("log {}\n", key.verifier());
        }
        for n in 0..witnesses {
            text += &format!("witness w{n} {}\n", witness(n as u16).verifier());
        }
        // As deep as can be: each group holds the one before.
        text += "group g0 any w0\n";
        for n in 1..groups {
            text += &format!("group g{n} all g{}\n", n - 1);
        }
        text + &format!("quorum g{}\n", groups - 1)
    };
    let most = MAX_LINES_OF_A_KIND;
    let policy = parse(&file(most, most, most)).expect("within the limits");
    assert!(policy.quorum_met([&b"w0"[..]]) && !policy.quorum_met([&b"w1"[..]]));
    let shortfall = policy.shortfall([]).expect("nobody cosigned").to_string();
    assert!(shortfall.ends_with(&format!("g0 has 0 of 1 (w0 is missing{}", ")".repeat(most))));
    for (text, line) in
        [(file(1, 1, most + 1), most + 1), (file(most + 1, 1, 0), most + 1), (file(1, most + 1, 0), most + 2)]
    {
        assert_eq!(fault(&text), (line, LineFault::TooMany));
    }
}

#[test]
fn tsa_roots_are_comments_to_others() {
    let text = "#daicho-tsa-root: MAA=\n\t# \t daicho-tsa-root:MAE=  \n# daicho-tsa-rootX\n# tsa-root: *\nquorum none\n";
    let policy = parse(text).expect("a policy");
    assert_eq!(policy.tsa_roots(), [[0x30, 0], [0x30, 1]]);
    assert_eq!(Policy::parse(&policy.to_bytes()), Ok(policy));
}

/// A checkpoint of size 3 with these signatures.
fn signed(signers: &[(&NoteSigner, u64)]) -> SignedCheckpoint {
    let checkpoint = Checkpoint::new(ORIGIN, 3, TreeHash::of_leaf(b"root")).expect("an origin");
    let text = checkpoint.to_string();
    let signatures = signers.iter().map(|(s, time)| s.sign(&text, *time).expect("a checkpoint")).collect();
    SignedCheckpoint::new(checkpoint, signatures).expect("a note")
}

struct World {
    log: NoteSigner,
    witnesses: [NoteSigner; 4],
    policy: Policy,
}

/// Two of A, B, C, and D.
fn world() -> World {
    let (log, witnesses) = (log(10), [1, 2, 3, 4].map(witness));
    let mut text = format!("log {}\n", log.verifier());
    for (name, witness) in ["A", "B", "C", "D"].iter().zip(&witnesses) {
        text += &format!("witness {name} {}\n", witness.verifier());
    }
    text += "group council any D\ngroup some 2 A B C\ngroup both all some council\nquorum both\n";
    World { log, witnesses, policy: parse(&text).expect("a policy") }
}

fn names(trust: &daicho_tlog::policy::Trust<'_>) -> Vec<(String, u64)> {
    trust.witnesses.iter().map(|c| (c.witness.name.to_string(), c.timestamp)).collect()
}

#[test]
fn a_checkpoint_with_its_quorum_is_trusted_and_says_by_whom_and_when() {
    let World { log, witnesses: [a, _, c, d], policy } = world();
    let checkpoint = signed(&[(&c, 13), (&log, 0), (&d, 14), (&a, 11)]);
    let trust = policy.check(&checkpoint).expect("enough");
    assert_eq!(trust.logs.iter().map(|log| &log.key).collect::<Vec<_>>(), [log.verifier()]);
    assert_eq!(names(&trust), [("A".into(), 11), ("C".into(), 13), ("D".into(), 14)]);
    assert_eq!(trust.shortfall, None);
    // Signatures of others do not matter.
    let more = signed(&[(&c, 13), (&witness(77), 1), (&log, 0), (&d, 14), (&a, 11)]);
    assert_eq!(policy.check(&more), Ok(trust));
}

#[test]
fn a_missing_quorum_says_which_group_lacks_what() {
    let World { log, witnesses: [a, b, c, d], policy } = world();
    let lacking = |signers: &[&NoteSigner]| {
        let all: Vec<_> = [&log].into_iter().chain(signers.iter().copied()).map(|s| (s, 1)).collect();
        match policy.check(&signed(&all)) {
            Ok(_) => String::new(),
            Err(error @ PolicyError::NoQuorum(_)) => {
                let shortfall = policy.examine(&signed(&all)).expect("signed by the log").shortfall;
                assert_eq!(error, PolicyError::NoQuorum(shortfall.expect("the same")));
                error.to_string()
            }
            Err(other) => panic!("{other}"),
        }
    };
    assert_eq!(lacking(&[&a, &b, &c, &d]), "");
    assert_eq!(
        lacking(&[&b, &d]),
        "the quorum is not met: both has 1 of 2 (some has 1 of 2 (A is missing, C is missing))"
    );
    assert_eq!(
        lacking(&[&a, &b]),
        "the quorum is not met: both has 1 of 2 (council has 0 of 1 (D is missing))"
    );
    assert_eq!(
        lacking(&[]),
        "the quorum is not met: both has 0 of 2 (some has 0 of 2 (A is missing, B is missing, C is missing), \
         council has 0 of 1 (D is missing))"
    );
}

#[test]
fn the_log_must_be_known_by_the_origin_and_must_have_signed() {
    let World { log, witnesses: [a, b, _, d], policy } = world();
    let origin = ORIGIN.to_owned();
    let unsigned = signed(&[(&a, 1), (&b, 1), (&d, 1)]);
    assert_eq!(policy.check(&unsigned), Err(PolicyError::NotSigned { origin: origin.clone() }));
    let strangers = signed(&[(&witness(50), 1)]);
    assert_eq!(policy.check(&strangers), Err(PolicyError::NotSigned { origin: origin.clone() }));
    // A key of the same name that the policy does not know.
    let other = signed(&[(&self::log(11), 1), (&a, 1), (&b, 1), (&d, 1)]);
    assert_eq!(policy.check(&other), Err(PolicyError::NotSigned { origin: origin.clone() }));
    let none = parse("quorum none\n").expect("a policy");
    assert_eq!(none.check(&signed(&[(&log, 1)])), Err(PolicyError::UnknownLog { origin }));

    // A known log that signs a checkpoint of another origin does not speak for it.
    let second = signer("second.example/ledger", Algorithm::Ed25519, 30);
    let text = format!("log {}\nlog {}\nquorum none\n", log.verifier(), second.verifier());
    let two = parse(&text).expect("a policy");
    assert!(two.check(&signed(&[(&log, 1)])).is_ok());
    let crossed = signed(&[(&second, 1)]);
    assert_eq!(two.check(&crossed), Err(PolicyError::NotSigned { origin: ORIGIN.into() }));
}

#[test]
fn a_bad_signature_of_anyone_known_spoils_the_checkpoint() {
    let World { log, witnesses: [a, b, c, d], policy } = world();
    let good = signed(&[(&log, 1), (&a, 1), (&b, 1), (&d, 1)]);
    assert!(policy.check(&good).is_ok());
    let other =
        Checkpoint::new(ORIGIN, 4, TreeHash::of_leaf(b"another root")).expect("an origin").to_string();
    for signer in [&log, &c] {
        let mut spoilt = good.clone();
        spoilt.add([signer.sign(&other, 1).expect("a checkpoint")]).expect("few");
        let name = signer.verifier().name().clone();
        assert_eq!(policy.check(&spoilt), Err(PolicyError::Signature(NoteError::BadSignature(name))));
    }
}

#[test]
fn a_witness_must_say_when_and_a_log_need_not() {
    let log = signer(ORIGIN, Algorithm::CosignatureMlDsa44, 1);
    let w = signer("w.example", Algorithm::CosignatureMlDsa44, 2);
    let text = format!("log {}\nwitness W {}\nquorum W\n", log.verifier(), w.verifier());
    let policy = parse(&text).expect("a policy");
    for time in [0, 9] {
        assert!(policy.check(&signed(&[(&log, time), (&w, 5)])).is_ok());
    }
    let timeless = signed(&[(&log, 9), (&w, 0)]);
    assert!(matches!(policy.check(&timeless), Err(PolicyError::NoQuorum(_))));
    // Whoever cosigned twice is counted once, from the first time on.
    let twice = signed(&[(&log, 9), (&w, 8), (&w, 0), (&w, 7)]);
    assert_eq!(names(&policy.check(&twice).expect("cosigned")), [("W".into(), 7)]);
}

#[test]
fn groups_are_no_witnesses_to_a_server_that_collects() {
    let policy = world().policy;
    assert!(policy.quorum_met([&b"A"[..], b"B", b"D"]));
    assert!(!policy.quorum_met([&b"A"[..], b"B", b"council"]));
    assert!(!policy.quorum_met([&b"both"[..]]));
    assert!(!policy.quorum_met([&b"A"[..], b"A", b"D"]));
    assert!(parse("quorum none\n").expect("a policy").quorum_met([]));
}

#[test]
fn a_policy_of_one_key_prints_as_it_reads() {
    let key: VerifierKey = log(1).verifier().clone();
    let text = format!("log {key} https://ledger.example/\nquorum none\n");
    assert_eq!(parse(&text).expect("a policy").to_bytes(), text.as_bytes());
}
