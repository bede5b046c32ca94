use super::super::attempts::Upshot;
use super::*;
use crate::id::Ulid;
use crate::rng::Rng;
use crate::words::CallResult;

const PHONE: &str = "+380671112233";

struct Book {
    leads: Leads,
    rng: Rng,
}

fn at(seconds: u64) -> Wall {
    Wall::default() + Duration::from_secs(seconds)
}

impl Book {
    fn new() -> Self {
        Self {
            leads: Leads::default(),
            rng: Rng::new([1; 32]),
        }
    }

    fn call(&mut self) -> CallId {
        CallId(Ulid::new(at(0), &mut self.rng))
    }

    fn lead(&mut self, phone: &str, list: Option<&str>, when: u64) -> LeadId {
        let id = LeadId(Ulid::new(at(when), &mut self.rng));
        self.leads.receive(Lead {
            id,
            phone: phone.to_owned(),
            said: Said::default(),
            site: None,
            queue: "odesa".into(),
            priority: 0,
            list: list.map(str::to_owned),
            received_at: at(when),
            rung: 0,
            next_at: Some(at(when)),
            attempts: Vec::new(),
            ringing: None,
            state: LeadState::Open,
            call: None,
        });
        id
    }

    fn due(&mut self, when: u64) -> Option<String> {
        let lines = self.leads.due_lines(at(when));
        let popped = lines
            .iter()
            .find_map(|line| self.leads.pop_due(line, at(when)));
        popped.map(|lead| lead.phone)
    }

    /// The standing of every line, and of who is live, is what the leads themselves say.
    fn sound(&self) {
        let leads = &self.leads;
        let standing: usize = leads.lines.values().map(BTreeSet::len).sum();
        let kept = leads.known.values();
        assert_eq!(standing, kept.clone().filter(|it| it.at.is_some()).count());
        let live = kept.clone().filter(|it| it.live.is_some());
        assert_eq!(leads.live(), live.clone().count());
        let listed = live.filter(|it| it.lead.list.is_some()).count();
        assert_eq!(leads.live_of_lists(), listed);
        let over = kept.filter(|it| it.lead.state.end().is_some()).count();
        assert_eq!(leads.closed.len(), over);
    }
}

fn busy(when: u64) -> Attempt {
    Attempt {
        at: at(when),
        operator: None,
        sip_code: Some(486),
        ring: Duration::ZERO,
        result: Upshot::Call(CallResult::Busy),
    }
}

fn ringing() -> Ringing {
    Ringing {
        at: at(1),
        operator: None,
    }
}

#[test]
fn a_clock_that_is_set_moves_what_waits_and_leaves_a_time_that_was_named() {
    let mut book = Book::new();
    let tried = book.lead("1", None, 0);
    assert_eq!(book.due(0).as_deref(), Some("1"));
    book.leads.climb(tried, Some(at(600)));
    book.lead("2", None, 3_000);
    book.leads.clock_set(at(100), 3_600_000);
    book.sound();
    assert_eq!(book.due(3_700).as_deref(), Some("2"));
    assert_eq!(book.due(4_199), None);
    assert_eq!(book.due(4_200).as_deref(), Some("1"));
    // One that is due already does not wait for an hour that comes twice.
    book.lead("3", None, 8_000);
    book.leads.clock_set(at(8_000), -3_600_000);
    book.sound();
    assert_eq!(book.due(4_400).as_deref(), Some("3"));
}

#[test]
fn one_number_has_one_open_lead_and_a_fresh_one_is_the_same() {
    let mut book = Book::new();
    let window = Duration::from_secs(600);
    let id = book.lead(PHONE, None, 0);
    let same = |book: &Book, when| book.leads.same(PHONE, at(when), window).map(|it| it.id);
    assert_eq!(same(&book, 100_000), Some(id), "while it is open");
    assert!(book.leads.close(id, LeadEnd::NotReached, None).is_some());
    assert!(
        book.leads.close(id, LeadEnd::Elsewhere, None).is_none(),
        "once"
    );
    assert_eq!(same(&book, 599), Some(id));
    assert_eq!(same(&book, 600), None);
    assert_eq!((book.leads.open(), book.due(600)), (0, None));
    // What nobody asks for any more is forgotten when the next one comes.
    let week = limits::LEAD_DEDUPE.as_secs();
    let later = book.lead("2", None, week);
    assert_eq!(book.leads.get(id), None);
    assert_eq!((book.leads.known.len(), book.leads.open()), (1, 1));
    assert_eq!(book.leads.of("2").map(|it| it.id), Some(later));
    book.sound();
}

