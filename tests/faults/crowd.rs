//! Callers of a carrier and operators' phones over real sockets, as many as a test wants: one thread
//! speaks for all of them, with sound that counts.
//!
//! They are a second opinion, not a second product: they know UDP, one codec, no holds. What the server
//! told them before it died is remembered, and can be asked for after.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};

use crate::counter;
use crate::message::{Message, bodied};
use crate::rig::{House, SOON, now, wait};

/// What a caller does.
#[derive(Clone, Copy)]
pub enum Caller {
    /// Talks until something else ends the call.
    Stays,
    /// Hangs up so long after having dialled, answered or not.
    Leaves(Duration),
}

/// What a phone does.
#[derive(Clone, Copy)]
pub enum Phone {
    /// Takes the call after so long.
    Takes(Duration),
    /// Refuses it.
    Declines,
    /// Rings and rings.
    Rings,
}

/// One leg of a call, seen from its far end.
#[derive(Clone)]
pub struct Leg {
    /// The caller's number, or the operator.
    pub name: String,
    /// Of a caller; else of a phone.
    pub calls: bool,
    /// Every status the server answered with, or that we did.
    pub statuses: Vec<u16>,
    /// The number of the last packet that was heard of the other side, and the other side's leg.
    pub heard: Option<(u8, u16)>,
    /// The number of the first one.
    pub heard_first: Option<u16>,
    /// How many there were.
    pub heard_packets: usize,
    /// Its number among all legs, as its sound says.
    pub number: u8,
    over: bool,
    invite: Message,
    branch: u32,
    to: String,
    target: String,
    sound: Option<SocketAddr>,
    leaves: Option<Instant>,
    takes: Option<Instant>,
    again: Option<(Instant, Duration)>,
    last_final: Option<String>,
}

impl Leg {
    /// It was answered and nobody has hung up.
    pub fn talks(&self) -> bool {
        !self.over && self.statuses.contains(&200)
    }

    /// It has heard more than 100.
    pub fn told(&self) -> bool {
        self.statuses.iter().any(|status| *status > 100)
    }
}

struct State {
    legs: BTreeMap<String, Leg>,
    phones: BTreeMap<String, (Phone, bool)>,
    statuses: BTreeMap<String, u16>,
    numbers: u32,
    ticks: u16,
}

