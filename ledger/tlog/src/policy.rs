//! Trust policies (C2SP tlog-policy): which logs and witnesses are known, and which witnesses together are enough.

use std::collections::HashSet;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::checkpoint::SignedCheckpoint;
use crate::key::{Algorithm, KeyError, VerifierKey};
use crate::note::NoteError;

/// Largest policy file, in bytes.
pub const MAX_POLICY_BYTES: usize = 1 << 22;
/// Most logs, most witnesses, most groups and most TSA roots in a policy. C2SP asks for at least 32 of each.
pub const MAX_LINES_OF_A_KIND: usize = 256;

/// Starts a comment that names a root certificate of a time-stamping authority. Other tools ignore comments.
const TSA_ROOT: &[u8] = b"daicho-tsa-root:";
/// The quorum that asks for no cosignature. No witness and no group has this name.
const NONE: &[u8] = b"none";

/// A name or URL of a policy file: octets without space, tab and control characters, not taken for any encoding.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Octets(Vec<u8>);

impl Octets {
    /// The octets.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The octets as text. `None` unless they are UTF-8.
    pub fn to_str(&self) -> Option<&str> {
        str::from_utf8(&self.0).ok()
    }
}

/// What is not UTF-8 is shown as U+FFFD.
impl fmt::Display for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

/// A log that is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyLog {
    /// Its key, which has the log's origin as its name.
    pub key: VerifierKey,
    /// Where it can be reached.
    pub url: Option<Octets>,
}

/// A witness that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyWitness {
    /// Its name in this file, which need not be that of its key.
    pub name: Octets,
    /// Its key.
    pub key: VerifierKey,
    /// Where it takes checkpoints: the submission prefix of C2SP tlog-witness.
    pub url: Option<Octets>,
}

/// Some witnesses and groups of which so many are enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyGroup {
    /// Its name in this file.
    pub name: Octets,
    /// How many members are enough: 1 to their number.
    pub threshold: usize,
    /// Names of witnesses, and of groups that come before it.
    pub members: Vec<Octets>,
}

/// A trust policy. It holds at least its quorum.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    logs: Vec<PolicyLog>,
    witnesses: Vec<PolicyWitness>,
    groups: Vec<PolicyGroup>,
    quorum: Option<Octets>,
    tsa_roots: Vec<Vec<u8>>,
}

/// Why bytes are no policy file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyParseError {
    /// Longer than [`MAX_POLICY_BYTES`].
    #[error("a policy of {bytes} bytes; the limit is {MAX_POLICY_BYTES}")]
    TooLarge {
        /// How many bytes there are.
        bytes: usize,
    },
    /// A line that is not allowed.
    #[error("line {line}: {fault}")]
    Line {
        /// Which, from 1.
        line: usize,
        /// What is wrong with it.
        fault: LineFault,
    },
    /// There is no quorum line.
    #[error("the policy has no quorum line")]
    NoQuorum,
}

