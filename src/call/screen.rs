//! What an operator's phone shows of a call: the display name of From, and headers for softphones
//! and what stands beside them.
//!
//! `{names}` are filled here; that they exist was checked when the plan was loaded. Header values may
//! hold any UTF-8 (RFC 3261 25.1, TEXT-UTF8), but no line can be begun from within: what a caller or
//! a plan wrote has its control characters taken out.

use super::call::Call;
use super::latin::latin;
use crate::id::OperatorName;
use crate::limits;
use crate::sip::uri::escape_all;

/// What goes into an INVITE to a phone.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Shown {
    /// The display name of From; may be empty.
    pub display: String,
    /// Header fields, clean.
    pub headers: Vec<(&'static str, String)>,
}

impl Call {
    /// What this operator's phone shows of the call.
    pub(super) fn shown_to(&self, operator: &OperatorName) -> Shown {
        let screen = &self.plan.screen;
        let value = |name: &str| self.screen_value(name, operator);
        let mut display = caption(&screen.display, value);
        if screen.transliterate {
            display = latin(&display, self.decision.language);
        }
        let fields = [
            ("X-Strowger-City", value("city")),
            ("X-Strowger-Campaign", value("campaign")),
            ("X-Strowger-Call-Id", value("call_id")),
        ];
        let mut headers: Vec<_> = fields
            .into_iter()
            .map(|(name, value)| (name, clean(&value)))
            .filter(|(_, value)| !value.is_empty())
            .collect();
        if let Some(card) = &screen.card {
            // RFC 3261 20.9
            headers.push((
                "Call-Info",
                format!("<{}>;purpose=info", address(card, value)),
            ));
        }
        Shown { display, headers }
    }

    fn screen_value(&self, name: &str, operator: &OperatorName) -> String {
        let decision = &self.decision;
        let value = match name {
            "city" => decision.city.as_deref(),
            "campaign" => decision.campaign.as_deref(),
            "source" => {
                return decision
                    .source
                    .as_deref()
                    .map(spelled_out)
                    .unwrap_or_default();
            }
            "site" => decision.site.as_ref().map(|site| site.as_str()),
            "queue" => self.facts.queue.as_ref().map(|queue| queue.as_str()),
            "operator" => Some(operator.as_str()),
            "from" => self.patient(),
            "to" => Some(self.decision.to.as_str()),
            "call_id" => return self.facts.id.to_string(),
            _ => None,
        };
        value.unwrap_or_default().to_owned()
    }
}

/// A piece of a template.
enum Piece<'a> {
    Text(&'a str),
    Name(&'a str),
}

fn pieces(template: &str) -> impl Iterator<Item = Piece<'_>> {
    template.split('{').enumerate().flat_map(|(at, part)| {
        let (name, text) = match part.split_once('}') {
            Some((name, text)) if at > 0 => (Some(Piece::Name(name)), text),
            Some(_) | None => (None, part),
        };
        name.into_iter().chain([Piece::Text(text)])
    })
}

/// Fills a template. A name that is empty falls away with the text before it, which divided it from
/// the name before; text at the ends stays.
fn caption(template: &str, value: impl Fn(&str) -> String) -> String {
    let mut out = String::new();
    // The text since the last name, and whether a name stands before it.
    let (mut between, mut named, mut filled) = (String::new(), false, false);
    for piece in pieces(template) {
        match piece {
            Piece::Text(text) => between.push_str(text),
            Piece::Name(name) => {
                let value = value(name);
                let text = std::mem::take(&mut between);
                if !named || filled && !value.is_empty() {
                    out.push_str(&text);
                }
                out.push_str(&value);
                named = true;
                filled |= !value.is_empty();
            }
        }
    }
    out.push_str(&between);
    clean(&out)
}

/// Fills the template of an address: each value is percent-encoded, so it is one value and no more.
fn address(template: &str, value: impl Fn(&str) -> String) -> String {
    let mut out = String::new();
    for piece in pieces(template) {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Name(name) => out.push_str(&escape_all(&value(name))),
        }
    }
    out
}

/// A key such as `google_ads` as people write it; anything else as it is.
fn spelled_out(source: &str) -> String {
    let key =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
    if !source.chars().all(key) {
        return source.to_owned();
    }
    let words = source.split('_').filter(|word| !word.is_empty());
    let capital = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    words.map(capital).collect::<Vec<_>>().join(" ")
}

/// Text for a header: no control characters, no white space at the ends, bounded.
fn clean(text: &str) -> String {
    let plain: String = text
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect();
    let mut end = plain.len().min(limits::DISPLAY_NAME_BYTES);
    while !plain.is_char_boundary(end) {
        end -= 1;
    }
    plain.get(..end).unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(template: &str, names: &[(&str, &str)]) -> String {
        caption(template, |wanted| {
            let found = names.iter().find(|(name, _)| *name == wanted);
            found
                .map(|(_, value)| (*value).to_owned())
                .unwrap_or_default()
        })
    }

    #[test]
    fn an_empty_name_falls_away_with_its_separator() {
        let (city, source) = (("city", "Одеса"), ("source", "Google Ads"));
        let usual = "{city} · {source}";
        assert_eq!(filled(usual, &[city, source]), "Одеса · Google Ads");
        assert_eq!(filled(usual, &[city]), "Одеса");
        assert_eq!(filled(usual, &[source]), "Google Ads");
        assert_eq!(filled(usual, &[]), "");
        let three = "Клініка {city}, {campaign}, {source}!";
        assert_eq!(filled(three, &[city, source]), "Клініка Одеса, Google Ads!");
        assert_eq!(filled(three, &[source]), "Клініка Google Ads!");
    }

    #[test]
    fn sources_read_as_people_write_them() {
        assert_eq!(spelled_out("google_ads"), "Google Ads");
        assert_eq!(spelled_out("site"), "Site");
        assert_eq!(spelled_out("сайт"), "сайт");
        assert_eq!(spelled_out("Google Ads"), "Google Ads");
    }

    #[test]
    fn no_value_begins_a_line_or_leaves_its_place_in_an_address() {
        let evil = "x\r\nVia: y> \"&a=b#c я";
        assert_eq!(filled("{from}", &[("from", evil)]), "x  Via: y> \"&a=b#c я");
        let template = "https://crm.example/card?phone={from}&call={call_id}";
        let url = address(template, |name| match name {
            "from" => evil.to_owned(),
            _ => "01J".to_owned(),
        });
        assert_eq!(
            url,
            "https://crm.example/card?phone=x%0D%0AVia%3A%20y%3E%20%22%26a%3Db%23c%20%D1%8F&call=01J"
        );
        assert_eq!(
            address("https://h/{from}", |_| "+380".into()),
            "https://h/%2B380"
        );
        assert_eq!(clean(&"я".repeat(100)), "я".repeat(64));
    }
}