/// The crowd. Dropped, it falls silent.
pub struct Crowd {
    sockets: Arc<Sockets>,
    state: Arc<Mutex<State>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

struct Sockets {
    server: SocketAddr,
    /// The carrier's signalling and its sound, then the phones'.
    carrier: UdpSocket,
    carrier_sound: UdpSocket,
    phones: UdpSocket,
    phones_sound: UdpSocket,
}

/// Where the carrier of a house is, as the plan's `peers` say.
pub fn carrier_of(house: &House) -> SocketAddr {
    SocketAddr::new(house.address(1), 5060)
}

impl Crowd {
    /// A carrier and phones for the server of a house.
    pub fn of(house: &House) -> Self {
        let bind = |address: IpAddr, port: u16| {
            let socket = UdpSocket::bind((address, port)).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        };
        let (carrier, phones) = (house.address(1), house.address(2));
        let sockets = Arc::new(Sockets {
            server: SocketAddr::new(house.address(0), 5060),
            carrier: bind(carrier, 5060),
            carrier_sound: bind(carrier, 4000),
            phones: bind(phones, 5060),
            phones_sound: bind(phones, 4000),
        });
        let state = Arc::new(Mutex::new(State {
            legs: BTreeMap::new(),
            phones: BTreeMap::new(),
            statuses: BTreeMap::new(),
            numbers: 0,
            ticks: 0,
        }));
        let stop = Arc::new(AtomicBool::new(false));
        let run = (Arc::clone(&sockets), Arc::clone(&state), Arc::clone(&stop));
        let thread = std::thread::spawn(move || work(&run.0, &run.1, &run.2));
        Self {
            sockets,
            state,
            stop,
            thread: Some(thread),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Registers an operator's phone, whose password is `secret-` and the name.
    pub fn register(&self, operator: &str, phone: Phone) {
        let known = |crowd: &Self| crowd.state().phones.get(operator).is_some_and(|it| it.1);
        self.state()
            .phones
            .insert(operator.to_owned(), (phone, false));
        let mut next = now();
        wait(&format!("{operator} is registered"), SOON, || {
            if now() >= next {
                next = now() + Duration::from_secs(1);
                let mut state = self.state();
                state.numbers += 1;
                let text = register(&self.sockets, operator, state.numbers, "");
                send(&self.sockets.phones, self.sockets.server, &text);
            }
            known(self)
        });
    }

    /// What a phone does with calls from now on.
    pub fn behave(&self, operator: &str, phone: Phone) {
        let mut state = self.state();
        state.phones.get_mut(operator).expect("it is registered").0 = phone;
    }

    /// Dials `to` as `from`, a number that nobody used before.
    pub fn dial(&self, from: &str, to: &str, caller: Caller) {
        let mut state = self.state();
        state.numbers += 1;
        let number = state.numbers;
        let host = self.sockets.carrier.local_addr().unwrap();
        let invite = format!(
            "INVITE sip:{to}@{server} SIP/2.0\r\nVia: SIP/2.0/UDP {host};branch=z9hG4bK-f{number};rport\r\nMax-Forwards: 70\r\nFrom: <sip:{from}@{host}>;tag=c{number}\r\nTo: <sip:{to}@{server}>\r\nCall-ID: c{number}@faults\r\nCSeq: 1 INVITE\r\nContact: <sip:{from}@{host}>\r\n{body}",
            server = self.sockets.server,
            body = bodied(&description(host.ip()))
        );
        send(&self.sockets.carrier, self.sockets.server, &invite);
        let began = now();
        let leaves = match caller {
            Caller::Stays => None,
            Caller::Leaves(after) => Some(began + after),
        };
        let mut leg = Leg::new(
            from,
            true,
            Message::read(invite.as_bytes()).unwrap(),
            number,
        );
        leg.leaves = leaves;
        leg.again = Some((
            began + Duration::from_millis(500),
            Duration::from_millis(1000),
        ));
        state.legs.insert(format!("c{number}@faults"), leg);
    }

    /// Every leg there was since they were last forgotten.
    pub fn legs(&self) -> Vec<Leg> {
        self.state().legs.values().cloned().collect()
    }

    /// How many callers talk.
    pub fn talking(&self) -> usize {
        let state = self.state();
        state
            .legs
            .values()
            .filter(|leg| leg.calls && leg.talks())
            .count()
    }

    /// The number of the packet that is said last by everybody.
    pub fn ticks(&self) -> u16 {
        self.state().ticks
    }

    /// All calls are over for everybody here, and nobody says a word about it: the server is dead.
    pub fn forget(&self) -> Vec<Leg> {
        let legs = std::mem::take(&mut self.state().legs);
        legs.into_values().collect()
    }

    /// Callers hang up.
    pub fn hang_up(&self) {
        let mut state = self.state();
        for leg in state.legs.values_mut().filter(|leg| leg.calls) {
            leg.leaves = Some(now());
        }
    }

    /// Sends a request of the carrier's, and waits for its status. `unknown` is its Call-ID.
    pub fn ask(&self, method: &str, unknown: &str) -> u16 {
        let host = self.sockets.carrier.local_addr().unwrap();
        let server = self.sockets.server;
        self.state().statuses.remove(unknown);
        let text = format!(
            "{method} sip:{server} SIP/2.0\r\nVia: SIP/2.0/UDP {host};branch=z9hG4bK-a{unknown};rport\r\nMax-Forwards: 70\r\nFrom: <sip:carrier@{host}>;tag=a1\r\nTo: <sip:{server}>{tag}\r\nCall-ID: {unknown}\r\nCSeq: 7 {method}\r\n{body}",
            tag = if method == "OPTIONS" { "" } else { ";tag=gone" },
            body = bodied("")
        );
        let (mut status, mut next) = (0, now());
        wait(&format!("an answer to {method}"), SOON, || {
            if now() >= next {
                next = now() + Duration::from_millis(200);
                send(&self.sockets.carrier, server, &text);
            }
            status = self.state().statuses.get(unknown).copied().unwrap_or(0);
            status > 0
        });
        status
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _said = thread.join();
        }
    }
}

impl Leg {
    fn new(name: &str, calls: bool, invite: Message, number: u32) -> Self {
        Self {
            name: name.to_owned(),
            calls,
            statuses: Vec::new(),
            heard: None,
            heard_first: None,
            heard_packets: 0,
            number: (number % 251) as u8,
            over: false,
            branch: 1,
            to: invite.get("to").to_owned(),
            target: String::new(),
            invite,
            sound: None,
            leaves: None,
            takes: None,
            again: None,
            last_final: None,
        }
    }
}

fn description(host: IpAddr) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\na=ptime:20\r\na=sendrecv\r\n"
    )
}