/// What is wrong with a line of a policy file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineFault {
    /// The last line does not end in a newline. It may have been cut off, and mean something else.
    #[error("it does not end in a newline")]
    Unended,
    /// A control character other than tab.
    #[error("the octet 0x{0:02x} is not allowed")]
    Octet(u8),
    /// Not one of `log`, `witness`, `group`, `quorum`.
    #[error("unknown keyword {0}")]
    Keyword(Octets),
    /// Too few or too many items after the keyword.
    #[error("it must read: {0}")]
    Items(&'static str),
    /// The key is none.
    #[error("{0}")]
    Key(#[from] KeyError),
    /// A key that does not sign checkpoints, or for a witness one that does not cosign.
    #[error("signature type 0x{:02x} is not for this", *.0 as u8)]
    KeyType(Algorithm),
    /// Another log, or another witness, has the same public key.
    #[error("the public key was there before")]
    DuplicateKey,
    /// The name is taken, or is `none`.
    #[error("the name {0} is taken")]
    NameTaken(Octets),
    /// No witness and no group before this line has that name.
    #[error("no witness or group before this line is named {0}")]
    Undefined(Octets),
    /// A name that was a member before, of this group or another.
    #[error("{0} is a member of a group already")]
    MemberTwice(Octets),
    /// Not `any`, `all` or a number from 1 to the number of members.
    #[error("the threshold is not any, all or 1 to the number of members")]
    Threshold,
    /// A second quorum line.
    #[error("there is a quorum line already")]
    SecondQuorum,
    /// More of this kind than [`MAX_LINES_OF_A_KIND`].
    #[error("more than {MAX_LINES_OF_A_KIND} lines of this kind")]
    TooMany,
    /// The comment for a TSA root does not hold base64.
    #[error("the TSA root is not base64")]
    TsaRoot,
}

/// Why a checkpoint is not trusted under a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// No log of the policy has this origin.
    #[error("the policy knows no log {origin}")]
    UnknownLog {
        /// Origin of the checkpoint.
        origin: String,
    },
    /// The log is known, and did not sign this.
    #[error("the log {origin} did not sign the checkpoint")]
    NotSigned {
        /// Origin of the checkpoint.
        origin: String,
    },
    /// A signature that names a known key and is not by it: the whole note is to be rejected.
    #[error(transparent)]
    Signature(#[from] NoteError),
    /// Not enough witnesses cosigned.
    #[error("the quorum is not met: {0}")]
    NoQuorum(Shortfall),
}

/// What a witness or group lacks to have witnessed a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortfall {
    /// Name of the witness or group.
    pub name: Octets,
    /// How many members there are that have; 0 for a witness.
    pub found: usize,
    /// How many are needed; 1 for a witness, which is its own only member.
    pub needed: usize,
    /// The members that have not. None for a witness.
    pub missing: Vec<Shortfall>,
}

/// `both has 1 of 2 (council has 0 of 1 (c1 is missing, c2 is missing))`.
impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, found, needed, missing } = self;
        if missing.is_empty() {
            return write!(f, "{name} is missing");
        }
        write!(f, "{name} has {found} of {needed} (")?;
        for (n, member) in missing.iter().enumerate() {
            write!(f, "{}{member}", if n == 0 { "" } else { ", " })?;
        }
        f.write_str(")")
    }
}

/// Who stands behind a checkpoint, of those whom a policy knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust<'p> {
    /// The keys of the log that signed: at least one.
    pub logs: Vec<&'p PolicyLog>,
    /// The witnesses that cosigned, in the order of the policy.
    pub witnesses: Vec<Cosigned<'p>>,
    /// What the quorum lacks. `None` when it is met.
    pub shortfall: Option<Shortfall>,
}

/// A witness that cosigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cosigned<'p> {
    /// Which.
    pub witness: &'p PolicyWitness,
    /// When, in seconds since 1970, as it says: the earliest where it cosigned more than once. Never 0.
    pub timestamp: u64,
}

impl Policy {
    /// Reads a policy file.
    ///
    /// # Errors
    /// [`PolicyParseError`], with the number of the line, for anything that the specification does not allow, and above
    /// the limits.
    pub fn parse(bytes: &[u8]) -> Result<Self, PolicyParseError> {
        if bytes.len() > MAX_POLICY_BYTES {
            return Err(PolicyParseError::TooLarge { bytes: bytes.len() });
        }
        let mut reader = Reader::default();
        for (n, line) in bytes.split_inclusive(|b| *b == b'\n').enumerate() {
            reader.line(line).map_err(|fault| PolicyParseError::Line { line: n + 1, fault })?;
        }
        if reader.quorum { Ok(reader.policy) } else { Err(PolicyParseError::NoQuorum) }
    }

    /// The logs that are accepted.
    pub fn logs(&self) -> &[PolicyLog] {
        &self.logs
    }

    /// The witnesses that are known.
    pub fn witnesses(&self) -> &[PolicyWitness] {
        &self.witnesses
    }

    /// The groups, each after its members.
    pub fn groups(&self) -> &[PolicyGroup] {
        &self.groups
    }

