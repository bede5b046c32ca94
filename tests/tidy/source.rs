//! A source file as the laws see it: words and marks with their lines, comments apart, tests cut
//! off. A scanner, not a parser: it knows just enough Rust not to be fooled by strings, comments
//! and braces.

/// A word, a mark or `::`, and the line it stands on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token {
    /// The text; string and character literals come as `""`.
    pub text: String,
    /// From one.
    pub line: usize,
}

/// A path such as `crate::sip::session`, as it is used or imported.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Path {
    /// Its segments; a glob import ends with `*`.
    pub segments: Vec<String>,
    /// Where it stands.
    pub line: usize,
    /// Whether it stands in a `use`.
    pub import: bool,
}

/// A file taken apart.
pub struct Source {
    /// Its path from the root of the package, with `/`.
    pub path: String,
    /// Everything outside of comments.
    pub all: Vec<Token>,
    /// The same without what is compiled for tests only.
    pub shipped: Vec<Token>,
    /// The comments, by line.
    pub comments: Vec<(usize, String)>,
    /// Lines that are not tests.
    pub lines: usize,
    /// The file begins with `//!`.
    pub has_opening: bool,
}

impl Source {
    /// Takes `text` apart.
    pub fn new(path: &str, text: &str) -> Self {
        let (all, comments) = scan(text);
        let (shipped, test_lines) = without_tests(&all);
        Self {
            path: path.to_owned(),
            lines: text.lines().count().saturating_sub(test_lines),
            has_opening: text.starts_with("//!"),
            all,
            shipped,
            comments,
        }
    }

    /// The module the file defines, as segments under `crate`.
    pub fn module(&self) -> Vec<String> {
        let inner = self.path.strip_prefix("src/").unwrap_or(&self.path);
        let inner = inner.strip_suffix(".rs").unwrap_or(inner);
        let mut segments: Vec<String> = inner.split('/').map(str::to_owned).collect();
        if matches!(
            segments.last().map(String::as_str),
            Some("mod" | "lib" | "main")
        ) && inner != "main"
        {
            segments.pop();
        }
        segments
    }

    /// Every path in the shipped part, with `self` and `super` resolved to `crate::…`.
    pub fn paths(&self) -> Vec<Path> {
        let mut found = Vec::new();
        let mut at = 0;
        let tokens = &self.shipped;
        while at < tokens.len() {
            if tokens[at].text == "use" && !next_is(tokens, at, "<") {
                at = imports(tokens, at + 1, &[], &mut found);
            } else if is_word(&tokens[at].text) && next_is(tokens, at, "::") {
                let line = tokens[at].line;
                let mut segments = vec![tokens[at].text.clone()];
                while next_is(tokens, at, "::")
                    && tokens.get(at + 2).is_some_and(|t| is_word(&t.text))
                {
                    at += 2;
                    segments.push(tokens[at].text.clone());
                }
                found.push(Path {
                    segments,
                    line,
                    import: false,
                });
                at += 1;
            } else {
                at += 1;
            }
        }
        let module = self.module();
        for path in &mut found {
            resolve(&mut path.segments, &module);
        }
        found
    }
}

/// `self::x` and `super::x` of a file become `crate::…`; the package's own name does too.
fn resolve(segments: &mut Vec<String>, module: &[String]) {
    let mut base: Vec<String> = module.to_vec();
    let mut used = 0;
    for segment in segments.iter() {
        match segment.as_str() {
            "self" => used += 1,
            "super" => {
                base.pop();
                used += 1;
            }
            _ => break,
        }
    }
    if used > 0 {
        let rest = segments.split_off(used);
        *segments = vec!["crate".to_owned()];
        segments.extend(base);
        segments.extend(rest);
    } else if segments.first().is_some_and(|first| first == "strowger") {
        segments[0] = "crate".to_owned();
    }
}

/// Reads a use tree that begins at `at` below `prefix`; gives the place after it.
fn imports(tokens: &[Token], mut at: usize, prefix: &[String], found: &mut Vec<Path>) -> usize {
    let mut segments = prefix.to_vec();
    let line = tokens.get(at).map_or(0, |token| token.line);
    while let Some(token) = tokens.get(at) {
        match token.text.as_str() {
            "::" => at += 1,
            "{" => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token.text != "}") {
                    at = imports(tokens, at, &segments, found);
                    if tokens.get(at).is_some_and(|token| token.text == ",") {
                        at += 1;
                    }
                }
                return at + 1;
            }
            "as" => at += 2,
            "*" => {
                segments.push("*".to_owned());
                at += 1;
            }
            word if is_word(word) => {
                if word != "self" || segments.is_empty() {
                    segments.push(word.to_owned());
                }
                at += 1;
            }
            _ => break,
        }
    }
    // The loop must move even over text that is no Rust.
    let next = if tokens
        .get(at)
        .is_some_and(|token| matches!(token.text.as_str(), "," | "}"))
    {
        at
    } else {
        at + 1
    };
    found.push(Path {
        segments,
        line,
        import: true,
    });
    next
}