#[test]
fn the_ladder_is_climbed_rung_by_rung() {
    let mut book = Book::new();
    let id = book.lead(PHONE, None, 10);
    assert_eq!(book.due(9), None);
    assert_eq!(book.due(10).as_deref(), Some(PHONE));
    let call = book.call();
    book.leads.begun(id, call);
    assert_eq!(book.due(10_000), None, "it is being rung");
    assert_eq!(book.leads.rung_by(PHONE), Some(call));
    let lease = book.leads.dials(id, ringing(), Some(at(900))).unwrap();
    assert_eq!((lease.rung, lease.state), (1, LeadState::Attempting));
    assert_eq!(
        book.leads.get(id).unwrap().rung,
        0,
        "only the lease is ahead"
    );
    book.leads.note_attempt(id, busy(11));
    book.leads.climb(id, Some(at(900)));
    let tried = book.leads.get(id).unwrap();
    assert_eq!((tried.rung, tried.attempts.len()), (1, 1));
    assert_eq!(tried.state, LeadState::Open);
    book.sound();
    assert_eq!(book.due(899), None);
    assert_eq!(book.due(900).as_deref(), Some(PHONE));
    // A try that shows nothing is made again, on the same rung.
    book.leads.look_again(id, at(930));
    assert_eq!(book.leads.get(id).unwrap().rung, 1);
    assert_eq!(book.due(929), None);
    assert_eq!(book.due(930).as_deref(), Some(PHONE));
    for n in 0..limits::LEAD_ATTEMPTS as u64 {
        book.leads.note_attempt(id, busy(931 + n));
    }
    book.leads.climb(id, None);
    let over = book.leads.get(id).unwrap();
    assert_eq!(
        (over.next_at, over.attempts.len()),
        (None, limits::LEAD_ATTEMPTS)
    );
    assert_eq!(over.attempts[0].at, at(931), "the earliest is forgotten");
    assert_eq!(book.due(100_000), None);
    book.sound();
}

#[test]
fn a_lead_is_looked_at_as_soon_as_its_line_is_free() {
    let mut book = Book::new();
    let id = book.lead(PHONE, None, 0);
    let (ours, theirs) = (book.call(), book.call());
    assert!(book.due(0).is_some());
    book.leads.begun(id, ours);
    book.leads.line_is_free(PHONE, at(5));
    assert_eq!(book.due(10), None, "a call of its own is under way");
    book.leads.look_again(id, at(55));
    assert_eq!(book.due(30), None);
    book.leads.line_is_free(PHONE, at(40));
    assert_eq!(book.due(39), None);
    assert_eq!(book.due(40).as_deref(), Some(PHONE));
    book.sound();
    // A talk elsewhere ends it.
    assert!(
        book.leads
            .close(id, LeadEnd::Elsewhere, Some(theirs))
            .is_some()
    );
    book.leads.line_is_free(PHONE, at(50));
    assert_eq!((book.due(60), book.leads.open()), (None, 0));
    book.sound();
}

#[test]
fn lists_stand_apart_and_the_website_comes_first() {
    let mut book = Book::new();
    let listed = book.lead("1", Some("recall"), 0);
    book.lead("2", None, 0);
    let lines = book.leads.due_lines(at(0));
    let listed_lines: Vec<_> = lines.iter().map(|line| line.listed).collect();
    assert_eq!(listed_lines, [false, true]);
    let call = book.call();
    book.leads.begun(listed, call);
    assert_eq!((book.leads.live(), book.leads.live_of_lists()), (1, 1));
    assert_eq!(book.leads.due_lines(at(0)).len(), 1);
    book.leads.close(listed, LeadEnd::Connected, Some(call));
    assert_eq!((book.leads.live(), book.leads.live_of_lists()), (0, 0));
    book.sound();
}

#[test]
fn a_restart_rings_nobody_twice_and_forgets_nobody() {
    let mut book = Book::new();
    let names = ["open", "leased", "last", "talking", "over"];
    let ids = names.map(|name| book.lead(name, None, 0));
    let [open, leased, last, talking, over] = ids;
    let kept = |lead: &Lead| lead.clone();
    let saved = vec![
        kept(book.leads.get(open).unwrap()),
        book.leads.dials(leased, ringing(), Some(at(900))).unwrap(),
        book.leads.dials(last, ringing(), None).unwrap(),
        book.leads.connected(talking).unwrap(),
        book.leads.close(over, LeadEnd::NotReached, None).unwrap(),
    ];
    assert!(book.leads.connected(talking).is_none(), "told once");
    book.leads = Leads::restore(saved, at(60));
    book.sound();
    let mut left = book.leads.left_over();
    left.sort_by_key(|(id, _)| *id);
    let mut expected = [(last, LeadEnd::Interrupted), (talking, LeadEnd::Connected)];
    expected.sort_by_key(|(id, _)| *id);
    assert_eq!(left, expected);
    assert_eq!(book.due(59), None, "a phone may still ring");
    assert_eq!(book.due(60).as_deref(), Some("open"));
    assert_eq!(book.due(899), None);
    assert_eq!(book.due(900).as_deref(), Some("leased"));
    assert_eq!(book.leads.get(leased).unwrap().rung, 1);
    assert!(
        book.leads
            .same("over", at(60), Duration::from_secs(600))
            .is_some()
    );
}

#[test]
fn who_is_erased_is_gone_everywhere() {
    let mut book = Book::new();
    let first = book.lead(PHONE, None, 0);
    book.leads.close(first, LeadEnd::NotReached, None);
    let second = book.lead(PHONE, Some("recall"), 5_000);
    let other = book.lead("2", None, 5_000);
    let call = book.call();
    book.leads.begun(second, call);
    assert_eq!(book.leads.erase(PHONE), 2);
    assert!(book.leads.of(PHONE).is_none() && book.leads.get(first).is_none());
    assert_eq!((book.leads.open(), book.leads.live()), (1, 0));
    assert!(book.leads.get(other).is_some());
    book.sound();
}
