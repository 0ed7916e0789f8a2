//! Changes inputs at random, the same way in every run.

use std::ops::Range;

/// Longest input made, in bytes.
pub const MAX_LEN: usize = 1 << 17;

/// Bytes at which parsers decide.
const BYTES: &[u8] = b"\0\x01\x1f\x20\x7f\x80\xff\n\r\t+-=.,/#[]{}\"0aA";
/// Numbers at which programs overflow.
const NUMBERS: [&str; 12] = [
    "0",
    "00",
    "-1",
    "1e9",
    "255",
    "65536",
    "2147483648",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
];

/// A source of changes (SplitMix64).
#[derive(Debug, Clone)]
pub struct Mutator(u64);

impl Mutator {
    /// One that makes the changes of this number.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A changed copy of `input`, with parts of `other`. At most [`MAX_LEN`] bytes.
    pub fn mutate(&mut self, input: &[u8], other: &[u8]) -> Vec<u8> {
        let mut bytes = input.to_vec();
        for _ in 0..=self.below(3) {
            self.change(&mut bytes, other);
            bytes.truncate(MAX_LEN);
        }
        bytes
    }

    /// A number below `n`, which is not 0.
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }

    fn change(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        match self.below(9) {
            0 => self.flip(bytes),
            1 => {
                let at = self.below(bytes.len() + 1);
                let insert = vec![BYTES[self.below(BYTES.len())]; 1 + self.below(16)];
                bytes.splice(at..at, insert);
            }
            2 => drop(bytes.drain(self.range(bytes.len()))),
            3 => {
                let range = self.range(bytes.len());
                let again = bytes[range.clone()].repeat(1 + self.below(8));
                bytes.splice(range.end..range.end, again);
            }
            4 => {
                let (from, to) = (self.range(other.len()), self.range(bytes.len()));
                bytes.splice(to, other[from].iter().copied());
            }
            5 => bytes.truncate(self.below(bytes.len() + 1)),
            6 => self.decimal(bytes),
            7 => self.integer(bytes),
            _ => self.lines(bytes),
        }
    }

    /// Mostly short.
    fn range(&mut self, len: usize) -> Range<usize> {
        let start = self.below(len + 1);
        let longest = 1 << self.below(12);
        start..start + self.below(longest + 1).min(len - start)
    }

    fn flip(&mut self, bytes: &mut [u8]) {
        if !bytes.is_empty() {
            bytes[self.below(bytes.len())] ^= 1 << self.below(8);
        }
    }

    /// Puts another number where the digits of one are.
    fn decimal(&mut self, bytes: &mut Vec<u8>) {
        let start = self.below(bytes.len() + 1);
        let digit = |b: &u8| b.is_ascii_digit();
        let Some(first) = bytes[start..].iter().position(digit).map(|n| start + n) else { return };
        let length = bytes[first..].iter().take_while(|b| digit(b)).count();
        bytes.splice(first..first + length, NUMBERS[self.below(NUMBERS.len())].bytes());
    }

    /// Puts the smallest or largest integers, signed or not, of either byte order, over some bytes.
    fn integer(&mut self, bytes: &mut [u8]) {
        let width = 1 << self.below(4);
        let Some(last) = bytes.len().checked_sub(width) else { return };
        let at = self.below(last + 1);
        let (first, rest) = [(0, 0), (0xff, 0xff), (0x7f, 0xff), (0x80, 0)][self.below(4)];
        let field = &mut bytes[at..at + width];
        field.fill(rest);
        field[if self.below(2) == 0 { 0 } else { width - 1 }] = first;
    }

    /// Repeats, drops or moves a line.
    fn lines(&mut self, bytes: &mut Vec<u8>) {
        let mut lines: Vec<&[u8]> = bytes.split_inclusive(|b| *b == b'\n').collect();
        if lines.is_empty() {
            return;
        }
        let (one, two) = (self.below(lines.len()), self.below(lines.len()));
        match self.below(4) {
            0 => lines.swap(one, two),
            1 => drop(lines.remove(one)),
            2 => lines.insert(two, lines[one]),
            _ => drop(lines.splice(one..one, vec![lines[one]; 1 << self.below(9)])),
        }
        *bytes = lines.concat();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_number_makes_the_same_changes() {
        let run = |seed| {
            let mut mutator = Mutator::new(seed);
            (0..1_000).map(|_| mutator.mutate(b"one 1\ntwo 2\n", b"another")).collect::<Vec<_>>()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
        assert!(run(1).iter().all(|changed| changed.len() <= MAX_LEN));
        assert!(run(1).iter().any(|changed| changed == b"one 1\ntwo 18446744073709551616\n"));
    }

    #[test]
    fn nothing_can_be_changed_too() {
        let mut mutator = Mutator::new(1);
        for _ in 0..1_000 {
            mutator.mutate(b"", b"");
        }
    }
}