    /// Name of the witness or group that must have witnessed a checkpoint. `None` when no cosignature is asked for.
    pub fn quorum(&self) -> Option<&Octets> {
        self.quorum.as_ref()
    }

    /// Root certificates of time-stamping authorities, DER: what comments `# daicho-tsa-root: <base64>` hold. Not
    /// checked to be certificates.
    pub fn tsa_roots(&self) -> &[Vec<u8>] {
        &self.tsa_roots
    }

    /// Says who stands behind a checkpoint that this policy trusts: its log signed it and the quorum is met.
    ///
    /// # Errors
    /// [`PolicyError`] when it is not trusted. A policy without logs trusts none.
    pub fn check(&self, checkpoint: &SignedCheckpoint) -> Result<Trust<'_>, PolicyError> {
        let trust = self.examine(checkpoint)?;
        match trust.shortfall {
            Some(shortfall) => Err(PolicyError::NoQuorum(shortfall)),
            None => Ok(trust),
        }
    }

    /// Like [`check`](Self::check), for those who want to show who cosigned so far: the quorum may be missing, and
    /// [`Trust`] says so.
    ///
    /// # Errors
    /// [`PolicyError`] unless the log signed and every signature that names a known key holds.
    pub fn examine<'p>(&'p self, checkpoint: &SignedCheckpoint) -> Result<Trust<'p>, PolicyError> {
        let origin = checkpoint.checkpoint().origin();
        let of_log = |log: &&PolicyLog| log.key.name().as_str() == origin;
        if self.logs.iter().find(of_log).is_none() {
            return Err(PolicyError::UnknownLog { origin: origin.to_owned() });
        }
        let keys = self.logs.iter().map(|log| &log.key).chain(self.witnesses.iter().map(|w| &w.key));
        let verified = match checkpoint.verify(keys) {
            Err(NoteError::Unverified) => Vec::new(),
            other => other?,
        };
        let signed = |log: &&PolicyLog| verified.iter().any(|signature| *signature.key == log.key);
        let logs: Vec<_> = self.logs.iter().filter(of_log).filter(signed).collect();
        if logs.is_empty() {
            return Err(PolicyError::NotSigned { origin: origin.to_owned() });
        }
        // Without a time, a witness does not say that this was the largest tree it knew.
        let cosigned = |witness: &'p PolicyWitness| {
            let own = verified.iter().filter(|signature| *signature.key == witness.key);
            let times = own.filter_map(|signature| signature.timestamp).filter(|time| *time != 0);
            times.min().map(|timestamp| Cosigned { witness, timestamp })
        };
        let witnesses: Vec<_> = self.witnesses.iter().filter_map(cosigned).collect();
        let shortfall = self.shortfall(witnesses.iter().map(|c| c.witness.name.as_bytes()));
        Ok(Trust { logs, witnesses, shortfall })
    }

    /// Whether these witnesses, by their names in the policy, are enough. Other names do not count.
    pub fn quorum_met<'n>(&self, cosigned: impl IntoIterator<Item = &'n [u8]>) -> bool {
        self.shortfall(cosigned).is_none()
    }

    /// What the quorum lacks when these witnesses, by their names in the policy, cosigned. `None` when it is met.
    pub fn shortfall<'n>(&self, cosigned: impl IntoIterator<Item = &'n [u8]>) -> Option<Shortfall> {
        let quorum = self.quorum.as_ref()?;
        let cosigned: HashSet<&[u8]> = cosigned.into_iter().collect();
        let names = self.witnesses.iter().map(|witness| &witness.name);
        let mut met: HashSet<&Octets> = names.filter(|name| cosigned.contains(name.as_bytes())).collect();
        // Members come before their group, so one pass is enough.
        for group in &self.groups {
            if group.found(&met) >= group.threshold {
                met.insert(&group.name);
            }
        }
        (!met.contains(quorum)).then(|| self.shortfall_of(quorum, &met))
    }

    fn shortfall_of(&self, name: &Octets, met: &HashSet<&Octets>) -> Shortfall {
        let Some(group) = self.groups.iter().find(|group| group.name == *name) else {
            return Shortfall { name: name.clone(), found: 0, needed: 1, missing: Vec::new() };
        };
        let missing = group.members.iter().filter(|member| !met.contains(member));
        Shortfall {
            name: name.clone(),
            found: group.found(met),
            needed: group.threshold,
            missing: missing.map(|member| self.shortfall_of(member, met)).collect(),
        }
    }

    /// A policy file that reads as this policy. Comments that say nothing to us, and the order of lines of different
    /// kinds, are lost.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut line = |items: &[&[u8]]| {
            out.extend(items.join(&b' '));
            out.push(b'\n');
        };
        for log in &self.logs {
            let (key, url) = (log.key.to_string(), log.url.as_ref().map(Octets::as_bytes));
            let items = [Some(&b"log"[..]), Some(key.as_bytes()), url];
            line(&items.into_iter().flatten().collect::<Vec<_>>());
        }
        for witness in &self.witnesses {
            let (key, url) = (witness.key.to_string(), witness.url.as_ref().map(Octets::as_bytes));
            let items = [Some(&b"witness"[..]), Some(&witness.name.0), Some(key.as_bytes()), url];
            line(&items.into_iter().flatten().collect::<Vec<_>>());
        }
        for group in &self.groups {
            let threshold = group.threshold.to_string();
            let mut items = vec![&b"group"[..], &group.name.0, threshold.as_bytes()];
            items.extend(group.members.iter().map(Octets::as_bytes));
            line(&items);
        }
        line(&[b"quorum", self.quorum.as_ref().map_or(NONE, Octets::as_bytes)]);
        for root in &self.tsa_roots {
            line(&[b"#", TSA_ROOT, BASE64.encode(root).as_bytes()]);
        }
        out
    }
}