fn register(sockets: &Sockets, operator: &str, number: u32, credentials: &str) -> String {
    let host = sockets.phones.local_addr().unwrap();
    format!(
        "REGISTER sip:strowger.test SIP/2.0\r\nVia: SIP/2.0/UDP {host};branch=z9hG4bK-r{number};rport\r\nMax-Forwards: 70\r\nFrom: <sip:{operator}@strowger.test>;tag=r{number}\r\nTo: <sip:{operator}@strowger.test>\r\nCall-ID: {operator}@phones\r\nCSeq: {number} REGISTER\r\nContact: <sip:{operator}@{host}>\r\nExpires: 3600\r\n{credentials}{}",
        bodied("")
    )
}

fn send(socket: &UdpSocket, to: SocketAddr, text: &str) {
    // A server that is dead answers by ICMP, which shows up at the next call.
    for _ in 0..3 {
        if socket.send_to(text.as_bytes(), to).is_ok() {
            return;
        }
    }
}

/// The thread: signalling as it comes, sound every 20 ms.
fn work(sockets: &Sockets, state: &Mutex<State>, stop: &AtomicBool) {
    let mut due = now();
    let mut buffer = [0; 4096];
    while !stop.load(Ordering::Relaxed) {
        let left = due.saturating_duration_since(now());
        if left.is_zero() {
            due += Duration::from_millis(20);
            let mut state = state.lock().unwrap();
            state.turn(sockets);
            continue;
        }
        let everybody = [
            &sockets.carrier,
            &sockets.phones,
            &sockets.carrier_sound,
            &sockets.phones_sound,
        ];
        let mut waiting = everybody.map(|socket| PollFd::new(socket, PollFlags::IN));
        let patience = rustix::time::Timespec {
            tv_sec: 0,
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        let _woken = poll(&mut waiting, Some(&patience));
        let mut state = state.lock().unwrap();
        for (at, socket) in everybody.into_iter().enumerate() {
            // Bounded, so that sound never keeps the crowd from speaking.
            for _ in 0..256 {
                match socket.recv_from(&mut buffer) {
                    Ok((length, from)) if at < 2 => {
                        if let Some(message) = Message::read(&buffer[..length]) {
                            state.hear(sockets, socket, from, &message);
                        }
                    }
                    Ok((length, from)) => state.listen(from, &buffer[..length]),
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                    Err(_) => {}
                }
            }
        }
    }
}

impl State {
    /// Twenty milliseconds have passed.
    fn turn(&mut self, sockets: &Sockets) {
        self.ticks = self.ticks.wrapping_add(1);
        let at = now();
        for leg in self.legs.values_mut().filter(|leg| !leg.over) {
            leg.say(sockets, self.ticks);
            if leg.takes.is_some_and(|it| it <= at) {
                leg.takes = None;
                leg.take(sockets);
            }
            if leg.leaves.is_some_and(|it| it <= at) {
                leg.leaves = None;
                leg.leave(sockets);
            }
            let unheard = leg.calls && leg.statuses.is_empty();
            if let Some((when, wait)) = leg.again.filter(|it| it.0 <= at) {
                leg.again = unheard.then_some((when + wait, wait * 2));
                if unheard {
                    let text = leg.invite.whole();
                    send(&sockets.carrier, sockets.server, &text);
                }
            }
        }
    }

    /// A packet of sound.
    fn listen(&mut self, from: SocketAddr, bytes: &[u8]) {
        let Some(payload) = bytes.get(12..) else {
            return;
        };
        let leg = self.legs.values_mut().find(|leg| leg.sound == Some(from));
        if let (Some(leg), Some(heard)) = (leg, counter::read_payload(payload)) {
            leg.heard = Some(heard);
            leg.heard_first.get_or_insert(heard.1);
            leg.heard_packets += 1;
        }
    }

    /// A message of the server's.
    fn hear(&mut self, sockets: &Sockets, socket: &UdpSocket, from: SocketAddr, it: &Message) {
        let id = it.get("call-id").to_owned();
        if let Some(status) = it.status() {
            self.answered(sockets, &id, status, it);
            return;
        }
        let reply = |status: &str| send(socket, from, &it.answer(status, "p1", "", ""));
        match it.method() {
            "INVITE" => self.rung(sockets, &id, it),
            "ACK" => {}
            "BYE" => {
                if let Some(leg) = self.legs.get_mut(&id) {
                    leg.over = true;
                }
                reply("200 OK");
            }
            "CANCEL" => {
                reply("200 OK");
                if let Some(leg) = self.legs.get_mut(&id).filter(|leg| !leg.talks()) {
                    leg.finish(sockets, "487 Request Terminated");
                }
            }
            _ => reply("200 OK"),
        }
    }

    /// A phone is rung.
    fn rung(&mut self, sockets: &Sockets, id: &str, invite: &Message) {
        if let Some(leg) = self.legs.get(id) {
            // It was sent again: so is the last answer.
            if let Some(text) = &leg.last_final {
                send(&sockets.phones, sockets.server, text);
            }
            return;
        }
        let operator = invite.wanted().to_owned();
        let Some((phone, _)) = self.phones.get(&operator).copied() else {
            let text = invite.answer("404 Not Found", "p1", "", "");
            send(&sockets.phones, sockets.server, &text);
            return;
        };
        self.numbers += 1;
        let mut leg = Leg::new(&operator, false, invite.clone(), self.numbers);
        leg.sound = invite
            .port()
            .map(|port| SocketAddr::new(sockets.server.ip(), port));
        let ringing = invite.answer("180 Ringing", "p1", &leg.contact(sockets), "");
        send(&sockets.phones, sockets.server, &ringing);
        match phone {
            Phone::Takes(after) if after.is_zero() => leg.take(sockets),
            Phone::Takes(after) => leg.takes = Some(now() + after),
            Phone::Declines => leg.finish(sockets, "603 Decline"),
            Phone::Rings => {}
        }
        self.legs.insert(id.to_owned(), leg);
    }

    /// The server has answered.
    fn answered(&mut self, sockets: &Sockets, id: &str, status: u16, it: &Message) {
        if status >= 200 {
            self.statuses.insert(id.to_owned(), status);
        }
        match it.method() {
            "REGISTER" => {
                let Some(operator) = id.strip_suffix("@phones") else {
                    return;
                };
                if status == 401 {
                    self.numbers += 1;
                    let uri = "sip:strowger.test";
                    let password = format!("secret-{operator}");
                    let answer = it.credentials(operator, &password, "REGISTER", uri);
                    let text = register(sockets, operator, self.numbers, &answer);
                    send(&sockets.phones, sockets.server, &text);
                } else if let Some(phone) = self.phones.get_mut(operator) {
                    phone.1 |= status == 200;
                }
            }
            "INVITE" => {
                let Some(leg) = self.legs.get_mut(id) else {
                    return;
                };
                leg.statuses.push(status);
                if let Some(port) = it.port() {
                    leg.sound = Some(SocketAddr::new(sockets.server.ip(), port));
                }
                if status >= 200 {
                    leg.to = it.get("to").to_owned();
                    leg.target = it.contact().to_owned();
                    leg.acknowledge(sockets, status);
                    leg.over |= status >= 300;
                }
            }
            _ => {}
        }
    }
}

impl Leg {
    /// One packet of sound.
    fn say(&self, sockets: &Sockets, tick: u16) {
        let Some(to) = self.sound.filter(|_| self.talks()) else {
            return;
        };
        let mut packet = vec![0x80, 8];
        packet.extend(tick.to_be_bytes());
        packet.extend((u32::from(tick) * 160).to_be_bytes());
        packet.extend((0xfa_0000 | u32::from(self.number)).to_be_bytes());
        packet.extend(counter::payload(self.number, tick));
        let socket = if self.calls {
            &sockets.carrier_sound
        } else {
            &sockets.phones_sound
        };
        let _lost = socket.send_to(&packet, to);
    }

    fn contact(&self, sockets: &Sockets) -> String {
        let host = sockets.phones.local_addr().unwrap();
        format!("Contact: <sip:{}@{host}>\r\n", self.name)
    }

    /// A phone takes its call.
    fn take(&mut self, sockets: &Sockets) {
        let host = sockets.phones.local_addr().unwrap().ip();
        let more = self.contact(sockets);
        let text = self
            .invite
            .answer("200 OK", "p1", &more, &description(host));
        send(&sockets.phones, sockets.server, &text);
        self.statuses.push(200);
        self.last_final = Some(text);
    }

    /// A phone refuses its call.
    fn finish(&mut self, sockets: &Sockets, status: &str) {
        let text = self.invite.answer(status, "p1", "", "");
        send(&sockets.phones, sockets.server, &text);
        self.last_final = Some(text);
        self.over = true;
    }

    /// A caller says that a final answer has come (RFC 3261 13.2.2.4, 17.1.1.3).
    fn acknowledge(&self, sockets: &Sockets, status: u16) {
        let text = if status < 300 {
            self.request("ACK", &self.target, "ack", 1)
        } else {
            let uri = self.invite.first.split(' ').nth(1).unwrap_or_default();
            self.within("ACK", uri, 1)
        };
        send(&sockets.carrier, sockets.server, &text);
    }

    /// A caller hangs up, or gives up.
    fn leave(&mut self, sockets: &Sockets) {
        let text = if self.talks() {
            self.over = true;
            self.branch += 1;
            self.request("BYE", &self.target, "bye", 2)
        } else if self.statuses.is_empty() {
            // Nothing may be cancelled before something was heard (RFC 3261 9.1).
            self.leaves = Some(now() + Duration::from_millis(100));
            return;
        } else {
            let uri = self.invite.first.split(' ').nth(1).unwrap_or_default();
            let mut cancel = self.clone();
            cancel.to = self.invite.get("to").to_owned();
            cancel.within("CANCEL", uri, 1)
        };
        send(&sockets.carrier, sockets.server, &text);
    }

    /// A request in the transaction of the INVITE.
    fn within(&self, method: &str, uri: &str, cseq: u32) -> String {
        self.text(method, uri, self.invite.get("via"), cseq)
    }

    /// A request in a transaction of its own.
    fn request(&self, method: &str, uri: &str, branch: &str, cseq: u32) -> String {
        let via = self.invite.get("via");
        let via = via.replace(";rport", &format!("-{branch};rport"));
        self.text(method, uri, &via, cseq)
    }

    fn text(&self, method: &str, uri: &str, via: &str, cseq: u32) -> String {
        let (from, id) = (self.invite.get("from"), self.invite.get("call-id"));
        let to = &self.to;
        format!(
            "{method} {uri} SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\nFrom: {from}\r\nTo: {to}\r\nCall-ID: {id}\r\nCSeq: {cseq} {method}\r\n{}",
            bodied("")
        )
    }
}
