//! A phone of its own: a socket that sends a tone every 20 ms and keeps what it hears.

use std::f64::consts::TAU;
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use strowger::rtp::g711;
use strowger::rtp::packet::{Header, Packet};
use strowger::words::Codec;

/// A packet that a phone heard.
pub struct Heard {
    pub header: Header,
    pub samples: Vec<i16>,
}

/// A phone; dropping it hangs up.
pub struct Phone {
    pub address: SocketAddr,
    pub heard: Receiver<Heard>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// A tone at a quarter of full scale, from sample `from` on.
pub fn tone(hertz: f64, from: usize, count: usize) -> Vec<i16> {
    (from..from + count)
        .map(|index| {
            let phase = TAU * hertz * index as f64 / 8000.0;
            (phase.sin() * 8000.0) as i16
        })
        .collect()
}

/// How strong a tone is in `samples`: its amplitude, by Goertzel's filter.
pub fn strength(samples: &[i16], hertz: f64) -> f64 {
    let turn = 2.0 * (TAU * hertz / 8000.0).cos();
    let (mut last, mut before) = (0.0, 0.0);
    for &sample in samples {
        let next = f64::from(sample) + turn * last - before;
        (before, last) = (last, next);
    }
    let power = last * last + before * before - turn * last * before;
    2.0 * power.max(0.0).sqrt() / samples.len().max(1) as f64
}

/// How strong a tone is most of the time: the median of stretches of 50 ms. A recording that is set right
/// on its way, as streams are that began late, moves the tone, and [`strength`] of the whole would tell
/// less than there is.
pub fn loudness(samples: &[i16], hertz: f64) -> f64 {
    let mut each: Vec<f64> = samples
        .chunks_exact(400)
        .map(|stretch| strength(stretch, hertz))
        .collect();
    each.sort_by(f64::total_cmp);
    each.get(each.len() / 2).copied().unwrap_or(0.0)
}

impl Phone {
    /// A phone that sends `hertz` to whatever port it is told.
    pub fn start(codec: Codec, hertz: f64) -> (Self, Sender<SocketAddr>) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let (stop, stopped) = channel();
        let (heard_by, heard) = channel();
        let (targets, target) = channel();
        let thread = std::thread::spawn(move || {
            talk(&socket, codec, hertz, &target, &stopped, &heard_by);
        });
        let phone = Self {
            address,
            heard,
            stop: Some(stop),
            thread: Some(thread),
        };
        (phone, targets)
    }

    /// Waits for the next packet.
    pub fn hear(&self) -> Heard {
        self.heard
            .recv_timeout(Duration::from_secs(10))
            .expect("the phone hears nothing")
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn talk(
    socket: &UdpSocket,
    codec: Codec,
    hertz: f64,
    targets: &Receiver<SocketAddr>,
    stopped: &Receiver<()>,
    heard: &Sender<Heard>,
) {
    let mut target = None;
    let mut sent: u32 = 0;
    let mut due = Instant::now();
    let mut buffer = [0; 2048];
    while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
        target = targets.try_recv().ok().or(target);
        let now = Instant::now();
        if now >= due {
            due += Duration::from_millis(20);
            if let Some(target) = target {
                let _ = socket.send_to(&packet(codec, hertz, sent), target);
                sent += 1;
            }
            continue;
        }
        socket.set_read_timeout(Some(due - now)).unwrap();
        if let Ok(length) = socket.recv(&mut buffer) {
            let packet = Packet::parse(&buffer[..length]).unwrap();
            let samples = buffer[packet.payload]
                .iter()
                .map(|&byte| g711::decode(codec, byte))
                .collect();
            let _ = heard.send(Heard {
                header: packet.header,
                samples,
            });
        }
    }
}

/// The `index`-th packet of a tone.
pub fn packet(codec: Codec, hertz: f64, index: u32) -> Vec<u8> {
    let header = Header {
        marker: index == 0,
        payload_type: codec.payload_type(),
        sequence: (65_500_u32.wrapping_add(index) & 0xffff) as u16,
        timestamp: (u32::MAX - 1000).wrapping_add(index * 160),
        ssrc: hertz as u32,
    };
    let mut payload = [0; 160];
    g711::encode(codec, &tone(hertz, index as usize * 160, 160), &mut payload);
    [&header.to_bytes()[..], &payload].concat()
}
