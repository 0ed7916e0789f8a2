#!/usr/bin/env python3
"""Computes the golden vectors of this folder, without any code of this project.

    pip install blake3 cryptography
    python3 tests/vectors/make.py          # compares; exit code 1 when a file differs
    python3 tests/vectors/make.py --new    # writes; only for a new version of a format

A changed vector means a changed format. Never update a vector so that a test passes.
"""

import base64
import hashlib
import json
import pathlib
import sys
import zlib

import blake3
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import mldsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

HERE = pathlib.Path(__file__).parent
ED25519 = 1
PAYLOAD_TYPE = "application/vnd.daicho.statement.v1+protobuf"
CHAIN = "daicho 2026-11 entry chain v1"
ORIGIN = "daicho 2026-11 ledger origin v1"
CHANGES = "daicho 2026-11 custody changes v1"


# ---- protobuf: fields in the order of their numbers, defaults left out ------------------------

def varint(n):
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    return bytes(out + bytes([n]))


def field(number, value):
    if isinstance(value, list):
        return b"".join(field(number, v) if v else varint(number << 3 | 2) + b"\0" for v in value)
    if not value:
        return b""
    if isinstance(value, int):
        return varint(number << 3) + varint(int(value))
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def message(fields):
    return b"".join(field(number, value) for number, value in sorted(fields.items()))


def event(at, fact, body, scheme=""):
    return message({1: at, 2: scheme, fact: body})


# ---- keys, signatures, entries ----------------------------------------------------------------

class Key:
    def __init__(self, seed):
        self.seed = seed
        self.private = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.id = hashlib.sha256(b"daicho key v1\0" + bytes([ED25519]) + self.public).digest()[:16]
        self.wire = message({1: ED25519, 2: self.public})


def pae(payload_type, body):
    return b"DSSEv1 %d %s %d %s" % (len(payload_type), payload_type.encode(), len(body), body)


def derive(context, data):
    return blake3.blake3(data, derive_key_context=context).digest()


def sign(origin, signers, events):
    """Statement bytes and signatures."""
    body = message({1: origin, 2: [message({1: k.id, 2: n}) for k, n in signers], 3: events})
    return body, [k.private.sign(pae(PAYLOAD_TYPE, body)) for k, _ in signers]


def entry(index, recorded, previous, body, signatures):
    out = bytes([1]) + index.to_bytes(8, "big") + recorded.to_bytes(8, "big") + previous + bytes([len(signatures)])
    for signature in signatures:
        out += bytes([ED25519]) + len(signature).to_bytes(2, "big") + signature
    return out + len(body).to_bytes(4, "big") + body


# ---- postcard ---------------------------------------------------------------------------------

def text(s):
    return varint(len(s.encode())) + s.encode()


def signed(n):
    return varint(n << 1 if n >= 0 else (-n << 1) - 1)


def fact(occurred, recorded, index):
    return signed(occurred) + signed(recorded) + varint(index)


def many(items):
    return varint(len(items)) + b"".join(items)


NONE, FALSE, TRUE = b"\0", b"\0", b"\1"


def some(value):
    return b"\1" + value


def state_key(table, *parts, at=None):
    out = table.encode() + b"".join(p.encode() + b"\0" for p in parts)
    if at is not None:
        out += at[0].to_bytes(8, "big") + at[1].to_bytes(4, "big")
    return out


def digest(previous, changes):
    data = previous
    for key, value in sorted(changes.items()):
        data += len(key).to_bytes(4, "big") + key
        data += b"\0" if value is None else b"\1" + len(value).to_bytes(4, "big") + value
    return derive(CHANGES, data)


# ---- the vectors ------------------------------------------------------------------------------

HEADER = {
    "made_by": "python3 tests/vectors/make.py",
    "rule": "A changed vector means a changed format. Never update it so that a test passes.",
}
NAME = "vectors.example/ledger"
T0 = 1612105200000  # 2021-02-01T00:00:00+09:00
OPERATOR, WARD, MAILER = (Key(bytes([n]) * 32) for n in (1, 2, 3))


def signing():
    hello = pae("http://example.com/HelloWorld", b"hello world")
    keys = [{"seed": k.seed.hex(), "public": k.public.hex(), "key_id": k.id.hex()} for k in (OPERATOR, WARD, MAILER)]
    encodings = [
        {"payload_type": "http://example.com/HelloWorld", "body": b"hello world".hex(), "pae": hello.hex()},
        {"payload_type": PAYLOAD_TYPE, "body": "", "pae": pae(PAYLOAD_TYPE, b"").hex()},
    ]
    return HEADER | {"keys": keys, "pre_authentication_encodings": encodings}


