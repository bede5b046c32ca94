//! Texts of requests: short, of one line, and trimmed. What goes into the store and to the sinks is read
//! by people.

use super::problem::Problem;
use crate::limits;

/// A word or two; nothing when it is empty.
pub(super) fn word(key: &str, text: Option<String>) -> Result<Option<String>, Problem> {
    if text
        .as_deref()
        .is_some_and(|text| text.trim().contains('\n'))
    {
        return Err(Problem::senseless(format!("`{key}` is of one line")));
    }
    bounded(key, text, limits::WORD_CHARS)
}

/// A comment.
pub(super) fn comment(key: &str, text: Option<String>) -> Result<Option<String>, Problem> {
    bounded(key, text, limits::COMMENT_CHARS)
}

/// Tags, each a word, none twice.
pub(super) fn tags(tags: Option<Vec<String>>) -> Result<Option<Vec<String>>, Problem> {
    let Some(tags) = tags else {
        return Ok(None);
    };
    if tags.len() > limits::TAGS {
        let most = limits::TAGS;
        return Err(Problem::senseless(format!(
            "a call has {most} `tags` at most"
        )));
    }
    let mut kept: Vec<String> = Vec::new();
    for tag in tags {
        if let Some(tag) = word("tags", Some(tag))?.filter(|tag| !kept.contains(tag)) {
            kept.push(tag);
        }
    }
    Ok(Some(kept))
}

fn bounded(key: &str, text: Option<String>, most: usize) -> Result<Option<String>, Problem> {
    let Some(text) = text else {
        return Ok(None);
    };
    let text = text.trim();
    if text.chars().count() > most {
        return Err(Problem::senseless(format!(
            "`{key}` is of {most} characters at most"
        )));
    }
    if text
        .chars()
        .any(|letter| letter.is_control() && letter != '\n')
    {
        return Err(Problem::senseless(format!(
            "`{key}` holds a control character"
        )));
    }
    Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_short_and_of_people() {
        let text = |text: &str| word("reason", Some(text.to_owned()));
        assert_eq!(text(" обід ").unwrap().as_deref(), Some("обід"));
        assert_eq!(text("  ").unwrap(), None);
        assert!(text(&"ї".repeat(64)).is_ok());
        assert!(text(&"ї".repeat(65)).is_err());
        assert!(text("a\u{0}b").is_err() && text("a\rb").is_err());
        assert!(text("a\nb").is_err() && comment("c", Some("a\nb".to_owned())).is_ok());
        let twice = vec!["vip".to_owned(), " vip".to_owned(), String::new()];
        assert_eq!(tags(Some(twice)).unwrap(), Some(vec!["vip".to_owned()]));
        assert!(tags(Some(vec!["x".to_owned(); 17])).is_err());
    }
}
