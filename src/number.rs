//! Telephone numbers: what people write, normalised to E.164 by a table of countries.
//!
//! Not a numbering plan of the world: a number with `+` is taken by its length, a number without one
//! is read by the rules of a country, and what no rule reads is kept as it came.

use std::fmt;

/// How numbers without `+` are read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Country {
    /// Ukraine.
    Ua,
    /// Russia.
    Ru,
}

impl Country {
    /// Every country, with the word that names it.
    pub const ALL: [(&'static str, Self); 2] = [("UA", Self::Ua), ("RU", Self::Ru)];

    /// The two letters of ISO 3166.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ua => "UA",
            Self::Ru => "RU",
        }
    }

    /// The numbers that call for help. They are dialled and shown as they are.
    #[must_use]
    pub const fn emergency(self) -> &'static [&'static str] {
        match self {
            Self::Ua => &["101", "102", "103", "104", "112"],
            Self::Ru => &["01", "02", "03", "04", "101", "102", "103", "104", "112"],
        }
    }

    const fn rules(self) -> &'static [Rule] {
        match self {
            Self::Ua => UA,
            Self::Ru => RU,
        }
    }
}

/// One way a number is written without `+`: it begins with `prefix`, has between `least` and `most`
/// digits in all, and `prefix` is replaced by `becomes`.
struct Rule {
    prefix: &'static str,
    least: usize,
    most: usize,
    becomes: &'static str,
}

const fn rule(prefix: &'static str, least: usize, most: usize, becomes: &'static str) -> Rule {
    Rule {
        prefix,
        least,
        most,
        becomes,
    }
}

/// The first rule that fits reads the number.
const UA: &[Rule] = &[
    rule("00", 10, 17, "+"),     // 00 7 861 200 30 40: abroad
    rule("0", 10, 10, "+380"),   // 067 111 22 33, 0800 301 230
    rule("380", 12, 12, "+380"), // as carriers send it
    rule("80", 11, 11, "+380"),  // 8 067 111 22 33: the old trunk prefix
    rule("7", 11, 11, "+7"),     // a neighbour's, as carriers send it
    rule("39", 9, 9, "+38039"),  // 67 111 22 33 without the trunk prefix, by its operator code
    rule("4", 9, 9, "+3804"),
    rule("5", 9, 9, "+3805"),
    rule("6", 9, 9, "+3806"),
    rule("7", 9, 9, "+3807"),
    rule("9", 9, 9, "+3809"),
];

const RU: &[Rule] = &[
    rule("810", 11, 18, "+"), // 8~10 380 67 111 22 33: abroad
    rule("00", 10, 17, "+"),
    rule("8", 11, 11, "+7"),     // 8 800 200 30 40, 8 861 200-30-40
    rule("7", 11, 11, "+7"),     // as carriers send it
    rule("380", 12, 12, "+380"), // a neighbour's, as carriers send it
    rule("3", 10, 10, "+73"),    // 861 200-30-40 without the trunk prefix
    rule("4", 10, 10, "+74"),
    rule("8", 10, 10, "+78"),
    rule("9", 10, 10, "+79"),
];

/// Country codes whose numbers have one length, the code included: a digit too many or too few is a
/// slip of the pen.
const FIXED: &[(&str, usize)] = &[("380", 12), ("7", 11)];

/// The digits of E.164: at most 15 (ITU-T E.164 6.2.1), and nobody has fewer than 7.
const E164_DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

/// A number in international form: `+` and digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct E164(String);

impl E164 {
    /// The text, `+` included.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is no number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadNumber {
    /// It holds something else than digits and what people put between them.
    #[error("a number has digits, spaces, dashes and brackets only")]
    NotDigits,
    /// It begins with `+` and is no number of E.164.
    #[error("a number with + has 7 to 15 digits; +380 has 12 and +7 has 11")]
    Length,
    /// It begins without `+` and no rule of the country reads it.
    #[error("no rule of the country reads this number; write it with + and the country's code")]
    NoRule,
}

/// Reads a number as people and carriers write it.
pub fn normalise(text: &str, country: Country) -> Result<E164, BadNumber> {
    let compact = compact(text).ok_or(BadNumber::NotDigits)?;
    if !compact
        .bytes()
        .all(|byte| byte == b'+' || byte.is_ascii_digit())
    {
        return Err(BadNumber::NotDigits);
    }
    international(&compact, country, Length::Whole).map(E164)
}

/// A number in E.164, or as it came where it cannot be read.
#[must_use]
pub fn normalised_or_kept(text: &str, country: Country) -> String {
    normalise(text, country).map_or_else(|_| text.to_owned(), |number| number.0)
}

/// Whether all digits are there, or more may follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Length {
    /// They are.
    Whole,
    /// More may follow.
    Open,
}