def opened():
    return message({1: NAME, 2: 1, 3: 1, 4: "operator", 5: OPERATOR.wire, 6: "ward", 7: "台帳運用者", 8: "新宿区", 9: WARD.wire})


def statements():
    """Three statements: the founding one, one with two signers, one of custody."""
    registered = message({1: "library_notice/mailer", 2: "配信会社"})
    authorized = message({1: "library_notice/mailer", 2: MAILER.wire, 3: "配信サーバ"})
    part = [message({1: "c-1"}), message({1: "c-2", 2: 40})]
    deleted = message({1: part, 2: 1, 3: "overwrite", 7: 2, 8: 2, 11: 1, 12: 1})
    return [
        (T0, [(OPERATOR, 1)], [event(T0, 10, opened())]),
        (T0 + 1500, [(WARD, 1), (OPERATOR, 2)], [event(T0 + 1000, 11, registered), event(T0 + 1000, 13, authorized)]),
        (T0 + 1500, [(MAILER, 3)], [event(T0 + 1200, 37, deleted, "library_notice")]),
    ]


def ledger(said=None):
    head = derive(ORIGIN, NAME.encode())
    out = HEADER | {"origin": NAME, "origin_hash": head.hex(), "entries": []}
    for index, (recorded, signers, events) in enumerate(said or statements()):
        body, signatures = sign(NAME, signers, events)
        data = entry(index, recorded, head, body, signatures)
        previous, head = head, derive(CHAIN, data)
        out["entries"].append({
            "index": index, "recorded_ms": recorded, "previous": previous.hex(),
            "signers": [{"key_id": k.id.hex(), "sequence": n} for k, n in signers],
            "statement": body.hex(), "signatures": [s.hex() for s in signatures],
            "entry": data.hex(), "chain_hash": head.hex(),
            "statement_hash": blake3.blake3(body).hexdigest(),
        })
    return out


def key_record(party, key, purpose, at):
    return text(party) + key.public + text(purpose) + at + NONE


def folded():
    """What the first two entries change."""
    first, second = fact(T0, T0, 0), fact(T0 + 1000, T0 + 1500, 1)
    one = lambda *ranges: many([varint(a) + varint(b) for a, b in ranges]) + many([])
    party = lambda label, at: text(label) + many([]) + at
    return [
        {
            state_key("L"): text(NAME) + FALSE + varint(1) + text("operator") + text("ward"),
            state_key("P", "operator"): party("台帳運用者", first),
            state_key("P", "ward"): party("新宿区", first),
            state_key("K", OPERATOR.id.hex()): key_record("operator", OPERATOR, "founding", first),
            state_key("K", WARD.id.hex()): key_record("ward", WARD, "founding", first),
            state_key("Q", OPERATOR.id.hex()): one((1, 1)),
            state_key("O", at=(0, 0)): text("operator"),
        },
        {
            state_key("Q", OPERATOR.id.hex()): one((1, 2)),
            state_key("O", at=(1, 0)): text("ward"),
            state_key("Q", WARD.id.hex()): one((1, 1)),
            state_key("P", "library_notice/mailer"): party("配信会社", second),
            state_key("K", MAILER.id.hex()): key_record("library_notice/mailer", MAILER, "配信サーバ", second),
        },
    ]


def records():
    """One record for each shape that the tables use."""
    at = fact(T0, T0 + 1500, 300)
    copy = (text("d-1") + text("address") + text("s-1") + text("mailer") + text("") + text("mail_server") + text("")
            + varint(1) + text("f1") + at + varint(100) + varint(60) + NONE + FALSE)
    closed = (text("d-1") + text("address") + text("") + text("mailer") + text("shop-1") + text("kiosk") + text("k-7")
              + varint(3) + text("") + at + varint(100) + varint(0) + some(at) + TRUE)
    handover = (text("f1") + text("library") + text("mailer") + TRUE + some(at) + NONE
                + many([text("d-1") + varint(100)]) + FALSE)
    # Released medium, one witness, three photographs.
    deleted = at + varint(0) + varint(40) + signed(1) + TRUE + TRUE + signed(2) + varint(1) + varint(3)
    failed = at + varint(1)
    moved = at + varint(3) + varint(100) + text("ward")
    third_party = text("ADEC") + text("A-7") + signed(2)
    certified = at + varint(4) + text("z-1") + many([text("library")]) + some(third_party) + varint(2)
    deferred = at + varint(6) + signed(18747) + text("区長の指示")
    sequence = many([varint(1) + varint(3), varint(5) + varint(900)]) + many([varint(4) + at])
    data_set = text("address") + varint(100) + text("s-1") + many([text("mail")]) + many([text("minor")]) + at
    finding = at + text("due 2021-02-02T23:59:59.999+09:00") + text("hyojito") + text("")
    revoked = text("mailer") + MAILER.public + text("配信サーバ") + at + some(at + signed(T0))
    out = {
        "copy_received": copy, "copy_printed_and_closed": closed, "handover_given": handover,
        "fact_deleted": deleted, "fact_erasure_failed": failed, "fact_moved": moved, "fact_certified": certified,
        "fact_deferred": deferred, "sequence": sequence, "data_set": data_set, "finding": finding, "key_revoked": revoked,
    }
    return {name: value.hex() for name, value in out.items()}


