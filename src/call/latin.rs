//! Cyrillic in Latin letters, for phones that cannot show it.
//!
//! Ukrainian by the rules for names of 2010 (Cabinet of Ministers, No. 55), Russian as on road signs.
//! Letters of the other language keep its reading; what is no Cyrillic stays as it is, but for signs
//! outside of ASCII that have a plain twin.

use crate::words::Language;

/// Writes `text` in Latin letters.
#[must_use]
pub fn latin(text: &str, language: Language) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = None;
    for letter in text.chars() {
        let lower = letter.to_lowercase().next().unwrap_or(letter);
        let starts = !before.is_some_and(char::is_alphabetic);
        let spelled = match language {
            Language::Uk | Language::En => ukrainian(lower, starts, before),
            Language::Ru => russian(lower),
        };
        match spelled.or_else(|| shared(lower)) {
            Some(spelled) if letter.is_uppercase() => {
                let mut letters = spelled.chars();
                out.extend(letters.next().map(|first| first.to_ascii_uppercase()));
                out.push_str(letters.as_str());
            }
            Some(spelled) => out.push_str(spelled),
            None => out.push(letter),
        }
        // An apostrophe does not begin a word.
        if !matches!(letter, '\'' | '’' | 'ʼ') {
            before = Some(letter);
        }
    }
    out
}

fn ukrainian(letter: char, starts: bool, before: Option<char>) -> Option<&'static str> {
    Some(match letter {
        // Зг is Zgh, so that it is not read as ж.
        'г' if matches!(before, Some('з' | 'З')) => "gh",
        'г' => "h",
        'ґ' => "g",
        'є' if starts => "ye",
        'є' => "ie",
        'и' => "y",
        'і' => "i",
        'ї' if starts => "yi",
        'ї' => "i",
        'й' if starts => "y",
        'й' => "i",
        'ю' if starts => "yu",
        'ю' => "iu",
        'я' if starts => "ya",
        'я' => "ia",
        _ => return None,
    })
}

fn russian(letter: char) -> Option<&'static str> {
    Some(match letter {
        'г' | 'ґ' => "g",
        'ё' => "yo",
        'и' | 'і' => "i",
        'й' => "y",
        'є' => "ye",
        'ї' => "yi",
        'ю' => "yu",
        'я' => "ya",
        _ => return None,
    })
}

fn shared(letter: char) -> Option<&'static str> {
    Some(match letter {
        'а' => "a",
        'б' => "b",
        'в' => "v",
        'д' => "d",
        'е' | 'э' => "e",
        'ё' => "yo",
        'ж' => "zh",
        'з' => "z",
        'к' => "k",
        'л' => "l",
        'м' => "m",
        'н' => "n",
        'о' => "o",
        'п' => "p",
        'р' => "r",
        'с' => "s",
        'т' => "t",
        'у' => "u",
        'ф' => "f",
        'х' => "kh",
        'ц' => "ts",
        'ч' => "ch",
        'ш' => "sh",
        'щ' => "shch",
        'ы' => "y",
        'ь' | 'ъ' | '’' | 'ʼ' => "",
        '·' | '–' | '—' => "-",
        '«' | '»' | '“' | '”' => "\"",
        '№' => "No",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ukrainian_and_russian_names_are_read_as_their_own() {
        for (text, spelled) in [
            ("Одеса · Google Ads", "Odesa - Google Ads"),
            ("Згурівка", "Zghurivka"),
            ("Знам’янка", "Znamianka"),
            (
                "Єнакієве, Їжакевич, Щербуха, Яготин",
                "Yenakiieve, Yizhakevych, Shcherbukha, Yahotyn",
            ),
            ("Київ — Бровари", "Kyiv - Brovary"),
        ] {
            assert_eq!(latin(text, Language::Uk), spelled);
        }
        for (text, spelled) in [
            ("Краснодар · чистка лица", "Krasnodar - chistka litsa"),
            (
                "Грозный, Йошкар-Ола, Подъезд",
                "Groznyy, Yoshkar-Ola, Podezd",
            ),
        ] {
            assert_eq!(latin(text, Language::Ru), spelled);
        }
        assert_eq!(latin("Łódź 24/7", Language::Uk), "Łódź 24/7");
    }
}
