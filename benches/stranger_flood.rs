//! What a flood of 2,000 unauthenticated INVITEs a second from one address costs everybody else: calls
//! of the trunk to phones on loopback, and OPTIONS of other strangers, with and without it.
//!
//! `cargo bench --bench stranger_flood [seconds of each part]`. A call is set up when its caller has the
//! 200, which leaves once an operator answered and the two are bridged. How soon the INVITE to the
//! operator left is what the server's own `strowger_dispatch_seconds` counted.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark prints, and stops when it cannot go on"
)]

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use strowger::rng::Rng;
use strowger::sim::caller::{CallPlan, Callers};
use strowger::sim::party::{Cue, Role};
use strowger::sim::phone::Temper;
use strowger::time::Instant;

#[expect(dead_code, reason = "another bench uses more of it")]
mod exchange;

use exchange::{CARRIER, Exchange, Line, pause, resident};

const PHONES: u32 = 40;
/// Calls a second of the carrier, each hung up after its hold.
const CALLS: u32 = 10;
const HOLD: Duration = Duration::from_secs(3);
/// OPTIONS a second of another stranger, within what a stranger may.
const OPTIONS: u32 = 25;
/// INVITEs a second of the flood.
const FLOOD: u64 = 2_000;

/// What one part measured.
#[derive(Default)]
struct Part {
    calls: usize,
    setups: Vec<Duration>,
    options: usize,
    answers: Vec<Duration>,
    flood: u64,
    /// `strowger_dispatch_seconds`: how many INVITEs left within so many seconds of a free operator
    /// and a caller finding each other.
    dispatched: Vec<(f64, u64)>,
    /// How long it took in all.
    took: Duration,
}

fn main() {
    let seconds = std::env::args().filter_map(|arg| arg.parse().ok()).next();
    let span = Duration::from_secs(seconds.unwrap_or(60));
    let calm = Temper {
        answer_within: Duration::from_millis(2),
        ..Temper::CALM
    };
    let exchange = Exchange::start(PHONES, calm);
    println!("{PHONES} phones, {CALLS} calls/s, {OPTIONS} OPTIONS/s, {span:?} each part");
    measure(&exchange, Duration::from_secs(5), false);
    let before = resident();
    let without = measure(&exchange, span, false);
    let between = resident();
    let with = measure(&exchange, span, true);
    let after = resident();
    println!(
        "flood: {} INVITEs, {:.0} a second",
        with.flood,
        with.flood as f64 / with.took.as_secs_f64()
    );
    for (what, part) in [("without", &without), ("with", &with)] {
        println!(
            "{what:>8} the flood: {} of {} calls set up ({:.2} %), {} of {} OPTIONS answered",
            part.setups.len(),
            part.calls,
            100.0 * part.setups.len() as f64 / part.calls as f64,
            part.answers.len(),
            part.options
        );
        let (within, total) = last_per_cent(&part.dispatched);
        println!(
            "{what:>8} the flood: strowger_dispatch_seconds p99 is within {within} s ({total} INVITEs)"
        );
    }
    for (what, calm, flooded) in [
        ("set-up", &without.setups, &with.setups),
        ("OPTIONS", &without.answers, &with.answers),
    ] {
        for per_cent in [50, 99] {
            let (calm, flooded) = (quantile(calm, per_cent), quantile(flooded, per_cent));
            println!(
                "{what:>8} p{per_cent}: {calm:>9.2?} without, {flooded:>9.2?} with: {:.2} ×",
                flooded.as_secs_f64() / calm.as_secs_f64()
            );
        }
    }
    println!(
        "resident: {before} kB after the warm-up, {between} kB before the flood, {after} kB after: {:.3} ×",
        after as f64 / between as f64
    );
    let share = with.setups.len() as f64 / with.calls as f64;
    assert!(share >= 0.99, "{share} of the calls were set up");
}

/// The bound below which 99 of 100 are, and how many there are in all.
fn last_per_cent(buckets: &[(f64, u64)]) -> (f64, u64) {
    let total = buckets.last().map_or(0, |(_, count)| *count);
    let enough = buckets.iter().find(|(_, count)| count * 100 >= total * 99);
    (enough.map_or(f64::INFINITY, |(bound, _)| *bound), total)
}

/// The buckets of the server's own histogram, each with all that is below its bound.
fn dispatched(exchange: &Exchange) -> Vec<(f64, u64)> {
    let page = exchange.metrics();
    let buckets = page.lines().filter_map(|line| {
        let bucket = line.strip_prefix("strowger_dispatch_seconds_bucket{le=\"")?;
        let (bound, count) = bucket.split_once("\"} ")?;
        Some((bound.parse().ok()?, count.trim().parse().ok()?))
    });
    buckets.collect()
}

fn quantile(times: &[Duration], per_cent: usize) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    let at = (sorted.len() * per_cent).div_ceil(100).saturating_sub(1);
    sorted.get(at).copied().unwrap_or_default()
}

