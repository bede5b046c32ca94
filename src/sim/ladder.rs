//! A sequence chart of a virtual run, as engineers draw them: a column for each party, time down.

use std::fmt::Write as _;

use crate::time::Instant;

const COLUMN: usize = 30;

/// What one line of the chart shows.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Line {
    /// A message between two columns.
    Message {
        at: Instant,
        from: usize,
        to: usize,
        label: String,
    },
    /// Something that happens at one column.
    Note {
        at: Instant,
        column: usize,
        label: String,
    },
}

/// The chart.
#[derive(Clone, Debug, Default)]
pub struct Ladder {
    columns: Vec<String>,
    lines: Vec<Line>,
}

impl Ladder {
    /// The column of a party; a new one is added on the right.
    pub fn column(&mut self, name: &str) -> usize {
        if let Some(index) = self.columns.iter().position(|known| known == name) {
            return index;
        }
        self.columns.push(name.to_owned());
        self.columns.len() - 1
    }

    /// Forgets every line; the columns stay.
    pub fn clear(&mut self) {
        self.lines.clear();
    }

    /// A SIP message, labelled by its start line and, for a response, the method it answers.
    pub fn message(&mut self, at: Instant, from: usize, to: usize, bytes: &[u8]) {
        self.lines.push(Line::Message {
            at,
            from,
            to,
            label: label(bytes),
        });
    }

    /// A remark under a party.
    pub fn note(&mut self, at: Instant, column: usize, label: String) {
        self.lines.push(Line::Note { at, column, label });
    }

    /// The chart as text.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        let mut head = " ".repeat(12);
        for name in &self.columns {
            let _ = write!(head, "{name:<COLUMN$}");
        }
        let _ = writeln!(text, "{}", head.trim_end());
        for line in &self.lines {
            let (at, row) = match line {
                Line::Message {
                    at,
                    from,
                    to,
                    label,
                } => (at, self.arrow(*from, *to, label)),
                Line::Note { at, column, label } => (at, self.remark(*column, label)),
            };
            let seconds = at.as_nanos() / 1_000_000_000;
            let millis = at.as_nanos() / 1_000_000 % 1000;
            let _ = writeln!(text, "{seconds:>5}.{millis:03}  {}", row.trim_end());
        }
        text
    }

    fn arrow(&self, from: usize, to: usize, label: &str) -> String {
        let (left, right) = (from.min(to) * COLUMN + 2, from.max(to) * COLUMN);
        let mut row = self.lifelines();
        for slot in row.iter_mut().take(right).skip(left) {
            *slot = '─';
        }
        let (head, point) = if from < to {
            (right - 1, '▶')
        } else {
            (left, '◀')
        };
        if let Some(slot) = row.get_mut(head) {
            *slot = point;
        }
        write_at(&mut row, left + 3, &format!(" {label} "));
        row.into_iter().collect()
    }

    fn remark(&self, column: usize, label: &str) -> String {
        let mut row = self.lifelines();
        row.truncate(column * COLUMN + 2);
        row.extend([' ', '·', ' ']);
        row.extend(label.chars());
        row.into_iter().collect()
    }

    fn lifelines(&self) -> Vec<char> {
        let places = 0..self.columns.len() * COLUMN;
        let bar = |place: usize| if place % COLUMN == 1 { '│' } else { ' ' };
        places.map(bar).collect()
    }
}

fn write_at(row: &mut [char], start: usize, text: &str) {
    for (slot, letter) in row.iter_mut().skip(start).zip(text.chars()) {
        *slot = letter;
    }
}

fn label(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let first = text.lines().next().unwrap_or_default();
    let Some(rest) = first.strip_prefix("SIP/2.0 ") else {
        let method = first.split(' ').next().unwrap_or_default();
        return with_body(method, &text);
    };
    let cseq = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("cseq").then_some(value)
    });
    let method = cseq.and_then(|value| value.split_whitespace().nth(1));
    let code = rest.split(' ').next().unwrap_or_default();
    with_body(&format!("{code} {}", method.unwrap_or_default()), &text)
}

fn with_body(label: &str, text: &str) -> String {
    if text.contains("\r\n\r\nv=0") {
        format!("{label} (SDP)")
    } else {
        label.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_point_from_sender_to_receiver_under_their_columns() {
        let mut ladder = Ladder::default();
        let carrier = ladder.column("carrier");
        let server = ladder.column("strowger");
        let phone = ladder.column("олена");
        let at = Instant::from_nanos(1_002_000_000);
        ladder.message(at, carrier, server, b"INVITE sip:x SIP/2.0\r\n\r\nv=0\r\n");
        ladder.message(at, server, phone, b"INVITE sip:y SIP/2.0\r\n\r\n");
        ladder.message(
            at,
            phone,
            server,
            b"SIP/2.0 180 Ringing\r\nCSeq: 1 INVITE\r\n\r\n",
        );
        ladder.note(at, phone, "rings".to_owned());
        let text = ladder.render();
        let lines = text.lines().collect::<Vec<_>>();
        assert_eq!(lines.len(), 5);
        assert!(lines[1].contains("│─── INVITE (SDP) ─") && lines[1].contains('▶'));
        assert!(lines[3].contains("│◀── 180 INVITE ─"));
        assert!(lines[4].ends_with("│ · rings"));
        let bar = |line: &str| line.chars().position(|c| c == '▶');
        assert_eq!(
            bar(lines[1]).map(|place| place + 30),
            bar(lines[2]),
            "columns are equally wide"
        );
    }
}
