//! What waiting callers are told, in words: "your number in the queue is twenty-one", "twenty-two
//! minutes", with the grammar of each language.
//!
//! A sentence is a few phrases, each short enough to have been recorded, so that no number is ever
//! synthesised in a call. The words are those of `prompts/manifest.tsv`: a recording of them wins, and
//! where there is none the next engine of the speech chain says them when the plan is loaded.

use std::collections::BTreeSet;

use super::plan::Dialplan;
use crate::words::{Language, Phrase};

/// The largest number that is said; a larger one is left out.
pub const LARGEST: u32 = 199;

/// The gender of what is counted: Ukrainian and Russian tell one and two apart by it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Gender {
    /// A number.
    Masculine,
    /// A minute.
    Feminine,
}

/// "Your number in the queue is seven". Nothing for a number that is not said.
#[must_use]
pub fn position(language: Language, position: u32) -> Vec<Phrase> {
    let number = number(language, position, Gender::Masculine);
    let Some(number) = number else {
        return Vec::new();
    };
    let words = std::iter::once(your_number(language)).chain(number);
    words.map(|words| spoken(language, words)).collect()
}

/// "The estimated wait is three minutes". Nothing for a number that is not said.
#[must_use]
pub fn wait(language: Language, minutes: u32) -> Vec<Phrase> {
    let number = number(language, minutes, Gender::Feminine);
    let Some(number) = number else {
        return Vec::new();
    };
    let words = std::iter::once(estimated_wait(language))
        .chain(number)
        .chain(std::iter::once(minute(language, minutes)));
    words.map(|words| spoken(language, words)).collect()
}

/// The offer to be called back, by this key.
#[must_use]
pub fn callback_offer(language: Language, key: char) -> Phrase {
    let sentence = match language {
        Language::Uk => "Щоб ми передзвонили і ви не втратили місце в черзі, натисніть",
        Language::Ru => "Чтобы мы перезвонили и вы не потеряли место в очереди, нажмите",
        Language::En => "To get a call back and keep your place in the queue, press",
    };
    let text = format!("{sentence} {}.", key_word(language, key));
    Phrase::Spoken { language, text }
}

/// What a caller hears who asked to be called back.
#[must_use]
pub fn callback_confirmed(language: Language) -> Phrase {
    let text = match language {
        Language::Uk => "Дякуємо. Ми передзвонимо, щойно підійде ваша черга.",
        Language::Ru => "Спасибо. Мы перезвоним, как только подойдёт ваша очередь.",
        Language::En => "Thank you. We will call you back when your turn comes.",
    };
    spoken(language, text)
}

/// Every phrase that waiting callers of a plan can be told, in the languages of its numbers.
#[must_use]
pub fn of_plan(plan: &Dialplan) -> BTreeSet<Phrase> {
    let of_numbers = plan.numbers.iter().map(|number| number.language);
    let languages: BTreeSet<_> = of_numbers.chain([plan.language]).collect();
    let mut all = BTreeSet::new();
    for queue in plan.queues.values() {
        for language in languages.iter().copied() {
            if queue.announce.is_some_and(|announce| announce.position) {
                all.extend(of_positions(language));
            }
            if queue.announce.is_some_and(|announce| announce.wait) {
                all.extend(of_waits(language));
            }
            if let Some(callback) = &queue.callback {
                all.insert(callback_confirmed(language));
                if callback.offer_after.is_some() || callback.offer_over.is_some() {
                    all.insert(callback_offer(language, callback.key));
                }
            }
        }
    }
    all
}

/// Every phrase that a position can be said with.
#[must_use]
pub fn of_positions(language: Language) -> Vec<Phrase> {
    let words = numerals(language, Gender::Masculine);
    let words = words.chain(std::iter::once(your_number(language)));
    words.map(|words| spoken(language, words)).collect()
}

/// Every phrase that a wait can be said with.
#[must_use]
pub fn of_waits(language: Language) -> Vec<Phrase> {
    let minutes = [1, 2, 5].map(|count| minute(language, count));
    let words = numerals(language, Gender::Feminine).chain(minutes);
    let words = words.chain(std::iter::once(estimated_wait(language)));
    words.map(|words| spoken(language, words)).collect()
}

fn spoken(language: Language, words: &str) -> Phrase {
    Phrase::Spoken {
        language,
        text: words.to_owned(),
    }
}