/// Whether the token after `at` reads `text`.
pub fn next_is(tokens: &[Token], at: usize, text: &str) -> bool {
    tokens.get(at + 1).is_some_and(|token| token.text == text)
}

/// Whether `text` is an identifier or a keyword.
pub fn is_word(text: &str) -> bool {
    text.chars()
        .next()
        .is_some_and(|c| c.is_alphabetic() || c == '_')
}

/// Splits a text into tokens and comments.
fn scan(text: &str) -> (Vec<Token>, Vec<(usize, String)>) {
    let chars: Vec<char> = text.chars().collect();
    let (mut tokens, mut comments) = (Vec::new(), Vec::new());
    let (mut at, mut line) = (0, 1);
    while let Some(&c) = chars.get(at) {
        let start = at;
        if c == '/' && matches!(chars.get(at + 1), Some('/' | '*')) {
            at = comment_end(&chars, at);
            comments.push((line, chars[start..at].iter().collect()));
        } else if let Some(end) = literal_end(&chars, at) {
            at = end;
            tokens.push(Token {
                text: "\"\"".to_owned(),
                line,
            });
        } else if c.is_alphanumeric() || c == '_' {
            while chars
                .get(at)
                .is_some_and(|c| c.is_alphanumeric() || *c == '_')
            {
                at += 1;
            }
            tokens.push(Token {
                text: chars[start..at].iter().collect(),
                line,
            });
        } else if c == ':' && chars.get(at + 1) == Some(&':') {
            at += 2;
            tokens.push(Token {
                text: "::".to_owned(),
                line,
            });
        } else {
            at += 1;
            if !c.is_whitespace() {
                tokens.push(Token {
                    text: c.to_string(),
                    line,
                });
            }
        }
        line += chars[start..at].iter().filter(|c| **c == '\n').count();
    }
    (tokens, comments)
}

/// Where the comment that begins at `at` ends; block comments nest.
fn comment_end(chars: &[char], mut at: usize) -> usize {
    if chars.get(at + 1) == Some(&'/') {
        while chars.get(at).is_some_and(|c| *c != '\n') {
            at += 1;
        }
        return at;
    }
    let mut depth = 0;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => {
                depth += 1;
                at += 2;
            }
            ('*', Some('/')) => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    at
}

/// Where the string or character literal that begins at `at` ends, if one begins there.
fn literal_end(chars: &[char], at: usize) -> Option<usize> {
    let mut open = at;
    while matches!(chars.get(open), Some('b' | 'c' | 'r')) && open < at + 2 {
        open += 1;
    }
    let raw = chars[at..open].contains(&'r');
    let hashes = if raw {
        chars[open..].iter().take_while(|c| **c == '#').count()
    } else {
        0
    };
    match chars.get(open + hashes) {
        Some('"') => Some(string_end(chars, open + hashes + 1, raw, hashes)),
        // A lifetime has no closing quote; a character literal has one after one character or escape.
        Some('\'') if !raw => match chars.get(open + 1) {
            Some('\\') => {
                let close = chars[open + 3..].iter().position(|c| *c == '\'')?;
                Some(open + 3 + close + 1)
            }
            Some(_) if chars.get(open + 2) == Some(&'\'') => Some(open + 3),
            _ => None,
        },
        _ => None,
    }
}

/// Where the string whose text begins at `at` ends.
fn string_end(chars: &[char], mut at: usize, raw: bool, hashes: usize) -> usize {
    while let Some(c) = chars.get(at) {
        match c {
            '\\' if !raw => at += 2,
            '"' if chars[at + 1..]
                .iter()
                .take(hashes)
                .filter(|c| **c == '#')
                .count()
                == hashes =>
            {
                return at + 1 + hashes;
            }
            _ => at += 1,
        }
    }
    at
}

/// Cuts every item that stands under `#[cfg(test)]`, and counts the lines it took.
fn without_tests(all: &[Token]) -> (Vec<Token>, usize) {
    let (mut shipped, mut lines, mut at) = (Vec::new(), 0, 0);
    while at < all.len() {
        let head: Vec<&str> = all[at..]
            .iter()
            .take(7)
            .map(|token| token.text.as_str())
            .collect();
        if head == ["#", "[", "cfg", "(", "test", ")", "]"] {
            let end = item_end(all, at + 7);
            lines += all[end.min(all.len()) - 1].line - all[at].line + 1;
            at = end;
        } else {
            shipped.push(all[at].clone());
            at += 1;
        }
    }
    (shipped, lines)
}

/// The place after the item that begins at `at`: after its `;` or its closing brace.
fn item_end(all: &[Token], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while let Some(token) = all.get(at) {
        at += 1;
        match token.text.as_str() {
            "{" => depth += 1,
            "}" => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at;
                }
            }
            ";" if depth == 0 => return at,
            _ => {}
        }
    }
    at
}