/// Drops what people put between digits. None when something else is left than digits, the `x` of a
/// pattern and a leading `+`, or when nothing is left.
#[must_use]
pub fn compact(text: &str) -> Option<String> {
    let mut compact = String::new();
    for character in text.chars() {
        match character {
            '0'..='9' => compact.push(character),
            // The Latin and the Cyrillic letter look the same to whoever types them.
            'x' | 'X' | 'х' | 'Х' => compact.push('x'),
            '+' if compact.is_empty() => compact.push('+'),
            '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '(' | ')' | '.' | '/' => {}
            // Marks of direction and width come along when a number is copied from a chat.
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{feff}' => {}
            space if space.is_whitespace() => {}
            _ => return None,
        }
    }
    compact
        .contains(|character: char| character != '+')
        .then_some(compact)
}

/// A number that somebody asks for, as people write it: E.164 when it has a `+` or is as long as one,
/// else the digits alone.
#[must_use]
pub fn asked_for(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let known = text
        .chars()
        .all(|it| it.is_ascii_digit() || " +-()".contains(it));
    if digits.is_empty() || digits.len() > 32 || !known {
        return None;
    }
    let plus = text.starts_with(['+', ' ']) || (digits.len() > 10 && !digits.starts_with('0'));
    Some(if plus { format!("+{digits}") } else { digits })
}

/// How numbers are dialled within their country: what falls away, how the rest begins, and what is put
/// before it.
const WITHIN: [(&str, &str, &str); 2] = [("38", "0", ""), ("7", "", "8")];
/// How long the rest is.
const WITHIN_DIGITS: usize = 10;

/// What is written before a number within its country, and the number there.
fn within(digits: &str) -> Option<(&'static str, &str)> {
    WITHIN.iter().find_map(|(code, begins, trunk)| {
        let rest = digits.strip_prefix(code)?;
        let is_one = rest.len() == WITHIN_DIGITS && rest.starts_with(begins);
        is_one.then_some((*trunk, rest))
    })
}

/// What the number with these digits ends in however it is written, in full or within its country.
#[must_use]
pub fn end_of(digits: &str) -> &str {
    within(digits).map_or(digits, |(_, rest)| rest)
}

/// Whether a text names the number with these digits, in full or as it is dialled within its country:
/// as a whole, and not as a part of a longer one. Zeros before it in full are the way abroad.
#[must_use]
pub fn named_in(text: &str, digits: &str) -> bool {
    let is_digit = |it: char| it.is_ascii_digit();
    let end = end_of(digits);
    !end.is_empty()
        && text.match_indices(end).any(|(at, found)| {
            let before = text.get(..at).unwrap_or_default();
            let after = text.get(at + found.len()..).unwrap_or_default();
            let abroad = digits.strip_suffix(end).unwrap_or_default();
            let in_full = before.strip_suffix(abroad);
            let in_full = in_full.map(|before| before.trim_end_matches('0'));
            let at_home = within(digits).and_then(|(trunk, _)| before.strip_suffix(trunk));
            let alone = |before: Option<&str>| before.is_some_and(|it| !it.ends_with(is_digit));
            (alone(in_full) || alone(at_home)) && !after.starts_with(is_digit)
        })
}

/// Gives a compact number, or the pattern of one, its international form.
pub fn international(compact: &str, country: Country, length: Length) -> Result<String, BadNumber> {
    if let Some(digits) = compact.strip_prefix('+') {
        return international_length(digits, length)
            .then(|| compact.to_owned())
            .ok_or(BadNumber::Length);
    }
    let read = country.rules().iter().find_map(|rule| {
        let rest = compact.strip_prefix(rule.prefix)?;
        let fits = match length {
            Length::Whole => (rule.least..=rule.most).contains(&compact.len()),
            Length::Open => compact.len() <= rule.most,
        };
        let number = format!("{}{rest}", rule.becomes);
        let digits = number.strip_prefix('+').unwrap_or(&number);
        (fits && international_length(digits, length)).then_some(number)
    });
    read.ok_or(BadNumber::NoRule)
}

fn international_length(digits: &str, length: Length) -> bool {
    let fixed = FIXED.iter().find(|(code, _)| digits.starts_with(code));
    let count = digits.len();
    !digits.starts_with('0')
        && match (fixed, length) {
            (Some((_, exact)), Length::Whole) => count == *exact,
            (Some((_, exact)), Length::Open) => count <= *exact,
            (None, Length::Whole) => E164_DIGITS.contains(&count),
            (None, Length::Open) => count > 0 && count <= *E164_DIGITS.end(),
        }
}

/// A number as a log may show it: `+38067•••••33`. Five places are hidden; where there are not so
/// many only the last two are shown. Three digits and fewer are nobody's own number.
#[derive(Clone, Copy, Debug)]
pub struct Masked<'a>(pub &'a str);

