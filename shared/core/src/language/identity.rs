//! Organisation numbers and national identity numbers: whether a text is one, by its digits alone.
//!
//! Whether the register knows the number is another matter.

use jiff::civil::Date;

/// Whether a text is an organisation number: nine digits, of which the last is the control digit.
///
/// The first digit does not matter: 8 and 9 are real organisations', 2 and 3 those of Tenor, Norway's test data. Nine
/// zeros, whose control digit is right, are nobody's number.
///
/// Source: Brønnøysundregistrene, "Organisasjonsnummeret" (weights 3, 2, 7, 6, 5, 4, 3 and 2, modulus 11).
#[must_use]
pub fn is_organisation_number(text: &str) -> bool {
    digits::<9>(text).is_some_and(|digits| {
        remainder(digits, [3, 2, 7, 6, 5, 4, 3, 2, 1]) == 0 && digits != [0; 9]
    })
}

/// Whether a text is a national identity number of any [`IdentityNumber`].
#[must_use]
pub fn is_national_identity_number(text: &str) -> bool {
    IdentityNumber::of(text).is_some()
}

/// What the digits of a national identity number tell.
///
/// The number has eleven digits: the day of birth as `ddMMyy`, three digits, and two control digits. From 2032, new
/// numbers may have another first control digit, and say neither gender nor century; both kinds will be in use side by
/// side. So nothing of that is read here, and the year may be of any century: 29 February 00 is a day.
///
/// Sources: Skatteetaten, "Nytt fødselsnummer fra 2032"
/// (<https://skatteetaten.github.io/folkeregisteret-api-dokumentasjon/nytt-fodselsnummer-fra-2032/>); navikt/fnrvalidator
/// for the numbers of tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdentityNumber {
    /// Whose number it is.
    pub holder: Holder,
    /// Who made it.
    pub origin: Origin,
}

/// Whose national identity number it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// Somebody who is or was resident in Norway: a birth number (fødselsnummer).
    Resident,
    /// Somebody else: a D-number, with 4 added to the first digit.
    NonResident,
}

/// Who made a national identity number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The population register.
    Register,
    /// Nav's Dolly, for tests, with 40 added to the month; a hospital's help number (H-nummer) looks the same.
    Dolly,
    /// The Tax Administration's Tenor, for tests, with 80 added to the month.
    Tenor,
}

impl IdentityNumber {
    /// What the digits of a text tell; `None` if it is no national identity number.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        let digits: [u8; 11] = digits(text)?;
        // Until 2032 only the remainder 0 is in use.
        let first = remainder(digits, [3, 7, 6, 1, 8, 9, 4, 5, 2, 1, 0]);
        let second = remainder(digits, [5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1]);
        if first > 3 || second != 0 {
            return None;
        }
        let [d1, d2, m1, m2, y1, y2, ..] = digits;
        let (holder, day) = match d1 * 10 + d2 {
            day @ 41.. => (Holder::NonResident, day - 40),
            day => (Holder::Resident, day),
        };
        let (origin, month) = match m1 * 10 + m2 {
            month @ 81.. => (Origin::Tenor, month - 80),
            month @ 41.. => (Origin::Dolly, month - 40),
            month => (Origin::Register, month),
        };
        // The leap years of 2000 to 2099 are those of any century, if its first year may be one.
        let year = 2000 + i16::from(y1 * 10 + y2);
        let (month, day) = (i8::try_from(month).ok()?, i8::try_from(day).ok()?);
        Date::new(year, month, day).ok()?;
        Some(Self { holder, origin })
    }
}

/// The values of a text of `N` ASCII digits.
fn digits<const N: usize>(text: &str) -> Option<[u8; N]> {
    let bytes: [u8; N] = text.as_bytes().try_into().ok()?;
    let are_digits = bytes.iter().all(u8::is_ascii_digit);
    are_digits.then(|| bytes.map(|byte| byte - b'0'))
}

/// The weighted sum of digits, modulo 11.
fn remainder<const N: usize>(digits: [u8; N], weights: [u32; N]) -> u32 {
    let products = digits.into_iter().zip(weights);
    let sum: u32 = products
        .map(|(digit, weight)| u32::from(digit) * weight)
        .sum();
    sum % 11
}

#[cfg(test)]
mod tests;