const fn your_number(language: Language) -> &'static str {
    match language {
        Language::Uk => "Ваш номер у черзі",
        Language::Ru => "Ваш номер в очереди",
        Language::En => "Your number in the queue is",
    }
}

const fn estimated_wait(language: Language) -> &'static str {
    match language {
        Language::Uk => "Орієнтовний час очікування",
        Language::Ru => "Примерное время ожидания",
        Language::En => "The estimated wait is",
    }
}

/// The form of "minute" that goes with a number.
const fn minute(language: Language, count: u32) -> &'static str {
    let [one, few, many] = match language {
        Language::Uk => ["хвилина", "хвилини", "хвилин"],
        Language::Ru => ["минута", "минуты", "минут"],
        Language::En => ["minute", "minutes", "minutes"],
    };
    match language {
        Language::Uk | Language::Ru => match (count % 10, count % 100) {
            (_, 11..=14) => many,
            (1, _) => one,
            (2..=4, _) => few,
            _ => many,
        },
        Language::En => match count {
            1 => one,
            _ => many,
        },
    }
}

/// A number as the numerals it is said with.
fn number(language: Language, number: u32, gender: Gender) -> Option<Vec<&'static str>> {
    if number > LARGEST {
        return None;
    }
    let (hundreds, rest) = (number / 100, number % 100);
    let mut parts = Vec::with_capacity(3);
    if hundreds == 1 {
        parts.push(100);
    }
    match rest {
        0 if hundreds > 0 => {}
        0..20 => parts.push(rest),
        20.. => {
            parts.push(rest - rest % 10);
            parts.extend((rest % 10 != 0).then_some(rest % 10));
        }
    }
    let words = parts
        .into_iter()
        .map(|part| numeral(language, part, gender));
    words.collect()
}

/// Every numeral there is.
fn numerals(language: Language, gender: Gender) -> impl Iterator<Item = &'static str> {
    let values = (0..=20).chain((30..=100).step_by(10));
    values.filter_map(move |value| numeral(language, value, gender))
}

/// One numeral: 0 to 20, the tens, 100.
fn numeral(language: Language, value: u32, gender: Gender) -> Option<&'static str> {
    let (small, tens) = match language {
        Language::Uk => (&UK_SMALL, &UK_TENS),
        Language::Ru => (&RU_SMALL, &RU_TENS),
        Language::En => (&EN_SMALL, &EN_TENS),
    };
    match (language, gender, value) {
        (Language::Uk | Language::Ru, Gender::Feminine, 1) => Some("одна"),
        (Language::Uk, Gender::Feminine, 2) => Some("дві"),
        (Language::Ru, Gender::Feminine, 2) => Some("две"),
        (_, _, 0..20) => small.get(value as usize).copied(),
        (_, _, 20..) => {
            let tens = tens.get((value / 10).checked_sub(2)? as usize).copied();
            tens.filter(|_| value.is_multiple_of(10))
        }
    }
}

/// How a key of the phone is called.
fn key_word(language: Language, key: char) -> String {
    let digit = key.to_digit(10);
    let digit = digit.and_then(|digit| numeral(language, digit, Gender::Masculine));
    let word = match (digit, key, language) {
        (Some(word), _, _) => word,
        (None, '*', Language::Uk) => "зірочку",
        (None, '*', Language::Ru) => "звёздочку",
        (None, '*', Language::En) => "star",
        (None, '#', Language::Uk) => "решітку",
        (None, '#', Language::Ru) => "решётку",
        (None, '#', Language::En) => "hash",
        (None, _, _) => return key.to_string(),
    };
    word.to_owned()
}

const UK_SMALL: [&str; 20] = [
    "нуль",
    "один",
    "два",
    "три",
    "чотири",
    "п’ять",
    "шість",
    "сім",
    "вісім",
    "дев’ять",
    "десять",
    "одинадцять",
    "дванадцять",
    "тринадцять",
    "чотирнадцять",
    "п’ятнадцять",
    "шістнадцять",
    "сімнадцять",
    "вісімнадцять",
    "дев’ятнадцять",
];
const UK_TENS: [&str; 9] = [
    "двадцять",
    "тридцять",
    "сорок",
    "п’ятдесят",
    "шістдесят",
    "сімдесят",
    "вісімдесят",
    "дев’яносто",
    "сто",
];
const RU_SMALL: [&str; 20] = [
    "ноль",
    "один",
    "два",
    "три",
    "четыре",
    "пять",
    "шесть",
    "семь",
    "восемь",
    "девять",
    "десять",
    "одиннадцать",
    "двенадцать",
    "тринадцать",
    "четырнадцать",
    "пятнадцать",
    "шестнадцать",
    "семнадцать",
    "восемнадцать",
    "девятнадцать",
];
const RU_TENS: [&str; 9] = [
    "двадцать",
    "тридцать",
    "сорок",
    "пятьдесят",
    "шестьдесят",
    "семьдесят",
    "восемьдесят",
    "девяносто",
    "сто",
];
const EN_SMALL: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const EN_TENS: [&str; 9] = [
    "twenty",
    "thirty",
    "forty",
    "fifty",
    "sixty",
    "seventy",
    "eighty",
    "ninety",
    "one hundred",
];