impl PolicyGroup {
    /// How many members are among these names.
    fn found(&self, met: &HashSet<&Octets>) -> usize {
        self.members.iter().filter(|member| met.contains(member)).count()
    }
}

/// A policy while its lines are read.
#[derive(Default)]
struct Reader {
    policy: Policy,
    quorum: bool,
    names: HashSet<Octets>,
    members: HashSet<Octets>,
}

impl Reader {
    fn line(&mut self, line: &[u8]) -> Result<(), LineFault> {
        let line = line.strip_suffix(b"\n").ok_or(LineFault::Unended)?;
        if let Some(octet) = line.iter().find(|b| matches!(b, 0..=8 | 10..=31 | 127)) {
            return Err(LineFault::Octet(*octet));
        }
        let line = trim(line);
        if let Some(comment) = line.strip_prefix(b"#") {
            return self.comment(trim(comment));
        }
        let items: Vec<&[u8]> = line.split(|b| blank(*b)).filter(|item| !item.is_empty()).collect();
        let Some((keyword, items)) = items.split_first() else { return Ok(()) };
        match *keyword {
            b"log" => self.log(items),
            b"witness" => self.witness(items),
            b"group" => self.group(items),
            b"quorum" => self.quorum(items),
            other => Err(LineFault::Keyword(Octets(other.to_vec()))),
        }
    }

    fn comment(&mut self, comment: &[u8]) -> Result<(), LineFault> {
        let Some(root) = comment.strip_prefix(TSA_ROOT) else { return Ok(()) };
        let root = BASE64.decode(trim(root)).map_err(|_| LineFault::TsaRoot)?;
        if root.is_empty() {
            return Err(LineFault::TsaRoot);
        }
        push(&mut self.policy.tsa_roots, root)
    }

    fn log(&mut self, items: &[&[u8]]) -> Result<(), LineFault> {
        let (key, url) = match items {
            [key] => (key, None),
            [key, url] => (key, Some(Octets(url.to_vec()))),
            _ => return Err(LineFault::Items("log <vkey> [<url>]")),
        };
        let key = read_key(key, &[Algorithm::Ed25519, Algorithm::CosignatureMlDsa44])?;
        if self.policy.logs.iter().any(|log| log.key.public_key() == key.public_key()) {
            return Err(LineFault::DuplicateKey);
        }
        push(&mut self.policy.logs, PolicyLog { key, url })
    }

