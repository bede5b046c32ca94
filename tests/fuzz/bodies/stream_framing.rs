//! Any bytes as a stream: the same frames however it is cut, none made up, nothing hoarded.

use strowger::sip::framing::{Broken, Frame, Framer};

/// Checks one input; its first byte says how the rest is cut.
pub fn run(data: &[u8]) {
    let Some((&piece, stream)) = data.split_first() else {
        return;
    };
    let whole = frames(stream, stream.len().max(1));
    let cut = frames(stream, usize::from(piece).max(1));
    assert_eq!(whole, cut, "the cuts of a stream change its frames");
    let taken: usize = whole
        .0
        .iter()
        .map(|frame| match frame {
            Frame::Message(message) => message.len(),
            Frame::Ping => 4,
        })
        .sum();
    assert!(taken <= stream.len());
}

fn frames(stream: &[u8], piece: usize) -> (Vec<Frame>, Option<Broken>) {
    let mut framer = Framer::new();
    let mut frames = Vec::new();
    for bytes in stream.chunks(piece) {
        framer.push(bytes);
        loop {
            match framer.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(broken) => return (frames, Some(broken)),
            }
        }
    }
    (frames, None)
}
