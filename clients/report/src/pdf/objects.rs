//! The few objects of a PDF file that lead to its attachments (ISO 32000-1 §7.3, §7.5).
//!
//! A reader of any PDF follows whatever a file says, into depths and loops that cost more than the file is worth. This one
//! follows one classic table of cross references, which is what our typesetter writes, reads no object that no attachment
//! needs, and none that is deeper or larger than our own are.

use std::ops::Range;

/// Depth of arrays and dictionaries: twice that of our own files.
const DEPTH: usize = 12;
/// Values in one object. The list of a thousand attachments has two of each, a name and a reference.
const NODES: usize = 10_000;
/// Where the last reference to the table lies, from the end.
const TAIL: usize = 1_024;
/// Length of a row of the table.
const ROW: usize = 20;

/// An object, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Object<'p> {
    Dict(Vec<(&'p [u8], Object<'p>)>),
    Array(Vec<Object<'p>>),
    /// A reference to the object of this number.
    Ref(usize),
    Int(u64),
    Text(Vec<u8>),
    Name(&'p [u8]),
    /// What no attachment needs: reals, negative numbers, booleans, null.
    Other,
}

impl<'p> Object<'p> {
    /// What a dictionary has under a name.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        let Self::Dict(pairs) = self else { return None };
        pairs.iter().find(|(key, _)| *key == name.as_bytes()).map(|(_, value)| value)
    }

    pub(super) fn int(&self) -> Option<u64> {
        if let Self::Int(n) = self { Some(*n) } else { None }
    }

    pub(super) fn text(&self) -> Option<&[u8]> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub(super) fn reference(&self) -> Option<usize> {
        if let Self::Ref(n) = self { Some(*n) } else { None }
    }
}

/// A file whose table was read.
pub(super) struct File<'p> {
    bytes: &'p [u8],
    /// Where the object of each number begins.
    places: Vec<usize>,
    root: usize,
}

impl<'p> File<'p> {
    /// Reads the table. `None` for whatever is not as our typesetter writes it.
    pub(super) fn open(bytes: &'p [u8]) -> Option<Self> {
        let from = bytes.len().saturating_sub(TAIL);
        let last = from + rfind(&bytes[from..], b"startxref")?;
        let at = usize::try_from(Reader::at(bytes, last + b"startxref".len()).number()?).ok()?;
        let mut reader = Reader::at(bytes, at);
        reader.word(b"xref")?;
        if reader.number()? != 0 {
            return None;
        }
        let count = usize::try_from(reader.number()?).ok()?;
        reader.space();
        let rows = bytes.get(reader.at..reader.at.checked_add(count.checked_mul(ROW)?)?)?;
        let place = |row: &[u8]| -> Option<usize> {
            let digits = std::str::from_utf8(&row[..10]).ok()?;
            if row[17] == b'n' { digits.parse().ok() } else { Some(0) }
        };
        let places = rows.chunks(ROW).map(place).collect::<Option<_>>()?;
        reader.at += rows.len();
        reader.word(b"trailer")?;
        let trailer = reader.object(DEPTH)?;
        // A table before this one is that of another file below the same bytes.
        if trailer.get("Prev").is_some() || trailer.get("Encrypt").is_some() {
            return None;
        }
        Some(Self { bytes, places, root: trailer.get("Root")?.reference()? })
    }

    /// The catalogue.
    pub(super) fn catalog(&self) -> Option<Object<'p>> {
        self.object(self.root).map(|(object, _)| object)
    }

    /// An object, or what it refers to.
    pub(super) fn follow(&self, object: &Object<'p>) -> Option<Object<'p>> {
        match object {
            Object::Ref(n) => self.object(*n).map(|(object, _)| object),
            object => Some(object.clone()),
        }
    }

    /// What a dictionary has under a name, or what that refers to.
    pub(super) fn below(&self, object: &Object<'p>, name: &str) -> Option<Object<'p>> {
        object.get(name).and_then(|found| self.follow(found))
    }

    /// The object of a number, and where it ends.
    fn object(&self, n: usize) -> Option<(Object<'p>, usize)> {
        let place = *self.places.get(n).filter(|place| **place > 0)?;
        let mut reader = Reader::at(self.bytes, place);
        if reader.number()? != n as u64 || reader.number()? != 0 {
            return None;
        }
        reader.word(b"obj")?;
        let object = reader.object(DEPTH)?;
        Some((object, reader.at))
    }

    /// The dictionary of a stream and its bytes as they lie there.
    pub(super) fn stream(&self, n: usize) -> Option<(Object<'p>, &'p [u8])> {
        let (dict, end) = self.object(n)?;
        let mut reader = Reader::at(self.bytes, end);
        reader.word(b"stream")?;
        let start = match self.bytes.get(reader.at..)? {
            [b'\r', b'\n', ..] => reader.at + 2,
            [b'\n', ..] => reader.at + 1,
            _ => return None,
        };
        let length = usize::try_from(dict.get("Length")?.int()?).ok()?;
        let raw = self.bytes.get(start..start.checked_add(length)?)?;
        Some((dict, raw))
    }

    /// The content of each page, in their order in the file: from where to where.
    pub(super) fn pages(&self) -> Vec<Range<usize>> {
        let mut places: Vec<(usize, usize)> =
            self.places.iter().enumerate().map(|(n, place)| (*place, n)).filter(|(at, _)| *at > 0).collect();
        places.sort_unstable();
        let ends = |n: usize| {
            let at = places.partition_point(|(place, _)| *place <= self.places[n]);
            self.places[n]..places.get(at).map_or(self.bytes.len(), |(next, _)| *next)
        };
        let page = |(place, n): &(usize, usize)| {
            let text = self.bytes.get(*place..)?;
            let head = text.get(..text.len().min(64))?;
            find(head, b"/Type/Page/")?;
            let contents = self.object(*n)?.0.get("Contents")?.reference()?;
            (contents < self.places.len()).then(|| ends(contents))
        };
        places.iter().filter_map(page).collect()
    }
}

struct Reader<'p> {
    bytes: &'p [u8],
    at: usize,
    /// Objects that may still come.
    nodes: usize,
}

