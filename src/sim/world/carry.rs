//! What comes out of the engine and of the parties is carried to whom it is for, and written down.

use bytes::Bytes;

use super::{ACCEPTED_AFTER, Happening, RTP_TIMEOUT, World, way_to};
use crate::call::call::Call;
use crate::engine::event::Event;
use crate::engine::input::Answer;
use crate::engine::output::{Output, Question, Record};
use crate::sim::sound::{Heard, Sounding};
use crate::sip::flow::Flow;

impl World {
    pub(super) fn after_engine(&mut self) {
        self.inputs += 1;
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Transmit { flow, bytes } => self.server_sends(flow, bytes),
                Output::Media(command) => {
                    let mut sounding = Vec::new();
                    self.sound.handle(self.now, command, &mut sounding);
                    self.sounding(sounding);
                }
                Output::Record(Record::Event(event)) => {
                    self.kept.follow(&event);
                    self.note(*event);
                }
                Output::Ask {
                    id,
                    question: Question::Committed,
                } => {
                    if let Some((at, id)) = self.disk.asked(self.now, id) {
                        self.schedule(at, Happening::Answer(id, Answer::Committed));
                    }
                }
                Output::Ask {
                    id,
                    question: Question::Connect { peer, .. },
                } => {
                    // There is one wire, and whoever is on it can be spoken to.
                    let way = Ok(way_to(peer));
                    self.schedule(self.now, Happening::Answer(id, Answer::Connected(way)));
                }
                Output::Ask {
                    id,
                    question: Question::Records { .. },
                } => {
                    let answer = Answer::Records(Err("nobody has a name here".to_owned()));
                    self.schedule(self.now, Happening::Answer(id, answer));
                }
                Output::Ask {
                    id,
                    question: Question::Render { phrases },
                } => {
                    if let Some(takes) = self.rendering {
                        let answer = Answer::Rendered(self.sound.render(phrases));
                        self.schedule(self.now + takes, Happening::Answer(id, answer));
                    }
                }
                Output::Record(record) => self.kept.keep(record),
                Output::Reply { id, reply } => self.replies.push((id, reply)),
                Output::Leg { .. } | Output::Observe(_) | Output::Log(_) => {}
            }
        }
        if self.inputs.is_multiple_of(self.inspect_every) {
            let after_one = self.inspect_every == 1;
            self.watch.inspect(self.now, &self.engine, after_one);
            let entertained = self.engine.calls().filter_map(Call::entertained);
            let silent = entertained.filter(|leg| self.sound.is_silent(*leg));
            for leg in silent {
                self.watch.silence(leg);
            }
        }
    }

    fn note(&mut self, event: Event) {
        self.trace.text(event.kind.as_bytes());
        self.trace.text(event.id.to_string().as_bytes());
        self.watch.event(&event);
        if let Some(chart) = &mut self.chart {
            let column = chart.column("strowger");
            let more = ["queue", "operator", "to", "text", "outcome", "reason"]
                .into_iter()
                .filter(|key| match event.kind {
                    "operator.state" => matches!(*key, "operator" | "to"),
                    "whisper.played" => *key == "text",
                    "call.ended" => matches!(*key, "outcome" | "reason"),
                    "queue.joined" | "queue.left" => *key == "queue",
                    _ => *key == "operator",
                })
                .filter_map(|key| event.data.get(key)?.as_str());
            let label = more.fold(event.kind.to_owned(), |label, word| label + " " + word);
            chart.note(self.now, column, label);
        }
        if let Some(events) = &mut self.events {
            events.push(event);
        }
    }

    fn server_sends(&mut self, flow: Flow, bytes: Bytes) {
        self.trace.datagram(self.now, &bytes);
        if let Some(sent) = &mut self.sent {
            sent.push((self.now, flow.peer, bytes.clone()));
        }
        let Some(&index) = self.places.get(&flow.peer) else {
            if let Some(mail) = self.mail.get_mut(&flow.peer) {
                mail.push_back(bytes);
            }
            return;
        };
        if let (Some(chart), Some(party)) = (&mut self.chart, self.parties.get(index)) {
            let (from, to) = (chart.column("strowger"), chart.column(&party.name));
            chart.message(self.now, from, to, &bytes);
        }
        if self.is_lost(index, &bytes) {
            return;
        }
        for at in self.network.carry(self.now) {
            self.schedule(at, Happening::ToParty(index, bytes.clone()));
        }
    }

    /// Whether a test wants this datagram lost.
    fn is_lost(&mut self, party: usize, bytes: &[u8]) -> bool {
        let Some((beginning, left)) = self.doomed.get_mut(&party) else {
            return false;
        };
        let lost = *left > 0 && bytes.starts_with(beginning);
        *left -= u32::from(lost);
        lost
    }

    pub(super) fn sounding(&mut self, soundings: Vec<Sounding>) {
        for sounding in soundings {
            match sounding {
                Sounding::Tell(at, event) => self.schedule(at, Happening::Media(event)),
                Sounding::Ends(at, leg, play) => self.schedule(at, Happening::Ends(leg, play)),
                Sounding::Hears(address, heard) => {
                    let now = self.now();
                    let Some(&(index, leg)) = self.ears.get(&address) else {
                        let at = self.now + RTP_TIMEOUT;
                        self.schedule(at, Happening::Silence(None, address));
                        continue;
                    };
                    if self.accepting && matches!(heard, Heard::Phrases(_)) {
                        self.schedule(self.now + ACCEPTED_AFTER, Happening::Accept(index));
                    }
                    if let Some(party) = self.parties.get_mut(index) {
                        if party.reachable() {
                            party.hears(now, leg, heard);
                        } else {
                            let at = self.now + RTP_TIMEOUT;
                            self.schedule(at, Happening::Silence(Some(index), address));
                        }
                    }
                    self.after_party(index);
                }
            }
        }
    }

    pub(super) fn after_party(&mut self, index: usize) {
        let Some(party) = self.parties.get_mut(index) else {
            return;
        };
        while let Some((address, leg)) = party.poll_listening() {
            self.ears.insert(address, (index, leg));
        }
        let mut sent = Vec::new();
        while let Some(bytes) = party.poll_transmit() {
            sent.push(bytes);
        }
        let gone = party.poll_vanished();
        match party.poll_timeout() {
            Some(at) => self.wakeups.set(index, at),
            None => {
                self.wakeups.cancel(&index);
            }
        }
        if gone {
            // Whoever it was bridged with hears nothing from here on.
            let ears = self.ears.iter().filter(|(_, ear)| ear.0 == index);
            for address in ears.map(|(address, _)| *address).collect::<Vec<_>>() {
                let silence = Happening::Silence(Some(index), address);
                self.schedule(self.now + RTP_TIMEOUT, silence);
            }
        }
        for bytes in sent {
            self.trace.datagram(self.now, &bytes);
            if let (Some(chart), Some(party)) = (&mut self.chart, self.parties.get(index)) {
                let (from, to) = (chart.column(&party.name), chart.column("strowger"));
                chart.message(self.now, from, to, &bytes);
            }
            if self.is_lost(index, &bytes) {
                continue;
            }
            for at in self.network.carry(self.now) {
                self.schedule(at, Happening::ToServer(index, bytes.clone()));
            }
        }
    }
}
