//! The engine between hand-written phones and a carrier, message by message: for flows in which a
//! person at a phone does what the virtual operators never do.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use strowger::acd::message::Wish;
use strowger::engine::Engine;
use strowger::engine::command::{Actor, Command, Reply};
use strowger::engine::event::Event;
use strowger::engine::input::{Answer, Input};
use strowger::engine::output::{Output, Question, Record};
use strowger::id::{CommandId, FlowId, OperatorName};
use strowger::media::command::{MediaCommand, MediaEvent, Silence};
use strowger::sim::ladder::Ladder;
use strowger::sim::world::{SERVER, engine_settings};
use strowger::sip::auth::digest::response;
use strowger::sip::endpoint::{Algorithm, Credentials};
use strowger::sip::flow::{Flow, Transport};
use strowger::time::{Duration, Instant, Now, Wall};
use strowger::words::{Role, Supervision};

/// A dialog as one party sees it.
#[derive(Clone, Default)]
struct Talk {
    /// Our From or To, theirs, and where requests go.
    local: String,
    remote: String,
    target: String,
    cseq: u32,
    /// The INVITE that came in, and as the how manieth of all.
    invite: String,
    came: u32,
    /// Its last INVITE was refused, so that the ACK belongs to that transaction.
    refused: bool,
}

