//! Any text as the template of a whisper, said of any caller: faults that lie in the text, or forms
//! that are bounded, differ from each other, and are put together from the same parts.

use std::collections::BTreeSet;

use strowger::dialplan::whisper::utterance::Spoken;
use strowger::dialplan::whisper::{Name, Template};
use strowger::limits;
use strowger::time::Duration;
use strowger::words::{Language, Phrase};

/// Checks one input: a byte of what is known, one for the wait, and the template.
pub fn run(data: &[u8]) {
    let [known, wait, text @ ..] = data else {
        return;
    };
    let text = String::from_utf8_lossy(text);
    let template = match Template::read(&text) {
        Ok(template) => template,
        Err(faults) => {
            assert!(!faults.is_empty());
            let length = text.chars().count().max(1);
            for fault in faults {
                assert!(fault.width >= 1 && fault.offset + fault.width <= length);
            }
            return;
        }
    };
    let spoken = Spoken {
        repeat: known & 1 != 0,
        lead: known & 2 != 0,
        callback: known & 4 != 0,
        wait: Duration::from_secs(60 * u64::from(*wait)),
    };
    let language = [Language::Uk, Language::Ru, Language::En][usize::from(known % 3)];
    let whisper = template.fill(language, |name| match name {
        Name::From => Some("з Одеси"),
        Name::Campaign => (known & 8 != 0).then_some(" , "),
        Name::Site => Some(""),
        Name::City | Name::Source | Name::Name => None,
    });
    let about = whisper.about(&spoken);
    let forms = about.forms();
    assert!(forms.len() <= limits::WHISPER_PARTS + 1);
    let texts = forms.iter().map(|form| form.text());
    assert_eq!(texts.clone().collect::<BTreeSet<_>>().len(), forms.len());
    assert!(
        texts
            .clone()
            .all(|text| text == text.trim() && !text.is_empty())
    );
    let longest = limits::PHRASE_CHARS * 32;
    assert!(texts.clone().all(|text| text.chars().count() <= longest));
    assert!(forms.windows(2).all(|two| two[0].parts > two[1].parts));
    let fragments = about.fragments();
    for keep in 0..=fragments.len() {
        let kept = &fragments[..keep];
        let (form, sounds) = about.glued(|phrase| kept.contains(phrase).then_some(()));
        assert_eq!(form.parts, sounds.len());
        assert!(form.parts >= keep);
        let has = |phrase: &Phrase| match phrase {
            Phrase::Spoken { text, .. } => form.text().contains(text.as_str()),
            Phrase::File(_) | Phrase::Tone(_) => false,
        };
        assert!(kept.iter().all(has), "{kept:?} in {:?}", form.text());
    }
}