    fn witness(&mut self, items: &[&[u8]]) -> Result<(), LineFault> {
        let (name, key, url) = match items {
            [name, key] => (name, key, None),
            [name, key, url] => (name, key, Some(Octets(url.to_vec()))),
            _ => return Err(LineFault::Items("witness <name> <vkey> [<url>]")),
        };
        let key = read_key(key, &[Algorithm::CosignatureEd25519, Algorithm::CosignatureMlDsa44])?;
        if self.policy.witnesses.iter().any(|witness| witness.key.public_key() == key.public_key()) {
            return Err(LineFault::DuplicateKey);
        }
        let name = self.define(name)?;
        push(&mut self.policy.witnesses, PolicyWitness { name, key, url })
    }

    fn group(&mut self, items: &[&[u8]]) -> Result<(), LineFault> {
        let [name, threshold, members @ ..] = items else {
            return Err(LineFault::Items("group <name> all|any|<k> <name>..."));
        };
        if members.is_empty() {
            return Err(LineFault::Items("group <name> all|any|<k> <name>..."));
        }
        let threshold = match *threshold {
            b"any" => 1,
            b"all" => members.len(),
            k => number(k).filter(|k| (1..=members.len()).contains(k)).ok_or(LineFault::Threshold)?,
        };
        let members = members.iter().map(|name| self.member(name)).collect::<Result<_, _>>()?;
        let name = self.define(name)?;
        push(&mut self.policy.groups, PolicyGroup { name, threshold, members })
    }

    fn quorum(&mut self, items: &[&[u8]]) -> Result<(), LineFault> {
        let [name] = items else { return Err(LineFault::Items("quorum <name>")) };
        if self.quorum {
            return Err(LineFault::SecondQuorum);
        }
        self.quorum = true;
        self.policy.quorum = if *name == NONE { None } else { Some(self.defined(name)?) };
        Ok(())
    }

    /// Takes a name that nobody has.
    fn define(&mut self, name: &[u8]) -> Result<Octets, LineFault> {
        let name = Octets(name.to_vec());
        if name.0 == NONE || !self.names.insert(name.clone()) {
            return Err(LineFault::NameTaken(name));
        }
        Ok(name)
    }

    fn defined(&self, name: &[u8]) -> Result<Octets, LineFault> {
        let name = Octets(name.to_vec());
        if self.names.contains(&name) { Ok(name) } else { Err(LineFault::Undefined(name)) }
    }

    /// Takes a name as a member, which may be done once.
    fn member(&mut self, name: &[u8]) -> Result<Octets, LineFault> {
        let name = self.defined(name)?;
        if self.members.insert(name.clone()) { Ok(name) } else { Err(LineFault::MemberTwice(name)) }
    }
}

fn push<T>(list: &mut Vec<T>, item: T) -> Result<(), LineFault> {
    if list.len() == MAX_LINES_OF_A_KIND {
        return Err(LineFault::TooMany);
    }
    list.push(item);
    Ok(())
}

fn read_key(text: &[u8], allowed: &[Algorithm]) -> Result<VerifierKey, LineFault> {
    let key: VerifierKey = str::from_utf8(text).map_err(|_| KeyError::Form)?.parse()?;
    if allowed.contains(&key.algorithm()) { Ok(key) } else { Err(LineFault::KeyType(key.algorithm())) }
}

/// A decimal number. `None` for anything but digits.
fn number(text: &[u8]) -> Option<usize> {
    let digits = text.iter().all(u8::is_ascii_digit);
    digits.then(|| str::from_utf8(text).ok()?.parse().ok()).flatten()
}

fn blank(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t')
}

fn trim(mut line: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = line
        && blank(*first)
    {
        line = rest;
    }
    while let [rest @ .., last] = line
        && blank(*last)
    {
        line = rest;
    }
    line
}