def keys():
    cases = [
        ("L", [], None), ("c", ["library_notice", "c-1"], None), ("P", ["library_notice/mailer"], None),
        ("D", ["00" * 32, "07"], None), ("A", ["library_notice", "mailer", ""], None),
        ("e", ["library_notice", "c-1"], (300, 0x0002_0001)), ("F", ["library_notice", "OVERDUE", "c-1"], (300, 0)),
        ("M", ["library_notice", "sending_completed", "session", "s-1"], (300, 0x0002_0000)),
        ("Z", ["%020d" % 7, "2"], (300, 0)),
    ]
    return [
        {"table": t, "parts": p, "entry": at and at[0], "n": at and at[1], "key": state_key(t, *p, at=at).hex()}
        for t, p, at in cases
    ]


def state():
    custody, rows = bytes(32), []
    for index, changes in enumerate(folded()):
        custody = digest(custody, changes)
        rows.append({"entry": index, "changes": {k.hex(): v.hex() for k, v in sorted(changes.items())}, "custody": custody.hex()})
    removed = digest(bytes(32), {state_key("c", "s", "a"): b"\x01\x02", state_key("c", "s", "b"): None})
    last = ledger()["entries"][1]
    # RFC 6962 §2.1: leaves, and the node over both.
    leaves = [hashlib.sha256(b"\0" + bytes.fromhex(e["entry"])).digest() for e in ledger()["entries"][:2]]
    root = hashlib.sha256(b"\1" + leaves[0] + leaves[1]).digest()
    head = (2).to_bytes(8, "big") + bytes.fromhex(last["chain_hash"]) + last["recorded_ms"].to_bytes(8, "big") + root + custody
    row = (1).to_bytes(8, "big") + bytes.fromhex(last["statement_hash"])
    return HEADER | {
        "keys": keys(), "records": records(), "folded": rows,
        "digest_with_a_deletion": removed.hex(),
        "head_after_entry_1": head.hex(),
        "statement_key_of_entry_1": (WARD.id + (1).to_bytes(8, "big")).hex(), "statement_row_of_entry_1": row.hex(),
    }


# ---- transparency log: RFC 6962 and C2SP --------------------------------------------------------

def b64(data):
    return base64.b64encode(data).decode()


