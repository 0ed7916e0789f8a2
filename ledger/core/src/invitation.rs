//! The code of an invitation: what an official hands over on paper, from which a one-time key is made.

use std::fmt;

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::SigningKey;

/// Crockford's base 32: no letter looks like a digit.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// 128 bits of secret and 12 of a check sum, 5 in each character.
const CHARACTERS: usize = 28;
const CHECK_BITS: u32 = 12;

/// A secret of 128 bits. It is written as seven groups of four characters, the last twelve bits of which find slips of the
/// pen.
pub struct InvitationCode(Zeroizing<[u8; 16]>);

impl InvitationCode {
    /// A code from 16 bytes, which must be random.
    pub fn from_random(secret: [u8; 16]) -> Self {
        Self(Zeroizing::new(secret))
    }

    /// Reads a code as people type it: small or full-width letters, spaces and hyphens anywhere, `O` for 0, `I` and
    /// `L` for 1. `None` when it is no code, or one with a slip in it.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bits = Zeroizing::new(0u128);
        let (mut count, mut check) = (0, 0u32);
        for c in text.chars().map(half_width).filter(|c| !c.is_whitespace() && *c != '-') {
            let c = match c.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                c => c,
            };
            let value = ALPHABET.iter().position(|known| char::from(*known) == c)? as u32;
            match count {
                0..25 => *bits = *bits << 5 | u128::from(value),
                // 125 bits are in; three of these five are the last of the secret.
                25 => {
                    *bits = *bits << 3 | u128::from(value >> 2);
                    check = value & 3;
                }
                _ => check = check << 5 | value,
            }
            count += 1;
            if count > CHARACTERS {
                return None;
            }
        }
        let code = Self(Zeroizing::new(bits.to_be_bytes()));
        (count == CHARACTERS && check == code.check_sum()).then_some(code)
    }

    /// The one-time key: its seed is `BLAKE3-derive-key("daicho 2026-11 invitation v1", secret || origin)`.
    pub fn key(&self, origin: &str) -> SigningKey {
        let mut hasher = blake3::Hasher::new_derive_key("daicho 2026-11 invitation v1");
        hasher.update(&*self.0).update(origin.as_bytes());
        SigningKey::from_seed(&Zeroizing::new(hasher.finalize().into()))
    }

    fn check_sum(&self) -> u32 {
        let hash: [u8; 32] = Sha256::digest(*self.0).into();
        u32::from_be_bytes([0, 0, hash[0], hash[1]]) >> (16 - CHECK_BITS)
    }
}

/// A full-width letter, digit or hyphen as its plain one.
fn half_width(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        'ー' | '‐' | '−' => '-',
        c => c,
    }
}

impl fmt::Display for InvitationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = Zeroizing::new(u128::from_be_bytes(*self.0));
        let check = self.check_sum();
        for n in 0..CHARACTERS {
            let value = match n {
                0..25 => (*bits >> (123 - 5 * n)) as u32 & 31,
                25 => (*bits as u32 & 7) << 2 | check >> 10,
                _ => check >> (5 * (CHARACTERS - 1 - n)) & 31,
            };
            if n > 0 && n % 4 == 0 {
                f.write_str("-")?;
            }
            write!(f, "{}", char::from(ALPHABET[value as usize]))?;
        }
        Ok(())
    }
}

impl fmt::Debug for InvitationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InvitationCode(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_code_comes_back_however_it_is_typed(secret: [u8; 16]) {
            let code = InvitationCode::from_random(secret).to_string();
            prop_assert_eq!(code.len(), 34);
            let typed = code.replace('-', " ").to_lowercase().replace('0', "o").replace('1', "l");
            let wide: String = code.chars().map(|c| char::from_u32(c as u32 + 0xfee0).expect("a letter")).collect();
            prop_assert_eq!(InvitationCode::parse(&wide).expect("the same code").to_string(), &*code);
            let read = InvitationCode::parse(&typed).expect("the same code");
            prop_assert_eq!(read.to_string(), code);
            prop_assert_eq!(read.key("a").public(), InvitationCode::from_random(secret).key("a").public());
            prop_assert_ne!(read.key("a").public(), read.key("b").public());
        }

        #[test]
        fn a_code_has_its_length(secret: [u8; 16]) {
            let code = InvitationCode::from_random(secret).to_string();
            prop_assert!(InvitationCode::parse(&code[1..]).is_none());
            let longer = code + "0";
            prop_assert!(InvitationCode::parse(&longer).is_none());
        }
    }

    /// Every slip of one character in many codes: the check sum lets one in 4,096 pass, which no ledger knows.
    #[test]
    fn slips_are_found() {
        let (mut slips, mut taken) = (0, 0);
        for n in 0u128..200 {
            let secret = *blake3::hash(&n.to_be_bytes()).as_bytes().first_chunk().expect("16 of 32 bytes");
            let code = InvitationCode::from_random(secret).to_string().replace('-', "");
            for at in 0..CHARACTERS {
                for other in ALPHABET.iter().filter(|&&other| other != code.as_bytes()[at]) {
                    let mut slipped = code.clone().into_bytes();
                    slipped[at] = *other;
                    slips += 1;
                    let slipped = String::from_utf8(slipped).expect("letters");
                    taken += u64::from(InvitationCode::parse(&slipped).is_some());
                }
            }
        }
        assert_eq!(slips, 200 * 28 * 31);
        assert!(taken * 2_000 < slips, "{taken} of {slips}");
    }
}