/// Everybody around the engine.
pub struct Exchange {
    pub engine: Engine,
    now: Now,
    chart: Ladder,
    parties: BTreeMap<&'static str, SocketAddr>,
    talks: BTreeMap<(&'static str, String), Talk>,
    /// Who has registered or asked, and what was sent: (party, Call-ID, CSeq method) → text.
    asked: BTreeMap<(&'static str, String, String), String>,
    /// Last final response to a request of a party.
    pub answers: Vec<(&'static str, String, u16)>,
    /// `NOTIFY` bodies.
    pub notified: Vec<(&'static str, String)>,
    pub events: Vec<Event>,
    pub media: Vec<MediaCommand>,
    /// What commands were answered with.
    replies: Vec<Reply>,
    /// Requests that came to the parties: who, and the method.
    pub heard: Vec<(&'static str, String)>,
    /// The same as they came.
    requests: Vec<(&'static str, String)>,
    /// Invited and not answered yet.
    ringing: BTreeSet<(&'static str, String)>,
    /// Dialogs that stand.
    talking: BTreeSet<(&'static str, String)>,
    open: BTreeSet<String>,
    calls: u32,
    to_do: Vec<(&'static str, String)>,
}

pub fn sdp(address: SocketAddr, mode: &str) -> String {
    let ip = address.ip();
    format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n\
         m=audio 4000 RTP/AVP 8\r\na={mode}\r\n"
    )
}

/// The value of a header.
pub fn header<'a>(message: &'a str, name: &str) -> &'a str {
    let lines = message.split("\r\n").take_while(|line| !line.is_empty());
    let mut found = lines.filter_map(|line| line.split_once(": "));
    let found = found.find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map_or("", |(_, value)| value)
}

const fn way_to(peer: SocketAddr) -> Flow {
    Flow {
        id: FlowId(1),
        transport: Transport::Udp,
        local: SERVER,
        peer,
    }
}

fn uri(value: &str) -> &str {
    let inner = value.split_once('<').map_or(value, |(_, rest)| rest);
    inner.split('>').next().unwrap_or_default()
}

impl Exchange {
    pub fn new(plan: &str, phones: &[&'static str]) -> Self {
        Self::after_a_restart(plan, phones, Vec::new())
    }

    /// The same, when this was wanted of operators, or owed by them, as the process ended.
    pub fn after_a_restart(
        plan: &str,
        phones: &[&'static str],
        wishes: Vec<(OperatorName, Wish)>,
    ) -> Self {
        let mut settings = engine_settings(Arc::new(super::hall::plan(plan)));
        settings.restored.wishes = wishes;
        let now = Now {
            mono: Instant::START,
            wall: Wall::from_millis(1_791_183_600_000),
        };
        let mut exchange = Self {
            engine: Engine::new(settings, [3; 32], now),
            now,
            chart: Ladder::default(),
            parties: BTreeMap::from([
                ("carrier", super::hall::carrier()),
                ("backup", "203.0.113.20:5060".parse().unwrap()),
            ]),
            talks: BTreeMap::new(),
            asked: BTreeMap::new(),
            answers: Vec::new(),
            notified: Vec::new(),
            events: Vec::new(),
            media: Vec::new(),
            replies: Vec::new(),
            heard: Vec::new(),
            requests: Vec::new(),
            ringing: BTreeSet::new(),
            talking: BTreeSet::new(),
            open: BTreeSet::new(),
            calls: 0,
            to_do: Vec::new(),
        };
        for name in ["carrier", "strowger"] {
            exchange.chart.column(name);
        }
        for (n, phone) in phones.iter().enumerate() {
            let address = format!("10.0.0.{}:5060", n + 1).parse().unwrap();
            exchange.parties.insert(phone, address);
            exchange.chart.column(phone);
            let to = exchange.user(phone);
            let contact = "Expires: 3600\r\n";
            exchange.begin(phone, "REGISTER", "sip:pbx.test", &to, contact, "");
            exchange.after(1_000);
        }
        let registered = exchange.answered(phones[0], "REGISTER");
        assert_eq!(registered, [200], "{}", exchange.chart());
        exchange.chart.clear();
        exchange.events.clear();
        exchange.answers.clear();
        exchange
    }

    /// The operator of a phone; `iryna2` is the second phone of `iryna`.
    fn user(&self, party: &str) -> String {
        let name = party.trim_end_matches(|c: char| c.is_ascii_digit());
        format!("<sip:{name}@pbx.test>")
    }

    pub fn chart(&self) -> String {
        self.chart.render()
    }

    pub fn after(&mut self, millis: u64) {
        let end = self.now.mono + Duration::from_millis(millis);
        while let Some(wakeup) = self.engine.poll_timeout().filter(|it| it.at <= end) {
            self.reach(wakeup.at);
            self.tell(Input::Timeout);
        }
        self.reach(end);
    }

    fn reach(&mut self, at: Instant) {
        let passed = at.since(self.now.mono);
        self.now.mono = self.now.mono.max(at);
        self.now.wall = self.now.wall + passed;
    }

    /// Makes another plan live.
    pub fn reload(&mut self, plan: &str) {
        let plan = Arc::new(super::hall::plan(plan));
        let prompts = Arc::new(strowger::sim::sound::prompts(&plan));
        self.tell(Input::Plan { plan, prompts });
    }

    /// The media threads say something.
    pub fn sounds(&mut self, event: MediaEvent) {
        self.tell(Input::Media(event));
    }

    fn tell(&mut self, input: Input<'_>) {
        self.engine.handle_input(self.now, input);
        let mut back = Vec::new();
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Transmit { flow, bytes } => {
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    let known = self.parties.iter().find(|(_, at)| **at == flow.peer);
                    if let Some(name) = known.map(|(name, _)| *name) {
                        let (from, to) = (self.chart.column("strowger"), self.chart.column(name));
                        self.chart.message(self.now.mono, from, to, &bytes);
                        self.to_do.push((name, text));
                    }
                }
                Output::Media(command) => {
                    self.see(&command);
                    if let MediaCommand::Open { leg, .. } = command {
                        back.push(Input::Media(MediaEvent::Opened { leg, port: 4_000 }));
                    }
                    self.media.push(command);
                }
                Output::Ask {
                    id,
                    question: Question::Committed,
                } => {
                    let answer = Answer::Committed;
                    back.push(Input::Answer { id, answer });
                }
                Output::Ask {
                    id,
                    question: Question::Connect { peer, .. },
                } => {
                    let answer = Answer::Connected(Ok(way_to(peer)));
                    back.push(Input::Answer { id, answer });
                }
                Output::Record(Record::Event(event)) => {
                    self.note(&event);
                    self.events.push(*event);
                }
                Output::Reply { reply, .. } => self.replies.push(reply),
                Output::Leg { .. }
                | Output::Ask { .. }
                | Output::Record(_)
                | Output::Observe(_)
                | Output::Log(_) => {}
            }
        }
        for input in back {
            self.tell(input);
        }
        while !self.to_do.is_empty() {
            let (party, text) = self.to_do.remove(0);
            self.hear(party, &text);
        }
    }

    fn see(&mut self, command: &MediaCommand) {
        match command {
            MediaCommand::Open { leg, .. } => {
                assert!(self.open.insert(leg.to_string()), "{leg} opened twice");
            }
            MediaCommand::Close { leg } => {
                self.open.remove(&leg.to_string());
            }
            MediaCommand::Connect { leg, .. }
            | MediaCommand::Play { leg, .. }
            | MediaCommand::Record { leg, .. }
            | MediaCommand::Supervise { leg, .. } => {
                assert!(self.open.contains(&leg.to_string()), "{leg} is closed");
            }
            MediaCommand::Bridge { .. }
            | MediaCommand::Unbridge { .. }
            | MediaCommand::StopRecording { .. }
            | MediaCommand::Silence { .. }
            | MediaCommand::Adopt { .. } => {}
        }
        let label = match command {
            MediaCommand::Bridge {
                caller, operator, ..
            } => format!("bridge {caller} {operator}"),
            MediaCommand::Unbridge { caller, operator } => format!("unbridge {caller} {operator}"),
            MediaCommand::Play {
                leg, looped: true, ..
            } => format!("music {leg}"),
            MediaCommand::Supervise { leg, mode, .. } => {
                format!("{} {leg}", mode.map_or("release", Supervision::as_str))
            }
            MediaCommand::Record { leg, .. } => format!("record {leg}"),
            MediaCommand::StopRecording { .. } => "stop recording".to_owned(),
            MediaCommand::Silence { silence, .. } => {
                let word = silence.map_or("recorded again", Silence::as_str);
                format!("recording {word}")
            }
            MediaCommand::Adopt { leg, .. } => format!("adopt {leg}"),
            MediaCommand::Open { .. }
            | MediaCommand::Close { .. }
            | MediaCommand::Connect { .. }
            | MediaCommand::Play { .. } => return,
        };
        let column = self.chart.column("strowger");
        self.chart.note(self.now.mono, column, label);
    }

    fn note(&mut self, event: &Event) {
        let column = self.chart.column("strowger");
        let data = &event.data;
        let keys: &[&str] = match event.kind {
            "operator.state" => &["operator", "to"],
            "call.ended" => &["outcome", "result", "reason"],
            "call.started" => &["direction"],
            "call.bridged" => &["operator"],
            "audit.action" => &["bound"],
            _ => &[],
        };
        let mut label = event.kind.to_owned();
        for word in keys.iter().filter_map(|key| data.get(*key)?.as_str()) {
            label = label + " " + word;
        }
        if let Some(transfer) = data.get("transfer") {
            for key in ["kind", "from", "to", "result"] {
                label = label + " " + transfer[key].as_str().unwrap_or_default();
            }
        }
        self.chart.note(self.now.mono, column, label);
    }

    /// A supervisor wants something by the API; the one answer to it.
    pub fn order(&mut self, command: Command) -> Reply {
        self.order_as(Role::Supervisor, command)
    }

    /// The same, by somebody of another role.
    pub fn order_as(&mut self, role: Role, command: Command) -> Reply {
        self.order_of(role, None, command)
    }

    /// The same, by an operator.
    pub fn order_by(&mut self, operator: &str, command: Command) -> Reply {
        self.order_of(Role::Operator, Some(operator.into()), command)
    }

    /// The same, by a token that stands for an operator, whatever its role.
    pub fn order_of(
        &mut self,
        role: Role,
        operator: Option<OperatorName>,
        command: Command,
    ) -> Reply {
        let actor = Actor {
            name: "head".to_owned(),
            role,
            operator,
        };
        let id = CommandId(1);
        self.tell(Input::Command { id, actor, command });
        let reply = self.replies.pop().expect("a command is answered");
        assert!(self.replies.is_empty());
        reply
    }

    pub fn say(&mut self, party: &'static str, text: &str) {
        let peer = self.parties[party];
        let (from, to) = (self.chart.column(party), self.chart.column("strowger"));
        self.chart.message(self.now.mono, from, to, text.as_bytes());
        let (flow, bytes) = (way_to(peer), text.as_bytes());
        self.tell(Input::Sip { flow, bytes });
    }

    /// A request outside any dialog; a challenge is answered. Gives its Call-ID.
    pub fn begin(
        &mut self,
        party: &'static str,
        method: &str,
        target: &str,
        to: &str,
        more: &str,
        body: &str,
    ) -> String {
        self.calls += 1;
        let call = format!("{party}-{}", self.calls);
        let from = match party {
            "carrier" => "<sip:380671112233@203.0.113.10>".to_owned(),
            phone => self.user(phone),
        };
        let local = format!("{from};tag=f{}", self.calls);
        let talk = Talk {
            local,
            remote: to.to_owned(),
            target: target.to_owned(),
            cseq: 0,
            ..Talk::default()
        };
        self.talks.insert((party, call.clone()), talk);
        self.request(party, &call, method, more, body);
        call
    }

    /// A request of a party in a dialog of its own, or the first one.
    pub fn request(
        &mut self,
        party: &'static str,
        call: &str,
        method: &str,
        more: &str,
        body: &str,
    ) {
        let address = self.parties[party];
        let talk = self.talks.get_mut(&(party, call.to_owned())).unwrap();
        talk.cseq += u32::from(method != "ACK");
        let branch = match method {
            "CANCEL" => "INVITE",
            "ACK" if talk.refused => "INVITE",
            other => other,
        };
        let content = match body {
            "" => "",
            _ => "Content-Type: application/sdp\r\n",
        };
        let text = format!(
            "{method} {} SIP/2.0\r\nVia: SIP/2.0/UDP {address};branch=z9hG4bK{call}-{}-{branch}\r\n\
             Max-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {call}\r\nCSeq: {} {method}\r\n\
             Contact: <sip:{party}@{address}>\r\n{more}{content}Content-Length: {}\r\n\r\n{body}",
            talk.target,
            talk.cseq,
            talk.local,
            talk.remote,
            talk.cseq,
            body.len(),
        );
        let key = (party, call.to_owned(), method.to_owned());
        self.asked.insert(key, format!("{more}\0{body}"));
        self.say(party, &text);
    }

    fn hear(&mut self, party: &'static str, text: &str) {
        let call = header(text, "Call-ID").to_owned();
        let (number, method) = header(text, "CSeq").split_once(' ').unwrap();
        let (number, method) = (number.to_owned(), method.to_owned());
        let Some(code) = text.strip_prefix("SIP/2.0 ") else {
            return self.hear_request(party, &call, text);
        };
        let code: u16 = code[..3].parse().unwrap();
        if code < 200 {
            return;
        }
        let asked = self.asked.get(&(party, call.clone(), method.clone()));
        let asked = asked.cloned().unwrap_or_default();
        if method == "INVITE" {
            let talk = self.talks.get_mut(&(party, call.clone())).unwrap();
            if number != talk.cseq.to_string() {
                return;
            }
            let before = talk.remote.clone();
            talk.refused = code >= 300;
            header(text, "To").clone_into(&mut talk.remote);
            if code < 300 {
                uri(header(text, "Contact")).clone_into(&mut talk.target);
                self.talking.insert((party, call.clone()));
            }
            self.request(party, &call, "ACK", "", "");
            if code == 407 {
                self.talks.get_mut(&(party, call.clone())).unwrap().remote = before;
            }
        }
        if code == 401 || code == 407 {
            let (more, body) = asked.split_once('\0').unwrap();
            if more.contains("uthorization: ") {
                return self.answers.push((party, method, code));
            }
            let more = format!("{more}{}", self.credentials(party, &call, &method, text));
            return self.request(party, &call, &method, &more, body);
        }
        self.answers.push((party, method, code));
    }

    fn credentials(&self, party: &str, call: &str, method: &str, text: &str) -> String {
        let (name, answer) = match header(text, "Proxy-Authenticate") {
            "" => ("Authorization", header(text, "WWW-Authenticate")),
            challenge => ("Proxy-Authorization", challenge),
        };
        let (_, nonce) = answer.split_once("nonce=\"").unwrap();
        let nonce = nonce.split('"').next().unwrap();
        let user = party.trim_end_matches(|c: char| c.is_ascii_digit());
        let own = self.talks.iter();
        let mut own = own.filter(|((_, known), _)| known == call);
        let target = own.next().map(|(_, talk)| talk.target.clone()).unwrap();
        let credentials = Credentials::from_password(user, "pbx.test", user);
        let ha1 = credentials.ha1(Algorithm::Md5);
        let response = response(Algorithm::Md5, ha1, nonce, None, method, &target);
        format!(
            "{name}: Digest username=\"{user}\", realm=\"pbx.test\", nonce=\"{nonce}\", \
             uri=\"{target}\", response=\"{response}\", algorithm=MD5\r\n"
        )
    }

    fn hear_request(&mut self, party: &'static str, call: &str, text: &str) {
        let method = text.split(' ').next().unwrap();
        self.heard.push((party, method.to_owned()));
        self.requests.push((party, text.to_owned()));
        let key = (party, call.to_owned());
        match method {
            "INVITE" => {
                self.calls += 1;
                self.ringing.insert(key);
                let tag = format!(";tag=t{party}");
                let talk = Talk {
                    local: format!("{}{tag}", header(text, "To")),
                    remote: header(text, "From").to_owned(),
                    target: uri(header(text, "Contact")).to_owned(),
                    cseq: 0,
                    invite: text.to_owned(),
                    came: self.calls,
                    refused: false,
                };
                self.talks.insert((party, call.to_owned()), talk);
            }
            "ACK" => {}
            "CANCEL" => {
                self.ringing.remove(&key);
                self.reply(party, text, 200, "");
                let talk = self.talks[&(party, call.to_owned())].clone();
                self.reply(party, &talk.invite, 487, "");
            }
            "NOTIFY" => {
                let body = text.split_once("\r\n\r\n").unwrap().1;
                self.notified.push((party, body.trim().to_owned()));
                self.reply(party, text, 200, "");
            }
            "BYE" => {
                self.talking.remove(&key);
                self.reply(party, text, 200, "");
            }
            _ => self.reply(party, text, 200, ""),
        }
    }

    fn reply(&mut self, party: &'static str, request: &str, code: u16, body: &str) {
        let to = header(request, "To");
        let tag = if to.contains(";tag=") {
            String::new()
        } else {
            format!(";tag=t{party}")
        };
        let address = self.parties[party];
        let vias = request.split("\r\n").filter(|it| it.starts_with("Via: "));
        let vias = vias.map(|via| format!("{via}\r\n")).collect::<String>();
        let content = match body {
            "" => "",
            _ => "Content-Type: application/sdp\r\n",
        };
        let text = format!(
            "SIP/2.0 {code} X\r\n{vias}From: {}\r\nTo: {to}{tag}\r\nCall-ID: {}\r\nCSeq: {}\r\n\
             Contact: <sip:{party}@{address}>\r\n{content}Content-Length: {}\r\n\r\n{body}",
            header(request, "From"),
            header(request, "Call-ID"),
            header(request, "CSeq"),
            body.len(),
        );
        self.say(party, &text);
    }

    /// The newest call that came to a party.
    pub fn rung(&self, party: &'static str) -> String {
        let talks = self.talks.iter();
        let came = talks.filter(|((who, _), talk)| *who == party && !talk.invite.is_empty());
        let last = came.max_by_key(|(_, talk)| talk.came);
        let last = last.expect("somebody rings");
        last.0.1.clone()
    }

    /// Answers the call that came to a party, with a code; 180 to 299 with sound above 182.
    pub fn respond(&mut self, party: &'static str, code: u16) -> String {
        let call = self.rung(party);
        let invite = self.talks[&(party, call.clone())].invite.clone();
        let key = (party, call.clone());
        if code >= 200 {
            self.ringing.remove(&key);
        }
        if (200..300).contains(&code) {
            self.talking.insert(key);
        }
        let body = match code {
            183..=299 => sdp(self.parties[party], "sendrecv"),
            _ => String::new(),
        };
        self.reply(party, &invite, code, &body);
        call
    }

    /// An operator, or the carrier's caller, dials.
    pub fn dial(&mut self, party: &'static str, to: &str) -> String {
        let target = format!("sip:{to}@pbx.test");
        let body = sdp(self.parties[party], "sendrecv");
        let to = format!("<{target}>");
        self.begin(party, "INVITE", &target, &to, "", &body)
    }

    pub fn refer(&mut self, party: &'static str, call: &str, to: &str) {
        let more = format!("Refer-To: <sip:{to}@pbx.test>\r\n");
        self.request(party, call, "REFER", &more, "");
    }

    /// What a Replaces about a dialog of this party says: Call-ID, their tag, its own tag.
    pub fn replaces(&self, party: &'static str, call: &str) -> String {
        let talk = &self.talks[&(party, call.to_owned())];
        let tag = |value: &str| value.split_once(";tag=").unwrap().1.to_owned();
        let (to, from) = (tag(&talk.remote), tag(&talk.local));
        format!("{call};to-tag={to};from-tag={from}")
    }

    pub fn hold(&mut self, party: &'static str, call: &str, mode: &str) {
        let body = sdp(self.parties[party], mode);
        self.request(party, call, "INVITE", "", &body);
    }

    /// Takes a call back that was not answered yet.
    pub fn cancel(&mut self, party: &'static str, call: &str) -> String {
        let talk = self.talks.get_mut(&(party, call.to_owned())).unwrap();
        talk.cseq -= 1;
        self.request(party, call, "CANCEL", "", "");
        self.chart()
    }

    /// Sends the one who rings elsewhere.
    pub fn redirect(&mut self, party: &'static str, contact: &str) {
        let call = self.rung(party);
        let invite = self.talks[&(party, call)].invite.clone();
        let vias = invite.split("\r\n").filter(|it| it.starts_with("Via: "));
        let vias = vias.map(|via| format!("{via}\r\n")).collect::<String>();
        let text = format!(
            "SIP/2.0 302 X\r\n{vias}From: {}\r\nTo: {};tag=t{party}\r\nCall-ID: {}\r\nCSeq: {}\r\n\
             Contact: <{contact}>\r\nContent-Length: 0\r\n\r\n",
            header(&invite, "From"),
            header(&invite, "To"),
            header(&invite, "Call-ID"),
            header(&invite, "CSeq"),
        );
        self.say(party, &text);
    }

    pub fn bye(&mut self, party: &'static str, call: &str) {
        self.talking.remove(&(party, call.to_owned()));
        self.request(party, call, "BYE", "", "");
    }

    pub fn answered(&self, party: &str, method: &str) -> Vec<u16> {
        let answers = self.answers.iter();
        let own = answers.filter(|(who, what, _)| *who == party && what == method);
        own.map(|(_, _, code)| *code).collect()
    }

    /// The last event of a kind.
    pub fn event(&self, kind: &str) -> &Event {
        let found = self.events.iter().rev().find(|event| event.kind == kind);
        let missing = format!("no {kind}");
        found.expect(&missing)
    }

    /// Whether an INVITE that came to a party waits for its answer.
    pub fn rings(&self, party: &str) -> bool {
        self.ringing.iter().any(|(who, _)| *who == party)
    }

    /// Whether a dialog of a party stands.
    pub fn talks(&self, party: &'static str, call: &str) -> bool {
        self.talking.contains(&(party, call.to_owned()))
    }

    /// A dialog of a party that stands.
    pub fn talk_of(&self, party: &str) -> Option<String> {
        let mut mine = self.talking.iter().filter(|(who, _)| *who == party);
        mine.next().map(|(_, call)| call.clone())
    }

    /// How many requests with a method came to a party.
    pub fn heard_by(&self, party: &str, method: &str) -> usize {
        let heard = self.heard.iter();
        heard
            .filter(|(who, what)| *who == party && what == method)
            .count()
    }

    /// The last request with a method that came to a party.
    pub fn last_heard(&self, party: &str, method: &str) -> String {
        let mut requests = self.requests.iter().rev();
        let found = requests.find(|(who, text)| *who == party && text.starts_with(method));
        found.map(|(_, text)| text.clone()).unwrap_or_default()
    }

    /// Everybody who still talks hangs up, and the server knows of every talk.
    pub fn hang_up_all(&mut self) {
        while let Some((party, call)) = self.talking.first().cloned() {
            self.answers.clear();
            self.bye(party, &call);
            assert_eq!(self.answered(party, "BYE"), [200], "{}", self.chart());
        }
    }

    /// Hours later nobody is left, and nothing has failed in the server.
    pub fn finish(&mut self) {
        self.rest();
        assert_eq!(self.engine.view().faults, 0, "{}", self.chart());
    }

    /// Hours later nobody is left: no leg, no ticket, no port, no dialog, no operator in a call; each
    /// call has ended once.
    pub fn rest(&mut self) {
        self.after(120_000);
        let view = self.engine.view();
        let left = (view.calls_kept, view.legs, view.tickets);
        assert_eq!(left, (0, 0, 0), "{}", self.chart());
        assert_eq!(self.talking, BTreeSet::new(), "{}", self.chart());
        assert_eq!(self.open, BTreeSet::new(), "{}", self.chart());
        let held = self.engine.desk().operators();
        let held = held.filter(|operator| operator.call().is_some()).count();
        assert_eq!(held, 0, "{}", self.chart());
        let calls = |kind| {
            let events = self.events.iter().filter(move |it| it.kind == kind);
            let mut calls = events.map(|it| it.subject).collect::<Vec<_>>();
            calls.sort_unstable();
            calls
        };
        let (started, ended) = (calls("call.started"), calls("call.ended"));
        assert_eq!(started, ended, "{}", self.chart());
        assert!(ended.is_sorted_by(|a, b| a < b), "{}", self.chart());
    }
}