#[cfg(test)]
mod tests {
    use super::*;

    const LANGUAGES: [Language; 3] = [Language::Uk, Language::Ru, Language::En];

    fn text(phrases: &[Phrase]) -> String {
        let words = phrases.iter().map(|phrase| match phrase {
            Phrase::Spoken { text, .. } => text.as_str(),
            Phrase::File(_) | Phrase::Tone(_) => panic!("{phrase:?} has no words"),
        });
        words.collect::<Vec<_>>().join(" ")
    }

    /// The table was written by another program that knows these languages.
    #[test]
    fn every_number_is_said_with_the_grammar_of_its_language() {
        let table = include_str!("speech/numbers.tsv");
        let mut rows = 0..;
        for line in table.lines().skip(1) {
            let cells: Vec<_> = line.split('\t').collect();
            let number: u32 = cells[0].parse().unwrap();
            assert_eq!(rows.next(), Some(number));
            for (at, language) in LANGUAGES.into_iter().enumerate() {
                let said = format!("{} {}", your_number(language), cells[1 + 2 * at]);
                assert_eq!(text(&position(language, number)), said);
                let said = format!("{} {}", estimated_wait(language), cells[2 + 2 * at]);
                assert_eq!(text(&wait(language, number)), said);
            }
        }
        assert_eq!(rows.next(), Some(LARGEST + 1));
    }

    #[test]
    fn a_number_that_is_too_large_is_left_out_whole() {
        for language in LANGUAGES {
            assert_eq!(position(language, LARGEST + 1), []);
            assert_eq!(wait(language, u32::MAX), []);
        }
    }

    #[test]
    fn whatever_can_be_said_is_among_the_phrases_of_the_plan() {
        for language in LANGUAGES {
            let (places, waits) = (of_positions(language), of_waits(language));
            for number in 0..=LARGEST {
                let of_place = position(language, number);
                assert!(
                    of_place.iter().all(|phrase| places.contains(phrase)),
                    "{number}"
                );
                let of_wait = wait(language, number);
                assert!(
                    of_wait.iter().all(|phrase| waits.contains(phrase)),
                    "{number}"
                );
            }
        }
    }

    /// One shipped recording for each; the words must stay those of its manifest.
    #[test]
    fn every_phrase_has_been_recorded() {
        let manifest = include_str!("../../prompts/manifest.tsv");
        let recorded = |phrase: &Phrase| {
            let Phrase::Spoken { language, text } = phrase else {
                panic!("{phrase:?} is not spoken");
            };
            let mut lines = manifest.lines().map(|line| line.split('\t'));
            lines.any(|mut cells| {
                cells.next().is_some()
                    && cells.next() == Some(language.as_str())
                    && cells.next() == Some(text)
            })
        };
        for language in LANGUAGES {
            let mut all = of_positions(language);
            all.extend(of_waits(language));
            all.push(callback_offer(language, '1'));
            all.push(callback_confirmed(language));
            for phrase in all {
                assert!(recorded(&phrase), "{phrase:?}");
            }
        }
    }

    #[test]
    fn a_key_is_called_by_its_name() {
        let told = |language, key| match callback_offer(language, key) {
            Phrase::Spoken { text, .. } => text,
            Phrase::File(_) | Phrase::Tone(_) => String::new(),
        };
        assert!(told(Language::Uk, '2').ends_with("натисніть два."));
        assert!(told(Language::Uk, '*').ends_with("натисніть зірочку."));
        assert!(told(Language::Ru, '#').ends_with("нажмите решётку."));
        assert!(told(Language::En, '0').ends_with("press zero."));
    }
}
