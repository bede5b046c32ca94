//! The media threads under test, with their events and their recordings folder.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use strowger::id::{CallId, LegId, OperatorName, Origin, PlayId, Ulid};
use strowger::media::command::{
    Learn, MediaCommand, MediaEvent, RecordPlan, Recorded, Remote, SegmentKind,
};
use strowger::rng::Rng;
use strowger::server::media::{MediaSettings, MediaThreads};
use strowger::time::Wall;
use strowger::words::{Codec, Prompt};

use crate::phone::tone;

/// The leg of that party.
pub const CALLER: LegId = LegId {
    origin: Origin::Inbound,
    number: 1,
};
/// The leg of that party.
pub const OPERATOR: LegId = LegId {
    origin: Origin::Outbound,
    number: 1,
};
/// Of the prompt with the key 1.
pub const MUSIC_HERTZ: f64 = 700.0;
/// Of the prompt with the key 2.
pub const WHISPER_HERTZ: f64 = 1800.0;

/// The media threads under test.
pub struct Hall {
    pub media: MediaThreads,
    pub events: Receiver<MediaEvent>,
    pub folder: tempfile::TempDir,
}

impl Hall {
    pub fn open(seed: u8) -> Self {
        Self::with(seed, |_| {})
    }

    /// With other settings than usual.
    pub fn with(seed: u8, change: impl FnOnce(&mut MediaSettings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (sender, events) = channel();
        let mut settings = MediaSettings {
            listen: [127, 0, 0, 1].into(),
            ports: 22_000..=29_999,
            threads: 2,
            rtp_timeout: Duration::from_secs(60),
            recordings: folder.path().to_owned(),
            vault: Arc::default(),
            seed: [seed; 32],
        };
        change(&mut settings);
        let prompts = Arc::new(|key| match key {
            1 => Some(tone(MUSIC_HERTZ, 0, 4000).into()),
            2 => Some(tone(WHISPER_HERTZ, 0, 4000).into()),
            _ => None,
        });
        let notify = move |event| {
            let _ = sender.send(event);
        };
        Self {
            media: MediaThreads::start(settings, prompts, notify).unwrap(),
            events,
            folder,
        }
    }

    /// Waits for the first event of which something is wanted.
    pub fn wait<T>(&self, mut wanted: impl FnMut(MediaEvent) -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let patience = deadline.saturating_duration_since(Instant::now());
            let event = self.events.recv_timeout(patience).expect("no such event");
            if let Some(found) = wanted(event) {
                return found;
            }
        }
    }

    /// Waits for exactly this event.
    pub fn wait_for(&self, wanted: &MediaEvent) {
        self.wait(|event| (event == *wanted).then_some(()));
    }

    pub fn open_leg(&self, leg: LegId, call: CallId) -> SocketAddr {
        self.media.command(MediaCommand::Open { leg, call });
        let port = self.wait(|event| {
            if let MediaEvent::Opened { leg: opened, port } = event {
                (opened == leg).then_some(port)
            } else {
                None
            }
        });
        assert_eq!(port % 2, 0);
        ([127, 0, 0, 1], port).into()
    }

    /// A far end that sends from its SDP address and from nowhere else.
    pub fn connect(&self, leg: LegId, address: SocketAddr, codec: Codec) {
        self.connect_remote(leg, remote(address, codec, Learn::Trunk(Arc::default())));
    }

    pub fn connect_remote(&self, leg: LegId, remote: Remote) {
        self.media.command(MediaCommand::Connect { leg, remote });
    }

    pub fn bridge(&self, record: Option<RecordPlan>) {
        self.media.command(MediaCommand::Bridge {
            caller: CALLER,
            operator: OPERATOR,
            record: record.map(Box::new),
        });
    }

    /// Waits until all that was said of a call before has been done: orders keep their order.
    pub fn settle(&self, call: CallId) {
        let leg = LegId {
            origin: Origin::Inbound,
            number: 1 << 40,
        };
        self.open_leg(leg, call);
        self.close(leg);
    }

    pub fn close(&self, leg: LegId) {
        self.media.command(MediaCommand::Close { leg });
    }

    pub fn play(&self, leg: LegId, key: u128, looped: bool) {
        let prompt = Prompt {
            key,
            duration: Duration::from_millis(500),
        };
        self.media.command(MediaCommand::Play {
            leg,
            play: PlayId(u64::try_from(key).unwrap()),
            prompts: Arc::new([prompt]),
            looped,
        });
    }

    /// Waits for the finished recording.
    pub fn recorded(&self) -> Recorded {
        self.wait(|event| match event {
            MediaEvent::Recorded { recorded, .. } => Some(*recorded),
            MediaEvent::RecordFailed { why, .. }
            | MediaEvent::RecordTroubled { why: Some(why), .. } => panic!("{why}"),
            MediaEvent::Opened { .. }
            | MediaEvent::OpenFailed { .. }
            | MediaEvent::Played { .. }
            | MediaEvent::Digit { .. }
            | MediaEvent::RecordTroubled { why: None, .. }
            | MediaEvent::Silent { .. } => None,
        })
    }

    /// A file of the recordings folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// A far end.
pub fn remote(address: SocketAddr, codec: Codec, learn: Learn) -> Remote {
    Remote {
        telephone_event: Some(101),
        our_telephone_event: Some(101),
        ..Remote::new(address, learn, codec)
    }
}

pub fn call(seed: u8) -> CallId {
    let wall = Wall::from_millis(1_790_000_000_000);
    CallId(Ulid::new(wall, &mut Rng::new([seed; 32])))
}

pub fn plan(call: CallId) -> RecordPlan {
    RecordPlan {
        call,
        started_at: Wall::from_millis(1_790_000_000_000),
        to: "+380800111222".into(),
        from: Some("+380671234567".into()),
        site: Some("odesa".into()),
        queue: None,
        operator: Some(OperatorName::from("olena")),
        kind: SegmentKind::Talk,
        keep: None,
    }
}