impl<'p> Reader<'p> {
    fn at(bytes: &'p [u8], at: usize) -> Self {
        Self { bytes, at, nodes: NODES }
    }

    fn rest(&self) -> &'p [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn space(&mut self) {
        self.at += self.rest().iter().take_while(|b| is_space(**b)).count();
    }

    fn takes(&mut self, word: &[u8]) -> bool {
        let there = self.rest().starts_with(word);
        self.at += if there { word.len() } else { 0 };
        there
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.space();
        self.takes(word).then_some(())
    }

    fn number(&mut self) -> Option<u64> {
        self.space();
        let digits = self.rest().iter().take_while(|b| b.is_ascii_digit()).count();
        let text = std::str::from_utf8(&self.rest()[..digits]).ok()?;
        self.at += digits;
        text.parse().ok()
    }

    /// Bytes up to a space or a delimiter.
    fn regular(&mut self) -> &'p [u8] {
        let ends = |b: &u8| is_space(*b) || b"()<>[]{}/%".contains(b);
        let len = self.rest().iter().take_while(|b| !ends(b)).count();
        let found = &self.rest()[..len];
        self.at += len;
        found
    }

    fn object(&mut self, depth: usize) -> Option<Object<'p>> {
        let below = depth.checked_sub(1)?;
        self.nodes = self.nodes.checked_sub(1)?;
        self.space();
        if self.takes(b"<<") {
            let mut pairs = Vec::new();
            loop {
                self.space();
                if self.takes(b">>") {
                    return Some(Object::Dict(pairs));
                }
                self.takes(b"/").then_some(())?;
                let name = self.regular();
                pairs.push((name, self.object(below)?));
            }
        }
        match self.rest().first()? {
            b'[' => {
                self.at += 1;
                let mut items = Vec::new();
                loop {
                    self.space();
                    if self.takes(b"]") {
                        return Some(Object::Array(items));
                    }
                    items.push(self.object(below)?);
                }
            }
            b'/' => {
                self.at += 1;
                Some(Object::Name(self.regular()))
            }
            b'(' => self.literal(),
            b'<' => {
                let len = self.rest().iter().position(|b| *b == b'>')?;
                let text = hex::decode(&self.rest()[1..len]).ok()?;
                self.at += len + 1;
                Some(Object::Text(text))
            }
            b'0'..=b'9' => self.number_or_reference(),
            _ => {
                let word = self.regular();
                (!word.is_empty()).then_some(Object::Other)
            }
        }
    }

    /// `(text)`. What is escaped is taken as it is written: no name of ours has any.
    fn literal(&mut self) -> Option<Object<'p>> {
        let (mut open, mut escaped) = (0_usize, false);
        let close = self.rest().iter().position(|b| {
            match (escaped, b) {
                (true, _) => escaped = false,
                (false, b'\\') => escaped = true,
                (false, b'(') => open += 1,
                (false, b')') => open -= 1,
                _ => {}
            }
            open == 0
        })?;
        let text = self.rest()[1..close].to_vec();
        self.at += close + 1;
        Some(Object::Text(text))
    }

    fn number_or_reference(&mut self) -> Option<Object<'p>> {
        let word = self.regular();
        let Ok(n) = std::str::from_utf8(word).ok()?.parse::<u64>() else { return Some(Object::Other) };
        let after = self.at;
        if self.number() == Some(0) && self.word(b"R").is_some() {
            return Some(Object::Ref(usize::try_from(n).ok()?));
        }
        self.at = after;
        Some(Object::Int(n))
    }
}

fn is_space(b: u8) -> bool {
    matches!(b, 0 | 9 | 10 | 12 | 13 | 32)
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn rfind(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).rposition(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(text: &str) -> Option<Object<'_>> {
        Reader::at(text.as_bytes(), 0).object(DEPTH)
    }

    #[test]
    fn objects_are_read_as_the_standard_writes_them() {
        let dict =
            object("<</A 12 0 R/B[1 2 0 R(x(y)\\)z)]/C<414243> /D/E/F -1.5/G null>>").expect("an object");
        assert_eq!(dict.get("A"), Some(&Object::Ref(12)));
        let items = vec![Object::Int(1), Object::Ref(2), Object::Text(b"x(y)\\)z".to_vec())];
        assert_eq!(dict.get("B"), Some(&Object::Array(items)));
        assert_eq!(dict.get("C").and_then(Object::text), Some(&b"ABC"[..]));
        assert_eq!(dict.get("D"), Some(&Object::Name(b"E")));
        assert_eq!((dict.get("F"), dict.get("G")), (Some(&Object::Other), Some(&Object::Other)));
        for broken in ["<</A", "[1", "(x", "<41", "<<1 2>>", "", ")"] {
            assert_eq!(object(broken), None, "{broken}");
        }
    }

    #[test]
    fn depth_and_number_are_bounded() {
        for n in [NODES - 1, NODES] {
            assert_eq!(object(&format!("[{}]", "1 ".repeat(n))).is_some(), n < NODES, "{n}");
        }
        for n in [DEPTH - 1, DEPTH, 1_000_000] {
            let text = format!("{}1{}", "[".repeat(n), "]".repeat(n));
            assert_eq!(object(&text).is_some(), n < DEPTH, "{n}");
        }
    }
}