/// Everybody at once, for so long.
fn measure(exchange: &Exchange, span: Duration, flood: bool) -> Part {
    let over = AtomicBool::new(false);
    let sent = AtomicU64::new(0);
    let mut part = Part::default();
    let start = exchange.clock.now().mono;
    let before = dispatched(exchange);
    std::thread::scope(|scope| {
        if flood {
            scope.spawn(|| flood_until(exchange, &over, &sent));
        }
        let asking = scope.spawn(|| ask(exchange, span));
        (part.calls, part.setups) = call(exchange, span);
        (part.options, part.answers) = asking.join().unwrap();
        over.store(true, Ordering::Relaxed);
    });
    part.took = exchange.clock.now().mono.since(start);
    part.flood = sent.into_inner();
    part.dispatched = dispatched(exchange);
    for (n, (_, count)) in part.dispatched.iter_mut().enumerate() {
        *count -= before.get(n).map_or(0, |(_, before)| *before);
    }
    part
}

/// The carrier's calls: how many, and how long each took that was set up.
fn call(exchange: &Exchange, span: Duration) -> (usize, Vec<Duration>) {
    let clock = exchange.clock;
    let role = Role::Callers(Callers::default());
    let start = clock.now().mono;
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&start.as_nanos().to_le_bytes());
    let rng = Rng::new(seed);
    let mut line = Line::open(CARRIER, exchange.sip, clock, role, None, rng);
    let count = usize::try_from(span.as_secs()).unwrap() * CALLS as usize;
    let mut due: Vec<Instant> = Vec::new();
    for number in 0..count {
        let at = start + Duration::from_secs(1) * u32::try_from(number).unwrap() / CALLS;
        let plan = CallPlan {
            to: "0800301232".to_owned(),
            from: Some(format!("38067{:07}", number % 997)),
            patience: HOLD,
            talk: HOLD,
        };
        if let Role::Callers(callers) = &mut line.party.role {
            let index = callers.plan(plan);
            line.party.cue(at, Cue::Call(index));
        }
        due.push(at);
    }
    let mut setups = vec![None; count];
    let mut first = 0;
    let end = start + span + HOLD + Duration::from_secs(3);
    while clock.now().mono < end {
        line.turn();
        let now = clock.now().mono;
        let Role::Callers(callers) = &line.party.role else {
            return (0, Vec::new());
        };
        while due.get(first).is_some_and(|at| *at + HOLD * 2 < now) {
            first += 1;
        }
        for (number, at) in due.iter().enumerate().skip(first) {
            if *at > now {
                break;
            }
            if callers.stories()[number].connected && setups[number].is_none() {
                setups[number] = Some(now.since(*at));
            }
        }
    }
    if let Role::Callers(callers) = &line.party.role {
        let failed = callers.stories().iter().filter(|story| !story.connected);
        failed.for_each(|story| println!("not set up: {story:?}"));
    }
    (count, setups.into_iter().flatten().collect())
}

/// OPTIONS of a stranger who keeps to the rate: how many, and how long each answer took.
fn ask(exchange: &Exchange, span: Duration) -> (usize, Vec<Duration>) {
    let socket = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, 77), 0)).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(1)))
        .unwrap();
    let (local, clock) = (socket.local_addr().unwrap(), exchange.clock);
    let (mut count, mut answers) = (0, Vec::new());
    let start = clock.now().mono;
    let mut buffer = [0; 4_096];
    while clock.now().mono < start + span {
        count += 1;
        let sent = clock.now().mono;
        let text = request("OPTIONS", local, exchange.sip, count);
        socket.send_to(text.as_bytes(), exchange.sip).unwrap();
        let mark = format!("CSeq: {count} OPTIONS");
        while let Ok((length, _)) = socket.recv_from(&mut buffer) {
            if String::from_utf8_lossy(&buffer[..length]).contains(&mark) {
                answers.push(clock.now().mono.since(sent));
                break;
            }
        }
        let next = sent + Duration::from_secs(1) / OPTIONS;
        pause(next.since(clock.now().mono));
    }
    (usize::try_from(count).unwrap(), answers)
}

/// INVITEs as fast as they shall come, each a new one.
fn flood_until(exchange: &Exchange, over: &AtomicBool, sent: &AtomicU64) {
    let socket = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, 66), 0)).unwrap();
    let (local, start) = (socket.local_addr().unwrap(), exchange.clock.now().mono);
    let mut count = 0;
    while !over.load(Ordering::Relaxed) {
        let passed = exchange.clock.now().mono.since(start);
        let wanted = u64::try_from(passed.as_millis()).unwrap() * FLOOD / 1_000;
        while count < wanted {
            count += 1;
            let text = request("INVITE", local, exchange.sip, count);
            let _full = socket.send_to(text.as_bytes(), exchange.sip);
        }
        sent.store(count, Ordering::Relaxed);
        pause(Duration::from_millis(1));
    }
}

fn request(method: &str, local: SocketAddr, server: SocketAddr, number: u64) -> String {
    let body = "v=0\r\no=- 1 1 IN IP4 127.0.0.66\r\ns=-\r\nc=IN IP4 127.0.0.66\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 0\r\n";
    let body = if method == "INVITE" { body } else { "" };
    format!(
        "{method} sip:0800301232@{server} SIP/2.0\r\n\
         Via: SIP/2.0/UDP {local};branch=z9hG4bK{method}{number}\r\n\
         Max-Forwards: 70\r\n\
         From: <sip:op001@{local}>;tag=t{number}\r\n\
         To: <sip:0800301232@{server}>\r\n\
         Contact: <sip:op001@{local}>\r\n\
         Call-ID: {method}{number}@{local}\r\n\
         CSeq: {number} {method}\r\n\
         Content-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