impl fmt::Display for Masked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.chars().count();
        let head = if count > 3 {
            count.saturating_sub(7).min(6)
        } else {
            count
        };
        for (index, character) in self.0.chars().enumerate() {
            let seen = index < head || index + 2 >= count;
            let seen = seen && !character.is_control();
            write!(f, "{}", if seen { character } else { '•' })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ua(text: &str) -> String {
        normalised_or_kept(text, Country::Ua)
    }

    fn ru(text: &str) -> String {
        normalised_or_kept(text, Country::Ru)
    }

    #[test]
    fn a_number_is_named_as_a_whole_alone() {
        for named in [
            "+380671112233",
            "00380671112233",
            "sip:380671112233@a",
            "7, 380671112233.",
            "просить 0671112233",
            "0671112233@a",
        ] {
            assert!(named_in(named, "380671112233"), "{named}");
        }
        assert!(named_in("набрать 89261112233", "79261112233"));
        assert!(named_in("+79261112233", "79261112233"));
        assert!(!named_in("89261112233", "380671112233"));
        assert!(!named_in("9261112233", "79261112233"));
        for other in [
            "+3806711122334",
            "1380671112233",
            "10380671112233",
            "+38067111223",
            "00671112233",
            "80671112233",
            "06711122334",
            "671112233",
            "",
        ] {
            assert!(!named_in(other, "380671112233"), "{other}");
        }
        assert!(!named_in("+380671112233", ""));
    }

    #[test]
    fn ukrainian_numbers() {
        for (written, read) in [
            ("0800 301 230", "+380800301230"),
            ("0 67 111 22 33", "+380671112233"),
            ("(067) 111-22-33", "+380671112233"),
            ("+38 (067) 111–22–33", "+380671112233"),
            ("380671112233", "+380671112233"),
            ("8 067 111 22 33", "+380671112233"),
            ("67 111 22 33", "+380671112233"),
            ("048 705 32 01", "+380487053201"),
            (
                "\u{202a}+380\u{a0}67\u{a0}111\u{a0}22\u{a0}33\u{202c}",
                "+380671112233",
            ),
            ("00 7 861 200 30 40", "+78612003040"),
            ("0048 22 123 45 67", "+48221234567"),
            ("7 861 200-30-40", "+78612003040"),
            ("+48 22 123 45 67", "+48221234567"),
        ] {
            assert_eq!(ua(written), read, "{written}");
        }
    }

    #[test]
    fn russian_numbers() {
        for (written, read) in [
            ("8 800 200-30-40", "+78002003040"),
            ("8 (861) 200-30-40", "+78612003040"),
            ("7 861 200 30 40", "+78612003040"),
            ("861 200-30-40", "+78612003040"),
            ("+7 861 200-30-40", "+78612003040"),
            ("8 10 380 67 111 22 33", "+380671112233"),
            ("810 48 22 123 45 67", "+48221234567"),
            ("380671112233", "+380671112233"),
        ] {
            assert_eq!(ru(written), read, "{written}");
        }
    }

    #[test]
    fn what_no_rule_reads_is_kept_as_it_came() {
        for kept in [
            "",
            "+",
            "101",
            "112",
            "304-05",
            "anonymous",
            "Олена",
            "0800 301 23",
            "+380 67 111 22 3",
            "+7 861 200 30 400",
            "+0671112233",
            "++380671112233",
            "1234567890123456789012345",
            "067x112233",
            "067;ext=1",
        ] {
            assert_eq!(ua(kept), kept);
        }
        assert_eq!(ru("067 111 22 33"), "067 111 22 33");
        assert_eq!(normalise("Олена", Country::Ua), Err(BadNumber::NotDigits));
        assert_eq!(normalise("+380 67", Country::Ua), Err(BadNumber::Length));
        assert_eq!(normalise("30-40-50", Country::Ua), Err(BadNumber::NoRule));
    }

    #[test]
    fn what_is_normal_stays() {
        for number in [
            "+380671112233",
            "+78612003040",
            "+48221234567",
            "+12025550123",
        ] {
            assert_eq!(ua(number), number);
            assert_eq!(ru(number), number);
        }
    }

    #[test]
    fn logs_see_little() {
        let masked = |text| Masked(text).to_string();
        assert_eq!(masked("+380671112233"), "+38067•••••33");
        assert_eq!(masked("0671112233"), "067•••••33");
        assert_eq!(masked("705 32 01"), "70•••••01");
        assert_eq!(masked("30405"), "•••05");
        assert_eq!(masked("112"), "112");
        assert_eq!(masked(""), "");
        assert_eq!(masked("Олена\nПетренко"), "Олена•••••••ко");
    }
}