def root_of(leaves):
    """RFC 6962, section 2.1, over leaf hashes."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return hashlib.sha256(b"\1" + root_of(leaves[:k]) + root_of(leaves[k:])).digest()


def split(n):
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def path(m, leaves):
    """RFC 6962, section 2.1.1."""
    n = len(leaves)
    if n == 1:
        return []
    k = split(n)
    if m < k:
        return path(m, leaves[:k]) + [root_of(leaves[k:])]
    return path(m - k, leaves[k:]) + [root_of(leaves[:k])]


def subproof(m, leaves, whole=True):
    """RFC 6962, section 2.1.2."""
    n = len(leaves)
    if m == n:
        return [] if whole else [root_of(leaves)]
    k = split(n)
    if m <= k:
        return subproof(m, leaves[:k], whole) + [root_of(leaves[k:])]
    return subproof(m - k, leaves[k:], False) + [root_of(leaves[:k])]


class NoteKey:
    """C2SP signed-note and tlog-cosignature: types 1, 4 (Ed25519) and 6 (ML-DSA-44)."""

    def __init__(self, name, kind, seed):
        self.name, self.kind, self.seed = name, kind, bytes([seed]) * 32
        if kind == 6:
            self.private = mldsa.MLDSA44PrivateKey.from_seed_bytes(self.seed)
        else:
            self.private = Ed25519PrivateKey.from_private_bytes(self.seed)
        self.public = self.private.public_key().public_bytes_raw()
        self.id = hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + self.public).digest()[:4]

    def text(self, key):
        return f"{self.name}+{self.id.hex()}+{b64(bytes([self.kind]) + key)}"

    def json(self):
        return {
            "name": self.name, "type": self.kind, "seed": self.seed.hex(), "id": self.id.hex(),
            "vkey": self.text(self.public), "secret": "PRIVATE+KEY+" + self.text(self.seed),
        }

    def message(self, origin, size, root, time):
        body = f"{origin}\n{size}\n{b64(root)}\n"
        if self.kind == 1:
            return body.encode()
        if self.kind == 4:
            return f"cosignature/v1\ntime {time}\n{body}".encode()
        out = b"subtree/v1\n\0" + bytes([len(self.name)]) + self.name.encode() + time.to_bytes(8, "big")
        return out + bytes([len(origin)]) + origin.encode() + bytes(8) + size.to_bytes(8, "big") + root

    def line(self, message, time, before):
        """The signature line. ML-DSA-44 is randomised here: one that is there and verifies is kept."""
        for line in before if self.kind == 6 else []:
            kept = base64.b64decode(line.split(" ")[2])
            try:
                self.private.public_key().verify(kept[12:], message)
                if line.split(" ")[1] == self.name and kept[:12] == self.id + time.to_bytes(8, "big"):
                    return line
            except InvalidSignature:
                pass
        stamp = time.to_bytes(8, "big") if self.kind != 1 else b""
        return f"— {self.name} {b64(self.id + stamp + self.private.sign(message))}"


def tlog():
    entries = ["one", "two", "three", "four", "five", "six", "seven"]
    leaves = [hashlib.sha256(b"\0" + entry.encode()).digest() for entry in entries]
    origin, size, time = "vectors.example/ledger", len(leaves), 1764547200
    root = root_of(leaves)
    signers = [
        NoteKey(origin, 1, 11), NoteKey(origin, 6, 12), NoteKey("witness.example/council", 4, 13),
        NoteKey("witness.example/mailer", 6, 14),
    ]
    messages = [key.message(origin, size, root, time) for key in signers]
    old = HERE / "tlog.json"
    before = [line for line in (json.loads(old.read_text())["note"] if old.exists() else "").split("\n") if line[:1] == "—"]
    lines = [key.line(message, time, before) for key, message in zip(signers, messages)]
    text = f"{origin}\n{size}\n{b64(root)}\n"
    note = text + "\n" + "".join(line + "\n" for line in lines)
    inclusion, consistency = path(4, leaves), subproof(3, leaves)
    hashes = lambda proof: "".join(b64(hash) + "\n" for hash in proof)
    bundle = b"".join(len(entry).to_bytes(2, "big") + entry.encode() for entry in entries)
    policy = "".join(f"log {key.text(key.public)}\n" for key in signers[:2])
    policy += "".join(f"witness {name} {key.text(key.public)}\n" for name, key in zip(["council", "mailer"], signers[2:]))
    policy += "group witnesses 2 council mailer\nquorum witnesses\n"
    return HEADER | {
        "keys": [key.json() for key in signers],
        "entries": entries,
        "leaves": [leaf.hex() for leaf in leaves],
        "roots": [root_of(leaves[:n]).hex() for n in range(size + 1)],
        "inclusion_of_4_in_7": [hash.hex() for hash in inclusion],
        "consistency_of_3_in_7": [hash.hex() for hash in consistency],
        "time": time,
        "messages": [message.hex() for message in messages],
        "note": note,
        "proof": f"c2sp.org/tlog-proof@v1\nindex 4\n{hashes(inclusion)}\n{note}",
        "add_checkpoint": f"old 3\n{hashes(consistency)}\n{note}",
        "tiles": {"tile/0/000.p/7": b"".join(leaves).hex(), "tile/entries/000.p/7": bundle.hex()},
        "policy": policy,
    }


# ---- receipts, proofs of a fork, a bundle ------------------------------------------------------

LOG = NoteKey(NAME, 1, 11)
COUNCIL = NoteKey("witness.example/council", 4, 13)
TIME = 1764547200  # 2025-12-01T00:00:00Z


class Tree:
    """Entries of a ledger, with signed checkpoints of any size."""

    def __init__(self, said=None):
        self.entries = [bytes.fromhex(row["entry"]) for row in ledger(said)["entries"]]
        self.leaves = [hashlib.sha256(b"\0" + entry).digest() for entry in self.entries]

    def note(self, size, time=TIME):
        root = root_of(self.leaves[:size])
        signed = [(key, key.message(NAME, size, root, time)) for key in (LOG, COUNCIL)]
        lines = "".join(key.line(message, time, []) + "\n" for key, message in signed)
        return f"{NAME}\n{size}\n{b64(root)}\n\n{lines}"

    def receipt(self, index, size):
        hashes = "".join(b64(hash) + "\n" for hash in path(index, self.leaves[:size]))
        extra = b64(self.entries[index])
        return f"c2sp.org/tlog-proof@v1\nextra {extra}\nindex {index}\n{hashes}\n{self.note(size)}"


def fork_proofs(honest):
    """The ledger says later that the second statement was recorded a second before."""
    said = statements()
    said[1] = (said[1][0] - 1_000, *said[1][1:])
    other = Tree(said)
    head = lambda claim: f"daicho-fork-proof/1\nclaim {claim}\nasked 2025-12-01T09:30:00+09:00 http://127.0.0.1:7340\n"
    root, hashes = root_of(other.leaves[:2]), subproof(2, other.leaves)
    began = f"root {b64(root)}\n" + "".join(b64(hash) + "\n" for hash in hashes)
    return {
        "same_size": f"{head('same-size')}\n{honest.note(3)}\n{other.note(3)}",
        "earlier_tree": f"{head('earlier-tree')}{began}\n{honest.note(2)}\n{other.note(3)}",
        "other_entry": f"{head('other-entry')}\n{honest.receipt(1, 3)}\n{other.receipt(1, 3)}",
        "shorter": f"{head('shorter')}\n{honest.note(3)}\n{honest.note(2, TIME + 3600)}",
    }


def part(name, content):
    """A part of an archive: a header of ustar (POSIX.1-1988), the content, zeros to a multiple of 512."""
    octal = lambda number, width: b"%0*o\0" % (width - 1, number)
    before = name.encode().ljust(100, b"\0") + octal(0o644, 8) + octal(0, 8) + octal(0, 8)
    before += octal(len(content), 12) + octal(0, 12)
    after = b"0" + bytes(100) + b"ustar\00000" + bytes(64 + 16 + 155 + 12)
    checksum = octal(sum(before) + 8 * 0x20 + sum(after), 8)
    return before + checksum + after + content + bytes(-len(content) % 512)


def gzip(data):
    """RFC 1952 without time and name, and without compressing: blocks that are stored."""
    blocks = [data[at:at + 65535] for at in range(0, len(data), 65535)]
    out = bytes([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF])
    for n, block in enumerate(blocks):
        size = len(block).to_bytes(2, "little")
        out += bytes([n + 1 == len(blocks)]) + size + bytes(b ^ 0xFF for b in size) + block
    return out + zlib.crc32(data).to_bytes(4, "little") + len(data).to_bytes(4, "little")


def selective_bundle(tree):
    entries = [0, 1, 2]
    manifest = {
        "format": "daicho-bundle/1", "kind": "selective", "claim": {"receipt": {"entry": 2}}, "timestamps": 0,
        "entries": entries,
    }
    parts = [part("manifest.json", (json.dumps(manifest, indent=2) + "\n").encode()), part("checkpoint", tree.note(3).encode())]
    parts += [part(f"entries/{n}.tlog-proof", tree.receipt(n, 3).encode()) for n in entries]
    return gzip(b"".join(parts) + bytes(1024))


def receipt():
    tree = Tree()
    root = root_of(tree.leaves)
    policy = f"log {LOG.text(LOG.public)}\nwitness council {COUNCIL.text(COUNCIL.public)}\nquorum council\n"
    return HEADER | {
        "policy": policy,
        "leaves": [leaf.hex() for leaf in tree.leaves],
        "root": root.hex(),
        "messages": [key.message(NAME, 3, root, TIME).hex() for key in (LOG, COUNCIL)],
        "receipt": tree.receipt(1, 3),
        "fork_proofs": fork_proofs(tree),
        "selective_bundle": b64(selective_bundle(tree)),
    }


def main():
    differs = False
    files = {"signing": signing(), "ledger": ledger(), "state": state(), "tlog": tlog(), "receipt": receipt()}
    for name, value in files.items():
        path = HERE / f"{name}.json"
        new = json.dumps(value, ensure_ascii=False, indent=1) + "\n"
        if "--new" in sys.argv:
            path.write_text(new)
        elif path.read_text() != new:
            differs = True
            print(f"{path.name} differs", file=sys.stderr)
    return int(differs)


if __name__ == "__main__":
    sys.exit(main())
